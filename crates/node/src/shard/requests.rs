//! What the handle asks for: one arm per input.
//!
//! Boundary: finds the subject, tells it, and keeps the answer until the batch is durable.
//! Read first: [`Shard::handle`].

use std::sync::Arc;

use engine::ids::{DefinitionKey, EntryKey, InstanceKey, JobKey, MessageKey};
use engine::instance::Activation;
use engine::message::Command as BucketCommand;
use engine::{Command, Start};
use feel::{Context, Str};
use store::EntryState;

use crate::catalog::{Definition, SERVICE_PREFIX};
use crate::error::Error;
use crate::input::{Created, Ended, Input, NewMessage, Reply, Which};

use super::Shard;
use super::dispatch::Poll;
use super::services::CallDone;

/// Rows of one page when a job index is read.
const PAGE: u32 = 1_000;

impl Shard {
    /// Decides on one input. An error means that the shard's memory is no longer trustworthy.
    pub(super) async fn handle(&mut self, input: Input) -> Result<(), Error> {
        match input {
            Input::Create { which, variables, reply, ended } => {
                self.create(which, variables, reply, ended).await?;
            }
            Input::Command { instance, command, reply } => {
                let told = self.tell(instance, command).await?.map(|_| ());
                self.settle().await?;
                if let Some(reply) = reply {
                    self.answer(reply, told.map_err(Error::from));
                }
            }
            Input::Publish { documents, reply } => {
                let accepted = self.publish(documents).await?;
                self.settle().await?;
                self.answer(reply, Ok(accepted));
            }
            Input::Message { message, reply } => {
                let published = self.publish_message(message).await?;
                self.settle().await?;
                self.answer(reply, published);
            }
            Input::Activate { request, most, wait, reply } => {
                let job_type = request.job_type.clone();
                let queue = self.dispatcher.queue(&job_type);
                queue.polls.push_back(Poll { request, most, wait, reply });
                self.serve(&job_type).await?;
                // Whoever does not wait and got nothing hears so by the dropped reply.
                self.dispatcher.queue(&job_type).polls.retain(|poll| poll.wait);
            }
            Input::OpenStream(stream) => {
                let job_type = stream.request.job_type.clone();
                self.dispatcher.queue(&job_type).streams.push(stream);
                self.serve(&job_type).await?;
            }
            Input::StreamReady { job_type } => self.serve(&job_type).await?,
            Input::StreamClosed { id, undelivered } => {
                self.dispatcher.close_stream(id);
                for job in undelivered {
                    self.release(job).await?;
                }
            }
            Input::Deploy { prepared, reply } => {
                let deployed = self.deploy(*prepared).await?;
                self.answer(reply, deployed);
            }
            Input::Enable { process, version, reply } => {
                let enabled = self.enable(&process, version).await?;
                self.answer(reply, enabled);
            }
            Input::Replay { entries, reply } => {
                let number = self.replay(entries).await?;
                self.answer(reply, Ok(number));
            }
            Input::Discard { entries, reply } => {
                let number = self.discard(entries).await?;
                self.answer(reply, Ok(number));
            }
            Input::Purge { reply } => {
                let number = self.purge().await?;
                self.answer(reply, Ok(number));
            }
            Input::ServiceDone => self.serve_services().await?,
            // Stopping is the loop's business.
            Input::Stop { .. } => {}
        }
        self.settle().await
    }

