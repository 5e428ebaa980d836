//! The path of an instance, drawn as a tree: what was entered when, how long it took, what
//! happened on the way.
//!
//! Boundary: draws what the server answers; the server's clock gives the times.
//! Read first: [`draw`].   Tests: at the end of this file.

use serde_json::Value;

use crate::output::{self, at_ms, duration, moment, text, time_exact};

use super::took;

/// The widest label that still has its times beside it.
const LABEL: usize = 90;

/// The instance with its path.
pub(crate) fn draw(data: &Value) -> String {
    let mut out = format!(
        "instance {}: {} version {}, {}\n",
        text(data, "key"),
        text(data, "process"),
        text(data, "version"),
        text(data, "state"),
    );
    let business_key = text(data, "businessKey");
    if !business_key.is_empty() {
        out.push_str(&format!("business key {business_key}\n"));
    }
    out.push_str(&format!("started {}", moment(data, "startedAt")));
    let ended = moment(data, "endedAt");
    if !ended.is_empty() {
        out.push_str(&format!(", ended {ended}, took {}", took(data)));
    }
    out.push('\n');
    let mut lines = Vec::new();
    grow(output::items(&data["path"]), "", &mut lines);
    let width = lines.iter().map(Line::width).filter(|width| *width <= LABEL).max().unwrap_or(0);
    for line in lines {
        out.push_str(line.show(width).trim_end());
        out.push('\n');
    }
    for incident in output::items(&data["openIncidents"]) {
        out.push_str(&format!(
            "incident {} at {}: {}\n",
            text(incident, "key"),
            text(incident, "element"),
            text(incident, "message")
        ));
    }
    out
}

struct Line {
    label: String,
    times: String,
}

impl Line {
    fn width(&self) -> usize {
        if self.times.is_empty() { 0 } else { self.label.chars().count() }
    }

    fn show(&self, width: usize) -> String {
        let gap = width.saturating_sub(self.label.chars().count()) + 2;
        format!("{}{}{}", self.label, " ".repeat(gap), self.times)
    }
}

fn grow(steps: &[Value], indent: &str, lines: &mut Vec<Line>) {
    for (position, step) in steps.iter().enumerate() {
        let is_last = position + 1 == steps.len();
        let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        lines.push(Line { label: format!("{indent}{branch}{}", label(step)), times: times(step) });
        let below = format!("{indent}{below}");
        let inside = output::items(&step["inside"]);
        let bar = if inside.is_empty() { "   " } else { "│  " };
        for note in output::items(&step["notes"]) {
            let note = format!("{below}{bar}· {}", text(note, "text"));
            lines.push(Line { label: note, times: String::new() });
        }
        grow(inside, &below, lines);
    }
}

/// What a person calls the step, and what it is.
fn label(step: &Value) -> String {
    let (element, name) = (text(step, "element"), text(step, "name"));
    let mut label = element.clone();
    if !name.is_empty() && name != element {
        label.push_str(&format!(" “{}”", name.replace('\n', " ")));
    }
    label.push_str(&format!(" ({})", words(&text(step, "kind"))));
    let state = text(step, "state");
    if !matches!(state.as_str(), "completed" | "") {
        label.push_str(&format!(" [{state}]"));
    }
    let child = text(step, "child");
    if !child.is_empty() {
        label.push_str(&format!(" → instance {child}"));
    }
    label
}

/// `boundaryEvent` as `boundary event`.
fn words(kind: &str) -> String {
    kind.chars().fold(String::new(), |mut words, letter| {
        if letter.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
        words
    })
}

fn times(step: &Value) -> String {
    let Some(entered) = at_ms(step, "enteredAt") else { return String::new() };
    let at = time_exact(entered);
    let clock = at.split_once('T').map_or(at.as_str(), |(_, clock)| clock);
    match at_ms(step, "leftAt") {
        Some(left) => format!("{clock}  {}", duration(left - entered)),
        None => clock.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::draw;

    #[test]
    fn the_path_is_a_tree_with_times() {
        let data = json!({
            "key": "7", "process": "order", "version": 2, "state": "active",
            "businessKey": "O-1", "startedAt": "2026-01-01T00:00:00Z",
            "path": [
                {"element": "begin", "name": "begin", "kind": "startEvent", "state": "completed",
                 "enteredAt": "2026-01-01T00:00:00Z", "leftAt": "2026-01-01T00:00:00.001Z"},
                {"element": "ship", "name": "Ship it", "kind": "subProcess", "state": "active",
                 "enteredAt": "2026-01-01T00:00:00.001Z", "notes": [{"text": "timer armed"}],
                 "inside": [
                    {"element": "label", "name": "", "kind": "serviceTask", "state": "terminated",
                     "enteredAt": "2026-01-01T00:00:00.002Z", "leftAt": "2026-01-01T00:01:01.002Z",
                     "notes": [{"text": "failed, 0 tries left: no paper"}]},
                    {"element": "check", "name": "", "kind": "callActivity", "state": "active",
                     "child": "9", "enteredAt": "2026-01-01T00:00:00.002Z"}
                 ]}
            ],
            "openIncidents": [{"key": "8", "element": "label", "message": "no paper"}],
        });
        expect![[r#"
            instance 7: order version 2, active
            business key O-1
            started 2026-01-01T00:00:00Z
            ├─ begin (start event)                             00:00:00.000Z  1 ms
            └─ ship “Ship it” (sub process) [active]           00:00:00.001Z
               │  · timer armed
               ├─ label (service task) [terminated]            00:00:00.002Z  1 min 1 s
               │     · failed, 0 tries left: no paper
               └─ check (call activity) [active] → instance 9  00:00:00.002Z
            incident 8 at label: no paper
        "#]]
        .assert_eq(&draw(&data));
    }
}
