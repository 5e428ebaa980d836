//! The loop of a shard: take what waits, decide, commit while the next batch is decided, and let
//! out what became durable.
//!
//! Boundary: no business word. One owner, one closed input enum; every batch has a budget.
//! Read first: [`Shard::serve_inputs`].

use std::time::Duration;

use engine::Command;
use engine::ids::Address;
use host::gate::Gates;
use tokio::sync::{mpsc, watch};

use crate::error::Error;
use crate::input::Input;
use crate::published::Counters;

use super::Shard;
use super::keeper::{Exit, Order, refuse};
use super::landing::{Flight, answer_all, land};

/// The longest sleep; a clock that was set is noticed after it.
const SLEEP_MAX_MS: i64 = 1_000;
/// A clock that is set back by less stands still meanwhile; by more, it was wrong before.
const STEP_BACK_MS: i64 = 5_000;
/// Wake-ups and further turns of one batch.
const TURNS_MAX: usize = 1_000;
/// Results of calls that are taken in one pass, besides what waits.
const CALLS_MAX: usize = 64;

impl Shard {
    pub(super) async fn serve_inputs(
        &mut self,
        receiver: &mut mpsc::Receiver<Input>,
        orders: &mut watch::Receiver<Order>,
    ) -> Exit {
        let mut flight: Option<Flight> = None;
        let mut inputs: Vec<Input> = Vec::with_capacity(self.settings.batch_inputs_max);
        let mut stop_by_ms: Option<i64> = None;
        let opened = opening(self.gates.clone(), self.held_up.opened);
        tokio::pin!(opened);
        loop {
            let room = self.settings.batch_inputs_max.saturating_sub(self.batch.inputs);
            let idle = self.again.is_empty() && self.backlog.is_empty();
            let sleep = if idle { self.sleep_ms() } else { 0 };
            let is_last = self.is_last(stop_by_ms);
            let mut news = Ok(());
            tokio::select! {
                biased;
                landed = land(&mut flight), if flight.is_some() => {
                    if let Err(error) = self.landed(landed).await {
                        return Exit::Failed(error);
                    }
                }
                changed = orders.changed() => {
                    let order = *orders.borrow_and_update();
                    if changed.is_err() || order == Order::LetGo {
                        return self.let_go(flight, &mut inputs);
                    }
                    stop_by_ms.get_or_insert(self.stop_by());
                    self.dispatcher.services_max = 0;
                }
                () = self.catalog_changes.changed() => news = self.adopt_catalog().await,
                () = self.settings_changes.changed() => self.adopt_settings(),
                before = opened.as_mut() => {
                    opened.set(opening(self.gates.clone(), before));
                    news = self.open_up().await;
                }
                () = self.routes_changes.changed() => news = self.adopt_members().await,
                received = receiver.recv_many(&mut inputs, room), if room > 0 && !is_last => {
                    if received == 0 {
                        return self.let_go(flight, &mut inputs);
                    }
                }
                Some(done) = self.calls.join_next(), if room > 0 => news = self.called(done).await,
                () = tokio::time::sleep(Duration::from_millis(sleep)), if room > 0 => {}
            }
            if let Err(error) = news {
                return fail(flight, error);
            }
            if self.read_clock() {
                stop_by_ms = stop_by_ms.map(|until| until.min(self.stop_by()));
            }
            if let Err(error) = self.decide(&mut inputs).await {
                drain(&mut inputs);
                return fail(flight, error);
            }
            if self.batch.is_idle() {
                // Inputs that asked for nothing to be written use up no budget.
                self.batch.inputs = 0;
            } else if flight.is_none() {
                flight = Some(self.launch());
            }
            if flight.is_none()
                && self.is_last(stop_by_ms)
                && let Some(exit) = self.finish(&mut flight).await
            {
                return exit;
            }
        }
    }

    /// How long service calls are waited for, when the shard is to be given back now.
    fn stop_by(&self) -> i64 {
        self.now_ms.saturating_add(self.settings.stop_calls_ms)
    }

    /// Writes down what lives in memory only; ends when there is nothing left.
    async fn finish(&mut self, flight: &mut Option<Flight>) -> Option<Exit> {
        match self.keep_volatile().await {
            Ok(0) => Some(self.done()),
            Ok(_) => {
                *flight = Some(self.launch());
                None
            }
            Err(error) => Some(fail(None, error)),
        }
    }

    /// Takes the time. Answers whether it was set back.
    fn read_clock(&mut self) -> bool {
        let now_ms = self.clock.now_ms();
        let is_set_back = now_ms < self.now_ms.saturating_sub(STEP_BACK_MS);
        if is_set_back {
            tracing::warn!(
                shard = self.lease.shard.0,
                by_ms = self.now_ms.saturating_sub(now_ms),
                "the clock was set back"
            );
            self.now_ms = now_ms;
            // What was put off until a time of the wrong clock is due.
            (self.inbox_ms, self.claim_ms, self.give_ms) = (now_ms, now_ms, now_ms);
        }
        self.now_ms = self.now_ms.max(now_ms);
        is_set_back
    }

    /// Takes results of calls, so that inputs that never end do not keep them waiting.
    async fn take_calls(&mut self) -> Result<(), Error> {
        for _ in 0..CALLS_MAX {
            let Some(done) = self.calls.try_join_next() else { break };
            self.called(done).await?;
        }
        Ok(())
    }

    /// Whether nothing more is taken in; service calls that run may end before.
    fn is_last(&self, stop_by_ms: Option<i64>) -> bool {
        stop_by_ms.is_some_and(|by| self.calls.is_empty() || self.now_ms >= by)
    }

