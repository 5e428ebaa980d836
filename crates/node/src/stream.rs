//! Streams of jobs to external workers.
//!
//! Boundary: the receiving end for `api`; the sending end is used by the dispatchers of all shards
//! that this server serves, and by what brings jobs from other servers. A stream that could not
//! take a job tells the shards as soon as it can again.
//! Read first: [`JobStream`], then [`Streams`].

use std::collections::BTreeMap;
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

    /// Opens a stream at all shards that are served here.
    pub(crate) fn open(
        self: &Arc<Self>,
        request: WorkerRequest,
        capacity: usize,
        around: &Surroundings,
    ) -> Result<(StreamEnd, JobStream), Error> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
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
        let mut undelivered: BTreeMap<ShardId, Vec<JobKey>> = BTreeMap::new();
        while let Ok(activation) = self.receiver.try_recv() {
            let shard = Block::of(activation.job.0).shard();
            undelivered.entry(shard).or_default().push(activation.job);
        }
        for (shard, sender) in &self.routes.table().local {
            let undelivered = undelivered.remove(shard).unwrap_or_default();
            // If the channel is full the leases run out by themselves.
            let _ = sender.try_send(Input::StreamClosed { id: self.id, undelivered });
        }
        for job in undelivered.into_values().flatten() {
            self.post.release(job);
        }
    }
}
