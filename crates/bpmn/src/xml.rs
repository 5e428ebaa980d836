//! BPMN 2.0 XML, as the Camunda Modeler and others write it, to the common source form.
//!
//! The tree that `markup` makes of a file is taken apart: one file for the root, one for processes,
//! one for events, one for extension elements. Namespaces are recognised by their URI, whatever
//! the prefix.
//!
//! Boundary: reports what cannot be read or is not supported; what is wrong with the model is
//! found by `compile` and `check`. No recursion over the tree.
//! Read first: [`read`].   Tests: `tests/bad_files.rs`, `tests/models.rs`

mod definitions;
mod event;
mod extension;
mod process;
mod support;

use markup::Report;
use roxmltree::{Attribute, Document, Node};

use crate::source::{Process, Text};

/// The namespace of BPMN 2.0.
const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";
/// The namespace of Camunda 8.
const ZEEBE: &str = "http://camunda.org/schema/zeebe/1.0";
/// Our own namespace.
const POINTSMAN: &str = "http://pointsman.dev/schema/1.0";

/// The executable processes of the file.
pub(crate) fn read<'a>(document: &'a Document<'_>, report: &mut Report<'_>) -> Vec<Process<'a>> {
    definitions::read(document, report)
}

/// Whether `node` is the BPMN element `name`.
fn is_bpmn(node: Node<'_, '_>, name: &str) -> bool {
    node.tag_name().name() == name && node.tag_name().namespace() == Some(BPMN)
}

/// Where `node` begins.
fn offset(node: Node<'_, '_>) -> u32 {
    narrow(node.range().start)
}

/// The attribute `name` (without namespace).
fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<Text<'a>> {
    node.attribute_node(name).map(|attribute| value(&attribute))
}

/// The attribute `name`, with nothing for a missing or blank one.
fn filled<'a>(node: Node<'a, '_>, name: &str) -> Option<Text<'a>> {
    attribute(node, name).filter(|text| !text.is_blank())
}

/// The id; blank where there is none.
fn id<'a>(node: Node<'a, '_>) -> Text<'a> {
    attribute(node, "id").unwrap_or_else(|| Text::new("", offset(node)))
}

/// Whether the attribute `name` says yes.
fn is_set(node: Node<'_, '_>, name: &str, default: bool) -> bool {
    match node.attribute(name).map(str::trim) {
        Some("true" | "1") => true,
        Some("false" | "0") => false,
        Some(_) | None => default,
    }
}

fn value<'a>(attribute: &Attribute<'a, '_>) -> Text<'a> {
    Text::new(attribute.value(), narrow(attribute.range_value().start))
}

/// The text inside `node` without white space around it; comments in between are skipped.
fn content<'a>(node: Node<'a, '_>) -> Text<'a> {
    let mut pieces = node.children().filter(Node::is_text);
    let Some(first) = pieces.next() else { return Text::new("", offset(node)) };
    let text = first.text().unwrap_or("");
    let leading = text.len() - text.trim_start().len();
    let at = narrow(first.range().start + leading);
    match pieces.next() {
        None => Text::new(text.trim(), at),
        Some(second) => {
            let mut all = String::from(text);
            all.push_str(second.text().unwrap_or(""));
            all.extend(pieces.filter_map(|piece| piece.text()));
            Text::new(all.trim().to_owned(), at)
        }
    }
}

fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
