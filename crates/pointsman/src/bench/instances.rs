//! Profiles W0, W1 and W10: creates instances and works their jobs as a streaming worker.
//!
//! Boundary: one loop owns every connection; nothing runs beside it.
//! Invariants: an instance is known by its number, which travels as a variable, so a job may
//! arrive before the answer to the creation.
//! Read first: [`run`], then [`Load`].   Tests: `tests.rs`.

mod calls;

use std::collections::HashMap;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use prost::Message;
use proto::gateway::{ActivateJobsResponse, ActivatedJob};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tonic::{Code, Status};

use self::calls::{Calls, Tag, number};
pub(super) use self::calls::{create_waiting, deploy};
use super::report::{Progress, Run};
use super::wire::{Event, Wire};
use super::{Options, Until};
use crate::client::Route;

/// Ends of calls that are taken from one connection before the next one has its turn.
const TURN: u32 = 64;
/// Failures after which no more instances are started.
const FAILURES_MAX: u64 = 100;
/// Silence after which the worker asks for jobs that were not pushed to it.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// How long a server may take to open the stream of jobs before the load begins without it.
const OPENING: Duration = Duration::from_secs(2);

/// Starts instances until it is time, works their jobs and waits for the last one.
///
/// # Errors
/// The server cannot be reached, or closes a connection or the stream of jobs.
pub(super) async fn run(routes: &[Route], options: &Options, until: Until) -> anyhow::Result<Run> {
    let mut load = Load::connect(routes, options, until).await?;
    load.open_workers().await?;
    load.begin();
    while !load.is_done() {
        match load.next().await {
            Next::Tick => load.tick(),
            Next::Event(Ok(event)) => load.event(event)?,
            Next::Event(Err(status)) => bail!("connection lost: {}", status.message()),
        }
    }
    Ok(load.end())
}

enum Next {
    Tick,
    Event(Result<Event<Tag>, Status>),
}

/// The load and everything it holds.
struct Load {
    wires: Vec<Wire<Tag>>,
    calls: Calls,
    /// The connection whose turn it is, and how many turns it has had.
    current: usize,
    turns: u32,
    tick: Interval,
    until: Until,
    begin: Instant,
    /// Instances per second, or none to keep a number in flight.
    rate: Option<f64>,
    in_flight: usize,
    patience: Duration,
    jobs: u32,
    /// When each instance was sent that is not complete.
    open: HashMap<u64, Instant>,
    started: u64,
    /// Instances to be started at the next tick, because starting them now was refused.
    owed: u64,
    stopping: bool,
    last_progress: Instant,
    last_asked: Instant,
    run: Run,
    progress: Progress,
}

impl Load {
    async fn connect(routes: &[Route], options: &Options, until: Until) -> anyhow::Result<Self> {
        let mut wires = Vec::new();
        for route in routes.iter().cycle().take(options.connections.max(routes.len())) {
            wires.push(Wire::connect(route).await?);
        }
        let calls = Calls::new(&wires[0], options.profile);
        let pause = if options.rate.is_some() { 1 } else { 10 };
        let mut tick = interval(Duration::from_millis(pause));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let now = Instant::now();
        Ok(Self {
            wires,
            calls,
            current: 0,
            turns: 0,
            tick,
            until,
            begin: now,
            rate: options.rate,
            in_flight: options.in_flight,
            patience: Duration::from_secs_f64(options.patience),
            jobs: options.profile.jobs(),
            open: HashMap::new(),
            started: 0,
            owed: 0,
            stopping: false,
            last_progress: now,
            last_asked: now,
            run: Run::new(until),
            progress: Progress::new(until),
        })
    }

    /// Opens the workers' streams, so that no job finds itself without a worker, and asks for
    /// the jobs that were there before.
    async fn open_workers(&mut self) -> anyhow::Result<()> {
        if self.jobs == 0 {
            return Ok(());
        }
        for wire in &mut self.wires {
            self.calls.stream_jobs(wire);
            // A server may say so only with the first job.
            if let Ok(event) = timeout(OPENING, wire.next()).await
                && let Event::End { status, .. } = event?
            {
                bail!("the stream of jobs is refused: {status}");
            }
        }
        self.calls.activate_jobs(&mut self.wires[0]);
        Ok(())
    }

    /// Starts the clock and fills the flight.
    fn begin(&mut self) {
        self.begin = Instant::now();
        self.last_progress = self.begin;
        self.run = Run::new(self.until);
        if self.rate.is_none() {
            for index in 0..self.in_flight {
                self.start(index % self.wires.len(), Instant::now());
            }
        }
    }

