//! DMN 1.1 to 1.5: XML to a checked, immutable [`Model`], or to diagnostics that say what to do;
//! and the evaluation of its decisions.
//!
//! Boundary: pure; knows nothing of packages, instances or time. Expressions are compiled and
//! evaluated by `feel`. Who stores which version of a decision is up to `node`.
//! Invariants: DNP-1 no input makes it panic; an evaluation ends within its budget of steps.
//! Read first: [`Model`], then [`read`], then [`Model::evaluate`].

mod code;
mod evaluate;
mod kind;
mod model;
mod read;
pub mod tck;
mod xml;

pub use code::CODES;
pub use evaluate::{Evaluated, Failure, Given, Input, Matched, Outcome};
pub use markup::{Diagnostic, Place, Severity};
pub use model::Model;

use markup::Bounds;

/// One DMN file.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What diagnostics call it, for example its path.
    pub name: &'a str,
    /// Its bytes.
    pub xml: &'a [u8],
}

/// Bounds on what is read; all are inclusive.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one file. Default 4 MiB.
    pub bytes_max: usize,
    /// Depth of nested XML elements. Default 200.
    pub depth_max: usize,
    /// Attributes of one XML element. Default 256.
    pub attributes_max: usize,
    /// XML nodes of one file. Default 400,000.
    pub nodes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 4 * 1024 * 1024, depth_max: 200, attributes_max: 256, nodes_max: 400_000 }
    }
}

impl Limits {
    /// What of it concerns XML.
    pub(crate) fn bounds(&self) -> Bounds {
        let Self { bytes_max: _, depth_max, attributes_max, nodes_max } = *self;
        Bounds { depth_max, attributes_max, nodes_max }
    }
}

/// What is done about expressions that do not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rigour {
    /// The model is refused.
    Strict,
    /// They are null when they are evaluated.
    Tolerant,
}

/// Reads, checks and compiles a DMN file; `others` are those that it may import.
///
/// ```
/// use dmn::{Limits, Source, read};
/// use feel::{Context, Environment, Value};
///
/// let xml = br##"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"
///     name="sums" namespace="urn:sums">
///   <inputData id="a" name="a"><variable name="a" typeRef="number"/></inputData>
///   <decision id="twice" name="Twice"><variable name="Twice"/>
///     <informationRequirement><requiredInput href="#a"/></informationRequirement>
///     <literalExpression><text>a * 2</text></literalExpression></decision>
/// </definitions>"##;
/// let model = read(&Source { name: "sums.dmn", xml }, &[], &Limits::default()).expect("a model");
/// let input = Context::builder().with("a", 21).build();
/// let environment = Environment { now_ms: 0, steps_max: 10_000 };
/// let outcome = model.evaluate("twice", &input, &environment).expect("a decision");
/// assert_eq!(outcome.value, Value::from(42));
/// assert_eq!(&*outcome.decisions[0].name, "Twice");
/// ```
///
/// # Errors
/// All problems at once, each with its place, sorted by it; never only the first. Past 1,000 of
/// one file, the last one (`DMN-010`) says how many more there are. Warnings are among them.
pub fn read(
    main: &Source<'_>,
    others: &[Source<'_>],
    limits: &Limits,
) -> Result<Model, Vec<Diagnostic>> {
    read::read(main, others, limits, Rigour::Strict)
}

/// As [`read`], but expressions that do not parse, functions of other languages and types that
/// are not defined do not refuse the model: what depends on them is null when it is evaluated.
/// This is what the conformance tests of DMN expect.
///
/// # Errors
/// As [`read`], for everything else.
pub fn read_tolerant(
    main: &Source<'_>,
    others: &[Source<'_>],
    limits: &Limits,
) -> Result<Model, Vec<Diagnostic>> {
    read::read(main, others, limits, Rigour::Tolerant)
}
