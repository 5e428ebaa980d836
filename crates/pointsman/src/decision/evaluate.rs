//! `pointsman decision evaluate`: one decision of a DMN file, with what was evaluated on the way.
//!
//! Boundary: files and printing; the values are JSON.
//! Read first: [`run`].   Tests: tests/decision.rs

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use dmn::{Diagnostic, Limits, Model, Outcome};
use feel::{Context, Environment, Value as Feel};
use node::Clock;
use serde_json::{Value, json};

use crate::decision::deployed::{self, Evaluator};
use crate::decision::{File, STEPS_MAX, files, read, sources};
use crate::nearest::nearest;
use crate::output::{self, Format, remark};
use crate::problem::{ARGUMENT, Exit, Failure};

/// Which decision, and with which input.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The id or name of the decision, or the name of a decision service.
    #[arg(value_name = "ID")]
    decision: String,
    /// A JSON object with the values of the inputs; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The DMN file; else those in `decisions` and here are searched for the decision.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    evaluator: Evaluator,
}

/// Evaluates and shows the outcome.
///
/// # Errors
/// A file cannot be read, the model is refused, has no such decision, the server refuses or cannot
/// be reached, or the evaluation fails.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    let input = read_input(options.input.as_deref())?;
    if let Some(remote) = options.evaluator.remote() {
        return deployed::evaluate(&remote, &options.decision, &input, format);
    }
    let model = match &options.model {
        Some(path) => model_in(path)?,
        None => search(&options.decision)?,
    };
    let environment = Environment { now_ms: Clock::System.now_ms(), steps_max: STEPS_MAX };
    let Some(outcome) = model.evaluate(&options.decision, &input, &environment) else {
        return Err(unknown(&options.decision, &model));
    };
    output::show(format, &shown(&options.decision, &outcome), || text(&outcome))?;
    if format == Format::Table {
        for failure in &outcome.failures {
            remark(&format!("failed: {failure}"));
        }
        for warning in &outcome.warnings {
            remark(&format!("warning: {}", warning.message));
        }
    }
    match outcome.failures.is_empty() {
        true => Ok(()),
        false => Err(Failure::told(Exit::Refused)),
    }
}

fn read_input(path: Option<&Path>) -> Result<Context, Failure> {
    let text = match path {
        None => return Ok(Context::builder().build()),
        Some(path) if path == Path::new("-") => {
            let mut text = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut text);
            read.map_err(|error| Failure::file("read", path, &error))?;
            text
        }
        Some(path) => read(path)?,
    };
    let hint = "the input is one JSON object: a value for each name";
    match feel::json::parse(&text) {
        Ok(Feel::Context(context)) => Ok(context),
        Ok(other) => Err(Failure::wrong_use(format!("the input is a {}", other.kind_name()), hint)),
        Err(error) => {
            let message =
                format!("the input is no JSON: {} at byte {}", error.message, error.offset);
            Err(Failure::wrong_use(message, hint))
        }
    }
}

/// The model in a file; files beside it may be imported.
fn model_in(path: &Path) -> Result<Model, Failure> {
    let main = (path.display().to_string(), read(path)?);
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut others = files(directory, "dmn")?;
    let same = |name: &str| Path::new(name).file_name() == path.file_name();
    others.retain(|(name, _)| !same(name));
    compile(&main, &others).map_err(|problems| refused(&problems))
}

fn compile(main: &File, others: &[File]) -> Result<Model, Vec<Diagnostic>> {
    let source = dmn::Source { name: &main.0, xml: &main.1 };
    dmn::read(&source, &sources(others), &Limits::default())
}

fn refused(problems: &[Diagnostic]) -> Failure {
    for problem in problems {
        remark(&format!("{problem}\n  hint: {}", problem.hint));
    }
    Failure::told(Exit::Refused)
}

/// The model among those of a package directory that has the decision.
fn search(decision: &str) -> Result<Model, Failure> {
    let mut broken = Vec::new();
    for directory in ["decisions", "."].map(Path::new).into_iter().filter(|path| path.is_dir()) {
        let files = files(directory, "dmn")?;
        for position in 0..files.len() {
            let mut others = files.clone();
            let main = others.remove(position);
            match compile(&main, &others) {
                Ok(model) => {
                    if model.decisions().any(|(id, name)| [&**id, &**name].contains(&decision)) {
                        return Ok(model);
                    }
                }
                Err(problems) => broken.extend(problems),
            }
        }
    }
    if !broken.is_empty() {
        return Err(refused(&broken));
    }
    let message = format!("no file in `decisions` or here has a decision `{decision}`");
    Err(Failure::wrong_use(message, "name the file with `--model FILE`"))
}

fn unknown(decision: &str, model: &Model) -> Failure {
    let names = || model.decisions().flat_map(|(id, name)| [&**id, &**name]);
    let hint = match nearest(decision, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let known: Vec<&str> = model.decisions().map(|(id, _)| &**id).take(20).collect();
            format!("its decisions are: {}", known.join(", "))
        }
    };
    Failure::refused(ARGUMENT, format!("the model has no decision `{decision}`"), &hint)
}

fn value(value: &Feel) -> Value {
    serde_json::from_str(&feel::json::to_string(value)).unwrap_or_default()
}

fn shown(decision: &str, outcome: &Outcome) -> Value {
    let decisions = outcome.decisions.iter().map(|decision| {
        let inputs = decision.inputs.iter().map(|input| {
            json!({ "id": &*input.id, "label": &*input.label, "value": value(&input.value) })
        });
        let matched = decision.matched.iter().map(|matched| {
            let outputs = matched
                .outputs
                .iter()
                .map(|given| json!({ "name": &*given.name, "value": value(&given.value) }));
            json!({
                "rule": matched.rule,
                "id": &*matched.id,
                "outputs": outputs.collect::<Vec<_>>(),
            })
        });
        json!({
            "id": &*decision.id,
            "name": &*decision.name,
            "inputs": inputs.collect::<Vec<_>>(),
            "matched": matched.collect::<Vec<_>>(),
            "output": value(&decision.output),
        })
    });
    let failures = outcome.failures.iter().map(|failure| {
        json!({
            "decision": &*failure.decision,
            "rule": failure.rule,
            "cell": failure.cell.as_deref(),
            "message": failure.message,
        })
    });
    json!({
        "decision": decision,
        "result": value(&outcome.value),
        "decisions": decisions.collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
        "warnings": outcome.warnings.iter().map(|one| &*one.message).collect::<Vec<_>>(),
    })
}

/// The result, and a line for each decision with the rules that matched.
fn text(outcome: &Outcome) -> String {
    let mut lines = vec![feel::json::to_string(&outcome.value)];
    for decision in &outcome.decisions {
        let rules: Vec<String> =
            decision.matched.iter().map(|matched| matched.rule.to_string()).collect();
        let rules = match rules.is_empty() {
            true => String::new(),
            false => format!(" (rules {})", rules.join(", ")),
        };
        let output = feel::json::to_string(&decision.output);
        lines.push(format!("  {} = {output}{rules}", decision.name));
    }
    lines.join("\n")
}
