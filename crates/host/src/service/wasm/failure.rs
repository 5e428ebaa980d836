//! Why a component did not answer, for people.
//!
//! Boundary: every message names the service, its code and what to do.
//! Read first: [`of_error`].

use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use super::meter::Meter;
use crate::diagnostic;
use crate::service::{Failure, WasmService, permanent, transient};

/// What wasmtime reports when a call does not end as it should.
pub(super) fn of_error(
    error: &wasmtime::Error,
    meter: &Meter,
    (name, service): (&str, &WasmService),
    said: &str,
) -> Failure {
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    if error.is::<PoolConcurrencyLimitError>() {
        return busy(name);
    }
    if meter.has_refused {
        let mib = service.memory_bytes >> 20;
        let code = diagnostic::OUT_OF_MEMORY;
        return permanent(format!(
            "{code}: `{name}` wanted more memory than its {mib} MiB{said}; raise `memory` in \
             package.toml, or give it less at once"
        ));
    }
    if let Some(Trap::StackOverflow) = error.downcast_ref::<Trap>() {
        let code = diagnostic::OUT_OF_STACK;
        return permanent(format!(
            "{code}: `{name}` called itself too deep{said}; look for a recursion without end"
        ));
    }
    let code = diagnostic::TRAPPED;
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        let exit = exit.0;
        return permanent(format!(
            "{code}: `{name}` ended with exit code {exit} instead of an answer{said}; return a \
             failure from `handle`"
        ));
    }
    let why = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => format!("{:#}", error.root_cause()),
    };
    permanent(format!(
        "{code}: `{name}` stopped: {why}{said}; the step's log has what it said before"
    ))
}

/// There are only so many instances.
pub(super) fn busy(name: &str) -> Failure {
    let code = diagnostic::BUSY;
    transient(format!("{code}: no place is free to run `{name}`; it is tried again"))
}

/// An answer that is none.
pub(super) fn bad_answer(name: &str, why: &str) -> Failure {
    let code = diagnostic::BAD_ANSWER;
    permanent(format!("{code}: `{name}` {why}"))
}
