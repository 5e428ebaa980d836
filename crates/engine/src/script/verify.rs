//! What has to hold after every decision, whatever the scenario is about.
//!
//! Boundary: asserts; it is compiled for tests only.
//! Read first: [`decided`], then [`rows`].

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::event::Event;
use crate::instance::{Instance, JobState, Status, Wait, apply, begin};

use super::world::World;

/// Checks the first decision of an instance.
pub(super) fn started(state: &Instance, events: &[Event]) {
    let Some(Event::InstanceStarted(first)) = events.first() else {
        panic!("an instance begins with InstanceStarted: {events:?}")
    };
    decided(begin(first), state, events);
}

/// Checks a decision: EVT-1, ENG-2, DRF-1 (state changes by events only) and INS-1 to INS-3.
pub(super) fn decided(before: Instance, after: &Instance, events: &[Event]) {
    let mut replayed = before;
    for event in events {
        let mut bytes = Vec::new();
        assert!(minicbor::encode(event, &mut bytes).is_ok());
        let stored: Event = minicbor::decode(&bytes).expect("an event survives its byte form");
        assert_eq!(stored, *event);
        apply(&mut replayed, &stored);
    }
    assert_eq!(replayed, *after, "EVT-1: {events:#?}");
    let mut bytes = Vec::new();
    after.encode_to(&mut bytes);
    let stored = Instance::decode(&bytes).expect("a snapshot decodes");
    assert_eq!(stored, *after, "ENG-2: a state is its snapshot");
    consistent(after);
}

fn consistent(state: &Instance) {
    if state.status != Status::Active {
        assert!(state.steps.is_empty(), "an ended instance has no steps");
        return;
    }
    let mut children = BTreeMap::new();
    let mut incidents = 0;
    for (key, step) in &state.steps {
        match step.scope {
            Some(scope) => {
                assert!(state.steps.contains_key(&scope), "INS-1: {key} has no scope");
                *children.entry(scope).or_insert(0) += 1;
            }
            None => assert_eq!(*key, state.root(), "INS-1: {key} has no scope"),
        }
        incidents += u32::from(step.incident.is_some());
    }
    for (key, step) in &state.steps {
        let counted = children.get(key).copied().unwrap_or(0);
        assert_eq!(step.children, counted, "INS-2: {key}");
        assert!(!step.failing || counted > 0, "FLR-2: {key} failed and has nothing left to do");
    }
    assert_eq!(state.incidents, incidents, "at most one incident per step, all counted");
    let mut restored = state.clone();
    restored.restore_owners();
    assert_eq!(state.owners, restored.owners, "INS-3");
}

/// Checks that what the effects asked to be kept is what the states speak of.
pub(super) fn rows(world: &World) {
    if world.answers {
        super::lock::verify(world);
    }
    let mut jobs = BTreeMap::new();
    let mut timers = BTreeSet::new();
    let mut incidents = BTreeSet::new();
    let mut waiting = BTreeSet::new();
    for (instance, running) in &world.instances {
        for (key, step) in &running.state.steps {
            if let Wait::Job(job) = &step.wait {
                match &job.state {
                    JobState::Ready => {
                        jobs.insert(job.key, (*instance, None));
                    }
                    JobState::Leased { deadline_ms, .. } => {
                        jobs.insert(job.key, (*instance, Some(*deadline_ms)));
                    }
                    JobState::BackingOff { until_ms } => {
                        timers.insert((*until_ms, job.key.0));
                    }
                    JobState::Failed => {}
                }
            }
            timers.extend(step.timers.iter().map(|timer| (timer.due_ms, timer.key)));
            incidents.extend(step.incident.iter().map(|incident| incident.key));
            for open in &step.subscriptions {
                waiting.insert((open.name.clone(), open.key.clone(), *key, open.element));
            }
        }
    }
    assert_eq!(world.rows.jobs, jobs, "JOB-1: jobs as offered and as in the states");
    let armed: BTreeSet<_> = world.rows.timers.keys().copied().collect();
    assert_eq!(armed, timers, "timers as armed and as in the states");
    let listed: BTreeSet<_> = world.rows.incidents.keys().copied().collect();
    assert_eq!(listed, incidents, "incidents as listed and as in the states");
    let mut subscribed = BTreeSet::new();
    for ((name, key), bucket) in &world.buckets {
        for known in &bucket.waiting {
            subscribed.insert((name.clone(), key.clone(), known.step, known.element));
        }
        for holder in &bucket.holders {
            let running = world.instances.get(&holder.instance);
            let active = running.is_some_and(|held| held.state.status == Status::Active);
            assert!(active, "MSG-2: {holder:?} holds {name}/{key} and runs");
        }
    }
    assert_eq!(subscribed, waiting, "subscriptions in the buckets and in the states");
}
