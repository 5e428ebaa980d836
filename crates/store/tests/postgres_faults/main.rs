//! Connections that are cut, databases that go away, and addresses that are wrong.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]

mod deployments;
mod opening;
mod proxy;

use std::sync::Arc;
use std::time::Duration;

use engine::ids::{Address, ShardId};
use store::conformance::pgbouncer::Pool;
use store::conformance::postgres::Server;
use store::conformance::{Owner, instance, snapshot, take};
use store::postgres::{Options, Pooling, Postgres};
use store::{Cluster as _, Committed, Error, Store, Unit};

use self::proxy::{Proxy, Rest, Way};

/// A store behind a proxy, and the address of the same database beside it.
async fn behind_proxy(server: &Server, pooling: Pooling) -> (Proxy, Postgres, String) {
    let proxy = Proxy::before(server.directory().join(".s.PGSQL.5432")).await;
    let url = server.schema().await;
    let host = format!("host={}", server.directory().display());
    let through = url.replace(&host, &format!("host=127.0.0.1 port={}", proxy.port));
    let options = Options { pooling, ..Options::new(&through) };
    let store = Postgres::open(&options).await.unwrap();
    (proxy, store, url)
}

/// The unit after the last one of the shard, with some rows that only it has.
fn unit(shard: u16, epoch: u64, sequence: u64) -> Unit {
    let mut unit = Unit {
        shard: Some(ShardId(shard)),
        epoch,
        sequence,
        blocks_next: sequence + 1,
        ..Unit::default()
    };
    unit.aggregates.push(snapshot(u64::from(shard) << 32 | sequence, Some("kept")));
    unit.settings.push((format!("{shard}-{sequence}").into(), Some("kept".into())));
    unit
}

/// Exactly the units up to `last` are there.
async fn check(store: &dyn Store, shard: u16, last: u64) {
    let addresses: Vec<_> = (1..=last + 1)
        .map(|sequence| Address::Instance(instance(u64::from(shard) << 32 | sequence)))
        .collect();
    let found = store.load(ShardId(shard), &addresses).await.unwrap();
    let there = found.iter().take_while(|snapshot| snapshot.is_some()).count();
    assert_eq!(u64::try_from(there).unwrap(), last, "PGW-1 shard {shard}");
    assert!(found[there].is_none());
}

/// Cuts at every so many bytes of a commit, both ways; directly and through a pool.
async fn cut_everywhere(pooling: Pooling) {
    let Some(server) = Server::shared("cuts_at_any_byte_are_survived") else { return };
    let (proxy, store, url) = behind_proxy(server, pooling).await;
    let epoch = Owner::of(&store, 1).await.lease().epoch;
    let mut sequence = 0;
    for way in [Way::In, Way::Out] {
        for bytes in (0..).step_by(if way == Way::In { 61 } else { 13 }) {
            let cuts = proxy.cuts();
            // Whatever prepares statements is over.
            sequence += 1;
            assert_eq!(store.commit(unit(1, epoch, sequence)).await.unwrap(), Committed::Done);
            proxy.cut_after(way, bytes, Rest::Close);
            sequence += 1;
            let answer = store.commit(unit(1, epoch, sequence)).await.unwrap();
            assert_eq!(answer, Committed::Done, "PGW-1 {way:?} {bytes}");
            if proxy.cuts() == cuts {
                // The whole exchange is shorter.
                assert!(bytes > 100, "{way:?} {bytes}");
                break;
            }
        }
        proxy.cut_after(way, -1, Rest::Close);
    }
    let beside = Postgres::open(&Options::new(&url)).await.unwrap();
    check(&beside, 1, sequence).await;
    assert_eq!(Owner::of(&beside, 1).await.lease().sequence, sequence);
}

#[tokio::test]
async fn cuts_at_any_byte_are_survived() {
    cut_everywhere(Pooling::Session).await;
}

#[tokio::test]
async fn cuts_at_any_byte_are_survived_through_a_pool() {
    cut_everywhere(Pooling::Transaction).await;
}

