//! Starts an instance, and waits for its end if asked to.
//!
//! Boundary: what a caller may name a process by; the rest is the node's.
//! Read first: [`Wanted`], then [`and_wait`].

use std::time::Duration;

use engine::ids::DefinitionKey;
use feel::Context;
use node::{Created, Ended, Node, Which};

use crate::problem::Problem;

/// The process that a caller names.
#[derive(Debug)]
pub(crate) enum Wanted<'a> {
    /// A certain version, by its key.
    Key(i64),
    /// A process, in its enabled version or in the named one.
    Process(&'a str, Option<i64>),
}

impl Wanted<'_> {
    /// # Errors
    /// The key or version is none.
    pub(crate) fn which(&self) -> Result<Which, Problem> {
        let missing =
            |kind: &'static str, name: String| Problem::from(node::Error::NotFound { kind, name });
        match *self {
            Self::Key(key) => DefinitionKey::from_i64(key)
                .map(Which::Key)
                .ok_or_else(|| missing("process", key.to_string())),
            Self::Process("", _) => {
                let hint = "name a process id, or the key of a process version";
                Err(Problem::field("process", "no process is named", hint))
            }
            Self::Process(process, None) => Ok(Which::Enabled(process.into())),
            Self::Process(process, Some(version)) => u32::try_from(version)
                .map(|version| Which::Version(process.into(), version))
                .map_err(|_| missing("process", format!("{process} version {version}"))),
        }
    }
}

/// Starts an instance.
pub(crate) async fn start(
    node: &Node,
    wanted: &Wanted<'_>,
    variables: Context,
) -> Result<Created, Problem> {
    Ok(node.create(wanted.which()?, variables).await?)
}

/// Starts an instance and waits at most `patience` for its end.
pub(crate) async fn and_wait(
    node: &Node,
    wanted: &Wanted<'_>,
    variables: Context,
    patience: Duration,
) -> Result<Ended, Problem> {
    Ok(node.create_and_wait(wanted.which()?, variables, patience).await?)
}
