//! Services: what a package offers by name, and running it.
//!
//! Boundary: one call at a time, in and out as values; jobs, retries and incidents live in
//! `node`. Time comes with each call. Nothing here lasts longer than the call's deadline.
//! Invariants: a call that is dropped leaves no process behind. Variables of a call never
//! replace `settings` and `server` in an expression, so a document cannot redirect a request.
//! Read first: [`Services`], then [`Call`], then [`Failure`].   Tests: `tests/service_*.rs`

mod command;
mod components;
mod definition;
mod http;
mod onward;
mod printed;
mod scope;
mod template;
#[cfg(feature = "wasm")]
mod wasm;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use feel::{Context, Environment, Str, Value};
use tokio::sync::Semaphore;

pub use components::{Compiled, WasmOptions};
use components::{Component, Components, Request};
pub use definition::{
    CommandService, HttpService, Output, ServiceDefinition, ServiceKind, Shell, StatusRule,
    WasmService,
};
pub(crate) use http::check_url;
pub use onward::Onward;
pub use printed::{PRINTED_BYTES_MAX, Printed};
pub use template::{SecretReference, Template};

use crate::diagnostic::Diagnostic;
use crate::gate::Chain;
use crate::package::PackageSource;
use crate::package::scenario::Answer;
use crate::service::scope::{RequestScope, environment_of};

/// How services run on this server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Child processes at once, over all services. Default 16.
    pub commands_max: u32,
    /// Bytes of an HTTP answer's body. Default 4 MiB.
    pub response_bytes_max: usize,
    /// Bytes of a child process's standard output. Default 4 MiB.
    pub output_bytes_max: usize,
    /// Where child processes get their working directories; made if absent.
    pub scratch: PathBuf,
    /// Services that are not run but answered so each time, by `package/name`. For scenario
    /// tests; default none.
    pub stand_ins: BTreeMap<String, Answer>,
    /// How components run.
    pub wasm: WasmOptions,
}

impl Options {
    /// The defaults, with working directories below `scratch`, and compiled components beside it.
    #[must_use]
    pub fn new(scratch: PathBuf) -> Self {
        let cache = scratch.parent().map(|beside| beside.join("components"));
        Self {
            commands_max: 16,
            response_bytes_max: 4 * 1024 * 1024,
            output_bytes_max: 4 * 1024 * 1024,
            scratch,
            stand_ins: BTreeMap::new(),
            wasm: WasmOptions { cache, ..WasmOptions::default() },
        }
    }
}

/// One call of a service.
#[derive(Debug, Clone)]
pub struct Call {
    /// The package that has the service.
    pub package: String,
    /// The service's name.
    pub service: String,
    /// The variables that its expressions see: a context.
    pub input: Value,
    /// The same for each try of the same step, so that the other side can tell.
    pub idempotency_key: String,
    /// How long the caller waits from now, in milliseconds.
    pub deadline_ms: u64,
    /// What `now()` answers, in milliseconds since 1970 UTC.
    pub now_ms: i64,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The packages whose calls led to this one, its own among them: what the service calls may
    /// pass their gates.
    pub chain: Chain,
    /// How many services called each other before this one: 0 for a call from outside.
    pub depth: u32,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A BPMN error, for error boundary events.
    Error {
        /// The error code.
        code: String,
        /// What happened.
        message: String,
    },
    /// Trying again may help.
    Transient {
        /// What happened.
        message: String,
        /// How long the other side asked to wait, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// Trying again cannot help; a person must act.
    Permanent {
        /// What happened.
        message: String,
    },
}

/// The services of all active packages. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Services {
    options: Options,
    clients: http::Clients,
    commands: Semaphore,
    packages: RwLock<BTreeMap<String, Arc<Loaded>>>,
    components: Components,
}

/// What was callable of some packages at one time.
#[derive(Debug)]
pub struct Picture(Vec<(String, Option<Arc<Loaded>>)>);

/// One package's services as they run.
#[derive(Debug)]
pub struct Loaded {
    version: Str,
    services: BTreeMap<String, Runnable>,
    settings: Value,
    server: Value,
    directory: Option<PathBuf>,
    /// The package itself and those it depends on.
    callable: Vec<String>,
}

#[derive(Debug)]
struct Runnable {
    definition: ServiceDefinition,
    /// Of kind `wasm`.
    component: Option<Component>,
    permits: Semaphore,
}

/// What a package's services get from the server they run on.
#[derive(Debug, Clone)]
pub struct Activation {
    /// Where the package's files are unpacked; needed for programs below `services/`.
    pub directory: Option<PathBuf>,
    /// What expressions see as `server`: `url` (without a slash at its end) and `name`.
    pub server: Value,
    /// Settings that replace those of the manifest, by name.
    pub settings: BTreeMap<String, Value>,
    /// What `now()` answers in settings, in milliseconds since 1970 UTC.
    pub now_ms: i64,
}

