//! One command to one aggregate, and everything that it brings about in this shard.
//!
//! Boundary: loads what is needed, asks the engine, notes what changed, and carries out the
//! effects that concern other aggregates of the shard until none is left.
//! Read first: [`Shard::begin`], then [`Shard::tell`].

use std::sync::Arc;

use engine::ids::{Address, Block, InstanceKey};
use engine::instance::{Activation, Decision, Instance, decide, start};
use engine::transition::{Run, replay};
use engine::{Command, Effect, Event, Rejection, Start};
use host::package::LoggingLevel;
use store::JobChange;

use crate::audit::{self, Output};
use crate::catalog::Definition;
use crate::error::Error;
use crate::input::Input;
use crate::logical::queue_of;
use crate::published::Counters;

use super::Shard;
use super::cache::{Hot, Known};

impl Shard {
    /// Begins an instance; its effects are queued, not yet carried out.
    pub(super) fn begin(
        &mut self,
        definition: &Arc<Definition>,
        command: Start,
    ) -> Result<(InstanceKey, Decision), Rejection> {
        let business_key = command.business_key.clone();
        let key = InstanceKey(self.blocks.take().first());
        let mut stamp =
            Self::stamp(self.now_ms, &self.settings.limits, &mut self.blocks, &self.catalog);
        let (state, decision) =
            start(key, &definition.program, &definition.rules, command, &mut stamp)?;
        let mut hot = Hot::new(state, definition.clone());
        hot.unlisted = true;
        hot.business_key = business_key;
        self.cache.insert(hot);
        Counters::add(&self.published.counters.started, 1);
        Ok((key, decision))
    }

    /// Begins an instance and carries out everything that follows.
    pub(super) async fn begin_and_settle(
        &mut self,
        definition: &Arc<Definition>,
        command: Start,
    ) -> Result<Result<InstanceKey, Rejection>, Error> {
        match self.begin(definition, command) {
            Ok((key, decision)) => {
                self.note(key, decision);
                self.settle().await?;
                Ok(Ok(key))
            }
            Err(rejection) => Ok(Err(rejection)),
        }
    }

    /// Gives a command to an instance; its effects are queued, not yet carried out.
    pub(super) async fn tell(
        &mut self,
        key: InstanceKey,
        command: Command,
    ) -> Result<Result<Option<Activation>, Rejection>, Error> {
        if !self.failing.is_empty() {
            self.fail_first(key).await?;
        }
        self.tell_now(key, command).await
    }

    /// As [`Shard::tell`], also if the instance is to fail first.
    pub(super) async fn tell_now(
        &mut self,
        key: InstanceKey,
        command: Command,
    ) -> Result<Result<Option<Activation>, Rejection>, Error> {
        let Some(key) = self.fetch(key).await? else {
            return Ok(Err(gone(key, &command)));
        };
        let Some(hot) = self.cache.get_mut(key) else {
            return Ok(Err(gone(key, &command)));
        };
        let mut stamp =
            Self::stamp(self.now_ms, &self.settings.limits, &mut self.blocks, &self.catalog);
        let definition = hot.definition.clone();
        let decided =
            decide(&mut hot.state, &definition.program, &definition.rules, command, &mut stamp);
        match decided {
            Ok(mut decision) => {
                let activation = decision.activation.take();
                self.note(key, decision);
                Ok(Ok(activation))
            }
            Err(rejection) => Ok(Err(rejection)),
        }
    }

    /// Applies what a server that hosts a logical server worked in one go.
    pub(super) async fn replay_run(
        &mut self,
        key: InstanceKey,
        run: &Run<'_>,
    ) -> Result<Result<(), Rejection>, Error> {
        if !self.failing.is_empty() {
            self.fail_first(key).await?;
        }
        let gone = Err(Rejection::JobGone(run.job));
        let Some(key) = self.fetch(key).await? else { return Ok(gone) };
        let Some(hot) = self.cache.get_mut(key) else { return Ok(gone) };
        let mut stamp =
            Self::stamp(self.now_ms, &self.settings.limits, &mut self.blocks, &self.catalog);
        let definition = hot.definition.clone();
        let replayed =
            replay(&mut hot.state, &definition.program, &definition.rules, run, &mut stamp);
        Ok(replayed.map(|replayed| self.note(key, replayed.decision)))
    }

    /// Brings an instance into memory. `key` may be any key whose block the instance owns.
    pub(super) async fn fetch(&mut self, key: InstanceKey) -> Result<Option<InstanceKey>, Error> {
        let block = Block::of(key.0);
        let first = InstanceKey(block.first());
        let owner = self.claimed.get(&block).map(|(owner, _)| *owner);
        for candidate in [Some(first), owner].into_iter().flatten() {
            match self.cache.look(candidate) {
                Known::Hot => return Ok(Some(candidate)),
                Known::Gone => return Ok(None),
                Known::Unknown => {}
            }
            if self.load(candidate).await? {
                return Ok(Some(candidate));
            }
        }
        if owner.is_some() || key.0 == first.0 {
            return Ok(None);
        }
        match self.store.block_owner(self.lease.shard, block).await? {
            Some(owner) if matches!(self.cache.look(owner), Known::Hot) => Ok(Some(owner)),
            Some(owner) if matches!(self.cache.look(owner), Known::Gone) => Ok(None),
            Some(owner) => Ok(self.load(owner).await?.then_some(owner)),
            None => Ok(None),
        }
    }

