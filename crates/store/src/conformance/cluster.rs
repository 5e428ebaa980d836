//! Servers, their leases, and who owns which shard.
//!
//! Boundary: no story waits for time to pass; a lease of nothing has run out at once.
//! Read first: [`what_a_dead_server_owned_is_taken_over`].

use engine::ids::{DefinitionKey, ShardId};

use super::{LONG_MS, Owner, SHARDS, expire, member, take};
use crate::{
    Acquired, Beat, Bond, DefinitionRow, Pulse, SLOTS, ServerKey, Standing, Store, TokenRow, Unit,
};

const SHARD: ShardId = ShardId(1);

/// Fills a unit.
type Change<'a> = &'a dyn Fn(&mut Unit);

fn beat(server: ServerKey) -> Beat {
    Beat { server, lease_ms: LONG_MS, standing: Standing::Serving, catalog: 0 }
}

fn members(pulse: &Pulse) -> Vec<ServerKey> {
    pulse.members.iter().map(|member| member.key).collect()
}

fn owners(pulse: &Pulse) -> Vec<Option<ServerKey>> {
    pulse.shards.iter().map(|shard| shard.owner).collect()
}

/// Founding again changes nothing, or adds shards without slots.
pub async fn shards_are_founded_once_with_their_slots(store: &dyn Store) {
    assert_eq!(store.slots().await.unwrap(), []);
    assert_eq!(store.pulse().await.unwrap().shards, []);
    assert_eq!(store.found(3).await.unwrap(), 3);
    let slots = store.slots().await.unwrap();
    let expected: Vec<_> = (0..SLOTS).map(|slot| ShardId(slot % 3 + 1)).collect();
    assert_eq!(slots, expected);
    assert_eq!(store.found(2).await.unwrap(), 3);
    assert_eq!(store.found(5).await.unwrap(), 5);
    assert_eq!(store.slots().await.unwrap(), expected);
    let pulse = store.pulse().await.unwrap();
    let shards: Vec<_> = pulse.shards.iter().map(|of| (of.shard.0, of.owner, of.epoch)).collect();
    assert_eq!(shards, (1..=5).map(|shard| (shard, None, 0)).collect::<Vec<_>>());
    assert!(store.found(u16::MAX).await.is_err());
}

/// The pulse tells what the server said, by the store's clock.
pub async fn a_server_joins_beats_and_leaves(store: &dyn Store) {
    let server = store.join(&member("one"), LONG_MS).await.unwrap();
    let pulse = store.pulse().await.unwrap();
    assert!(!pulse.is_member, "nobody asked");
    assert_eq!(pulse.members.len(), 1);
    let joined = pulse.members[0].clone();
    assert_eq!((joined.key, &joined.about), (server, &member("one")));
    assert_eq!(joined.lease_until_ms, joined.joined_ms + LONG_MS);
    assert!(pulse.now_ms >= joined.joined_ms);
    assert_eq!(joined.catalog, 0);
    let next = Beat { standing: Standing::Draining, catalog: 7, ..beat(server) };
    let pulse = store.beat(&next).await.unwrap();
    assert!(pulse.is_member);
    assert_eq!(pulse.members[0].about.standing, Standing::Draining);
    assert_eq!(pulse.members[0].catalog, 7);
    assert_eq!(pulse.members[0].joined_ms, joined.joined_ms);
    assert!(pulse.members[0].lease_until_ms >= joined.lease_until_ms);
    store.leave(server).await.unwrap();
    store.leave(server).await.unwrap();
    let pulse = store.beat(&next).await.unwrap();
    assert!(!pulse.is_member, "CLU-1");
    assert_eq!(pulse.members, []);
    let again = store.join(&member("one"), LONG_MS).await.unwrap();
    assert!(again > server, "a key is used once");
}

/// Whoever comes late joins again, as another one.
pub async fn a_lease_that_ran_out_is_never_extended(store: &dyn Store) {
    for lease_ms in [0, -1, i64::from(i32::MIN)] {
        let server = store.join(&member("late"), lease_ms).await.unwrap();
        assert_eq!(store.pulse().await.unwrap().members, []);
        let pulse = store.beat(&beat(server)).await.unwrap();
        assert!(!pulse.is_member, "CLU-1");
        assert_eq!(pulse.members, []);
    }
    let server = store.join(&member("slow"), LONG_MS).await.unwrap();
    expire(store, server).await;
    assert!(!store.beat(&beat(server)).await.unwrap().is_member, "CLU-1");
    assert!(!store.beat(&beat(ServerKey(99))).await.unwrap().is_member, "it never joined");
}

