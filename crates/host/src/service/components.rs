//! Components of all installed packages, with or without what runs them.
//!
//! Boundary: the one place that knows whether this program has the feature `wasm`.
//! Read first: [`Components`], then [`Compiled`].

use std::path::PathBuf;

use feel::Value;

#[cfg(feature = "wasm")]
use super::wasm;
use crate::diagnostic::Diagnostic;
use crate::package::PackageSource;
use crate::service::{
    Failure, Onward, Options, ServiceDefinition, ServiceKind, WasmService, Work, permanent,
};

/// How components run on this server.
#[derive(Debug, Clone)]
pub struct WasmOptions {
    /// Instances at once, over all services; a quarter of them is for calls between services.
    /// Default 256.
    pub instances_max: u32,
    /// Bytes of one memory of an instance, whatever its service wants. Default 256 MiB.
    pub memory_bytes_max: u64,
    /// Threads that compile components. Default 1.
    pub compilers: u32,
    /// Where compiled components are kept; None keeps them in memory only.
    pub cache: Option<PathBuf>,
}

impl Default for WasmOptions {
    fn default() -> Self {
        Self { instances_max: 256, memory_bytes_max: 256 << 20, compilers: 1, cache: None }
    }
}

/// Keeps compiled components until they are installed.
#[derive(Debug, Default)]
pub struct Compiled {
    components: Vec<Component>,
}

impl Compiled {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.components.len()
    }
}

/// The component of one service.
#[derive(Debug, Clone)]
pub(super) struct Component {
    #[cfg(feature = "wasm")]
    inner: wasm::Component,
}

/// What a call needs besides its definition.
#[cfg_attr(not(feature = "wasm"), expect(dead_code, reason = "nothing runs components"))]
pub(super) struct Request<'r> {
    pub(super) component: Option<&'r Component>,
    pub(super) onward: &'r dyn Onward,
    /// How long the whole call may take from now, in milliseconds.
    pub(super) deadline_ms: u64,
    /// The own package and those that it may call.
    pub(super) callable: &'r [String],
}

/// Components as they run.
#[derive(Debug)]
pub(super) struct Components {
    #[cfg(feature = "wasm")]
    runtime: wasm::Runtime,
}

impl Components {
    /// Those of `package`, compiled; all that cannot be are told.
    pub(super) async fn prepare(
        &self,
        package: &PackageSource,
    ) -> Result<Compiled, Vec<Diagnostic>> {
        let (mut compiled, mut found) = (Compiled::default(), Vec::new());
        for service in &package.manifest.services {
            let ServiceKind::Wasm(wasm) = &service.kind else { continue };
            let Some(component) = self.of(service, package) else { continue };
            match self.compile(&component).await {
                Ok(()) => compiled.components.push(component),
                Err(why) => {
                    let path = &wasm.component;
                    let message = format!("`{path}` cannot be compiled: {why}");
                    let hint = "build it again with the newest tools; `wasm-tools validate` helps";
                    let code = crate::diagnostic::BAD_COMPONENT;
                    let problem = Diagnostic::error(code, path, message, hint);
                    found.push(problem.about(&format!("services.{}.component", service.name)));
                }
            }
        }
        if found.is_empty() { Ok(compiled) } else { Err(found) }
    }
}

#[cfg(feature = "wasm")]
impl Components {
    pub(super) fn new(options: &Options) -> Self {
        Self { runtime: wasm::Runtime::new(options) }
    }

    /// The component of a service of kind `wasm`.
    pub(super) fn of(
        &self,
        definition: &ServiceDefinition,
        package: &PackageSource,
    ) -> Option<Component> {
        let ServiceKind::Wasm(wasm) = &definition.kind else { return None };
        let bytes = package.files.get(&wasm.component)?;
        Some(Component { inner: self.runtime.component(bytes) })
    }

    async fn compile(&self, component: &Component) -> Result<(), String> {
        self.runtime.compile(&component.inner).await.map(drop)
    }

    /// Runs one call. Cancellation safe.
    pub(super) async fn run(
        &self,
        service: &WasmService,
        work: &Work<'_>,
        request: Request<'_>,
    ) -> Result<Value, Failure> {
        let Some(component) = request.component else {
            let path = &service.component;
            return Err(permanent(format!("the package has no file `{path}`")));
        };
        wasm::run(&self.runtime, service, work, (&component.inner, &request)).await
    }

    pub(super) fn compiled(&self) -> usize {
        self.runtime.compiled()
    }

    pub(super) fn cached(&self) -> (usize, usize) {
        self.runtime.cached()
    }
}

#[cfg(not(feature = "wasm"))]
impl Components {
    pub(super) fn new(_: &Options) -> Self {
        Self {}
    }

    pub(super) fn of(&self, _: &ServiceDefinition, _: &PackageSource) -> Option<Component> {
        None
    }

    #[expect(clippy::unused_async, reason = "as with the feature")]
    async fn compile(&self, _: &Component) -> Result<(), String> {
        Ok(())
    }

    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub(super) async fn run(
        &self,
        service: &WasmService,
        _: &Work<'_>,
        _: Request<'_>,
    ) -> Result<Value, Failure> {
        let path = &service.component;
        Err(permanent(format!("this program was built without what runs `{path}`")))
    }

    pub(super) fn compiled(&self) -> usize {
        0
    }

    pub(super) fn cached(&self) -> (usize, usize) {
        (0, 0)
    }
}
