//! Commands in, events and effects out.
//!
//! Boundary: the entry point of the aggregate; what each element does is in `element/`, what is
//! shared between elements in the sibling modules.
//! Invariants: DEC-1 a rejected command leaves the state as it was. DEC-2 one turn enters at most
//! `turn_steps_max` steps.
//! Read first: [`start`], then [`decide`].   Tests: tests/scenarios/

use alloc::string::ToString;
use alloc::vec::Vec;

use bpmn::{Element, ElementIndex, Kind, Program, StartTrigger};

use crate::command::{CancelledBy, Command, Start};
use crate::draft::{Draft, Work};
use crate::effect::Effect;
use crate::event::{Event, IncidentKind, Started};
use crate::ids::{DefinitionKey, InstanceKey, StepKey};
use crate::limits::Stamp;
use crate::rejection::Rejection;
use crate::value::from_context;

use super::activation::Activation;
use super::state::{Instance, Status, Step, StepPhase, Wait};
use super::{apply, element, end, failure, incident, job, scope, subscription, variables};

/// What a decision brought about.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What the shell must do, in order.
    pub effects: Vec<Effect>,
    /// What a worker gets, if the command leased a job.
    pub activation: Option<Activation>,
}

/// What applies to all instances of one process version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Its key.
    pub definition: DefinitionKey,
    /// Its version number.
    pub version: u32,
    /// Whether adjacent steps run in one turn on the pipeline in memory (R20, R21); otherwise
    /// every transition is durable before the next step is entered.
    pub optimize_locally: bool,
}

/// Begins an instance.
///
/// # Errors
/// [`Rejection::NoStart`] if the process has no such start event.
pub fn start(
    key: InstanceKey,
    program: &Program,
    rules: &Rules,
    command: Start,
    stamp: &mut Stamp<'_>,
) -> Result<(Instance, Decision), Rejection> {
    let first = start_event(program, command.element)?;
    let (holds_name, holds_key) = match command.holds {
        Some((name, key)) => (Some(name), Some(key)),
        None => (None, None),
    };
    let started = Started {
        instance: key,
        definition: rules.definition,
        process: program.id.clone(),
        version: rules.version,
        caller: command.caller,
        origin: command.origin,
        holds_name,
        holds_key,
        at_ms: stamp.now_ms,
        business_key: command.business_key,
    };
    let mut state = apply::begin(&started);
    let mut draft = Draft::new(&mut state, program, rules, stamp);
    draft.record(Event::InstanceStarted(started));
    let root = draft.state.root();
    if !command.variables.is_empty() {
        let variables = from_context(&command.variables);
        draft.record(Event::VariablesSet { step: root, variables });
    }
    scope::activate(&mut draft, root, first);
    let decision = finish(draft, None);
    Ok((state, decision))
}

fn is_in_process(element: Option<&Element>) -> bool {
    element.is_some_and(|element| element.scope == Some(ElementIndex::PROCESS))
}

fn start_event(program: &Program, wanted: Option<u32>) -> Result<ElementIndex, Rejection> {
    if let Some(position) = wanted {
        let known = usize::try_from(position).ok().and_then(|at| program.elements.get(at));
        return match known.map(|element| &element.kind) {
            Some(Kind::Start(_)) if is_in_process(known) => Ok(ElementIndex(position)),
            _ => Err(Rejection::NoStart { wanted: position.to_string() }),
        };
    }
    let process = program.element(ElementIndex::PROCESS);
    process
        .children
        .iter()
        .copied()
        .find(|child| matches!(program.element(*child).kind, Kind::Start(StartTrigger::None)))
        .ok_or_else(|| Rejection::NoStart { wanted: "none start event".to_string() })
}

/// Answers a command to a running instance.
///
/// # Errors
/// A [`Rejection`]; the state is then unchanged.
pub fn decide(
    state: &mut Instance,
    program: &Program,
    rules: &Rules,
    command: Command,
    stamp: &mut Stamp<'_>,
) -> Result<Decision, Rejection> {
    if state.status != Status::Active {
        return Err(Rejection::InstanceGone(state.key));
    }
    let mut draft = Draft::new(state, program, rules, stamp);
    let activation = perform(&mut draft, command)?;
    Ok(finish(draft, activation))
}

fn perform(draft: &mut Draft<'_, '_>, command: Command) -> Result<Option<Activation>, Rejection> {
    match command {
        Command::LeaseJob { job, worker, deadline_ms } => {
            return job::lease(draft, job, worker, deadline_ms).map(Some);
        }
        Command::CompleteJob { job, variables } => job::complete(draft, job, &variables)?,
        Command::FailJob { job, retries, message, back_off_ms, variables } => {
            let failure = job::Failure { retries, message, back_off_ms };
            job::fail(draft, job, &failure, &variables)?;
        }
        Command::ThrowError { job, code, message, variables } => {
            job::throw(draft, job, &element::Thrown { code, message, variables })?;
        }
        Command::ExpireLease { job } => job::expire(draft, job)?,
        Command::ReleaseJob { job, attempt } => job::release(draft, job, attempt)?,
        Command::UpdateRetries { job, retries } => job::update_retries(draft, job, retries)?,
        Command::UpdateDeadline { job, deadline_ms } => {
            job::update_deadline(draft, job, deadline_ms)?;
        }
        Command::FireTimer { id, due_ms } => subscription::fire(draft, id, due_ms)?,
        Command::Correlate { step, element, variables } => {
            subscription::correlate(draft, step, element, &variables)?;
        }
        Command::AcceptChild { step, child } => element::call::accept(draft, step, child)?,
        Command::RefuseChild { step, reason } => element::call::refuse(draft, step, &reason)?,
        Command::CompleteChild { step, child, variables } => {
            element::call::complete(draft, step, child, &variables)?;
        }
        Command::CatchChildError { step, child, thrower, code, message, variables } => {
            let thrown = element::Thrown { code, message, variables };
            element::call::catch(draft, step, child, thrower, &thrown)?;
        }
        Command::LeaveUncaught { step, code, message } => {
            incident::leave_uncaught(draft, step, &code, &message)?;
        }
        Command::FailCall { step, child, server } => {
            failure::fail_call(draft, step, child, &server)?;
        }
        Command::FailForServer { server } => failure::for_server(draft, &server)?,
        Command::Quarantine { reason } => incident::quarantine(draft, &reason)?,
        Command::TakeLock { step, name, fence } => element::lock::take(draft, step, &name, fence)?,
        Command::TimeOutLock { step, name } => element::lock::time_out(draft, step, &name)?,
        Command::LoseLock { name, fence } => element::lock::lose(draft, &name, fence)?,
        Command::ResolveIncident { incident } => incident::resolve(draft, incident)?,
        Command::SetVariables { step, variables, reach } => {
            variables::set(draft, step, &variables, reach)?;
        }
        Command::Cancel { by } => cancel(draft, by)?,
        Command::Continue => resume(draft),
    }
    Ok(None)
}

