//! Lists the error pages, so that `pointsman explain CODE` works without the repository.
//!
//! Boundary: names files only; the compiler reads them.
//! Read first: [`main`].

use std::fmt::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pages = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").ok_or("no manifest directory")?)
        .join("../../docs/errors")
        .canonicalize()?;
    println!("cargo::rerun-if-changed={}", pages.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&pages)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "md") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    let mut list = "&[\n".to_owned();
    for name in names {
        let path = pages.join(format!("{name}.md"));
        writeln!(list, "    ({name:?}, include_str!({:?})),", path.display().to_string())?;
    }
    list.push(']');
    let out =
        Path::new(&std::env::var_os("OUT_DIR").ok_or("no output directory")?).join("pages.rs");
    std::fs::write(out, list)?;
    Ok(())
}
