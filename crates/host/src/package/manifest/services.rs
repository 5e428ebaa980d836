//! `[services.<name>]` from TOML to [`ServiceDefinition`].
//!
//! Boundary: keys, types and forms; that a program exists in the package is asked in `package.rs`.
//! Read first: [`read`].

use std::collections::BTreeMap;

use super::read::check_key;
use crate::diagnostic;
use crate::package::table::{Entry, Problems, Section};
use crate::service::{
    CommandService, HttpService, Output, ServiceDefinition, ServiceKind, Shell, StatusRule,
    Template,
};

mod wasm;

const TIMEOUT_MS: u64 = 10_000;
const TIMEOUT_MS_MAX: u64 = 86_400_000;
const HTTP_CONCURRENCY: u32 = 64;
const COMMAND_CONCURRENCY: u32 = 8;
const WASM_CONCURRENCY: u32 = 64;

pub(super) fn read<'t>(table: &Section<'t>, problems: &mut Problems<'t>) -> Vec<ServiceDefinition> {
    let mut services = Vec::new();
    for (name, entry) in table.entries() {
        check_key(name, &entry, problems);
        services.extend(service(name, &entry, problems));
    }
    services
}

#[derive(Clone, Copy)]
enum KindName {
    Http,
    Command,
    Wasm,
}

const KINDS: &[(&str, KindName)] =
    &[("http", KindName::Http), ("command", KindName::Command), ("wasm", KindName::Wasm)];

fn service<'t>(
    name: &str,
    entry: &Entry<'t>,
    problems: &mut Problems<'t>,
) -> Option<ServiceDefinition> {
    let mut table = entry.section(problems)?;
    let kind = table.require("kind", problems);
    let kind = kind.and_then(|entry| entry.choice(problems, KINDS))?;
    let timeout_ms = table.take("timeout").and_then(|entry| timeout(&entry, problems));
    let concurrency = table.take("concurrency").and_then(|e| e.integer(problems, 1..=4096));
    let result = table.take("result").and_then(|entry| entry.feel(problems));
    let (kind, concurrency_default) = match kind {
        KindName::Http => (http(&mut table, problems).map(ServiceKind::Http), HTTP_CONCURRENCY),
        KindName::Command => {
            (command(&mut table, problems).map(ServiceKind::Command), COMMAND_CONCURRENCY)
        }
        KindName::Wasm => {
            (wasm::read(&mut table, problems).map(ServiceKind::Wasm), WASM_CONCURRENCY)
        }
    };
    table.finish(problems);
    Some(ServiceDefinition {
        name: name.to_owned(),
        kind: kind?,
        timeout_ms: timeout_ms.unwrap_or(TIMEOUT_MS),
        concurrency: concurrency.unwrap_or(concurrency_default),
        result,
        place: entry.place(problems),
    })
}

fn timeout<'t>(entry: &Entry<'t>, problems: &mut Problems<'t>) -> Option<u64> {
    let timeout_ms = entry.duration_ms(problems)?;
    if timeout_ms == 0 || timeout_ms > TIMEOUT_MS_MAX {
        entry.refuse(problems, "more than nothing and at most `P1D`");
        return None;
    }
    Some(timeout_ms)
}

fn http<'t>(table: &mut Section<'t>, problems: &mut Problems<'t>) -> Option<HttpService> {
    let body = table.take("body").and_then(|entry| entry.template(problems));
    let method = table.take("method").and_then(|entry| {
        entry.parse(problems, "a method in capital letters such as `POST`", |text| {
            let capital = text.bytes().all(|byte| byte.is_ascii_uppercase());
            capital.then(|| http::Method::from_bytes(text.as_bytes()).ok()).flatten()
        })
    });
    let method_default = if body.is_some() { http::Method::POST } else { http::Method::GET };
    let url = table.require("url", problems).and_then(|entry| url(&entry, problems));
    let headers = fields(table, "headers", problems, |name| {
        http::HeaderName::from_bytes(name.as_bytes()).ok()
    });
    let query = fields(table, "query", problems, |name| Some(name.to_owned()));
    let errors = errors(table, problems, "a status such as `404` or `4xx`", StatusRule::parse);
    let retries = table.take("retries").and_then(|entry| entry.integer(problems, 0..=100));
    let back_off_ms = table.take("back-off").and_then(|entry| entry.duration_ms(problems));
    Some(HttpService {
        method: method.unwrap_or(method_default),
        url: url?,
        headers,
        query,
        body,
        errors,
        retries: retries.unwrap_or(0),
        back_off_ms: back_off_ms.unwrap_or(100),
    })
}

