//! The store in memory keeps the promise of the port, and never waits.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use store::conformance::{LONG_MS, Owner, member};
use store::memory::Memory;
use store::{Beat, Cluster as _, Committed, Standing, Store as _, Unit};

store::conformance_suite!(shared Box::new(Memory::new()));
store::conformance_suite!(rows Box::new(Memory::new()));

/// What a future answers at its first poll.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("MEM-1: it waits"),
    }
}

#[test]
fn a_commit_takes_effect_when_it_is_called() {
    let memory = Memory::new();
    let lease = at_once(Owner::of(&memory, 1)).lease();
    let unit = Unit {
        shard: Some(lease.shard),
        epoch: lease.epoch,
        sequence: 1,
        settings: vec![("name".into(), Some("value".into()))],
        ..Unit::default()
    };
    let commit = memory.commit(unit);
    let settings = at_once(memory.settings()).expect("settings");
    assert_eq!(settings, [("name".into(), "value".into())], "MEM-1");
    assert_eq!(at_once(commit).expect("an answer"), Committed::Done);
}

#[test]
fn a_lease_runs_out_when_the_clock_says_so() {
    let memory = Memory::new();
    let server = at_once(memory.join(&member("one"), 10)).expect("a key");
    let beat = Beat { server, lease_ms: 10, standing: Standing::Serving, catalog: 0 };
    memory.pass(9);
    let pulse = at_once(memory.beat(&beat)).expect("a pulse");
    assert!(pulse.is_member);
    assert_eq!((pulse.now_ms, pulse.members[0].lease_until_ms), (9, 19));
    memory.pass(10);
    let pulse = at_once(memory.beat(&beat)).expect("a pulse");
    assert!(!pulse.is_member, "CLU-1: at its end it has run out");
    assert_eq!(pulse.members, []);
    let clock = Arc::new(AtomicI64::new(500));
    let shown = Arc::clone(&clock);
    let memory = Memory::with_clock(Arc::new(move || shown.load(Ordering::Relaxed)));
    at_once(memory.join(&member("one"), LONG_MS)).expect("a key");
    clock.store(700, Ordering::Relaxed);
    let pulse = at_once(memory.pulse()).expect("a pulse");
    assert_eq!((pulse.now_ms, pulse.members[0].joined_ms), (700, 500));
}