    /// Everything is durable; who waits for the end of an instance asks its next owner.
    fn done(&mut self) -> Exit {
        self.refuse_batch(&Error::Unavailable { doing: "moving a shard" });
        Exit::Done
    }

    async fn called(
        &mut self,
        done: Result<super::services::CallDone, tokio::task::JoinError>,
    ) -> Result<(), Error> {
        match done {
            Ok(done) => self.call_done(done).await,
            Err(error) => Err(Error::Internal { detail: format!("a service call broke: {error}") }),
        }
    }

    /// The shard is not this server's any more: what is decided is left to the store as it is.
    fn let_go(&mut self, flight: Option<Flight>, inputs: &mut Vec<Input>) -> Exit {
        drain(inputs);
        if let Some(flight) = flight {
            let detail = "the server's lease ran out while it was written".to_owned();
            answer_all(flight.after, Err(&Error::Storage { detail }));
        }
        self.refuse_batch(&Error::Unavailable { doing: "moving a shard" });
        Exit::LetGo
    }

    /// Decides on everything that waits, within the batch's budget.
    async fn decide(&mut self, inputs: &mut Vec<Input>) -> Result<(), Error> {
        self.chain = 0;
        self.unpark_enabled().await?;
        self.take_calls().await?;
        self.prefetch(inputs).await?;
        Counters::add(&self.published.counters.inputs, inputs.len() as u64);
        for input in inputs.drain(..) {
            self.batch.inputs += 1;
            self.handle(input).await?;
        }
        for _ in 0..TURNS_MAX {
            if self.is_long() {
                break;
            }
            let Some(input) = self.backlog.pop_front() else { break };
            self.handle(input).await?;
        }
        for _ in 0..TURNS_MAX {
            let Some(instance) = self.again.pop_front() else { break };
            self.take_turn(instance).await?;
        }
        if self.now_ms >= self.inbox_ms {
            self.read_inbox().await?;
        }
        if self.now_ms >= self.claim_ms {
            self.claim().await?;
        }
        if self.now_ms >= self.give_ms {
            self.give_slots().await?;
        }
        self.wake_up().await
    }

    /// Fires everything that is due.
    async fn wake_up(&mut self) -> Result<(), Error> {
        if self.wakes.is_short(self.now_ms) {
            self.wakes.load(&*self.store, self.lease.shard, self.now_ms).await?;
        }
        for _ in 0..TURNS_MAX {
            let Some((due_ms, address, id)) = self.wakes.pop_due(self.now_ms) else { break };
            self.fire(due_ms, address, id).await?;
        }
        for _ in 0..TURNS_MAX {
            let Some(job) = self.dispatcher.pop_expired(self.now_ms) else { break };
            let instance = engine::ids::InstanceKey(job.0);
            // A job that is done in the meantime has no lease to expire.
            let _gone = self.tell(instance, Command::ExpireLease { job }).await?;
            self.settle().await?;
        }
        for _ in 0..TURNS_MAX {
            if self.is_long() || self.settings.maintenance.is_some() {
                break;
            }
            let Some((entry, row)) = self.entries.pop_due(self.now_ms) else { break };
            self.redeliver(entry, row).await?;
        }
        Ok(())
    }

    async fn fire(&mut self, due_ms: i64, address: Address, id: u64) -> Result<(), Error> {
        match address {
            Address::Instance(instance) => {
                let command =
                    if id == 0 { Command::Continue } else { Command::FireTimer { id, due_ms } };
                let stale = self.tell(instance, command).await?.is_err();
                if stale || id == 0 {
                    self.batch.disarm(due_ms, Address::Instance(instance), id);
                }
            }
            Address::Bucket { name, key } => {
                self.expire_bucket((name.clone(), key.clone())).await?;
                self.batch.disarm(due_ms, Address::Bucket { name, key }, id);
            }
            Address::Schedule { definition, element } => {
                let address = Address::Schedule { definition, element };
                if self.hold_schedule(due_ms, &address, id) || self.hold_start(due_ms, &address, id)
                {
                    return Ok(());
                }
                self.fire_schedule(definition, element, due_ms).await?;
            }
            Address::Lock { name } => {
                self.expire_lock(name.clone()).await?;
                self.batch.disarm(due_ms, Address::Lock { name }, id);
            }
        }
        self.settle().await
    }

    fn sleep_ms(&self) -> u64 {
        let entries_ms = match &self.settings.maintenance {
            None => self.entries.next_ms(),
            Some(_) => i64::MAX,
        };
        let next = self.wakes.next_ms().min(self.dispatcher.next_expiry_ms()).min(entries_ms);
        let next = next.min(self.inbox_ms).min(self.claim_ms).min(self.give_ms);
        let wait = next.saturating_sub(self.now_ms).clamp(0, SLEEP_MAX_MS);
        u64::try_from(wait).unwrap_or(0)
    }
}

/// Ends when gates have opened more often.
async fn opening(gates: Gates, before: u64) -> u64 {
    gates.opened_since(before).await
}

fn fail(flight: Option<Flight>, error: Error) -> Exit {
    if let Some(flight) = flight {
        // The store finishes it or not; either way the shard is loaded again from there.
        answer_all(flight.after, Err(&error));
    }
    Exit::Failed(error)
}

fn drain(inputs: &mut Vec<Input>) {
    for input in inputs.drain(..) {
        refuse(input, crate::published::Condition::Recovering);
    }
}