/// Neither by those who never joined nor by those whose lease ran out.
pub async fn a_shard_is_acquired_by_members_only(store: &dyn Store) {
    store.found(2).await.unwrap();
    let stranger = store.acquire(SHARD, ServerKey(77)).await.unwrap();
    assert_eq!(stranger, Acquired::NotMember);
    let server = store.join(&member("one"), LONG_MS).await.unwrap();
    assert_eq!(store.acquire(ShardId(3), server).await.unwrap(), Acquired::NoShard);
    assert_eq!(store.acquire(ShardId(0), server).await.unwrap(), Acquired::NoShard);
    let (lease, after_failure) = take(store, 1, server).await;
    assert_eq!((lease.shard, lease.epoch, lease.sequence, lease.blocks_next), (SHARD, 1, 0, 1));
    assert!(!after_failure, "it had no owner");
    let pulse = store.pulse().await.unwrap();
    assert_eq!(owners(&pulse), [Some(server), None]);
    assert_eq!(pulse.shards[0].epoch, 1);
    expire(store, server).await;
    assert_eq!(store.acquire(SHARD, server).await.unwrap(), Acquired::NotMember);
    let unit = Unit {
        shard: Some(SHARD),
        epoch: lease.epoch,
        sequence: 1,
        blocks_next: 1,
        ..Unit::default()
    };
    let answer = store.commit(unit).await.unwrap();
    assert_eq!(answer, crate::Committed::Done, "nobody has taken it over");
}

/// By leaving, or shard by shard; only by the holder of the epoch.
pub async fn what_was_given_back_was_not_left_by_a_failure(store: &dyn Store) {
    store.found(2).await.unwrap();
    let first = store.join(&member("first"), LONG_MS).await.unwrap();
    let (lease, _) = take(store, 1, first).await;
    take(store, 2, first).await;
    store.release(SHARD, first, lease.epoch + 1).await.unwrap();
    store.release(SHARD, ServerKey(first.0 + 9), lease.epoch).await.unwrap();
    assert_eq!(owners(&store.pulse().await.unwrap()), [Some(first); 2]);
    store.release(SHARD, first, lease.epoch).await.unwrap();
    store.release(SHARD, first, lease.epoch).await.unwrap();
    assert_eq!(owners(&store.pulse().await.unwrap()), [None, Some(first)]);
    store.leave(first).await.unwrap();
    assert_eq!(owners(&store.pulse().await.unwrap()), [None; 2]);
    let second = store.join(&member("second"), LONG_MS).await.unwrap();
    for shard in [1, 2] {
        let (lease, after_failure) = take(store, shard, second).await;
        assert_eq!((lease.epoch, after_failure), (2, false));
    }
    store.leave(first).await.unwrap();
    assert_eq!(owners(&store.pulse().await.unwrap()), [Some(second); 2]);
}

/// The dead one comes back to life and can do nothing.
pub async fn what_a_dead_server_owned_is_taken_over(store: &dyn Store) {
    let mut dead = Owner::of(store, 1).await;
    dead.commit(|unit| unit.blocks_next = 5).await;
    let survivor = store.join(&member("survivor"), LONG_MS).await.unwrap();
    let (lease, after_failure) = take(store, 1, survivor).await;
    assert!(after_failure, "CLU-2: its owner went without giving it back");
    assert_eq!((lease.epoch, lease.sequence, lease.blocks_next), (2, 1, 5));
    let late = store.commit(dead.next()).await.unwrap();
    assert_eq!(late, crate::Committed::NotOwner { epoch: 2 }, "STO-2");
    let (_, after_failure) = take(store, 2, survivor).await;
    assert!(!after_failure, "this one had no owner");
    // It is taken over once: the next owner finds a shard that was given back.
    let unit = Unit { shard: Some(SHARD), epoch: 2, sequence: 2, ..Unit::default() };
    assert_eq!(store.commit(unit).await.unwrap(), crate::Committed::Done);
    store.leave(survivor).await.unwrap();
    let next = store.join(&member("next"), LONG_MS).await.unwrap();
    assert!(!take(store, 1, next).await.1);
}

