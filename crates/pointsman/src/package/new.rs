//! `pointsman package new`: a small package that passes its own check and test.
//!
//! Boundary: files written out of this file's texts; never over existing ones.
//! Read first: [`FILES`].

use std::path::Path;

use serde_json::json;

use crate::output::{self, Format};
use crate::problem::Failure;

/// Path and text of each file; NAME is replaced.
const FILES: &[(&str, &str)] = &[
    ("package.toml", include_str!("new/package.toml")),
    ("processes/greeting.bpmn", include_str!("new/greeting.bpmn")),
    ("documents/guest.json", include_str!("new/guest.json")),
    ("tests/greeted.toml", include_str!("new/greeted.toml")),
];

/// Makes a package in a directory of its name.
///
/// # Errors
/// The name is none for a package, or the directory exists.
pub(super) fn run(name: &str, format: Format) -> Result<(), Failure> {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    if !name.starts_with(|first: char| first.is_ascii_lowercase())
        || !name.chars().all(|letter| plain(letter) || letter == '-')
    {
        let message = format!("`{name}` is no name for a package");
        let hint = "use lower-case letters, digits and `-`, beginning with a letter";
        return Err(Failure::wrong_use(message, hint));
    }
    let root = Path::new(name);
    std::fs::create_dir(root).map_err(|error| Failure::file("make", root, &error))?;
    for (path, text) in FILES {
        let path = root.join(path);
        if let Some(directory) = path.parent() {
            let made = std::fs::create_dir_all(directory);
            made.map_err(|error| Failure::file("make", directory, &error))?;
        }
        std::fs::write(&path, text.replace("NAME", name))
            .map_err(|error| Failure::file("write", &path, &error))?;
    }
    let files: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
    output::show(format, &json!({"package": name, "files": files}), || {
        format!(
            "package `{name}` is made: {}\nnext: pointsman package test {name}",
            files.join(", ")
        )
    })
}
