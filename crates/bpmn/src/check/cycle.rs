//! Refuses loops that never wait and never change a variable: once entered, they never end.
//!
//! Boundary: a loop with a job, a wait, a script or an output mapping may end, and is left to the
//! step budget of the engine.
//! Read first: [`check`], then [`passes`].

use markup::{Report, short};

use crate::code;
use crate::program::{Element, ElementIndex, Kind, Program};
use crate::source::Process;

/// Elements of a loop that a message names.
const NAMED_MAX: usize = 8;

/// Reports every such loop once, at its first element.
pub(super) fn check(program: &Program, source: &Process<'_>, report: &mut Report<'_>) {
    let passing = passing(program);
    for cycle in Search::new(program, &passing).run() {
        let Some(first) = cycle.first() else { continue };
        let Some(node) = source.nodes.get(*first - 1) else { continue };
        let mut names: Vec<String> = cycle
            .iter()
            .take(NAMED_MAX)
            .filter_map(|position| program.elements.get(*position))
            .map(|element| format!("`{}`", short(&element.id)))
            .collect();
        if cycle.len() > NAMED_MAX {
            names.push("…".to_owned());
        }
        let text = format!("the loop over {} never waits and never ends", names.join(", "));
        let hint = "put a step that waits or changes a variable into the loop: a timer, a job, a \
                    script, an output mapping";
        report.error(code::ENDLESS_LOOP, node.spot(), text, hint);
    }
}

/// Whether each element goes on at once and leaves the variables as they were.
fn passing(program: &Program) -> Vec<bool> {
    let mut passing: Vec<bool> = program.elements.iter().map(passes).collect();
    // Scopes stand before their children (SRC-1), so going backwards settles inner scopes first.
    for position in (0..program.elements.len()).rev() {
        let inner = |element: &Element| {
            element.children.iter().all(|child| {
                passing.get(child.0 as usize) == Some(&true)
                    || program.elements.get(child.0 as usize).is_some_and(is_edge)
            })
        };
        let sub = program
            .elements
            .get(position)
            .filter(|element| matches!(element.kind, Kind::SubProcess { .. }));
        if let Some(element) = sub {
            let settled = element.outputs.is_empty() && inner(element);
            if let Some(slot) = passing.get_mut(position) {
                *slot = settled;
            }
        }
    }
    passing
}

/// Whether it is the plain beginning or end of a subprocess.
fn is_edge(element: &Element) -> bool {
    matches!(element.kind, Kind::Start(_) | Kind::EndNone) && element.outputs.is_empty()
}

fn passes(element: &Element) -> bool {
    let goes_on = match &element.kind {
        Kind::Task | Kind::ManualTask | Kind::IntermediateNone | Kind::ExclusiveGateway { .. } => {
            true
        }
        // A join waits for its other flows.
        Kind::ParallelGateway => element.incoming.len() <= 1,
        Kind::Process
        | Kind::SubProcess { .. }
        | Kind::Start(_)
        | Kind::EndNone
        | Kind::EndError { .. }
        | Kind::EndMessage(_)
        | Kind::EndTerminate
        | Kind::IntermediateCatch(_)
        | Kind::IntermediateMessage(_)
        | Kind::Boundary { .. }
        | Kind::ServiceTask(_)
        | Kind::Lock(_)
        | Kind::Unlock { .. }
        | Kind::SendTask(_)
        | Kind::ScriptTask(_)
        | Kind::BusinessRuleTask(_)
        | Kind::ReceiveTask(_)
        | Kind::CallActivity(_) => false,
    };
    // A refused container is compiled as a task; what is inside is unknown.
    goes_on && element.outputs.is_empty() && element.children.is_empty()
}

/// Strongly connected components (Tarjan), without recursion.
struct Search<'p> {
    program: &'p Program,
    passing: &'p [bool],
    order: Vec<Option<usize>>,
    lowest: Vec<usize>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    next: usize,
    cycles: Vec<Vec<usize>>,
}

impl<'p> Search<'p> {
    fn new(program: &'p Program, passing: &'p [bool]) -> Self {
        let count = program.elements.len();
        Self {
            program,
            passing,
            order: vec![None; count],
            lowest: vec![0; count],
            on_stack: vec![false; count],
            stack: Vec::new(),
            next: 0,
            cycles: Vec::new(),
        }
    }

    /// The cycles, each ascending.
    fn run(mut self) -> Vec<Vec<usize>> {
        for root in 0..self.program.elements.len() {
            if self.passing[root] && self.order[root].is_none() {
                self.visit(root);
            }
        }
        self.cycles
    }

    fn visit(&mut self, root: usize) {
        let mut path = vec![(root, 0)];
        self.enter(root);
        while let Some((element, edge)) = path.last_mut() {
            let from = *element;
            let Some(flow) = self.program.elements[from].outgoing.get(*edge) else {
                path.pop();
                self.leave(from);
                if let Some((parent, _)) = path.last() {
                    self.lowest[*parent] = self.lowest[*parent].min(self.lowest[from]);
                }
                continue;
            };
            *edge += 1;
            let ElementIndex(target) = self.program.flow(*flow).target;
            let target = target as usize;
            if !self.passing[target] {
                continue;
            }
            match self.order[target] {
                None => {
                    self.enter(target);
                    path.push((target, 0));
                }
                Some(order) if self.on_stack[target] => {
                    self.lowest[from] = self.lowest[from].min(order);
                }
                Some(_) => {}
            }
        }
    }

    fn enter(&mut self, element: usize) {
        self.order[element] = Some(self.next);
        self.lowest[element] = self.next;
        self.next += 1;
        self.on_stack[element] = true;
        self.stack.push(element);
    }

    fn leave(&mut self, element: usize) {
        if self.order[element] != Some(self.lowest[element]) {
            return;
        }
        let start = self.stack.iter().rposition(|other| *other == element).unwrap_or(0);
        let mut cycle = self.stack.split_off(start);
        for member in &cycle {
            self.on_stack[*member] = false;
        }
        let itself = |flow: &crate::program::FlowIndex| {
            self.program.flow(*flow).target.0 as usize == element
        };
        if cycle.len() > 1 || self.program.elements[element].outgoing.iter().any(itself) {
            cycle.sort_unstable();
            self.cycles.push(cycle);
        }
    }
}
