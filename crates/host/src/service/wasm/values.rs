//! Values between the server and a component.
//!
//! Boundary: the shapes of `wit/service.wit`; `package/component/world.rs` has seen to it that the
//! component has the same.
//! Read first: [`context`], then [`failure_of`].

use wasmtime::component::Val;

use crate::service::{Call, Failure};

/// The record `context`.
pub(super) fn context(call: &Call, deadline_ms: u64) -> Val {
    let text = |text: &str| Val::String(text.to_owned());
    let field = |name: &str, value: Val| (name.to_owned(), value);
    Val::Record(vec![
        field("package", text(&call.package)),
        field("service", text(&call.service)),
        field("idempotency-key", text(&call.idempotency_key)),
        field("attempt", Val::U32(call.attempt)),
        field("deadline-ms", Val::U64(deadline_ms)),
        field("now-ms", Val::S64(call.now_ms)),
    ])
}

/// A `result<string, failure>` for a component.
pub(super) fn answer(result: Result<String, Failure>) -> Val {
    let boxed = |value: Val| Some(Box::new(value));
    Val::Result(match result {
        Ok(text) => Ok(boxed(Val::String(text))),
        Err(failure) => Err(boxed(failure_value(failure))),
    })
}

fn failure_value(failure: Failure) -> Val {
    let field = |name: &str, value: Val| (name.to_owned(), value);
    let (case, value) = match failure {
        Failure::Error { code, message } => {
            let fields =
                vec![field("code", Val::String(code)), field("message", Val::String(message))];
            ("error", Val::Record(fields))
        }
        Failure::Transient { message, retry_after_ms } => {
            let pause = Val::Option(retry_after_ms.map(|ms| Box::new(Val::U64(ms))));
            let fields =
                vec![field("message", Val::String(message)), field("retry-after-ms", pause)];
            ("transient", Val::Record(fields))
        }
        Failure::Permanent { message } => ("permanent", Val::String(message)),
    };
    Val::Variant(case.to_owned(), Some(Box::new(value)))
}

/// What a component answered; None if it has another shape, which was ruled out before.
pub(super) fn result_of(value: Val) -> Option<Result<String, Failure>> {
    match value {
        Val::Result(Ok(Some(text))) => match *text {
            Val::String(text) => Some(Ok(text)),
            _ => None,
        },
        Val::Result(Err(Some(failure))) => failure_of(*failure).map(Err),
        _ => None,
    }
}

fn failure_of(value: Val) -> Option<Failure> {
    let Val::Variant(case, Some(content)) = value else { return None };
    match (case.as_str(), *content) {
        ("error", Val::Record(fields)) => {
            let [code, message] = <[_; 2]>::try_from(fields).ok()?;
            Some(Failure::Error { code: text(code.1)?, message: text(message.1)? })
        }
        ("transient", Val::Record(fields)) => {
            let [message, pause] = <[_; 2]>::try_from(fields).ok()?;
            let retry_after_ms = match pause.1 {
                Val::Option(Some(ms)) => match *ms {
                    Val::U64(ms) => Some(ms),
                    _ => return None,
                },
                _ => None,
            };
            Some(Failure::Transient { message: text(message.1)?, retry_after_ms })
        }
        ("permanent", Val::String(message)) => Some(Failure::Permanent { message }),
        _ => None,
    }
}

/// The text of a value.
pub(super) fn text(value: Val) -> Option<String> {
    match value {
        Val::String(text) => Some(text),
        _ => None,
    }
}
