//! Calls that services make of other services: each enters the gate of what it calls, as part of
//! the request tree that it belongs to.
//!
//! Boundary: components make such calls (`host::service::Onward`); the first call of a tree enters
//! its gates where it is made.
//! Read first: [`Gated`].   Tests: `tests/components.rs`

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use feel::{Str, Value};
use host::gate::{Gates, Kind, What};
use host::service::{Call, Failure, Onward, Printed, Services};

/// Takes the calls of one request tree through the gates.
pub(crate) struct Gated {
    pub(crate) services: Arc<Services>,
    pub(crate) gates: Gates,
    pub(crate) kind: Kind,
    /// Whose work the tree is: the key of an instance or entry; zero: a client's.
    pub(crate) owner: u64,
}

impl Gated {
    /// Runs the first call of a tree, which is inside of its gates already. Cancellation safe.
    pub(crate) async fn run(&self, call: Call, printed: &Printed) -> Result<Value, Failure> {
        self.services.invoke_onward(call, printed, self).await
    }
}

impl Onward for Gated {
    fn call<'a>(
        &'a self,
        mut call: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>> {
        Box::pin(async move {
            let what = What {
                kind: self.kind,
                name: format!("{}/{}", call.package, call.service).into(),
                owner: self.owner,
                since: crate::clock::instant(),
            };
            let (target, none) = (Str::from(call.package.as_str()), Str::from(""));
            let patience = Duration::from_millis(call.deadline_ms);
            let entered = self.gates.enter([&target, &none], &call.chain, what, patience).await;
            let admission = entered.map_err(|_| Failure::Transient {
                message: format!("package `{target}` is being switched"),
                retry_after_ms: None,
            })?;
            call.chain = admission.chain();
            // Time has passed at the gate; whoever called sees to the deadline.
            self.run(call, &Printed::default()).await
        })
    }
}
