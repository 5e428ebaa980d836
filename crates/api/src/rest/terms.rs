//! How a caller wants a deployment to be done: parameters of the query, else the shared settings.
//!
//! Boundary: text to typed values.
//! Read first: [`Wish::read`].

use http::Uri;
use node::{Policy, Strategy, Terms};

use super::Face;
use super::parameters::Query;
use crate::problem::Problem;

/// What every call that changes packages takes.
const KNOWN: [&str; 7] =
    ["timeout", "auto-recover", "strategy", "policy", "allow-downgrade", "dry-run", "wait"];

/// How a deployment is wanted.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) terms: Terms,
    /// Only tell what would be done.
    pub(super) is_dry: bool,
    /// Whether the answer comes when it is over.
    pub(super) waits: bool,
    /// The version to go back to.
    pub(super) version: Option<String>,
}

impl Wish {
    /// # Errors
    /// A parameter is not known or has no such value; `version` is known where it is asked for.
    pub(super) fn read(face: &Face, uri: &Uri, more: &[&str]) -> Result<Self, Problem> {
        let known: Vec<&str> = KNOWN.iter().chain(more).copied().collect();
        let query = Query::read(uri, &known)?;
        let mut terms = face.node.terms();
        if let Some(timeout) = query.duration("timeout")? {
            terms.timeout = timeout;
        }
        if let Some(auto_recover) = query.parsed("auto-recover")? {
            terms.auto_recover = auto_recover;
        }
        if let Some(allow_downgrade) = query.parsed("allow-downgrade")? {
            terms.allow_downgrade = allow_downgrade;
        }
        if let Some(word) = query.text("strategy") {
            terms.strategy = match word {
                "block-and-wait" => Strategy::BlockAndWait,
                "side-by-side" => Strategy::SideBySide,
                other => {
                    return Err(no_such("strategy", other, "block-and-wait or side-by-side"));
                }
            };
        }
        if let Some(word) = query.text("policy") {
            terms.policy = match word {
                "hold" => Policy::Hold,
                "fail-fast" => Policy::FailFast,
                "run-on-old" => Policy::RunOnOld,
                other => return Err(no_such("policy", other, "hold, fail-fast or run-on-old")),
            };
        }
        Ok(Self {
            terms,
            is_dry: query.parsed("dry-run")?.unwrap_or(false),
            waits: query.parsed("wait")?.unwrap_or(true),
            version: query.text("version").map(str::to_owned),
        })
    }
}

fn no_such(name: &str, found: &str, words: &str) -> Problem {
    let detail = format!("there is no {name} `{found}`");
    Problem::field(name, detail, &format!("choose {words}"))
}