fn cancel(draft: &mut Draft<'_, '_>, by: CancelledBy) -> Result<(), Rejection> {
    if let (CancelledBy::Client, Some(caller)) = (by, draft.state.caller) {
        let instance = draft.state.key;
        return Err(Rejection::Called { instance, caller: caller.instance });
    }
    let root = draft.state.root();
    end::terminate_inside(draft, root);
    end::finish(draft, end::Ending::Cancelled);
    Ok(())
}

/// Takes up the steps that the last turn activated but did not enter.
pub(crate) fn resume(draft: &mut Draft<'_, '_>) {
    let limited = |step: &Step| {
        step.incident.as_ref().is_some_and(|incident| incident.kind == IncidentKind::StepLimit)
    };
    if draft.state.incidents > 0 && draft.state.steps.values().any(limited) {
        return;
    }
    let waiting: Vec<StepKey> = draft
        .state
        .steps
        .iter()
        .filter(|(_, step)| {
            step.phase == StepPhase::Entering
                && step.wait == Wait::Nothing
                && step.incident.is_none()
        })
        .map(|(key, _)| *key)
        .collect();
    draft.work.extend(waiting.into_iter().map(Work::Enter));
}

/// Works until everything waits, the turn's budget is used up, or the instance has ended.
fn finish(mut draft: Draft<'_, '_>, activation: Option<Activation>) -> Decision {
    let mut entered = 0;
    let mut deferred = false;
    while let Some(work) = draft.work.pop_front() {
        if draft.state.status != Status::Active || draft.doubt.is_some() {
            break;
        }
        match work {
            Work::Enter(_) if deferred || draft.halted => {}
            Work::Enter(step) => {
                let after_commit = !draft.rules.optimize_locally && draft.completed > 0;
                if after_commit || entered >= draft.stamp.limits.turn_steps_max {
                    deferred = true;
                    draft.effect(Effect::Continue { after_commit });
                    continue;
                }
                entered += 1;
                draft.run += 1;
                element::enter(&mut draft, step);
            }
            Work::Settle(step) => scope::settle(&mut draft, step),
        }
    }
    if let Some(what) = draft.doubt.take() {
        // What was decided so far stands; a second doubt adds nothing.
        let _known = incident::quarantine(&mut draft, &what);
    }
    let next = draft.keys.next;
    let run = draft.run;
    let run_until_ms = if deferred { i64::MAX } else { draft.stamp.now_ms };
    if !draft.events.is_empty() && draft.state.status == Status::Active {
        draft.record(Event::TurnEnded { next, run, run_until_ms });
    }
    Decision { events: draft.events, effects: draft.effects, activation }
}

#[cfg(test)]
mod tests {
    use feel::Context;

    use super::*;
    use crate::ids::{Blocks, ShardId};
    use crate::limits::Limits;

    /// Shows DRF-2 where tests would panic: in production, where a doubt is only noted.
    #[test]
    fn a_doubt_stops_the_decision_and_quarantines_the_instance() {
        let program = bpmn::read_text("start s -> a\n task a -> b type=a\n task b type=b");
        let program = program.expect("a model");
        let rules = Rules { definition: DefinitionKey(1), version: 1, optimize_locally: true };
        let limits = Limits::default();
        let mut blocks = Blocks::new(ShardId(1), 1);
        let key = InstanceKey(blocks.take().first());
        let command = Start {
            element: None,
            variables: Context::default(),
            caller: None,
            origin: None,
            holds: None,
            business_key: None,
        };
        let decisions = &crate::NoDecisions;
        let mut stamp = Stamp { now_ms: 0, limits: &limits, blocks: &mut blocks, decisions };
        let (mut state, first) =
            start(key, &program, &rules, command, &mut stamp).expect("it starts");
        let job = first.effects.iter().find_map(|effect| match effect {
            Effect::OfferJob { job, .. } => Some(*job),
            _ => None,
        });
        let mut draft = Draft::new(&mut state, &program, &rules, &mut stamp);
        job::complete(&mut draft, job.expect("a job"), &Context::default()).expect("a job");
        draft.doubt = Some("JOB-3: for a test".into());
        let decision = finish(draft, None);
        assert!(state.is_quarantined());
        let entered = |event: &Event| matches!(event, Event::StepEntered { .. });
        assert!(!decision.events.iter().any(entered), "{:?}", decision.events);
        let opened = |effect: &Effect| matches!(effect, Effect::OpenIncident { .. });
        assert!(decision.effects.iter().any(opened));
    }
}
