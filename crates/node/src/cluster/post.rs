//! Small notes to whoever owns a shard, here or elsewhere, that nobody waits for.
//!
//! Boundary: every note may be lost; what it is about is found without it, only later. Jobs that go
//! back are worth some patience: their shards may be on the move.
//! Read first: [`Post`], then [`give_back`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::Command;
use engine::ids::{Block, InstanceKey, ShardId};
use engine::instance::Activation;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::error::Error;
use crate::input::Input;
use crate::stream::JobLease;

use super::wire::{self, Answer, Order, Request};
use super::{CallError, Place, Routes, Table, Transport, Wake};

/// Notes that may wait.
const NOTES_MAX: usize = 1_024;
/// Notes on their way at once.
const FLYING_MAX: usize = 32;
/// How long another server may take for a note.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long jobs that go back look for their shard.
const SEARCH: Duration = Duration::from_secs(15);
/// Pause before a shard that could not be asked is asked again.
const PAUSE: Duration = Duration::from_millis(50);
/// Jobs of one shard that go back at once.
const JOBS_AT_ONCE: usize = 64;

/// What is handed in.
#[derive(Debug)]
enum Mail {
    Note(Note),
    /// The worker of these jobs is gone.
    Release(Vec<JobLease>),
    /// The worker of the jobs in this closed stream is gone.
    Rest(mpsc::Receiver<Activation>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Note {
    /// There are letters for this shard.
    Letters(ShardId),
    /// All others: look at the cluster.
    Look,
    /// All, this one too.
    LookEverywhere,
    /// Everybody: there are process requests.
    Claim,
}

/// Where notes are handed in.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    notes: mpsc::Sender<Mail>,
    /// Mail about jobs that are not with their shards yet.
    releasing: Arc<watch::Sender<usize>>,
}

impl Post {
    /// The post and the task that carries it, to be run by whoever runs the server.
    pub(crate) fn new(
        routes: Arc<Routes>,
        transport: Arc<dyn Transport>,
        wakes: mpsc::Sender<Wake>,
        clock: Clock,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (notes, receiver) = mpsc::channel(NOTES_MAX);
        let releasing = Arc::new(watch::Sender::new(0));
        let way = Way { routes, transport, clock, releasing: releasing.clone() };
        (Self { notes, releasing }, carry(way, wakes, receiver))
    }

    /// There are letters for a shard.
    pub(crate) fn letters(&self, shard: ShardId) {
        self.hand_in(Note::Letters(shard));
    }

    /// The worker of these leases is gone.
    pub(crate) fn release(&self, jobs: impl IntoIterator<Item = JobLease>) {
        let jobs: Vec<JobLease> = jobs.into_iter().collect();
        if !jobs.is_empty() {
            self.counted(Mail::Release(jobs));
        }
    }

    /// The worker of a closed stream is gone: its jobs go back, and those that shards put into it
    /// until they know.
    pub(crate) fn rest(&self, jobs: mpsc::Receiver<Activation>) {
        self.counted(Mail::Rest(jobs));
    }

    fn counted(&self, mail: Mail) {
        self.releasing.send_modify(|number| *number += 1);
        if self.notes.try_send(mail).is_err() {
            // Their leases run out.
            self.releasing.send_modify(|number| *number -= 1);
        }
    }

    /// Waits until no job is on its way back, at most so long. Cancel safe.
    pub(crate) async fn released(&self, patience: Duration) {
        let mut releasing = self.releasing.subscribe();
        let none = releasing.wait_for(|number| *number == 0);
        // Those that are late come back when their leases run out.
        let _late = tokio::time::timeout(patience, none).await;
    }

    /// All other servers should look at the cluster.
    pub(crate) fn look(&self) {
        self.hand_in(Note::Look);
    }

    /// All servers should look at the cluster, this one too.
    pub(crate) fn look_everywhere(&self) {
        self.hand_in(Note::LookEverywhere);
    }

    /// There are process requests for whoever claims them first.
    pub(crate) fn claim(&self) {
        self.hand_in(Note::Claim);
    }

    fn hand_in(&self, note: Note) {
        // What is lost here is found without it.
        let _ = self.notes.try_send(Mail::Note(note));
    }
}

/// What notes need to get where they belong.
#[derive(Clone)]
struct Way {
    routes: Arc<Routes>,
    transport: Arc<dyn Transport>,
    clock: Clock,
    releasing: Arc<watch::Sender<usize>>,
}

async fn carry(way: Way, wakes: mpsc::Sender<Wake>, mut notes: mpsc::Receiver<Mail>) {
    let mut flying = JoinSet::new();
    let mut waiting = Vec::new();
    // Apart from the others, because they may wait for shards that move. Each note counts in
    // `releasing` until it is done, and the channel bounds how many are handed in at once.
    let mut releasing = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            received = notes.recv_many(&mut waiting, NOTES_MAX), if flying.len() < FLYING_MAX => {
                if received == 0 {
                    return;
                }
            }
            Some(_) = flying.join_next() => {}
            Some(_) = releasing.join_next() => {}
        }
        let mut once = BTreeSet::new();
        for mail in waiting.drain(..) {
            match mail {
                // The same note twice is one.
                Mail::Note(note) => drop(once.insert(note)),
                Mail::Release(jobs) => drop(releasing.spawn(give_all_back(way.clone(), jobs))),
                Mail::Rest(stream) => drop(releasing.spawn(give_rest_back(way.clone(), stream))),
            }
        }
        for note in once {
            if note == Note::LookEverywhere {
                // A full queue is full of the same wish.
                let _ = wakes.try_send(Wake::Look);
            }
            for (to, request) in deliver(&way.routes, note) {
                let transport = way.transport.clone();
                flying.spawn(async move {
                    // A note that is lost is no harm.
                    let _ = transport.call(&to, wire::write(&request), PATIENCE).await;
                });
            }
        }
    }
}

