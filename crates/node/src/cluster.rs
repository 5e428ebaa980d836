//! Many servers on one store: who is there, who owns what, and how they reach each other.
//!
//! Boundary: leases and epochs are the store's; here a server joins, takes the shards that are its
//! share, gives them back, and forwards what belongs to others. Nothing here decides on instances.
//! Invariants: MBR-1 a shard is served only by a server whose lease runs, as far as it knows: one
//! that cannot renew its lease lets go of its shards by its own clock.
//! Read first: [`Transport`], then `cluster/member.rs`, then `cluster/routes.rs`.

mod balance;
mod catalogs;
pub(crate) mod follow;
mod in_force;
pub(crate) mod letter;
pub(crate) mod member;
mod post;
pub(crate) mod reach;
pub(crate) mod routes;
pub(crate) mod serve;
pub mod settings;
pub(crate) mod slots;
pub(crate) mod wire;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::ids::ShardId;
use feel::Str;
use store::{Member, Standing};

pub(crate) use catalogs::{Catalogs, Loader, Ready, Unstarted};
pub(crate) use in_force::Shared;
pub(crate) use member::{Me, Membership, WAKES_MAX, Wake, patience, rest};
pub(crate) use post::Post;
pub use reach::Looked;
pub use routes::Others;
pub(crate) use routes::{Place, Routes, Table};

/// The shard that changes what is shared: the catalogue, settings, tokens, timer start events.
pub(crate) const HOME: ShardId = ShardId(1);

/// The newest format that this program writes.
pub const FORMAT: u32 = 1;

/// Why a call of another server brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// It was never sent: sending it again does no harm.
    NotSent(String),
    /// It was sent; whether it took effect is unknown.
    Lost(String),
}

/// What a call of another server returns.
pub type Call<'a> = Pin<Box<dyn Future<Output = Result<Bytes, CallError>> + Send + 'a>>;

/// How bytes get to another server and back.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request and waits for its answer, at most `patience`. Dropping the future gives up
    /// waiting.
    fn call<'a>(&'a self, to: &'a Member, request: Bytes, patience: Duration) -> Call<'a>;
}

/// A server without others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Transport for Alone {
    fn call<'a>(&'a self, to: &'a Member, _: Bytes, _: Duration) -> Call<'a> {
        let error = CallError::NotSent(format!("no way leads to server `{}`", to.about.name));
        Box::pin(std::future::ready(Err(error)))
    }
}

/// How a server takes part.
#[derive(Clone)]
pub struct Options {
    /// Shards to create where there are none. Default 1.
    pub shards: u16,
    /// How long a server lives without a sign of life, in milliseconds. Default 1,500.
    pub lease_ms: i64,
    /// Pause between signs of life. Default 300 ms.
    pub beat: Duration,
    /// What other servers and people learn about this one.
    pub about: About,
    /// The newest format that the server writes. Default [`FORMAT`].
    pub format_max: u32,
    /// Whether there may be other servers.
    pub others: Others,
    /// The way to other servers.
    pub transport: Arc<dyn Transport>,
}

/// What other servers and people learn about a server.
#[derive(Debug, Clone)]
pub struct About {
    /// Where other servers reach it.
    pub peer: Str,
    /// Where REST is served.
    pub http: Str,
    /// Where the gateway is served.
    pub grpc: Str,
    /// The logical servers that it hosts (R20).
    pub hosts: Vec<Str>,
    /// What it is there for.
    pub standing: Standing,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shards: 1,
            lease_ms: 1_500,
            beat: Duration::from_millis(300),
            about: About {
                peer: "".into(),
                http: "".into(),
                grpc: "".into(),
                hosts: Vec::new(),
                standing: Standing::Serving,
            },
            format_max: FORMAT,
            others: Others::None,
            transport: Arc::new(Alone),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Options").field("about", &self.about).finish_non_exhaustive()
    }
}
