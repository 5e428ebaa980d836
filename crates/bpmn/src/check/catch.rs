//! Two boundary events of one activity must not catch the same.
//!
//! Boundary: compares constants; computed message names are compared by the engine.
//! Read first: [`check`].

use std::collections::BTreeSet;

use feel::{Str, Value};
use markup::{Report, short};

use crate::code;
use crate::program::{Catch, Kind, Program};
use crate::source::Process;

/// What makes two boundary events equal.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caught {
    Message(Str),
    Error(Option<Str>),
}

/// Checks the boundary events of every activity.
pub(super) fn check(source: &Process<'_>, program: &Program, report: &mut Report<'_>) {
    for element in &program.elements {
        let mut seen = BTreeSet::new();
        for index in &element.boundary {
            let event = program.elements.get(index.0 as usize);
            let Some(Kind::Boundary { catch, .. }) = event.map(|event| &event.kind) else {
                continue;
            };
            let Some(caught) = caught(catch) else { continue };
            let Some(node) = source.nodes.get(index.0 as usize - 1) else { continue };
            let what = match &caught {
                Caught::Message(name) => format!("the message `{name}`"),
                Caught::Error(Some(code)) => format!("the error `{code}`"),
                Caught::Error(None) => "every error".to_owned(),
            };
            if !seen.insert(caught) {
                let text = format!("two boundary events of `{}` catch {what}", short(&element.id));
                let hint = "keep one of the two";
                report.error(code::CATCH_TWICE, node.spot(), text, hint);
            }
        }
    }
}

fn caught(catch: &Catch) -> Option<Caught> {
    match catch {
        Catch::Message(spec) => match spec.name.as_constant() {
            Some(Value::String(name)) => Some(Caught::Message(name.clone())),
            Some(_) | None => None,
        },
        Catch::Error { code } => Some(Caught::Error(code.clone())),
        Catch::Timer(_) => None,
    }
}
