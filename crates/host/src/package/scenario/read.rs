//! `tests/*.toml` from text to [`Scenario`].
//!
//! Boundary: keys, types and forms; what the names mean is known only when the scenario runs.
//! Read first: [`scenario`].

use std::collections::BTreeMap;

use feel::{Context, Value};
use toml::de::DeValue;

use super::{Action, Answer, Expectation, Scenario, Step};
use crate::diagnostic::{self, Diagnostic};
use crate::package::Reference;
use crate::package::table::{Entry, Problems, Section, Subject};

const COUNT_MAX: u32 = 1_000_000;

pub(super) fn scenario(
    name: &str,
    file: &str,
    text: &str,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<Scenario, Vec<Diagnostic>> {
    let mut problems = Problems::new(file, text);
    let Some(table) = problems.parse() else { return Err(problems.into_found()) };
    let mut root = Section::root(&table);
    let description = root.take("description").and_then(|entry| entry.text(&mut problems));
    let services = root.take("services").and_then(|entry| entry.section(&mut problems));
    let services = services_of(services.as_ref(), &mut problems);
    let steps = root.require("steps", &mut problems).and_then(|e| e.list(&mut problems));
    let steps = steps.unwrap_or_default();
    let steps = steps.iter().filter_map(|entry| step_of(entry, files, &mut problems)).collect();
    root.finish(&mut problems);
    let found = problems.into_found();
    if !found.is_empty() {
        return Err(found);
    }
    Ok(Scenario {
        name: name.to_owned(),
        file: file.to_owned(),
        description: description.unwrap_or_default().to_owned(),
        services,
        steps,
    })
}

fn services_of<'t>(
    table: Option<&Section<'t>>,
    problems: &mut Problems<'t>,
) -> BTreeMap<String, Answer> {
    let mut services = BTreeMap::new();
    for (name, entry) in table.into_iter().flat_map(Section::entries) {
        let Some(mut table) = entry.section(problems) else { continue };
        if let Some(answer) = answer_of(&mut table, problems) {
            services.insert(name.to_owned(), answer);
        }
        table.finish(problems);
    }
    services
}

fn step_of<'t>(
    entry: &Entry<'t>,
    files: &BTreeMap<String, Vec<u8>>,
    problems: &mut Problems<'t>,
) -> Option<Step> {
    let mut table = entry.section(problems)?;
    let place = entry.place(problems);
    let actions = [
        ("publish", table.take("publish")),
        ("start", table.take("start")),
        ("job", table.take("job")),
        ("clock", table.take("clock")),
        ("expect", table.take("expect")),
    ];
    let mut given = actions.into_iter().filter_map(|(key, entry)| Some((key, entry?)));
    let action = match (given.next(), given.next()) {
        (Some((key, value)), None) => action_of(key, &value, (&mut table, files), problems),
        (found, _) => {
            let many = if found.is_some() { "more than one" } else { "none" };
            let message =
                format!("the step has {many} of `publish`, `start`, `job`, `clock`, `expect`");
            let subject = Subject { path: &table.path, span: &table.span };
            let hint = "each step does exactly one thing";
            problems.report(diagnostic::BAD_VALUE, subject, (message, hint));
            return None;
        }
    };
    table.finish(problems);
    action.map(|action| Step { place, action })
}

fn action_of<'t>(
    key: &str,
    value: &Entry<'t>,
    (table, files): (&mut Section<'t>, &BTreeMap<String, Vec<u8>>),
    problems: &mut Problems<'t>,
) -> Option<Action> {
    match key {
        "publish" => {
            let data = document_of(value, table, files, problems);
            let document = value.parse(problems, "`type` or `package/type`", Reference::parse);
            Some(Action::Publish { document: document?, data: data? })
        }
        "start" => {
            let variables = context_of(table.take("variables"), problems);
            let process = value.text(problems)?.to_owned();
            Some(Action::Start { process, variables: variables? })
        }
        "job" => {
            let count = table.take("count").and_then(|e| e.integer(problems, 1..=COUNT_MAX));
            let answer = answer_of(table, problems);
            let job_type = value.text(problems)?.to_owned();
            Some(Action::Job { job_type, count: count.unwrap_or(1), answer: answer? })
        }
        "clock" => value.duration_ms(problems).map(|advance_ms| Action::Clock { advance_ms }),
        _ => expectation_of(value.section(problems)?, problems).map(Action::Expect),
    }
}

fn document_of<'t>(
    step: &Entry<'t>,
    table: &mut Section<'t>,
    files: &BTreeMap<String, Vec<u8>>,
    problems: &mut Problems<'t>,
) -> Option<Value> {
    match (table.take("data"), table.take("file")) {
        (Some(data), None) => value_of(&data, problems),
        (None, Some(file)) => {
            let path = file.text(problems)?;
            let Some(bytes) = files.get(path) else {
                let message = format!("the package has no file `{path}`");
                file.report(problems, diagnostic::UNKNOWN_NAME, (message, "add it"));
                return None;
            };
            match feel::json::parse(bytes) {
                Ok(value) => Some(value),
                Err(error) => {
                    let message =
                        format!("`{path}` is not JSON at byte {}: {}", error.offset, error.message);
                    file.report(problems, diagnostic::BAD_VALUE, (message, ""));
                    None
                }
            }
        }
        _ => {
            let message = format!("`{}` needs exactly one of `data` and `file`", step.path);
            step.report(problems, diagnostic::MISSING_KEY, (message, "add `data = {…}`"));
            None
        }
    }
}

