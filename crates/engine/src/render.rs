//! Events, effects and rejections as short lines of text: what scenarios compare and logs print.
//!
//! Boundary: reads values, decides nothing. A [`Log`] remembers the labels of one instance's steps
//! and timers, because later events name them by key only.
//! Read first: [`Log::event`], then [`Names`].   Tests: tests/scenarios/

pub mod decision;
mod effect;
pub(crate) mod lock;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};

use bpmn::Program;
use feel::{Str, Value};

use crate::event::{Event, ReadyCause, Started};
use crate::ids::{IncidentKey, InstanceKey, JobKey, StepKey};
use crate::rejection::Rejection;
use crate::value::Variables;

/// How keys and times are shown.
pub trait Names {
    /// An instance.
    fn instance(&self, key: InstanceKey) -> String {
        key.to_string()
    }

    /// A job.
    fn job(&self, key: JobKey) -> String {
        key.to_string()
    }

    /// A timer, by its key.
    fn timer(&self, key: u64) -> String {
        format!("tmr_{key}")
    }

    /// An incident.
    fn incident(&self, key: IncidentKey) -> String {
        key.to_string()
    }

    /// A moment, in milliseconds since 1970 UTC.
    fn time(&self, at_ms: i64) -> String {
        jiff::Timestamp::from_millisecond(at_ms)
            .map_or_else(|_| format!("{at_ms} ms"), |time| time.to_string())
    }
}

/// Shows keys with their prefixes and times in UTC.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keys;

impl Names for Keys {}

/// What the lines of one instance need to know of the lines before.
#[derive(Debug, Clone, Default)]
pub struct Log {
    instance: Option<InstanceKey>,
    steps: BTreeMap<StepKey, Label>,
    /// How often each element was activated.
    activations: BTreeMap<u32, u32>,
    /// The catching element of each timer.
    timers: BTreeMap<u64, u32>,
}

#[derive(Debug, Clone, Default)]
struct Label {
    text: String,
    entered: bool,
}

impl Log {
    /// The line of an event, if it deserves one. Events come in order; what comes later than
    /// their step's activation may be missing, then keys stand in for labels.
    pub fn event(&mut self, event: &Event, program: &Program, names: &dyn Names) -> Option<String> {
        match event {
            Event::InstanceStarted(started) => Some(self.started(started, names)),
            Event::StepActivated { step, element, .. } => {
                self.activated(*step, *element, program);
                None
            }
            Event::StepEntered { step } | Event::ScopeEntered { step } => {
                self.steps.entry(*step).or_default().entered = true;
                Some(format!("{} entered", self.step(*step, names)))
            }
            Event::StepCompleted { step, element } => {
                let entered = self.steps.get(step).is_some_and(|label| label.entered);
                let verb = if entered { "left" } else { "entered, left" };
                Some(format!("{} {verb}", self.step_or(*step, *element, program, names)))
            }
            Event::StepTerminated { step, element } => {
                Some(format!("{} aborted", self.step_or(*step, *element, program, names)))
            }
            Event::FlowTaken { flow, join, .. } => {
                let gateway = self.at(program, (*join)?, names);
                let flow = usize::try_from(*flow).ok().and_then(|at| program.flows.get(at))?;
                Some(format!("{gateway} reached along {}", flow.id))
            }
            Event::VariablesSet { step, variables } => {
                Some(format!("{} sets {}", self.step(*step, names), assignments(variables)))
            }
            Event::BlockTaken { .. } => Some("  takes another block of keys".to_string()),
            Event::JoinPassed { .. } | Event::TurnEnded { .. } => None,
            Event::InstanceCompleted => Some(format!("{} completed", self.name(names))),
            Event::InstanceCancelled => Some(format!("{} cancelled", self.name(names))),
            Event::InstanceFailed { reason } => {
                Some(format!("{} failed: {reason}", self.name(names)))
            }
            Event::ServerFailed { server } => {
                Some(format!("{}: its server {server} died", self.name(names)))
            }
            Event::StepFailed { step, element } => {
                Some(format!("{} failed", self.step_or(*step, *element, program, names)))
            }
            _ => self
                .job_event(event, names)
                .or_else(|| self.wait_event(event, program, names))
                .or_else(|| lock::event(self, event, names))
                .or_else(|| decision::event(self, event, names)),
        }
    }

