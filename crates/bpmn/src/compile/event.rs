//! Start, end, intermediate and boundary events.
//!
//! Boundary: which flows an event may have is checked in `check`; what a process must start with in
//! `check::scope`.
//! Read first: [`start`], [`end`], [`boundary`].

use markup::Report;

use crate::code;
use crate::compile::timer::{self, Position};
use crate::compile::{expression, message};
use crate::program::{Catch, ElementIndex, Kind, StartTrigger};
use crate::source::{Boundary, ErrorCode, Event, Node, Reference, Text};

/// A start event of the process or of a subprocess.
pub(super) fn start(node: &Node<'_>, events: &[Event<'_>], report: &mut Report<'_>) -> Kind {
    if node.scope.is_some() && !events.is_empty() {
        let text = format!("{} of a subprocess has a trigger", node.title());
        let hint = "a subprocess starts when it is reached: use a plain start event";
        report.error(code::START_WITH_TRIGGER, node.spot(), text, hint);
        return Kind::Start(StartTrigger::None);
    }
    let trigger = match single(node, events, report) {
        None | Some(Event::Refused) => StartTrigger::None,
        Some(Event::Message { at, message }) => {
            let spot = node.spot().moved(*at);
            let name = message::name(node, message, spot, report);
            expression::without_variables("name", &name, spot, report);
            StartTrigger::Message { name }
        }
        Some(Event::Timer { at, texts }) => {
            let spot = node.spot().moved(*at);
            let spec = timer::timer(texts, Position::ProcessStart, spot, report);
            expression::without_variables("timer", &spec.expression, spot, report);
            StartTrigger::Timer(spec)
        }
        Some(event @ (Event::Error { .. } | Event::Terminate { .. })) => {
            impossible(node, event, report);
            StartTrigger::None
        }
    };
    Kind::Start(trigger)
}

/// An end event.
pub(super) fn end(node: &Node<'_>, events: &[Event<'_>], report: &mut Report<'_>) -> Kind {
    match single(node, events, report) {
        None | Some(Event::Refused) => Kind::EndNone,
        Some(Event::Message { at, message }) => {
            Kind::EndMessage(message::send(node, message, node.spot().moved(*at), report))
        }
        Some(Event::Error { at, error }) => end_error(node, *at, error, report),
        Some(Event::Terminate { .. }) => Kind::EndTerminate,
        Some(event @ Event::Timer { .. }) => {
            impossible(node, event, report);
            Kind::EndNone
        }
    }
}

