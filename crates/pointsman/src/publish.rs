//! `pointsman publish TYPE FILE|-`: one JSON object, or one per line, in batches.
//!
//! Boundary: cuts the input and counts answers; the server validates each document. Every accepted
//! document is durable when its answer comes, so that a run that broke off can be seen from the
//! count; documents with a CloudEvents id can be sent again without harm.
//! Read first: [`run`].

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::client::{Body, Client, Remote, segment};
use crate::output::{self, Format, remark, text};
use crate::problem::{Exit, Failure, Problem};

/// Bytes of a batch, roughly; one document may be larger.
const BATCH_BYTES: usize = 512 * 1024;
/// Documents of a batch.
const BATCH_LINES: usize = 500;
/// Refusals that are shown; the others are counted.
const SHOWN: u64 = 20;

/// What to publish, and where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The document type, `package/name`.
    #[arg(value_name = "TYPE")]
    document_type: String,
    /// A file with one JSON object, or with one per line; `-` is standard input.
    file: PathBuf,
    /// Publish each line as a CloudEvent of this source, so that sending it again has no effect.
    #[arg(long)]
    source: Option<String>,
    /// The field with the event's id; without it, the number of the line.
    #[arg(long, value_name = "FIELD", requires = "source")]
    id: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// What became of the documents.
#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    duplicates: u64,
    refused: u64,
    /// The first refusals, as they are shown.
    refusals: Vec<String>,
}

/// Publishes documents and counts what became of them.
///
/// # Errors
/// The input cannot be read, the server cannot be reached, or it refuses a document.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    let path = format!(
        "/api/documents/{}",
        options.document_type.split('/').map(segment).collect::<Vec<_>>().join("/")
    );
    let (input, length) = open(&options.file)?;
    let bar = progress(length);
    let mut batches = Batches::new(input, &options.file);
    let mut tally = Tally::default();
    let sent = options.remote.talk(async |client| {
        while let Some(batch) = batches.next()? {
            let told = send(client, &path, batch, options, &mut tally).await;
            bar.set_position(batches.bytes);
            told?;
        }
        Ok(())
    });
    bar.finish_and_clear();
    let Tally { accepted, duplicates, refused, refusals } = tally;
    for refusal in &refusals {
        remark(refusal);
    }
    if refused > SHOWN {
        remark(&format!("… and {} more refused documents", refused - SHOWN));
    }
    let data = json!({"accepted": accepted, "duplicates": duplicates, "refused": refused});
    if sent.is_ok() || accepted + duplicates > 0 {
        output::show(format, &data, || {
            format!("{accepted} accepted, {duplicates} duplicates, {refused} refused")
        })?;
    }
    sent?;
    if refused > 0 { Err(Failure::told(Exit::Refused)) } else { Ok(()) }
}

/// The input, and its length if that is known.
fn open(file: &Path) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
    if file == Path::new("-") {
        return Ok((Box::new(std::io::stdin()), None));
    }
    let opened = std::fs::File::open(file).map_err(|error| Failure::file("read", file, &error))?;
    let length = opened.metadata().ok().map(|metadata| metadata.len());
    Ok((Box::new(opened), length))
}

/// A bar on standard error; invisible when that is no terminal.
fn progress(length: Option<u64>) -> ProgressBar {
    let Some(length) = length else { return ProgressBar::new_spinner() };
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// Documents that travel together; each is one line.
struct Batch {
    lines: String,
    /// The line of the input on which each document begins.
    numbers: Vec<u64>,
}

/// The input in batches.
struct Batches<'f> {
    input: BufReader<Box<dyn Read>>,
    file: &'f Path,
    line: u64,
    bytes: u64,
    /// Whether a document was read.
    begun: bool,
}

impl<'f> Batches<'f> {
    fn new(input: Box<dyn Read>, file: &'f Path) -> Self {
        let input = BufReader::with_capacity(256 * 1024, input);
        Self { input, file, line: 0, bytes: 0, begun: false }
    }

    fn next(&mut self) -> Result<Option<Batch>, Failure> {
        let mut batch = Batch { lines: String::new(), numbers: Vec::new() };
        while batch.numbers.len() < BATCH_LINES && batch.lines.len() < BATCH_BYTES {
            let Some(line) = self.read_line()? else { break };
            if line.trim().is_empty() {
                continue;
            }
            let is_first = !std::mem::replace(&mut self.begun, true);
            if is_first && starts_a_long_object(&line) {
                batch.numbers.push(self.line);
                batch.lines.push_str(&self.read_object(line)?);
                batch.lines.push('\n');
                continue;
            }
            batch.numbers.push(self.line);
            batch.lines.push_str(line.trim());
            batch.lines.push('\n');
        }
        Ok((!batch.numbers.is_empty()).then_some(batch))
    }

    fn read_line(&mut self) -> Result<Option<String>, Failure> {
        let mut bytes = Vec::new();
        let read = self.input.read_until(b'\n', &mut bytes);
        let read = read.map_err(|error| Failure::file("read", self.file, &error))?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        self.bytes += read as u64;
        let place = format!("{}:{}", self.file.display(), self.line);
        let line = String::from_utf8(bytes).map_err(|error| {
            let message = "the input is not UTF-8".to_owned();
            Failure::refused(crate::problem::FILE, message, "save it as UTF-8")
                .because(&error)
                .at(place)
        })?;
        Ok(Some(line))
    }

