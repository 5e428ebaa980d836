//! Compiles the `.proto` sources into messages, server stubs and client stubs, without `protoc`.
//!
//! Boundary: what the wire looks like stands in the workspace's `proto/` folder, not here.

use std::error::Error;
use std::path::Path;

const SOURCES: [&str; 2] = ["gateway.proto", "health.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    // Asked when it runs: a build directory may serve several clones.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("no manifest directory")?;
    let folder = Path::new(&here).join("../../proto");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", folder.join(source).display());
    }
    let descriptors = protox::compile(SOURCES, [&folder])?;
    // A call that a server does not implement answers UNIMPLEMENTED instead of not compiling.
    tonic_prost_build::configure().generate_default_stubs(true).compile_fds(descriptors)?;
    Ok(())
}
