//! Members, leases, shards and slots in memory.
//!
//! Boundary: many servers may share the value, as in a simulation; so nobody is forgotten before
//! the lease ran out.
//! Read first: the implementation of [`Cluster`].   Tests: `conformance/cluster.rs`

use std::collections::BTreeMap;

use engine::ids::ShardId;

use super::{Memory, done};
use crate::cluster::{
    Acquired, Beat, Bond, Cluster, Member, NewMember, Pulse, SHARDS_MAX, SLOTS, ServerKey,
    ShardOwner,
};
use crate::port::{Error, Lease, Task};

/// Who is there, and what was changed how often.
#[derive(Debug, Default)]
pub(super) struct ClusterState {
    pub(super) shards: BTreeMap<ShardId, ShardState>,
    pub(super) slots: BTreeMap<u16, ShardId>,
    members: BTreeMap<ServerKey, Member>,
    last_key: u64,
    pub(super) catalog: u64,
    pub(super) settings: u64,
    pub(super) slots_revision: u64,
    pub(super) deployments: u64,
    bond: Option<Bond>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ShardState {
    pub(super) epoch: u64,
    pub(super) sequence: u64,
    pub(super) blocks_next: u64,
    owner: Option<ServerKey>,
    /// It was acquired after a failure, and nothing was committed since.
    pub(super) after_failure: bool,
}

impl ShardState {
    const NEW: Self =
        Self { epoch: 0, sequence: 0, blocks_next: 1, owner: None, after_failure: false };

    /// Whose owner died before, of which nobody knows yet, is not given back in order.
    fn give_back(&mut self) {
        self.owner = self.after_failure.then_some(ServerKey(0));
    }

    /// Whether a unit under `epoch` may be applied; nobody holds epoch 0.
    pub(super) fn is_held_under(&self, epoch: u64) -> bool {
        epoch > 0 && self.epoch == epoch
    }
}

impl ClusterState {
    fn is_alive(&self, server: ServerKey, now_ms: i64) -> bool {
        self.members.get(&server).is_some_and(|member| member.lease_until_ms > now_ms)
    }

    fn pulse(&self, asking: Option<ServerKey>, now_ms: i64) -> Pulse {
        let shards = self.shards.iter().map(|(shard, ShardState { epoch, owner, .. })| {
            ShardOwner { shard: *shard, owner: *owner, epoch: *epoch }
        });
        let alive = self.members.values().filter(|member| member.lease_until_ms > now_ms);
        Pulse {
            now_ms,
            is_member: asking.is_some_and(|server| self.is_alive(server, now_ms)),
            members: alive.cloned().collect(),
            shards: shards.collect(),
            catalog: self.catalog,
            settings: self.settings,
            slots: self.slots_revision,
            deployments: self.deployments,
        }
    }

    fn acquire(&mut self, shard: ShardId, server: ServerKey, now_ms: i64) -> Acquired {
        if !self.is_alive(server, now_ms) {
            return Acquired::NotMember;
        }
        let Some(earlier) = self.shards.get(&shard).map(|stored| stored.owner) else {
            return Acquired::NoShard;
        };
        let earlier = earlier.filter(|owner| *owner != server);
        if let Some(owner) = earlier.filter(|owner| self.is_alive(*owner, now_ms)) {
            return Acquired::Held { owner };
        }
        let stored = self.shards.entry(shard).or_insert(ShardState::NEW);
        stored.epoch += 1;
        stored.owner = Some(server);
        stored.after_failure |= earlier.is_some();
        let ShardState { epoch, sequence, blocks_next, after_failure, .. } = *stored;
        let lease = Lease { shard, epoch, sequence, blocks_next };
        Acquired::Leased { lease, after_failure }
    }
}

impl Cluster for Memory {
    fn found(&self, shards: u16) -> Task<'_, u16> {
        if shards > SHARDS_MAX {
            return Box::pin(std::future::ready(Err(Error::too_many_shards(shards))));
        }
        let mut state = self.state();
        let cluster = &mut state.cluster;
        if cluster.shards.is_empty() && shards > 0 {
            cluster.slots = (0..SLOTS).map(|slot| (slot, ShardId(slot % shards + 1))).collect();
            cluster.slots_revision += 1;
        }
        for shard in 1..=shards {
            cluster.shards.entry(ShardId(shard)).or_insert(ShardState::NEW);
        }
        done(u16::try_from(cluster.shards.len()).unwrap_or(u16::MAX))
    }

    fn join<'a>(&'a self, member: &'a NewMember, lease_ms: i64) -> Task<'a, ServerKey> {
        let now_ms = (self.clock)();
        let mut state = self.state();
        let cluster = &mut state.cluster;
        cluster.members.retain(|_, member| member.lease_until_ms > now_ms);
        cluster.last_key += 1;
        let key = ServerKey(cluster.last_key);
        let member = Member {
            key,
            about: member.clone(),
            lease_until_ms: now_ms.saturating_add(lease_ms),
            joined_ms: now_ms,
            catalog: 0,
        };
        cluster.members.insert(key, member);
        done(key)
    }

    fn beat<'a>(&'a self, beat: &'a Beat) -> Task<'a, Pulse> {
        let now_ms = (self.clock)();
        let mut state = self.state();
        let member = state.cluster.members.get_mut(&beat.server);
        // CLU-1: what ran out stays so.
        if let Some(member) = member.filter(|member| member.lease_until_ms > now_ms) {
            member.lease_until_ms = now_ms.saturating_add(beat.lease_ms);
            member.about.standing = beat.standing;
            member.catalog = beat.catalog;
        }
        done(state.cluster.pulse(Some(beat.server), now_ms))
    }

    fn pulse(&self) -> Task<'_, Pulse> {
        let now_ms = (self.clock)();
        done(self.state().cluster.pulse(None, now_ms))
    }

    fn leave(&self, server: ServerKey) -> Task<'_, ()> {
        let mut state = self.state();
        state.cluster.members.remove(&server);
        let shards = state.cluster.shards.values_mut();
        shards.filter(|stored| stored.owner == Some(server)).for_each(ShardState::give_back);
        done(())
    }

    fn acquire(&self, shard: ShardId, server: ServerKey) -> Task<'_, Acquired> {
        let now_ms = (self.clock)();
        done(self.state().cluster.acquire(shard, server, now_ms))
    }

    fn release(&self, shard: ShardId, server: ServerKey, epoch: u64) -> Task<'_, ()> {
        if let Some(stored) = self.state().cluster.shards.get_mut(&shard)
            && stored.owner == Some(server)
            && stored.epoch == epoch
        {
            stored.give_back();
        }
        done(())
    }

    fn slots(&self) -> Task<'_, Vec<ShardId>> {
        done(self.state().cluster.slots.values().copied().collect())
    }

    fn bond(&self, said: Option<Bond>) -> Task<'_, Option<Bond>> {
        let bond = &mut self.state().cluster.bond;
        match (said, *bond) {
            (Some(Bond::Wanted(number)), None) => *bond = Some(Bond::Wanted(number)),
            (Some(Bond::Made(number)), Some(Bond::Wanted(wanted))) if number == wanted => {
                *bond = said;
            }
            _ => {}
        }
        done(*bond)
    }
}
