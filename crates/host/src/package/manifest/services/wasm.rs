//! `[services.<name>]` of kind `wasm`.
//!
//! Boundary: keys, types and forms; the component itself is looked at in `package/component.rs`.
//! Read first: [`read`].

use super::{fields, variable_name};
use crate::diagnostic;
use crate::package::FOLDERS;
use crate::package::table::{Entry, Problems, Section};
use crate::service::WasmService;

const MEMORY_BYTES: u64 = 64 << 20;
const MEMORY_BYTES_MAX: u64 = 256 << 20;

pub(super) fn read<'t>(
    table: &mut Section<'t>,
    problems: &mut Problems<'t>,
) -> Option<WasmService> {
    let component = table.require("component", problems).and_then(|entry| {
        entry.parse(problems, "a file of the package such as `services/price.wasm`", |text| {
            let named = text.starts_with("services/") && text.ends_with(".wasm");
            named.then(|| text.to_owned())
        })
    });
    let memory_bytes = table.take("memory").and_then(|entry| {
        let expected = "a size from `1MiB` to `256MiB`";
        entry.parse(problems, expected, memory_bytes)
    });
    let input = table.take("input").and_then(|entry| entry.feel(problems));
    let environment = fields(table, "environment", problems, variable_name);
    let reach = table.take("reach").and_then(|entry| entry.section(problems));
    let files = reach.map(|reach| reached_files(reach, problems)).unwrap_or_default();
    Some(WasmService {
        component: component?,
        memory_bytes: memory_bytes.unwrap_or(MEMORY_BYTES),
        input,
        environment,
        files,
    })
}

/// `64MiB` or `512KiB`.
fn memory_bytes(text: &str) -> Option<u64> {
    let (digits, unit) = match text.strip_suffix("MiB") {
        Some(digits) => (digits, 1 << 20),
        None => (text.strip_suffix("KiB")?, 1 << 10),
    };
    let bytes = digits.trim_end().parse::<u64>().ok()?.checked_mul(unit)?;
    (1 << 20..=MEMORY_BYTES_MAX).contains(&bytes).then_some(bytes)
}

fn reached_files<'t>(mut reach: Section<'t>, problems: &mut Problems<'t>) -> Vec<String> {
    let files = reach.take("files").and_then(|entry| entry.list(problems)).unwrap_or_default();
    for key in ["hosts", "network", "sockets", "http"] {
        let written = reach.entries().into_iter().find(|(name, _)| *name == key);
        if let Some((_, entry)) = written {
            refuse_network(&entry, problems);
            reach.take(key);
        }
    }
    let folder = |entry: &Entry<'t>| {
        let names: Vec<_> = FOLDERS.iter().map(|(name, _)| format!("`{name}`")).collect();
        let expected = format!("a folder of the package: {}", names.join(", "));
        entry.parse(problems, &expected, |text| {
            FOLDERS.iter().any(|(name, _)| *name == text).then(|| text.to_owned())
        })
    };
    let files = files.iter().filter_map(folder).collect();
    reach.finish(problems);
    files
}

fn refuse_network<'t>(entry: &Entry<'t>, problems: &mut Problems<'t>) {
    let message = format!("`{}`: a component opens no connections of its own", entry.path);
    let hint = "declare a service of kind `http`, which holds address and secrets, and call it \
                through `pointsman:service/services`";
    entry.report(problems, diagnostic::NOT_GRANTED, (message, hint));
}
