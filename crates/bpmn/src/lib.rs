//! BPMN 2.0 XML to checked, immutable programs, or to diagnostics that say what to do.
//!
//! Boundary: pure; knows nothing of packages, instances or time. Expressions are compiled by
//! `feel`. What the elements do at run time lives in `engine`.
//! Invariants: BPM-1 no input makes it panic; cost is linear in the input, up to a logarithm.
//! Read first: [`Program`], then [`read`]; the text form is described in `text.rs`.

mod check;
mod code;
mod compile;
mod diagnostic;
mod place;
mod program;
mod report;
mod source;
mod text;
mod xml;

pub use code::CODES;
pub use diagnostic::{Diagnostic, Severity};
pub use program::{
    Binding, CallActivity, CalledDecision, Catch, Element, ElementIndex, Flow, FlowIndex, JobSpec,
    Kind, LockSpec, LoopSpec, Mapping, MessageSpec, Place, Program, Publication, Rule, Script,
    SendSpec, StartTrigger, Target, TimerSpec, TimerText,
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
/// All problems at once, each with its place, sorted by it; never only the first. Past 1,000, the
/// last one (`BPMN-012`) says how many more there are. Warnings are among them.
pub fn read(xml: &[u8], limits: &Limits) -> Result<Model, Vec<Diagnostic>> {
    let text = decode(xml, limits)?;
    let mut report = Report::new(text);
    let Some(document) = xml::parse(text, limits, &mut report) else {
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
    let text = decode(text.as_bytes(), &Limits::default())?;
    let mut report = Report::new(text);
    let source = text::parse(text, &mut report);
    let program = compile::process(&source, &mut report);
    if report.errors() == 0 { Ok(program) } else { Err(report.finish()) }
}

/// The text of a file that is not too large and is UTF-8.
fn decode<'a>(bytes: &'a [u8], limits: &Limits) -> Result<&'a str, Vec<Diagnostic>> {
    let bytes_max = limits.bytes_max;
    if bytes.len() > bytes_max {
        let mut report = Report::new("");
        let message = format!("the file has {} bytes, at most {bytes_max} are read", bytes.len());
        let hint = "split it into several files, one process each";
        report.error(code::FILE_TOO_LARGE, Spot::file(0), message, hint);
        return Err(report.finish());
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let valid = String::from_utf8_lossy(valid);
        let mut report = Report::new(&valid);
        let message = format!("the byte at offset {} is not UTF-8", error.valid_up_to());
        let hint = "save the file with the encoding UTF-8";
        report.error(code::NOT_UTF8, Spot::file(u32::MAX), message, hint);
        report.finish()
    })
}
