//! Servers, leases, shards and slots.
//!
//! One process has the directory for itself, so members need not outlive it: they are in a
//! temporary table of the writer's connection, and a beat writes nothing to the disk. Who owns a
//! shard does outlive it: after a crash the owner is one who is not there.
//!
//! Boundary: the rules of [`crate::Cluster`], inside the writer's transaction.
//! Read first: [`Commit::acquire`].   Tests: `conformance/cluster.rs`, `tests/sqlite.rs`

use engine::ids::{RequestKey, ShardId};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::super::read::{self, Answer};
use super::super::statement::statements;
use super::{Commit, Fence};
use crate::cluster::{
    Acquired, Beat, Bond, Member, NewMember, Pulse, SLOTS, ServerKey, ShardOwner, Standing,
};
use crate::deployments::are_told;
use crate::port::Lease;
use crate::statement::named;
use crate::unit::{RequestRow, Unit};

const CLUSTER: &str = include_str!("../../sql/cluster.sqlite.sql");
/// Between the names of logical servers in one column.
const SEPARATOR: &str = "\n";

statements!(
    /// Everything about the cluster.
    Statements from "cluster" {
        now, count, add_shard, put_slot, raise, revision, want_storage, make_storage, storage,
        forget_members, join, beat, alive,
        is_alive, remove_member, owners, owner, acquire, release, release_all,
    }
);

/// Writes who is there.
pub(super) struct Cluster<'c> {
    sql: Statements<'c>,
}

impl<'c> Cluster<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Answer<Self> {
        connection.execute_batch(const { named(CLUSTER, "members") })?;
        Ok(Self { sql: Statements::prepare(connection)? })
    }

    /// Counts what the unit changed and all servers have to hear of.
    pub(super) fn raise_revisions(&mut self, unit: &Unit) -> Answer<()> {
        if unit.changes_catalog() {
            self.raise("catalog")?;
        }
        if !unit.settings.is_empty() || !unit.tokens.is_empty() {
            self.raise("settings")?;
        }
        if !unit.slots.is_empty() {
            for (slot, shard) in &unit.slots {
                self.sql.put_slot.execute((slot, shard.0))?;
            }
            self.raise("slots")?;
        }
        if are_told(&unit.deployments) {
            self.raise("deployments")?;
        }
        Ok(())
    }

    pub(super) fn raise(&mut self, name: &str) -> Answer<u64> {
        self.sql.raise.query_row([name], |row| read::key(row, 0))
    }

    fn revision(&mut self, name: &str) -> Answer<u64> {
        self.sql.revision.query_row([name], |row| read::key(row, 0))
    }

    fn now(&mut self) -> Answer<i64> {
        self.sql.now.query_row([], |row| row.get(0))
    }

    fn is_alive(&mut self, server: ServerKey, now_ms: i64) -> Answer<bool> {
        self.sql.is_alive.exists((server.0.cast_signed(), now_ms))
    }

    fn pulse(&mut self, asking: Option<ServerKey>, now_ms: i64) -> Answer<Pulse> {
        let members: Answer<Vec<Member>> =
            self.sql.alive.query_map([now_ms], read_member)?.collect();
        let shards: Answer<Vec<ShardOwner>> = self.sql.owners.query_map([], read_owner)?.collect();
        let members = members?;
        Ok(Pulse {
            now_ms,
            is_member: members.iter().any(|member| Some(member.key) == asking),
            members,
            shards: shards?,
            catalog: self.revision("catalog")?,
            settings: self.revision("settings")?,
            slots: self.revision("slots")?,
            deployments: self.revision("deployments")?,
        })
    }
}

