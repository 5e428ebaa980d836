//! Jobs of other servers for the workers of this one: a stream here follows the shards there.
//!
//! Boundary: each open stream asks every server that owns shards, again and again; the one that is
//! asked keeps a stream of its own for it. What reaches nobody goes back to its shard.
//! Read first: [`follow`], then [`Followers`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::instance::Activation;
use store::{Member, ServerKey};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::wire::{self, Answer, Request};
use super::{Post, Routes, Transport};
use crate::error::Error;
use crate::handle::Node;
use crate::logical;
use crate::stream::{JobStream, StreamEnd, WorkerRequest};

/// Jobs that one server sends at once.
const MOST: usize = 64;
/// How long a server may keep the question when it has no job.
const WAIT: Duration = Duration::from_secs(20);
/// What the way takes beside the waiting.
const WAY: Duration = Duration::from_secs(5);
/// Pause after a server could not be asked.
const PAUSE: Duration = Duration::from_millis(100);
/// A follower that does not ask again for so long is gone.
const SILENT: Duration = Duration::from_secs(10);
/// The longest that a question is waited with, and some time for the way.
const FOLLOW_MAX: Duration = Duration::from_secs(60);
/// Followed streams at once.
const FOLLOWERS_MAX: usize = 10_000;

/// What following needs. It holds nothing of the handle: dropping that ends it.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) routes: Arc<Routes>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) post: Post,
}

/// Brings jobs of all other servers to a stream, until the stream is closed.
pub(crate) async fn follow(ways: Ways, end: StreamEnd) {
    let mut changes = ways.routes.changes();
    let mut followed: BTreeMap<ServerKey, tokio::task::AbortHandle> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let others = changes.latest().others();
        followed.retain(|server, task| {
            let stays = others.iter().any(|other| other.key == *server) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for other in others {
            followed.entry(other.key).or_insert_with(|| {
                tasks.spawn(follow_one(ways.clone(), end.clone(), other.clone()))
            });
        }
        tokio::select! {
            biased;
            () = end.sender.closed() => break,
            () = changes.changed() => {}
            Some(_) = tasks.join_next() => {}
        }
    }
    tasks.shutdown().await;
    for other in ways.routes.table().others() {
        if let Some(me) = ways.routes.table().me {
            let request = Request::Unfollow { server: me.0, stream: end.id };
            // A server that does not hear of it notices the silence.
            let _ = ways.transport.call(&other, wire::write(&request), WAY).await;
        }
    }
}

async fn follow_one(ways: Ways, end: StreamEnd, other: Arc<Member>) {
    loop {
        let Ok(permit) = end.sender.reserve().await else { return };
        drop(permit);
        let Some(me) = ways.routes.table().me else { return };
        let request = Request::Follow {
            server: me.0,
            stream: end.id,
            worker: end.request.clone(),
            most: u32::try_from(end.sender.capacity().clamp(1, MOST)).unwrap_or(1),
            wait_ms: u64::try_from(WAIT.as_millis()).unwrap_or(0),
        };
        let called = ways.transport.call(&other, wire::write(&request), WAIT + WAY).await;
        match called.map(|bytes| wire::read::<Answer>(&bytes)) {
            Ok(Ok(Answer::Jobs(jobs))) => {
                for job in jobs {
                    if let Err(back) = end.sender.send(Activation::from(job)).await {
                        ways.post.release(back.0.job);
                    }
                }
            }
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Streams that other servers follow here, by server and stream.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    streams: Mutex<BTreeMap<(u64, u64), Kept>>,
}

/// A stream between two questions; none while one is being answered.
#[derive(Debug)]
struct Kept {
    stream: Option<JobStream>,
    /// Told when the worker is gone, so that nobody waits for jobs that nobody takes.
    closed: Arc<Closed>,
    asked: tokio::time::Instant,
}

#[derive(Debug, Default)]
struct Closed {
    is_closed: AtomicBool,
    told: Notify,
}

impl Closed {
    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.told.notify_one();
    }
}

impl Followers {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(u64, u64), Kept>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker is gone: what is on its way to it goes back, and a question that comes late is
    /// not waited with.
    pub(crate) fn close(&self, follower: (u64, u64)) {
        let asked = crate::clock::instant();
        let mut streams = self.lock();
        let kept = streams.entry(follower).or_insert_with(|| Kept {
            stream: None,
            closed: Arc::new(Closed::default()),
            asked,
        });
        kept.closed.close();
        kept.asked = asked;
        let stream = kept.stream.take();
        drop(streams);
        drop(stream);
    }

    /// Drops the streams of servers that do not ask any more.
    pub(crate) fn sweep(&self) {
        let now = crate::clock::instant();
        self.lock().retain(|_, kept| {
            let is_waiting = kept.stream.is_none() && !kept.closed.is_closed();
            let silent = now.duration_since(kept.asked);
            silent < SILENT || (is_waiting && silent < FOLLOW_MAX + SILENT)
        });
    }

    fn take(&self, follower: (u64, u64)) -> Option<JobStream> {
        self.lock().get_mut(&follower).and_then(|kept| kept.stream.take())
    }

    /// A question begins; none if there are too many.
    fn begin(&self, follower: (u64, u64)) -> Option<Arc<Closed>> {
        let mut streams = self.lock();
        if streams.len() >= FOLLOWERS_MAX && !streams.contains_key(&follower) {
            return None;
        }
        let asked = crate::clock::instant();
        let kept = streams.entry(follower).or_insert_with(|| Kept {
            stream: None,
            closed: Arc::new(Closed::default()),
            asked,
        });
        kept.asked = asked;
        Some(kept.closed.clone())
    }

    /// Keeps the stream for the next question, unless the worker went meanwhile.
    fn put(&self, follower: (u64, u64), stream: JobStream) {
        let mut streams = self.lock();
        if let Some(kept) = streams.get_mut(&follower).filter(|kept| !kept.closed.is_closed()) {
            kept.stream = Some(stream);
            kept.asked = crate::clock::instant();
        }
    }
}

impl Node {
    /// The next jobs of this server's shards for a worker of another server.
    pub(crate) async fn followed(
        &self,
        follower: (u64, u64),
        worker: WorkerRequest,
        most: usize,
        wait: Duration,
    ) -> Result<Vec<Activation>, Error> {
        let followers = &self.inner.followers;
        followers.sweep();
        let known = followers.take(follower);
        let closed = followers.begin(follower).ok_or(Error::Overloaded)?;
        if closed.is_closed() {
            return Ok(Vec::new());
        }
        let mut stream = match known {
            Some(stream) => stream,
            None => {
                let around = &self.inner.around;
                // What waits here for a logical server is not renewed: no more than asked for.
                let is_hosted = logical::server_of(&worker.job_type).is_some();
                let capacity = if is_hosted { most } else { MOST };
                around.streams.open(worker, capacity, around)?.1
            }
        };
        let mut jobs = Vec::new();
        tokio::select! {
            biased;
            () = closed.told.notified() => {}
            // Waiting for jobs takes none out before it is answered, so giving up loses none.
            _late = tokio::time::timeout(wait, stream.next(&mut jobs, most.max(1))) => {}
        }
        if closed.is_closed() {
            // The answer would reach nobody.
            for job in jobs.drain(..) {
                self.inner.around.post.release(job.job);
            }
        }
        followers.put(follower, stream);
        Ok(jobs)
    }
}
