//! Event definitions.
//!
//! Boundary: which definition is possible at which event is known to `compile::event`.
//! Read first: [`definitions`].

use markup::{Report, Spot};
use roxmltree::Node as Xml;

use crate::code;
use crate::program::TimerText;
use crate::source::{Event, Extensions, Text};
use crate::xml::definitions::Globals;
use crate::xml::{self, BPMN, extension};

/// The event definitions of `node`. Extension elements of a message definition are those of the
/// event.
pub(super) fn definitions<'a>(
    node: Xml<'a, '_>,
    globals: &Globals<'a>,
    extensions: &mut Extensions<'a>,
    report: &mut Report<'_>,
) -> Vec<Event<'a>> {
    let id = xml::id(node);
    let mut events = Vec::new();
    for child in node.children() {
        if child.tag_name().namespace() != Some(BPMN) {
            continue;
        }
        let at = xml::offset(child);
        let name = child.tag_name().name();
        events.push(match name {
            "messageEventDefinition" => {
                extension::read(child, &id, extensions, report);
                Event::Message { at, message: globals.message(child) }
            }
            "timerEventDefinition" => Event::Timer { at, texts: timer_texts(child) },
            "errorEventDefinition" => Event::Error { at, error: globals.error(child) },
            "terminateEventDefinition" => Event::Terminate { at },
            _ if name.ends_with("EventDefinition") || name == "eventDefinitionRef" => {
                refuse(name, Spot::element(at, &id), report);
                Event::Refused
            }
            _ => continue,
        });
    }
    if xml::is_set(node, "parallelMultiple", false) {
        refuse("parallelMultiple", Spot::element(xml::offset(node), &id), report);
    }
    events
}

fn timer_texts<'a>(definition: Xml<'a, '_>) -> Vec<(TimerText, Text<'a>)> {
    let mut texts = Vec::new();
    for child in definition.children().filter(|child| child.tag_name().namespace() == Some(BPMN)) {
        let kind = match child.tag_name().name() {
            "timeDate" => TimerText::Date,
            "timeDuration" => TimerText::Duration,
            "timeCycle" => TimerText::Cycle,
            _ => continue,
        };
        texts.push((kind, xml::content(child)));
    }
    texts
}

fn refuse(name: &str, spot: Spot<'_>, report: &mut Report<'_>) {
    let (title, hint) = match name {
        "signalEventDefinition" => ("signal", "use a message"),
        "escalationEventDefinition" => ("escalation", "use a message or an error"),
        "compensateEventDefinition" => ("compensation", "undo with steps on an error path"),
        "conditionalEventDefinition" => ("conditional", "use a message or an exclusive gateway"),
        "linkEventDefinition" => ("link", "draw the sequence flow itself"),
        "cancelEventDefinition" => ("cancel", "use an error"),
        "parallelMultiple" => ("parallel multiple", "use a parallel gateway with several events"),
        _ => (name, "use a message, a timer or an error"),
    };
    let message = format!("{title} events are not supported yet");
    report.error(code::EVENT_UNSUPPORTED, spot, message, hint);
}