/// The database goes on with what it got when the store has long sent it again.
#[tokio::test]
async fn a_try_that_comes_late_counts_once() {
    let Some(server) = Server::shared("a_try_that_comes_late_counts_once") else { return };
    for bytes in [0, 1, 40, 200, 400] {
        let (proxy, store, url) = behind_proxy(server, Pooling::Session).await;
        let epoch = Owner::of(&store, 1).await.lease().epoch;
        for sequence in 1..=2 {
            assert_eq!(store.commit(unit(1, epoch, sequence)).await.unwrap(), Committed::Done);
        }
        proxy.cut_after(Way::In, bytes, Rest::Hold);
        let commit = store.commit(unit(1, epoch, 3));
        let release = async {
            while proxy.cuts() == 0 {
                tokio::task::yield_now().await;
            }
            proxy.release();
        };
        let (answer, ()) = tokio::join!(commit, release);
        assert_eq!(answer.unwrap(), Committed::Done, "PGW-1 {bytes}");
        assert_eq!(store.commit(unit(1, epoch, 4)).await.unwrap(), Committed::Done);
        let beside = Postgres::open(&Options::new(&url)).await.unwrap();
        check(&beside, 1, 4).await;
    }
}

/// A half transaction whose client is gone holds the shard's row for a short time only.
#[tokio::test]
async fn a_half_transaction_does_not_hold_the_shard() {
    let Some(server) = Server::shared("a_half_transaction_does_not_hold_the_shard") else { return };
    let (proxy, store, _) = behind_proxy(server, Pooling::Session).await;
    let epoch = Owner::of(&store, 1).await.lease().epoch;
    for sequence in 1..=2 {
        assert_eq!(store.commit(unit(1, epoch, sequence)).await.unwrap(), Committed::Done);
    }
    // BEGIN and the fence have arrived, the rest never does.
    proxy.cut_after(Way::In, 250, Rest::Hold);
    assert_eq!(store.commit(unit(1, epoch, 3)).await.unwrap(), Committed::Done);
    assert_eq!(proxy.cuts(), 1);
    check(&store, 1, 3).await;
}

/// The answer is lost, and before the store can ask another server has the shard.
#[tokio::test]
async fn the_outcome_is_known_after_a_take_over_too() {
    let Some(server) = Server::shared("the_outcome_is_known_after_a_take_over_too") else {
        return;
    };
    // A database whose client is gone may stop in the middle of what it got: it is gone afterwards.
    for (way, rest, expected) in [
        (Way::Out, Rest::Mute, Committed::Done),
        (Way::In, Rest::Close, Committed::NotOwner { epoch: 3 }),
    ] {
        let (proxy, store, url) = behind_proxy(server, Pooling::Session).await;
        let beside = Postgres::open(&Options::new(&url)).await.unwrap();
        let epoch = Owner::of(&store, 1).await.lease().epoch;
        for sequence in 1..=2 {
            assert_eq!(store.commit(unit(1, epoch, sequence)).await.unwrap(), Committed::Done);
        }
        proxy.close();
        proxy.cut_after(way, 0, rest);
        let commit = store.commit(unit(1, epoch, 3));
        let take_over = async {
            while proxy.cuts() == 0 {
                tokio::task::yield_now().await;
            }
            // Whoever takes over before what arrived has taken effect hinders it.
            let reached = if expected == Committed::Done { 3 } else { 2 };
            let unit_3 = [Address::Instance(instance(1 << 32 | 3))];
            let is_there = async || {
                beside.load(ShardId(1), &unit_3).await.unwrap().iter().any(Option::is_some)
            };
            let arrives = async { while reached == 3 && !is_there().await {} };
            tokio::time::timeout(Duration::from_secs(20), arrives).await.unwrap();
            proxy.cut_all();
            // The new owner takes the same sequence, if the commit did not arrive.
            let last = Owner::of(&beside, 1).await.lease();
            assert_eq!(last.sequence, reached);
            let next = unit(1, last.epoch, last.sequence + 1);
            assert_eq!(beside.commit(next).await.unwrap(), Committed::Done);
            proxy.open();
            last.epoch
        };
        let (answer, epoch_now) = tokio::join!(commit, take_over);
        let expected = match expected {
            Committed::NotOwner { .. } => Committed::NotOwner { epoch: epoch_now },
            other => other,
        };
        assert_eq!(answer.unwrap(), expected, "PGW-1 {way:?}");
        let late = store.commit(unit(1, epoch, 4)).await.unwrap();
        assert_eq!(late, Committed::NotOwner { epoch: epoch_now });
    }
}

