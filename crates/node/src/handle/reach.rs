//! Whether this server reaches the others, for readiness and the log.
//!
//! Boundary: asks each one something that changes nothing; what follows is `cluster/reach.rs`.
//! Read first: [`Node::look_around`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use store::Member;
use tokio::task::JoinSet;

use crate::cluster::Looked;
use crate::cluster::reach::is_cut_off;
use crate::cluster::wire::{self, Answer, Request};
use crate::handle::Node;

/// How long another server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Node {
    /// Asks every other server whether it is there. Cancel safe: then nothing was learnt.
    pub async fn look_around(&self) -> Looked {
        let table = self.inner.routes.table();
        let Some(me) = table.me else { return Looked::default() };
        let mut asked = JoinSet::new();
        for member in table.members.values().filter(|member| member.key != me).cloned() {
            let transport = self.inner.transport.clone();
            asked.spawn(async move {
                // Every catalogue is as new as this.
                let request = wire::write(&Request::Refresh { revision: 0 });
                let answer = transport.call(&member, request, PATIENCE).await;
                let is_reached = answer.is_ok_and(|bytes| wire::read::<Answer>(&bytes).is_ok());
                (member, is_reached)
            });
        }
        let mut seen = asked.join_all().await;
        seen.sort_unstable_by_key(|(member, _)| member.key);
        self.inner.sight.note(seen)
    }

    /// The servers that this one does not reach, as of the last look.
    #[must_use]
    pub fn unreachable(&self) -> Vec<Arc<Member>> {
        let lost = self.inner.sight.lost();
        let mut members = self.members();
        members.retain(|member| lost.contains(&member.key));
        members
    }

    /// Whether this server reaches so few of those that own shards that others are to take its
    /// calls (RCH-1).
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let table = self.inner.routes.table();
        let Some(me) = table.me else { return false };
        let owners: BTreeSet<_> = table.owners.values().copied().collect();
        is_cut_off(me, &owners, &self.inner.sight.lost())
    }
}
