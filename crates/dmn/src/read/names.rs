//! Which names a text may use: what its element requires, what stands around it, and the names of
//! several words that entries of contexts have.
//!
//! Boundary: declarations for `feel`; values come later.
//! Read first: [`of_element`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use feel::{Entries, Names, Str, Type};
use roxmltree::Node;

use crate::model::Target;
use crate::read::Reader;
use crate::xml;

/// Keys of contexts that are taken for names in one file.
const KEYS_MAX: usize = 2_000;
/// Bytes of a key of a context that is taken for a name.
const KEY_MAX: usize = 100;

/// Collects the names of entries that a file mentions and that are more than one word.
pub(super) fn read_entries(reader: &mut Reader<'_>, file: usize) {
    let mut entries: Vec<Str> = Vec::new();
    let mut keyed: Vec<Str> = Vec::new();
    for node in reader.files[file].root.descendants() {
        let wanted = matches!(
            xml::dmn_name(node),
            Some("itemComponent" | "variable" | "column" | "output" | "parameter" | "parameters")
        );
        if let Some(name) = xml::name(node, "name").filter(|name| wanted && !is_plain(name)) {
            entries.push(name.into());
        }
        if node.is_text() && xml::dmn_name(node.parent().unwrap_or(node)) == Some("text") {
            keys(node.text().unwrap_or_default(), &mut keyed);
        }
    }
    keyed.sort();
    keyed.dedup();
    keyed.truncate(KEYS_MAX);
    let all = entries.iter().chain(&keyed).map(|name| &**name);
    reader.files[file].entries = Arc::new(Entries::new(all));
    reader.files[file].type_words = by_word(reader.files[file].types.keys().cloned());
}

/// Names by their first word, so that only those are declared whose word is in a text.
fn by_word(names: impl Iterator<Item = Str>) -> BTreeMap<Str, Vec<Str>> {
    let mut index: BTreeMap<Str, Vec<Str>> = BTreeMap::new();
    for name in names {
        let word = words(&name).next().unwrap_or_default().into();
        index.entry(word).or_default().push(name);
    }
    index
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
}

/// Adds the keys of contexts that a text writes, as in `{first name: "Ada"}`, since other texts
/// may read what comes of it.
fn keys(text: &str, entries: &mut Vec<Str>) {
    if !text.contains('{') || entries.len() > KEYS_MAX {
        return;
    }
    for piece in text.split(['{', ',']) {
        let Some((key, _)) = piece.split_once(':') else { continue };
        let key = key.trim().trim_matches('"').split_whitespace().collect::<Vec<_>>().join(" ");
        let is_part = |letter: char| letter.is_alphanumeric() || " _-+*/.'".contains(letter);
        let starts = key.chars().next().is_some_and(|letter| letter.is_alphabetic());
        if starts && !is_plain(&key) && key.len() <= KEY_MAX && key.chars().all(is_part) {
            entries.push(key.into());
        }
    }
}

fn is_plain(name: &str) -> bool {
    name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
}

/// What the texts of an element may use.
pub(super) fn of_element(
    reader: &Reader<'_>,
    target: Target,
    file: usize,
    node: Node<'_, '_>,
) -> Names {
    let mut names = Names::of(reader.files[file].dialect);
    let texts: Vec<&str> = node.descendants().filter_map(|node| node.text()).collect();
    let mentioned: BTreeSet<&str> = texts.iter().flat_map(|text| words(text)).collect();
    for other in reachable(reader, file) {
        names.share_entries(&reader.files[other].entries);
    }
    // Types are needed by `instance of` and by the parameters of functions only.
    if mentioned.contains("instance") || mentioned.contains("function") {
        define_types(reader, file, &mentioned, &mut names);
    }
    let requires = match target {
        Target::Decision(index) => &reader.decisions[index].requires,
        Target::Knowledge(index) => &reader.knowledge[index].requires,
        Target::Input(_) | Target::Service(_) => return names,
    };
    let mut imports: Vec<(Str, Vec<(Str, Type)>)> = Vec::new();
    for requirement in requires {
        let kind = type_of_target(reader, requirement.target);
        match &requirement.import {
            None => {
                names.declare_only(&requirement.name, kind);
            }
            Some(import) => {
                let entry = (requirement.name.clone(), kind);
                match imports.iter_mut().find(|(known, _)| known == import) {
                    Some((_, entries)) => entries.push(entry),
                    None => imports.push((import.clone(), vec![entry])),
                }
            }
        }
    }
    for (import, entries) in imports {
        for (entry, _) in &entries {
            names.declare_entry(entry);
        }
        names.declare_only(&import, Type::context(entries));
    }
    names
}

/// A file and those that it imports, also indirectly: its values may be of their types.
fn reachable(reader: &Reader<'_>, file: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::from([file]);
    let mut open = vec![file];
    while let Some(next) = open.pop() {
        let imports = reader.files[next].imports.iter().filter_map(|import| import.file);
        open.extend(imports.filter(|import| found.insert(*import)));
    }
    found
}

/// The names whose first word is mentioned.
fn found<'r>(
    index: &'r BTreeMap<Str, Vec<Str>>,
    mentioned: &BTreeSet<&str>,
) -> impl Iterator<Item = &'r Str> {
    mentioned.iter().filter_map(|word| index.get(*word)).flatten()
}

fn define_types(reader: &Reader<'_>, file: usize, mentioned: &BTreeSet<&str>, names: &mut Names) {
    let own = &reader.files[file];
    let imported = own.imports.iter().filter_map(|import| Some((&*import.name, import.file?)));
    for (prefix, other) in imported.chain([("", file)]) {
        let other = &reader.files[other];
        for name in found(&other.type_words, mentioned) {
            let Some(index) = other.types.get(name) else { continue };
            let kind = reader.feel_types[*index].clone();
            match prefix {
                "" => names.define_type(name, kind),
                prefix => names.define_type(&format!("{prefix}.{name}"), kind),
            };
        }
    }
}

fn type_of_target(reader: &Reader<'_>, target: Target) -> Type {
    match target {
        Target::Input(index) => reader.feel_type(&reader.inputs[index].kind),
        Target::Decision(index) => reader.feel_type(&reader.decisions[index].kind),
        Target::Knowledge(_) | Target::Service(_) => Type::Function(None),
    }
}
