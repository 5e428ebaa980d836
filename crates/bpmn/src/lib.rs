//! BPMN 2.0 XML to checked, immutable programs, or to diagnostics that say what to do.
//!
//! Boundary: pure; knows nothing of packages, instances or time. Expressions are compiled by
//! `feel`. What the elements do at run time lives in `engine`.
//! Read first: [`Program`], then [`read`].

mod check;
mod code;
mod compile;
mod diagnostic;
mod place;
mod program;
mod report;
mod source;
mod text;

pub use code::CODES;
pub use diagnostic::{Diagnostic, Severity};
pub use program::{
    CallActivity, Catch, Element, ElementIndex, Flow, FlowIndex, JobSpec, Kind, LoopSpec, Mapping,
    MessageSpec, Place, Program, Publication, Script, SendSpec, StartTrigger, Target, TimerSpec,
    TimerText,
};

use report::{Report, Spot};

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

/// Reads, checks and compiles a BPMN file.
///
/// # Errors
/// All problems at once, each with its place; never only the first.
pub fn read(_xml: &[u8], _limits: &Limits) -> Result<Model, Vec<Diagnostic>> {
    Err(Vec::new())
}

/// Compiles the compact text form that scenario files use (one process).
///
/// # Errors
/// As [`read`]; the places are those of the text.
pub fn read_text(text: &str) -> Result<Program, Vec<Diagnostic>> {
    let mut report = Report::new(text);
    let bytes_max = Limits::default().bytes_max;
    if text.len() > bytes_max {
        let message = format!("the text has {} bytes, at most {bytes_max} are read", text.len());
        report.error(code::FILE_TOO_LARGE, Spot::file(0), message, "split the process");
        return Err(report.finish());
    }
    let source = text::parse(text, &mut report);
    let program = compile::process(&source, &mut report);
    if report.errors() == 0 { Ok(program) } else { Err(report.finish()) }
}