/// Gives back what is in a closed stream, until no shard has a place in it any more.
async fn give_rest_back(way: Way, mut stream: mpsc::Receiver<Activation>) {
    let mut jobs = Vec::new();
    while let Some(activation) = stream.recv().await {
        jobs.push(JobLease::of(&activation));
    }
    give_all_back(way, jobs).await;
}

async fn give_all_back(way: Way, jobs: Vec<JobLease>) {
    let mut shards: BTreeMap<ShardId, Vec<JobLease>> = BTreeMap::new();
    for lease in jobs {
        shards.entry(Block::of(lease.job.0).shard()).or_default().push(lease);
    }
    let mut tasks = JoinSet::new();
    for (shard, jobs) in shards {
        tasks.spawn(give_back(way.clone(), shard, jobs));
    }
    while tasks.join_next().await.is_some() {}
    way.releasing.send_modify(|number| *number -= 1);
}

/// Gives jobs back to their shard, wherever it is, or will be in a moment.
async fn give_back(way: Way, shard: ShardId, mut jobs: Vec<JobLease>) {
    let mut changes = way.routes.changes();
    let until = crate::clock::instant() + SEARCH;
    while !jobs.is_empty() {
        let now_ms = way.clock.now_ms();
        jobs.retain(|lease| lease.deadline_ms > now_ms);
        let next = jobs.split_off(jobs.len().saturating_sub(JOBS_AT_ONCE));
        let missed = match changes.latest().place(shard) {
            Place::Here(sender) => give_here(&sender, next).await,
            Place::There(member) => give_there(&way.transport, &member, next).await,
            Place::Nowhere => next,
        };
        if missed.is_empty() {
            continue;
        }
        jobs.extend(missed);
        let moved = async {
            tokio::select! {
                biased;
                () = changes.changed() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        };
        if tokio::time::timeout_at(until, moved).await.is_err() {
            return;
        }
    }
}

/// Gives jobs back here; answers those that the shard has not looked at.
async fn give_here(shard: &mpsc::Sender<Input>, jobs: Vec<JobLease>) -> Vec<JobLease> {
    let (mut missed, mut sent) = (Vec::new(), Vec::new());
    for lease in jobs {
        let JobLease { job, attempt, .. } = lease;
        let (instance, command) = (InstanceKey(job.0), Command::ReleaseJob { job, attempt });
        let (reply, answer) = oneshot::channel();
        match shard.try_send(Input::Command { instance, command, reply: Some(reply) }) {
            Ok(()) => sent.push((lease, answer)),
            Err(_) => missed.push(lease),
        }
    }
    for (lease, answer) in sent {
        if let Ok(Ok(Err(Error::Unavailable { .. }))) = tokio::time::timeout(PATIENCE, answer).await
        {
            missed.push(lease);
        }
    }
    missed
}

/// Gives jobs back to another server; answers those that it does not have, or never heard of.
async fn give_there(
    transport: &Arc<dyn Transport>,
    member: &Arc<store::Member>,
    jobs: Vec<JobLease>,
) -> Vec<JobLease> {
    let mut calls = JoinSet::new();
    for lease in jobs {
        let (transport, member) = (transport.clone(), member.clone());
        calls.spawn(async move {
            let JobLease { job, attempt, .. } = lease;
            let (instance, order) = (InstanceKey(job.0), Order::Release { job, attempt });
            let request = wire::write(&Request::Command { instance, order });
            let is_missed = match transport.call(&member, request, PATIENCE).await {
                Ok(answer) => matches!(wire::read(&answer), Ok(Answer::Elsewhere)),
                Err(CallError::NotSent(_)) => true,
                // It may have been done; if not, it may still come, and ends this lease only.
                Err(CallError::Lost(_)) => false,
            };
            is_missed.then_some(lease)
        });
    }
    let mut missed = Vec::new();
    while let Some(call) = calls.join_next().await {
        missed.extend(call.ok().flatten());
    }
    missed
}

/// A request for every other server.
fn everybody(table: &Table, request: &Request) -> Vec<(Arc<store::Member>, Request)> {
    let others = table.members.iter().filter(|(key, _)| Some(**key) != table.me);
    others.map(|(_, member)| (member.clone(), request.clone())).collect()
}

/// Delivers a note here; answers which other servers get what.
fn deliver(routes: &Routes, note: Note) -> Vec<(Arc<store::Member>, Request)> {
    let table = routes.table();
    match note {
        Note::Look | Note::LookEverywhere => everybody(&table, &Request::Look),
        Note::Claim => {
            routes.claim();
            everybody(&table, &Request::Claim)
        }
        Note::Letters(shard) => match table.place(shard) {
            Place::Here(sender) => {
                // A full channel: the shard looks by itself before long.
                let _ = sender.try_send(Input::Letters);
                Vec::new()
            }
            Place::There(member) => vec![(member, Request::Letters { shard })],
            Place::Nowhere => Vec::new(),
        },
    }
}