impl Services {
    /// No services yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let commands = Semaphore::new(options.commands_max as usize);
        let clients = http::Clients::new();
        Self {
            components: Components::new(&options),
            options,
            clients,
            commands,
            packages: RwLock::default(),
        }
    }

    /// Makes the services of `package` callable, in place of those of an earlier version. Calls
    /// that are running go on with the earlier ones.
    pub fn install(&self, package: &PackageSource, activation: Activation) {
        let manifest = &package.manifest;
        let environment = environment_of(activation.now_ms);
        let server = Context::new(vec![("server".into(), activation.server.clone())]);
        let value_of = |template: &Template| match template {
            Template::Text(text) => Value::String(text.as_str().into()),
            Template::Feel(expression) => expression.evaluate(&server, &environment).value,
            Template::Secret { .. } => Value::Null,
        };
        let mut settings: BTreeMap<String, Value> = BTreeMap::new();
        for (name, template) in &manifest.settings.values {
            settings.insert(name.clone(), value_of(template));
        }
        settings.extend(activation.settings);
        let settings = settings.into_iter().map(|(name, value)| (name.as_str().into(), value));
        let services = manifest.services.iter().map(|definition| {
            let mut definition = definition.clone();
            if let (ServiceKind::Command(command), Some(directory)) =
                (&mut definition.kind, &activation.directory)
            {
                command::locate(command, package, directory);
            }
            let permits = Semaphore::new(definition.concurrency as usize);
            let runnable = Runnable {
                component: self.components.of(&definition, package),
                definition,
                permits,
            };
            (runnable.definition.name.clone(), runnable)
        });
        let callable = manifest.dependencies.iter().map(|dependency| dependency.name.clone());
        let loaded = Loaded {
            version: manifest.version.to_string().into(),
            services: services.collect(),
            settings: Value::Context(Context::new(settings.collect())),
            server: activation.server,
            directory: activation.directory,
            callable: callable.chain([manifest.name.clone()]).collect(),
        };
        let mut packages = self.packages.write().unwrap_or_else(PoisonError::into_inner);
        packages.insert(manifest.name.clone(), Arc::new(loaded));
    }

    /// What is callable of these packages now, to be put back.
    #[must_use]
    pub fn picture(&self, names: &[Str]) -> Picture {
        let packages = self.packages.read().unwrap_or_else(PoisonError::into_inner);
        let of = |name: &Str| (name.to_string(), packages.get(&**name).cloned());
        Picture(names.iter().map(of).collect())
    }

    /// Makes callable what was callable when the picture was taken.
    pub fn put_back(&self, picture: &Picture) {
        let mut packages = self.packages.write().unwrap_or_else(PoisonError::into_inner);
        for (name, loaded) in &picture.0 {
            match loaded {
                Some(loaded) => packages.insert(name.clone(), loaded.clone()),
                None => packages.remove(name),
            };
        }
    }

    /// Compiles the components of `package` ahead of [`Services::install`], which then has nothing
    /// to wait for as long as the answer is kept. Cancellation safe.
    ///
    /// # Errors
    /// Every component that cannot be compiled.
    pub async fn prepare(&self, package: &PackageSource) -> Result<Compiled, Vec<Diagnostic>> {
        self.components.prepare(package).await
    }

    /// How many components are compiled and in use by installed packages and running calls.
    #[must_use]
    pub fn compiled(&self) -> usize {
        self.components.compiled()
    }

    /// How often compiled code was found on disk, and how often not.
    #[must_use]
    pub fn cached(&self) -> (usize, usize) {
        self.components.cached()
    }

    /// Makes the services of the package `name` unknown; calls that are running go on.
    pub fn remove(&self, name: &str) {
        let mut packages = self.packages.write().unwrap_or_else(PoisonError::into_inner);
        packages.remove(name);
    }

    /// The version of a package whose services are callable.
    #[must_use]
    pub fn version(&self, package: &str) -> Option<Str> {
        self.loaded(package).map(|loaded| loaded.version.clone())
    }

    /// Whether the service can be called.
    #[must_use]
    pub fn knows(&self, package: &str, service: &str) -> bool {
        self.loaded(package).is_some_and(|loaded| loaded.services.contains_key(service))
    }

    /// Runs one call to its end, at most until its deadline. Cancellation safe: dropping it
    /// closes the connection, or kills the process with all that it started.
    ///
    /// # Errors
    /// A [`Failure`] that says whether trying again may help.
    pub async fn invoke(&self, call: Call) -> Result<Value, Failure> {
        self.invoke_with(call, &Printed::default()).await
    }

    /// As [`Services::invoke`]; what the service prints besides its result goes to `printed`, also
    /// if the call is dropped.
    ///
    /// # Errors
    /// A [`Failure`] that says whether trying again may help.
    pub async fn invoke_with(&self, call: Call, printed: &Printed) -> Result<Value, Failure> {
        self.invoke_onward(call, printed, self).await
    }

    /// As [`Services::invoke_with`]; calls that the service makes of others go through `onward`.
    ///
    /// # Errors
    /// A [`Failure`] that says whether trying again may help.
    pub async fn invoke_onward(
        &self,
        call: Call,
        printed: &Printed,
        onward: &dyn Onward,
    ) -> Result<Value, Failure> {
        if let Some(answer) = self.stand_in(&call) {
            return answer;
        }
        let loaded = self.loaded(&call.package);
        let runnable = loaded.as_ref().and_then(|loaded| loaded.services.get(&call.service));
        let (Some(loaded), Some(runnable)) = (&loaded, runnable) else {
            let message = format!("package `{}` has no service `{}`", call.package, call.service);
            return Err(Failure::Permanent { message });
        };
        let deadline = format!("`{}` did not answer within the call's deadline", call.service);
        within(call.deadline_ms, &deadline, self.run(loaded, runnable, (&call, printed, onward)))
            .await
    }

    async fn run(
        &self,
        loaded: &Loaded,
        runnable: &Runnable,
        (call, printed, onward): (&Call, &Printed, &dyn Onward),
    ) -> Result<Value, Failure> {
        let definition = &runnable.definition;
        let _permit = permit(&runnable.permits).await?;
        let work = Work {
            call,
            printed,
            definition,
            directory: loaded.directory.as_deref(),
            scope: RequestScope {
                input: &call.input,
                settings: &loaded.settings,
                server: &loaded.server,
            },
            environment: environment_of(call.now_ms),
        };
        let timeout_ms = definition.timeout_ms;
        let late = format!("`{}` did not end within {timeout_ms} ms", definition.name);
        match &definition.kind {
            ServiceKind::Http(http) => {
                let most = self.options.response_bytes_max;
                let answered = http::run(&self.clients, http, &work, most);
                within(timeout_ms, &late, Box::pin(answered)).await
            }
            ServiceKind::Command(command) => {
                let _command_permit = permit(&self.commands).await?;
                let ended = command::run(command, &work, &self.options);
                within(timeout_ms, &late, Box::pin(ended)).await
            }
            ServiceKind::Wasm(wasm) => {
                let (component, callable) = (runnable.component.as_ref(), &loaded.callable);
                let deadline_ms = call.deadline_ms.min(timeout_ms);
                let request = Request { component, onward, deadline_ms, callable };
                let ended = self.components.run(wasm, &work, request);
                within(timeout_ms, &late, Box::pin(ended)).await
            }
        }
    }

    /// What stands in for the service, if something does. Retries left can only be none or what
    /// the job has; variables of a failure are not kept, as with services that really run.
    fn stand_in(&self, call: &Call) -> Option<Result<Value, Failure>> {
        if self.options.stand_ins.is_empty() {
            return None;
        }
        let name = format!("{}/{}", call.package, call.service);
        Some(match self.options.stand_ins.get(&name)?.clone() {
            Answer::Complete { variables } => Ok(variables),
            Answer::Fail { message, retries: 0, .. } => Err(permanent(message)),
            Answer::Fail { message, .. } => Err(transient(message)),
            Answer::Error { code, message, .. } => Err(Failure::Error { code, message }),
        })
    }

    fn loaded(&self, package: &str) -> Option<Arc<Loaded>> {
        let packages = self.packages.read().unwrap_or_else(PoisonError::into_inner);
        packages.get(package).cloned()
    }
}

/// One call on its way through a service kind.
struct Work<'w> {
    call: &'w Call,
    printed: &'w Printed,
    definition: &'w ServiceDefinition,
    directory: Option<&'w std::path::Path>,
    scope: RequestScope<'w>,
    environment: Environment,
}

async fn permit(permits: &Semaphore) -> Result<tokio::sync::SemaphorePermit<'_>, Failure> {
    // The semaphores are never closed; if one were, the server would be stopping.
    permits.acquire().await.map_err(|_| transient("the server is stopping".to_owned()))
}

async fn within<T>(
    limit_ms: u64,
    late: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(Duration::from_millis(limit_ms), work).await {
        Ok(result) => result,
        Err(_) => Err(transient(late.to_owned())),
    }
}

fn transient(message: String) -> Failure {
    Failure::Transient { message, retry_after_ms: None }
}

fn permanent(message: String) -> Failure {
    Failure::Permanent { message }
}
