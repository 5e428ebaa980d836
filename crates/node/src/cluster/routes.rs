//! Where each shard is served: here, by another server, or by nobody at the moment.
//!
//! Boundary: written by the membership alone, read by everybody; a reader that finds a shard
//! nowhere waits for the next change.
//! Read first: [`Routes`], then [`Table::place`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engine::ids::{Address, ShardId};
use store::{Member, ServerKey, slot_of};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::input::Input;
use crate::watched::{Follower, Watched};

/// Where things are, as of the last pulse.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    /// This server, while its lease runs.
    pub(crate) me: Option<ServerKey>,
    /// Shards that are served here.
    pub(crate) local: BTreeMap<ShardId, mpsc::Sender<Input>>,
    /// All shards that there are.
    pub(crate) all: std::collections::BTreeSet<ShardId>,
    /// Shards and their owners, whose leases run.
    pub(crate) owners: BTreeMap<ShardId, ServerKey>,
    /// Servers whose leases run.
    pub(crate) members: BTreeMap<ServerKey, Arc<Member>>,
    /// The shard of each slot.
    pub(crate) slots: Arc<[ShardId]>,
    /// Shards beyond this number are to be left; 0: none.
    pub(crate) shards_wanted: u16,
    /// Whether this server ends.
    pub(crate) is_stopping: bool,
}

/// Where a shard is.
pub(crate) enum Place {
    /// Here.
    Here(mpsc::Sender<Input>),
    /// At another server.
    There(Arc<Member>),
    /// Nobody serves it at the moment.
    Nowhere,
}

impl Table {
    /// The shard of a key: of one that no shard ever gave out, the one that answers so.
    pub(crate) fn shard_of_key(&self, key: u64) -> ShardId {
        let shard = engine::ids::Block::of(key).shard();
        if self.all.is_empty() || self.all.contains(&shard) { shard } else { super::HOME }
    }

    /// Where a shard is served.
    pub(crate) fn place(&self, shard: ShardId) -> Place {
        if let Some(sender) = self.local.get(&shard) {
            return Place::Here(sender.clone());
        }
        let owner = self.owners.get(&shard).filter(|owner| Some(**owner) != self.me);
        match owner.and_then(|owner| self.members.get(owner)) {
            Some(member) => Place::There(member.clone()),
            None => Place::Nowhere,
        }
    }

    /// The shard that an aggregate with a slot belongs to.
    pub(crate) fn shard_of(&self, address: &Address) -> Option<ShardId> {
        match address {
            Address::Instance(key) => Some(engine::ids::Block::of(key.0).shard()),
            Address::Schedule { .. } => Some(super::HOME),
            Address::Bucket { .. } | Address::Lock { .. } => {
                self.slots.get(usize::from(slot_of(&address.to_bytes()))).copied()
            }
        }
    }

    /// The shard that recognises a published id.
    pub(crate) fn shard_of_id(&self, source: &str, id: &str) -> Option<ShardId> {
        self.slots.get(usize::from(slot_of_id(source, id))).copied()
    }

    /// Whether a shard is to have slots and to begin anything.
    pub(crate) fn is_wanted(&self, shard: ShardId) -> bool {
        self.shards_wanted == 0 || shard.0 <= self.shards_wanted
    }

    /// The shards that are wanted.
    pub(crate) fn wanted(&self) -> Vec<ShardId> {
        self.all.iter().copied().filter(|shard| self.is_wanted(*shard)).collect()
    }

    /// Whether somebody serves a shard.
    pub(crate) fn is_served(&self, shard: ShardId) -> bool {
        self.local.contains_key(&shard) || self.owners.contains_key(&shard)
    }

    /// Whether this server is `me` and the other one owns shards.
    pub(crate) fn is_another(&self, me: ServerKey, other: ServerKey) -> bool {
        self.me == Some(me) && self.others().iter().any(|member| member.key == other)
    }

    /// Other servers that own shards, in order of their keys.
    pub(crate) fn others(&self) -> Vec<Arc<Member>> {
        let owners: std::collections::BTreeSet<ServerKey> = self.owners.values().copied().collect();
        let others = owners.into_iter().filter(|owner| Some(*owner) != self.me);
        others.filter_map(|owner| self.members.get(&owner).cloned()).collect()
    }
}

/// The slot of a published id.
pub(crate) fn slot_of_id(source: &str, id: &str) -> u16 {
    let mut bytes = Vec::with_capacity(source.len() + id.len() + 1);
    bytes.extend_from_slice(source.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(id.as_bytes());
    slot_of(&bytes)
}

/// Whether other servers may be on the same store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// The store is this server's alone.
    None,
    /// They may come and go.
    Possible,
}

/// The table and its changes.
#[derive(Debug)]
pub(crate) struct Routes {
    table: Watched<Table>,
    turn: AtomicUsize,
    /// Whether other servers may be on the same store.
    is_shared: bool,
    /// When this server's lease ends, by its own clock; none: it has none.
    lease_end: Mutex<Option<Instant>>,
}

impl Routes {
    /// `others` tells whether other servers may be on the same store.
    pub(crate) fn new(others: Others) -> Self {
        Self {
            table: Watched::new(Table::default()),
            turn: AtomicUsize::new(0),
            is_shared: others == Others::Possible,
            lease_end: Mutex::new(None),
        }
    }

    /// The table as it is.
    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.get()
    }

    /// Changes of the table, beginning after now.
    pub(crate) fn changes(&self) -> Follower<Table> {
        self.table.follow()
    }

    /// Puts another table in force.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Table)) {
        self.table.update(change);
    }

    /// This server's lease ends then; none: it has ended.
    pub(crate) fn lease(&self, end: Option<Instant>) {
        *self.lease_end.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    /// Whether this server's lease runs, or nobody else could take its place (MBR-1).
    pub(crate) fn is_leased(&self) -> bool {
        let end = *self.lease_end.lock().unwrap_or_else(PoisonError::into_inner);
        end.is_some_and(|end| !self.is_shared || crate::clock::instant() < end)
    }

    /// Whether there is, or may come, another server.
    pub(crate) fn has_way(&self) -> bool {
        self.is_shared
    }

    /// Where to begin among `number` equals, so that each is the first one in turn.
    pub(crate) fn turn(&self, number: usize) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed) % number.max(1)
    }

    /// The shards that are served here, each the first one in turn.
    pub(crate) fn local_in_turn(&self) -> Vec<mpsc::Sender<Input>> {
        let table = self.table();
        let mut local: Vec<mpsc::Sender<Input>> = table.local.values().cloned().collect();
        let turn = self.turn(local.len());
        local.rotate_left(turn);
        local
    }

    /// Lets one of the wanted shards that are served here, in turn, look for process requests.
    pub(crate) fn claim(&self) {
        let table = self.table();
        let local = table.local.iter().filter(|(shard, _)| table.is_wanted(**shard));
        let local: Vec<_> = local.map(|(_, sender)| sender).collect();
        if let Some(shard) = local.get(self.turn(local.len())) {
            // A full channel: the shard looks by itself before long.
            let _ = shard.try_send(Input::Claim);
        }
    }

    /// A shard for what may go anywhere: a wanted one of those served here in turn, else any
    /// wanted one.
    pub(crate) fn any(&self) -> Option<ShardId> {
        let table = self.table();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let pick = |mut shards: Vec<ShardId>| {
            shards.retain(|shard| table.is_wanted(*shard));
            shards.get(turn % shards.len().max(1)).copied()
        };
        let here = pick(table.local.keys().copied().collect());
        here.or_else(|| pick(table.owners.keys().copied().collect()))
    }
}
