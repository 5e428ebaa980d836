//! Resolves ids: elements, sequence flows, what is attached where, what is inside of what.
//!
//! Boundary: knows names and edges, not what the elements do.
//! Invariants: WIR-1 a listed flow has both ends in the process. WIR-2 element 0 is the process,
//! node `n` is element `n + 1`.
//! Read first: [`Wiring`], then [`wire`].

use std::collections::BTreeMap;

use markup::{Report, Spot, short};

use crate::code;
use crate::compile::expression;
use crate::program::{ElementIndex, Flow, FlowIndex};
use crate::source::{self, Form, Node, Process, Text};

/// Characters that an id may have.
const ID_LENGTH_MAX: usize = 256;

/// The edges of one process.
#[derive(Debug)]
pub(super) struct Wiring<'s> {
    nodes: BTreeMap<&'s str, usize>,
    flows: Vec<Flow>,
    flow_sources: Vec<&'s source::Flow<'s>>,
    flow_ids: BTreeMap<&'s str, FlowIndex>,
    edges: Vec<Edges>,
}

/// What hangs on one element.
#[derive(Debug, Default, Clone)]
pub(super) struct Edges {
    pub(super) incoming: Vec<FlowIndex>,
    pub(super) outgoing: Vec<FlowIndex>,
    pub(super) boundary: Vec<ElementIndex>,
    pub(super) children: Vec<ElementIndex>,
}

impl<'s> Wiring<'s> {
    /// The edges of the element at `position` (WIR-2), which are then empty here.
    pub(super) fn take_edges(&mut self, position: usize) -> Edges {
        self.edges.get_mut(position).map(std::mem::take).unwrap_or_default()
    }

    /// The elements directly inside the node, in document order.
    pub(super) fn children(&self, node: usize) -> &[ElementIndex] {
        self.edges.get(node + 1).map_or(&[], |edges| &edges.children)
    }

    /// The activity that the boundary event `node` is attached to.
    pub(super) fn host(&self, nodes: &[Node<'_>], node: usize) -> Option<ElementIndex> {
        let event = nodes.get(node)?;
        let Form::Boundary(boundary) = &event.form else { return None };
        let host = *self.nodes.get(&**boundary.attached_to.as_ref()?)?;
        let activity = nodes.get(host)?;
        let fits = activity.form.is_activity() && activity.scope == event.scope && host != node;
        fits.then(|| index_of(host))
    }

    pub(super) fn flow_id(&self, id: &str) -> Option<FlowIndex> {
        self.flow_ids.get(id).copied()
    }

    /// The flows, and beside each what the file says of it.
    pub(super) fn into_flows(self) -> (Vec<Flow>, Vec<&'s source::Flow<'s>>) {
        (self.flows, self.flow_sources)
    }

    pub(super) fn flow(&self, index: FlowIndex) -> Option<&Flow> {
        self.flows.get(index.0 as usize)
    }
}

/// The element of the node at `position` (WIR-2).
pub(super) fn index_of(position: usize) -> ElementIndex {
    ElementIndex(u32::try_from(position + 1).unwrap_or(u32::MAX))
}

/// Resolves all ids of `process`.
pub(super) fn wire<'s>(process: &'s Process<'s>, report: &mut Report<'_>) -> Wiring<'s> {
    let mut wiring = Wiring {
        nodes: BTreeMap::new(),
        flows: Vec::with_capacity(process.flows.len()),
        flow_sources: Vec::with_capacity(process.flows.len()),
        flow_ids: BTreeMap::new(),
        edges: vec![Edges::default(); process.nodes.len() + 1],
    };
    check_id(&process.id, process.spot(), "a process", report);
    for (position, node) in process.nodes.iter().enumerate() {
        if check_id(&node.id, node.spot(), node.form.title(), report)
            && wiring.nodes.insert(&node.id, position).is_some()
        {
            id_twice(&node.id, node.spot(), report);
        }
        let scope = node.scope.map_or(0, |scope| scope + 1);
        if let Some(edges) = wiring.edges.get_mut(scope) {
            edges.children.push(index_of(position));
        }
    }
    for flow in &process.flows {
        wire_flow(process, flow, &mut wiring, report);
    }
    for position in 0..process.nodes.len() {
        attach(process, position, &mut wiring, report);
    }
    wiring
}

