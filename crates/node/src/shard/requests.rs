//! What the handle asks for: one arm per input.
//!
//! Boundary: finds the subject, tells it, and keeps the answer until the batch is durable.
//! Read first: [`Shard::handle`].

use std::sync::Arc;

use engine::Start;
use engine::ids::{Address, DefinitionKey, EntryKey, InstanceKey, JobKey};
use engine::transition::{Run, StepVerdict};
use feel::{Context, Str};
use host::gate::Admission;
use store::EntryState;

use crate::catalog::Definition;
use crate::error::Error;
use crate::input::{Created, Ended, Input, NewMessage, Reply, Which};
use crate::packages::Prepared;
use crate::stream::JobLease;

use super::Shard;
use super::dispatch::Poll;

/// Rows of one page.
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
                self.answer(reply, accepted);
            }
            Input::Message { message, reply } => {
                let published = self.message(message).await?;
                self.settle().await?;
                self.answer(reply, published);
            }
            Input::Verdicts { instance, job, worker, verdicts, reply } => {
                let replayed = self.take_verdicts(instance, job, worker, &verdicts).await?;
                self.answer(reply, replayed);
            }
            Input::Lock { name, act, reply } => self.ask_lock(name, act, reply).await?,
            Input::Activate { request, most, wait, reply } => {
                self.poll(Poll { request, most, wait, reply }).await?;
            }
            Input::OpenStream(stream) => {
                let job_type = stream.request.job_type.clone();
                self.dispatcher.open_stream(stream);
                self.serve(&job_type).await?;
            }
            Input::StreamReady { job_type } => self.serve(&job_type).await?,
            Input::StreamClosed { id, undelivered } => self.close_stream(id, undelivered).await?,
            Input::Deploy { prepared, reply } => {
                self.deploy_unless_maintained(prepared, reply).await?;
            }
            Input::Enable { process, version, reply } => {
                let enabled = self.enable(&process, version).await?;
                self.answer(reply, enabled);
            }
            Input::Tokens { changes, reply } => {
                let changed = self.change_tokens(changes).await?;
                self.answer(reply, changed);
            }
            operations @ (Input::Replay { .. }
            | Input::Discard { .. }
            | Input::Purge { .. }
            | Input::OpenDeployment { .. }
            | Input::Deployment { .. }
            | Input::Settings { .. }
            | Input::Request { .. }
            | Input::Claim
            | Input::Requested { .. }) => self.operate(operations).await?,
            Input::ServiceDone => self.serve_services().await?,
            Input::Letters => self.read_inbox().await?,
        }
        self.settle().await
    }

    async fn close_stream(&mut self, id: u64, undelivered: Vec<JobLease>) -> Result<(), Error> {
        self.dispatcher.close_stream(id);
        for lease in undelivered {
            self.release(lease).await?;
        }
        Ok(())
    }

    async fn poll(&mut self, poll: Poll) -> Result<(), Error> {
        let job_type = poll.request.job_type.clone();
        self.dispatcher.queue(&job_type).polls.push_back(poll);
        self.serve(&job_type).await?;
        // Whoever does not wait and got nothing hears so by the dropped reply.
        self.dispatcher.queue(&job_type).polls.retain(|poll| poll.wait);
        Ok(())
    }

    async fn take_verdicts(
        &mut self,
        instance: InstanceKey,
        job: JobKey,
        worker: Str,
        verdicts: &[StepVerdict],
    ) -> Result<Result<(), Error>, Error> {
        let run = Run { job, worker, verdicts };
        let replayed = self.replay_run(instance, &run).await?.map_err(Error::from);
        self.settle().await?;
        Ok(replayed)
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

    /// What operators ask for, and process requests.
    async fn operate(&mut self, input: Input) -> Result<(), Error> {
        match input {
            Input::Settings { changes, by, mode, reply } => {
                let changed = self.change_settings(changes, by, mode).await?;
                self.answer(reply, changed);
            }
            Input::Request { process, variables, due_ms, reply } => {
                let key = self.request(process, variables, due_ms);
                self.answer(reply, Ok(key));
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
            Input::OpenDeployment { detail, reply } => {
                let opened =
                    self.maintained().map_or_else(|| Ok(self.open_deployment(detail)), Err);
                self.answer(reply, opened);
            }
            Input::Deployment { change, blobs, reply } => {
                self.note_deployment(change, blobs);
                self.answer(reply, Ok(()));
            }
            Input::Claim => self.claim_ms = self.claim_ms.min(self.now_ms),
            Input::Requested { request, row } => self.start_requested(request, *row).await?,
            other => {
                let detail = format!("{other:?} is no input of operations");
                return Err(Error::Internal { detail });
            }
        }
        Ok(())
    }

    async fn deploy_unless_maintained(
        &mut self,
        prepared: Box<Prepared>,
        reply: Reply<(Vec<DefinitionKey>, u64)>,
    ) -> Result<(), Error> {
        let deployed = match self.maintained() {
            Some(refused) => Err(refused),
            None => Ok(self.deploy(*prepared).await?),
        };
        self.answer(reply, deployed);
        Ok(())
    }

    /// A client's message.
    async fn message(&mut self, message: NewMessage) -> Result<Result<u64, Error>, Error> {
        let bucket = Address::Bucket { name: message.name.clone(), key: message.key.clone() };
        if !self.has(&bucket) {
            return Ok(Err(Error::Unavailable { doing: "moving a slot" }));
        }
        if let Some(refused) = self.message_maintained(&message).await? {
            return Ok(Err(refused));
        }
        if self.is_start_held(&message.name) {
            return Ok(Err(super::gates::SWITCHING));
        }
        self.starts_nothing = self.settings.maintenance.is_some();
        let published = self.publish_message(message).await;
        self.starts_nothing = false;
        Ok(published?.map_err(Error::from))
    }

    async fn create(
        &mut self,
        which: Which,
        variables: Context,
        reply: Reply<Created>,
        ended: Option<Reply<Ended>>,
    ) -> Result<(), Error> {
        let found = match self.maintained() {
            Some(refused) => Err(refused),
            None => self.find_admitted(&which),
        };
        let (definition, _admission) = match found {
            Ok(found) => found,
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

    /// The version to start, with the admission to its package; refused while that is switched.
    pub(super) fn find_admitted(
        &mut self,
        which: &Which,
    ) -> Result<(Arc<Definition>, Admission), Error> {
        let found = self.find(which)?;
        let admitted = self.admit_start(&found.package, found.process());
        let admission = admitted.ok_or(super::gates::SWITCHING)?;
        // The gate may have been opened on another one meanwhile (SGT-1).
        self.find(which).map(|found| (found, admission))
    }

    pub(super) fn find(&self, which: &Which) -> Result<Arc<Definition>, Error> {
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
            None => Err(Error::not_found("process", &name)),
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

    /// Queues dead or parked entries again.
    pub(super) async fn replay(&mut self, entries: Vec<EntryKey>) -> Result<u64, Error> {
        let mut number = 0;
        for entry in entries {
            let Some(mut row) = self.entry(entry).await? else { continue };
            if !matches!(row.state, EntryState::Dead | EntryState::Parked) {
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
            let Some(row) = self.entry(entry).await? else { continue };
            if row.state != EntryState::InProcess {
                self.entries.remove(entry);
                self.batch.set_entry(entry, false, None);
                number += 1;
            }
        }
        Ok(number)
    }

    async fn purge(&mut self) -> Result<u64, Error> {
        let before_ms = self.now_ms.saturating_add(1);
        let found = self.store.forgettable(self.lease.shard, before_ms, PAGE).await?;
        let number = found.len() as u64;
        self.batch.changes += 1;
        self.batch.unit.forget.extend(found);
        if self.is_home() {
            self.batch.unit.seen_before_ms =
                Some(self.now_ms.saturating_sub(self.settings.duplicates_ms));
        }
        Ok(number)
    }

    async fn enable(
        &mut self,
        process: &Str,
        version: Option<u32>,
    ) -> Result<Result<u64, Error>, Error> {
        let plan = self.planned()?;
        let wanted: Option<DefinitionKey> = match version {
            None => None,
            Some(version) => match plan.version(process, version) {
                Some(found) => Some(found.key),
                None => {
                    let name = format!("{process}:{version}");
                    return Ok(Err(Error::not_found("process", &name)));
                }
            },
        };
        if !plan.versions.contains_key(process) {
            return Ok(Err(Error::not_found("process", process)));
        }
        let mut catalog = (*plan).clone();
        let changed = catalog.enable(process, wanted);
        let revision = self.switch(catalog, &changed);
        self.reschedule(&changed).await?;
        Ok(Ok(revision))
    }
}