/// Whoever takes the shard over may fail before it has told anybody: acquire it again, give it
/// back, or leave.
pub async fn a_failure_is_known_until_something_was_committed(store: &dyn Store) {
    Owner::of(store, 1).await;
    Owner::of(store, 2).await;
    let server = store.join(&member("second"), LONG_MS).await.unwrap();
    let (_, after_failure) = take(store, 1, server).await;
    assert!(after_failure);
    let (lease, after_failure) = take(store, 1, server).await;
    assert!(after_failure, "it broke before it had told anybody");
    store.release(SHARD, server, lease.epoch).await.unwrap();
    assert!(take(store, 2, server).await.1);
    store.leave(server).await.unwrap();
    let third = store.join(&member("third"), LONG_MS).await.unwrap();
    for shard in [1, 2] {
        let (lease, after_failure) = take(store, shard, third).await;
        assert!(after_failure, "shard {shard} was given back by one that had told nobody");
        let sequence = lease.sequence + 1;
        let unit = Unit {
            shard: Some(lease.shard),
            epoch: lease.epoch,
            sequence,
            blocks_next: 1,
            ..Unit::default()
        };
        assert_eq!(store.commit(unit).await.unwrap(), crate::Committed::Done);
        assert!(!take(store, shard, third).await.1);
    }
    store.leave(third).await.unwrap();
    assert_eq!(owners(&store.pulse().await.unwrap())[..2], [None, None]);
}

/// Its own earlier epoch is fenced, too.
pub async fn an_owner_acquires_again_under_a_new_epoch(store: &dyn Store) {
    store.found(1).await.unwrap();
    let server = store.join(&member("one"), LONG_MS).await.unwrap();
    let (first, _) = take(store, 1, server).await;
    let (second, after_failure) = take(store, 1, server).await;
    assert_eq!((first.epoch, second.epoch, after_failure), (1, 2, false));
    let unit = Unit { shard: Some(SHARD), epoch: 1, sequence: 1, ..Unit::default() };
    let answer = store.commit(unit).await.unwrap();
    assert_eq!(answer, crate::Committed::NotOwner { epoch: 2 });
}

/// Together with the unit that decided on it.
pub async fn slots_move_with_a_unit(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let before = store.slots().await.unwrap();
    assert_eq!(before.len(), usize::from(SLOTS));
    let refused = Unit { sequence: 9, slots: vec![(3, ShardId(7))], ..owner.next() };
    store.commit(refused).await.unwrap();
    assert_eq!(store.slots().await.unwrap(), before, "STO-2");
    owner.commit(|unit| unit.slots = vec![(3, ShardId(6)), (4, SHARD), (3, ShardId(7))]).await;
    let mut expected = before;
    expected[3] = ShardId(7);
    expected[4] = SHARD;
    assert_eq!(store.slots().await.unwrap(), expected);
}

