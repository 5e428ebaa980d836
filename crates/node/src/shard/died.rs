//! What fails because the shard's last owner died: active instances of processes that are not to
//! be resumed (R42).
//!
//! Boundary: which instances are told; what failing means is the engine's business. The shard
//! writes letters to itself, one per process and page, so that whoever owns it next goes on where
//! this one stopped.
//! Invariants: DIE-1 the death of an owner is durable before anything else is decided. DIE-2 an
//! instance that is to fail does nothing before it has failed, and its callers fail first.
//! Read first: [`Shard::note_death`], then [`Shard::fail_page`].   Tests: `tests/died.rs`

use std::collections::BTreeSet;

use engine::Command;
use engine::ids::{Block, DefinitionKey, InstanceKey};
use feel::Str;
use host::package::OnServerFailure;
use store::{Committed, InstanceFilter, InstanceState};

use crate::cluster::letter::Letter;
use crate::error::Error;

use super::Shard;
use super::cache::Known;

/// Instances that are told in one unit.
const PAGE: u32 = 200;

/// Instances of a process that are to fail and may not have been told.
#[derive(Debug, Clone)]
pub(super) struct Failing {
    /// The life of the server that died.
    server: Str,
    /// Those with smaller keys: later ones began after it died.
    before: InstanceKey,
}

impl Shard {
    /// Makes durable that the last owner died, if that concerns anybody.
    pub(super) async fn note_death(&mut self, server: &Str) -> Result<(), Error> {
        let shard = self.lease.shard;
        let first = Block::new(shard, self.lease.blocks_next.max(1)).first();
        let before = InstanceKey(first);
        let definitions = self.catalog.definitions.values();
        let processes: BTreeSet<Str> = definitions
            .filter(|known| known.quality.on_server_failure == OnServerFailure::Fail)
            .map(|known| known.process().clone())
            .collect();
        if processes.is_empty() {
            return Ok(());
        }
        for process in processes {
            let failing = Failing { server: server.clone(), before };
            self.failing.insert(process.clone(), failing);
            self.send(shard, &Letter::Fail { server: server.clone(), process, before });
        }
        // DIE-1: until this is durable the shard is still one whose owner died.
        let (unit, _) = self.seal();
        let sequence = unit.sequence;
        match self.store.commit(unit).await? {
            Committed::Done => {
                self.landed = sequence;
                Ok(())
            }
            Committed::Conflict { .. } | Committed::NotOwner { .. } | Committed::Decided { .. } => {
                Err(Error::Storage { detail: "the shard was taken over in this moment".to_owned() })
            }
        }
    }

    /// Tells a page of instances of a process, newest first.
    pub(super) async fn fail_page(
        &mut self,
        server: Str,
        process: Str,
        before: InstanceKey,
    ) -> Result<(), Error> {
        let filter = InstanceFilter {
            shard: Some(self.lease.shard),
            process: Some(process.clone()),
            state: Some(InstanceState::Active),
            before: Some(before),
            limit: PAGE,
            ..InstanceFilter::default()
        };
        let failing = Failing { server: server.clone(), before };
        self.failing.entry(process.clone()).or_insert(failing);
        let rows = self.store.instances(&filter).await?;
        for row in &rows {
            if self.is_to_fail(row.definition) {
                self.fail_first(row.key).await?;
                self.settle().await?;
            }
        }
        match rows.last() {
            Some(last) if rows.len() >= PAGE as usize => {
                let before = last.key;
                self.send(self.lease.shard, &Letter::Fail { server, process, before });
            }
            Some(_) | None => {
                self.failing.remove(&process);
            }
        }
        Ok(())
    }

    /// Lets an instance and its callers fail, if they are to and did not yet (DIE-2).
    pub(super) async fn fail_first(&mut self, key: InstanceKey) -> Result<(), Error> {
        let mut chain = Vec::new();
        let mut next = Some(key);
        while let Some(key) = next.take() {
            let Some(key) = self.fetch(key).await? else { break };
            let Some(hot) = self.cache.get(key) else { break };
            next = hot.state.caller.map(|caller| caller.instance);
            let failing = self.failing.get(&hot.state.process);
            let failing = failing.filter(|failing| key < failing.before);
            let failing = failing.filter(|_| self.is_to_fail(hot.state.definition));
            let server = failing.map(|failing| failing.server.clone());
            let untold = server.filter(|server| !hot.state.failed_servers.contains(server));
            chain.extend(untold.map(|server| (key, server)));
        }
        for (key, server) in chain.into_iter().rev() {
            if matches!(self.cache.look(key), Known::Hot) {
                // One that ended because its caller failed is gone.
                let _gone = self.tell_now(key, Command::FailForServer { server }).await?;
            }
        }
        Ok(())
    }

    fn is_to_fail(&self, definition: DefinitionKey) -> bool {
        let known = self.catalog.definitions.get(&definition);
        known.is_some_and(|known| known.quality.on_server_failure == OnServerFailure::Fail)
    }
}
