//! Carrying out what an instance asked for, as a shard does within one turn.
//!
//! Boundary: what buckets ask for is in `bucket`.
//! Invariants: WLD-1 the effects of one aggregate are carried out in the order of its decisions; a
//! child that begins is made known to its caller before anything that it asked for is done.
//! Read first: [`World::settle`].

use alloc::format;
use alloc::string::String;

use feel::{Context, Str};

use crate::command::{Caller, CancelledBy, Command, Start};
use crate::effect::{Effect, Report};
use crate::ids::{InstanceKey, StepKey};
use crate::lock::{self, Party};
use crate::message;
use crate::rejection::Rejection;

use super::verify;
use super::world::{Pending, World};

/// More turns than this at one input are a fault of the scenario.
const TURNS_MAX: u32 = 10_000;

/// What a call activity asks for.
struct Call {
    step: StepKey,
    process: Str,
    version_tag: Option<Str>,
    variables: Context,
}

impl World {
    /// Carries out everything that is pending, and gives the turns that were asked for.
    pub(super) fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            while let Some(pending) = self.queue.pop_front() {
                match pending {
                    Pending::Instance(key, effect) => self.carry(key, effect),
                    Pending::Bucket(at, effect) => self.carry_bucket(at, effect),
                    Pending::Lock(name, effect) => self.carry_lock(&name, effect),
                }
            }
            verify::rows(self);
            let next = if self.manual { None } else { self.turns.pop_front() };
            let Some(instance) = next else { return };
            self.try_tell(instance, Command::Continue);
        }
        self.say("… and so on");
        self.turns.clear();
    }

    /// Tells an instance something that may have become pointless.
    pub(super) fn try_tell(&mut self, key: InstanceKey, command: Command) -> bool {
        match self.tell(key, command) {
            Ok(()) => true,
            Err(Rejection::InstanceGone(_)) => false,
            Err(rejection) => {
                self.refuse(key, &rejection);
                false
            }
        }
    }

    fn carry(&mut self, key: InstanceKey, effect: Effect) {
        match effect {
            Effect::OfferJob { job, .. } => {
                self.rows.jobs.insert(job, (key, None));
            }
            Effect::KeepLease { job, deadline_ms, .. } => {
                self.rows.jobs.insert(job, (key, Some(deadline_ms)));
            }
            Effect::DropJob { job, .. } => {
                self.rows.jobs.remove(&job);
            }
            Effect::ArmTimer { timer, due_ms } => {
                self.rows.timers.insert((due_ms, timer), key);
            }
            Effect::DisarmTimer { timer, due_ms } => {
                self.rows.timers.remove(&(due_ms, timer));
            }
            Effect::OpenIncident { incident, .. } => {
                self.rows.incidents.insert(incident, key);
            }
            Effect::CloseIncident { incident } => {
                self.rows.incidents.remove(&incident);
            }
            Effect::ClaimBlock { .. } | Effect::PublishDocument { .. } => {}
            Effect::Continue { .. } => self.turns.push_back(key),
            effect => self.carry_across(key, effect),
        }
    }

    /// Effects that concern another aggregate.
    fn carry_across(&mut self, key: InstanceKey, effect: Effect) {
        match effect {
            Effect::Subscribe { name, key: correlation, step, element, once } => {
                let Some(running) = self.instances.get(&key) else { return };
                let process = running.state.process.clone();
                let waiting = message::Waiting { instance: key, step, element, process, once };
                self.tell_bucket(&(name, correlation), message::Command::Subscribe(waiting));
            }
            Effect::Unsubscribe { name, key: correlation, step, element } => {
                let command = message::Command::Unsubscribe { step, element };
                self.tell_bucket(&(name, correlation), command);
            }
            Effect::PublishMessage { name, key: correlation, id, time_to_live_ms, variables } => {
                let publication = (id, time_to_live_ms, variables);
                self.publish(&(name, correlation), publication, None);
            }
            Effect::StartChild { .. }
            | Effect::ReportToCaller { .. }
            | Effect::ReportUncaught { .. }
            | Effect::AcquireLock { .. }
                if !self.answers => {}
            Effect::StartChild { step, process, version_tag, variables, .. } => {
                self.start_child(key, Call { step, process, version_tag, variables });
            }
            Effect::AcquireLock { step, name, deadline_ms } => {
                let party = Party::Step { instance: key, step };
                let command = lock::Command::Acquire { party, deadline_ms, lease_until_ms: None };
                // Only clients are refused.
                let _accepted = self.tell_lock(&name, &command);
            }
            Effect::ReleaseLock { name, step } => {
                let command = lock::Command::Release { party: Party::Step { instance: key, step } };
                // An operator may have taken it away, and its wake-up may have been first.
                let _void = self.tell_lock(&name, &command);
            }
            Effect::CancelChild { child } => {
                self.try_tell(child, Command::Cancel { by: CancelledBy::Caller });
            }
            Effect::FailChild { child, server } => {
                self.try_tell(child, Command::FailForServer { server });
            }
            Effect::ReportToCaller { caller, report } => self.report(caller, report),
            Effect::ReportUncaught { thrower, code, message } => {
                let command = Command::LeaveUncaught { step: thrower.step, code, message };
                self.try_tell(thrower.instance, command);
            }
            Effect::End { holds: Some(at), .. } => {
                self.tell_bucket(&at, message::Command::Release { instance: key });
            }
            _ => {}
        }
    }

    fn report(&mut self, caller: Caller, report: Report) {
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
        self.try_tell(caller.instance, command);
    }

    /// WLD-1: the child's start is decided, its caller accepts, then both sides' effects follow.
    fn start_child(&mut self, caller: InstanceKey, call: Call) {
        let step = call.step;
        if let Some(reason) = self.refusal(&call) {
            self.try_tell(caller, Command::RefuseChild { step, reason: reason.as_str().into() });
            return;
        }
        let start = Start {
            element: None,
            variables: call.variables,
            caller: Some(Caller { instance: caller, step, depth: self.depth(caller) + 1 }),
            origin: None,
            holds: None,
            business_key: None,
        };
        match self.start(&call.process, start, None) {
            Ok((child, effects)) => {
                let accepted = self.decide(caller, Command::AcceptChild { step, child });
                self.enqueue(child, effects);
                match accepted {
                    Ok(effects) => self.enqueue(caller, effects),
                    Err(_) => {
                        self.try_tell(child, Command::Cancel { by: CancelledBy::Caller });
                    }
                }
            }
            Err(_) => {
                let reason = format!("process `{}` has no none start event", call.process);
                let reason = reason.as_str().into();
                self.try_tell(caller, Command::RefuseChild { step, reason });
            }
        }
    }

    fn depth(&self, instance: InstanceKey) -> u32 {
        self.instances.get(&instance).map_or(0, |running| running.state.depth())
    }

    fn refusal(&self, call: &Call) -> Option<String> {
        let process = &call.process;
        let Some(model) = self.models.get(&**process) else {
            return Some(format!("process `{process}` is not deployed"));
        };
        if !model.enabled {
            return Some(format!("process `{process}` is not enabled"));
        }
        match (&call.version_tag, &model.program.version_tag) {
            (Some(wanted), found) if Some(wanted) != found.as_ref() => {
                Some(format!("process `{process}` has no version with tag `{wanted}`"))
            }
            _ => None,
        }
    }
}
