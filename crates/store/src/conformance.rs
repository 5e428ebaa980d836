//! What every adapter must do, as stories. Each gets an empty store.
//!
//! Boundary: only the port; a story knows no adapter. A story that fails panics.
//! Read first: `conformance/fencing.rs`. Every adapter runs all with [`crate::conformance_suite`].

#![expect(clippy::unwrap_used, reason = "these are tests that other crates' tests call")]

pub mod differential;
pub mod documents;
pub mod fencing;
pub mod instances;
pub mod packages;
pub mod work;

use bytes::Bytes;
use engine::ids::{Address, Block, InstanceKey, ShardId};

use crate::{AggregateChange, Committed, Lease, Store, Unit};

/// One test per story, each on what `$open` returns: something that derefs to a [`Store`].
#[macro_export]
macro_rules! conformance_suite {
    ($open:expr) => {
        $crate::conformance_suite! { @each $open;
            fencing::a_unit_counts_once,
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
            documents::documents_come_and_go,
            documents::entries_move_between_states,
            documents::documents_are_forgotten_once_no_queue_holds_them,
            documents::published_ids_are_recognised_until_forgotten,
            packages::definitions_and_packages_are_replaced,
            packages::blobs_and_settings_stay,
        }
    };
    (@each $open:expr; $($theme:ident :: $story:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $story() {
            let store = $open;
            $crate::conformance::$theme::$story(&*store).await;
        })+
    };
}

/// A shard that a story holds.
pub struct Owner<'s> {
    store: &'s dyn Store,
    lease: Lease,
    sequence: u64,
}

impl<'s> Owner<'s> {
    /// Takes the shard over.
    pub async fn of(store: &'s dyn Store, shard: u16) -> Self {
        let lease = store.acquire(ShardId(shard), "story").await.unwrap();
        Self { store, lease, sequence: lease.sequence }
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
