//! Assembles a component from its text form: what stands in for one where the compiler of its
//! source cannot be had.
//!
//! Boundary: translates and writes; whether it is a good service is asked by `package check`.
//! Read first: [`assemble`].

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

/// Writes the component whose text is in `from` to `to`.
///
/// # Errors
/// The text is wrong, or a file cannot be read or written.
pub(crate) fn assemble(from: &Path, to: &Path) -> Result<ExitCode> {
    let text = std::fs::read_to_string(from).with_context(|| format!("`{}`", from.display()))?;
    let bytes = wat::parse_str(&text).with_context(|| format!("`{}`", from.display()))?;
    if let Some(directory) = to.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(to, &bytes).with_context(|| format!("`{}`", to.display()))?;
    println!("component: {} bytes of {} -> {}", bytes.len(), from.display(), to.display());
    Ok(ExitCode::SUCCESS)
}
