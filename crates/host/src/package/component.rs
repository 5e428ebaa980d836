//! Components of `wasm` services, looked at before anything is compiled.
//!
//! Boundary: what the file is, what it imports and exports; compiling and running it lives in
//! `service/wasm.rs`. Without the feature `wasm` every component is refused.
//! Invariants: WSM-1 machine code is never taken from a package.
//! Read first: [`check`], then [`shape`].   Tests: `tests/component.rs`

#[cfg(feature = "wasm")]
mod shape;
#[cfg(feature = "wasm")]
mod world;

use crate::diagnostic::{self, Diagnostic};
use crate::package::{MANIFEST, PackageSource};
use crate::service::{ServiceDefinition, ServiceKind, WasmService};

/// Reports what is wrong with the components of the package.
pub(super) fn check(source: &PackageSource, found: &mut Vec<Diagnostic>) {
    precompiled(source, found);
    for service in &source.manifest.services {
        let ServiceKind::Wasm(wasm) = &service.kind else { continue };
        let problems = problems(source, wasm);
        found.extend(problems.into_iter().map(|problem| placed(problem, service)));
    }
}

fn placed(problem: Diagnostic, service: &ServiceDefinition) -> Diagnostic {
    if problem.file == MANIFEST {
        return problem.at(service.place).about(&format!("services.{}", service.name));
    }
    problem.about(&format!("services.{}.component", service.name))
}

/// WSM-1: compiled code from elsewhere could do anything.
fn precompiled(source: &PackageSource, found: &mut Vec<Diagnostic>) {
    for (path, bytes) in &source.files {
        let named = path.ends_with(".cwasm");
        if named || (path.ends_with(".wasm") && bytes.starts_with(b"\x7fELF")) {
            let message = format!("`{path}` is precompiled machine code");
            let hint = "put the component itself into the package; servers compile it";
            found.push(Diagnostic::error(diagnostic::BAD_COMPONENT, path, message, hint));
        }
    }
}

fn problems(source: &PackageSource, wasm: &WasmService) -> Vec<Diagnostic> {
    let path = &wasm.component;
    let mut found = Vec::new();
    for folder in &wasm.files {
        if source.files_in(folder).next().is_none() {
            let message = format!("the package has no folder `{folder}` to read");
            let hint = "add it, or take it out of `reach.files`";
            found.push(Diagnostic::error(diagnostic::UNKNOWN_NAME, MANIFEST, message, hint));
        }
    }
    match source.files.get(path) {
        None => {
            let message = format!("the package has no file `{path}`");
            let hint = "build the component and copy it there";
            found.push(Diagnostic::error(diagnostic::UNKNOWN_NAME, MANIFEST, message, hint));
        }
        Some(bytes) if bytes.starts_with(b"\x7fELF") => {}
        Some(bytes) => found.extend(inside(path, bytes)),
    }
    found
}

#[cfg(feature = "wasm")]
fn inside(path: &str, bytes: &[u8]) -> Vec<Diagnostic> {
    world::check(path, bytes)
}

#[cfg(not(feature = "wasm"))]
fn inside(path: &str, _bytes: &[u8]) -> Vec<Diagnostic> {
    let message = format!("this program was built without what runs `{path}`");
    let hint = "build it with the feature `wasm`, which is on by default";
    vec![Diagnostic::error(diagnostic::BAD_COMPONENT, path, message, hint)]
}
