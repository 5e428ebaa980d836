//! The logical servers that servers host, as the handle shows them (R20).
//!
//! Boundary: reads what the store knows of members and waiting jobs.
//! Read first: [`Node::logical_servers`].

use std::collections::BTreeMap;

use feel::Str;

use crate::error::Error;
use crate::handle::Node;
use crate::logical::{self, LogicalServer};

impl Node {
    /// The logical servers that some server hosts or some job waits for, in order of their names.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn logical_servers(&self) -> Result<Vec<LogicalServer>, Error> {
        let pulse = self.pulse().await?;
        let mut known: BTreeMap<Str, (Vec<Str>, u64)> = BTreeMap::new();
        for member in pulse.members {
            for name in member.about.hosts {
                known.entry(name).or_default().0.push(member.about.name.clone());
            }
        }
        for shard in pulse.shards {
            for (queue, number) in self.inner.store.job_types(shard.shard).await? {
                if let Some(name) = logical::server_of(&queue) {
                    known.entry(name.into()).or_default().1 += number;
                }
            }
        }
        let all = known.into_iter();
        Ok(all.map(|(name, (hosts, waiting))| LogicalServer { name, hosts, waiting }).collect())
    }
}
