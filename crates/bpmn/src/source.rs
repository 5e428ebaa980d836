//! What a file says, before anything is checked: the common form of BPMN XML and of the text form.
//!
//! Boundary: the readers (`xml`, `text`) write it, `compile` reads it. Texts keep their offset, so
//! that each later problem has a place. References to messages and errors are looked up by the
//! reader; references between elements and flows are still ids.
//! Invariants: SRC-1 a node's scope is an earlier node.
//! Read first: [`Process`], then [`Node`], then [`Form`].

use std::borrow::Cow;

use markup::{Spot, short};

use crate::program::TimerText;

/// Text and the byte offset where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Text<'a> {
    pub(crate) value: Cow<'a, str>,
    pub(crate) at: u32,
}

impl<'a> Text<'a> {
    pub(crate) fn new(value: impl Into<Cow<'a, str>>, at: u32) -> Self {
        Self { value: value.into(), at }
    }

    /// Whether there is nothing but white space.
    pub(crate) fn is_blank(&self) -> bool {
        self.value.trim().is_empty()
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.value
    }
}

/// One executable process.
#[derive(Debug)]
pub(crate) struct Process<'a> {
    pub(crate) at: u32,
    pub(crate) id: Text<'a>,
    pub(crate) name: Option<Text<'a>>,
    pub(crate) extensions: Extensions<'a>,
    /// The logical servers that lanes name.
    pub(crate) lane_servers: Vec<Text<'a>>,
    /// All flow nodes of the process and of its subprocesses, in document order.
    pub(crate) nodes: Vec<Node<'a>>,
    pub(crate) flows: Vec<Flow<'a>>,
}

impl Process<'_> {
    pub(crate) fn spot(&self) -> Spot<'_> {
        Spot::element(self.at, &self.id)
    }
}

/// One flow node.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) at: u32,
    pub(crate) id: Text<'a>,
    pub(crate) name: Option<Text<'a>>,
    /// The position of the subprocess that contains it; none directly in the process.
    pub(crate) scope: Option<usize>,
    pub(crate) lane: Option<Text<'a>>,
    /// The logical server of the innermost lane around it that names one.
    pub(crate) lane_server: Option<Text<'a>>,
    pub(crate) form: Form<'a>,
    /// The `default` attribute: the id of a flow.
    pub(crate) default: Option<Text<'a>>,
    pub(crate) extensions: Extensions<'a>,
}

impl Node<'_> {
    pub(crate) fn spot(&self) -> Spot<'_> {
        Spot::element(self.at, &self.id)
    }

    /// What it is called in messages: kind and id.
    pub(crate) fn title(&self) -> String {
        titled(self.form.title(), &self.id)
    }
}

/// A kind and an id, as messages show them.
pub(crate) fn titled(kind: &str, id: &str) -> String {
    if id.is_empty() { format!("{kind} without id") } else { format!("{kind} `{}`", short(id)) }
}

/// Which BPMN element it is, with what only this element has.
#[derive(Debug)]
pub(crate) enum Form<'a> {
    SubProcess,
    Start(Vec<Event<'a>>),
    End(Vec<Event<'a>>),
    Catch(Vec<Event<'a>>),
    Throw(Vec<Event<'a>>),
    Boundary(Boundary<'a>),
    ExclusiveGateway,
    ParallelGateway,
    Task,
    ManualTask,
    ServiceTask,
    SendTask(Reference<'a, Message<'a>>),
    ScriptTask,
    BusinessRuleTask,
    ReceiveTask(Reference<'a, Message<'a>>),
    CallActivity,
    /// Already refused; kept so that the flows to and from it are not refused as well.
    Refused {
        title: String,
    },
}

impl Form<'_> {
    /// The BPMN name in words.
    pub(crate) fn title(&self) -> &str {
        match self {
            Self::SubProcess => "subprocess",
            Self::Start(_) => "start event",
            Self::End(_) => "end event",
            Self::Catch(_) => "intermediate catch event",
            Self::Throw(_) => "intermediate throw event",
            Self::Boundary(_) => "boundary event",
            Self::ExclusiveGateway => "exclusive gateway",
            Self::ParallelGateway => "parallel gateway",
            Self::Task => "task",
            Self::ManualTask => "manual task",
            Self::ServiceTask => "service task",
            Self::SendTask(_) => "send task",
            Self::ScriptTask => "script task",
            Self::BusinessRuleTask => "business rule task",
            Self::ReceiveTask(_) => "receive task",
            Self::CallActivity => "call activity",
            Self::Refused { title } => title,
        }
    }

    /// Whether boundary events may be attached to it.
    pub(crate) fn is_activity(&self) -> bool {
        match self {
            Self::SubProcess
            | Self::Task
            | Self::ManualTask
            | Self::ServiceTask
            | Self::SendTask(_)
            | Self::ScriptTask
            | Self::BusinessRuleTask
            | Self::ReceiveTask(_)
            | Self::CallActivity
            | Self::Refused { .. } => true,
            Self::Start(_)
            | Self::End(_)
            | Self::Catch(_)
            | Self::Throw(_)
            | Self::Boundary(_)
            | Self::ExclusiveGateway
            | Self::ParallelGateway => false,
        }
    }
}

/// What only a boundary event has.
#[derive(Debug)]
pub(crate) struct Boundary<'a> {
    /// The id of the activity.
    pub(crate) attached_to: Option<Text<'a>>,
    /// `cancelActivity`
    pub(crate) interrupting: bool,
    pub(crate) events: Vec<Event<'a>>,
}

/// An event definition.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    Message {
        at: u32,
        message: Reference<'a, Message<'a>>,
    },
    Timer {
        at: u32,
        texts: Vec<(TimerText, Text<'a>)>,
    },
    Error {
        at: u32,
        error: Reference<'a, ErrorCode<'a>>,
    },
    Terminate {
        at: u32,
    },
    /// Already refused.
    Refused,
}

/// A reference to something that stands elsewhere in the file.
#[derive(Debug)]
pub(crate) enum Reference<'a, T> {
    /// There is none.
    Absent,
    /// Nothing has this id.
    Unknown(Text<'a>),
    Known(T),
}

/// `bpmn:message`
#[derive(Debug, Clone)]
pub(crate) struct Message<'a> {
    pub(crate) name: Option<Text<'a>>,
    pub(crate) correlation_key: Option<Text<'a>>,
}

