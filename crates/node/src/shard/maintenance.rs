//! Maintenance mode (R52): nothing new starts, what runs goes on.
//!
//! Boundary: entries stay queued and requests unclaimed by themselves; what is held in memory here
//! has its row in the store, so that the next owner of the shard holds it too.
//! Read first: [`Shard::maintained`], then [`Shard::end_maintenance`].

use engine::ids::Address;
use engine::render::{Keys, Names};
use engine::{Repeat, time};

use crate::cluster::settings::Missed;
use crate::error::Error;
use crate::input::{Input, MissedStart, NewMessage};

use super::Shard;

/// Missed starts of one schedule that are counted one by one.
const COUNT_MAX: u32 = 100_000;

impl Shard {
    /// Why nothing new may start, if so.
    pub(super) fn maintained(&self) -> Option<Error> {
        let maintenance = self.settings.maintenance.as_ref()?;
        let at = Keys.time(maintenance.since_ms);
        Some(Error::Maintenance { by: maintenance.by.to_string(), at })
    }

    /// Why a client's message is not taken: it would start a process, and nothing waits for it.
    pub(super) async fn message_maintained(
        &mut self,
        message: &NewMessage,
    ) -> Result<Option<Error>, Error> {
        let Some(refused) = self.maintained() else { return Ok(None) };
        if !self.catalog.message_starts.contains_key(&message.name) {
            return Ok(None);
        }
        let bucket = (message.name.clone(), message.key.clone());
        Ok((!self.is_awaited(&bucket).await?).then_some(refused))
    }

    /// Holds a timer start event until maintenance mode ends. Whether it is held.
    pub(super) fn hold_schedule(&mut self, due_ms: i64, address: &Address, id: u64) -> bool {
        let is_held = self.settings.maintenance.is_some();
        if is_held {
            self.held_schedules.push((due_ms, address.clone(), id));
        }
        is_held
    }

    /// Maintenance mode ends with the open batch: decides on the timer start events that were
    /// missed, and lists them.
    pub(super) async fn end_maintenance(
        &mut self,
        missed: Missed,
    ) -> Result<Vec<MissedStart>, Error> {
        if missed == Missed::RunLate {
            // They are due when the shard hears that maintenance mode is off.
            return Ok(Vec::new());
        }
        let mut list = Vec::new();
        for (due_ms, address, id) in std::mem::take(&mut self.held_schedules) {
            let Address::Schedule { definition, element } = address else { continue };
            self.batch.disarm(due_ms, address.clone(), id);
            let Some((armed_ms, repeat)) = self.scheduled(&address).await? else { continue };
            if armed_ms != due_ms {
                continue;
            }
            let (number, next) = self.skip(due_ms, repeat);
            match next {
                Some((next_ms, repeat)) => self.schedule(address, next_ms, repeat),
                None => {
                    let change = store::AggregateChange { address, snapshot: None };
                    self.batch.unit.aggregates.push(change);
                }
            }
            let definition = self.definition(definition)?;
            let name = definition.program.elements.get(element as usize);
            let start = MissedStart {
                process: definition.process().clone(),
                element: name.map_or_else(|| "".into(), |element| element.id.clone()),
                due_ms,
                number,
            };
            tracing::warn!(
                process = %start.process, element = %start.element, number,
                first = %Keys.time(due_ms), "a timer start was missed in maintenance mode"
            );
            if missed == Missed::List {
                list.push(start);
            }
        }
        Ok(list)
    }

    /// How many starts were missed, and which is the next one.
    fn skip(&self, due_ms: i64, repeat: Repeat) -> (u32, Option<(i64, Repeat)>) {
        let mut number = 1;
        let mut next = time::next(due_ms, repeat);
        while let Some((next_ms, repeat)) = next
            && next_ms <= self.now_ms
            && number < COUNT_MAX
        {
            number += 1;
            next = time::next(next_ms, repeat);
        }
        (number, next)
    }

    /// Lets go of what was held up.
    pub(super) fn resume(&mut self) {
        for (due_ms, address, id) in std::mem::take(&mut self.held_schedules) {
            self.wakes.arm(due_ms, address, id, 0);
        }
        for (request, row) in std::mem::take(&mut self.held_requests) {
            self.backlog.push_back(Input::Requested { request, row: Box::new(row) });
        }
        self.claim_ms = self.now_ms;
    }
}
