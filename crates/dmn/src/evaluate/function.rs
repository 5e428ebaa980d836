//! Functions: business knowledge models, decision services and boxed functions, as FEEL calls them.
//!
//! Boundary: the arguments already have the parameters' types as far as `feel` knows them.
//! Read first: [`Invocable`].

use std::collections::BTreeMap;
use std::sync::Arc;

use feel::{Callable, Context, Function, Parameter, Session, Str, Type, Value, WarningKind};

use crate::evaluate::{Frame, Place, Run, Shared, Supplied};
use crate::model::{FunctionLogic, Target};

/// A function of a model, with what it needs to be called from anywhere.
#[derive(Debug)]
pub(super) struct Invocable {
    shared: Arc<Shared>,
    what: What,
}

#[derive(Debug)]
enum What {
    Knowledge(usize),
    Service(usize),
    /// A boxed function, the names around it, and the decision that it stands in.
    Boxed(Arc<FunctionLogic>, Frame, Str),
}

impl Invocable {
    pub(super) fn of(shared: &Arc<Shared>, target: Target) -> Self {
        let what = match target {
            Target::Knowledge(index) => What::Knowledge(index),
            Target::Service(index) | Target::Decision(index) | Target::Input(index) => {
                What::Service(index)
            }
        };
        Self { shared: shared.clone(), what }
    }

    pub(super) fn boxed(
        shared: &Arc<Shared>,
        function: &Arc<FunctionLogic>,
        around: (&Frame, &Str),
    ) -> Self {
        let what = What::Boxed(function.clone(), around.0.clone(), around.1.clone());
        Self { shared: shared.clone(), what }
    }

    fn logic(&self) -> Option<&FunctionLogic> {
        match &self.what {
            What::Knowledge(index) => Some(&self.shared.graph.knowledge[*index].function),
            What::Boxed(function, _, _) => Some(function),
            What::Service(_) => None,
        }
    }
}

impl Callable for Invocable {
    fn parameters(&self) -> &[Parameter] {
        match &self.what {
            What::Service(index) => &self.shared.graph.services[*index].parameters,
            What::Knowledge(_) | What::Boxed(..) => {
                self.logic().map_or(&[], |logic| &logic.parameters)
            }
        }
    }

    fn result(&self) -> &Type {
        self.logic().map_or(&Type::Any, |logic| &logic.result)
    }

    fn call(&self, arguments: Vec<Value>, session: &mut Session<'_>) -> Value {
        let given = Supplied::Arguments(BTreeMap::new());
        let mut run = Run::new(&self.shared, session, given);
        match &self.what {
            What::Service(index) => run.service(*index, arguments),
            What::Knowledge(index) => {
                let knowledge = &self.shared.graph.knowledge[*index];
                run.place.decision = match &*knowledge.title.id {
                    "" => knowledge.title.name.clone(),
                    _ => knowledge.title.id.clone(),
                };
                let mut frame = run.frame(&knowledge.requires);
                let itself = Function::host(Self::of(&self.shared, Target::Knowledge(*index)));
                frame.push(knowledge.title.variable.clone(), Value::Function(itself));
                run.apply(&knowledge.function, frame, arguments)
            }
            What::Boxed(function, frame, decision) => {
                run.place.decision = decision.clone();
                run.apply(function, frame.clone(), arguments)
            }
        }
    }
}

impl Run<'_, '_> {
    /// Runs the body of a function; null if an argument is not of its parameter's type.
    fn apply(&mut self, logic: &FunctionLogic, mut frame: Frame, arguments: Vec<Value>) -> Value {
        let parameters = logic.parameters.iter().zip(&logic.kinds);
        for ((parameter, kind), argument) in parameters.zip(arguments) {
            let name = &parameter.name;
            match kind.fit(argument, &self.shared.graph, self.session) {
                Ok(value) => frame.push(name.clone(), value),
                Err(misfit) => {
                    let message = format!("the argument for `{name}`: {}", misfit.0);
                    self.session.warn(WarningKind::InvalidType, message);
                    return Value::Null;
                }
            }
        }
        self.eval(&logic.body, &mut frame)
    }

    /// The result of a decision service, in a run of its own.
    fn service(&mut self, index: usize, arguments: Vec<Value>) -> Value {
        let shared = self.shared.clone();
        let service = &shared.graph.services[index];
        let mut given = BTreeMap::new();
        for (target, argument) in service.takes.iter().zip(arguments) {
            let kind = match target {
                Target::Input(index) => &shared.graph.inputs[*index].kind,
                Target::Decision(index) => &shared.graph.decisions[*index].kind,
                Target::Knowledge(_) | Target::Service(_) => continue,
            };
            let value = self.fit(kind, argument, "an argument");
            given.insert(*target, value);
        }
        let mut run = Run::new(self.shared, self.session, Supplied::Arguments(given));
        let value = match &*service.gives {
            [single] => run.decide(*single),
            several => {
                let results = several.iter().map(|index| {
                    (shared.graph.decisions[*index].title.variable.clone(), run.decide(*index))
                });
                Value::Context(Context::new(results.collect()))
            }
        };
        self.fit(&service.kind, value, "the result")
    }

    /// Calls a function that was asked for from outside, with the values of the input that have
    /// the names of its parameters.
    pub(super) fn call_with_input(&mut self, target: Target) -> Value {
        let invocable = Invocable::of(self.shared, target);
        let name = self.shared.graph.title(target).name.clone();
        self.place = Place { decision: name, rule: None, cell: None };
        let mut arguments = Vec::new();
        for parameter in invocable.parameters() {
            let value = match &self.given {
                Supplied::Input(context) => context.get(&parameter.name).cloned(),
                Supplied::Arguments(_) => None,
            };
            arguments.push(value.unwrap_or_default());
        }
        let value = self.session.call(&Function::host(invocable), arguments);
        self.note_stop();
        value
    }
}