    /// The line of an effect.
    #[must_use]
    pub fn effect(
        &self,
        effect: &crate::effect::Effect,
        program: &Program,
        names: &dyn Names,
    ) -> String {
        effect::line(self, effect, program, names)
    }

    /// Why a command was refused.
    #[must_use]
    pub fn rejection(&self, rejection: &Rejection, names: &dyn Names) -> String {
        match rejection {
            Rejection::InstanceGone(key) => format!("{} has ended", names.instance(*key)),
            Rejection::JobGone(key) => format!("job {} is gone", names.job(*key)),
            Rejection::JobFailed(key) => {
                format!("job {} has failed and waits for a person", names.job(*key))
            }
            Rejection::JobNotLeased(key) => format!("job {} is with no worker", names.job(*key)),
            Rejection::IncidentGone(key) => format!("incident {} is gone", names.incident(*key)),
            Rejection::NoRetries(key) => format!("job {} has no retries left", names.job(*key)),
            Rejection::StepGone(key) => format!("{} is gone", self.step(*key, names)),
            Rejection::Called { instance, caller } => {
                let (instance, caller) = (names.instance(*instance), names.instance(*caller));
                format!("{instance} was called by {caller}: cancel that one")
            }
            Rejection::Stale => "no longer waited for".to_string(),
            Rejection::NoStart { wanted } => format!("there is no start event: {wanted}"),
            Rejection::Duplicate => "a message of this id is still there".to_string(),
            Rejection::LockNotHeld { owner, holder } => lock::not_held(owner, holder, names),
            Rejection::LockPassedOn { holder: Some(holder) } => {
                format!("the lock went on to {}", lock::owner(holder, names))
            }
            Rejection::LockPassedOn { holder: None } => "nobody holds the lock".to_string(),
            Rejection::Invalid { detail } => detail.clone(),
        }
    }

    /// The label of a step: instance, element id, and which activation if not the first.
    #[must_use]
    pub fn step(&self, step: StepKey, names: &dyn Names) -> String {
        if self.instance.is_some_and(|instance| instance.0 == step.0) {
            return self.name(names);
        }
        match self.steps.get(&step).filter(|label| !label.text.is_empty()) {
            Some(label) => format!("{}/{}", self.name(names), label.text),
            None => format!("{}/{step}", self.name(names)),
        }
    }

    /// The newest step with this label (without the instance).
    #[must_use]
    pub fn find(&self, label: &str) -> Option<StepKey> {
        self.steps.iter().rev().find(|(_, known)| known.text == label).map(|(key, _)| *key)
    }

    fn name(&self, names: &dyn Names) -> String {
        self.instance.map(|instance| names.instance(instance)).unwrap_or_default()
    }

    /// As [`Log::step`]; the element's id if its activation was not logged.
    fn step_or(&self, step: StepKey, element: u32, program: &Program, names: &dyn Names) -> String {
        let is_root = self.instance.is_some_and(|instance| instance.0 == step.0);
        if is_root || self.steps.contains_key(&step) {
            self.step(step, names)
        } else {
            self.at(program, element, names)
        }
    }

    /// An element of this instance.
    fn at(&self, program: &Program, element: u32, names: &dyn Names) -> String {
        format!("{}/{}", self.name(names), id_of(program, element))
    }

    fn started(&mut self, started: &Started, names: &dyn Names) -> String {
        self.instance = Some(started.instance);
        let mut line =
            format!("{} created {}@{}", self.name(names), started.process, started.version);
        if let Some(caller) = &started.caller {
            line.push_str(&format!(" by {}", names.instance(caller.instance)));
        }
        if let (Some(name), Some(key)) = (&started.holds_name, &started.holds_key) {
            line.push_str(&format!(" holding {}", message(name, key)));
        }
        if let Some(key) = &started.business_key {
            line.push_str(&format!(" for {key}"));
        }
        line
    }

    fn activated(&mut self, step: StepKey, element: u32, program: &Program) {
        let times = self.activations.entry(element).or_default();
        *times += 1;
        let id = id_of(program, element);
        let text = if *times == 1 { id } else { format!("{id}#{times}") };
        self.steps.insert(step, Label { text, entered: false });
    }

