//! A process: its flow nodes, subprocesses, sequence flows and lanes.
//!
//! Boundary: what is not supported is refused here by name and place, and kept as a refused node
//! so that its flows and its inside are checked as well.
//! Read first: [`read`], then [`Walk`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use markup::{Report, Spot};
use roxmltree::Children;
use roxmltree::Node as Xml;

use crate::source::{Boundary, Extensions, Flow, Form, Node, Process, Text};
use crate::xml::definitions::Globals;
use crate::xml::{self, BPMN, event, extension, support};

/// Reads the process `node`.
pub(super) fn read<'a>(
    node: Xml<'a, '_>,
    globals: &Globals<'a>,
    report: &mut Report<'_>,
) -> Process<'a> {
    let id = xml::id(node);
    let mut extensions = Extensions::default();
    extension::read(node, &id, &mut extensions, report);
    let mut walk = Walk {
        process: Process {
            at: xml::offset(node),
            id,
            name: xml::filled(node, "name"),
            extensions,
            lane_servers: Vec::new(),
            nodes: Vec::new(),
            flows: Vec::new(),
        },
        globals,
        lanes: BTreeMap::new(),
    };
    let mut open = vec![(node.children(), None)];
    while let Some((children, scope)) = open.last_mut() {
        let Some(child) = next_bpmn(children) else {
            open.pop();
            continue;
        };
        let scope = *scope;
        if let Some(inside) = walk.flow_element(child, scope, report) {
            open.push((child.children(), Some(inside)));
        }
    }
    walk.finish()
}

fn next_bpmn<'a, 'input>(children: &mut Children<'a, 'input>) -> Option<Xml<'a, 'input>> {
    children.find(|node| node.is_element() && node.tag_name().namespace() == Some(BPMN))
}

/// What has been read of a process so far.
struct Walk<'g, 'a> {
    process: Process<'a>,
    globals: &'g Globals<'a>,
    /// The innermost lane of each flow node.
    lanes: BTreeMap<Cow<'a, str>, Lane<'a>>,
}

/// A lane as the flow nodes in it see it.
struct Lane<'a> {
    depth: usize,
    name: Text<'a>,
    /// Its logical server, or that of the lanes around it.
    server: Option<Text<'a>>,
}

impl<'a> Walk<'_, 'a> {
    /// Reads one child of a process or subprocess; the position comes back if it is a container.
    fn flow_element(
        &mut self,
        xml: Xml<'a, '_>,
        scope: Option<usize>,
        report: &mut Report<'_>,
    ) -> Option<usize> {
        let name = xml.tag_name().name();
        match name {
            "sequenceFlow" => self.flow(xml),
            "laneSet" => self.lane_set(xml, report),
            _ if support::is_passed_over(name) => {}
            _ => return self.node(xml, scope, report),
        }
        None
    }

    fn node(
        &mut self,
        xml: Xml<'a, '_>,
        scope: Option<usize>,
        report: &mut Report<'_>,
    ) -> Option<usize> {
        let id = xml::id(xml);
        let mut extensions = Extensions::default();
        extension::read(xml, &id, &mut extensions, report);
        let form = self.form(xml, &mut extensions, report);
        let spot = Spot::element(xml::offset(xml), &id);
        support::check_markers(xml, &form, spot, report);
        let is_container = match &form {
            Form::SubProcess => true,
            Form::Refused { .. } => support::is_container(xml.tag_name().name()),
            _ => false,
        };
        let position = self.process.nodes.len();
        self.process.nodes.push(Node {
            at: xml::offset(xml),
            id,
            name: xml::filled(xml, "name"),
            scope,
            lane: None,
            lane_server: None,
            form,
            default: xml::filled(xml, "default"),
            extensions,
        });
        is_container.then_some(position)
    }

    fn form(
        &self,
        xml: Xml<'a, '_>,
        extensions: &mut Extensions<'a>,
        report: &mut Report<'_>,
    ) -> Form<'a> {
        let mut events =
            |report: &mut Report<'_>| event::definitions(xml, self.globals, extensions, report);
        match xml.tag_name().name() {
            "startEvent" => Form::Start(events(report)),
            "endEvent" => Form::End(events(report)),
            "intermediateCatchEvent" => Form::Catch(events(report)),
            "intermediateThrowEvent" => Form::Throw(events(report)),
            "boundaryEvent" => Form::Boundary(Boundary {
                attached_to: xml::filled(xml, "attachedToRef"),
                interrupting: xml::is_set(xml, "cancelActivity", true),
                events: events(report),
            }),
            "exclusiveGateway" => Form::ExclusiveGateway,
            "parallelGateway" => Form::ParallelGateway,
            "task" => Form::Task,
            "manualTask" => Form::ManualTask,
            "serviceTask" => Form::ServiceTask,
            "scriptTask" => Form::ScriptTask,
            "businessRuleTask" => Form::BusinessRuleTask,
            "sendTask" => Form::SendTask(self.globals.message(xml)),
            "receiveTask" => Form::ReceiveTask(self.globals.message(xml)),
            "callActivity" => Form::CallActivity,
            "subProcess" if !xml::is_set(xml, "triggeredByEvent", false) => Form::SubProcess,
            _ => support::refuse(xml, report),
        }
    }

    fn flow(&mut self, xml: Xml<'a, '_>) {
        let condition = xml.children().find(|child| xml::is_bpmn(*child, "conditionExpression"));
        self.process.flows.push(Flow {
            at: xml::offset(xml),
            id: xml::id(xml),
            source: xml::filled(xml, "sourceRef"),
            target: xml::filled(xml, "targetRef"),
            condition: condition.map(xml::content).filter(|text| !text.is_blank()),
        });
    }

    /// Notes the lane of each flow node that the lanes inside `lane_set` list.
    fn lane_set(&mut self, lane_set: Xml<'a, '_>, report: &mut Report<'_>) {
        let outer = lane_set.ancestors().count();
        let mut servers: BTreeMap<usize, Option<Text<'a>>> = BTreeMap::new();
        // Lanes stand before the lanes inside of them.
        for lane in lane_set.descendants().filter(|node| xml::is_bpmn(*node, "lane")) {
            let around = lane.parent_element().and_then(|set| set.parent_element());
            let around =
                around.and_then(|lane| servers.get(&lane.id().get_usize()).cloned()).flatten();
            let server = self.lane_server(lane, report).or(around);
            let depth = lane.ancestors().count() - outer;
            for listed in lane.children().filter(|node| xml::is_bpmn(*node, "flowNodeRef")) {
                let id = xml::content(listed).value;
                if self.lanes.get(&id).is_none_or(|known| known.depth < depth) {
                    let name = xml::filled(lane, "name").unwrap_or_else(|| xml::id(lane));
                    self.lanes.insert(id, Lane { depth, name, server: server.clone() });
                }
            }
            servers.insert(lane.id().get_usize(), server);
        }
    }

    /// The logical server that stands at a lane itself.
    fn lane_server(&mut self, lane: Xml<'a, '_>, report: &mut Report<'_>) -> Option<Text<'a>> {
        let mut extensions = Extensions::default();
        extension::read(lane, &xml::id(lane), &mut extensions, report);
        self.process.lane_servers.extend(extensions.logical_servers().cloned());
        extensions.logical_servers().next().map(|name| Text::new(name.trim().to_owned(), name.at))
    }

    fn finish(mut self) -> Process<'a> {
        for node in &mut self.process.nodes {
            let lane = self.lanes.remove(&*node.id);
            (node.lane, node.lane_server) =
                lane.map_or((None, None), |lane| (Some(lane.name), lane.server));
        }
        self.process
    }
}