fn answer_of<'t>(table: &mut Section<'t>, problems: &mut Problems<'t>) -> Option<Answer> {
    match (table.take("complete"), table.take("fail"), table.take("error")) {
        (Some(complete), None, None) => {
            let variables = context_of(Some(complete), problems)?;
            Some(Answer::Complete { variables })
        }
        (None, Some(fail), None) => {
            let mut fail = fail.section(problems)?;
            let message = fail.take("message").and_then(|entry| entry.text(problems));
            let retries = fail.take("retries").and_then(|e| e.integer(problems, 0..=1000));
            let variables = context_of(fail.take("variables"), problems);
            fail.finish(problems);
            Some(Answer::Fail {
                message: message.unwrap_or_default().to_owned(),
                retries: retries.unwrap_or(0),
                variables: variables?,
            })
        }
        (None, None, Some(error)) => {
            let mut error = error.section(problems)?;
            let code = error.require("code", problems).and_then(|entry| entry.text(problems));
            let message = error.take("message").and_then(|entry| entry.text(problems));
            let variables = context_of(error.take("variables"), problems);
            error.finish(problems);
            Some(Answer::Error {
                code: code?.to_owned(),
                message: message.unwrap_or_default().to_owned(),
                variables: variables?,
            })
        }
        _ => {
            let message =
                format!("`{}` needs exactly one of `complete`, `fail`, `error`", table.path);
            let subject = Subject { path: &table.path, span: &table.span };
            problems.report(diagnostic::MISSING_KEY, subject, (message, "add `complete = {}`"));
            None
        }
    }
}

fn expectation_of<'t>(mut table: Section<'t>, problems: &mut Problems<'t>) -> Option<Expectation> {
    let process = table.take("process").and_then(|entry| entry.text(problems));
    let mut count = |key, problems: &mut Problems<'t>| {
        table.take(key).and_then(|entry| entry.integer(problems, 0..=COUNT_MAX))
    };
    let completed = count("completed", problems);
    let active = count("active", problems);
    let incidents = count("incidents", problems);
    let mut jobs = BTreeMap::new();
    let waiting = table.take("jobs").and_then(|entry| entry.section(problems));
    for (job_type, entry) in waiting.iter().flat_map(Section::entries) {
        let waiting = entry.integer(problems, 0..=COUNT_MAX);
        jobs.extend(waiting.map(|waiting| (job_type.to_owned(), waiting)));
    }
    let mut variables = Vec::new();
    let written = table.take("variables").and_then(|entry| entry.section(problems));
    for (name, entry) in written.iter().flat_map(Section::entries) {
        variables.extend(value_of(&entry, problems).map(|value| (name.to_owned(), value)));
    }
    let passed = texts_of(table.take("passed"), problems);
    let not_passed = texts_of(table.take("not-passed"), problems);
    table.finish(problems);
    let process = process.map(str::to_owned);
    Some(Expectation { process, completed, active, incidents, jobs, variables, passed, not_passed })
}

fn texts_of<'t>(entry: Option<Entry<'t>>, problems: &mut Problems<'t>) -> Vec<String> {
    let list = entry.and_then(|entry| entry.list(problems)).unwrap_or_default();
    list.iter().filter_map(|entry| entry.text(problems)).map(str::to_owned).collect()
}

/// A table as a context; absent: an empty one.
fn context_of<'t>(entry: Option<Entry<'t>>, problems: &mut Problems<'t>) -> Option<Value> {
    let Some(entry) = entry else { return Some(Value::Context(Context::new(Vec::new()))) };
    entry.section(problems)?;
    value_of(&entry, problems)
}

/// A TOML value as a FEEL value; the text `"null"` stays text, TOML has no null.
fn value_of<'t>(entry: &Entry<'t>, problems: &mut Problems<'t>) -> Option<Value> {
    let Some(json) = json_of(entry.value()) else {
        entry.refuse(problems, "a value with a JSON form");
        return None;
    };
    match feel::json::parse(json.to_string().as_bytes()) {
        Ok(value) => Some(value),
        Err(_) => {
            entry.refuse(problems, "a value with a JSON form");
            None
        }
    }
}

fn json_of(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok()?.into()
        }
        DeValue::Float(number) => {
            serde_json::Number::from_f64(number.as_str().parse().ok()?)?.into()
        }
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Datetime(value) => value.to_string().into(),
        DeValue::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| json_of(item.get_ref())).collect();
            items?.into()
        }
        DeValue::Table(table) => {
            let entry = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let name: &std::borrow::Cow<'_, str> = name.get_ref();
                Some((name.clone().into_owned(), json_of(value.get_ref())?))
            };
            let entries: Option<serde_json::Map<_, _>> = table.iter().map(entry).collect();
            entries?.into()
        }
    })
}
