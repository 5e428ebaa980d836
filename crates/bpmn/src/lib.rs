//! BPMN 2.0 XML to checked, immutable programs, or to diagnostics that say what to do.
//!
//! Boundary: pure; knows nothing of packages, instances or time. Expressions are compiled by
//! `feel`. What the elements do at run time lives in `engine`.
//! Invariants: BPM-1 no input makes it panic; cost is linear in the input, up to a logarithm.
//! Read first: [`Program`], then [`read`]; the text form is described in `text.rs`.

mod check;
mod code;
mod compile;
mod program;
mod source;
mod text;
mod xml;

pub use code::CODES;
pub use markup::{Diagnostic, Place, Severity};
pub use program::{
    Binding, CallActivity, CalledDecision, Catch, Element, ElementIndex, Flow, FlowIndex, JobSpec,
    Kind, LockSpec, LoopSpec, Mapping, MessageSpec, Program, Publication, Rule, Script, SendSpec,
    StartTrigger, Target, TimerSpec, TimerText,
};

use markup::{Bounds, Report};

use crate::code::FORMAT;

/// What one BPMN file holds.
#[derive(Debug, Clone)]
pub struct Model {
    /// The executable processes, in document order.
    pub programs: Vec<Program>,
    /// Warnings that did not prevent compilation.
    pub warnings: Vec<Diagnostic>,
}

/// Bounds on what is read; all are inclusive.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the file. Default 4 MiB.
    pub bytes_max: usize,
    /// Depth of nested XML elements. Default 200.
    pub depth_max: usize,
    /// Attributes of one XML element. Default 256.
    pub attributes_max: usize,
    /// XML nodes in all. Default 200,000.
    pub nodes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 4 * 1024 * 1024, depth_max: 200, attributes_max: 256, nodes_max: 200_000 }
    }
}

impl Limits {
    /// What of it concerns XML.
    fn bounds(&self) -> Bounds {
        let Self { bytes_max: _, depth_max, attributes_max, nodes_max } = *self;
        Bounds { depth_max, attributes_max, nodes_max }
    }
}

/// Reads, checks and compiles a BPMN file.
///
/// # Errors
/// All problems at once, each with its place, sorted by it; never only the first. Past 1,000, the
/// last one (`BPMN-012`) says how many more there are. Warnings are among them.
pub fn read(xml: &[u8], limits: &Limits) -> Result<Model, Vec<Diagnostic>> {
    let text = markup::decode(FORMAT, "", xml, limits.bytes_max)?;
    let mut report = Report::new(FORMAT, "", text);
    let Some(document) = markup::parse(text, &limits.bounds(), &mut report) else {
        return Err(report.finish());
    };
    let processes = xml::read(&document, &mut report);
    let programs = processes.iter().map(|source| compile::process(source, &mut report)).collect();
    if report.errors() == 0 {
        Ok(Model { programs, warnings: report.finish() })
    } else {
        Err(report.finish())
    }
}

/// Compiles the compact text form that scenario files use (one process).
///
/// # Errors
/// As [`read`]; the places are those of the text.
pub fn read_text(text: &str) -> Result<Program, Vec<Diagnostic>> {
    let bytes_max = Limits::default().bytes_max;
    let text = markup::decode(FORMAT, "", text.as_bytes(), bytes_max)?;
    let mut report = Report::new(FORMAT, "", text);
    let source = text::parse(text, &mut report);
    let program = compile::process(&source, &mut report);
    if report.errors() == 0 { Ok(program) } else { Err(report.finish()) }
}
