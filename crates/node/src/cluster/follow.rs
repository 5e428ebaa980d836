//! Jobs of other servers for the workers of this one: a stream here follows the shards there.
//!
//! Boundary: each open stream asks every server that owns shards, again and again; the one that is
//! asked keeps a stream of its own for it. What reaches nobody goes back to its shard (LSD-1): who
//! follows no more says so, and waits for what is on its way.
//! Read first: [`follow`], then [`Followers`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engine::instance::Activation;
use store::{Member, ServerKey};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::wire::{self, Answer, Request};
use super::{CallError, Post, Routes, Transport};
use crate::error::Error;
use crate::handle::Node;
use crate::logical;
use crate::stream::{JobStream, Leased, StreamEnd, Streams, WorkerRequest};

/// Jobs that one server sends at once.
pub(crate) const MOST: usize = 64;
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
    pub(crate) streams: Arc<Streams>,
}

/// Brings jobs of all other servers to a stream, until the stream is closed.
pub(crate) async fn follow(ways: Ways, end: StreamEnd) {
    let mut changes = ways.routes.changes();
    let mut followed: BTreeMap<ServerKey, tokio::task::AbortHandle> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        followed.retain(|_, task| !task.is_finished());
        let table = changes.latest();
        if let Some(me) = table.me {
            for other in table.others() {
                followed.entry(other.key).or_insert_with(|| {
                    tasks.spawn(follow_one(ways.clone(), end.clone(), me, other.clone()))
                });
            }
        }
        tokio::select! {
            biased;
            () = end.sender.closed() => break,
            () = changes.changed() => {}
            Some(_) = tasks.join_next() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Brings jobs of one server to a stream, until the stream is closed or the server owns nothing.
async fn follow_one(ways: Ways, end: StreamEnd, me: ServerKey, other: Arc<Member>) {
    // A number of its own: the end of this one is not the end of the next one.
    let (server, stream) = (me.0, ways.streams.number());
    let mut changes = ways.routes.changes();
    let over = async {
        tokio::select! {
            biased;
            () = end.sender.closed() => {}
            () = changes.until(|table| !table.is_another(me, other.key)) => {}
        }
    };
    tokio::pin!(over);
    loop {
        tokio::select! {
            biased;
            () = &mut over => break,
            // Room is looked for before it is asked for.
            _room = end.sender.reserve() => {}
        }
        let request = Request::Follow {
            server,
            stream,
            worker: end.request.clone(),
            most: u32::try_from(end.sender.capacity().clamp(1, MOST)).unwrap_or(1),
            wait_ms: u64::try_from(WAIT.as_millis()).unwrap_or(0),
        };
        let mut asked = ways.transport.call(&other, wire::write(&request), WAIT + WAY);
        let answer = tokio::select! {
            biased;
            answer = &mut asked => answer,
            () = &mut over => {
                // What is on its way may hold jobs.
                let late = tokio::time::timeout(WAY, asked);
                let (late, ()) = tokio::join!(late, unfollow(&ways, &other, server, stream));
                drop(late.ok().and_then(|answer| jobs_of(answer, &ways.post)));
                return;
            }
        };
        let Some(mut jobs) = jobs_of(answer, &ways.post) else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        while !jobs.is_empty() {
            let room = tokio::select! {
                biased;
                () = &mut over => None,
                room = end.sender.reserve() => room.ok(),
            };
            let Some(room) = room else {
                return unfollow(&ways, &other, server, stream).await;
            };
            if let Some(job) = jobs.pop() {
                room.send(job);
            }
        }
    }
    unfollow(&ways, &other, server, stream).await;
}

async fn unfollow(ways: &Ways, other: &Member, server: u64, stream: u64) {
    let request = Request::Unfollow { server, stream };
    // A server that does not hear of it notices the silence.
    let _ = ways.transport.call(other, wire::write(&request), WAY).await;
}

/// The jobs of an answer; none if there was no answer.
pub(crate) fn jobs_of(answer: Result<Bytes, CallError>, post: &Post) -> Option<Leased> {
    match wire::read(&answer.ok()?) {
        Ok(Answer::Jobs(jobs)) => Some(Leased::new(jobs.into_iter().map(Activation::from), post)),
        _ => None,
    }
}

/// Streams that other servers follow here, by server and stream.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    streams: Mutex<BTreeMap<(u64, u64), Kept>>,
    /// Whether the server ends.
    is_over: AtomicBool,
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
        if let Some(stream) = stream {
            stream.withdraw();
        }
    }

    /// The server ends: what is on its way to others goes back, and nobody is followed any more.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        let kept = std::mem::take(&mut *self.lock());
        for kept in kept.into_values() {
            kept.closed.close();
            if let Some(stream) = kept.stream {
                stream.withdraw();
            }
        }
    }

    /// Drops the streams of servers that do not ask any more, again and again.
    pub(crate) async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SILENT / 2).await;
            self.drop_silent();
        }
    }

    fn drop_silent(&self) {
        let now = crate::clock::instant();
        let mut silent = Vec::new();
        self.lock().retain(|_, kept| {
            let is_waiting = kept.stream.is_none() && !kept.closed.is_closed();
            let since = now.duration_since(kept.asked);
            let stays = since < SILENT || (is_waiting && since < FOLLOW_MAX + SILENT);
            if !stays {
                silent.extend(kept.stream.take());
            }
            stays
        });
        for stream in silent {
            stream.withdraw();
        }
    }

    fn take(&self, follower: (u64, u64)) -> Option<JobStream> {
        self.lock().get_mut(&follower).and_then(|kept| kept.stream.take())
    }

    /// A question begins; none if there are too many, or the server ends.
    fn begin(&self, follower: (u64, u64)) -> Option<Arc<Closed>> {
        let mut streams = self.lock();
        if self.is_over.load(Ordering::SeqCst) {
            return None;
        }
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
            return;
        }
        drop(streams);
        stream.withdraw();
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
    ) -> Result<Leased, Error> {
        let followers = &self.inner.followers;
        let post = &self.inner.around.post;
        let most = most.clamp(1, MOST);
        let known = followers.take(follower);
        let closed = followers.begin(follower).ok_or(Error::Overloaded)?;
        if closed.is_closed() {
            return Ok(Leased::new([], post));
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
            _late = tokio::time::timeout(wait, stream.next(&mut jobs, most)) => {}
        }
        followers.put(follower, stream);
        let jobs = Leased::new(jobs, post);
        // The answer would reach nobody.
        Ok(if closed.is_closed() { Leased::new([], post) } else { jobs })
    }
}
