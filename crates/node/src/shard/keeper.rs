//! The life of a shard on this server: acquired, run, dropped after a failure, acquired again,
//! given back.
//!
//! Boundary: what happens while it runs is in `run`; this only begins and ends it. Which shards
//! this server should have is the membership's business.
//! SHD-2 holds here: a failed commit leaves nothing of the memory.
//! Read first: [`keep`].

use std::sync::Arc;
use std::time::Duration;

use engine::ids::{Blocks, KeyCursor, ShardId};
use feel::Str;
use store::{Acquired, Lease, ServerKey, Standing, Store};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::cluster::{Catalogs, Post, Routes, Shared, patience, rest};
use crate::error::Error;
use crate::input::Input;
use crate::published::{Condition, Counters, Published};
use crate::stream::Streams;

use super::Shard;
use super::batch::Batch;
use super::cache::Cache;
use super::dispatch::Dispatcher;
use super::entries::EntryQueue;
use super::landing::answer_all;
use super::wakes::Wakes;

/// What a shard needs from outside.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) services: Arc<host::service::Services>,
    pub(crate) gates: host::gate::Gates,
    pub(crate) parts: Arc<crate::deployment::part::Parts>,
    pub(crate) published: Arc<Published>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) post: Post,
    pub(crate) catalogs: Catalogs,
    pub(crate) streams: Arc<Streams>,
    pub(crate) shared: Arc<Shared>,
}

/// What the membership tells a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Serve.
    Run,
    /// Finish what was begun, and give the shard back.
    GiveBack,
    /// Drop everything: the server's lease ran out.
    LetGo,
}

/// How a shard's life on this server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was given back.
    GivenBack,
    /// It is not this server's any more.
    Lost,
    /// It has failed for so long that another server is to try.
    Failing,
    /// It panicked.
    Broken,
}

/// Why the loop ended.
pub(super) enum Exit {
    Done,
    LetGo,
    Failed(Error),
}

/// Tells readers when the shard breaks, so that whoever watches readiness restarts the server.
struct Watch(Arc<Published>, ShardId);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_condition(Condition::Stopping);
            tracing::error!(
                shard = self.1.0,
                "the shard broke; restart the server, nothing durable is lost"
            );
        }
        self.0.set_shard(self.1, None);
    }
}

/// Serves a shard until it is given back or lost.
pub(crate) async fn keep(
    id: ShardId,
    server: ServerKey,
    around: Surroundings,
    mut receiver: mpsc::Receiver<Input>,
    mut orders: watch::Receiver<Order>,
) -> Ended {
    let _watch = Watch(around.published.clone(), id);
    around.published.set_shard(id, Some(Condition::Starting));
    // The life of the owner that died, until that is durable.
    let mut died = None;
    let mut failures = Failures::default();
    let ended = loop {
        match acquire(id, server, &around, &mut died).await {
            Ok(Some(mut shard)) => {
                around.published.set_shard(id, Some(Condition::Ready));
                let (begun, sequence) = (crate::clock::instant(), shard.landed);
                match shard.serve_inputs(&mut receiver, &mut orders).await {
                    Exit::Done => {
                        give_back(&around, server, shard.lease).await;
                        break Ended::GivenBack;
                    }
                    Exit::LetGo => break Ended::Lost,
                    Exit::Failed(error) => {
                        note_failure(&around, id, &error);
                        shard.refuse_batch(&error);
                        if shard.landed > sequence || begun.elapsed() >= failures.patience(&around)
                        {
                            failures = Failures::default();
                        }
                    }
                }
            }
            Ok(None) => break Ended::Lost,
            Err(error) => note_failure(&around, id, &error),
        }
        let pause = failures.pause();
        if failures.is_long(&around) {
            break Ended::Failing;
        }
        if !refuse_for_a_while(pause, &mut receiver, &mut orders, &around, id).await {
            break Ended::Lost;
        }
    };
    receiver.close();
    while let Ok(input) = receiver.try_recv() {
        // Nobody has looked at it: whoever sent it sends it to the next owner.
        refuse(input, Condition::Recovering);
    }
    ended
}

/// Failures in a row, without anything durable between them.
#[derive(Debug, Default)]
struct Failures {
    since: Option<Instant>,
    times: u32,
}