    /// The rest of an object that is written over several lines, as one line.
    fn read_object(&mut self, mut text: String) -> Result<String, Failure> {
        let begin = self.line;
        while let Some(line) = self.read_line()? {
            text.push_str(&line);
        }
        let parsed: Result<Value, _> = serde_json::from_str(&text);
        parsed.map(|value| value.to_string()).map_err(|error| {
            let line = begin + error.line() as u64 - 1;
            let hint = "write one JSON object, or one per line";
            Failure::refused(crate::problem::FILE, "the input is not JSON".to_owned(), hint)
                .because(&error)
                .at(format!("{}:{line}:{}", self.file.display(), error.column()))
        })
    }
}

/// Whether the line is the beginning of an object that ends on a later one.
fn starts_a_long_object(line: &str) -> bool {
    let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_str(line);
    line.trim_start().starts_with('{') && parsed.is_err_and(|error| error.is_eof())
}

/// Sends a batch and adds what became of each document.
async fn send(
    client: &mut Client,
    path: &str,
    batch: Batch,
    options: &Options,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let Batch { lines, numbers } = batch;
    let answers: Vec<Value> = match &options.source {
        None => {
            let answer = client.send(Method::POST, path, Body::Lines(lines)).await?;
            let answers = serde_json::Deserializer::from_slice(&answer.body).into_iter();
            answers.collect::<Result<_, _>>().map_err(|error| {
                Failure::answer("the answer is not one JSON text per line".to_owned())
                    .because(&error)
            })?
        }
        Some(source) => {
            let events = events(&lines, &numbers, options, source)?;
            let answer = client.send(Method::POST, path, Body::Events(events)).await?.json()?;
            answer.as_array().cloned().unwrap_or_default()
        }
    };
    if answers.len() != numbers.len() {
        let message = format!("{} documents were sent, {} answered", numbers.len(), answers.len());
        return Err(Failure::answer(message));
    }
    for (answer, number) in answers.iter().zip(numbers) {
        if answer.get("id").is_none() || answer.get("code").is_some() {
            tally.refused += 1;
            if tally.refused <= SHOWN {
                let mut problem = Problem::from_json(answer);
                problem.place = Some(format!("{}:{number}", options.file.display()));
                tally.refusals.push(problem.to_string());
            }
        } else if answer["duplicate"] == true {
            tally.duplicates += 1;
        } else {
            tally.accepted += 1;
        }
    }
    Ok(())
}

/// The lines as CloudEvents.
fn events(lines: &str, numbers: &[u64], options: &Options, source: &str) -> Result<Value, Failure> {
    let events = lines.lines().zip(numbers).map(|(line, number)| {
        let place = || format!("{}:{number}", options.file.display());
        let data: Value = serde_json::from_str(line).map_err(|error| {
            let hint = "write one JSON object per line";
            Failure::refused(crate::problem::FILE, "the line is not JSON".to_owned(), hint)
                .because(&error)
                .at(place())
        })?;
        let id = match &options.id {
            None => number.to_string(),
            Some(field) => text(&data, field),
        };
        if id.is_empty() {
            let field = options.id.as_deref().unwrap_or_default();
            let message = format!("the document has no field `{field}` for its id");
            let hint = "name another field with `--id`";
            return Err(Failure::refused(crate::problem::FILE, message, hint).at(place()));
        }
        Ok(json!({
            "specversion": "1.0", "type": options.document_type, "source": source, "id": id,
            "data": data,
        }))
    });
    events.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{BATCH_LINES, Batches};

    fn batches(text: &str) -> Vec<(Vec<u64>, String)> {
        let input = Box::new(std::io::Cursor::new(text.to_owned().into_bytes()));
        let mut batches = Batches::new(input, Path::new("in"));
        let mut all = Vec::new();
        while let Some(batch) = batches.next().unwrap() {
            all.push((batch.numbers, batch.lines));
        }
        all
    }

    #[test]
    fn blank_lines_do_not_count_as_documents() {
        assert_eq!(batches("{}\n\n{}"), [(vec![1, 3], "{}\n{}\n".to_owned())]);
        assert!(batches("\n \n").is_empty());
    }

    #[test]
    fn an_object_over_several_lines_is_one_document() {
        assert_eq!(batches("{\n \"a\": [1,\n 2]}\n"), [(vec![1], "{\"a\":[1,2]}\n".to_owned())]);
    }

    #[test]
    fn a_wrong_line_is_left_to_the_server() {
        assert_eq!(batches("{]\n{}")[0].0, [1, 2]);
    }

    #[test]
    fn many_lines_make_several_batches() {
        let sizes: Vec<usize> =
            batches(&"{}\n".repeat(BATCH_LINES + 1)).iter().map(|(n, _)| n.len()).collect();
        assert_eq!(sizes, [BATCH_LINES, 1]);
    }
}
