//! The store in memory keeps the promise of the port, and never waits.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use engine::ids::ShardId;
use store::memory::Memory;
use store::{Committed, Store, Unit};

store::conformance_suite!(Box::new(Memory::new()));

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
    let lease = at_once(memory.acquire(ShardId(1), "test")).expect("a lease");
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