    fn job_event(&self, event: &Event, names: &dyn Names) -> Option<String> {
        Some(match event {
            Event::JobCreated { job, job_type, retries, .. } => {
                let rest = match retries {
                    3 => String::new(),
                    retries => format!(", retries {retries}"),
                };
                format!("  job {} {job_type} offered{rest}", names.job(*job))
            }
            Event::JobLeased { job, worker, deadline_ms } => {
                let until = names.time(*deadline_ms);
                format!("  job {} leased to {worker} until {until}", names.job(*job))
            }
            Event::JobCompleted { job } => format!("  job {} done", names.job(*job)),
            Event::JobFailed { job, retries, message, back_off_until_ms } => {
                let mut line = format!("  job {} failed, retries {retries}", names.job(*job));
                if let Some(until) = back_off_until_ms {
                    line.push_str(&format!(", again {}", names.time(*until)));
                }
                with_reason(line, message)
            }
            Event::JobReadied { job, cause } => {
                let cause = match cause {
                    ReadyCause::LeaseExpired => "lease expired",
                    ReadyCause::BackOffOver => "back-off over",
                    ReadyCause::IncidentResolved => "incident resolved",
                };
                format!("  job {} offered again: {cause}", names.job(*job))
            }
            Event::JobErrorThrown { job, code, message } => {
                with_reason(format!("  job {} threw {code}", names.job(*job)), message)
            }
            Event::JobWithdrawn { job } => format!("  job {} withdrawn", names.job(*job)),
            Event::RetriesUpdated { job, retries } => {
                format!("  job {} retries {retries}", names.job(*job))
            }
            Event::DeadlineUpdated { job, deadline_ms } => {
                format!("  job {} leased until {}", names.job(*job), names.time(*deadline_ms))
            }
            _ => return None,
        })
    }

    fn wait_event(
        &mut self,
        event: &Event,
        program: &Program,
        names: &dyn Names,
    ) -> Option<String> {
        Some(match event {
            Event::TimerArmed { timer, element, due_ms, .. } => {
                self.timers.insert(*timer, *element);
                let (timer, due) = (names.timer(*timer), names.time(*due_ms));
                format!("  timer {timer} due {due} ({})", id_of(program, *element))
            }
            Event::TimerFired { timer } => match self.timers.get(timer) {
                Some(element) => format!("{} fired", self.at(program, *element, names)),
                None => format!("  timer {} fired", names.timer(*timer)),
            },
            Event::TimerDisarmed { timer } => format!("  timer {} disarmed", names.timer(*timer)),
            Event::SubscriptionOpened { element, name, key, .. } => {
                format!("  waits for {} ({})", message(name, key), id_of(program, *element))
            }
            Event::MessageCorrelated { element, .. } => {
                format!("{} received", self.at(program, *element, names))
            }
            Event::SubscriptionClosed { element, .. } => {
                format!("  waits no more ({})", id_of(program, *element))
            }
            Event::IncidentRaised { incident, step, kind, message } => {
                let (step, incident) = (self.step(*step, names), names.incident(*incident));
                format!("{step} incident {incident} {}: {message}", kind.name())
            }
            Event::IncidentResolved { incident } => {
                format!("  incident {} resolved", names.incident(*incident))
            }
            Event::ChildCalled { step, process } => {
                format!("{} calls {process}", self.step(*step, names))
            }
            Event::ChildStarted { child, .. } => {
                format!("  runs {}", names.instance(*child))
            }
            Event::ChildEnded { step } => {
                format!("{}: its child has ended", self.step(*step, names))
            }
            Event::ErrorEscalated { step, code } => {
                format!("{} error {code} goes to the caller", self.step(*step, names))
            }
            Event::Published { step, name } => {
                format!("{} publishes {name}", self.step(*step, names))
            }
            _ => return None,
        })
    }
}

/// A message's name and correlation key.
pub(crate) fn message(name: &Str, key: &Str) -> String {
    if key.is_empty() { name.to_string() } else { format!("{name}/{key}") }
}

fn id_of(program: &Program, element: u32) -> String {
    let found = usize::try_from(element).ok().and_then(|at| program.elements.get(at));
    found.map_or_else(|| format!("#{element}"), |element| element.id.to_string())
}

fn with_reason(mut line: String, reason: &str) -> String {
    if !reason.is_empty() {
        line.push_str(": ");
        line.push_str(reason);
    }
    line
}

fn assignments(variables: &Variables) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(name);
        text.push_str(" = ");
        feel::json::write(value, &mut text);
    }
    text
}

/// A context as JSON.
pub(crate) fn json(context: &feel::Context) -> String {
    feel::json::to_string(&Value::Context(context.clone()))
}
