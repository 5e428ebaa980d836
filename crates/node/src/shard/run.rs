//! The loop of a shard: take what waits, decide, commit while the next batch is decided, and let
//! out what became durable.
//!
//! Boundary: no business word. One owner, one closed input enum; every batch has a budget.
//! Read first: [`start`], then [`Shard::serve_inputs`].

use std::sync::Arc;
use std::time::Duration;

use engine::Command;
use engine::ids::{Address, Blocks, KeyCursor, ShardId};
use store::{Committed, Lease, Store};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::error::Error;
use crate::input::Input;
use crate::published::{Condition, Counters, Published};

use super::batch::{After, Batch};
use super::cache::Cache;
use super::dispatch::Dispatcher;
use super::entries::EntryQueue;
use super::wakes::Wakes;
use super::{Settings, Shard};

/// Pause before a shard is acquired again after a failure.
const RECOVERY_PAUSE: Duration = Duration::from_millis(250);
/// The longest sleep; a clock that was set is noticed after it.
const SLEEP_MAX_MS: i64 = 1_000;
/// Wake-ups and further turns of one batch.
const TURNS_MAX: usize = 1_000;

/// What a shard needs from outside.
pub(crate) struct Surroundings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) services: Arc<host::service::Services>,
    pub(crate) published: Arc<Published>,
    pub(crate) server: String,
}

/// A unit on its way to the disk.
struct Flight {
    commit: JoinHandle<Result<Committed, store::Error>>,
    after: After,
    sequence: u64,
}

/// Why the loop ended.
enum Exit {
    Stopped(oneshot::Sender<()>),
    Failed(Error),
}

/// Runs a shard until it is told to stop.
pub(crate) fn start(
    shard: ShardId,
    around: Surroundings,
    receiver: mpsc::Receiver<Input>,
) -> JoinHandle<()> {
    #[expect(clippy::disallowed_methods, reason = "the node keeps and joins the handle")]
    tokio::spawn(keep_running(shard, around, receiver))
}

async fn keep_running(id: ShardId, around: Surroundings, mut receiver: mpsc::Receiver<Input>) {
    let mut dispatcher = Dispatcher::new(around.settings.service_calls_max);
    loop {
        match acquire(id, &around, dispatcher).await {
            Ok(mut shard) => {
                around.published.set_condition(Condition::Ready);
                let exit = shard.serve_inputs(&mut receiver).await;
                match exit {
                    Exit::Stopped(reply) => {
                        // Whoever asked may be gone.
                        let _ = reply.send(());
                        return;
                    }
                    Exit::Failed(error) => {
                        note_failure(&around, &error);
                        shard.refuse_batch(&error);
                        dispatcher = std::mem::replace(&mut shard.dispatcher, Dispatcher::new(0));
                        dispatcher.forget_jobs();
                    }
                }
            }
            Err((error, kept)) => {
                note_failure(&around, &error);
                dispatcher = kept;
            }
        }
        if let Some(reply) = refuse_for_a_while(&mut receiver, &around).await {
            let _ = reply.send(());
            return;
        }
    }
}

fn note_failure(around: &Surroundings, error: &Error) {
    let condition = match error {
        Error::Full { .. } => Condition::Full,
        _ => Condition::Recovering,
    };
    around.published.set_condition(condition);
    Counters::add(&around.published.counters.commits_failed, 1);
    tracing::error!(%error, "the shard's memory was dropped; it is acquired again");
}

/// Answers everything that waits with the server's condition, for a moment.
async fn refuse_for_a_while(
    receiver: &mut mpsc::Receiver<Input>,
    around: &Surroundings,
) -> Option<oneshot::Sender<()>> {
    let pause = tokio::time::sleep(RECOVERY_PAUSE);
    tokio::pin!(pause);
    loop {
        tokio::select! {
            () = &mut pause => return None,
            input = receiver.recv() => match input {
                None => return None,
                Some(Input::Stop { reply }) => return Some(reply),
                Some(input) => refuse(input, around.published.condition()),
            },
        }
    }
}

