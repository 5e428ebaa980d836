//! The life of a shard: acquired, run, dropped after a failure, acquired again.
//!
//! Boundary: what happens while it runs is in `run`; this only begins and ends it.
//! SHD-2 holds here: a failed commit leaves nothing of the memory but the workers.
//! Read first: [`start`].

use std::sync::Arc;
use std::time::Duration;

use engine::ids::{Blocks, KeyCursor, ShardId};
use store::{Lease, Store};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::error::Error;
use crate::input::Input;
use crate::published::{Condition, Counters, Published};

use super::batch::Batch;
use super::cache::Cache;
use super::dispatch::Dispatcher;
use super::entries::EntryQueue;
use super::landing::answer_all;
use super::wakes::Wakes;
use super::{Settings, Shard};

/// Pause before a shard is acquired again after a failure.
const RECOVERY_PAUSE: Duration = Duration::from_millis(250);

/// What a shard needs from outside.
pub(crate) struct Surroundings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) services: Arc<host::service::Services>,
    pub(crate) published: Arc<Published>,
    pub(crate) server: String,
}

/// Why the loop ended.
pub(super) enum Exit {
    Stopped(oneshot::Sender<()>),
    /// Every handle is gone.
    Abandoned,
    /// With whoever waits for a stop.
    Failed(Error, Option<oneshot::Sender<()>>),
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

/// Tells readers when the shard breaks, so that whoever watches readiness restarts the server.
struct Watch(Arc<Published>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_condition(Condition::Stopping);
            tracing::error!("the shard broke; restart the server, nothing durable is lost");
        }
    }
}

async fn keep_running(id: ShardId, around: Surroundings, mut receiver: mpsc::Receiver<Input>) {
    let _watch = Watch(around.published.clone());
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
                    Exit::Abandoned => return,
                    Exit::Failed(error, stopping) => {
                        note_failure(&around, &error);
                        shard.refuse_batch(&error);
                        if let Some(reply) = stopping {
                            // Whoever asked may be gone.
                            let _ = reply.send(());
                            return;
                        }
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
        match refuse_for_a_while(&mut receiver, &around).await {
            Pause::Over => {}
            Pause::Stopped(reply) => {
                // Whoever asked may be gone.
                let _ = reply.send(());
                return;
            }
            Pause::Abandoned => return,
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

/// How the pause after a failure ended.
enum Pause {
    Over,
    Stopped(oneshot::Sender<()>),
    Abandoned,
}

/// Answers everything that waits with the server's condition, for a moment.
async fn refuse_for_a_while(receiver: &mut mpsc::Receiver<Input>, around: &Surroundings) -> Pause {
    let pause = tokio::time::sleep(RECOVERY_PAUSE);
    tokio::pin!(pause);
    loop {
        tokio::select! {
            () = &mut pause => return Pause::Over,
            input = receiver.recv() => match input {
                None => return Pause::Abandoned,
                Some(Input::Stop { reply }) => return Pause::Stopped(reply),
                Some(input) => refuse(input, around.published.condition()),
            },
        }
    }
}

pub(super) fn refuse(input: Input, condition: Condition) {
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
            chain: 0,
            documents_in_flight: hashbrown::HashMap::new(),
            entries_in_flight: hashbrown::HashMap::new(),
            schedules_in_flight: hashbrown::HashMap::new(),
            seen_in_flight: hashbrown::HashMap::new(),
        }
    }

    pub(super) fn refuse_batch(&mut self, error: &Error) {
        let batch = std::mem::take(&mut self.batch);
        answer_all(batch.after, Err(error));
        for (_, reply) in self.waiters.drain() {
            // The caller may have given up waiting.
            let _ = reply.send(Err(error.clone()));
        }
    }
}
