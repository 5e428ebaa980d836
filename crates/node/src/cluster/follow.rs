//! Jobs of other servers for the workers of this one: a stream here follows the shards there.
//!
//! Boundary: each open stream asks every server that owns shards, again and again; the one that is
//! asked keeps a stream of its own for it. What reaches nobody goes back to its shard.
//! Read first: [`follow`], then [`Followers`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::instance::Activation;
use store::{Member, ServerKey};
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
    asked: tokio::time::Instant,
}

impl Followers {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(u64, u64), Kept>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker is gone; what is on its way to it goes back.
    pub(crate) fn close(&self, follower: (u64, u64)) {
        self.lock().remove(&follower);
    }

    /// Drops the streams of servers that do not ask any more.
    pub(crate) fn sweep(&self) {
        let now = crate::clock::instant();
        self.lock()
            .retain(|_, kept| kept.stream.is_none() || now.duration_since(kept.asked) < SILENT);
    }

    fn take(&self, follower: (u64, u64)) -> Option<JobStream> {
        self.lock().get_mut(&follower).and_then(|kept| kept.stream.take())
    }

    fn begin(&self, follower: (u64, u64)) -> bool {
        let mut streams = self.lock();
        if streams.len() >= FOLLOWERS_MAX && !streams.contains_key(&follower) {
            return false;
        }
        let asked = crate::clock::instant();
        streams.insert(follower, Kept { stream: None, asked });
        true
    }

    /// Keeps the stream for the next question, unless the worker went meanwhile.
    fn put(&self, follower: (u64, u64), stream: JobStream) {
        if let Some(kept) = self.lock().get_mut(&follower) {
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
        if !followers.begin(follower) {
            return Err(Error::Overloaded);
        }
        let mut stream = match known {
            Some(stream) => stream,
            None => {
                let around = &self.inner.around;
                // What waits here for a logical server is not renewed: no more than asked for.
                let is_hosted = logical::server_of(&worker.job_type).is_some();
                let capacity = if is_hosted { most } else { MOST };
                around.streams.open(worker, capacity, &around.routes, &around.post)?.1
            }
        };
        let mut jobs = Vec::new();
        // Waiting for jobs takes none out before it is answered, so giving up loses none.
        let _late = tokio::time::timeout(wait, stream.next(&mut jobs, most.max(1))).await;
        followers.put(follower, stream);
        Ok(jobs)
    }
}