    /// Keeps an answer until everything that it may be based on is durable.
    pub(super) fn answer<T: Send + Sync + 'static>(
        &mut self,
        reply: Reply<T>,
        result: Result<T, Error>,
    ) {
        self.batch.after.answers.push(Box::new(move |committed| {
            // The caller may have given up waiting.
            let _ = reply.send(committed.map_err(Clone::clone).and(result));
        }));
    }

    async fn create(
        &mut self,
        which: Which,
        variables: Context,
        reply: Reply<Created>,
        ended: Option<Reply<Ended>>,
    ) -> Result<(), Error> {
        let definition = match self.find(&which) {
            Ok(definition) => definition,
            Err(error) => {
                self.answer(reply, Err(error));
                return Ok(());
            }
        };
        let start = Start {
            element: None,
            variables,
            caller: None,
            origin: None,
            holds: None,
            business_key: None,
        };
        match self.begin(&definition, start) {
            Ok((instance, decision)) => {
                if let Some(ended) = ended {
                    self.waiters.insert(instance, ended);
                }
                self.note(instance, decision);
                self.settle().await?;
                let created = Created {
                    instance,
                    definition: definition.key,
                    process: definition.process().clone(),
                    version: definition.version,
                };
                self.answer(reply, Ok(created));
            }
            Err(rejection) => self.answer(reply, Err(Error::from(rejection))),
        }
        Ok(())
    }

    fn find(&self, which: &Which) -> Result<Arc<Definition>, Error> {
        let (found, name) = match which {
            Which::Key(key) => (self.catalog.definitions.get(key), key.0.to_string()),
            Which::Enabled(process) => (self.catalog.enabled(process), process.to_string()),
            Which::Version(process, version) => {
                (self.catalog.version(process, *version), format!("{process}:{version}"))
            }
        };
        let disabled = matches!(which, Which::Enabled(process)
            if self.catalog.versions.contains_key(process));
        match found {
            Some(definition) => Ok(definition.clone()),
            None if disabled => {
                Err(Error::State { detail: format!("process `{name}` has no enabled version") })
            }
            None => Err(Error::not_found("process", name)),
        }
    }

    /// The version that a call activity calls, or why there is none.
    pub(super) fn callable(
        &self,
        process: &str,
        version_tag: Option<&str>,
        deployment: Option<u64>,
    ) -> Result<Arc<Definition>, String> {
        let versions = self.catalog.versions.get(process);
        let mut known = versions
            .into_iter()
            .flatten()
            .rev()
            .filter_map(|key| self.catalog.definitions.get(key));
        let found = if let Some(tag) = version_tag {
            known.find(|version| version.program.version_tag.as_deref() == Some(tag))
        } else if let Some(deployment) = deployment {
            known.find(|version| version.deployment == deployment)
        } else {
            self.catalog.enabled(process)
        };
        found.cloned().ok_or_else(|| match (version_tag, versions) {
            (Some(tag), _) => format!("process `{process}` has no version tagged `{tag}`"),
            (None, Some(_)) => format!("process `{process}` has no enabled version"),
            (None, None) => format!("process `{process}` is not deployed"),
        })
    }

    async fn publish_message(&mut self, message: NewMessage) -> Result<Result<u64, Error>, Error> {
        let key = MessageKey(self.loose_key());
        let deadline_ms = self.now_ms.saturating_add(message.time_to_live_ms.max(0));
        let command = BucketCommand::Publish {
            message: key,
            id: message.id,
            variables: message.variables,
            deadline_ms,
            only: None,
        };
        let told = self.tell_bucket((message.name, message.key), command).await?;
        Ok(told.map(|_| key.0).map_err(Error::from))
    }

    /// Hands ready jobs of a type to whoever wants them.
    pub(super) async fn serve(&mut self, job_type: &Str) -> Result<(), Error> {
        loop {
            let queue = self.dispatcher.queue(job_type);
            queue.polls.retain(|poll| !poll.reply.is_closed());
            if queue.ready.is_empty() && !self.read_ready(job_type).await? {
                return Ok(());
            }
            let queue = self.dispatcher.queue(job_type);
            if let Some(poll) = queue.polls.pop_front() {
                if self.serve_poll(job_type, poll).await? {
                    continue;
                }
                return Ok(());
            }
            let Some(taker) = self.dispatcher.taker(job_type) else { return Ok(()) };
            let Some(job) = self.dispatcher.queue(job_type).ready.pop_front() else {
                return Ok(());
            };
            self.hand_over(owner(job), job, taker).await?;
        }
    }

    /// Leases jobs to one poll. Answers whether it got any.
    async fn serve_poll(&mut self, job_type: &Str, poll: Poll) -> Result<bool, Error> {
        let Poll { request, most, wait, reply } = poll;
        let mut jobs = Vec::new();
        while jobs.len() < most {
            let Some(job) = self.dispatcher.queue(job_type).ready.pop_front() else {
                if self.read_ready(job_type).await? {
                    continue;
                }
                break;
            };
            let worker = request.worker.clone();
            let deadline_ms = self.now_ms.saturating_add(request.timeout_ms);
            let command = Command::LeaseJob { job, worker, deadline_ms };
            if let Ok(Some(mut activation)) = self.tell(owner(job), command).await? {
                keep_only(&mut activation, &request.fetch);
                jobs.push(activation);
            }
        }
        if jobs.is_empty() {
            let queue = self.dispatcher.queue(job_type);
            queue.polls.push_front(Poll { request, most, wait, reply });
            return Ok(false);
        }
        self.batch.after.polls.push((reply, jobs));
        Ok(true)
    }

    /// Reads more ready jobs of a type from the store. Answers whether there are any now.
    async fn read_ready(&mut self, job_type: &Str) -> Result<bool, Error> {
        let landed = self.landed;
        let shard = self.lease.shard;
        let queue = self.dispatcher.queue(job_type);
        let idle = queue.polls.is_empty()
            && queue.streams.is_empty()
            && !job_type.starts_with(SERVICE_PREFIX);
        if !queue.partial || idle {
            return Ok(false);
        }
        if queue.read_all && !queue.read_again(landed) {
            if queue.partial && !self.dispatcher.hungry.contains(job_type) {
                self.dispatcher.hungry.push(job_type.clone());
            }
            return Ok(false);
        }
        while !self.dispatcher.queue(job_type).read_all {
            let after = self.dispatcher.queue(job_type).read_to;
            let rows = self.store.jobs_ready(shard, job_type, after, PAGE).await?;
            let leased: Vec<bool> =
                rows.iter().map(|row| self.dispatcher.is_leased(row.job)).collect();
            let queue = self.dispatcher.queue(job_type);
            queue.read_all = rows.len() < PAGE as usize;
            queue.read_to = rows.last().map(|row| row.job).or(after);
            let free = rows.iter().zip(leased).filter(|(_, leased)| !leased);
            queue.ready.extend(free.map(|(row, _)| row.job));
            if !queue.ready.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Serves the types that are run as services.
    pub(super) async fn serve_services(&mut self) -> Result<(), Error> {
        let types: Vec<Str> = self
            .dispatcher
            .queues
            .iter()
            .filter(|(job_type, queue)| {
                job_type.starts_with(SERVICE_PREFIX) && (!queue.ready.is_empty() || queue.partial)
            })
            .map(|(job_type, _)| job_type.clone())
            .collect();
        for job_type in types {
            self.serve(&job_type).await?;
        }
        Ok(())
    }

    /// A service call has ended.
    pub(super) async fn call_done(&mut self, done: CallDone) -> Result<(), Error> {
        match done {
            CallDone::Job { instance, command } => {
                self.dispatcher.services_running =
                    self.dispatcher.services_running.saturating_sub(1);
                // A job that was withdrawn in the meantime needs no answer.
                let _gone = self.tell(instance, command).await?;
                self.settle().await?;
            }
            CallDone::Trigger { entry, row, failure } => self.conclude_call(entry, row, failure),
        }
        self.serve_services().await?;
        self.settle().await
    }

    /// Gives a job back whose holder is gone.
    pub(super) async fn release(&mut self, job: JobKey) -> Result<(), Error> {
        // A job that is done or leased to somebody else stays as it is.
        let _stale = self.tell(owner(job), Command::ReleaseJob { job }).await?;
        self.settle().await
    }

    /// Queues dead or parked entries again.
    pub(super) async fn replay(&mut self, entries: Vec<EntryKey>) -> Result<u64, Error> {
        let mut number = 0;
        for entry in entries {
            let Some(mut row) = self.store.entry(entry).await? else { continue };
            if !matches!(row.state, EntryState::Dead | EntryState::Parked)
                || self.batch.entries.contains_key(&entry)
            {
                continue;
            }
            row.state = EntryState::Queued;
            row.attempts = 0;
            row.due_ms = self.now_ms;
            self.entries.add(entry, row.clone());
            self.batch.set_entry(entry, false, Some(row));
            number += 1;
        }
        Ok(number)
    }

    async fn discard(&mut self, entries: Vec<EntryKey>) -> Result<u64, Error> {
        let mut number = 0;
        for entry in entries {
            let Some(row) = self.store.entry(entry).await? else { continue };
            if row.state != EntryState::InProcess {
                self.entries.remove(entry);
                self.batch.set_entry(entry, false, None);
                number += 1;
            }
        }
        Ok(number)
    }

    async fn purge(&mut self) -> Result<u64, Error> {
        let found = self.store.forgettable(self.now_ms, PAGE).await?;
        let number = found.len() as u64;
        self.batch.changes += 1;
        self.batch.unit.forget.extend(found);
        self.batch.unit.seen_before_ms =
            Some(self.now_ms.saturating_sub(self.settings.duplicates_ms));
        Ok(number)
    }

    async fn enable(
        &mut self,
        process: &Str,
        version: Option<u32>,
    ) -> Result<Result<(), Error>, Error> {
        let wanted: Option<DefinitionKey> = match version {
            None => None,
            Some(version) => match self.catalog.version(process, version) {
                Some(found) => Some(found.key),
                None => {
                    let name = format!("{process}:{version}");
                    return Ok(Err(Error::not_found("process", name)));
                }
            },
        };
        if !self.catalog.versions.contains_key(process) {
            return Ok(Err(Error::not_found("process", process)));
        }
        let mut catalog = (*self.catalog).clone();
        let changed = catalog.enable(process, wanted);
        self.switch(catalog, &changed);
        self.reschedule(&changed).await?;
        if wanted.is_some() {
            self.unpark(process).await?;
        }
        Ok(Ok(()))
    }
}

/// The instance that a job's key leads to: any key of a block names its instance.
fn owner(job: JobKey) -> InstanceKey {
    InstanceKey(job.0)
}

/// Keeps only the variables that a worker asked for; none asked for: all.
pub(super) fn keep_only(activation: &mut Activation, fetch: &[Str]) {
    if !fetch.is_empty() {
        activation.variables.retain(|name, _| fetch.contains(name));
    }
}