impl Commit<'_> {
    pub(in super::super) fn bond(&mut self, said: Option<Bond>) -> Answer<Option<Bond>> {
        let sql = &mut self.cluster.sql;
        if let Some(bond) = said {
            let statement = match bond {
                Bond::Wanted(_) => &mut sql.want_storage,
                Bond::Made(_) => &mut sql.make_storage,
            };
            statement.execute([bond.to_number()])?;
        }
        let found = sql.storage.query_row([], |row| row.get(0)).optional()?;
        Ok(found.map(Bond::of_number))
    }

    pub(in super::super) fn found(&mut self, shards: u16) -> Answer<u16> {
        let cluster = &mut self.cluster;
        let before: u16 = cluster.sql.count.query_row([], |row| row.get(0))?;
        if shards <= before {
            return Ok(before);
        }
        for shard in before + 1..=shards {
            cluster.sql.add_shard.execute([shard])?;
        }
        if before == 0 {
            for slot in 0..SLOTS {
                cluster.sql.put_slot.execute((slot, slot % shards + 1))?;
            }
            cluster.raise("slots")?;
        }
        Ok(shards)
    }

    pub(in super::super) fn join(
        &mut self,
        member: &NewMember,
        lease_ms: i64,
    ) -> Answer<ServerKey> {
        let cluster = &mut self.cluster;
        let (now_ms, key) = (cluster.now()?, cluster.raise("servers")?);
        cluster.sql.forget_members.execute([])?;
        cluster.sql.join.execute((
            key.cast_signed(),
            &*member.name,
            &*member.peer,
            &*member.http,
            &*member.grpc,
            member.hosts.join(SEPARATOR),
            &*member.build,
            member.format_max,
            member.standing as u8,
            now_ms,
            lease_ms,
        ))?;
        Ok(ServerKey(key))
    }

    /// CLU-1: extends a lease that runs, and no other.
    pub(in super::super) fn beat(&mut self, beat: &Beat) -> Answer<Pulse> {
        let cluster = &mut self.cluster;
        let now_ms = cluster.now()?;
        cluster.sql.beat.execute((
            beat.server.0.cast_signed(),
            now_ms,
            beat.lease_ms,
            beat.standing as u8,
            beat.catalog.cast_signed(),
        ))?;
        cluster.pulse(Some(beat.server), now_ms)
    }

    pub(in super::super) fn pulse(&mut self) -> Answer<Pulse> {
        let now_ms = self.cluster.now()?;
        self.cluster.pulse(None, now_ms)
    }

    pub(in super::super) fn leave(&mut self, server: ServerKey) -> Answer<()> {
        self.cluster.sql.remove_member.execute([server.0.cast_signed()])?;
        self.cluster.sql.release_all.execute([server.0.cast_signed()]).map(drop)
    }

    /// Takes a shard over.
    pub(in super::super) fn acquire(
        &mut self,
        shard: ShardId,
        server: ServerKey,
    ) -> Answer<Acquired> {
        let cluster = &mut self.cluster;
        let now_ms = cluster.now()?;
        if !cluster.is_alive(server, now_ms)? {
            return Ok(Acquired::NotMember);
        }
        let read = |row: &Row<'_>| Ok((read::key_if_any(row, 0)?, row.get::<_, bool>(1)?));
        let found = cluster.sql.owner.query_row([shard.0], read).optional()?;
        let Some((earlier, is_unheard)) = found else { return Ok(Acquired::NoShard) };
        let earlier = earlier.map(ServerKey).filter(|owner| *owner != server);
        if let Some(owner) = earlier
            && cluster.is_alive(owner, now_ms)?
        {
            return Ok(Acquired::Held { owner });
        }
        let after_failure = is_unheard || earlier.is_some();
        cluster.sql.acquire.execute((shard.0, server.0.cast_signed(), after_failure))?;
        self.fences.remove(&shard);
        let Some(Fence { epoch, sequence, blocks_next }) = self.fence(shard)? else {
            return Ok(Acquired::NoShard);
        };
        let lease = Lease { shard, epoch, sequence, blocks_next };
        Ok(Acquired::Leased { lease, after_failure })
    }

    pub(in super::super) fn release(
        &mut self,
        shard: ShardId,
        server: ServerKey,
        epoch: u64,
    ) -> Answer<()> {
        let values = (shard.0, server.0.cast_signed(), epoch.cast_signed());
        self.cluster.sql.release.execute(values).map(drop)
    }

    pub(in super::super) fn claim(
        &mut self,
        shard: ShardId,
        epoch: u64,
        limit: u32,
    ) -> Answer<Vec<(RequestKey, RequestRow)>> {
        if !self.fence(shard)?.is_some_and(|fence| fence.is_held_under(epoch)) {
            return Ok(Vec::new());
        }
        let now_ms = self.cluster.now()?;
        self.exchange.claim(shard, now_ms, limit)
    }
}

fn read_owner(row: &Row<'_>) -> Answer<ShardOwner> {
    Ok(ShardOwner {
        shard: ShardId(row.get(0)?),
        owner: read::key_if_any(row, 1)?.map(ServerKey),
        epoch: read::key(row, 2)?,
    })
}

fn read_member(row: &Row<'_>) -> Answer<Member> {
    let hosts = row.get_ref(5)?.as_str()?;
    let standing = match row.get::<_, i64>(8)? {
        1 => Standing::Serving,
        2 => Standing::Draining,
        3 => Standing::Standby,
        _ => return Err(read::unknown(8, "standing of a server")),
    };
    Ok(Member {
        key: ServerKey(read::key(row, 0)?),
        about: NewMember {
            name: read::text(row, 1)?,
            peer: read::text(row, 2)?,
            http: read::text(row, 3)?,
            grpc: read::text(row, 4)?,
            hosts: hosts.split_terminator(SEPARATOR).map(Into::into).collect(),
            build: read::text(row, 6)?,
            format_max: row.get(7)?,
            standing,
        },
        lease_until_ms: row.get(9)?,
        joined_ms: row.get(10)?,
        catalog: read::key(row, 11)?,
    })
}
