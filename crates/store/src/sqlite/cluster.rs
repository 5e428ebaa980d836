//! Who is there, asked of the writer.
//!
//! Boundary: hands orders over; what they do is in `commit/cluster.rs`.
//! Read first: the implementation of [`Cluster`].   Tests: `conformance/cluster.rs`

use std::future::ready;

use engine::ids::ShardId;

use super::order::Use;
use super::readers::For;
use super::{Sqlite, read};
use crate::cluster::{Acquired, Beat, Bond, Cluster, NewMember, Pulse, SHARDS_MAX, ServerKey};
use crate::port::{Error, Task};

impl Cluster for Sqlite {
    fn found(&self, shards: u16) -> Task<'_, u16> {
        if shards > SHARDS_MAX {
            return Box::pin(ready(Err(Error::too_many_shards(shards))));
        }
        self.order(Use::Always, move |commit| commit.found(shards))
    }

    fn join<'a>(&'a self, member: &'a NewMember, lease_ms: i64) -> Task<'a, ServerKey> {
        let member = member.clone();
        self.order(Use::Always, move |commit| commit.join(&member, lease_ms))
    }

    fn beat<'a>(&'a self, beat: &'a Beat) -> Task<'a, Pulse> {
        let beat = *beat;
        self.order(Use::Always, move |commit| commit.beat(&beat))
    }

    fn pulse(&self) -> Task<'_, Pulse> {
        self.order(Use::Always, |commit| commit.pulse())
    }

    fn leave(&self, server: ServerKey) -> Task<'_, ()> {
        self.order(Use::Always, move |commit| commit.leave(server))
    }

    fn acquire(&self, shard: ShardId, server: ServerKey) -> Task<'_, Acquired> {
        self.order(Use::WithRoom, move |commit| commit.acquire(shard, server))
    }

    fn release(&self, shard: ShardId, server: ServerKey, epoch: u64) -> Task<'_, ()> {
        self.order(Use::Always, move |commit| commit.release(shard, server, epoch))
    }

    fn slots(&self) -> Task<'_, Vec<ShardId>> {
        self.readers.later(For::Server, read::slots)
    }

    fn bond(&self, said: Option<Bond>) -> Task<'_, Option<Bond>> {
        self.order(Use::Always, move |commit| commit.bond(said))
    }
}
