//! What commands print: data to standard output, everything else to standard error.
//!
//! Boundary: plain text that is readable without colour; widths do not depend on the terminal, so
//! that output can be compared and cut.
//! Read first: [`print`], then [`table`].

use std::io::{ErrorKind, Write};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::problem::{Exit, Failure};

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Writes a line or lines to standard output. A reader that has gone away ends the command.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::told(Exit::Done),
        _ => Failure::internal("cannot write to standard output".to_owned()).because(&error),
    })
}

/// Writes a remark to standard error.
pub(crate) fn remark(text: &str) {
    // There is nowhere else to say that standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints data as the format says; the table is made only if it is wanted.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn show(
    format: Format,
    data: &Value,
    table: impl FnOnce() -> String,
) -> Result<(), Failure> {
    match format {
        Format::Table => print(&table()),
        Format::Json => print(&format!("{data:#}")),
    }
}

/// Columns under their headings, two blanks apart. Without rows: one line that says so.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> String {
    if rows.is_empty() {
        return "nothing to show".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings.map(str::to_uppercase));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.to_string();
    let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// A field as text: texts as they are, numbers in digits, nothing as nothing.
pub(crate) fn text(data: &Value, name: &str) -> String {
    match &data[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A moment in a field, in milliseconds since 1970 UTC.
pub(crate) fn at_ms(data: &Value, name: &str) -> Option<i64> {
    let time: jiff::Timestamp = data[name].as_str()?.parse().ok()?;
    Some(time.as_millisecond())
}

/// A moment in a field, in UTC to the second; nothing if there is none.
pub(crate) fn moment(data: &Value, name: &str) -> String {
    at_ms(data, name).map(time).unwrap_or_default()
}

/// A moment in UTC, to the second.
pub(crate) fn time(at_ms: i64) -> String {
    match jiff::Timestamp::from_second(at_ms.div_euclid(1000)) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{at_ms} ms"),
    }
}

/// A moment in UTC, to the millisecond.
pub(crate) fn time_exact(at_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(at_ms) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => format!("{at_ms} ms"),
    }
}

/// A duration in the unit that fits it.
pub(crate) fn duration(ms: i64) -> String {
    let seconds = ms / 1000;
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{seconds}.{:03} s", ms % 1000),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600_000..86_400_000 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A number of things: `1 entry`, `2 entries`.
pub(crate) fn count(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {what}s"),
    }
}

/// The rows of a list, whether it stands alone or in `items`.
pub(crate) fn items(data: &Value) -> &[Value] {
    let list = data.get("items").unwrap_or(data);
    list.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::{duration, table, time, time_exact};

    #[test]
    fn durations_are_shown_in_the_unit_that_fits() {
        let shown: Vec<String> =
            [7, 1_042, 62_000, 3_720_000, 93_600_000].map(duration).into_iter().collect();
        assert_eq!(shown, ["7 ms", "1.042 s", "1 min 2 s", "1 h 2 min", "1 d 2 h"]);
    }

    #[test]
    fn moments_are_shown_in_utc() {
        assert_eq!(time(1_767_225_600_123), "2026-01-01T00:00:00Z");
        assert_eq!(time_exact(1_767_225_600_123), "2026-01-01T00:00:00.123Z");
    }

    #[test]
    fn columns_have_two_blanks_between_them_and_none_at_the_end() {
        let rows = vec![["a".into(), "1".into()], ["long".into(), String::new()]];
        assert_eq!(table(["name", "x"], rows), "NAME  X\na     1\nlong");
    }
}
