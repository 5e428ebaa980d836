//! An invariant that a module text declares is quoted where it is guarded or shown.
//!
//! Boundary: counts ids such as `JOB-1`; whether the guard guards is up to the reader.
//! Read first: [`check`], then [`declared`].

use std::collections::BTreeMap;

use crate::finding::Findings;
use crate::tree::{File, Tree};

pub(crate) fn check(tree: &Tree, findings: &mut Findings) {
    let mut places: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for (file, _) in tree.rust() {
        for (line, id) in declared(file) {
            if let Some((path, _)) = places.get(&id) {
                let what = format!("the invariant `{id}` is declared in `{path}` too");
                findings.error((&file.path, line), what, "take a free number or other letters");
            } else {
                places.insert(id, (&file.path, line));
            }
        }
    }
    for (id, place) in places {
        let readers = tree.files.iter().filter(|file| is_read(file));
        let uses: usize = readers.map(|file| uses(&file.text, &id)).sum();
        if uses < 2 {
            let what = format!("the invariant `{id}` is declared and never quoted");
            let remedy = "quote it in the `invariant!`, assertion, test or scenario that guards it";
            findings.error(place, what, remedy);
        }
    }
}

fn is_read(file: &File) -> bool {
    [".rs", ".scn", ".sql"].iter().any(|ending| file.path.ends_with(ending))
}

/// The ids that the module text declares: each starts a sentence behind `Invariants:`.
fn declared(file: &File) -> Vec<(usize, String)> {
    let mut ids = Vec::new();
    let mut inside = false;
    let mut starts_sentence = false;
    let lines = file.text.lines().map_while(|line| line.strip_prefix("//!"));
    for (index, line) in lines.enumerate() {
        let mut line = line.trim();
        if let Some(rest) = line.strip_prefix("Invariants:") {
            (inside, starts_sentence, line) = (true, true, rest);
        } else if line.starts_with("Read first:") || line.starts_with("Boundary:") {
            inside = false;
        }
        for word in line.split_whitespace().filter(|_| inside) {
            if starts_sentence && is_id(word) {
                ids.push((index + 1, word.to_owned()));
            }
            starts_sentence = word.ends_with('.');
        }
    }
    ids
}

fn is_id(word: &str) -> bool {
    word.split_once('-').is_some_and(|(letters, number)| {
        let letters_fit = (2..=6).contains(&letters.len())
            && letters.bytes().all(|byte| byte.is_ascii_uppercase());
        let number_fits =
            (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        letters_fit && number_fits
    })
}

/// How often `id` occurs and is not a part of a longer one.
fn uses(text: &str, id: &str) -> usize {
    let part = |byte: u8| byte.is_ascii_alphanumeric();
    let ends = |at: usize| !text[at + id.len()..].bytes().next().is_some_and(part);
    let starts = |at: usize| !text[..at].bytes().last().is_some_and(part);
    text.match_indices(id).filter(|(at, _)| starts(*at) && ends(*at)).count()
}

#[cfg(test)]
mod tests {
    use super::super::{assert_found, found};
    use super::check;

    #[test]
    fn an_invariant_is_quoted_somewhere() {
        let files = [
            ("a.rs", "//! A.\n//! Invariants: AB-1 one. AB-2\n//! two, unlike CD-9.\n"),
            ("b.rs", "//! B.\n//! Read first: x\nassert!(ok, \"AB-1\"); // AB-10, not AB-2x\n"),
            ("c.rs", "//! C.\n//! Invariants: AB-1 another one.\n"),
        ];
        let expected = [
            "a.rs:2: the invariant `AB-2` is declared and never quoted",
            "c.rs:2: the invariant `AB-1` is declared in `a.rs` too",
        ];
        assert_found(&found(check, &files), &expected);
        let expected = [
            "a.rs:2: the invariant `AB-1` is declared and never quoted",
            "a.rs:2: the invariant `AB-2` is declared and never quoted",
        ];
        assert_found(&found(check, &files[..1]), &expected);
    }
}