impl Failures {
    /// How long to rest after one more.
    fn pause(&mut self) -> Duration {
        self.since.get_or_insert_with(crate::clock::instant);
        self.times += 1;
        rest(self.times - 1)
    }

    fn patience(&self, around: &Surroundings) -> Duration {
        let lease_ms = around.shared.in_force().values.lease_ms;
        patience(Duration::from_millis(u64::try_from(lease_ms).unwrap_or(0)))
    }

    /// Whether another server is to try, and there is one.
    fn is_long(&self, around: &Surroundings) -> bool {
        let table = around.routes.table();
        let mut others = table.members.values().filter(|member| Some(member.key) != table.me);
        let is_long = self.since.is_some_and(|since| since.elapsed() >= self.patience(around));
        is_long && others.any(|other| other.about.standing == Standing::Serving)
    }
}

/// A shard whose row cannot be written now is found without an owner when the lease ends.
async fn give_back(around: &Surroundings, server: ServerKey, lease: Lease) {
    match around.store.release(lease.shard, server, lease.epoch).await {
        Ok(()) => tracing::info!(shard = lease.shard.0, epoch = lease.epoch, "gave the shard back"),
        Err(error) => {
            tracing::warn!(shard = lease.shard.0, %error, "a shard is not given back in order");
        }
    }
}

fn note_failure(around: &Surroundings, id: ShardId, error: &Error) {
    let condition = match error {
        Error::Full { .. } => Condition::Full,
        _ => Condition::Recovering,
    };
    around.published.set_shard(id, Some(condition));
    Counters::add(&around.published.counters.commits_failed, 1);
    tracing::error!(
        shard = id.0,
        %error,
        "the shard's memory was dropped; it is acquired again"
    );
}

