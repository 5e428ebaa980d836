//! Streams of jobs to external workers.
//!
//! Boundary: the receiving end for `api`; the sending end is used by the shard's dispatcher only.
//! A stream that could not take a job tells the shard as soon as it can again.
//! Read first: [`JobStream`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::instance::Activation;
use feel::Str;
use tokio::sync::mpsc;

use crate::input::Input;

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct WorkerRequest {
    /// The job type.
    pub job_type: Str,
    /// The worker's name.
    pub worker: Str,
    /// How long a job is the worker's, in milliseconds.
    pub timeout_ms: i64,
    /// Only these variables; empty: all.
    pub fetch: Vec<Str>,
}

/// The sending end of a stream, as the dispatcher keeps it.
#[derive(Debug)]
pub(crate) struct StreamEnd {
    pub(crate) id: u64,
    pub(crate) request: WorkerRequest,
    pub(crate) sender: mpsc::Sender<Activation>,
    pub(crate) starved: Arc<AtomicBool>,
}

/// Jobs pushed to one worker. Dropping it closes the stream.
#[derive(Debug)]
pub struct JobStream {
    id: u64,
    job_type: Str,
    receiver: mpsc::Receiver<Activation>,
    starved: Arc<AtomicBool>,
    shard: mpsc::Sender<Input>,
}

impl JobStream {
    pub(crate) fn open(
        id: u64,
        request: WorkerRequest,
        capacity: usize,
        shard: mpsc::Sender<Input>,
    ) -> (StreamEnd, Self) {
        let (sender, receiver) = mpsc::channel(capacity);
        let starved = Arc::new(AtomicBool::new(false));
        let job_type = request.job_type.clone();
        let end = StreamEnd { id, request, sender, starved: starved.clone() };
        (end, Self { id, job_type, receiver, starved, shard })
    }

    /// The next jobs, at least one; none when the server closes the stream. Cancel safe.
    pub async fn next(&mut self, jobs: &mut Vec<Activation>, most: usize) -> bool {
        let received = self.receiver.recv_many(jobs, most).await > 0;
        if received && self.starved.swap(false, Ordering::SeqCst) {
            let job_type = self.job_type.clone();
            // A full channel is no loss: the shard looks at the stream again after its next unit.
            let _ = self.shard.try_send(Input::StreamReady { job_type });
        }
        received
    }
}

impl Drop for JobStream {
    fn drop(&mut self) {
        self.receiver.close();
        let mut undelivered = Vec::new();
        while let Ok(activation) = self.receiver.try_recv() {
            undelivered.push(activation.job);
        }
        let input = Input::StreamClosed { id: self.id, undelivered };
        // If the channel is full the leases run out by themselves.
        let _ = self.shard.try_send(input);
    }
}
