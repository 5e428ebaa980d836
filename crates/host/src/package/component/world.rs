//! What a component exports and imports, against the world `pointsman:service`.
//!
//! Boundary: validates and compares; nothing is compiled. `wit/service.wit` is the world for
//! authors; the shapes here say the same.
//! Invariants: WSM-2 a component that imports what is not granted is never compiled.
//! Read first: [`check`], then [`GRANTED`].

use wasmparser::component_types::ComponentEntityType;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use super::shape::function;
use crate::diagnostic::{self, Diagnostic};

/// What a service exports.
const HANDLER: &str = "pointsman:service/handler@0.1.0";
const HANDLE: &str = "(context: record{package: string, service: string, idempotency-key: string, \
                      attempt: u32, deadline-ms: u64, now-ms: s64}, input: string) -> \
                      result<string, variant{error(record{code: string, message: string}), \
                      transient(record{message: string, retry-after-ms: option<u64>}), \
                      permanent(string)}>";
const CALL: &str = "(package: string, service: string, input: string) -> result<string, \
                    variant{error(record{code: string, message: string}), \
                    transient(record{message: string, retry-after-ms: option<u64>}), \
                    permanent(string)}>";
const WRITE: &str = "(level: enum{debug, info, warn, error}, message: string)";

/// Our own interfaces and their functions.
const OURS: &[(&str, &[(&str, &str)])] = &[
    ("pointsman:service/types@0.1.0", &[]),
    ("pointsman:service/log@0.1.0", &[("write", WRITE)]),
    ("pointsman:service/services@0.1.0", &[("call", CALL)]),
];

/// What may be imported of WASI 0.2: there is nothing behind it but clocks, random numbers, the
/// declared environment and folders, and the log.
const GRANTED: &[&str] =
    &["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/"];
/// Run-time libraries import it without need; every call of it is refused.
const DEAF: &str = "wasi:sockets/";

/// Everything that keeps `bytes` from being a service.
pub(super) fn check(path: &str, bytes: &[u8]) -> Vec<Diagnostic> {
    let bad = |message: String, hint: &str| {
        Diagnostic::error(diagnostic::BAD_COMPONENT, path, message, hint)
    };
    let hint = "build a component of WASI 0.2: in Rust with `--target wasm32-wasip2`";
    if !Parser::is_component(bytes) {
        let what = match Parser::is_core_wasm(bytes) {
            true => "is a WebAssembly module, not a component",
            false => "is no WebAssembly component",
        };
        return vec![bad(format!("`{path}` {what}"), hint)];
    }
    let features = WasmFeatures::default();
    let types = match Validator::new_with_features(features).validate_all(bytes) {
        Ok(types) => types,
        Err(error) => {
            let (offset, why) = (error.offset(), error.message());
            let message = format!("`{path}` is damaged at byte {offset}: {why}");
            return vec![bad(message, "build it again")];
        }
    };
    let types = types.as_ref();
    // WSM-2: everything is looked at, nothing is left to the linker.
    let mut found = Vec::new();
    let handle = types.component_item_for_export(HANDLER).and_then(|item| match item.ty {
        ComponentEntityType::Instance(id) => types[id].exports.get("handle"),
        _ => None,
    });
    match handle.map(|item| function(types, &item.ty)) {
        None => {
            let message = format!("`{path}` does not export `{HANDLER}`");
            found.push(bad(message, "implement the world `service` of `wit/service.wit`"));
        }
        Some(shape) if shape != HANDLE => {
            let message = format!("`handle` of `{path}` is `{shape}`, expected `{HANDLE}`");
            found.push(bad(message, "implement the world `service` of `wit/service.wit`"));
        }
        Some(_) => {}
    }
    for name in imports(bytes) {
        let Some(item) = types.component_item_for_import(&name) else { continue };
        let problem = match &item.ty {
            ComponentEntityType::Instance(id) => {
                let functions = types[*id].exports.iter().filter_map(|(name, item)| {
                    let is_function = matches!(item.ty, ComponentEntityType::Func(_));
                    is_function.then(|| (name.as_str(), function(types, &item.ty)))
                });
                import(path, &name, functions)
            }
            // Types are plain data.
            ComponentEntityType::Type { .. } => None,
            _ => Some(not_granted(path, &name)),
        };
        found.extend(problem);
    }
    found
}

/// What is wrong with importing the interface `name` with these functions.
fn import<'a>(
    path: &str,
    name: &str,
    functions: impl Iterator<Item = (&'a str, String)>,
) -> Option<Diagnostic> {
    if let Some((_, known)) = OURS.iter().find(|(ours, _)| *ours == name) {
        for (function, shape) in functions {
            let expected = known.iter().find(|(name, _)| *name == function);
            let why = match expected {
                None => format!("`{name}` has no function `{function}`"),
                Some((_, expected)) if *expected != shape => {
                    format!("`{function}` of `{name}` is `{shape}`, expected `{expected}`")
                }
                Some(_) => continue,
            };
            let message = format!("`{path}` imports what is not there: {why}");
            let hint = "build it against `wit/service.wit` of this version";
            return Some(Diagnostic::error(diagnostic::BAD_COMPONENT, path, message, hint));
        }
        return None;
    }
    let version = name.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."));
    if version && GRANTED.iter().any(|granted| name.starts_with(granted)) {
        return None;
    }
    if version && name.starts_with(DEAF) {
        let message = format!("`{path}` imports `{name}`; every call of it will be refused");
        let hint = "call a service of kind `http` through `pointsman:service/services` instead";
        let problem = Diagnostic::error(diagnostic::NOT_GRANTED, path, message, hint);
        return Some(problem.warning());
    }
    Some(not_granted(path, name))
}

fn not_granted(path: &str, name: &str) -> Diagnostic {
    let message = format!("`{path}` imports `{name}`, which services are not granted");
    let hint = "granted are pointsman:service/{log,services} and of WASI 0.2 cli, clocks, \
                filesystem, io and random; for HTTP, call a service of kind `http`";
    Diagnostic::error(diagnostic::NOT_GRANTED, path, message, hint)
}

/// The names that the component itself imports, not those of components inside it.
fn imports(bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(Payload::ComponentImportSection(section)) if depth == 0 => {
                let read = section.into_iter().filter_map(Result::ok);
                names.extend(read.map(|import| import.name.name.to_owned()));
            }
            Ok(_) => {}
            // It was validated: this cannot be reached with bytes that differ from those.
            Err(_) => break,
        }
    }
    names
}