fn refuse(input: Input, condition: Condition) {
    let error = match condition {
        Condition::Full => Error::Full { detail: "nothing is accepted until there is room".into() },
        _ => Error::Unavailable { doing: "recovering" },
    };
    // Callers that have gone away need no answer.
    match input {
        Input::Create { reply, .. } => drop(reply.send(Err(error))),
        Input::Command { reply: Some(reply), .. } | Input::Enable { reply, .. } => {
            drop(reply.send(Err(error)));
        }
        Input::Publish { reply, .. } => drop(reply.send(Err(error))),
        Input::Deploy { reply, .. } => drop(reply.send(Err(error))),
        Input::Message { reply, .. }
        | Input::Replay { reply, .. }
        | Input::Discard { reply, .. }
        | Input::Purge { reply } => drop(reply.send(Err(error))),
        Input::Command { reply: None, .. }
        | Input::Activate { .. }
        | Input::OpenStream(_)
        | Input::StreamReady { .. }
        | Input::StreamClosed { .. }
        | Input::ServiceDone
        | Input::Stop { .. } => {}
    }
}

async fn acquire(
    id: ShardId,
    around: &Surroundings,
    dispatcher: Dispatcher,
) -> Result<Shard, (Error, Dispatcher)> {
    let lease = match around.store.acquire(id, &around.server).await {
        Ok(lease) => lease,
        Err(error) => return Err((Error::from(error), dispatcher)),
    };
    let mut shard = Shard::new(lease, around, dispatcher);
    match shard.restore().await {
        Ok(()) => Ok(shard),
        Err(error) => {
            let dispatcher = std::mem::replace(&mut shard.dispatcher, Dispatcher::new(0));
            Err((error, dispatcher))
        }
    }
}

impl Shard {
    fn new(lease: Lease, around: &Surroundings, dispatcher: Dispatcher) -> Self {
        let mut blocks = Blocks::new(lease.shard, lease.blocks_next);
        let loose = KeyCursor { block: blocks.take(), next: 1 };
        Self {
            store: around.store.clone(),
            clock: around.clock.clone(),
            settings: around.settings.clone(),
            services: around.services.clone(),
            published: around.published.clone(),
            now_ms: around.clock.now_ms(),
            landed: lease.sequence,
            lease,
            catalog: Arc::new(Catalog::default()),
            blocks,
            loose,
            claimed: hashbrown::HashMap::new(),
            cache: Cache::default(),
            batch: Batch::default(),
            outgoing: std::collections::VecDeque::new(),
            again: std::collections::VecDeque::new(),
            backlog: std::collections::VecDeque::new(),
            dispatcher,
            wakes: Wakes::new(),
            entries: EntryQueue::default(),
            waiters: hashbrown::HashMap::new(),
            calls: JoinSet::new(),
            seen_in_flight: hashbrown::HashMap::new(),
        }
    }

    async fn serve_inputs(&mut self, receiver: &mut mpsc::Receiver<Input>) -> Exit {
        let mut flight: Option<Flight> = None;
        let mut inputs: Vec<Input> = Vec::with_capacity(self.settings.batch_inputs_max);
        let mut stopping: Option<oneshot::Sender<()>> = None;
        loop {
            let room = self.settings.batch_inputs_max.saturating_sub(self.batch.inputs);
            let idle = self.again.is_empty() && self.backlog.is_empty();
            let sleep = if idle { self.sleep_ms() } else { 0 };
            tokio::select! {
                biased;
                landed = land(&mut flight), if flight.is_some() => {
                    if let Err(error) = self.landed(landed).await {
                        return Exit::Failed(error);
                    }
                }
                _ = receiver.recv_many(&mut inputs, room), if room > 0 && stopping.is_none() => {}
                Some(done) = self.calls.join_next(), if room > 0 => {
                    if let Err(error) = self.called(done).await {
                        return Exit::Failed(error);
                    }
                }
                () = tokio::time::sleep(Duration::from_millis(sleep)), if room > 0 => {}
            }
            self.now_ms = self.clock.now_ms().max(self.now_ms);
            if let Err(error) = self.decide(&mut inputs, &mut stopping).await {
                drain(&mut inputs);
                return self.fail(flight, error);
            }
            if flight.is_none() && !self.batch.is_idle() {
                flight = Some(self.launch());
            }
            if flight.is_none() && self.calls.is_empty() {
                if let Some(reply) = stopping.take() {
                    return Exit::Stopped(reply);
                }
            }
        }
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

    fn fail(&mut self, flight: Option<Flight>, error: Error) -> Exit {
        if let Some(flight) = flight {
            // The store finishes it or not; either way the shard is loaded again from there.
            answer_all(flight.after, Err(&error));
        }
        Exit::Failed(error)
    }

    /// Decides on everything that waits, within the batch's budget.
    async fn decide(
        &mut self,
        inputs: &mut Vec<Input>,
        stopping: &mut Option<oneshot::Sender<()>>,
    ) -> Result<(), Error> {
        self.prefetch(inputs).await?;
        Counters::add(&self.published.counters.inputs, inputs.len() as u64);
        for input in inputs.drain(..) {
            self.batch.inputs += 1;
            match input {
                Input::Stop { reply } => {
                    self.published.set_condition(Condition::Stopping);
                    *stopping = Some(reply);
                }
                input => self.handle(input).await?,
            }
        }
        for _ in 0..TURNS_MAX {
            let Some(input) = self.backlog.pop_front() else { break };
            self.handle(input).await?;
        }
        for _ in 0..TURNS_MAX {
            let Some(instance) = self.again.pop_front() else { break };
            self.take_turn(instance).await?;
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
                self.fire_schedule(definition, element, due_ms).await?;
            }
        }
        self.settle().await
    }