/// Commits units of several shards one after the other until `is_over`; how many each has.
async fn commit_until(
    store: &Arc<Postgres>,
    shards: u16,
    is_over: &Arc<tokio::sync::Notify>,
) -> Vec<u64> {
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut running = tokio::task::JoinSet::new();
    for shard in 1..=shards {
        let epoch = Owner::of(&**store, shard).await.lease().epoch;
        let (store, over) = (Arc::clone(store), Arc::clone(&over));
        running.spawn(async move {
            let mut sequence = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let answer = store.commit(unit(shard, epoch, sequence + 1)).await.unwrap();
                assert_eq!(answer, Committed::Done, "shard {shard} after {sequence}");
                sequence += 1;
            }
            (shard, sequence)
        });
    }
    is_over.notified().await;
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut last = vec![0; usize::from(shards) + 1];
    for (shard, sequence) in running.join_all().await {
        last[usize::from(shard)] = sequence;
    }
    last
}

/// By an administrator, and by cuts at random moments.
#[tokio::test]
async fn connections_that_are_ended_again_and_again_lose_nothing() {
    let name = "connections_that_are_ended_again_and_again_lose_nothing";
    let Some(server) = Server::shared(name) else { return };
    let (proxy, store, url) = behind_proxy(server, Pooling::Session).await;
    let (store, is_over) = (Arc::new(store), Arc::new(tokio::sync::Notify::new()));
    let end = async {
        // Those of this test only: they are known by their search path, which names the schema.
        let schema = url.rsplit('=').next().unwrap().trim_end_matches('\'');
        let kill = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_class ON pg_class.oid = relation
            JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE nspname = '{schema}' AND pid <> pg_backend_pid()"
        );
        for round in 0..40 {
            if round % 2 == 0 {
                server.execute(&url, &kill).await;
            } else {
                proxy.cut_all();
            }
            store.pulse().await.unwrap();
        }
        is_over.notify_one();
    };
    let (last, ()) = tokio::join!(commit_until(&store, 4, &is_over), end);
    let beside = Postgres::open(&Options::new(&url)).await.unwrap();
    for shard in 1..=4 {
        let sequence = last[usize::from(shard)];
        check(&beside, shard, sequence).await;
        assert_eq!(Owner::of(&beside, shard).await.lease().sequence, sequence);
    }
    assert!(last.iter().sum::<u64>() > 40, "{last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_of_the_database_lose_nothing() {
    let Some(server) = Server::own("restarts_of_the_database_lose_nothing") else { return };
    let options = Options::new(&server.schema().await);
    restart_again_and_again(Arc::new(server), &options).await;
}

/// A pool stays connected to the store and tells of the end in words of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_of_the_database_behind_a_pool_lose_nothing() {
    let name = "restarts_of_the_database_behind_a_pool_lose_nothing";
    let Some(server) = Server::own(name).map(Arc::new) else { return };
    let Some(pool) = Pool::before(&server, name) else { return };
    let options = Options { pooling: Pooling::Transaction, ..Options::new(&pool.schema().await) };
    restart_again_and_again(Arc::clone(&server), &options).await;
}

/// In the middle of commits.
async fn restart_again_and_again(server: Arc<Server>, options: &Options) {
    let store = Arc::new(Postgres::open(options).await.unwrap());
    let is_over = Arc::new(tokio::sync::Notify::new());
    let end = async {
        for round in 0..3 {
            let (server, store) = (Arc::clone(&server), Arc::clone(&store));
            let before = store.settings().await.unwrap().len();
            while store.settings().await.unwrap().len() < before + 20 {}
            let restart = move || {
                if round % 2 == 0 {
                    server.crash()
                } else {
                    server.stop()
                }
                server.start_again();
            };
            tokio::task::spawn_blocking(restart).await.unwrap();
        }
        is_over.notify_one();
    };
    let (last, ()) = tokio::join!(commit_until(&store, 4, &is_over), end);
    for shard in 1..=4 {
        check(&*store, shard, last[usize::from(shard)]).await;
    }
}

