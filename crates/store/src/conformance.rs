//! What every adapter must do, as stories. Each gets an empty store.
//!
//! Boundary: only the port; a story knows no adapter. A story that fails panics.
//! Read first: `conformance/fencing.rs`. Every adapter runs all with [`crate::conformance_suite`].

#![expect(clippy::unwrap_used, reason = "these are tests that other crates' tests call")]

pub mod cluster;
pub mod deployments;
pub mod differential;
pub mod documents;
pub mod exchange;
pub mod fencing;
pub mod instances;
pub mod packages;
pub mod pgbouncer;
pub mod postgres;
pub mod work;

use bytes::Bytes;
use engine::ids::{Address, Block, InstanceKey, ShardId};

use crate::{
    Acquired, AggregateChange, Beat, Committed, Lease, NewMember, ServerKey, Standing, Store, Unit,
};

/// How many shards the stories' stores have.
pub const SHARDS: u16 = 9;
/// Longer than any story takes, in milliseconds.
pub const LONG_MS: i64 = 3_600_000;

/// One test per story, each on what `$open` returns: something that derefs to a [`Store`].
#[macro_export]
macro_rules! conformance_suite {
    // Stores that several servers may use at the same time keep more promises.
    (shared $open:expr) => {
        $crate::conformance_suite! { $open }
        $crate::conformance_suite! { @each $open;
            cluster::a_shard_stays_with_its_owner_while_the_lease_runs,
            cluster::members_see_each_other,
            cluster::of_many_that_want_a_shard_one_gets_it,
            exchange::two_claims_at_once_share_what_waits,
        }
    };
    // Stores whose values are all in rows.
    (rows $open:expr) => {
        $crate::conformance_suite! { @each $open; packages::what_is_stored_takes_room }
    };
    (@each $open:expr; $($theme:ident :: $story:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $story() {
            let store = $open;
            $crate::conformance::$theme::$story(&*store).await;
        })+
    };
    ($open:expr) => {
        $crate::conformance_suite! { @each $open;
            cluster::shards_are_founded_once_with_their_slots,
            cluster::a_server_joins_beats_and_leaves,
            cluster::a_lease_that_ran_out_is_never_extended,
            cluster::a_shard_is_acquired_by_members_only,
            cluster::what_was_given_back_was_not_left_by_a_failure,
            cluster::what_a_dead_server_owned_is_taken_over,
            cluster::a_failure_is_known_until_something_was_committed,
            cluster::an_owner_acquires_again_under_a_new_epoch,
            cluster::slots_move_with_a_unit,
            cluster::revisions_grow_with_what_they_count,
            cluster::a_bond_is_wanted_once_and_then_made,
            exchange::letters_are_received_in_order_and_once,
            exchange::letters_reach_their_target_only,
            exchange::a_request_is_claimed_once,
            exchange::a_request_is_not_claimed_before_it_is_due,
            exchange::requests_are_filtered_and_paged,
            exchange::locks_and_tokens_are_replaced_and_removed,
            deployments::a_commit_wins_over_a_later_abort,
            deployments::an_abort_wins_over_a_later_commit,
            deployments::two_aborts_are_one,
            deployments::an_unknown_deployment_is_not_decided,
            deployments::details_are_replaced_and_decided_ones_forgotten,
            deployments::deployments_are_filtered_and_paged,
            deployments::the_fence_refuses_before_the_decision,
            deployments::a_unit_that_is_too_late_takes_no_other_with_it,
            deployments::of_a_commit_and_aborts_at_once_one_decides,
            deployments::deployments_are_told_when_they_change,
            fencing::a_unit_counts_once,
            fencing::nobody_writes_under_epoch_zero,
            fencing::an_earlier_owner_is_fenced,
            fencing::a_refused_unit_changes_nothing,
            fencing::shards_do_not_see_each_other,
            fencing::units_that_wait_together_stand_alone,
            instances::an_instance_starts_fails_and_ends,
            instances::lists_are_filtered_and_paged,
            instances::finished_ones_are_forgotten,
            instances::counts_follow_every_change,
            instances::audit_records_stay_in_order,
            instances::incidents_open_and_close,
            work::aggregates_are_replaced_and_removed,
            work::blocks_lead_to_instances,
            work::jobs_become_ready_leased_and_gone,
            work::jobs_are_paged,
            work::timers_are_ordered_and_paged,
            work::aggregates_that_are_no_instances_are_paged,
            documents::documents_come_and_go,
            documents::entries_move_between_states,
            documents::entries_are_listed_by_shard,
            documents::documents_are_forgotten_once_no_queue_holds_them,
            documents::published_ids_are_recognised_until_forgotten,
            packages::definitions_and_packages_are_replaced,
            packages::versions_are_disabled_noted_and_forgotten,
            packages::blobs_and_settings_stay,
            packages::any_text_comes_back,
        }
    };
}

