//! Calls that services make of other services.
//!
//! Boundary: who carries them is decided by whoever made the first call.
//! Read first: [`Onward`].

use std::pin::Pin;

use feel::Value;

use crate::service::{Call, Failure, Services};

/// Carries the calls that a service makes of others, with whatever the first call of the chain has:
/// its admission through the gate above all.
pub trait Onward: Send + Sync {
    /// Runs one call to its end. Cancellation safe.
    fn call<'a>(
        &'a self,
        call: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>>;
}

/// Without a gate, calls are simply made.
impl Onward for Services {
    fn call<'a>(
        &'a self,
        call: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>> {
        Box::pin(self.invoke(call))
    }
}
