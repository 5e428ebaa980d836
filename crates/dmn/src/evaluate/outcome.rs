//! What comes of an evaluation: the result, and everything that an audit log wants to know.
//!
//! Boundary: values only. The journal is shared with the functions that a decision calls, which
//! may be called from anywhere inside of an expression.
//! Read first: [`Outcome`], then [`Evaluated`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use feel::{Evaluation, Str, Value, Warning};

use crate::model::{Logic, Title};

/// Decisions and failures that one outcome lists; the rest is dropped.
const LISTED_MAX: usize = 10_000;

/// The result of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The value of what was asked for; null where it failed.
    pub value: Value,
    /// Every decision that was evaluated, in the order of their evaluation.
    pub decisions: Vec<Evaluated>,
    /// What was tolerated on the way.
    pub warnings: Vec<Warning>,
    /// What went wrong; each yields null at its place.
    pub failures: Vec<Failure>,
}

/// One decision that was evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Its id; empty if it has none.
    pub id: Str,
    /// Its name.
    pub name: Str,
    /// The DMN element that is its logic, for example `decisionTable`.
    pub logic: &'static str,
    /// The inputs of its decision table.
    pub inputs: Vec<Input>,
    /// The rules that matched and counted.
    pub matched: Vec<Matched>,
    /// Its result.
    pub output: Value,
}

/// What was tested in one column of a decision table.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The id of the column.
    pub id: Str,
    /// Its label, or else its expression.
    pub label: Str,
    /// The value of the expression.
    pub value: Value,
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// Its number, from 1.
    pub rule: u32,
    /// Its id.
    pub id: Str,
    /// Its outputs, column by column.
    pub outputs: Vec<Given>,
}

/// What a rule gives for one output of its table.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The id of the output.
    pub id: Str,
    /// Its name; empty if it is the only one.
    pub name: Str,
    /// Its label, or else its name.
    pub label: Str,
    /// The value.
    pub value: Value,
}

/// Something that went wrong in a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The id of the decision or function, or its name if it has no id.
    pub decision: Str,
    /// The number of the rule, from 1.
    pub rule: Option<u32>,
    /// The cell or column.
    pub cell: Option<Str>,
    /// What is wrong, without any value of a variable.
    pub message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "decision `{}`", self.decision)?;
        if let Some(rule) = self.rule {
            write!(f, ", rule {rule}")?;
        }
        if let Some(cell) = &self.cell {
            write!(f, ", {cell}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Evaluated {
    pub(super) fn of(title: &Title, logic: &Logic) -> Self {
        Self {
            id: title.id.clone(),
            name: title.name.clone(),
            logic: logic.element(),
            inputs: Vec::new(),
            matched: Vec::new(),
            output: Value::Null,
        }
    }
}

/// Collects what an evaluation has to tell.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    decisions: Vec<Evaluated>,
    failures: Vec<Failure>,
    stopped: bool,
}

impl Journal {
    pub(super) fn record(&self, decision: Evaluated) {
        let mut entries = self.entries();
        if entries.decisions.len() < LISTED_MAX {
            entries.decisions.push(decision);
        }
    }

    pub(super) fn fail(&self, failure: Failure) {
        let mut entries = self.entries();
        if entries.failures.len() < LISTED_MAX {
            entries.failures.push(failure);
        }
    }

    /// Whether this is the first place that learns of the session's end.
    pub(super) fn stop_here(&self) -> bool {
        !std::mem::replace(&mut self.entries().stopped, true)
    }

    /// The outcome of a session that ended like this.
    pub(super) fn close(&self, evaluation: Evaluation) -> Outcome {
        let entries = std::mem::take(&mut *self.entries());
        let mut failures = entries.failures;
        let limit =
            evaluation.warnings.iter().rev().find(|warning| {
                entries.stopped && warning.kind == feel::WarningKind::LimitExceeded
            });
        let cause = evaluation.failure.or_else(|| limit.map(|warning| warning.message.clone()));
        if let Some(cause) = cause {
            match failures.last_mut().filter(|_| entries.stopped) {
                Some(last) => last.message = cause,
                None => failures.push(Failure {
                    decision: "".into(),
                    rule: None,
                    cell: None,
                    message: cause,
                }),
            }
        }
        Outcome {
            value: evaluation.value,
            decisions: entries.decisions,
            warnings: evaluation.warnings,
            failures,
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
