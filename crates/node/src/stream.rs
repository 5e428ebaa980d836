//! Streams of jobs to external workers.
//!
//! Boundary: the receiving end for `api`; the sending end is used by the dispatchers of all shards
//! that this server serves, and by what brings jobs from other servers. A stream that could not
//! take a job tells the shards as soon as it can again.
//! Invariants: LSD-1 a leased job that reaches no worker goes back to its shard.
//! Read first: [`JobStream`], then [`Streams`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engine::ids::{Block, JobKey, ShardId};
use engine::instance::Activation;
use engine::value::{text, texts};
use feel::Str;
use minicbor::{Decode, Encode};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::clock::Clock;
use crate::cluster::{Post, Routes};
use crate::error::Error;
use crate::input::Input;
use crate::shard::Surroundings;

/// What a worker asks for.
#[derive(Debug, Clone, Encode, Decode)]
pub struct WorkerRequest {
    /// The job type.
    #[n(0)]
    #[cbor(with = "text")]
    pub job_type: Str,
    /// The worker's name.
    #[n(1)]
    #[cbor(with = "text")]
    pub worker: Str,
    /// How long a job is the worker's, in milliseconds.
    #[n(2)]
    pub timeout_ms: i64,
    /// Only these variables; empty: all.
    #[n(3)]
    #[cbor(with = "texts")]
    pub fetch: Vec<Str>,
}

/// One lease of a job: what a worker holds, and what it is if it is given back (JOB-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLease {
    /// The job.
    pub job: JobKey,
    /// Which lease of the job.
    pub attempt: u32,
    /// When it ends, milliseconds since 1970 UTC.
    pub deadline_ms: i64,
}

impl JobLease {
    /// The lease that came with a job.
    #[must_use]
    pub fn of(activation: &Activation) -> Self {
        let Activation { job, attempt, deadline_ms, .. } = activation;
        Self { job: *job, attempt: *attempt, deadline_ms: *deadline_ms }
    }
}

/// The sending end of a stream, as each dispatcher keeps it.
#[derive(Debug, Clone)]
pub(crate) struct StreamEnd {
    pub(crate) id: u64,
    pub(crate) request: WorkerRequest,
    pub(crate) sender: mpsc::Sender<Activation>,
    pub(crate) starved: Arc<AtomicBool>,
}

/// The streams that are open at this server: a shard that begins here learns of them.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: Mutex<BTreeMap<u64, StreamEnd>>,
    last: AtomicU64,
}

impl Streams {
    /// All open streams, oldest first.
    pub(crate) fn all(&self) -> Vec<StreamEnd> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// A number that no stream of this server has.
    pub(crate) fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Opens a stream at all shards that are served here.
    pub(crate) fn open(
        self: &Arc<Self>,
        request: WorkerRequest,
        capacity: usize,
        around: &Surroundings,
    ) -> Result<(StreamEnd, JobStream), Error> {
        let id = self.number();
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        let starved = Arc::new(AtomicBool::new(false));
        let job_type = request.job_type.clone();
        let end = StreamEnd { id, request, sender, starved: starved.clone() };
        // First here, then at the shards: one that begins in between finds it here.
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, end.clone());
        let stream = JobStream {
            id,
            job_type,
            receiver,
            starved,
            routes: around.routes.clone(),
            post: around.post.clone(),
            clock: around.clock.clone(),
            streams: self.clone(),
        };
        for shard in stream.routes.table().local.values() {
            let sent = shard.try_send(Input::OpenStream(end.clone()));
            if let Err(TrySendError::Full(_)) = sent {
                return Err(Error::Overloaded);
            }
        }
        Ok((end, stream))
    }

    fn close(&self, id: u64) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// Leased jobs on their way to a worker. Those that are still here when it is dropped go back to
/// their shards (LSD-1).
#[derive(Debug)]
pub(crate) struct Leased {
    jobs: VecDeque<Activation>,
    post: Post,
}

impl Leased {
    pub(crate) fn new(jobs: impl IntoIterator<Item = Activation>, post: &Post) -> Self {
        Self { jobs: jobs.into_iter().collect(), post: post.clone() }
    }

    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Those of another one, too.
    pub(crate) fn take_in(&mut self, mut other: Self) {
        self.jobs.append(&mut other.jobs);
    }

    /// The next one, which reaches its worker now.
    pub(crate) fn pop(&mut self) -> Option<Activation> {
        self.jobs.pop_front()
    }

    /// All of them, which reach their worker now.
    pub(crate) fn deliver(mut self) -> Vec<Activation> {
        std::mem::take(&mut self.jobs).into()
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        self.post.release(self.jobs.iter().map(JobLease::of));
    }
}

/// Jobs pushed to one worker. Dropping it closes the stream.
#[derive(Debug)]
pub struct JobStream {
    id: u64,
    job_type: Str,
    receiver: mpsc::Receiver<Activation>,
    starved: Arc<AtomicBool>,
    routes: Arc<Routes>,
    post: Post,
    clock: Clock,
    streams: Arc<Streams>,
}

impl JobStream {
    /// The next jobs, at least one; none when the server closes the stream. A job whose lease ran
    /// out while it waited here, as in a server that was paused, is somebody else's by now and not
    /// handed out. Cancel safe.
    pub async fn next(&mut self, jobs: &mut Vec<Activation>, most: usize) -> bool {
        let before = jobs.len();
        while jobs.len() == before {
            if self.receiver.recv_many(jobs, most).await == 0 {
                return false;
            }
            self.feed();
            let now_ms = self.clock.now_ms();
            let mut place = 0;
            jobs.retain(|job| {
                place += 1;
                place <= before || job.deadline_ms > now_ms
            });
        }
        true
    }

    /// Closes the stream: what waits here goes back wherever its shard is by then.
    pub(crate) fn withdraw(mut self) {
        self.receiver.close();
        self.rest();
    }

    /// What is left goes back, and what shards still write into the closed stream.
    fn rest(&mut self) {
        if self.receiver.capacity() < self.receiver.max_capacity() {
            let (_, none) = mpsc::channel(1);
            self.post.rest(std::mem::replace(&mut self.receiver, none));
        }
    }

    /// Tells the shards that there is room again.
    fn feed(&self) {
        if self.starved.swap(false, Ordering::SeqCst) {
            for shard in self.routes.local_in_turn() {
                let job_type = self.job_type.clone();
                // A full channel is no loss: the shard looks at the stream after its next unit.
                let _ = shard.try_send(Input::StreamReady { job_type });
            }
        }
    }
}

impl Drop for JobStream {
    fn drop(&mut self) {
        self.streams.close(self.id);
        self.receiver.close();
        let now_ms = self.clock.now_ms();
        let mut undelivered: BTreeMap<ShardId, Vec<JobLease>> = BTreeMap::new();
        let mut elsewhere = Vec::new();
        let table = self.routes.table();
        while let Ok(activation) = self.receiver.try_recv() {
            let shard = Block::of(activation.job.0).shard();
            if activation.deadline_ms <= now_ms {
                // Its lease ran out: it is somebody else's.
            } else if table.local.contains_key(&shard) {
                undelivered.entry(shard).or_default().push(JobLease::of(&activation));
            } else {
                elsewhere.push(activation);
            }
        }
        self.rest();
        for (shard, sender) in &table.local {
            let undelivered = undelivered.remove(shard).unwrap_or_default();
            // If the channel is full the leases run out by themselves.
            let _ = sender.try_send(Input::StreamClosed { id: self.id, undelivered });
        }
        self.post.release(elsewhere.iter().map(JobLease::of));
    }
}
