//! Who is there: leases on the database's clock.
//!
//! Boundary: a connection of its own, so that a beat never waits behind a commit, and another one
//! for what does: acquisitions and claims lock the rows of shards. What must be decided under locks
//! is in functions of the database (`migrations/postgres`). A call whose answer was lost is sent
//! again under the same number, by which it recognises itself.
//! Read first: the implementation of [`Cluster`].   Tests: `conformance/cluster.rs`

use std::future::ready;

use engine::ids::{RequestKey, ShardId};
use futures_util::future::try_join4;

use super::row::{Answer, Columns};
use super::session::{Value, values};
use super::text::{decode, encode};
use super::{Postgres, map};
use crate::cluster::{
    Acquired, Beat, Bond, Cluster, Member, NewMember, Pulse, SHARDS_MAX, SLOTS, ServerKey,
    ShardOwner, Standing,
};
use crate::port::{Error, Lease, Task};
use crate::statement::named;
use crate::unit::RequestRow;

const CLUSTER: &str = include_str!("../sql/cluster.postgres.sql");
const EXCHANGE: &str = include_str!("../sql/exchange.postgres.sql");

impl Postgres {
    /// The answers of a statement about the cluster.
    async fn ask<T>(
        &self,
        act: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl Fn(&Columns<'_>) -> Answer<T>,
    ) -> Result<Vec<T>, Error> {
        let rows = self.cluster.rows(act, sql, values).await?;
        map(&self.cluster, act, &rows, read)
    }

    /// The answers of a statement that locks rows of shards.
    pub(super) async fn demand<T>(
        &self,
        act: &'static str,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl Fn(&Columns<'_>) -> Answer<T>,
    ) -> Result<Vec<T>, Error> {
        let rows = self.shards.rows(act, sql, values).await?;
        map(&self.shards, act, &rows, read)
    }

    async fn pulse_of(&self, asking: Option<ServerKey>) -> Result<Pulse, Error> {
        let act = "ask for the cluster in";
        // The clock first: whoever is listed after it is alive by it.
        let now = self.ask(act, const { named(CLUSTER, "now") }, &[], |row| row.get::<i64>(0));
        let members = self.ask(act, const { named(CLUSTER, "alive") }, &[], read_member);
        let shards = self.ask(act, const { named(CLUSTER, "owners") }, &[], read_owner);
        let revisions = self.ask(act, const { named(CLUSTER, "revisions") }, &[], |row| {
            Ok((row.text(0)?, row.key(1)?))
        });
        let (now, members, shards, revisions) = try_join4(now, members, shards, revisions).await?;
        let revision = |of: &str| {
            revisions.iter().find(|(name, _)| &**name == of).map_or(0, |(_, revision)| *revision)
        };
        Ok(Pulse {
            now_ms: now.first().copied().unwrap_or(0),
            is_member: members.iter().any(|member| Some(member.key) == asking),
            members,
            shards,
            catalog: revision("catalog"),
            settings: revision("settings"),
            slots: revision("slots"),
            deployments: revision("deployments"),
        })
    }

    pub(super) async fn claim_for(
        &self,
        shard: ShardId,
        epoch: u64,
        limit: u32,
    ) -> Result<Vec<(RequestKey, RequestRow)>, Error> {
        let mark = self.marks.next();
        let values = values![i32::from(shard.0), epoch.cast_signed(), i64::from(limit), mark];
        let sql = const { named(EXCHANGE, "claim") };
        self.demand("claim requests in", sql, &values, |row| row.request()).await
    }

    async fn join_as(&self, member: &NewMember, lease_ms: i64) -> Result<ServerKey, Error> {
        let values = values![
            encode(&member.name),
            encode(&member.peer),
            encode(&member.http),
            encode(&member.grpc),
            member.hosts.iter().map(|name| encode(name)).collect::<Vec<_>>(),
            encode(&member.build),
            i64::from(member.format_max),
            member.standing as i16,
            lease_ms,
            self.marks.next(),
        ];
        let sql = const { named(CLUSTER, "join") };
        let keys = self.ask("join", sql, &values, |row| row.key(0)).await?;
        let none = || super::failure::failed("join", self.cluster.place(), "no key was given");
        keys.first().map(|key| ServerKey(*key)).ok_or_else(none)
    }

    async fn acquire_for(&self, shard: ShardId, server: ServerKey) -> Result<Acquired, Error> {
        let values = values![i32::from(shard.0), server.0.cast_signed(), self.marks.next()];
        let sql = const { named(CLUSTER, "acquire") };
        let answers = self
            .demand("acquire a shard of", sql, &values, |row| {
                Ok(match row.get::<i32>(0)? {
                    0 => Acquired::Leased {
                        lease: Lease {
                            shard,
                            epoch: row.key(2)?,
                            sequence: row.key(3)?,
                            blocks_next: row.key(4)?,
                        },
                        after_failure: row.get(5)?,
                    },
                    1 => Acquired::Held { owner: ServerKey(row.key(1)?) },
                    2 => Acquired::NotMember,
                    _ => Acquired::NoShard,
                })
            })
            .await?;
        Ok(answers.first().copied().unwrap_or(Acquired::NoShard))
    }
}

