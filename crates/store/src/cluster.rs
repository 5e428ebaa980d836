//! Who is there: servers under leases, and which of them owns which shard.
//!
//! Boundary: all times are the store's own clock, so that no two servers need to agree on theirs.
//! What a server may write is decided by the epoch in [`crate::Store::commit`] alone; leases only
//! say when another server may raise it.
//! Invariants: CLU-1 a lease that ran out is never extended: its server joins again as another
//! one. CLU-2 a shard is given away only if it has no owner, or its owner's lease ran out.
//! Read first: [`Cluster`], then [`Pulse`].   Tests: `conformance/cluster.rs`

use engine::ids::ShardId;
use feel::Str;

use crate::port::{Lease, Task};

/// Buckets of messages, locks and published ids are spread over so many slots; a slot belongs to
/// one shard.
pub const SLOTS: u16 = 256;

/// The highest number that a shard can have: keys stay positive as an `i64`.
pub const SHARDS_MAX: u16 = 4095;

/// The slot of an aggregate, or of a published id: FNV-1a over its bytes, which never changes.
#[must_use]
pub fn slot_of(bytes: &[u8]) -> u16 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = bytes.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    // The lower bits alone would hardly differ for names that differ in their first byte.
    ((hash >> 32 ^ hash) % u64::from(SLOTS)) as u16
}

/// One life of a server: after a restart, or after its lease ran out, it is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey(pub u64);

impl std::fmt::Display for ServerKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "srv_{}", self.0)
    }
}

/// What a server is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Standing {
    /// Owns shards and takes calls.
    Serving = 1,
    /// Gives its shards away and ends.
    Draining = 2,
    /// Owns nothing until it is told to.
    Standby = 3,
}

/// A server that wants to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMember {
    /// Its name; a name may come back under another key.
    pub name: Str,
    /// Where other servers reach it; empty: nowhere.
    pub peer: Str,
    /// Where REST is served.
    pub http: Str,
    /// Where the gateway is served.
    pub grpc: Str,
    /// The logical servers that it hosts (R20).
    pub hosts: Vec<Str>,
    /// The version of its program.
    pub build: Str,
    /// The newest format that its program writes.
    pub format_max: u32,
    /// What it is there for.
    pub standing: Standing,
}

/// A server whose lease runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its key.
    pub key: ServerKey,
    /// What it said when it joined, with its present standing.
    pub about: NewMember,
    /// When its lease ends, by the store's clock.
    pub lease_until_ms: i64,
    /// When it joined, by the store's clock.
    pub joined_ms: i64,
    /// The revision of the catalogue that it has loaded.
    pub catalog: u64,
}

/// What a server says about itself, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Who.
    pub server: ServerKey,
    /// How long it lives from now, in milliseconds.
    pub lease_ms: i64,
    /// What it is there for.
    pub standing: Standing,
    /// The revision of the catalogue that it has loaded.
    pub catalog: u64,
}

/// Who owns a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardOwner {
    /// The shard.
    pub shard: ShardId,
    /// Its owner, whose lease may have run out; none: it was given back; 0: some server that
    /// failed.
    pub owner: Option<ServerKey>,
    /// The epoch in force.
    pub epoch: u64,
}

/// How the cluster is, as the store sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// The store's clock, milliseconds since 1970 UTC.
    pub now_ms: i64,
    /// Whether the asking server's lease was extended, and runs: whether it is among `members`.
    /// Otherwise it has to join again.
    pub is_member: bool,
    /// The servers whose leases run, in order of their keys.
    pub members: Vec<Member>,
    /// All shards in order.
    pub shards: Vec<ShardOwner>,
    /// Grows with each change of definitions or packages.
    pub catalog: u64,
    /// Grows with each change of settings or tokens.
    pub settings: u64,
    /// Grows with each change of slots.
    pub slots: u64,
    /// Grows when a deployment is opened, decided or forgotten.
    pub deployments: u64,
}

/// The answer to [`Cluster::acquire`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquired {
    /// The shard is the caller's under a new epoch.
    Leased {
        /// The right to write it.
        lease: Lease,
        /// Whether its last owner went without giving it back, or an earlier one did and nothing
        /// was committed since: the first commit says that this is known.
        after_failure: bool,
    },
    /// Another server owns it, and its lease runs; or a transaction of its owner still does.
    Held {
        /// Who; 0 if that is not known.
        owner: ServerKey,
    },
    /// The caller's own lease ran out.
    NotMember,
    /// There is no such shard.
    NoShard,
}

/// How the store stands to a storage for large values. The number is the store's own, and the
/// storage has it too, so that neither is taken for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bond {
    /// The storage may not have the number yet; no row refers to it.
    Wanted(u64),
    /// The storage has the number; rows may refer to it.
    Made(u64),
}

impl Bond {
    /// As it is stored.
    pub(crate) fn to_number(self) -> i64 {
        match self {
            Self::Wanted(number) => -number.cast_signed(),
            Self::Made(number) => number.cast_signed(),
        }
    }

    /// What [`Bond::to_number`] wrote.
    pub(crate) fn of_number(number: i64) -> Self {
        if number < 0 {
            Self::Wanted(number.unsigned_abs())
        } else {
            Self::Made(number.unsigned_abs())
        }
    }
}

/// Who is there.
pub trait Cluster: Send + Sync + 'static {
    /// Makes sure that there are at least `shards` shards, each with its slots: a store without
    /// shards spreads all [`SLOTS`] over them evenly (slot `n` to shard `n % shards + 1`); new
    /// shards beside old ones get none. Answers how many there are. Shards are 1 to that number.
    /// More than [`SHARDS_MAX`] are an error.
    fn found(&self, shards: u16) -> Task<'_, u16>;

    /// Enters under a new key, with a lease of `lease_ms`; nothing or less than that has run out
    /// at once, here and in a [`Beat`]. Servers whose leases ran out are forgotten; what they owned
    /// is still theirs until it is acquired. A store that one process has for itself forgets all
    /// others.
    fn join<'a>(&'a self, member: &'a NewMember, lease_ms: i64) -> Task<'a, ServerKey>;

    /// Extends the caller's lease, unless it ran out (CLU-1), and tells how the cluster is.
    fn beat<'a>(&'a self, beat: &'a Beat) -> Task<'a, Pulse>;

    /// How the cluster is, without being a member; `is_member` is false.
    fn pulse(&self) -> Task<'_, Pulse>;

    /// Ends the caller's lease and gives back the shards that it still owns. Idempotent.
    fn leave(&self, server: ServerKey) -> Task<'_, ()>;

    /// Takes a shard over under a new epoch, if that is allowed (CLU-2); its earlier owner is
    /// fenced from now on. A shard that the caller owns already gets a new epoch too, which is not
    /// itself after a failure.
    fn acquire(&self, shard: ShardId, server: ServerKey) -> Task<'_, Acquired>;

    /// Gives a shard back, if the caller still holds it under this epoch. Idempotent.
    fn release(&self, shard: ShardId, server: ServerKey, epoch: u64) -> Task<'_, ()>;

    /// The shard of each slot, in order of the slots.
    fn slots(&self) -> Task<'_, Vec<ShardId>>;

    /// How the store stands to a storage. What is said takes effect first: a wish if there was
    /// none, and that it was fulfilled if it was this one. Idempotent.
    fn bond(&self, said: Option<Bond>) -> Task<'_, Option<Bond>>;
}