/// Calls wait, then say why; afterwards all is well again.
#[tokio::test]
async fn a_database_that_is_away_is_waited_for() {
    let Some(server) = Server::shared("a_database_that_is_away_is_waited_for") else { return };
    let (proxy, store, url) = behind_proxy(server, Pooling::Session).await;
    let host = format!("host={}", server.directory().display());
    let through = url.replace(&host, &format!("host=127.0.0.1 port={}", proxy.port));
    let wait = Duration::from_millis(300);
    let hasty = Postgres::open(&Options { wait, ..Options::new(&through) }).await.unwrap();
    let lease = Owner::of(&hasty, 1).await.lease();
    assert_eq!(hasty.commit(unit(1, lease.epoch, 1)).await.unwrap(), Committed::Done);
    proxy.close();
    proxy.cut_all();
    let errors = [
        hasty.commit(unit(1, lease.epoch, 2)).await.map(drop).unwrap_err(),
        hasty.settings().await.map(drop).unwrap_err(),
        hasty.pulse().await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::Failed { .. }), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("the database is away since 0.3 s"), "{cause}");
    }
    let patient = async { store.settings().await.unwrap().len() };
    let open = async { proxy.open() };
    let (found, ()) = tokio::join!(patient, open);
    assert_eq!(found, 1);
    assert_eq!(hasty.settings().await.unwrap().len(), 1);
    let lease = Owner::of(&hasty, 1).await.lease();
    let next = unit(1, lease.epoch, lease.sequence + 1);
    assert_eq!(hasty.commit(next).await.unwrap(), Committed::Done);
}

/// A unit that the database refuses spoils no other one that waits with it.
#[tokio::test]
async fn a_unit_that_cannot_be_stored_stands_alone() {
    let Some(server) = Server::shared("a_unit_that_cannot_be_stored_stands_alone") else { return };
    let url = server.schema().await;
    let store = Postgres::open(&Options::new(&url)).await.unwrap();
    let refuse = "CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.name = 'poison' THEN RAISE 'poison'; END IF;
            IF NEW.name = 'full' THEN RAISE 'full' USING ERRCODE = '53100'; END IF;
            RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON settings FOR EACH ROW EXECUTE FUNCTION refuse()";
    server.execute(&url, refuse).await;
    let mut leases = Vec::new();
    for shard in 1..=6 {
        leases.push(Owner::of(&store, shard).await.lease());
    }
    let mut answers = Vec::new();
    for lease in &leases {
        let mut unit = unit(lease.shard.0, lease.epoch, 1);
        match lease.shard.0 {
            2 => unit.settings.push(("poison".into(), Some("".into()))),
            4 => unit.settings.push(("full".into(), Some("".into()))),
            _ => {}
        }
        answers.push(store.commit(unit));
    }
    for (lease, answer) in leases.iter().zip(store::conformance::all(answers).await) {
        match lease.shard.0 {
            2 => assert!(matches!(answer, Err(Error::Failed { .. })), "{answer:?}"),
            4 => assert!(matches!(answer, Err(Error::Full { .. })), "{answer:?}"),
            _ => assert_eq!(answer.unwrap(), Committed::Done, "PGW-2"),
        }
        let last = u64::from(!matches!(lease.shard.0, 2 | 4));
        check(&store, lease.shard.0, last).await;
    }
}

/// And of nothing else; through a pool, of nothing at all.
#[tokio::test]
async fn servers_hear_of_each_others_changes() {
    let Some(server) = Server::shared("servers_hear_of_each_others_changes") else { return };
    let url = server.schema().await;
    let one = Postgres::open(&Options::new(&url)).await.unwrap();
    let two = Postgres::open(&Options::new(&url)).await.unwrap();
    let mut changes = one.changes().unwrap();
    one.pulse().await.unwrap();
    changes.mark_unchanged();
    let mut owner = Owner::of(&two, 1).await;
    owner.commit(|unit| unit.settings.push(("a".into(), Some("1".into())))).await;
    changes.changed().await.unwrap();
    changes.mark_unchanged();
    owner.commit(|unit| unit.aggregates.push(snapshot(1, Some("nobody needs to know")))).await;
    // What was sent before an answer arrives before it.
    one.pulse().await.unwrap();
    assert!(!changes.has_changed().unwrap());
    let pooled = Options { pooling: Pooling::Transaction, ..Options::new(&url) };
    let pooled = Postgres::open(&pooled).await.unwrap();
    assert!(pooled.changes().is_none());
    assert_eq!(pooled.health().await.unwrap().kind, "postgres, pooled");
}

