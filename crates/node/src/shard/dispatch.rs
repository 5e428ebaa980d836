//! Jobs and who takes them: pushed to streams, handed to polling workers, run as services.
//!
//! Boundary: knows types, streams and polls; leasing a job is a command to its instance. The
//! ready jobs of a type beyond a window are rows only.
//! Invariants: DSP-1 a job is offered to one executor at a time. DSP-2 what piled up while no
//! worker was there is drained by streams too.
//! Read first: [`Dispatcher`], then [`Queue`].

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

use engine::ids::JobKey;
use engine::instance::Activation;
use feel::Str;
use hashbrown::HashMap;
use tokio::sync::mpsc::OwnedPermit;
use tokio::sync::oneshot;

use crate::catalog::SERVICE_PREFIX;
use crate::stream::{StreamEnd, WorkerRequest};

/// Ready jobs of one type kept in memory.
const WINDOW: usize = 10_000;

/// A worker that waits for jobs.
pub(super) struct Poll {
    pub(super) request: WorkerRequest,
    pub(super) most: usize,
    /// Whether it stays until there are jobs.
    pub(super) wait: bool,
    pub(super) reply: oneshot::Sender<Vec<Activation>>,
}

/// The ready jobs of one type, and who wants them.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) ready: VecDeque<JobKey>,
    /// Whether the store may have ready jobs that are not in `ready`.
    pub(super) partial: bool,
    /// The unit that makes the last job left out readable; zero: none was left out.
    pub(super) left_out_in: u64,
    /// How far the store's rows were read, and whether to their end.
    pub(super) read_to: Option<JobKey>,
    pub(super) read_all: bool,
    pub(super) streams: Vec<StreamEnd>,
    next_stream: usize,
    pub(super) polls: VecDeque<Poll>,
}

/// Who takes a job.
pub(super) enum Taker {
    Stream(OwnedPermit<Activation>, WorkerRequest),
    Service,
}

/// Jobs and who takes them.
pub(super) struct Dispatcher {
    pub(super) queues: HashMap<Str, Queue>,
    /// Leased jobs by deadline.
    leases: BTreeSet<(i64, JobKey)>,
    deadlines: HashMap<JobKey, i64>,
    pub(super) services_running: usize,
    pub(super) services_max: usize,
    /// Types that are looked at again when a unit has become durable: their jobs can be read
    /// then, or their streams may have room.
    pub(super) hungry: Vec<Str>,
}

impl Queue {
    /// Keeps a ready job, or leaves it to the store if it has a row.
    pub(super) fn push(&mut self, job: JobKey, has_row: bool, sequence: u64) {
        if !has_row || (self.ready.len() < WINDOW && !self.partial) {
            self.ready.push_back(job);
        } else {
            self.partial = true;
            self.left_out_in = sequence;
        }
    }

    /// A stream that can take a job now, in turn.
    pub(super) fn ready_stream(&mut self) -> Option<(OwnedPermit<Activation>, WorkerRequest)> {
        self.streams.retain(|stream| !stream.sender.is_closed());
        for _ in 0..self.streams.len() {
            self.next_stream = (self.next_stream + 1) % self.streams.len();
            let stream = &self.streams[self.next_stream];
            if let Ok(permit) = stream.sender.clone().try_reserve_owned() {
                return Some((permit, stream.request.clone()));
            }
            stream.starved.swap(true, Ordering::SeqCst);
            // It may have made room before it could see that.
            if let Ok(permit) = stream.sender.clone().try_reserve_owned() {
                return Some((permit, stream.request.clone()));
            }
        }
        None
    }

    /// Begins reading the store's rows anew, if something was left out and is readable now.
    pub(super) fn read_again(&mut self, landed: u64) -> bool {
        if self.left_out_in == 0 {
            self.partial = false;
            return false;
        }
        if self.left_out_in > landed {
            return false;
        }
        self.left_out_in = 0;
        self.read_to = None;
        self.read_all = false;
        true
    }
}

impl Dispatcher {
    pub(super) fn new(services_max: usize) -> Self {
        Self {
            queues: HashMap::new(),
            leases: BTreeSet::new(),
            deadlines: HashMap::new(),
            services_running: 0,
            services_max,
            hungry: Vec::new(),
        }
    }

    /// The queue of a type; a new one knows nothing of what the store has.
    pub(super) fn queue(&mut self, job_type: &Str) -> &mut Queue {
        self.queues
            .entry_ref(job_type)
            .or_insert_with(|| Queue { partial: true, ..Queue::default() })
    }

    /// Looks at a type again when a unit has become durable.
    pub(super) fn crave(&mut self, job_type: &Str) {
        if !self.hungry.contains(job_type) {
            self.hungry.push(job_type.clone());
        }
    }

    /// The types that somebody wants jobs of.
    pub(super) fn wanted(&self) -> Vec<Str> {
        let wanted = self
            .queues
            .iter()
            .filter(|(_, queue)| !queue.streams.is_empty() || !queue.polls.is_empty());
        let mut types: Vec<Str> = wanted.map(|(job_type, _)| job_type.clone()).collect();
        types.sort_unstable();
        types
    }

    pub(super) fn keep_lease(&mut self, job: JobKey, deadline_ms: i64) {
        self.end_lease(job);
        self.leases.insert((deadline_ms, job));
        self.deadlines.insert(job, deadline_ms);
    }

    pub(super) fn end_lease(&mut self, job: JobKey) {
        if let Some(deadline_ms) = self.deadlines.remove(&job) {
            self.leases.remove(&(deadline_ms, job));
        }
    }

    pub(super) fn is_leased(&self, job: JobKey) -> bool {
        self.deadlines.contains_key(&job)
    }

    pub(super) fn next_expiry_ms(&self) -> i64 {
        self.leases.first().map_or(i64::MAX, |(deadline_ms, _)| *deadline_ms)
    }

    pub(super) fn pop_expired(&mut self, now_ms: i64) -> Option<JobKey> {
        let (deadline_ms, job) = *self.leases.first()?;
        if deadline_ms > now_ms {
            return None;
        }
        self.end_lease(job);
        Some(job)
    }

    /// Who takes a job of this type now.
    pub(super) fn taker(&mut self, job_type: &Str) -> Option<Taker> {
        if job_type.starts_with(SERVICE_PREFIX) {
            return (self.services_running < self.services_max).then_some(Taker::Service);
        }
        let queue = self.queue(job_type);
        let found = queue.ready_stream();
        if found.is_none() && !queue.streams.is_empty() {
            // A stream says when it has room, unless the shard's channel is full then.
            self.crave(job_type);
        }
        found.map(|(permit, request)| Taker::Stream(permit, request))
    }

    /// Keeps a stream, unless it is known already: a shard that begins learns of it twice.
    pub(super) fn open_stream(&mut self, stream: StreamEnd) {
        let queue = self.queue(&stream.request.job_type);
        if queue.streams.iter().all(|known| known.id != stream.id) {
            queue.streams.push(stream);
        }
    }

    pub(super) fn close_stream(&mut self, id: u64) {
        for queue in self.queues.values_mut() {
            queue.streams.retain(|stream| stream.id != id);
        }
    }
}