/// `bpmn:error`
#[derive(Debug, Clone)]
pub(crate) struct ErrorCode<'a> {
    pub(crate) code: Option<Text<'a>>,
}

/// A sequence flow.
#[derive(Debug)]
pub(crate) struct Flow<'a> {
    pub(crate) at: u32,
    pub(crate) id: Text<'a>,
    pub(crate) source: Option<Text<'a>>,
    pub(crate) target: Option<Text<'a>>,
    pub(crate) condition: Option<Text<'a>>,
}

/// What the `zeebe` and `pointsman` namespaces add to an element.
#[derive(Debug, Default)]
pub(crate) struct Extensions<'a> {
    pub(crate) task_definition: Option<TaskDefinition<'a>>,
    pub(crate) headers: Vec<Entry<'a>>,
    pub(crate) inputs: Vec<Entry<'a>>,
    pub(crate) outputs: Vec<Entry<'a>>,
    pub(crate) properties: Vec<(Text<'a>, Text<'a>)>,
    pub(crate) called_element: Option<CalledElement<'a>>,
    pub(crate) script: Option<FeelScript<'a>>,
    pub(crate) called_decision: Option<CalledDecision<'a>>,
    pub(crate) publish_message: Option<PublishMessage<'a>>,
    pub(crate) version_tag: Option<Text<'a>>,
    /// `pointsman:logicalServer`
    pub(crate) logical_server: Option<Text<'a>>,
}

/// What names a logical server: an extension element, a property or an attribute.
pub(crate) const LOGICAL_SERVER: &str = "pointsman:logicalServer";

impl<'a> Extensions<'a> {
    /// The logical servers that are named here; there should be one at most.
    pub(crate) fn logical_servers(&self) -> impl Iterator<Item = &Text<'a>> {
        let properties = self.properties.iter().filter(|(name, _)| &**name == LOGICAL_SERVER);
        self.logical_server.iter().chain(properties.map(|(_, value)| value))
    }
}

/// A header (key, value) or a mapping (target, source).
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) at: u32,
    /// `key` or `target`
    pub(crate) name: Option<Text<'a>>,
    /// `value` or `source`
    pub(crate) value: Option<Text<'a>>,
}

/// `zeebe:taskDefinition`
#[derive(Debug)]
pub(crate) struct TaskDefinition<'a> {
    pub(crate) at: u32,
    pub(crate) job_type: Option<Text<'a>>,
    pub(crate) retries: Option<Text<'a>>,
}

/// `zeebe:calledElement`
#[derive(Debug)]
pub(crate) struct CalledElement<'a> {
    pub(crate) at: u32,
    pub(crate) process_id: Option<Text<'a>>,
    pub(crate) propagate_all_child_variables: Option<Text<'a>>,
    pub(crate) propagate_all_parent_variables: Option<Text<'a>>,
    pub(crate) binding: Option<Text<'a>>,
    pub(crate) version_tag: Option<Text<'a>>,
}

/// `zeebe:calledDecision`
#[derive(Debug)]
pub(crate) struct CalledDecision<'a> {
    pub(crate) at: u32,
    pub(crate) decision_id: Option<Text<'a>>,
    pub(crate) result_variable: Option<Text<'a>>,
    pub(crate) binding: Option<Text<'a>>,
    pub(crate) version_tag: Option<Text<'a>>,
}

/// `zeebe:script`
#[derive(Debug)]
pub(crate) struct FeelScript<'a> {
    pub(crate) at: u32,
    pub(crate) expression: Option<Text<'a>>,
    pub(crate) result_variable: Option<Text<'a>>,
}

/// `zeebe:publishMessage`
#[derive(Debug)]
pub(crate) struct PublishMessage<'a> {
    pub(crate) at: u32,
    pub(crate) correlation_key: Option<Text<'a>>,
    pub(crate) message_id: Option<Text<'a>>,
    pub(crate) time_to_live: Option<Text<'a>>,
}
