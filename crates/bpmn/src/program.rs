//! The compiled process: flat arrays of elements and flows, every reference resolved, every
//! expression compiled.
//!
//! Boundary: immutable after compilation; the engine reads it and nothing else writes it.
//! Invariants: PRG-1 every index is in range. PRG-2 element 0 is the process itself and has no
//! scope; every other element has one. PRG-3 a boundary event is listed by the activity that it
//! is attached to.
//! Read first: [`Program`], then [`Element`], then [`Kind`].

use feel::{Expression, Str};
use markup::Place;

/// Position of an element in [`Program::elements`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementIndex(pub u32);

/// Position of a sequence flow in [`Program::flows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowIndex(pub u32);

impl ElementIndex {
    /// The process itself.
    pub const PROCESS: Self = Self(0);
}

/// One executable process.
#[derive(Debug, Clone)]
pub struct Program {
    /// The BPMN process id.
    pub id: Str,
    /// The human name, or the id.
    pub name: Str,
    /// `zeebe:versionTag`.
    pub version_tag: Option<Str>,
    /// Element 0 is the process.
    pub elements: Vec<Element>,
    /// The sequence flows.
    pub flows: Vec<Flow>,
}

impl Program {
    /// The element at `index`.
    #[must_use]
    pub fn element(&self, index: ElementIndex) -> &Element {
        &self.elements[index.0 as usize]
    }

    /// The flow at `index`.
    #[must_use]
    pub fn flow(&self, index: FlowIndex) -> &Flow {
        &self.flows[index.0 as usize]
    }

    /// The element with the BPMN id `id`.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<ElementIndex> {
        let position = self.elements.iter().position(|element| &*element.id == id)?;
        u32::try_from(position).ok().map(ElementIndex)
    }
}

/// A flow node, a subprocess, or the process itself.
#[derive(Debug, Clone)]
pub struct Element {
    /// The BPMN id.
    pub id: Str,
    /// The human name, or the id.
    pub name: Str,
    /// What it is and does.
    pub kind: Kind,
    /// The element that contains it: a subprocess or the process. None for the process.
    pub scope: Option<ElementIndex>,
    /// Sequence flows that lead here.
    pub incoming: Vec<FlowIndex>,
    /// Sequence flows that lead away, in document order.
    pub outgoing: Vec<FlowIndex>,
    /// Boundary events attached here.
    pub boundary: Vec<ElementIndex>,
    /// Elements directly inside (process and subprocess).
    pub children: Vec<ElementIndex>,
    /// `zeebe:input` mappings, in order.
    pub inputs: Vec<Mapping>,
    /// `zeebe:output` mappings, in order.
    pub outputs: Vec<Mapping>,
    /// `zeebe:property` name and value pairs; also the attributes of the `pointsman` namespace.
    pub properties: Vec<(Str, Str)>,
    /// The name of the innermost lane that lists it.
    pub lane: Option<Str>,
    /// The logical server that it is assigned to, by itself, its lane, or what is around it. Of
    /// all steps, only services of packages run there.
    pub logical_server: Option<Str>,
    /// Multi-instance or standard loop marker. None until the whole of BPMN is read.
    pub repeat: Option<LoopSpec>,
    /// Where it stands in the source.
    pub place: Place,
}

/// A loop marker; no model with one passes `check` yet.
#[derive(Debug, Clone)]
pub struct LoopSpec {
    /// Sequential or parallel.
    pub sequential: bool,
}

/// `source` is evaluated and written to the variable path `target`.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The compiled source.
    pub source: Expression,
    /// The target path, split at the dots; never empty.
    pub target: Vec<Str>,
}

/// A sequence flow.
#[derive(Debug, Clone)]
pub struct Flow {
    /// The BPMN id.
    pub id: Str,
    /// From.
    pub source: ElementIndex,
    /// To.
    pub target: ElementIndex,
    /// The condition, for flows that leave an exclusive gateway.
    pub condition: Option<Expression>,
}

/// What an element is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// The process itself.
    Process,
    /// An embedded subprocess; `start` is its none start event.
    SubProcess {
        /// Where it begins.
        start: ElementIndex,
    },
    /// A start event of the process or of a subprocess.
    Start(StartTrigger),
    /// A none end event.
    EndNone,
    /// Ends its path and throws a BPMN error.
    EndError {
        /// Yields the error code.
        code: Expression,
    },
    /// Sends, then ends its path.
    EndMessage(SendSpec),
    /// Terminates everything in its scope.
    EndTerminate,
    /// Waits for a message or a timer.
    IntermediateCatch(Catch),
    /// Does nothing and goes on.
    IntermediateNone,
    /// Sends a message and goes on.
    IntermediateMessage(SendSpec),
    /// Attached to an activity.
    Boundary {
        /// The activity.
        attached_to: ElementIndex,
        /// Whether the activity ends when the event occurs (`cancelActivity`).
        interrupting: bool,
        /// What it waits for.
        catch: Catch,
    },
    /// Takes the first flow whose condition is true, else the default.
    ExclusiveGateway {
        /// The default flow.
        default: Option<FlowIndex>,
    },
    /// Waits for all incoming flows, then takes all outgoing ones.
    ParallelGateway,
    /// An undefined task: passes through.
    Task,
    /// A manual task: passes through.
    ManualTask,
    /// A service task: one job.
    ServiceTask(JobSpec),
    /// A service task of type `pointsman:lock`: acquires a named lock.
    Lock(LockSpec),
    /// A service task of type `pointsman:unlock`: gives the lock of this name back.
    Unlock {
        /// Yields the name.
        name: Expression,
    },
    /// A send task: a job or a published document.
    SendTask(SendSpec),
    /// A script task.
    ScriptTask(Script),
    /// A business rule task.
    BusinessRuleTask(Rule),
    /// Waits for a message.
    ReceiveTask(MessageSpec),
    /// Calls another process.
    CallActivity(CallActivity),
}

