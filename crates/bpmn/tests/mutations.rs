//! Files that were damaged at random places never make the reader panic, and what is refused has
//! a place and a reason.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use bpmn::{Limits, Severity, read, read_text};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use proptest::sample::Index;

const EVERYTHING: &str = include_str!("data/everything.bpmn");
/// What is put into files: pieces that mean something to XML, BPMN or FEEL.
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
    "=a + ",
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
    "xmlns:bpmn=\"x\"",
    "id=\"\"",
    "true",
    "P",
    "R/",
    "T",
    "-",
    "start",
    "charge",
    "<bpmn:subProcess>",
    "</bpmn:subProcess>",
    "bpmn:",
    "zeebe:",
];

/// Our own file and, where they are there, some real ones.
fn files() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = vec![EVERYTHING.as_bytes().to_vec()];
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models");
        for path in [
            "camunda-8-js-sdk/Client-BrokenBpmn.bpmn",
            "bpmn-miwg/reference/C.4.0.bpmn",
            "bpmn-js-properties-panel/zeebe/ExecutionListenerProps.bpmn",
            "easy-zeebe/docs/bpmn-quality-gates/fixes/ai-edit/after.bpmn",
            "zeebe-chaos",
            "camunda-8-benchmark",
        ] {
            collect(&root.join(path), &mut files);
        }
        files
    })
}

fn collect(path: &Path, files: &mut Vec<Vec<u8>>) {
    if path.is_dir() {
        let mut inside: Vec<_> =
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        inside.sort();
        inside.iter().for_each(|path| collect(path, files));
    } else if path.extension().is_some_and(|extension| extension == "bpmn")
        && let Ok(bytes) = fs::read(path)
    {
        files.push(bytes);
    }
}

/// Replaces up to `length` bytes at each place by a piece.
fn damage(file: &[u8], damages: &[(Index, usize, Index)]) -> Vec<u8> {
    let mut file = file.to_vec();
    for (at, length, piece) in damages {
        if file.is_empty() {
            break;
        }
        let at = at.index(file.len());
        let end = (at + length).min(file.len());
        file.splice(at..end, PIECES[piece.index(PIECES.len())].bytes());
    }
    file
}

fn check(result: Result<impl Sized, Vec<bpmn::Diagnostic>>) {
    if let Err(found) = result {
        assert!(found.iter().any(|found| found.severity == Severity::Error));
        assert!(found.iter().all(|found| found.place.line > 0 && found.place.column > 0));
        assert!(found.iter().all(|found| !found.message.is_empty() && !found.hint.is_empty()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// Shows BPM-1 and MKU-1.
    #[test]
    fn damaged_files_are_read_or_refused(
        file in any::<Index>(),
        damages in prop::collection::vec((any::<Index>(), 0..40_usize, any::<Index>()), 1..6),
    ) {
        check(read(&damage(&files()[file.index(files().len())], &damages), &Limits::default()));
    }

    #[test]
    fn swapped_attribute_values_are_read_or_refused(
        file in any::<Index>(),
        swaps in prop::collection::vec((any::<Index>(), any::<Index>()), 1..12),
    ) {
        // Pieces between quotes change places, so that the file stays XML more often.
        let text = String::from_utf8_lossy(&files()[file.index(files().len())]).into_owned();
        let mut pieces: Vec<&str> = text.split('"').collect();
        for (from, to) in &swaps {
            let (from, to) = (from.index(pieces.len()) | 1, to.index(pieces.len()) | 1);
            if from < pieces.len() && to < pieces.len() {
                pieces.swap(from, to);
            }
        }
        check(read(pieces.join("\"").as_bytes(), &Limits::default()));
    }

    #[test]
    fn any_text_is_read_or_refused(
        words in prop::collection::vec(prop::sample::select(WORDS), 0..80),
        junk in ".{0,40}",
    ) {
        check(read_text(&(words.join(" ") + &junk)));
    }
}

/// Words of the text form.
const WORDS: &[&str] = &[
    "\n",
    "\n",
    "\n",
    "start",
    "task",
    "end",
    "sub",
    "{",
    "}",
    "->",
    ",",
    "if",
    "default",
    "a",
    "b",
    "c",
    "@a",
    "@b",
    "type=x",
    "\"=a\"",
    "\"",
    "timer",
    "PT1H",
    "R/PT1H",
    "xor",
    "and",
    "call",
    "process=p",
    "in",
    "out",
    "=",
    "x = \"=1\"",
    "message",
    "key=\"=k\"",
    "receive",
    "model",
    "error",
    "code=E",
    "end-error",
    "'",
    "\\",
    "é",
    "#",
    "manual",
    "undefined",
];
