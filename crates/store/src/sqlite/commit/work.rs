//! Writes the indexes of what has to be done: jobs and timers.
//!
//! Boundary: rows of one kind at a time.
//! Invariants: SQW-1 a job is ready or leased, never both; so what was found in one place need
//! not be looked for in the other.
//! Read first: [`Jobs::change`].   Tests: `conformance`

use engine::ids::ShardId;

use super::super::statement::statements;
use crate::unit::{JobChange, TimerChange};

statements!(
    /// Writes the two job tables.
    Jobs from "jobs" { put_ready, delete_ready, put_leased, delete_leased }
);
statements!(
    /// Writes the wake-ups.
    Timers from "timers" { arm, disarm }
);

impl Jobs<'_> {
    pub(super) fn change(&mut self, shard: ShardId, change: &JobChange) -> rusqlite::Result<()> {
        match change {
            JobChange::Ready { job, job_type } => {
                self.delete_leased.execute([job.to_i64()])?;
                self.put_ready.execute((shard.0, &**job_type, job.to_i64()))?;
            }
            JobChange::Leased { job, job_type, deadline_ms } => {
                self.delete_ready.execute((shard.0, &**job_type, job.to_i64()))?;
                self.put_leased.execute((job.to_i64(), shard.0, &**job_type, deadline_ms))?;
            }
            JobChange::Gone { job, job_type } => {
                if self.delete_leased.execute([job.to_i64()])? == 0 {
                    self.delete_ready.execute((shard.0, &**job_type, job.to_i64()))?;
                }
            }
        }
        Ok(())
    }
}

impl Timers<'_> {
    pub(super) fn change(&mut self, shard: ShardId, change: &TimerChange) -> rusqlite::Result<()> {
        match change {
            TimerChange::Arm { due_ms, address, id } => {
                self.arm.execute((shard.0, due_ms, address.to_bytes(), id.cast_signed()))
            }
            TimerChange::Disarm { due_ms, address, id } => {
                self.disarm.execute((shard.0, due_ms, address.to_bytes(), id.cast_signed()))
            }
        }
        .map(drop)
    }
}
