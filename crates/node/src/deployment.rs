//! Hot deployment: a set of packages, switched together on all servers, or not at all (R1 to R16).
//!
//! One server leads: the one that has the home shard. It prepares the set and opens a row for it in
//! the store; lets every server prepare, close its gates and drain; lets all of them switch behind
//! the closed gates and run start-up services; and then commits the row together with the new
//! catalogue. Whatever fails before that aborts the row, and every server goes on with what it had.
//! After it every server adopts the catalogue and opens.
//!
//! Boundary: the gate is `host`'s, the versions are the home shard's; this says in which order, on
//! which servers, and what happens when one of them is gone.
//! Invariants: HOT-1 what is committed was prepared, drained and started on every server whose
//! lease runs. HOT-2 a server opens its gates on the old version only when the row is aborted, and
//! on the new one only when it is committed. HOT-3 a server that loses its leader decides by the
//! row: it aborts it if nobody has decided.
//! Read first: [`course`], then [`part`], then [`plan`].   Tests: `crates/node/tests/deployment.rs`

pub(crate) mod course;
pub(crate) mod part;
pub(crate) mod plan;
mod tell;
mod view;

use std::time::Duration;

use engine::value::{text, texts};
use feel::Str;
use host::gate::Policy;
use host::package::PackageSource;
use minicbor::{Decode, Encode};

pub use plan::{Plan, Planned, Running};
pub use view::{DeploymentView, InFlight, Outcome, ServerProgress, Stage};

/// How long a deployment waits until nothing is in flight, unless it says otherwise (R2).
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Whether calls that run are waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strategy {
    /// New calls wait until those that run have ended.
    #[default]
    BlockAndWait,
    /// New calls run on the new version at once, while those that run end on the old one.
    SideBySide,
}

/// How a deployment is to be done.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How long it may wait until nothing is in flight. Default [`TIMEOUT`].
    pub timeout: Duration,
    /// Whether a start-up service that fails brings the whole set back (R2); else its package is
    /// left inactive, with its reason. Default true.
    pub auto_recover: bool,
    /// What happens to new calls meanwhile.
    pub policy: Policy,
    /// Whether calls that run are waited for.
    pub strategy: Strategy,
    /// Whether a version may be lower than the active one.
    pub allow_downgrade: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            timeout: TIMEOUT,
            auto_recover: true,
            policy: Policy::Hold,
            strategy: Strategy::BlockAndWait,
            allow_downgrade: false,
        }
    }
}

/// What is to be changed.
#[derive(Debug, Clone)]
pub enum Change {
    /// These packages come, or replace what is there.
    Deploy(Vec<PackageSource>),
    /// These active packages are loaded again.
    Reload(Vec<Str>),
    /// An earlier version comes back; none: the one before.
    Rollback(Str, Option<Str>),
    /// The newest version that is not active any more comes back.
    Recover(Str),
    /// A disabled package is offered again.
    Enable(Str),
    /// A package is offered no longer, and stays.
    Disable(Str),
    /// A package goes.
    Remove(Str),
}

/// A package of a set, as servers tell each other.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Packed {
    #[n(0)]
    #[cbor(with = "text")]
    pub(crate) name: Str,
    #[n(1)]
    #[cbor(with = "text")]
    pub(crate) version: Str,
    /// The digest of its archive.
    #[n(2)]
    #[cbor(with = "text")]
    pub(crate) digest: Str,
    /// Whether it is not offered.
    #[n(3)]
    pub(crate) is_disabled: bool,
}

impl Change {
    /// What it does, in a word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Deploy(_) => "deploy",
            Self::Reload(_) => "reload",
            Self::Rollback(..) => "rollback",
            Self::Recover(_) => "recover",
            Self::Enable(_) => "enable",
            Self::Disable(_) => "disable",
            Self::Remove(_) => "remove",
        }
    }
}

/// What a server has to do in a deployment.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Assignment {
    /// The life of the server that leads.
    #[n(0)]
    pub(crate) leader: u64,
    /// The packages whose gates close: those that change, and all that depend on them.
    #[n(1)]
    #[cbor(with = "texts")]
    pub(crate) set: Vec<Str>,
    /// What comes, in the order of dependencies.
    #[n(2)]
    pub(crate) packages: Vec<Packed>,
    /// What goes.
    #[n(3)]
    #[cbor(with = "texts")]
    pub(crate) gone: Vec<Str>,
    /// What new calls do meanwhile: 0 hold, 1 fail fast, 2 run on old.
    #[n(4)]
    pub(crate) policy: u8,
    /// Whether calls that run are waited for.
    #[n(5)]
    pub(crate) waits: bool,
}

impl Assignment {
    pub(crate) fn policy(&self) -> Policy {
        match self.policy {
            1 => Policy::FailFast,
            2 => Policy::RunOnOld,
            _ => Policy::Hold,
        }
    }
}

/// What the leader tells a server to do.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) enum Step {
    /// Fetch, check and unpack; nothing is blocked yet.
    #[n(0)]
    Prepare(#[n(0)] Assignment),
    /// Close the gates.
    #[n(1)]
    Close,
    /// Tell who is inside, as soon as nobody is, or after so long.
    #[n(2)]
    Look(#[n(0)] u64),
    /// Let nobody pass any more.
    #[n(3)]
    Seal,
    /// Let trees pass that are inside elsewhere.
    #[n(4)]
    Unseal,
    /// Switch services behind the closed gates.
    #[n(5)]
    Activate,
    /// It is committed: adopt the catalogue of this revision and open the gates.
    #[n(6)]
    Open(#[n(0)] u64),
    /// It is aborted: put back what there was and open the gates.
    #[n(7)]
    Restore,
}

/// What a server tells its leader.
#[derive(Debug, Clone, Default, Encode, Decode)]
pub(crate) struct Told {
    /// Whether its gates are sealed.
    #[n(0)]
    pub(crate) is_sealed: bool,
    /// How many calls have to leave.
    #[n(1)]
    pub(crate) inside: u64,
    /// How many calls wait.
    #[n(2)]
    pub(crate) held: u64,
    /// How long the first of them has waited, in milliseconds.
    #[n(3)]
    pub(crate) held_ms: u64,
    /// The oldest of those that have to leave.
    #[n(4)]
    pub(crate) seen: Vec<InFlight>,
}