fn wire_flow<'s>(
    process: &'s Process<'s>,
    flow: &'s source::Flow<'s>,
    wiring: &mut Wiring<'s>,
    report: &mut Report<'_>,
) {
    let spot = Spot::element(flow.at, &flow.id);
    let named = !flow.id.is_blank() && check_id(&flow.id, spot, "a sequence flow", report);
    let source = end(flow, End::Source, wiring, report);
    let target = end(flow, End::Target, wiring, report);
    let (Some(source), Some(target)) = (source, target) else { return };
    let (Some(from), Some(to)) = (process.nodes.get(source), process.nodes.get(target)) else {
        return;
    };
    if from.scope != to.scope {
        let text = format!(
            "the sequence flow from `{}` to `{}` crosses the border of a subprocess",
            &*from.id, &*to.id
        );
        let hint = "end the path inside the subprocess and go on behind it";
        report.error(code::FLOW_CROSSES_SCOPE, spot, text, hint);
        return;
    }
    let index = FlowIndex(u32::try_from(wiring.flows.len()).unwrap_or(u32::MAX));
    if named
        && (wiring.flow_ids.insert(&flow.id, index).is_some()
            || wiring.nodes.contains_key(&*flow.id))
    {
        id_twice(&flow.id, spot, report);
    }
    let condition = flow
        .condition
        .as_ref()
        .map(|condition| expression::feel("conditionExpression", condition, spot, report));
    let (source, target) = (index_of(source), index_of(target));
    let id = if named { (&*flow.id).into() } else { format!("{}->{}", &*from.id, &*to.id).into() };
    wiring.flows.push(Flow { id, source, target, condition });
    wiring.flow_sources.push(flow);
    if let Some(edges) = wiring.edges.get_mut(source.0 as usize) {
        edges.outgoing.push(index);
    }
    if let Some(edges) = wiring.edges.get_mut(target.0 as usize) {
        edges.incoming.push(index);
    }
}

#[derive(Clone, Copy)]
enum End {
    Source,
    Target,
}

fn end(
    flow: &source::Flow<'_>,
    end: End,
    wiring: &Wiring<'_>,
    report: &mut Report<'_>,
) -> Option<usize> {
    let (reference, word) = match end {
        End::Source => (&flow.source, "from"),
        End::Target => (&flow.target, "to"),
    };
    let spot = Spot::element(flow.at, &flow.id);
    let hint = "connect both ends of the sequence flow to elements of this process, or remove it";
    let Some(id) = reference else {
        let text = format!("{} leads {word} nowhere", source::titled("sequence flow", &flow.id));
        report.error(code::FLOW_TO_NOWHERE, spot, text, hint);
        return None;
    };
    let found = wiring.nodes.get(&**id).copied();
    if found.is_none() {
        let text = format!("a sequence flow leads {word} `{}`, which is not there", short(id));
        report.error(code::FLOW_TO_NOWHERE, spot.moved(id.at), text, hint);
    }
    found
}

/// Lists a boundary event at its activity.
fn attach(
    process: &Process<'_>,
    position: usize,
    wiring: &mut Wiring<'_>,
    report: &mut Report<'_>,
) {
    let Some(node) = process.nodes.get(position) else { return };
    let Form::Boundary(boundary) = &node.form else { return };
    if let Some(host) = wiring.host(&process.nodes, position) {
        if let Some(edges) = wiring.edges.get_mut(host.0 as usize) {
            edges.boundary.push(index_of(position));
        }
        return;
    }
    let text = match boundary.attached_to.as_deref() {
        None => format!("{} is attached to nothing", node.title()),
        Some(id) => format!(
            "{} is attached to `{}`, which is no activity beside it",
            node.title(),
            short(id)
        ),
    };
    let hint = "attach it to a task, a subprocess or a call activity";
    report.error(code::ATTACHED_TO, node.spot(), text, hint);
}

/// Whether there is an id; one that is too long is reported.
fn check_id(id: &Text<'_>, spot: Spot<'_>, title: &str, report: &mut Report<'_>) -> bool {
    if id.is_blank() {
        let text = format!("{title} has no id");
        report.error(code::ID_MISSING, spot, text, "give it an id");
        return false;
    }
    if id.chars().count() > ID_LENGTH_MAX {
        let text = format!("the id `{}` is longer than {ID_LENGTH_MAX}", short(id));
        report.error(code::ID_TOO_LONG, Spot::file(id.at), text, "shorten it");
    }
    true
}

fn id_twice(id: &str, spot: Spot<'_>, report: &mut Report<'_>) {
    let text = format!("the id `{}` is used twice", short(id));
    report.error(code::ID_TWICE, spot, text, "rename one of the two");
}
