//! Effects: rows of the unit, commands to other aggregates of the shard, offers to executors.
//!
//! Boundary: one `match` over the closed alphabet; nothing leaves the server here.
//! Read first: [`Shard::settle`].

use engine::ids::{Address, InstanceKey, JobKey, StepKey};
use engine::lock::Party;
use engine::message::{Command as BucketCommand, Waiting};
use engine::{Caller, CancelledBy, Command, Effect, Origin, Report, Start};
use feel::{Context, Str};
use store::{IncidentRow, JobChange};

use crate::error::Error;
use crate::input::{Created, Ended, NewMessage};
use crate::logical::queue_of;

use super::Shard;
use super::cache::Hot;
use super::dispatch::Taker;

/// What instances may publish in one pass of the loop before further publications wait.
const CHAIN_MAX: u32 = 1_000;

/// A call activity's wish.
struct Call {
    step: StepKey,
    process: Str,
    version_tag: Option<Str>,
    same_deployment: bool,
    variables: Context,
}

impl Shard {
    /// Carries out queued effects until none is left.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        while let Some((instance, effect)) = self.outgoing.pop_front() {
            self.carry_out(instance, effect).await?;
        }
        Ok(())
    }

    /// Whether instances published so much in this pass that the rest must wait for a later one:
    /// a process that publishes what starts it would keep the shard for ever.
    pub(super) fn is_long(&self) -> bool {
        self.chain > CHAIN_MAX
    }

    async fn carry_out(&mut self, instance: InstanceKey, effect: Effect) -> Result<(), Error> {
        match effect {
            Effect::OfferJob { job, job_type } => self.offer(instance, job, job_type).await?,
            Effect::KeepLease { job, job_type, deadline_ms } => {
                self.keep_lease(instance, job, job_type, deadline_ms);
            }
            Effect::DropJob { job, job_type } => self.drop_job(instance, job, job_type),
            Effect::ArmTimer { timer, due_ms } => self.arm(instance, due_ms, timer),
            Effect::DisarmTimer { timer, due_ms } => self.disarm(instance, due_ms, timer),
            Effect::Subscribe { name, key, step, element, once } => {
                let Some(hot) = self.cache.get(instance) else { return Ok(()) };
                let process = hot.state.process.clone();
                let waiting = Waiting { instance, step, element, process, once };
                self.tell_bucket((name, key), BucketCommand::Subscribe(waiting)).await??;
            }
            Effect::Unsubscribe { name, key, step, element } => {
                let command = BucketCommand::Unsubscribe { step, element };
                self.tell_bucket((name, key), command).await??;
            }
            Effect::PublishMessage { name, key, id, time_to_live_ms, variables } => {
                let message = NewMessage { name, key, id, time_to_live_ms, variables };
                self.publish_from(message).await?;
            }
            Effect::PublishDocument { document_type, id, content } => {
                self.publish_document_from(instance, &document_type, id, content).await?;
            }
            Effect::StartChild { step, process, version_tag, same_deployment, variables } => {
                let call = Call { step, process, version_tag, same_deployment, variables };
                self.start_child(instance, call).await?;
            }
            Effect::CancelChild { child } => {
                let by = CancelledBy::Caller;
                // A child that has ended needs no cancelling.
                let _gone = self.tell(child, Command::Cancel { by }).await?;
            }
            Effect::ReportToCaller { caller, report } => self.report(caller, report).await?,
            Effect::FailChild { child, server } => {
                // A child that has ended cannot fail any more.
                let _gone = self.tell(child, Command::FailForServer { server }).await?;
            }
            Effect::AcquireLock { step, name, deadline_ms } => {
                self.acquire_for(Party::Step { instance, step }, name, deadline_ms).await?;
            }
            Effect::ReleaseLock { name, step } => {
                self.release_for(Party::Step { instance, step }, name).await?;
            }
            Effect::ReportUncaught { thrower, code, message } => {
                let command = Command::LeaveUncaught { step: thrower.step, code, message };
                let _gone = self.tell(thrower.instance, command).await?;
            }
            incident @ Effect::OpenIncident { .. } => self.open_incident(instance, incident),
            Effect::CloseIncident { incident } => {
                self.batch.incidents.insert(incident, None);
            }
            Effect::ClaimBlock { block } => {
                self.claimed.insert(block, (instance, self.lease.sequence + 1));
                self.batch.blocks.push((block, instance));
            }
            Effect::Continue { after_commit } => self.go_on(instance, after_commit),
            Effect::End { completed, variables, origin, holds } => {
                self.end_origin(origin, instance, completed).await?;
                self.answer_waiter(instance, completed, variables);
                if let Some(bucket) = holds {
                    let command = BucketCommand::Release { instance };
                    self.tell_bucket(bucket, command).await??;
                }
            }
        }
        Ok(())
    }

    /// Tells what an instance was started for that it has ended.
    async fn end_origin(
        &mut self,
        origin: Option<Origin>,
        instance: InstanceKey,
        completed: bool,
    ) -> Result<(), Error> {
        match origin {
            Some(Origin::Entry(entry)) => self.batch.set_entry(entry, false, None),
            Some(Origin::Request(request)) => {
                self.end_requested(request, instance, completed).await?;
            }
            None => {}
        }
        Ok(())
    }

    fn open_incident(&mut self, instance: InstanceKey, effect: Effect) {
        let Effect::OpenIncident { incident, step, job, element, kind, message } = effect else {
            return;
        };
        let Some(hot) = self.cache.get(instance) else { return };
        let row = IncidentRow {
            instance,
            step,
            job,
            element: hot.definition.program.elements[element as usize].id.clone(),
            process: hot.state.process.clone(),
            kind: kind.name().into(),
            message,
            at_ms: self.now_ms,
        };
        self.batch.incidents.insert(incident, Some(row));
    }

    /// Another turn: soon, or only after this batch is durable.
    fn go_on(&mut self, instance: InstanceKey, after_commit: bool) {
        let now_ms = self.now_ms;
        let Some(hot) = self.cache.get_mut(instance) else { return };
        let wait = after_commit && !hot.definition.quality.volatile_transition_documents;
        hot.continue_ms = Some(now_ms);
        // A server that dies in between finds the wake-up and goes on.
        self.batch.arm(now_ms, Address::Instance(instance), 0);
        if wait {
            self.batch.after.again.push(instance);
        } else {
            self.again.push_back(instance);
        }
    }

    /// Gives an instance the further turn that it asked for.
    pub(super) async fn take_turn(&mut self, instance: InstanceKey) -> Result<(), Error> {
        let due_ms = self.cache.get_mut(instance).and_then(|hot| hot.continue_ms.take());
        if let Some(due_ms) = due_ms {
            self.batch.disarm(due_ms, Address::Instance(instance), 0);
        }
        // An instance that has ended in the meantime needs no further turn.
        let _gone = self.tell(instance, Command::Continue).await?;
        self.settle().await
    }

    fn arm(&mut self, instance: InstanceKey, due_ms: i64, timer: u64) {
        let address = Address::Instance(instance);
        if self.cache.get(instance).is_some_and(Hot::is_volatile) {
            // No unit ever makes it readable: it stays in memory until it is due.
            self.wakes.arm(due_ms, address, timer, u64::MAX);
        } else {
            self.wakes.arm(due_ms, address.clone(), timer, self.lease.sequence + 1);
            self.batch.arm(due_ms, address, timer);
        }
    }

    pub(super) fn disarm(&mut self, instance: InstanceKey, due_ms: i64, timer: u64) {
        let address = Address::Instance(instance);
        self.wakes.disarm(due_ms, &address, timer);
        if self.cache.get(instance).is_none_or(|hot| !hot.is_volatile()) {
            self.batch.disarm(due_ms, address, timer);
        }
    }

    fn keep_lease(&mut self, of: InstanceKey, job: JobKey, job_type: Str, deadline_ms: i64) {
        self.dispatcher.keep_lease(job, deadline_ms);
        let job_type = queue_of(job_type);
        self.job_row(of, JobChange::Leased { job, job_type, deadline_ms });
    }

    fn drop_job(&mut self, instance: InstanceKey, job: JobKey, job_type: Str) {
        self.dispatcher.end_lease(job);
        let job_type = queue_of(job_type);
        self.job_row(instance, JobChange::Gone { job, job_type });
    }

    /// Offers a job: to a stream or service that can take it now, else to whoever asks next.
    async fn offer(
        &mut self,
        instance: InstanceKey,
        job: JobKey,
        job_type: Str,
    ) -> Result<(), Error> {
        let job_type = queue_of(job_type);
        self.dispatcher.end_lease(job);
        self.job_row(instance, JobChange::Ready { job, job_type: job_type.clone() });
        let sequence = self.lease.sequence + 1;
        let has_row = self.cache.get(instance).is_none_or(|hot| !hot.is_volatile());
        let queue = self.dispatcher.queue(&job_type);
        if queue.ready.is_empty() && !queue.polls.is_empty() {
            queue.ready.push_back(job);
            return self.serve(&job_type).await;
        }
        if !queue.ready.is_empty() {
            queue.push(job, has_row, sequence);
            return Ok(());
        }
        match self.dispatcher.taker(&job_type) {
            Some(taker) => self.hand_over(instance, job, taker).await.map(|_| ()),
            None => {
                self.dispatcher.queue(&job_type).push(job, has_row, sequence);
                Ok(())
            }
        }
    }

    /// Leases a job to its taker. Answers whether it took it.
    pub(super) async fn hand_over(
        &mut self,
        instance: InstanceKey,
        job: JobKey,
        taker: Taker,
    ) -> Result<bool, Error> {
        let (worker, timeout_ms) = match &taker {
            Taker::Stream(_, request) => (request.worker.clone(), request.timeout_ms),
            Taker::Service => ("service".into(), super::services::LEASE_MS),
        };
        let deadline_ms = self.now_ms.saturating_add(timeout_ms);
        let command = Command::LeaseJob { job, worker, deadline_ms };
        // A job that is gone or leased already was withdrawn in the meantime.
        let Ok(Some(mut activation)) = self.tell(instance, command).await? else {
            return Ok(false);
        };
        match taker {
            Taker::Stream(permit, request) => {
                super::jobs::keep_only(&mut activation, &request.fetch);
                self.batch.after.pushes.push((permit, activation));
            }
            Taker::Service => {
                self.dispatcher.services_running += 1;
                self.batch.after.calls.push(activation);
            }
        }
        Ok(true)
    }

    async fn start_child(&mut self, parent: InstanceKey, call: Call) -> Result<(), Error> {
        let Call { step, process, version_tag, same_deployment, variables } = call;
        let Some(hot) = self.cache.get(parent) else { return Ok(()) };
        let deployment = same_deployment.then_some(hot.definition.deployment);
        let depth = hot.state.depth() + 1;
        let found = self.callable(&process, version_tag.as_deref(), deployment);
        let started = match found {
            Ok(definition) => {
                let start = Start {
                    element: None,
                    variables,
                    caller: Some(Caller { instance: parent, step, depth }),
                    origin: None,
                    holds: None,
                    business_key: None,
                };
                self.begin(&definition, start).map_err(|rejection| {
                    format!("process `{process}` cannot be called: {}", Error::from(rejection))
                })
            }
            Err(reason) => Err(reason),
        };
        match started {
            Ok((child, decision)) => {
                // The parent knows its child before anything that the child does reaches it.
                let accepted = self.tell(parent, Command::AcceptChild { step, child }).await?;
                self.note(child, decision);
                if accepted.is_err() {
                    let by = CancelledBy::Caller;
                    let _gone = self.tell(child, Command::Cancel { by }).await?;
                }
            }
            Err(reason) => {
                let command = Command::RefuseChild { step, reason: reason.into() };
                let _gone = self.tell(parent, command).await?;
            }
        }
        Ok(())
    }

    async fn report(&mut self, caller: Caller, report: Report) -> Result<(), Error> {
        let step = caller.step;
        let command = match report {
            Report::Completed { child, variables } => {
                Command::CompleteChild { step, child, variables }
            }
            Report::Failed { child, server } => Command::FailCall { step, child, server },
            Report::Error { child, thrower, code, message, variables } => {
                Command::CatchChildError { step, child, thrower, code, message, variables }
            }
        };
        // A caller that left its call activity cancels its children.
        let _gone = self.tell(caller.instance, command).await?;
        Ok(())
    }

    fn answer_waiter(&mut self, instance: InstanceKey, completed: bool, variables: Context) {
        let Some(reply) = self.waiters.remove(&instance) else { return };
        let Some(hot) = self.cache.get(instance) else { return };
        let created = Created {
            instance,
            definition: hot.state.definition,
            process: hot.state.process.clone(),
            version: hot.state.version,
        };
        let ended = Ended { created, completed, variables };
        self.batch.after.answers.push(Box::new(move |committed| {
            // Nobody may be waiting any more.
            let _ = reply.send(committed.map(|()| ended).map_err(Clone::clone));
        }));
    }
}