/// An intermediate catch event.
pub(super) fn intermediate_catch(
    node: &Node<'_>,
    events: &[Event<'_>],
    report: &mut Report<'_>,
) -> Kind {
    match single(node, events, report) {
        Some(Event::Message { at, message }) => {
            let spot = node.spot().moved(*at);
            let spec = message::subscription(node, message, spot, report);
            Kind::IntermediateCatch(Catch::Message(spec))
        }
        Some(Event::Timer { at, texts }) => {
            let spot = node.spot().moved(*at);
            let spec = timer::timer(texts, Position::Catch, spot, report);
            Kind::IntermediateCatch(Catch::Timer(spec))
        }
        Some(event @ (Event::Error { .. } | Event::Terminate { .. })) => {
            impossible(node, event, report);
            Kind::IntermediateNone
        }
        Some(Event::Refused) => Kind::IntermediateNone,
        None => {
            without_definition(node, report);
            Kind::IntermediateNone
        }
    }
}

/// An intermediate throw event.
pub(super) fn intermediate_throw(
    node: &Node<'_>,
    events: &[Event<'_>],
    report: &mut Report<'_>,
) -> Kind {
    match single(node, events, report) {
        None | Some(Event::Refused) => Kind::IntermediateNone,
        Some(Event::Message { at, message }) => {
            Kind::IntermediateMessage(message::send(node, message, node.spot().moved(*at), report))
        }
        Some(event @ (Event::Timer { .. } | Event::Error { .. } | Event::Terminate { .. })) => {
            impossible(node, event, report);
            Kind::IntermediateNone
        }
    }
}

/// A boundary event of the activity `attached_to`.
pub(super) fn boundary(
    node: &Node<'_>,
    boundary: &Boundary<'_>,
    attached_to: ElementIndex,
    report: &mut Report<'_>,
) -> Kind {
    let interrupting = boundary.interrupting;
    let catch = match single(node, &boundary.events, report) {
        Some(Event::Message { at, message }) => {
            let spot = node.spot().moved(*at);
            Catch::Message(message::subscription(node, message, spot, report))
        }
        Some(Event::Timer { at, texts }) => {
            let position = if interrupting {
                Position::InterruptingBoundary
            } else {
                Position::NonInterruptingBoundary
            };
            Catch::Timer(timer::timer(texts, position, node.spot().moved(*at), report))
        }
        Some(Event::Error { at, error }) => {
            if !interrupting {
                let text = format!("{} catches an error but does not interrupt", node.title());
                let hint = "an error ends its activity: make the boundary event interrupting";
                report.error(code::BOUNDARY_ERROR, node.spot(), text, hint);
            }
            Catch::Error { code: caught_code(node, *at, error, report) }
        }
        Some(event @ Event::Terminate { .. }) => {
            impossible(node, event, report);
            Catch::Error { code: None }
        }
        Some(Event::Refused) => Catch::Error { code: None },
        None => {
            without_definition(node, report);
            Catch::Error { code: None }
        }
    };
    Kind::Boundary { attached_to, interrupting, catch }
}

fn end_error(
    node: &Node<'_>,
    at: u32,
    error: &Reference<'_, ErrorCode<'_>>,
    report: &mut Report<'_>,
) -> Kind {
    let spot = node.spot().moved(at);
    let code = match error {
        Reference::Known(ErrorCode { code: Some(code) }) if !code.is_blank() => {
            expression::feel_or_constant("errorCode", code, spot, report)
        }
        Reference::Known(_) => {
            let text = format!("the error that {} throws has no code", node.title());
            report.error(code::ERROR_CODE, spot, text, "give the error a code");
            expression::nothing()
        }
        Reference::Absent => {
            let text = format!("{} refers to no error", node.title());
            report.error(code::ERROR_REFERENCE, spot, text, "choose an error for it");
            expression::nothing()
        }
        Reference::Unknown(id) => {
            unknown_error(node, id, report);
            expression::nothing()
        }
    };
    Kind::EndError { code }
}

/// The code that a boundary event catches; none catches all.
fn caught_code(
    node: &Node<'_>,
    at: u32,
    error: &Reference<'_, ErrorCode<'_>>,
    report: &mut Report<'_>,
) -> Option<feel::Str> {
    match error {
        Reference::Known(ErrorCode { code: Some(code) }) if code.starts_with('=') => {
            let text = format!("the error code that {} catches is an expression", node.title());
            let hint = "a caught code is a fixed text; only thrown codes may be computed";
            report.error(code::ERROR_CODE, node.spot().moved(at), text, hint);
            None
        }
        Reference::Known(ErrorCode { code: Some(code) }) if !code.is_blank() => {
            Some((&*code.value).into())
        }
        Reference::Known(_) | Reference::Absent => None,
        Reference::Unknown(id) => {
            unknown_error(node, id, report);
            None
        }
    }
}

fn unknown_error(node: &Node<'_>, id: &Text<'_>, report: &mut Report<'_>) {
    let text = format!("{} refers to the error `{}`, which is not there", node.title(), &**id);
    let hint = "choose one of the file's errors, or add this one";
    report.error(code::ERROR_REFERENCE, node.spot().moved(id.at), text, hint);
}

/// The event definition, if there is one; several are reported.
fn single<'e, 'a>(
    node: &Node<'_>,
    events: &'e [Event<'a>],
    report: &mut Report<'_>,
) -> Option<&'e Event<'a>> {
    if events.len() > 1 {
        let text = format!("{} has {} event definitions", node.title(), events.len());
        let hint = "keep one; draw an event of its own for each of the others";
        report.error(code::EVENT_DEFINITION, node.spot(), text, hint);
    }
    events.first()
}

fn without_definition(node: &Node<'_>, report: &mut Report<'_>) {
    let text = format!("{} has no event definition", node.title());
    let hint = "say what it waits for: a message, a timer or, at a boundary, an error";
    report.error(code::EVENT_DEFINITION, node.spot(), text, hint);
}

fn impossible(node: &Node<'_>, event: &Event<'_>, report: &mut Report<'_>) {
    let (what, at) = match event {
        Event::Message { at, .. } => ("a message", *at),
        Event::Timer { at, .. } => ("a timer", *at),
        Event::Error { at, .. } => ("an error", *at),
        Event::Terminate { at } => ("a termination", *at),
        Event::Refused => return,
    };
    let text = format!("{what} is not possible at {}", node.title());
    let hint = "BPMN has no such event: use another event definition or another kind of event";
    report.error(code::EVENT_DEFINITION, node.spot().moved(at), text, hint);
}
