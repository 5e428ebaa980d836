//! Evaluating a decision: first what it requires, then its logic, everything once.
//!
//! Boundary: expressions are `feel`'s; time and budget come in with the environment.
//! Invariants: EVA-1 the same model, input and environment give the same outcome.
//! Read first: [`Model::evaluate`], then [`Run`].   Tests: `tests/evaluate.rs`

mod boxed;
mod frame;
mod function;
mod index;
mod outcome;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use feel::{Context, Dialect, Environment, Function, Session, Str, Value};

use crate::kind::{Kind, Misfit};
use crate::model::{Graph, Logic, Model, Requirement, Target};

pub(crate) use frame::Frame;
pub(crate) use index::Index;
pub use outcome::{Evaluated, Failure, Given, Input, Matched, Outcome};

use function::Invocable;
use outcome::Journal;

/// Whether tables use their index; without it they give the same result, slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lookup {
    Indexed,
    EachRule,
}

impl Model {
    /// Evaluates the decision with that id or name, or else the decision service or business
    /// knowledge model of that name. `input` has the values of input data, by name.
    ///
    /// `None` if the model has nothing of that id or name.
    #[must_use]
    pub fn evaluate(
        &self,
        wanted: &str,
        input: &Context,
        environment: &Environment,
    ) -> Option<Outcome> {
        self.run(wanted, input, environment, Lookup::Indexed)
    }

    /// As [`Model::evaluate`], but decision tables test each rule. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn evaluate_without_index(
        &self,
        wanted: &str,
        input: &Context,
        environment: &Environment,
    ) -> Option<Outcome> {
        self.run(wanted, input, environment, Lookup::EachRule)
    }

    fn run(
        &self,
        wanted: &str,
        input: &Context,
        environment: &Environment,
        lookup: Lookup,
    ) -> Option<Outcome> {
        let graph = &self.0;
        let target = match graph.find_decision(wanted) {
            Some(index) => Target::Decision(index),
            None => graph.find_function(wanted)?,
        };
        let shared = Arc::new(Shared {
            graph: graph.clone(),
            free: free(graph, input),
            journal: Journal::default(),
            lookup,
        });
        let mut session = Session::new(environment);
        let mut run = Run::new(&shared, &mut session, Supplied::Input(input.clone()));
        let value = match target {
            Target::Decision(index) => run.decide(index),
            Target::Input(_) | Target::Knowledge(_) | Target::Service(_) => {
                run.call_with_input(target)
            }
        };
        Some(shared.journal.close(session.finish(value)))
    }
}

/// Values that texts may read although nothing declares them: all of the input in Camunda's
/// dialect, otherwise what is not the name of an element.
fn free(graph: &Graph, input: &Context) -> Option<Context> {
    if graph.dialect == Dialect::Camunda {
        return Some(input.clone());
    }
    let is_declared = |name: &Str| {
        graph.inputs.iter().any(|input| input.title.variable == *name)
            || graph.decisions.iter().any(|decision| decision.title.variable == *name)
            || graph.inputs.iter().any(|input| input.path.first() == Some(name))
    };
    let entries = input.iter().filter(|(name, _)| !is_declared(name));
    let entries: Vec<_> = entries.map(|(name, value)| (name.clone(), value.clone())).collect();
    (!entries.is_empty()).then(|| Context::new(entries))
}

/// What all parts of one evaluation have in common; functions take it along.
#[derive(Debug)]
pub(crate) struct Shared {
    graph: Arc<Graph>,
    free: Option<Context>,
    journal: Journal,
    lookup: Lookup,
}

/// Where the values of input data come from.
#[derive(Debug)]
enum Supplied {
    /// By name.
    Input(Context),
    /// The arguments of a decision service.
    Arguments(BTreeMap<Target, Value>),
}

/// The evaluation of one decision with what it requires.
struct Run<'r, 'e> {
    shared: &'r Arc<Shared>,
    session: &'r mut Session<'e>,
    given: Supplied,
    /// Results of decisions.
    values: BTreeMap<usize, Value>,
    place: Place,
}

/// Where the evaluation is, for failures.
#[derive(Debug, Clone, Default)]
struct Place {
    decision: Str,
    rule: Option<u32>,
    cell: Option<Str>,
}

impl<'r, 'e> Run<'r, 'e> {
    fn new(shared: &'r Arc<Shared>, session: &'r mut Session<'e>, given: Supplied) -> Self {
        Self { shared, session, given, values: BTreeMap::new(), place: Place::default() }
    }

    /// The result of a decision. Requirements are followed with a stack of their own, since chains
    /// may be long; they end by MOD-1.
    fn decide(&mut self, root: usize) -> Value {
        let shared = self.shared.clone();
        let mut way = vec![root];
        while let Some(index) = way.last().copied() {
            if self.values.contains_key(&index) {
                way.pop();
                continue;
            }
            if !self.session.charge(1) {
                break;
            }
            let missing = shared.graph.decisions[index].requires.iter().rev().filter_map(|one| {
                match one.target {
                    Target::Decision(other) if !self.values.contains_key(&other) => Some(other),
                    _ => None,
                }
            });
            let before = way.len();
            way.extend(missing);
            if way.len() == before {
                let value = self.decision(index);
                self.values.insert(index, value);
                way.pop();
            }
        }
        self.values.get(&root).cloned().unwrap_or_default()
    }