/// Answers everything that waits with the server's condition, for a moment. Whether the shard is
/// to be acquired again.
async fn refuse_for_a_while(
    pause: Duration,
    receiver: &mut mpsc::Receiver<Input>,
    orders: &mut watch::Receiver<Order>,
    around: &Surroundings,
    id: ShardId,
) -> bool {
    let pause = tokio::time::sleep(pause);
    tokio::pin!(pause);
    loop {
        tokio::select! {
            biased;
            () = &mut pause => return *orders.borrow() == Order::Run,
            changed = orders.changed() => {
                if changed.is_err() || *orders.borrow() != Order::Run {
                    return false;
                }
            }
            input = receiver.recv() => match input {
                None => return false,
                Some(input) => {
                    let condition = around.published.shard(id).unwrap_or(Condition::Recovering);
                    refuse(input, condition);
                }
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
        Input::Command { reply: Some(reply), .. }
        | Input::Verdicts { reply, .. }
        | Input::Tokens { reply, .. } => {
            drop(reply.send(Err(error)));
        }
        Input::Settings { reply, .. } => drop(reply.send(Err(error))),
        Input::Publish { reply, .. } => drop(reply.send(Err(error))),
        Input::Lock { reply, .. } => drop(reply.send(Err(error))),
        Input::Deploy { reply, .. } => drop(reply.send(Err(error))),
        Input::OpenDeployment { reply, .. } => drop(reply.send(Err(error))),
        Input::Deployment { reply, .. } => drop(reply.send(Err(error))),
        Input::Enable { reply, .. }
        | Input::Message { reply, .. }
        | Input::Replay { reply, .. }
        | Input::Discard { reply, .. }
        | Input::Request { reply, .. }
        | Input::Purge { reply } => drop(reply.send(Err(error))),
        Input::Command { reply: None, .. }
        | Input::Activate { .. }
        | Input::OpenStream(_)
        | Input::StreamReady { .. }
        | Input::StreamClosed { .. }
        | Input::Letters
        | Input::Claim
        | Input::Requested { .. }
        | Input::ServiceDone => {}
    }
}

/// Takes the shard over; none if another server has it, or this one's lease ran out.
async fn acquire(
    id: ShardId,
    server: ServerKey,
    around: &Surroundings,
    died: &mut Option<Str>,
) -> Result<Option<Shard>, Error> {
    let begun = crate::clock::instant();
    let before = around.store.pulse().await?;
    let lease = match around.store.acquire(id, server).await? {
        Acquired::Leased { lease, after_failure } => {
            if after_failure {
                let owner = before.shards.iter().find(|known| known.shard == id);
                // A key of 0 tells nobody which life that was.
                let owner = owner.and_then(|known| known.owner).filter(|owner| owner.0 > 0);
                let life = owner.map_or(format!("of epoch {}", lease.epoch), |it| it.to_string());
                // An earlier one that is not durable yet stands for the same instances.
                died.get_or_insert(life.into());
            }
            lease
        }
        Acquired::Held { .. } | Acquired::NotMember | Acquired::NoShard => return Ok(None),
    };
    // What the earlier owner decided on may need a newer catalogue than the one known here.
    let revision = around.store.pulse().await?.catalog;
    around.catalogs.refresh(revision).await?;
    let mut shard = Shard::new(lease, around);
    let from_dead = died.clone();
    if let Some(server) = &from_dead {
        shard.note_death(server).await?;
        *died = None;
    }
    shard.restore().await?;
    tracing::info!(
        shard = id.0,
        epoch = lease.epoch,
        from_dead = from_dead.as_deref(),
        took_ms = begun.elapsed().as_millis(),
        "serves the shard"
    );
    Ok(Some(shard))
}

impl Shard {
    fn new(lease: Lease, around: &Surroundings) -> Self {
        let mut blocks = Blocks::new(lease.shard, lease.blocks_next);
        let loose = KeyCursor { block: blocks.take(), next: 1 };
        let mut catalog_changes = around.published.catalogs();
        let catalog = catalog_changes.latest();
        let plan = (lease.shard == crate::cluster::HOME).then(|| catalog.clone());
        let mut settings_changes = around.shared.changes();
        let mut routes_changes = around.routes.changes();
        let settings = settings_changes.latest().settings.clone();
        let mut dispatcher = Dispatcher::new(settings.service_calls_max);
        for stream in around.streams.all() {
            dispatcher.open_stream(stream);
        }
        Self {
            store: around.store.clone(),
            clock: around.clock.clone(),
            settings,
            shared: around.shared.clone(),
            settings_changes,
            settings_planned: None,
            tokens: None,
            services: around.services.clone(),
            held_up: super::gates::HeldUp::since(around.gates.opened()),
            gates: around.gates.clone(),
            published: around.published.clone(),
            now_ms: around.clock.now_ms(),
            routes: around.routes.clone(),
            post: around.post.clone(),
            catalogs: around.catalogs.clone(),
            landed: lease.sequence,
            lease,
            catalog,
            catalog_changes,
            plan,
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
            waiters: std::collections::BTreeMap::new(),
            failing: std::collections::BTreeMap::new(),
            lock_waiters: std::collections::BTreeMap::new(),
            calls: JoinSet::new(),
            chain: 0,
            documents_in_flight: hashbrown::HashMap::new(),
            entries_in_flight: hashbrown::HashMap::new(),
            schedules_in_flight: hashbrown::HashMap::new(),
            seen_in_flight: hashbrown::HashMap::new(),
            dealt_with: hashbrown::HashMap::new(),
            requests_in_flight: hashbrown::HashMap::new(),
            claim_ms: i64::MIN,
            dues: std::collections::BTreeSet::new(),
            held_requests: Vec::new(),
            held_schedules: Vec::new(),
            starts_nothing: false,
            inbox_ms: i64::MIN,
            letters_held: 0,
            unreadable: std::collections::BTreeSet::new(),
            members: routes_changes.latest().members.keys().copied().collect(),
            routes_changes,
            slots: super::slots::Slots::new(lease.shard),
            giving: super::moves::Giving::default(),
            give_ms: i64::MIN,
        }
    }

    pub(super) fn refuse_batch(&mut self, error: &Error) {
        let batch = std::mem::take(&mut self.batch);
        answer_all(batch.after, Err(error));
        for (_, reply) in std::mem::take(&mut self.waiters) {
            // The caller may have given up waiting.
            let _ = reply.send(Err(error.clone()));
        }
        self.refuse_lock_waiters(error);
    }
}