    fn sleep_ms(&self) -> u64 {
        let next =
            self.wakes.next_ms().min(self.dispatcher.next_expiry_ms()).min(self.entries.next_ms());
        let wait = next.saturating_sub(self.now_ms).clamp(0, SLEEP_MAX_MS);
        u64::try_from(wait).unwrap_or(0)
    }

    /// Sends the open batch to the store.
    fn launch(&mut self) -> Flight {
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
    async fn landed(&mut self, flight: Landed) -> Result<(), Error> {
        let Landed { result, after, sequence } = flight;
        let failed = match result {
            Ok(Committed::Done) => None,
            Ok(Committed::Conflict { stored }) => Some(Error::Storage {
                detail: format!("unit {sequence} does not follow the stored unit {stored}"),
            }),
            Ok(Committed::NotOwner { epoch }) => Some(Error::Storage {
                detail: format!("another server took the shard over in epoch {epoch}"),
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
        self.cache.landed(sequence, self.settings.hot_instances_max);
        self.wakes.landed(sequence);
        let hot = self.cache.len() as u64;
        self.published.counters.hot_instances.store(hot, std::sync::atomic::Ordering::Relaxed);
        self.let_out(after).await?;
        for job_type in std::mem::take(&mut self.dispatcher.hungry) {
            self.serve(&job_type).await?;
        }
        self.settle().await
    }

    async fn let_out(&mut self, mut after: After) -> Result<(), Error> {
        if let Some(catalog) = after.catalog.take() {
            self.published.publish(catalog);
        }
        for name in std::mem::take(&mut after.installed) {
            self.install_services(&name).await;
        }
        self.again.extend(std::mem::take(&mut after.again));
        for activation in std::mem::take(&mut after.calls) {
            self.call(activation);
        }
        for (entry, row) in std::mem::take(&mut after.trigger_calls) {
            self.call_for_entry(entry, row).await?;
        }
        let given_back = answer_all(after, Ok(()));
        for job in given_back {
            self.release(job).await?;
        }
        Ok(())
    }

    fn refuse_batch(&mut self, error: &Error) {
        let batch = std::mem::take(&mut self.batch);
        answer_all(batch.after, Err(error));
        for (_, reply) in self.waiters.drain() {
            // The caller may have given up waiting.
            let _ = reply.send(Err(error.clone()));
        }
    }
}

/// A commit that has answered.
struct Landed {
    result: Result<Committed, store::Error>,
    after: After,
    sequence: u64,
}

/// Waits for the flight; it is taken out when it has landed. Cancel safe.
async fn land(flight: &mut Option<Flight>) -> Landed {
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

/// Lets answers and jobs out. Answers the jobs that nobody was there to take any more.
fn answer_all(after: After, committed: Result<(), &Error>) -> Vec<engine::ids::JobKey> {
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
                given_back.extend(jobs.into_iter().map(|activation| activation.job));
            }
        }
    }
    given_back
}

fn drain(inputs: &mut Vec<Input>) {
    for input in inputs.drain(..) {
        refuse(input, Condition::Recovering);
    }
}