    /// Evaluates a decision whose requirements are known.
    fn decision(&mut self, index: usize) -> Value {
        if let Supplied::Arguments(arguments) = &self.given
            && let Some(value) = arguments.get(&Target::Decision(index))
        {
            return value.clone();
        }
        let shared = self.shared.clone();
        let decision = &shared.graph.decisions[index];
        let name = match &*decision.title.id {
            "" => decision.title.name.clone(),
            _ => decision.title.id.clone(),
        };
        self.place = Place { decision: name, rule: None, cell: None };
        let mut frame = self.frame(&decision.requires);
        let mut record = Evaluated::of(&decision.title, &decision.logic.logic);
        let value = match &decision.logic.logic {
            Logic::Table(table) => self.table(table, &frame, Some(&mut record)),
            _ => self.eval(&decision.logic, &mut frame),
        };
        (self.place.rule, self.place.cell) = (None, None);
        let value = self.fit(&decision.logic.kind, value, "the result");
        let value = self.fit(&decision.kind, value, "the result");
        record.output = value.clone();
        shared.journal.record(record);
        value
    }

    /// The names that an element may use.
    fn frame(&mut self, requires: &[Requirement]) -> Frame {
        let shared = self.shared.clone();
        let mut frame = Frame::new(shared.free.clone());
        let mut imports: Vec<(Str, Vec<(Str, Value)>)> = Vec::new();
        for requirement in requires {
            let value = self.required(requirement.target);
            match &requirement.import {
                None => {
                    if shared.graph.dialect == Dialect::Camunda {
                        let id = &shared.graph.title(requirement.target).id;
                        frame.push(id.clone(), value.clone());
                    }
                    frame.push(requirement.name.clone(), value);
                }
                Some(import) => {
                    let entry = (requirement.name.clone(), value);
                    match imports.iter_mut().find(|(known, _)| known == import) {
                        Some((_, entries)) => entries.push(entry),
                        None => imports.push((import.clone(), vec![entry])),
                    }
                }
            }
        }
        for (import, entries) in imports {
            frame.push(import, Value::Context(Context::new(entries)));
        }
        frame
    }

    fn required(&mut self, target: Target) -> Value {
        match target {
            Target::Input(index) => self.input(index),
            Target::Decision(index) => self.values.get(&index).cloned().unwrap_or_default(),
            Target::Knowledge(_) | Target::Service(_) => {
                Value::Function(Function::host(Invocable::of(self.shared, target)))
            }
        }
    }

    /// The value of input data as its declared type.
    fn input(&mut self, index: usize) -> Value {
        let shared = self.shared.clone();
        let input = &shared.graph.inputs[index];
        let value = match &self.given {
            Supplied::Arguments(arguments) => {
                return arguments.get(&Target::Input(index)).cloned().unwrap_or_default();
            }
            Supplied::Input(context) => {
                let within = input.path.iter().try_fold(context, |context, name| {
                    context.get(name).and_then(Value::as_context)
                });
                let places = [within, Some(context)].into_iter().flatten();
                let mut found = places.filter_map(|place| {
                    place.get(&input.title.variable).or_else(|| place.get(&input.title.name))
                });
                found.next().cloned()
            }
        };
        let Some(value) = value else {
            let name = &input.title.name;
            let kind = feel::WarningKind::NoVariableFound;
            self.session.warn(kind, format!("No value is given for the input '{name}'"));
            return Value::Null;
        };
        if shared.graph.dialect == Dialect::Camunda {
            return value;
        }
        let value = input.kind.read_texts(value, &shared.graph);
        self.fit(&input.kind, value, &format!("the input `{}`", input.title.name))
    }

    /// The value as one of `kind`; null and a failure if it does not fit.
    fn fit(&mut self, kind: &Kind, value: Value, what: &str) -> Value {
        if value.is_null() || kind.is_any() {
            return value;
        }
        match kind.fit(value, &self.shared.graph, self.session) {
            Ok(value) => value,
            Err(Misfit(why)) => {
                self.fail(format!("{what} does not fit its type: {why}"));
                Value::Null
            }
        }
    }

    /// Notes a failure at the current place.
    fn fail(&mut self, message: String) {
        self.shared.journal.fail(Failure {
            decision: self.place.decision.clone(),
            rule: self.place.rule,
            cell: self.place.cell.clone(),
            message,
        });
    }

    /// Notes, once, that the session has stopped here.
    fn note_stop(&mut self) {
        if self.session.is_stopped() && self.shared.journal.stop_here() {
            self.fail("the evaluation was stopped here".to_owned());
        }
    }
}
