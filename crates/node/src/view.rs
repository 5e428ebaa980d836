//! The path that an instance took, as a tree, from its audit log.
//!
//! Boundary: reads records and the program; drawing is the faces' business.
//! Read first: [`path_of`].   Tests: at the end of this file.

use bpmn::{ElementIndex, Program};
use engine::Event;
use engine::ids::{InstanceKey, StepKey};
use hashbrown::HashMap;

use crate::audit::Record;

/// One step of the path.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// The step.
    pub step: StepKey,
    /// The BPMN id of its element.
    pub element: String,
    /// The name of its element.
    pub name: String,
    /// What kind of element it is, in BPMN's words.
    pub kind: &'static str,
    /// When it was entered, milliseconds since 1970 UTC.
    pub entered_ms: i64,
    /// When it was left.
    pub left_ms: Option<i64>,
    /// `active`, `completed` or `terminated`.
    pub state: &'static str,
    /// What happened to it that is worth telling.
    pub notes: Vec<(i64, String)>,
    /// The instance that it called.
    pub child: Option<InstanceKey>,
}

/// A step with the steps inside it.
#[derive(Debug, Clone, PartialEq)]
pub struct PathStep {
    /// The step.
    pub view: StepView,
    /// Steps inside, in the order in which they were entered.
    pub inside: Vec<PathStep>,
}

/// The steps of an instance in the order in which they were entered, as a tree.
#[must_use]
pub fn path_of(instance: InstanceKey, records: &[Record], program: &Program) -> Vec<PathStep> {
    let mut steps: Vec<(StepKey, StepView)> = Vec::new();
    let mut at: HashMap<StepKey, usize> = HashMap::new();
    let mut jobs: HashMap<u64, StepKey> = HashMap::new();
    for Record { at_ms, event } in records {
        if let Event::StepActivated { step, element, scope } = event {
            at.insert(*step, steps.len());
            steps.push((*scope, begin(*step, *element, *at_ms, program)));
        }
        let Some((subject, change)) = change_of(event, &mut jobs) else { continue };
        let Some(view) = at.get(&subject).and_then(|index| steps.get_mut(*index)) else { continue };
        match change {
            Change::Left(state) => {
                view.1.left_ms = Some(*at_ms);
                view.1.state = state;
            }
            Change::Note(text) => view.1.notes.push((*at_ms, text)),
            Change::Child(child) => view.1.child = Some(child),
        }
    }
    let mut inside: HashMap<StepKey, Vec<StepView>> = HashMap::new();
    for (scope, view) in steps {
        inside.entry(scope).or_default().push(view);
    }
    gather(StepKey(instance.0), &mut inside)
}

fn gather(scope: StepKey, inside: &mut HashMap<StepKey, Vec<StepView>>) -> Vec<PathStep> {
    let views = inside.remove(&scope).unwrap_or_default();
    views
        .into_iter()
        .map(|view| {
            let inside = gather(view.step, inside);
            PathStep { view, inside }
        })
        .collect()
}

enum Change {
    Left(&'static str),
    Note(String),
    Child(InstanceKey),
}

fn change_of(event: &Event, jobs: &mut HashMap<u64, StepKey>) -> Option<(StepKey, Change)> {
    let note = |step: &StepKey, text: String| Some((*step, Change::Note(text)));
    match event {
        Event::StepCompleted { step, .. } => Some((*step, Change::Left("completed"))),
        Event::StepTerminated { step, .. } => Some((*step, Change::Left("terminated"))),
        Event::JobCreated { step, job, job_type, .. } => {
            jobs.insert(job.0, *step);
            note(step, format!("job of type `{job_type}` offered"))
        }
        Event::JobLeased { job, worker, .. } => {
            note(jobs.get(&job.0)?, format!("taken by `{worker}`"))
        }
        Event::JobFailed { job, retries, message, .. } => {
            note(jobs.get(&job.0)?, format!("failed, {retries} tries left: {message}"))
        }
        Event::JobErrorThrown { job, code, message } => {
            note(jobs.get(&job.0)?, format!("threw error `{code}`: {message}"))
        }
        Event::TimerArmed { step, .. } => note(step, "timer armed".to_owned()),
        Event::SubscriptionOpened { step, name, key, .. } => {
            note(step, format!("waits for message `{name}` with key `{key}`"))
        }
        Event::MessageCorrelated { step, .. } => note(step, "message received".to_owned()),
        Event::IncidentRaised { incident, step, kind, message } => {
            jobs.insert(incident.0, *step);
            note(step, format!("incident {}: {message}", kind.name()))
        }
        Event::IncidentResolved { incident } => {
            note(jobs.get(&incident.0)?, "incident resolved".to_owned())
        }
        Event::DecisionEvaluated { step, decision, version, evaluated, .. } => {
            let text = engine::render::decision::text(evaluated);
            note(step, format!("decision `{decision}` version {version}: {text}"))
        }
        Event::ExpressionWarned { step, warnings } => {
            note(step, format!("warning: {}", warnings.join("; ")))
        }
        Event::Published { step, name } => note(step, format!("published `{name}`")),
        Event::ChildStarted { step, child } => Some((*step, Change::Child(*child))),
        Event::ErrorEscalated { step, code } => {
            note(step, format!("error `{code}` passed to the caller"))
        }
        _ => None,
    }
}

fn begin(step: StepKey, element: u32, at_ms: i64, program: &Program) -> StepView {
    let known =
        program.elements.get(element as usize).map(|_| program.element(ElementIndex(element)));
    StepView {
        step,
        element: known.map_or_else(|| element.to_string(), |known| known.id.to_string()),
        name: known.map_or_else(String::new, |known| known.name.to_string()),
        kind: known.map_or("unknown", |known| kind_of(&known.kind)),
        entered_ms: at_ms,
        left_ms: None,
        state: "active",
        notes: Vec::new(),
        child: None,
    }
}

/// The BPMN word for a kind of element.
#[must_use]
pub(crate) fn kind_of(kind: &bpmn::Kind) -> &'static str {
    use bpmn::Kind;
    match kind {
        Kind::Process => "process",
        Kind::SubProcess { .. } => "subProcess",
        Kind::Start(_) => "startEvent",
        Kind::EndNone | Kind::EndError { .. } | Kind::EndMessage(_) | Kind::EndTerminate => {
            "endEvent"
        }
        Kind::IntermediateCatch(_) => "intermediateCatchEvent",
        Kind::IntermediateNone | Kind::IntermediateMessage(_) => "intermediateThrowEvent",
        Kind::Boundary { .. } => "boundaryEvent",
        Kind::ExclusiveGateway { .. } => "exclusiveGateway",
        Kind::ParallelGateway => "parallelGateway",
        Kind::Task => "task",
        Kind::ManualTask => "manualTask",
        Kind::ServiceTask(_) | Kind::Lock(_) | Kind::Unlock { .. } => "serviceTask",
        Kind::SendTask(_) => "sendTask",
        Kind::ScriptTask(_) => "scriptTask",
        Kind::ReceiveTask(_) => "receiveTask",
        Kind::BusinessRuleTask(_) => "businessRuleTask",
        Kind::CallActivity(_) => "callActivity",
    }
}