    async fn load(&mut self, key: InstanceKey) -> Result<bool, Error> {
        let found = self.store.load(self.lease.shard, &[Address::Instance(key)]).await?;
        match found.into_iter().next().flatten() {
            Some(snapshot) => {
                self.thaw(&snapshot)?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Takes a snapshot into memory.
    pub(super) fn thaw(&mut self, snapshot: &[u8]) -> Result<(), Error> {
        let state = Instance::decode(snapshot).map_err(|error| Error::Internal {
            detail: format!("a snapshot cannot be read: {error}"),
        })?;
        let definition = self.definition(state.definition)?;
        let mut hot = Hot::new(state, definition);
        hot.stored = true;
        self.cache.insert(hot);
        Ok(())
    }

    /// Brings all instances that these inputs concern into memory, with one read.
    pub(super) async fn prefetch(&mut self, inputs: &[Input]) -> Result<(), Error> {
        let mut wanted: Vec<Address> = Vec::new();
        for input in inputs {
            if let Input::Command { instance, .. } = input {
                let first = InstanceKey(Block::of(instance.0).first());
                if matches!(self.cache.look(first), Known::Unknown) {
                    wanted.push(Address::Instance(first));
                }
            }
        }
        if wanted.len() < 2 {
            return Ok(());
        }
        wanted.sort_unstable();
        wanted.dedup();
        let found = self.store.load(self.lease.shard, &wanted).await?;
        for snapshot in found.into_iter().flatten() {
            self.thaw(&snapshot)?;
        }
        Ok(())
    }

    /// Notes what a decision changed, and queues its effects.
    pub(super) fn note(&mut self, key: InstanceKey, decision: Decision) {
        let Decision { events, effects, .. } = decision;
        let queued = self.outgoing.len();
        self.outgoing.extend(effects.into_iter().map(|effect| (key, effect)));
        let Some(hot) = self.cache.get_mut(key) else { return };
        self.batch.changes += 1;
        if !hot.dirty {
            hot.dirty = true;
            self.batch.instances.push(key);
        }
        let logging = hot.definition.logging();
        let mut timed = false;
        let counters = &self.published.counters;
        for event in &events {
            match event {
                Event::JobCreated { job, job_type, .. } if !hot.is_volatile() => {
                    // One that was withdrawn in the same decision is not offered.
                    let offered = self.outgoing.range(queued..).any(|(_, effect)| {
                        matches!(effect, Effect::OfferJob { job: offered, .. } if offered == job)
                    });
                    if offered {
                        self.batch.add_job(*job, queue_of(job_type.clone()));
                    }
                }
                Event::StepCompleted { .. } => Counters::add(&counters.steps_completed, 1),
                Event::JobCompleted { .. } => Counters::add(&counters.jobs_completed, 1),
                Event::IncidentRaised { .. } => Counters::add(&counters.incidents_raised, 1),
                Event::InstanceCompleted => Counters::add(&counters.completed, 1),
                Event::InstanceCancelled | Event::InstanceFailed { .. } => {
                    Counters::add(&counters.cancelled, 1);
                }
                _ => {}
            }
            if !audit::is_kept(event, logging, is_start(event, &hot.definition)) {
                continue;
            }
            if !timed {
                audit::append_time(self.now_ms, &mut hot.audit);
                timed = true;
            }
            audit::append(event, &mut hot.audit);
        }
    }

    /// Notes what a service printed, beside the events that its end brought about.
    pub(super) fn note_output(&mut self, key: InstanceKey, level: LoggingLevel, output: &Output) {
        let Some(hot) = self.cache.get_mut(key) else { return };
        if hot.dirty && hot.definition.logging().level >= level {
            audit::append_time(self.now_ms, &mut hot.audit);
            audit::append_output(output, &mut hot.audit);
        }
    }

    /// The change of a job's row, unless its instance is volatile.
    pub(super) fn job_row(&mut self, instance: InstanceKey, change: JobChange) {
        if self.cache.get(instance).is_some_and(Hot::is_volatile) {
            return;
        }
        let job = match &change {
            JobChange::Ready { job, .. }
            | JobChange::Leased { job, .. }
            | JobChange::Gone { job, .. } => *job,
        };
        self.batch.set_job(job, change);
    }
}

fn is_start(event: &Event, definition: &Definition) -> bool {
    let (Event::StepActivated { element, .. } | Event::StepCompleted { element, .. }) = event
    else {
        return false;
    };
    let element = definition.program.element(bpmn::ElementIndex(*element));
    matches!(element.kind, bpmn::Kind::Start(_))
}

/// What a command to an instance that is not there is answered with.
fn gone(key: InstanceKey, command: &Command) -> Rejection {
    match command {
        Command::LeaseJob { job, .. }
        | Command::CompleteJob { job, .. }
        | Command::FailJob { job, .. }
        | Command::ThrowError { job, .. }
        | Command::ExpireLease { job }
        | Command::ReleaseJob { job, .. }
        | Command::UpdateRetries { job, .. }
        | Command::UpdateDeadline { job, .. } => Rejection::JobGone(*job),
        Command::ResolveIncident { incident } => Rejection::IncidentGone(*incident),
        Command::SetVariables { step, .. } => Rejection::StepGone(*step),
        Command::FireTimer { .. }
        | Command::Correlate { .. }
        | Command::AcceptChild { .. }
        | Command::RefuseChild { .. }
        | Command::CompleteChild { .. }
        | Command::CatchChildError { .. }
        | Command::LeaveUncaught { .. }
        | Command::FailCall { .. }
        | Command::FailForServer { .. }
        | Command::TakeLock { .. }
        | Command::TimeOutLock { .. }
        | Command::LoseLock { .. }
        | Command::Quarantine { .. }
        | Command::Cancel { .. }
        | Command::Continue => Rejection::InstanceGone(key),
    }
}
