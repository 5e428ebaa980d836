//! From what a file says to the program that the engine runs; reports what cannot be compiled.
//!
//! Boundary: one element at a time, with its references; the shape of the whole graph is checked
//! in `check`. One file per element family.
//! Invariants: CMP-1 with no error reported, the program is complete (PRG-1 to PRG-3).
//! Read first: [`process`], then [`kind`].

mod event;
mod expression;
mod iso8601;
mod job;
mod lock;
mod mapping;
mod message;
mod rule;
mod server;
mod task;
mod timer;
mod unused;
mod wiring;

use markup::{Place, Report, short};

use crate::check;
use crate::code;
use crate::compile::mapping::Direction;
use crate::compile::wiring::{Edges, Wiring};
use crate::program::{Element, ElementIndex, FlowIndex, Kind, Program, StartTrigger};
use crate::source::{Extensions, Form, Node, Process, Text};

/// Compiles and checks one process. The result is to be dropped if errors were reported.
pub(crate) fn process(source: &Process<'_>, report: &mut Report<'_>) -> Program {
    let mut wiring = wiring::wire(source, report);
    let mut kinds = Vec::with_capacity(source.nodes.len());
    for position in 0..source.nodes.len() {
        kinds.push(kind(source, position, &wiring, report));
    }
    let servers = server::resolve(source, &kinds, report);
    let mut elements = Vec::with_capacity(source.nodes.len() + 1);
    elements.push(root(source, wiring.take_edges(0), report.place(source.at)));
    for (position, (node, kind)) in source.nodes.iter().zip(kinds).enumerate() {
        let edges = wiring.take_edges(position + 1);
        elements.push(element(node, kind, edges, report));
    }
    for (element, server) in elements.iter_mut().zip(servers) {
        element.logical_server = server;
    }
    let (flows, flow_sources) = wiring.into_flows();
    let text = |text: &Text<'_>| feel::Str::from(&**text);
    let mut program = Program {
        id: text(&source.id),
        name: text(named(source.name.as_ref(), &source.id)),
        version_tag: source.extensions.version_tag.as_ref().map(text),
        elements,
        flows,
    };
    check::check(source, &flow_sources, &mut program, report);
    program
}

fn kind(
    source: &Process<'_>,
    position: usize,
    wiring: &Wiring<'_>,
    report: &mut Report<'_>,
) -> Kind {
    let Some(node) = source.nodes.get(position) else { return Kind::Task };
    unused::warn(node, report);
    match &node.form {
        Form::SubProcess => Kind::SubProcess { start: first_start(source, position, wiring) },
        Form::Start(_) if is_inside_refused(source, node) => Kind::Start(StartTrigger::None),
        Form::Start(events) => event::start(node, events, report),
        Form::End(events) => event::end(node, events, report),
        Form::Catch(events) => event::intermediate_catch(node, events, report),
        Form::Throw(events) => event::intermediate_throw(node, events, report),
        Form::Boundary(boundary) => {
            let host = wiring.host(&source.nodes, position).unwrap_or(ElementIndex::PROCESS);
            event::boundary(node, boundary, host, report)
        }
        Form::ExclusiveGateway => {
            Kind::ExclusiveGateway { default: default_flow(node, position, wiring, report) }
        }
        Form::ParallelGateway => Kind::ParallelGateway,
        Form::Task | Form::Refused { .. } => Kind::Task,
        Form::ManualTask => Kind::ManualTask,
        Form::ServiceTask => task::service(node, report),
        Form::SendTask(message) => {
            Kind::SendTask(message::send(node, message, node.spot(), report))
        }
        Form::ScriptTask => task::script(node, report),
        Form::BusinessRuleTask => rule::rule(node, report),
        Form::ReceiveTask(message) => {
            Kind::ReceiveTask(message::subscription(node, message, node.spot(), report))
        }
        Form::CallActivity => task::call(node, report),
    }
}

/// Whether the subprocess around `node` is refused, so that its triggers mean nothing.
fn is_inside_refused(source: &Process<'_>, node: &Node<'_>) -> bool {
    let scope = node.scope.and_then(|scope| source.nodes.get(scope));
    scope.is_some_and(|scope| matches!(scope.form, Form::Refused { .. }))
}

/// The first start event inside a subprocess; that there is exactly one is checked later.
fn first_start(source: &Process<'_>, position: usize, wiring: &Wiring<'_>) -> ElementIndex {
    let is_start = |child: &&ElementIndex| {
        let node = (child.0 as usize).checked_sub(1).and_then(|node| source.nodes.get(node));
        node.is_some_and(|node| matches!(node.form, Form::Start(_)))
    };
    wiring.children(position).iter().find(is_start).copied().unwrap_or(ElementIndex::PROCESS)
}

fn default_flow(
    node: &Node<'_>,
    position: usize,
    wiring: &Wiring<'_>,
    report: &mut Report<'_>,
) -> Option<FlowIndex> {
    let id = node.default.as_ref()?;
    let found = wiring.flow_id(id);
    let leaves = found.and_then(|index| wiring.flow(index)).map(|flow| flow.source);
    if leaves == Some(wiring::index_of(position)) {
        return found;
    }
    let shown = short(id);
    let text = format!("the default flow `{shown}` does not leave {}", node.title());
    let hint = "choose one of its outgoing sequence flows as the default";
    report.error(code::DEFAULT_FLOW, node.spot().moved(id.at), text, hint);
    None
}

fn root(source: &Process<'_>, edges: Edges, place: Place) -> Element {
    Element {
        id: (&*source.id).into(),
        name: (&**named(source.name.as_ref(), &source.id)).into(),
        kind: Kind::Process,
        scope: None,
        incoming: Vec::new(),
        outgoing: Vec::new(),
        boundary: Vec::new(),
        children: edges.children,
        inputs: Vec::new(),
        outputs: Vec::new(),
        properties: properties(&source.extensions),
        lane: None,
        logical_server: None,
        repeat: None,
        place,
    }
}

fn element(node: &Node<'_>, kind: Kind, edges: Edges, report: &mut Report<'_>) -> Element {
    Element {
        id: (&*node.id).into(),
        name: (&**named(node.name.as_ref(), &node.id)).into(),
        kind,
        scope: Some(node.scope.map_or(ElementIndex::PROCESS, wiring::index_of)),
        incoming: edges.incoming,
        outgoing: edges.outgoing,
        boundary: edges.boundary,
        children: edges.children,
        inputs: mapping::mappings(node, Direction::Input, report),
        outputs: mapping::mappings(node, Direction::Output, report),
        properties: properties(&node.extensions),
        lane: node.lane.as_ref().map(|lane| (&**lane).into()),
        logical_server: None,
        repeat: None,
        place: report.place(node.at),
    }
}

/// The name, or the id where there is none.
fn named<'t, 'a>(name: Option<&'t Text<'a>>, id: &'t Text<'a>) -> &'t Text<'a> {
    name.filter(|name| !name.is_blank()).unwrap_or(id)
}

fn properties(extensions: &Extensions<'_>) -> Vec<(feel::Str, feel::Str)> {
    let pair = |(name, value): &(Text<'_>, Text<'_>)| ((&**name).into(), (&**value).into());
    extensions.properties.iter().map(pair).collect()
}
