//! BPMN 2.0 XML, as the Camunda Modeler and others write it, to the common source form.
//!
//! A file is first scanned against the limits, then read into a tree, then taken apart: one file
//! for the root, one for processes, one for events, one for extension elements. Namespaces are
//! recognised by their URI, whatever the prefix.
//!
//! Boundary: reports what cannot be read or is not supported; what is wrong with the model is
//! found by `compile` and `check`. No recursion over the tree.
//! Read first: [`read`].   Tests: `tests/bad_files.rs`, `tests/models.rs`

mod definitions;
mod event;
mod extension;
mod process;
mod scan;
mod support;

use roxmltree::{Attribute, Document, Node, ParsingOptions};

use crate::Limits;
use crate::code;
use crate::program::Place;
use crate::report::{Report, Spot};
use crate::source::{Process, Text};

/// The namespace of BPMN 2.0.
const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";
/// The namespace of Camunda 8.
const ZEEBE: &str = "http://camunda.org/schema/zeebe/1.0";
/// Our own namespace.
const POINTSMAN: &str = "http://pointsman.dev/schema/1.0";

/// Parses `text`, which has passed [`scan`]; nothing comes back if it is no XML.
pub(crate) fn parse<'t>(
    text: &'t str,
    limits: &Limits,
    report: &mut Report<'_>,
) -> Option<Document<'t>> {
    if !scan::scan(text, limits, report) {
        return None;
    }
    // One more than the scan counts: the document itself is a node of the tree.
    let nodes_limit = u32::try_from(limits.nodes_max).unwrap_or(u32::MAX).saturating_add(1);
    let options = ParsingOptions { allow_dtd: false, nodes_limit, ..ParsingOptions::default() };
    match Document::parse_with_options(text, options) {
        Ok(document) => Some(document),
        Err(error) => {
            not_well_formed(&error, report);
            None
        }
    }
}

/// The executable processes of the file.
pub(crate) fn read<'a>(document: &'a Document<'_>, report: &mut Report<'_>) -> Vec<Process<'a>> {
    definitions::read(document, report)
}

fn not_well_formed(error: &roxmltree::Error, report: &mut Report<'_>) {
    let position = error.pos();
    let at = match error {
        roxmltree::Error::UnclosedRootNode
        | roxmltree::Error::UnexpectedEndOfStream
        | roxmltree::Error::NoRootNode => u32::MAX,
        _ => report.offset(Place { line: position.row, column: position.col }),
    };
    let message = error.to_string().replace(&format!(" at {position}"), "").replace('\'', "`");
    let hint = "correct the XML at this place, or save the file again with a modeler";
    report.error(code::NOT_WELL_FORMED, Spot::file(at), message, hint);
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
