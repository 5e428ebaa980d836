//! Real decision models: each is read without a panic, and so are damaged copies of them; those
//! of Camunda 8 compile, or are refused for a reason that is printed. Skipped by name where the
//! models are absent.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use dmn::{CODES, Limits, Source, read, read_tolerant};
use feel::{Context, Environment, Value};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use proptest::sample::Index;

const MODELS: &str = "../../../shared/models";
/// What is put into files: pieces that mean something to XML, DMN or FEEL.
const PIECES: &[&str] = &[
    "",
    " ",
    "<",
    ">",
    "/>",
    "</",
    "\"",
    "'",
    "&",
    "&lt;",
    "&#0;",
    "=",
    "1 +",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!DOCTYPE a [",
    "\0",
    "\u{feff}",
    "ü",
    "𝄞",
    "xmlns=\"\"",
    "id=\"\"",
    "true",
    "-",
    "[",
    "]",
    "{",
    "}",
    "<context>",
    "</context>",
    "<rule>",
    "FIRST",
    "#",
];

fn dmn_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            dmn_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "dmn") {
            found.push(path);
        }
    }
}

fn files() -> &'static [(String, Vec<u8>)] {
    static FILES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut found = Vec::new();
        dmn_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(MODELS), &mut found);
        found
            .iter()
            .map(|path| (path.display().to_string(), fs::read(path).expect("a readable model")))
            .collect()
    })
}

/// Evaluates every decision with nothing given: nothing may panic.
fn evaluate_all(model: &dmn::Model) {
    let environment = Environment { now_ms: 0, steps_max: 20_000 };
    let input = Context::builder().with("x", Value::Null).build();
    let names: Vec<String> = model.decisions().map(|(_, name)| name.to_string()).collect();
    for name in names.iter().take(50) {
        assert!(model.evaluate(name, &input, &environment).is_some());
    }
}

#[test]
fn every_model_file_is_read() {
    if files().is_empty() {
        println!("skipped: every_model_file_is_read");
        return;
    }
    let mut compiled = 0;
    for (name, xml) in files() {
        let source = Source { name, xml };
        match read(&source, &[], &Limits::default()) {
            Ok(model) => {
                evaluate_all(&model);
                compiled += 1;
            }
            Err(problems) => {
                assert!(!problems.is_empty());
                for problem in &problems {
                    assert!(CODES.iter().any(|(code, _)| *code == problem.code));
                    assert!(!problem.message.is_empty() && !problem.hint.is_empty());
                }
                println!("{}", problems[0]);
            }
        }
        if let Ok(model) = read_tolerant(&source, &[], &Limits::default()) {
            evaluate_all(&model);
        }
    }
    println!("{compiled} of {} compile", files().len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Shows DNP-1.
    #[test]
    fn damaged_files_make_nothing_panic(
        file in any::<Index>(),
        damages in prop::collection::vec((any::<Index>(), any::<Index>(), 0usize..40), 1..6),
    ) {
        if files().is_empty() {
            return Ok(());
        }
        let (name, bytes) = file.get(files());
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        text.truncate(text.floor_char_boundary(200_000));
        for (place, piece, length) in damages {
            let at = text.floor_char_boundary(place.index(text.len().max(1)));
            let end = text.ceil_char_boundary((at + length).min(text.len()));
            text.replace_range(at..end, PIECES[piece.index(PIECES.len())]);
        }
        let source = Source { name, xml: text.as_bytes() };
        if let Ok(model) = read_tolerant(&source, &[], &Limits::default()) {
            evaluate_all(&model);
        }
    }
}