/// And with nothing else.
pub async fn revisions_grow_with_what_they_count(store: &dyn Store) {
    let mut owner = Owner::of(store, 1).await;
    let revisions = async || {
        let Pulse { catalog, settings, slots, .. } = store.pulse().await.unwrap();
        [catalog, settings, slots]
    };
    let definition = DefinitionRow {
        key: DefinitionKey(1),
        process: "order".into(),
        version: 1,
        package: "".into(),
        package_version: "".into(),
        resource: "order.bpmn".into(),
        digest: "aa".into(),
        deployment: 1,
        enabled: true,
        at_ms: 0,
    };
    let package = crate::PackageRow {
        name: "orders".into(),
        version: "1.0.0".into(),
        digest: "bb".into(),
        active: true,
        disabled: false,
        note: "".into(),
        at_ms: 0,
    };
    let token =
        TokenRow { hash: "cc".into(), role: crate::Role::Viewer, created_ms: 0, expires_ms: None };
    let changes: [(usize, Change<'_>); 6] = [
        (0, &|unit| unit.definitions.push(definition.clone())),
        (0, &|unit| unit.packages.push(package.clone())),
        (1, &|unit| unit.settings.push(("a".into(), Some("1".into())))),
        (1, &|unit| unit.settings.push(("a".into(), None))),
        (1, &|unit| unit.tokens.push(("t".into(), Some(token.clone())))),
        (2, &|unit| unit.slots.push((1, SHARD))),
    ];
    let mut before = revisions().await;
    for (number, (grown, change)) in changes.iter().enumerate() {
        owner.commit(change).await;
        owner.commit(|_| ()).await;
        let after = revisions().await;
        for which in 0..3 {
            let has_grown = after[which] > before[which];
            assert_eq!(has_grown, which == *grown, "change {number}: {before:?} {after:?}");
        }
        before = after;
    }
}

/// However often another one asks; then the owner is gone, and the next one gets it.
pub async fn a_shard_stays_with_its_owner_while_the_lease_runs(store: &dyn Store) {
    store.found(1).await.unwrap();
    let owner = store.join(&member("owner"), LONG_MS).await.unwrap();
    let (lease, _) = take(store, 1, owner).await;
    let other = store.join(&member("other"), LONG_MS).await.unwrap();
    for _ in 0..2 {
        let answer = store.acquire(SHARD, other).await.unwrap();
        assert_eq!(answer, Acquired::Held { owner }, "CLU-2");
    }
    let unit = Unit { shard: Some(SHARD), epoch: lease.epoch, sequence: 1, ..Unit::default() };
    assert_eq!(store.commit(unit).await.unwrap(), crate::Committed::Done);
    expire(store, owner).await;
    let (lease, after_failure) = take(store, 1, other).await;
    assert_eq!((lease.epoch, lease.sequence, after_failure), (2, 1, true));
    // Given back while it lives, it is free at once.
    let unit = Unit { shard: Some(SHARD), epoch: 2, sequence: 2, ..Unit::default() };
    assert_eq!(store.commit(unit).await.unwrap(), crate::Committed::Done);
    store.release(SHARD, other, 2).await.unwrap();
    let third = store.join(&member("third"), LONG_MS).await.unwrap();
    assert!(!take(store, 1, third).await.1);
}

/// In order of their keys, until their leases run out.
pub async fn members_see_each_other(store: &dyn Store) {
    let one = store.join(&member("one"), LONG_MS).await.unwrap();
    let two = store.join(&member("two"), LONG_MS).await.unwrap();
    let three = store.join(&member("two"), LONG_MS).await.unwrap();
    let pulse = store.beat(&beat(two)).await.unwrap();
    assert!(pulse.is_member);
    assert_eq!(members(&pulse), [one, two, three]);
    expire(store, one).await;
    store.leave(three).await.unwrap();
    assert_eq!(members(&store.beat(&beat(two)).await.unwrap()), [two]);
    let four = store.join(&member("four"), LONG_MS).await.unwrap();
    assert_eq!(members(&store.pulse().await.unwrap()), [two, four]);
    assert!(four > three);
}

/// All at once.
pub async fn of_many_that_want_a_shard_one_gets_it(store: &dyn Store) {
    Owner::of(store, 1).await;
    let mut servers = Vec::new();
    for number in 0..SHARDS {
        let name = format!("server {number}");
        servers.push(store.join(&member(&name), LONG_MS).await.unwrap());
    }
    let answers: Vec<_> = servers.iter().map(|server| store.acquire(SHARD, *server)).collect();
    let (mut winners, mut held) = (Vec::new(), Vec::new());
    for (server, answer) in servers.iter().zip(super::all(answers).await) {
        match answer.unwrap() {
            Acquired::Leased { lease, after_failure } => {
                assert_eq!((lease.epoch, after_failure), (2, true), "CLU-2");
                winners.push(*server);
            }
            Acquired::Held { owner } => held.push(owner),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners.len(), 1, "CLU-2");
    assert!(held.iter().all(|owner| *owner == winners[0]), "{held:?} {winners:?}");
}

/// The first wish counts, and only that can be fulfilled.
pub async fn a_bond_is_wanted_once_and_then_made(store: &dyn Store) {
    assert_eq!(store.bond(None).await.unwrap(), None);
    assert_eq!(store.bond(Some(Bond::Made(7))).await.unwrap(), None);
    assert_eq!(store.bond(Some(Bond::Wanted(7))).await.unwrap(), Some(Bond::Wanted(7)));
    assert_eq!(store.bond(Some(Bond::Wanted(8))).await.unwrap(), Some(Bond::Wanted(7)));
    assert_eq!(store.bond(Some(Bond::Made(8))).await.unwrap(), Some(Bond::Wanted(7)));
    assert_eq!(store.bond(Some(Bond::Made(7))).await.unwrap(), Some(Bond::Made(7)));
    assert_eq!(store.bond(Some(Bond::Wanted(9))).await.unwrap(), Some(Bond::Made(7)));
    assert_eq!(store.bond(None).await.unwrap(), Some(Bond::Made(7)));
    assert_eq!(store.pulse().await.unwrap().settings, 0);
}