/// A server that wants to join.
#[must_use]
pub fn member(name: &str) -> NewMember {
    NewMember {
        name: name.into(),
        peer: "127.0.0.1:1".into(),
        http: "127.0.0.1:2".into(),
        grpc: "127.0.0.1:3".into(),
        hosts: vec!["printing".into(), "billing".into()],
        build: "1.2.3".into(),
        format_max: 2,
        standing: Standing::Serving,
    }
}

/// Lets the lease of a server run out at once.
pub async fn expire(store: &dyn Store, server: ServerKey) {
    let beat = Beat { server, lease_ms: 0, standing: Standing::Serving, catalog: 0 };
    assert!(!store.beat(&beat).await.unwrap().is_member);
}

/// Takes a shard that nobody else may have.
pub async fn take(store: &dyn Store, shard: u16, server: ServerKey) -> (Lease, bool) {
    match store.acquire(ShardId(shard), server).await.unwrap() {
        Acquired::Leased { lease, after_failure } => (lease, after_failure),
        other => panic!("shard {shard}: {other:?}"),
    }
}

/// Awaits all of them at the same time, in the same task.
pub async fn all<T>(mut tasks: Vec<crate::Task<'_, T>>) -> Vec<Result<T, crate::Error>> {
    let mut answers: Vec<Option<Result<T, crate::Error>>> = tasks.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (task, answer) in tasks.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let std::task::Poll::Ready(ready) = task.as_mut().poll(context)
            {
                *answer = Some(ready);
            }
        }
        if answers.iter().all(Option::is_some) {
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
    })
    .await;
    answers.into_iter().flatten().collect()
}

/// A shard that a story holds: under the epoch in force, but of a server whose lease ran out, so
/// that another one can take it over.
pub struct Owner<'s> {
    store: &'s dyn Store,
    lease: Lease,
    sequence: u64,
}

impl<'s> Owner<'s> {
    /// Takes the shard over, as a server of its own.
    pub async fn of(store: &'s dyn Store, shard: u16) -> Self {
        store.found(SHARDS).await.unwrap();
        let server = store.join(&member("story"), LONG_MS).await.unwrap();
        let (lease, _) = take(store, shard, server).await;
        expire(store, server).await;
        Self { store, lease, sequence: lease.sequence }
    }

    /// The right under which it writes.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.lease
    }

    /// The next unit, empty.
    #[must_use]
    pub fn next(&self) -> Unit {
        Unit {
            shard: Some(self.lease.shard),
            epoch: self.lease.epoch,
            sequence: self.sequence + 1,
            blocks_next: self.lease.blocks_next,
            ..Unit::default()
        }
    }

    /// Commits the next unit after `fill` has filled it.
    pub async fn commit(&mut self, fill: impl FnOnce(&mut Unit)) {
        let mut unit = self.next();
        fill(&mut unit);
        assert_eq!(self.store.commit(unit).await.unwrap(), Committed::Done);
        self.sequence += 1;
    }
}

/// An instance of shard 1.
#[must_use]
pub fn instance(number: u64) -> InstanceKey {
    InstanceKey(Block::new(ShardId(1), number).first())
}

/// A snapshot of an instance of shard 1, or its end.
#[must_use]
pub fn snapshot(number: u64, content: Option<&'static str>) -> AggregateChange {
    AggregateChange {
        address: Address::Instance(instance(number)),
        snapshot: content.map(|content| Bytes::from_static(content.as_bytes())),
    }
}
