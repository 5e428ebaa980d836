//! The root of a file: which processes are executable, which messages and errors there are.
//!
//! Boundary: collaborations, diagrams, data stores, signals and the like are passed over; an
//! element that refers to something unsupported is refused where it stands.
//! Read first: [`read`], then [`Globals`].

use std::collections::{BTreeMap, BTreeSet};

use markup::{Report, Spot};
use roxmltree::{Document, Node};

use crate::code;
use crate::source::{ErrorCode, Message, Process, Reference, Text};
use crate::xml::{self, BPMN, ZEEBE, process};

/// What stands beside the processes and is referred to by id.
#[derive(Debug, Default)]
pub(super) struct Globals<'a> {
    messages: BTreeMap<&'a str, Message<'a>>,
    errors: BTreeMap<&'a str, ErrorCode<'a>>,
}

impl<'a> Globals<'a> {
    /// The message that the attribute `messageRef` of `node` names.
    pub(super) fn message(&self, node: Node<'a, '_>) -> Reference<'a, Message<'a>> {
        find(&self.messages, xml::filled(node, "messageRef"))
    }

    /// The error that the attribute `errorRef` of `node` names.
    pub(super) fn error(&self, node: Node<'a, '_>) -> Reference<'a, ErrorCode<'a>> {
        find(&self.errors, xml::filled(node, "errorRef"))
    }
}

/// References are qualified names: what stands before a colon is a prefix, unless it is in the id.
fn find<'a, T: Clone>(
    known: &BTreeMap<&'a str, T>,
    reference: Option<Text<'a>>,
) -> Reference<'a, T> {
    let Some(id) = reference else { return Reference::Absent };
    let local = id.rsplit(':').next().unwrap_or(&id);
    match known.get(id.trim()).or_else(|| known.get(local.trim())) {
        Some(found) => Reference::Known(found.clone()),
        None => Reference::Unknown(id),
    }
}

/// The executable processes, in document order.
pub(super) fn read<'a>(document: &'a Document<'_>, report: &mut Report<'_>) -> Vec<Process<'a>> {
    let root = document.root_element();
    if !xml::is_bpmn(root, "definitions") {
        not_bpmn(root, report);
        return Vec::new();
    }
    let globals = globals(root, report);
    let mut ids = BTreeSet::new();
    let mut processes = Vec::new();
    let mut others = 0;
    for node in root.children().filter(|node| xml::is_bpmn(*node, "process")) {
        if !xml::is_set(node, "isExecutable", false) {
            others += 1;
            continue;
        }
        let process = process::read(node, &globals, report);
        if !ids.insert(process.id.to_string()) {
            let message = format!("two processes have the id `{}`", &*process.id);
            report.error(code::ID_TWICE, process.spot(), message, "rename one of the two");
        }
        processes.push(process);
    }
    if processes.is_empty() {
        let message = match others {
            0 => "the file has no process".to_owned(),
            1 => "the process of this file is not executable".to_owned(),
            _ => format!("none of the {others} processes of this file is executable"),
        };
        let hint = "set `isExecutable=\"true\"` at the process that is to run";
        let spot = Spot::file(xml::offset(root));
        report.error(code::NO_EXECUTABLE_PROCESS, spot, message, hint);
    }
    processes
}

fn not_bpmn(root: Node<'_, '_>, report: &mut Report<'_>) {
    let name = root.tag_name().name();
    let message = match root.tag_name().namespace() {
        Some(namespace) => format!("the root is `{name}` of the namespace `{namespace}`"),
        None => format!("the root is `{name}` without a namespace"),
    };
    let hint = "the root of a BPMN 2.0 file is `definitions` of the namespace \
                `http://www.omg.org/spec/BPMN/20100524/MODEL`";
    report.error(code::NOT_BPMN, Spot::file(xml::offset(root)), message, hint);
}

fn globals<'a>(root: Node<'a, '_>, report: &mut Report<'_>) -> Globals<'a> {
    let mut globals = Globals::default();
    for node in root.children().filter(|node| node.tag_name().namespace() == Some(BPMN)) {
        let Some(id) = node.attribute("id").map(str::trim) else { continue };
        let known = match node.tag_name().name() {
            "message" => {
                let message = Message {
                    name: xml::filled(node, "name"),
                    correlation_key: correlation_key(node),
                };
                globals.messages.insert(id, message).is_some()
            }
            "error" => {
                let error = ErrorCode { code: xml::filled(node, "errorCode") };
                globals.errors.insert(id, error).is_some()
            }
            _ => false,
        };
        if known {
            let spot = Spot::element(xml::offset(node), id);
            let message = format!("the id `{id}` is used twice");
            report.error(code::ID_TWICE, spot, message, "rename one of the two");
        }
    }
    globals
}

/// `zeebe:subscription` of a message.
fn correlation_key<'a>(message: Node<'a, '_>) -> Option<Text<'a>> {
    let extensions = message.children().find(|node| xml::is_bpmn(*node, "extensionElements"))?;
    let is_subscription = |node: &Node<'_, '_>| node.has_tag_name((ZEEBE, "subscription"));
    xml::attribute(extensions.children().find(is_subscription)?, "correlationKey")
}
