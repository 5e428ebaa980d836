//! `pointsman feel`: expressions without a server.
//!
//! Boundary: files and texts in, what `feel` says out; cases are run in `expression/test.rs`.
//! Read first: [`Command`].   Tests: tests/cli/feel.rs

mod test;

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use feel::{
    Context, Diagnostic, Dialect, Environment, Evaluation, Expression, Names, Session, Type, Value,
    WarningKind,
};

use node::Clock;

use crate::nearest::nearest;
use crate::output::{self, Format};
use crate::problem::{EXPRESSION, Failure, NO_RESULT};

/// Larger files are not read, in bytes.
const SCOPE_BYTES_MAX: u64 = 64 << 20;

/// What to do with expressions.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Evaluate an expression, or unary tests if there is an input.
    Eval(Eval),
    /// Say whether an expression is one, and which names it reads.
    Check(Check),
    /// Run cases from a file or directory of JSON lines; list those that fail.
    Test {
        /// A `.jsonl` file, or a directory with such files.
        path: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Eval {
    #[command(flatten)]
    text: Text,
    /// What `?` is: JSON. The expression is then read as unary tests, as in a decision table.
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// What `now()` answers, such as `2026-11-22T10:00:00Z`; the clock, if not given.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    now: Option<i64>,
    /// What `uuid()` and `random number()` derive from; they are null without it.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The most evaluation steps.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000)]
    steps: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    text: Text,
    /// Read the expression as unary tests.
    #[arg(long)]
    unary_tests: bool,
}

#[derive(Debug, Args)]
struct Text {
    /// The expression, with or without a leading `=`.
    expression: String,
    /// A file with the variables: a JSON object; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    scope: Option<PathBuf>,
    /// Follow the standard where Camunda differs from it.
    #[arg(long)]
    standard: bool,
}

/// Does it.
///
/// # Errors
/// A file cannot be read, an expression is wrong or has no result, a case failed.
pub(crate) fn run(command: &Command, format: Format) -> Result<(), Failure> {
    match command {
        Command::Eval(options) => eval(options, format),
        Command::Check(options) => check(options, format),
        Command::Test { path } => test::run(path, format),
    }
}

fn eval(options: &Eval, format: Format) -> Result<(), Failure> {
    let scope = options.text.variables()?;
    let expression = options.text.compile(&scope, options.input.is_some())?;
    let now_ms = options.now.unwrap_or_else(|| Clock::System.now_ms());
    let environment = Environment { now_ms, steps_max: options.steps };
    let mut session = Session::new(&environment);
    if let Some(seed) = options.seed {
        session = session.with_seed(seed);
    }
    let value = match &options.input {
        None => session.evaluate(&expression, &scope),
        Some(text) => {
            let input = feel::json::parse(text.as_bytes()).map_err(|error| {
                Failure::wrong_use("the input is not JSON".to_owned(), "").because(&error)
            })?;
            session.evaluate_with_input(&expression, &input, &scope)
        }
    };
    tell(&session.finish(value), &expression, &scope, format)
}

fn tell(
    evaluation: &Evaluation,
    expression: &Expression,
    scope: &Context,
    format: Format,
) -> Result<(), Failure> {
    let shown = feel::json::to_string(&evaluation.value);
    let value: serde_json::Value = serde_json::from_str(&shown).unwrap_or_default();
    let warnings: Vec<_> = evaluation
        .warnings
        .iter()
        .map(|warning| json!({"type": warning.kind.code(), "message": warning.message}))
        .collect();
    let limit = evaluation.warnings.iter().find(|w| w.kind == WarningKind::LimitExceeded);
    let why = evaluation.failure.clone().or_else(|| limit.map(|limit| limit.message.clone()));
    if why.is_none() {
        let data = json!({"value": value, "warnings": warnings});
        output::show(format, &data, || format!("{value:#}"))?;
    }
    let tolerated = evaluation.warnings.iter().filter(|w| w.kind != WarningKind::LimitExceeded);
    for warning in tolerated {
        output::remark(&format!("warning[{}]: {}", warning.kind.code(), warning.message));
    }
    for unknown in unknown(expression, scope) {
        if unknown.message.contains("nearest") {
            output::remark(&format!("hint: {}", unknown.message));
        }
    }
    match why {
        Some(why) => Err(Failure::refused(NO_RESULT, why, "")),
        None => Ok(()),
    }
}

fn check(options: &Check, format: Format) -> Result<(), Failure> {
    let text = &options.text;
    let scope = text.variables()?;
    let expression = text.compile(&scope, options.unary_tests)?;
    let wrong = match text.scope {
        Some(_) => unknown(&expression, &scope),
        None => expression.unknown_functions().to_vec(),
    };
    let reads = expression.variables();
    let problems: Vec<_> = wrong
        .iter()
        .map(|diagnostic| {
            let (line, column) = place(text.text(), diagnostic.offset);
            json!({"line": line, "column": column, "message": diagnostic.message})
        })
        .collect();
    let names: Vec<&str> = reads.iter().map(|name| &**name).collect();
    let data = json!({"variables": names, "problems": problems});
    output::show(format, &data, || match names.as_slice() {
        [] => "reads no variables".to_owned(),
        names => format!("reads {}", names.join(", ")),
    })?;
    match wrong.split_last() {
        None => Ok(()),
        Some((last, others)) => {
            for diagnostic in others {
                if let Some(problem) = text.wrong(diagnostic).problem {
                    output::remark(&problem.to_string());
                }
            }
            Err(text.wrong(last))
        }
    }
}

impl Text {
    fn text(&self) -> &str {
        self.expression.strip_prefix('=').unwrap_or(&self.expression)
    }

    fn variables(&self) -> Result<Context, Failure> {
        let Some(path) = &self.scope else { return Ok(Context::default()) };
        let bytes = read(path)?;
        let value = feel::json::parse(&bytes).map_err(|error| {
            let message = format!("`{}` is not JSON", path.display());
            Failure::wrong_use(message, "the variables are one JSON object").because(&error)
        })?;
        // Temporal values may be marked, as they are in cases.
        match feel::cases::typed(&value).unwrap_or(value) {
            Value::Context(scope) => Ok(scope),
            other => {
                let kind = other.kind_name();
                let message = format!(
                    "expected an object of variables in `{}`, found {kind}",
                    path.display()
                );
                Err(Failure::wrong_use(message, "write {\"name\": value, ...}"))
            }
        }
    }

    fn compile(&self, scope: &Context, unary_tests: bool) -> Result<Expression, Failure> {
        let mut names = Names::of(if self.standard { Dialect::Standard } else { Dialect::Camunda });
        for (name, _) in scope.iter() {
            names.declare(name, Type::Any);
        }
        let compiled = if unary_tests {
            Expression::compile_unary_tests_with(self.text(), &names)
        } else {
            Expression::compile_with(self.text(), &names)
        };
        compiled.map_err(|diagnostic| self.wrong(&diagnostic))
    }

    /// The diagnostic with its line and a caret below it.
    fn wrong(&self, diagnostic: &Diagnostic) -> Failure {
        let text = self.text();
        let (line, column) = place(text, diagnostic.offset);
        let shown = text.lines().nth(line - 1).unwrap_or_default();
        let caret = " ".repeat(column - 1);
        let place = format!("{line}:{column}\n  | {shown}\n  | {caret}^");
        Failure::refused(EXPRESSION, diagnostic.message.clone(), &self.hint(diagnostic)).at(place)
    }

    /// Keywords that are nearly right.
    fn hint(&self, diagnostic: &Diagnostic) -> String {
        const WORDS: [&str; 10] = [
            "then",
            "else",
            "return",
            "satisfies",
            "in",
            "and",
            "or",
            "between",
            "instance",
            "function",
        ];
        let rest = self.text().get(diagnostic.offset..).unwrap_or_default();
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        match nearest(&word, WORDS) {
            Some(near) if near != word && word.len() > 2 => format!("did you mean `{near}`?"),
            _ => String::new(),
        }
    }
}

/// A moment, in milliseconds since 1970 UTC.
fn moment(text: &str) -> Result<i64, String> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    parsed.map(jiff::Timestamp::as_millisecond).map_err(|error| error.to_string())
}

/// Functions and variables that do not exist, in the order of the text.
fn unknown(expression: &Expression, scope: &Context) -> Vec<Diagnostic> {
    let mut wrong = expression.unknown_functions().to_vec();
    for name in expression.unknown_names(scope.iter().map(|(name, _)| &**name)) {
        if wrong.iter().all(|known| known.offset != name.offset) {
            wrong.push(name);
        }
    }
    wrong.sort_by_key(|diagnostic| diagnostic.offset);
    wrong
}

/// Line and column of a byte offset, from 1, in characters.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let last = before.rsplit('\n').next().unwrap_or_default();
    (line, last.chars().count() + 1)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::file("read", path, &error);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        let mut input = std::io::stdin().lock().take(SCOPE_BYTES_MAX);
        input.read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let mut file = std::fs::File::open(path).map_err(failed)?.take(SCOPE_BYTES_MAX);
        file.read_to_end(&mut bytes).map_err(failed)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_counts_lines_and_characters() {
        assert_eq!(place("a + b", 0), (1, 1));
        assert_eq!(place("ä + b", 5), (1, 5));
        assert_eq!(place("a +\n  b ~", 8), (2, 5));
        assert_eq!(place("a", 9), (1, 2));
    }
}
