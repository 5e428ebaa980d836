//! Decisions that clients ask for, as the handle offers them.
//!
//! Boundary: the catalogue of this server has what was deployed; the evaluation is `dmn`'s, on
//! another thread. Nothing of it is kept.
//! Read first: [`Node::evaluate_decision`].   Tests: `tests/decisions.rs`

use std::sync::Arc;
use std::time::Duration;

use dmn::Outcome;
use feel::{Context, Environment, Str};

use crate::blocking;
use crate::catalog::{Catalog, Decision, Requirements};
use crate::error::Error;
use crate::handle::Node;
use crate::published::Condition;

/// Evaluations at a time: they need processors, and so do the shards.
pub(super) const AT_ONCE: usize = 4;
/// How long one more waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which version of which decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichDecision {
    /// The newest one of that id.
    Latest(Str),
    /// The one with that key.
    Key(u64),
}

impl WhichDecision {
    fn find<'c>(&self, catalog: &'c Catalog) -> Option<&'c Arc<Decision>> {
        match self {
            Self::Latest(id) => catalog.latest_decision(id),
            Self::Key(key) => catalog.decision(*key),
        }
    }
}

/// What came of an evaluation.
#[derive(Debug)]
pub struct Evaluation {
    /// The version that was evaluated.
    pub decision: Arc<Decision>,
    /// The file that it stands in.
    pub requirements: Option<Arc<Requirements>>,
    /// The result, and what was evaluated on the way.
    pub outcome: Outcome,
    /// The versions of what was evaluated on the way, in the same order.
    pub versions: Vec<Option<Arc<Decision>>>,
}

impl Node {
    /// Evaluates a decision with `input`, which has the values of its input data by name.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Overloaded`] if too many are evaluated already. A decision
    /// that fails is no error: the outcome tells it.
    pub async fn evaluate_decision(
        &self,
        which: &WhichDecision,
        input: Context,
    ) -> Result<Evaluation, Error> {
        if self.condition() == Condition::Starting {
            return Err(Error::Unavailable { doing: "starting" });
        }
        if which.find(&self.catalog()).is_none() {
            // A server that just started, or was away, may not know what others deployed.
            self.catch_up().await?;
        }
        let catalog = self.catalog();
        let decision = which.find(&catalog).cloned().ok_or_else(|| match which {
            WhichDecision::Latest(id) => Error::not_found("decision", id),
            WhichDecision::Key(key) => Error::not_found("decision", key),
        })?;
        let turn = tokio::time::timeout(PATIENCE, self.inner.evaluations.clone().acquire_owned());
        let Ok(Ok(turn)) = turn.await else { return Err(Error::Overloaded) };
        let steps_max = self.values().limits.feel_steps_max;
        let environment = Environment { now_ms: self.now_ms(), steps_max };
        let evaluated = decision.clone();
        let outcome = blocking::run(move || {
            let outcome = evaluated.deployed.model.evaluate(&evaluated.id, &input, &environment);
            drop(turn);
            outcome
        });
        let outcome = outcome.await.map_err(|error| Error::Internal {
            detail: format!("evaluating `{}` broke: {error}", decision.id),
        })?;
        let outcome = outcome.ok_or_else(|| Error::not_found("decision", &decision.id))?;
        let versions = outcome.decisions.iter();
        let versions = versions.map(|one| catalog.decided_with(&decision, &one.id).cloned());
        Ok(Evaluation {
            requirements: catalog.requirements_of(&decision).cloned(),
            versions: versions.collect(),
            outcome,
            decision,
        })
    }
}