impl Cluster for Postgres {
    fn found(&self, shards: u16) -> Task<'_, u16> {
        if shards > SHARDS_MAX {
            return Box::pin(ready(Err(Error::too_many_shards(shards))));
        }
        Box::pin(async move {
            let values = values![i32::from(shards), i32::from(SLOTS)];
            let sql = const { named(CLUSTER, "found") };
            let found = self.demand("found shards in", sql, &values, |row| row.shard(0)).await?;
            Ok(found.first().map_or(0, |number| number.0))
        })
    }

    fn join<'a>(&'a self, member: &'a NewMember, lease_ms: i64) -> Task<'a, ServerKey> {
        Box::pin(self.join_as(member, lease_ms))
    }

    /// CLU-1: the condition is in the statement, by the database's clock.
    fn beat<'a>(&'a self, beat: &'a Beat) -> Task<'a, Pulse> {
        Box::pin(async move {
            let values = values![
                beat.server.0.cast_signed(),
                beat.lease_ms,
                beat.standing as i16,
                beat.catalog.cast_signed(),
            ];
            let sql = const { named(CLUSTER, "beat") };
            let beaten = self.ask("extend a lease in", sql, &values, |_| Ok(())).await?;
            let pulse = self.pulse_of(Some(beat.server)).await?;
            Ok(Pulse { is_member: pulse.is_member && !beaten.is_empty(), ..pulse })
        })
    }

    fn pulse(&self) -> Task<'_, Pulse> {
        Box::pin(self.pulse_of(None))
    }

    fn leave(&self, server: ServerKey) -> Task<'_, ()> {
        Box::pin(async move {
            let values = values![server.0.cast_signed()];
            let sql = const { named(CLUSTER, "leave") };
            self.demand("leave", sql, &values, |_| Ok(())).await.map(drop)
        })
    }

    fn acquire(&self, shard: ShardId, server: ServerKey) -> Task<'_, Acquired> {
        Box::pin(self.acquire_for(shard, server))
    }

    fn release(&self, shard: ShardId, server: ServerKey, epoch: u64) -> Task<'_, ()> {
        Box::pin(async move {
            let values = values![i32::from(shard.0), server.0.cast_signed(), epoch.cast_signed()];
            let sql = const { named(CLUSTER, "release") };
            self.demand("release a shard of", sql, &values, |_| Ok(())).await.map(drop)
        })
    }

    fn slots(&self) -> Task<'_, Vec<ShardId>> {
        Box::pin(async move {
            let sql = const { named(CLUSTER, "slots") };
            self.ask("read the slots of", sql, &[], |row| row.shard(0)).await
        })
    }

    fn bond(&self, said: Option<Bond>) -> Task<'_, Option<Bond>> {
        Box::pin(async move {
            if let Some(bond) = said {
                let sql = match bond {
                    Bond::Wanted(_) => const { named(CLUSTER, "want_storage") },
                    Bond::Made(_) => const { named(CLUSTER, "make_storage") },
                };
                let values = values![bond.to_number()];
                self.ask("tie a storage to", sql, &values, |_| Ok(())).await?;
            }
            let sql = const { named(CLUSTER, "storage") };
            let found = self.ask("read", sql, &[], |row| row.get::<i64>(0)).await?;
            Ok(found.first().copied().map(Bond::of_number))
        })
    }
}

fn read_owner(row: &Columns<'_>) -> Answer<ShardOwner> {
    let owner = row.key_if_any(1)?.map(ServerKey);
    Ok(ShardOwner { shard: row.shard(0)?, owner, epoch: row.key(2)? })
}

fn read_member(row: &Columns<'_>) -> Answer<Member> {
    let hosts: Vec<&str> = row.get(5)?;
    let standing = match row.get::<i16>(8)? {
        1 => Standing::Serving,
        2 => Standing::Draining,
        3 => Standing::Standby,
        other => return Err(format!("unknown standing {other} of a server").into()),
    };
    Ok(Member {
        key: ServerKey(row.key(0)?),
        about: NewMember {
            name: row.text(1)?,
            peer: row.text(2)?,
            http: row.text(3)?,
            grpc: row.text(4)?,
            hosts: hosts.into_iter().map(|name| (&*decode(name)).into()).collect(),
            build: row.text(6)?,
            format_max: row.small(7)?,
            standing,
        },
        lease_until_ms: row.get(9)?,
        joined_ms: row.get(10)?,
        catalog: row.key(11)?,
    })
}