fn url<'t>(entry: &Entry<'t>, problems: &mut Problems<'t>) -> Option<Template> {
    let url = entry.template(problems)?;
    if let Template::Text(text) = &url
        && let Err(reason) = crate::service::check_url(text)
    {
        let message = format!("`{}` is no URL that can be called: {reason}", entry.path);
        entry.report(problems, diagnostic::BAD_VALUE, (message, ""));
        return None;
    }
    Some(url)
}

/// A table of names and templates.
fn fields<'t, N>(
    table: &mut Section<'t>,
    key: &'static str,
    problems: &mut Problems<'t>,
    name_of: impl Fn(&str) -> Option<N>,
) -> Vec<(N, Template)> {
    let mut fields = Vec::new();
    let section = table.take(key).and_then(|entry| entry.section(problems));
    for (name, entry) in section.iter().flat_map(Section::entries) {
        let value = entry.template(problems);
        let Some(known) = name_of(name) else {
            let message = format!("`{name}` is no name allowed in `{key}`");
            entry.report(problems, diagnostic::BAD_VALUE, (message, ""));
            continue;
        };
        fields.extend(value.map(|value| (known, value)));
    }
    fields
}

/// `errors = { "404" = "NOT_FOUND" }`.
fn errors<'t, R>(
    table: &mut Section<'t>,
    problems: &mut Problems<'t>,
    expected: &str,
    rule_of: impl Fn(&str) -> Option<R>,
) -> Vec<(R, String)> {
    let mut errors = Vec::new();
    let section = table.take("errors").and_then(|entry| entry.section(problems));
    for (key, entry) in section.iter().flat_map(Section::entries) {
        let code = entry.parse(problems, "a BPMN error code", |text| {
            (!text.is_empty()).then(|| text.to_owned())
        });
        let Some(rule) = rule_of(key) else {
            let message = format!("`{key}` is not {expected}");
            entry.report(problems, diagnostic::BAD_VALUE, (message, ""));
            continue;
        };
        errors.extend(code.map(|code| (rule, code)));
    }
    errors
}

fn command<'t>(table: &mut Section<'t>, problems: &mut Problems<'t>) -> Option<CommandService> {
    let program = table.require("program", problems).and_then(|entry| {
        entry.parse(problems, "a program", |text| {
            (!text.trim().is_empty() && !text.contains('\0')).then(|| text.to_owned())
        })
    });
    let args = table.take("args").and_then(|entry| entry.list(problems)).unwrap_or_default();
    let args = args.iter().filter_map(|entry| entry.template(problems)).collect();
    let shell = table.take("shell").and_then(|entry| entry.boolean(problems));
    let input = table.take("input").and_then(|entry| entry.feel(problems));
    let output = table.take("output").and_then(|entry| {
        entry.choice(problems, &[("json", Output::Json), ("text", Output::Text)])
    });
    let environment = fields(table, "environment", problems, variable_name);
    let pass = table.take("pass-environment").and_then(|entry| entry.list(problems));
    let pass = pass.unwrap_or_default();
    let pass_environment = pass.iter().filter_map(|entry| {
        entry.parse(problems, "the name of an environment variable", variable_name)
    });
    let pass_environment = pass_environment.collect();
    let errors = errors(table, problems, "an exit code from 1 to 255", |text| {
        text.parse::<i32>().ok().filter(|code| (1..=255).contains(code))
    });
    Some(CommandService {
        program: program?,
        args,
        shell: if shell == Some(true) { Shell::Posix } else { Shell::None },
        input,
        output: output.unwrap_or(Output::Json),
        environment,
        pass_environment,
        errors: BTreeMap::from_iter(errors),
    })
}

fn variable_name(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first_is_digit = text.bytes().next().is_none_or(|byte| byte.is_ascii_digit());
    (!first_is_digit && text.bytes().all(plain)).then(|| text.to_owned())
}
