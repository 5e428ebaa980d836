//! Runs every scenario file. `UPDATE_EXPECT=1 cargo test -p engine` rewrites what they produce.

use std::fs;
use std::path::{Path, PathBuf};

use engine::script;

/// Every `.scn` file below `directory`, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "scn") {
            found.push(path);
        }
    }
    found
}

/// Whether a scenario comes to what it says. Twice: the core is deterministic (ENG-1).
fn check(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).expect("readable");
    let outcome = script::run(&text)?;
    let again = script::run(&text)?;
    assert_eq!(outcome.text, again.text, "ENG-1: {}", path.display());
    if !text.starts_with('#') {
        return Err("a scenario begins with its reason, in a line that starts with `#`".into());
    }
    if outcome.text == text {
        return Ok(());
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path, &outcome.text).expect("writable");
        return Ok(());
    }
    let differs = outcome.text.lines().zip(text.lines()).position(|(is, was)| is != was);
    let at = differs.unwrap_or_else(|| outcome.text.lines().count().min(text.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_string();
    Err(format!("line {}:\n  is   {}\n  was  {}", at + 1, line(&outcome.text), line(&text)))
}

#[test]
fn every_scenario_comes_to_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut failures = String::new();
    let files = files(&root);
    assert!(!files.is_empty());
    for path in files {
        if let Err(why) = check(&path) {
            let shown = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
            failures.push_str(&format!("{shown}: {why}\n"));
        }
    }
    assert!(failures.is_empty(), "\n{failures}UPDATE_EXPECT=1 rewrites the files");
}
