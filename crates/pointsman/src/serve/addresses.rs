//! Where a running server listens, in a file, so that scripts and tests find it.
//!
//! Boundary: written whole or not at all; a file of a server that was killed stays behind.
//! Read first: [`write`].

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::problem::Failure;

fn path_in(data: &Path) -> PathBuf {
    data.join("addresses.json")
}

/// Writes the addresses.
///
/// # Errors
/// The directory cannot be written.
pub(super) fn write(
    data: &Path,
    scheme: &str,
    (http, grpc): (SocketAddr, SocketAddr),
) -> Result<(), Failure> {
    let content = json!({
        "http": format!("{scheme}://{http}"),
        "grpc": format!("{scheme}://{grpc}"),
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    let (path, beside) = (path_in(data), data.join("addresses.json.new"));
    std::fs::write(&beside, format!("{content:#}\n"))
        .and_then(|()| std::fs::rename(&beside, &path))
        .map_err(|error| Failure::file("write", &path, &error))
}

/// Takes the file away when the server stops.
pub(super) fn remove(data: &Path) {
    if let Err(error) = std::fs::remove_file(path_in(data)) {
        tracing::debug!(%error, "no addresses to remove");
    }
}
