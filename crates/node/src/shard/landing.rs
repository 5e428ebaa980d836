//! Units on their way to the disk, and what leaves when they are durable.
//!
//! Boundary: one unit is written while the next batch is decided. SHD-1 is kept here: `let_out`
//! runs after a commit that answered done, and nothing else lets anything out.
//! Read first: [`Shard::launch`], then [`Shard::landed`].

use std::sync::atomic::Ordering;

use store::Committed;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::published::Counters;
use crate::stream::JobLease;

use super::Shard;
use super::batch::After;

/// A unit on its way to the disk.
pub(super) struct Flight {
    commit: JoinHandle<Result<Committed, store::Error>>,
    pub(super) after: After,
    sequence: u64,
}

impl Shard {
    /// Sends the open batch to the store.
    pub(super) fn launch(&mut self) -> Flight {
        let changed = self.batch.changes > 0;
        let sequence = self.lease.sequence + u64::from(changed);
        let (unit, after) = if changed {
            self.seal()
        } else {
            (store::Unit::default(), std::mem::take(&mut self.batch).after)
        };
        let store = self.store.clone();
        #[expect(clippy::disallowed_methods, reason = "the flight keeps and joins the handle")]
        let commit = tokio::spawn(async move {
            if changed { store.commit(unit).await } else { Ok(Committed::Done) }
        });
        Flight { commit, after, sequence }
    }

    /// A unit is durable, or not.
    pub(super) async fn landed(&mut self, flight: Landed) -> Result<(), Error> {
        let Landed { result, after, sequence } = flight;
        let failed = match result {
            Ok(Committed::Done) => None,
            Ok(Committed::Conflict { stored }) => Some(Error::Storage {
                detail: format!("unit {sequence} does not follow the stored unit {stored}"),
            }),
            Ok(Committed::NotOwner { epoch }) => Some(Error::Storage {
                detail: format!("another server took the shard over in epoch {epoch}"),
            }),
            Ok(Committed::Decided { deployment }) => Some(Error::Storage {
                detail: format!("unit {sequence} commits {deployment}, which is not open"),
            }),
            Err(error) => Some(Error::from(error)),
        };
        if let Some(error) = failed {
            answer_all(after, Err(&error));
            return Err(error);
        }
        Counters::add(&self.published.counters.commits, 1);
        self.landed = sequence;
        self.seen_in_flight.clear();
        self.documents_in_flight.clear();
        self.entries_in_flight.clear();
        self.schedules_in_flight.clear();
        self.requests_in_flight.retain(|_, (_, written_in)| *written_in > sequence);
        self.dealt_with.retain(|_, dealt_in| *dealt_in > sequence);
        self.claimed.retain(|_, (_, claimed_in)| *claimed_in > sequence);
        self.cache.landed(sequence, self.settings.hot_instances_max);
        self.wakes.landed(sequence);
        let hot = self.cache.len() as u64;
        self.published.counters.hot_instances.store(hot, Ordering::Relaxed);
        self.let_out(after).await?;
        for job_type in std::mem::take(&mut self.dispatcher.hungry) {
            self.serve(&job_type).await?;
        }
        self.settle().await
    }

    async fn let_out(&mut self, mut after: After) -> Result<(), Error> {
        if let Some(catalog) = after.catalog.take() {
            self.catalogs.adopt(catalog);
        }
        for shard in std::mem::take(&mut after.nudges) {
            self.post.letters(shard);
        }
        if after.look {
            self.post.look_everywhere();
        }
        if after.claim {
            self.post.claim();
        }
        self.again.extend(std::mem::take(&mut after.again));
        for activation in std::mem::take(&mut after.calls) {
            self.call(activation);
        }
        for (entry, row) in std::mem::take(&mut after.trigger_calls) {
            self.call_for_entry(entry, row).await?;
        }
        let given_back = answer_all(after, Ok(()));
        for lease in given_back {
            self.release(lease).await?;
        }
        Ok(())
    }
}

/// A commit that has answered.
pub(super) struct Landed {
    result: Result<Committed, store::Error>,
    after: After,
    sequence: u64,
}

/// Waits for the flight; it is taken out when it has landed. Cancel safe.
pub(super) async fn land(flight: &mut Option<Flight>) -> Landed {
    let result = match flight.as_mut() {
        Some(flying) => (&mut flying.commit).await,
        None => std::future::pending().await,
    };
    let result = result.unwrap_or_else(|error| {
        Err(store::Error::Failed { act: "commit to", place: "store".into(), source: error.into() })
    });
    match flight.take() {
        Some(Flight { after, sequence, .. }) => Landed { result, after, sequence },
        None => Landed { result, after: After::default(), sequence: 0 },
    }
}

/// Lets answers and jobs out. Answers the leases that nobody was there to take any more.
pub(super) fn answer_all(after: After, committed: Result<(), &Error>) -> Vec<JobLease> {
    for answer in after.answers {
        answer(committed);
    }
    let mut given_back = Vec::new();
    if committed.is_ok() {
        for (permit, activation) in after.pushes {
            permit.send(activation);
        }
        for (reply, jobs) in after.polls {
            if let Err(jobs) = reply.send(jobs) {
                given_back.extend(jobs.iter().map(JobLease::of));
            }
        }
    }
    given_back
}