/// What starts an instance at a start event.
#[derive(Debug, Clone)]
pub enum StartTrigger {
    /// Started by name, by a trigger without message, or by its subprocess.
    None,
    /// Started by a message of this name (no correlation key is read from the subscription).
    Message {
        /// The message name.
        name: Expression,
    },
    /// Started by the clock.
    Timer(TimerSpec),
}

/// What a catch event or boundary event waits for.
#[derive(Debug, Clone)]
pub enum Catch {
    /// A message.
    Message(MessageSpec),
    /// A timer.
    Timer(TimerSpec),
    /// A BPMN error (boundary events only). None catches every code.
    Error {
        /// The code.
        code: Option<Str>,
    },
}

/// A subscription to a message.
#[derive(Debug, Clone)]
pub struct MessageSpec {
    /// Yields the message name.
    pub name: Expression,
    /// Yields the correlation key (text or number).
    pub correlation_key: Expression,
}

/// A timer definition.
#[derive(Debug, Clone)]
pub struct TimerSpec {
    /// Which of the three kinds.
    pub text: TimerText,
    /// Yields ISO 8601 text (or a temporal value).
    pub expression: Expression,
}

/// The kind of a timer definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerText {
    /// `timeDate`
    Date,
    /// `timeDuration`
    Duration,
    /// `timeCycle`
    Cycle,
}

/// Work done outside the state machine.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// Yields the job type. A constant that starts with `service:` names a service of a package.
    pub job_type: Expression,
    /// Yields the number of tries; default 3.
    pub retries: Expression,
    /// `zeebe:taskHeaders`, in order.
    pub headers: Vec<(Str, Str)>,
}

/// Acquiring a named lock.
#[derive(Debug, Clone)]
pub struct LockSpec {
    /// Yields the name.
    pub name: Expression,
    /// Yields the ISO 8601 duration after which the step gives up; none or null: it waits on.
    pub timeout: Option<Expression>,
    /// The variable that takes the fencing number.
    pub fence_variable: Option<Str>,
}

/// How a message throw event, message end event or send task sends.
#[derive(Debug, Clone)]
pub enum SendSpec {
    /// A job for a worker or service.
    Job(JobSpec),
    /// The engine publishes.
    Publish(Publication),
}

/// What the engine publishes by itself.
#[derive(Debug, Clone)]
pub struct Publication {
    /// To whom.
    pub target: Target,
    /// Yields the message name or document type.
    pub name: Expression,
}

/// Where a publication goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// `zeebe:publishMessage`: a message to waiting instances.
    Message {
        /// Yields the correlation key.
        correlation_key: Expression,
        /// Yields the message id, if any.
        message_id: Option<Expression>,
        /// Yields the time to live as an ISO duration, if any.
        time_to_live: Option<Expression>,
    },
    /// A document of the type that the message is named after; its content is the element's
    /// local variables, or all visible ones if it has no input mapping.
    Document,
}

/// A script task.
#[derive(Debug, Clone)]
pub enum Script {
    /// `zeebe:script`: a FEEL expression whose value goes to a variable.
    Feel {
        /// The expression.
        expression: Expression,
        /// The variable that takes the value.
        result_variable: Str,
    },
    /// A job for a worker.
    Job(JobSpec),
}

/// A business rule task.
#[derive(Debug, Clone)]
pub enum Rule {
    /// `zeebe:calledDecision`: a DMN decision whose result goes to a variable.
    Decision(CalledDecision),
    /// A job for a worker.
    Job(JobSpec),
}

/// `zeebe:calledDecision`.
#[derive(Debug, Clone)]
pub struct CalledDecision {
    /// Yields the id of the decision.
    pub decision_id: Expression,
    /// The variable that takes the result.
    pub result_variable: Str,
    /// Which version is evaluated.
    pub binding: Binding,
}

/// Which version of a decision a business rule task evaluates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// The newest one.
    Latest,
    /// The one deployed together with the process.
    Deployment,
    /// The newest one with this version tag.
    VersionTag(Str),
}

/// `zeebe:calledElement`.
#[derive(Debug, Clone)]
pub struct CallActivity {
    /// Yields the id of the called process.
    pub process_id: Expression,
    /// Whether all variables of the child come back when there is no output mapping.
    pub propagate_all_child_variables: bool,
    /// Whether the child gets all visible variables, or only the local ones.
    pub propagate_all_parent_variables: bool,
    /// `bindingType="versionTag"`: the tag to use.
    pub version_tag: Option<Str>,
    /// `bindingType="deployment"`: the version deployed together with the caller.
    pub same_deployment: bool,
}
