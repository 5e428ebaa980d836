//! A person who looks after what waits for one, once the faults are over.
//!
//! Boundary: resolves incidents, and sends what instances wait for whose own message expired;
//! changes the number of shards.
//! Read first: [`attend`].

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::ids::InstanceKey;
use feel::Value;
use node::NewMessage;
use store::{InstanceFilter, InstanceState, Store};

use super::{PAUSE_MS, Trouble, ask, pause, texts};
use crate::dice::Dice;
use crate::world::World;

/// How often the operator looks, in milliseconds.
const LOOK_MS: u64 = 700;

/// Attends to the world for ever.
pub(crate) async fn attend(world: Arc<World>) {
    let dice = Dice::new(world.setup.seed, "operator");
    let mut last: BTreeSet<InstanceKey> = BTreeSet::new();
    let mut number = 0;
    loop {
        pause(LOOK_MS).await;
        if !world.is_calm() {
            continue;
        }
        let incidents = world.store.incidents(None, None, 100).await.unwrap_or_default();
        for (incident, _) in incidents {
            let what = format!("resolve {incident}");
            let asked =
                ask(
                    &world,
                    &dice,
                    &what,
                    |node| async move { node.resolve(incident, Some(3)).await },
                );
            // It is looked at again.
            let _: Result<(), Trouble> = asked.await;
        }
        let active = waiting(&world).await;
        // One that waits since the last look has lost its message.
        for (instance, message, key) in &active {
            if last.contains(instance) {
                number += 1;
                remind(&world, &dice, (message, key, number)).await;
            }
        }
        last = active.into_iter().map(|(instance, ..)| instance).collect();
    }
}

/// Changes the number of shards.
pub(crate) async fn reshard(world: Arc<World>, number: u16) {
    let dice = Dice::new(world.setup.seed, &format!("reshard {number}"));
    let what = format!("{number} shards");
    loop {
        let asked =
            ask(&world, &dice, &what, |node| async move { node.set_shards(number, "sim").await });
        match asked.await {
            Ok(()) => return,
            Err(_) => pause(PAUSE_MS).await,
        }
    }
}

/// Instances that wait for a message, with its name and key.
async fn waiting(world: &World) -> Vec<(InstanceKey, &'static str, String)> {
    let mut waiting = Vec::new();
    for (process, message) in [("wait", "go"), ("fork", "paid")] {
        let filter = InstanceFilter {
            process: Some(process.into()),
            state: Some(InstanceState::Active),
            limit: 1_000,
            ..InstanceFilter::default()
        };
        for row in world.store.instances(&filter).await.unwrap_or_default() {
            if let Some(reference) = world.reference(row.key).await {
                waiting.push((row.key, message, reference));
            }
        }
    }
    waiting
}

async fn remind(world: &World, dice: &Dice, (name, key, number): (&str, &str, u64)) {
    let message = NewMessage {
        name: name.into(),
        key: key.into(),
        id: "".into(),
        time_to_live_ms: 5_000,
        variables: texts(&[("msg", &format!("again-{number}"))]),
    };
    let what = format!("message {name} {key} again");
    let asked = ask(world, dice, &what, |node| async move { node.publish_message(message).await });
    // It is looked at again.
    let _: Result<u64, Trouble> = asked.await;
}

impl World {
    /// The reference that an instance was started with.
    pub(crate) async fn reference(&self, instance: InstanceKey) -> Option<String> {
        self.text(instance, "ref").await.into_iter().next()
    }

    /// The texts that a variable of an instance was set to.
    pub(crate) async fn text(&self, instance: InstanceKey, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        for event in self.events(instance).await {
            let engine::Event::VariablesSet { variables, .. } = event else { continue };
            if let Some(Value::String(text)) = variables.get(name) {
                found.push(text.to_string());
            }
        }
        found
    }
}
