//! The compiled form of one DMN file and of what it imports.
//!
//! Boundary: data only; `read` builds it, `evaluate` runs it.
//! Invariants: MOD-1 requirements have no circle, so that whoever follows them ends.
//! Read first: [`Model`], then [`Graph`], then [`Logic`].

mod table;

use std::sync::Arc;

use feel::{Expression, Parameter, Str};
use markup::Diagnostic;

use crate::kind::{Kind, TypeDefinition};

pub(crate) use table::{Column, HitPolicy, Output, Rule, Table};

/// A checked model: immutable, shared, evaluated any number of times.
#[derive(Debug, Clone)]
pub struct Model(pub(crate) Arc<Graph>);

/// All elements of a file and of the files that it imports.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) id: Str,
    pub(crate) name: Str,
    pub(crate) namespace: Str,
    pub(crate) dialect: feel::Dialect,
    pub(crate) inputs: Vec<InputElement>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) knowledge: Vec<Knowledge>,
    pub(crate) services: Vec<Service>,
    pub(crate) types: Vec<TypeDefinition>,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// What an element is called, and in which file it stands: 0 is the one that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Title {
    pub(crate) id: Str,
    pub(crate) name: Str,
    /// What its value is called where it is required.
    pub(crate) variable: Str,
    pub(crate) file: usize,
}

#[derive(Debug)]
pub(crate) struct InputElement {
    pub(crate) title: Title,
    pub(crate) kind: Kind,
    /// The names of the imports that lead to it from the main file; none for its own.
    pub(crate) path: Vec<Str>,
}

#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) title: Title,
    pub(crate) kind: Kind,
    /// `zeebe:versionTag`
    pub(crate) version_tag: Option<Str>,
    pub(crate) requires: Vec<Requirement>,
    pub(crate) logic: Boxed,
}

/// A business knowledge model: a function.
#[derive(Debug)]
pub(crate) struct Knowledge {
    pub(crate) title: Title,
    pub(crate) requires: Vec<Requirement>,
    pub(crate) function: Arc<FunctionLogic>,
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) title: Title,
    pub(crate) kind: Kind,
    /// Input data, then decisions whose results are given: the parameters in order.
    pub(crate) takes: Vec<Target>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) gives: Vec<usize>,
}

/// What one element may use of another, and the name it has there.
#[derive(Debug, Clone)]
pub(crate) struct Requirement {
    pub(crate) target: Target,
    pub(crate) name: Str,
    /// The name of the import that it is an entry of.
    pub(crate) import: Option<Str>,
}

/// Positions in the lists of [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Input(usize),
    Decision(usize),
    Knowledge(usize),
    Service(usize),
}

/// A boxed expression, and the type that its value has to have.
#[derive(Debug)]
pub(crate) struct Boxed {
    pub(crate) logic: Logic,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Logic {
    /// There is none, or it cannot be evaluated: null, and a failure if there is a reason.
    Nothing(Option<Str>),
    Literal(Expression),
    Table(Box<Table>),
    /// Entries in order; the one without a name is the result.
    Context(Vec<(Option<Str>, Boxed)>),
    Invocation(Box<Invocation>),
    /// Columns and rows.
    Relation(Vec<Str>, Vec<Vec<Boxed>>),
    List(Vec<Boxed>),
    Function(Arc<FunctionLogic>),
    /// Condition, then, otherwise.
    Conditional(Box<[Boxed; 3]>),
    For(Box<Iteration>),
    Some(Box<Iteration>),
    Every(Box<Iteration>),
    /// The iteration's variable is `item`.
    Filter(Box<Iteration>),
}

#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) callee: Boxed,
    pub(crate) bindings: Vec<(Str, Boxed)>,
}

#[derive(Debug)]
pub(crate) struct Iteration {
    pub(crate) variable: Str,
    pub(crate) over: Boxed,
    pub(crate) body: Boxed,
    /// Whether the results so far are read as `partial`.
    pub(crate) uses_partial: bool,
}

#[derive(Debug)]
pub(crate) struct FunctionLogic {
    pub(crate) parameters: Vec<Parameter>,
    /// The types of the parameters with what values they allow.
    pub(crate) kinds: Vec<Kind>,
    pub(crate) result: feel::Type,
    pub(crate) body: Boxed,
}

impl Model {
    /// The id of the main file's definitions, or else their name.
    #[must_use]
    pub fn id(&self) -> &Str {
        if self.0.id.is_empty() { &self.0.name } else { &self.0.id }
    }

    /// The name of the main file's definitions.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The namespace of the main file's definitions.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// The ids and names of the main file's decisions, in document order.
    pub fn decisions(&self) -> impl Iterator<Item = (&Str, &Str)> {
        let own = self.0.decisions.iter().filter(|decision| decision.title.file == 0);
        own.map(|decision| (&decision.title.id, &decision.title.name))
    }

    /// The version tag of the main file's decision with this id (`zeebe:versionTag`).
    #[must_use]
    pub fn version_tag(&self, id: &str) -> Option<&Str> {
        let mut own = self.0.decisions.iter().filter(|decision| decision.title.file == 0);
        own.find(|decision| &*decision.title.id == id)?.version_tag.as_ref()
    }

    /// The names of the main file's input data, in document order.
    pub fn inputs(&self) -> impl Iterator<Item = &Str> {
        let own = self.0.inputs.iter().filter(|input| input.title.file == 0);
        own.map(|input| &input.title.name)
    }

    /// What is probably not meant.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.0.warnings
    }
}

impl Logic {
    /// The DMN element; empty if there is none.
    pub(crate) fn element(&self) -> &'static str {
        match self {
            Self::Nothing(_) => "",
            Self::Literal(_) => "literalExpression",
            Self::Table(_) => "decisionTable",
            Self::Context(_) => "context",
            Self::Invocation(_) => "invocation",
            Self::Relation(..) => "relation",
            Self::List(_) => "list",
            Self::Function(_) => "functionDefinition",
            Self::Conditional(_) => "conditional",
            Self::For(_) => "for",
            Self::Some(_) => "some",
            Self::Every(_) => "every",
            Self::Filter(_) => "filter",
        }
    }
}

impl Graph {
    pub(crate) fn title(&self, target: Target) -> &Title {
        match target {
            Target::Input(index) => &self.inputs[index].title,
            Target::Decision(index) => &self.decisions[index].title,
            Target::Knowledge(index) => &self.knowledge[index].title,
            Target::Service(index) => &self.services[index].title,
        }
    }

    /// The main file's decision of that id, or else name; then those of imported files.
    pub(crate) fn find_decision(&self, wanted: &str) -> Option<usize> {
        let titles = || self.decisions.iter().map(|decision| &decision.title);
        titles()
            .position(|title| title.file == 0 && &*title.id == wanted)
            .or_else(|| titles().position(|title| title.file == 0 && &*title.name == wanted))
            .or_else(|| titles().position(|title| &*title.name == wanted))
    }

    /// The main file's function (knowledge model or service) of that id or name.
    pub(crate) fn find_function(&self, wanted: &str) -> Option<Target> {
        let fits = |title: &Title| &*title.id == wanted || &*title.name == wanted;
        let service = self.services.iter().position(|service| fits(&service.title));
        let knowledge = self.knowledge.iter().position(|knowledge| fits(&knowledge.title));
        service.map(Target::Service).or(knowledge.map(Target::Knowledge))
    }
}
