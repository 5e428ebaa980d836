//! XML of DMN 1.1 to 1.5: what is read from its nodes again and again.
//!
//! Boundary: knows the namespace of DMN, not its elements; `markup` makes the tree.
//! Read first: [`dmn_name`], then [`content`].   Tests: `tests/diagnostics.rs`

use std::borrow::Cow;

use markup::Spot;
use roxmltree::Node;

/// The namespace of the elements that Camunda adds.
const ZEEBE: &str = "http://camunda.org/schema/zeebe/1.0";

/// Whether `namespace` is that of the models of some version of DMN.
pub(crate) fn is_model_namespace(namespace: &str) -> bool {
    let rest = namespace.trim_start_matches("https://").trim_start_matches("http://");
    rest.strip_prefix("www.omg.org/spec/DMN/").is_some_and(|rest| {
        rest.ends_with("/MODEL/") || rest.ends_with("/MODEL") || rest.ends_with(".xsd")
    })
}

/// The name of `node` if it is an element of DMN.
pub(crate) fn dmn_name<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    let is_dmn = node.is_element() && node.tag_name().namespace().is_some_and(is_model_namespace);
    is_dmn.then(|| node.tag_name().name())
}

/// The children of `node` that are DMN elements of this name.
pub(crate) fn children<'a, 'i>(
    node: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| dmn_name(*child) == Some(name))
}

/// The first child of `node` that is a DMN element of this name.
pub(crate) fn child<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Option<Node<'a, 'i>> {
    children(node, name).next()
}

/// The value of `zeebe:versionTag` among the extension elements of `node`.
pub(crate) fn version_tag<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    let inside = children(node, "extensionElements").flat_map(|group| group.children());
    let mut tags = inside.filter(|inside| inside.has_tag_name((ZEEBE, "versionTag")));
    tags.next().and_then(|tag| attribute(tag, "value"))
}

/// The attribute `name` without white space around it; nothing for a missing or blank one.
pub(crate) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attribute(name).map(str::trim).filter(|value| !value.is_empty())
}

/// The attribute `name` with its white space reduced to one blank between words, as names are.
pub(crate) fn name<'a>(node: Node<'a, '_>, name: &str) -> Option<Cow<'a, str>> {
    attribute(node, name).map(squeezed)
}

fn squeezed(text: &str) -> Cow<'_, str> {
    let is_odd = |pair: &[u8]| pair[0].is_ascii_whitespace() && pair[1].is_ascii_whitespace();
    let plain =
        !text.contains(['\n', '\t', '\r', '\u{a0}']) && !text.as_bytes().windows(2).any(is_odd);
    if plain {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The id; empty where there is none.
pub(crate) fn id<'a>(node: Node<'a, '_>) -> &'a str {
    attribute(node, "id").unwrap_or("")
}

/// Where `node` begins.
pub(crate) fn offset(node: Node<'_, '_>) -> u32 {
    narrow(node.range().start)
}

/// The place of `node`, with its id or that of the nearest element around it.
pub(crate) fn spot<'a>(node: Node<'a, '_>) -> Spot<'a> {
    let named = node.ancestors().map(id).find(|id| !id.is_empty());
    Spot::element(offset(node), named.unwrap_or(""))
}

/// The text inside `node`, and where it begins; comments in between are skipped.
pub(crate) fn content<'a>(node: Node<'a, '_>) -> (Cow<'a, str>, u32) {
    let mut pieces = node.children().filter(Node::is_text);
    let Some(first) = pieces.next() else { return (Cow::Borrowed(""), offset(node)) };
    let text = first.text().unwrap_or("");
    let leading = text.len() - text.trim_start().len();
    let at = narrow(first.range().start + leading);
    match pieces.next() {
        None => (Cow::Borrowed(text.trim()), at),
        Some(second) => {
            let mut all = String::from(text);
            all.push_str(second.text().unwrap_or(""));
            all.extend(pieces.filter_map(|piece| piece.text()));
            (Cow::Owned(all.trim().to_owned()), at)
        }
    }
}

/// The content of the child `text`.
pub(crate) fn text<'a>(node: Node<'a, '_>) -> Option<(Cow<'a, str>, u32)> {
    child(node, "text").map(content).filter(|(text, _)| !text.is_empty())
}

fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
