//! With a correlation key, at most one instance per process runs that a message of this key
//! started (R28, MSG-2).
//!
//! Boundary: looks at the instance list again and again while the world runs.
//! Read first: [`watch`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use store::{InstanceFilter, InstanceState, Store};

use crate::history::Fact;
use crate::world::World;

/// How often it looks, in milliseconds.
const LOOK_MS: u64 = 20;

/// Watches the process that messages start, for ever.
pub(crate) async fn watch(world: Arc<World>) {
    let filter = InstanceFilter {
        process: Some("join".into()),
        state: Some(InstanceState::Active),
        limit: 1_000,
        ..InstanceFilter::default()
    };
    loop {
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        let mut running: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in world.store.instances(&filter).await.unwrap_or_default() {
            let key = row.business_key.as_deref().unwrap_or_default().to_owned();
            running.entry(key).or_default().push(row.key.to_string());
        }
        if let Some((key, instances)) = running.into_iter().find(|(_, found)| found.len() > 1) {
            let what = format!("{} run at once for key {key}", instances.join(" and "));
            world.trace.line("check", format_args!("{what}"));
            world.history.note(Fact::Unfounded { what, about: key });
            return;
        }
    }
}