/// Its number is used again until it is known that it took effect.
#[tokio::test]
async fn calls_about_the_cluster_take_effect_once() {
    let Some(server) = Server::shared("calls_about_the_cluster_take_effect_once") else { return };
    let (proxy, store, _) = behind_proxy(server, Pooling::Session).await;
    let mut dead = Owner::of(&store, 1).await;
    dead.commit(|unit| {
        unit.requests =
            (1..=9).map(|key| (engine::ids::RequestKey(key), Some(request()))).collect();
    })
    .await;
    let one = store.join(&store::conformance::member("one"), 3_600_000).await.unwrap();
    let before = store.pulse().await.unwrap();
    // The statements are prepared, so the first bytes out are answers.
    proxy.cut_after(Way::Out, 0, Rest::Close);
    let two = store.join(&store::conformance::member("two"), 3_600_000).await.unwrap();
    assert_eq!(store.pulse().await.unwrap().members.len(), before.members.len() + 1);
    assert!(two > one);
    take(&store, 2, two).await;
    proxy.cut_after(Way::Out, 0, Rest::Close);
    let (lease, after_failure) = take(&store, 1, one).await;
    assert!(after_failure, "the first try knew it");
    assert_eq!(lease.epoch, 2);
    assert_eq!(store.claim(ShardId(1), 2, 1).await.unwrap().len(), 1);
    proxy.cut_after(Way::Out, 0, Rest::Close);
    let claimed = store.claim(ShardId(1), 2, 3).await.unwrap();
    assert_eq!(claimed.iter().map(|(key, _)| key.0).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(store.claim(ShardId(1), 2, 99).await.unwrap().len(), 5);
    assert_eq!(proxy.cuts(), 3);
}

fn request() -> store::RequestRow {
    store::RequestRow {
        process: "order".into(),
        variables: "{}".into(),
        state: store::RequestState::Waiting,
        at_ms: 0,
        due_ms: 0,
        shard: None,
        instance: None,
        reason: None,
        ended_ms: None,
    }
}

#[tokio::test]
async fn what_was_accepted_is_written_before_the_end() {
    let Some(server) = Server::shared("what_was_accepted_is_written_before_the_end") else {
        return;
    };
    let store = Postgres::open(&Options::new(&server.schema().await)).await.unwrap();
    let epoch = Owner::of(&store, 1).await.lease().epoch;
    let answers: Vec<_> = (1..=20).map(|sequence| store.commit(unit(1, epoch, sequence))).collect();
    let (shutdown, again) = tokio::join!(store.shutdown(), store.shutdown());
    shutdown.unwrap();
    assert!(matches!(again, Err(Error::Closed)));
    for answer in answers {
        assert_eq!(answer.await.unwrap(), Committed::Done);
    }
    let late = store.commit(unit(1, epoch, 21)).await;
    assert!(matches!(late, Err(Error::Closed)), "{late:?}");
    check(&store, 1, 20).await;
}

/// A server that was cut off in a commit keeps the row of its shard locked. Whoever wants the shard
/// is told that it is held, and lives on meanwhile.
#[tokio::test]
async fn a_locked_shard_holds_up_nobodys_beat() {
    let Some(server) = Server::shared("a_locked_shard_holds_up_nobodys_beat") else { return };
    let url = server.schema().await;
    let store = Postgres::open(&Options::new(&url)).await.unwrap();
    let dead = Owner::of(&store, 1).await;
    let taker = store.join(&store::conformance::member("taker"), 60_000).await.unwrap();
    let beat = store::Beat {
        server: taker,
        lease_ms: 60_000,
        standing: store::Standing::Serving,
        catalog: 0,
    };
    store.beat(&beat).await.unwrap();
    let cut_off = async {
        let lock = "SELECT 1 FROM shards WHERE shard = 1 FOR UPDATE; SELECT pg_sleep(1.5)";
        server.execute(&url, lock).await;
    };
    let others = async {
        // Until the row is locked the shard is to be had.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let begun = tokio::time::Instant::now();
        let acquire = async { (store.acquire(ShardId(1), taker).await, begun.elapsed()) };
        let beat = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            (store.beat(&beat).await.unwrap().is_member, begun.elapsed())
        };
        let ((wanted, answered), (is_member, beaten)) = tokio::join!(acquire, beat);
        assert!(is_member && beaten < answered, "the beat waited: {beaten:?} {answered:?}");
        let wanted = wanted.unwrap();
        assert!(matches!(wanted, store::Acquired::Held { .. }), "{wanted:?}");
        assert!(answered < Duration::from_millis(1_000), "{answered:?}");
    };
    tokio::join!(cut_off, others);
    let (lease, after_failure) = take(&store, 1, taker).await;
    assert_eq!((lease.epoch, after_failure), (dead.lease().epoch + 1, true));
}
