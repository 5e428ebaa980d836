//! Calling services of packages from outside of processes.
//!
//! Boundary: a service runs on the server that is asked, so that nothing is forwarded; it enters
//! the gate of its package, and waits there while that is switched.
//! Invariants: INV-1 a server whose lease ran out answers for no package: what it would call may
//! have been replaced.
//! Read first: [`Node::invoke`].

use std::time::Duration;

use engine::ids::ShardId;
use feel::{Context, Str, Value};
use host::gate::{Admission, Chain, Kind, Refusal, What};
use host::service::{Call, Failure, Printed};

use crate::cluster::wire::{Answer, Request};
use crate::error::Error;
use crate::handle::Node;
use crate::input::Which;
use crate::onward::Gated;

/// How long a call waits for a gate if its caller does not say.
pub(super) const HELD: Duration = Duration::from_secs(90);
/// How long one call may take, whatever its service says, in milliseconds.
const CALL_MS: u64 = 300_000;

/// A call of a service.
#[derive(Debug, Clone, Default)]
pub struct Invocation {
    /// What the service gets.
    pub input: Context,
    /// The same for each try, so that the other side can tell; none: one is made.
    pub idempotency_key: Option<String>,
    /// The packages whose calls led to this one.
    pub chain: Chain,
    /// How long it may wait for the package's gate. Default [`HELD`].
    pub patience: Option<Duration>,
}

/// What a service answered.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Its result.
    pub value: Value,
    /// The package's version that answered.
    pub version: Str,
}

impl Node {
    /// Calls a service of an active package, on this server.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Switching`], [`Error::Service`], [`Error::Unavailable`].
    pub async fn invoke(
        &self,
        package: &str,
        service: &str,
        invocation: Invocation,
    ) -> Result<Answered, Error> {
        let Invocation { input, idempotency_key, chain, patience } = invocation;
        let name: Str = package.into();
        let full: Str = format!("{package}/{service}").into();
        self.check_lease()?;
        let admission = self.enter(&name, (Kind::Call, &full), &chain, patience).await?;
        self.check_lease()?;
        let around = &self.inner.around;
        if !around.services.knows(package, service) {
            return Err(Error::not_found("service", &full));
        }
        let version = around.services.version(package).unwrap_or_else(|| "".into());
        let now_ms = self.now_ms();
        let key = idempotency_key.unwrap_or_else(|| {
            let turn = self.inner.routes.turn(usize::MAX);
            format!("{}-{now_ms}-{turn}", self.name())
        });
        let call = Call {
            package: package.to_owned(),
            service: service.to_owned(),
            input: Value::Context(input),
            idempotency_key: key,
            deadline_ms: CALL_MS,
            now_ms,
            attempt: 1,
            chain: admission.chain(),
            depth: 0,
        };
        let (services, gates) = (around.services.clone(), around.gates.clone());
        let tree = Gated { services, gates, kind: Kind::Call, owner: 0 };
        let result = tree.run(call, &Printed::default()).await;
        drop(admission);
        // INV-1: whoever was away for long does not answer for what may have been replaced.
        self.check_lease()?;
        match result {
            Ok(value) => Ok(Answered { value, version }),
            Err(Failure::Error { code, message }) => {
                Err(Error::Service { code: Some(code), message, is_transient: false })
            }
            Err(Failure::Transient { message, .. }) => {
                Err(Error::Service { code: None, message, is_transient: true })
            }
            Err(Failure::Permanent { message }) => {
                Err(Error::Service { code: None, message, is_transient: false })
            }
        }
    }

    /// Enters the gate of a package, or waits for it.
    pub(crate) async fn enter(
        &self,
        package: &Str,
        (kind, name): (Kind, &Str),
        chain: &Chain,
        patience: Option<Duration>,
    ) -> Result<Admission, Error> {
        let since = crate::clock::instant();
        let what = What { kind, name: name.clone(), owner: 0, since };
        let none: Str = "".into();
        let gates = &self.inner.around.gates;
        let entered = gates.enter([package, &none], chain, what, patience.unwrap_or(HELD)).await;
        entered.map_err(|refusal| Error::Switching {
            package: package.to_string(),
            why: match refusal {
                Refusal::Closed => "its deployment lets new calls fail",
                Refusal::Full => "too many calls wait already",
                Refusal::Late => "it took longer than the call waits",
            },
        })
    }

    /// Starts something of a process, as soon as the gate of its package is open.
    pub(super) async fn start(
        &self,
        process: &Str,
        package: Option<Str>,
        request: impl Fn() -> Result<(ShardId, Request), Error>,
    ) -> Result<Answer, Error> {
        let until = crate::clock::instant() + HELD;
        let gates = &self.inner.around.gates;
        loop {
            if let Some(package) = &package {
                let left = until.duration_since(crate::clock::instant());
                let chain = Chain::default();
                drop(self.enter(package, (Kind::Start, process), &chain, Some(left)).await?);
            }
            let (shard, request) = request()?;
            match self.route(shard, request).await {
                // It was closed meanwhile, and nothing was started.
                Err(Error::Unavailable { .. })
                    if package.as_ref().is_some_and(|package| !gates.is_open(package)) => {}
                answer => return answer,
            }
        }
    }

    /// The package of a process version that is to be started, as far as it is known here.
    pub(super) fn package_of(&self, which: &Which) -> (Str, Option<Str>) {
        let catalog = self.catalog();
        let (found, name) = match which {
            Which::Key(key) => (catalog.definitions.get(key), "".into()),
            Which::Enabled(process) => (catalog.enabled(process), process.clone()),
            Which::Version(process, version) => {
                (catalog.version(process, *version), process.clone())
            }
        };
        let package = found.map(|known| known.package.clone());
        (name, package.filter(|package| !package.is_empty()))
    }

    /// Whether this server's lease runs (INV-1).
    fn check_lease(&self) -> Result<(), Error> {
        if self.inner.routes.is_leased() {
            return Ok(());
        }
        Err(Error::Unavailable { doing: "recovering" })
    }

    /// Who is inside of a package on this server, the oldest first, how many, and how its gate is.
    #[must_use]
    pub fn inside(&self, package: &str, most: usize) -> (Vec<What>, usize, &'static str) {
        let gates = &self.inner.around.gates;
        let (seen, number) = gates.inside(package, most);
        (seen, number, gates.condition(package))
    }
}