    /// Safe to drop: an event is taken only when it is returned.
    async fn next(&mut self) -> Next {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        if self.tick.poll_tick(context).is_ready() {
            return Poll::Ready(Next::Tick);
        }
        for _ in 0..self.wires.len() {
            if self.turns < TURN
                && let Poll::Ready(event) = self.wires[self.current].poll_next(context)
            {
                self.turns += 1;
                return Poll::Ready(Next::Event(event));
            }
            self.current = (self.current + 1) % self.wires.len();
            self.turns = 0;
        }
        // The first connection may have had its turns and still hold events.
        match self.wires[self.current].poll_next(context) {
            Poll::Ready(event) => Poll::Ready(Next::Event(event)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_done(&self) -> bool {
        let silent = self.stopping && self.last_progress.elapsed() > self.patience;
        (self.stopping && self.open.is_empty()) || silent
    }

    fn tick(&mut self) {
        let elapsed = self.begin.elapsed();
        self.progress.at(self.run.accepted);
        let wires = self.wires.len();
        for turn in 0..std::mem::take(&mut self.owed) {
            self.start(usize::try_from(turn).unwrap_or(0) % wires, Instant::now());
        }
        if let Some(rate) = self.rate {
            self.start_due(rate, elapsed);
        }
        self.stopping |= self.run.failures() >= FAILURES_MAX || self.is_time(elapsed);
        let quiet = self.last_progress.max(self.last_asked).elapsed() > ASK_AGAIN;
        if self.jobs > 0 && quiet && !self.open.is_empty() {
            self.last_asked = Instant::now();
            self.calls.activate_jobs(&mut self.wires[0]);
        }
    }

    /// Starts what is due. Sent late, an instance still counts from when it was due, and what was
    /// due before the end is sent even if this is only noticed after it.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    fn start_due(&mut self, rate: f64, elapsed: Duration) {
        let elapsed = match self.until {
            Until::Count(_) => elapsed,
            Until::Time { warm_up, measured } => elapsed.min(warm_up + measured),
        };
        while !self.stopping && (self.started as f64) < elapsed.as_secs_f64() * rate {
            let due = self.begin + Duration::from_secs_f64(self.started as f64 / rate);
            let turn = usize::try_from(self.started).unwrap_or(0);
            self.start(turn % self.wires.len(), due);
        }
    }

    fn is_time(&self, elapsed: Duration) -> bool {
        match self.until {
            Until::Count(count) => self.started >= count,
            Until::Time { warm_up, measured } => elapsed >= warm_up + measured,
        }
    }

    fn start(&mut self, wire: usize, sent: Instant) {
        if let Until::Count(count) = self.until
            && self.started >= count
        {
            self.stopping = true;
        }
        if self.stopping {
            return;
        }
        let number = self.started;
        self.started += 1;
        self.open.insert(number, sent);
        self.calls.create(&mut self.wires[wire], number);
    }

    fn event(&mut self, event: Event<Tag>) -> anyhow::Result<()> {
        let wire = self.current;
        match event {
            Event::Answer { tag: Tag::Create(number), result } => match result {
                Ok(_) => {
                    self.run.accepted += 1;
                    self.last_progress = Instant::now();
                    if self.jobs == 0 {
                        self.completed(wire, number);
                    }
                }
                Err(status) => self.refused(number, &status),
            },
            Event::Answer { tag: Tag::Complete { number, last }, result } => match result {
                Ok(_) if last => self.completed(wire, number),
                Ok(_) => self.last_progress = Instant::now(),
                Err(status) => self.refused(number, &status),
            },
            // A job that an earlier run has left behind; whether it is gone is not our concern.
            Event::Answer { tag: Tag::Foreign | Tag::Jobs | Tag::Backlog, .. } => {}
            Event::Message { tag: Tag::Backlog, message } => {
                let batch = ActivateJobsResponse::decode(message).context("activated jobs")?;
                batch.jobs.iter().for_each(|job| self.work(wire, job));
            }
            Event::Message { message, .. } => self.pushed(wire, message)?,
            Event::Opened | Event::End { tag: Tag::Backlog, .. } => {}
            Event::End { status, .. } => bail!("the stream of jobs ended: {status}"),
        }
        Ok(())
    }

    fn pushed(&mut self, wire: usize, message: Bytes) -> anyhow::Result<()> {
        let job = ActivatedJob::decode(message).context("a pushed job")?;
        self.work(wire, &job);
        Ok(())
    }

    /// Completes a job at once: what is measured is the server.
    fn work(&mut self, wire: usize, job: &ActivatedJob) {
        let tag = match number(&job.variables, "run") == Some(self.calls.run) {
            true => match number(&job.variables, "n") {
                Some(number) => Tag::Complete { number, last: job.element_id == self.calls.last },
                None => Tag::Foreign,
            },
            false => Tag::Foreign,
        };
        self.calls.complete(&mut self.wires[wire], job.key, tag);
    }

    fn completed(&mut self, wire: usize, number: u64) {
        self.last_progress = Instant::now();
        let Some(sent) = self.open.remove(&number) else {
            self.run.failed(1, format!("instance {number} completed twice"));
            return;
        };
        self.run.completed(sent, 1);
        if self.rate.is_none() {
            self.start(wire, Instant::now());
        }
    }

    /// A call was refused: busy servers are asked again, everything else is a failure.
    fn refused(&mut self, number: u64, status: &Status) {
        self.open.remove(&number);
        match status.code() {
            Code::ResourceExhausted => self.run.busy += 1,
            _ => self.run.failed(1, status.to_string()),
        }
        if self.rate.is_none() {
            self.owed += 1;
        }
    }

    fn end(mut self) -> Run {
        self.progress.finish();
        if !self.open.is_empty() {
            let count = self.open.len() as u64;
            let busy = format!("no completion within {:?}", self.patience);
            self.run.failed(count, busy);
        }
        self.run.end();
        self.run
    }
}
