//! What a lock is between two commands.
//!
//! Boundary: data and lookups; changed only by `apply`. Its byte form is the snapshot.
//! Invariants: LCK-1 a lock has at most one holder. LCK-2 each holder's fencing number is greater
//! than those of all holders before it: the number outlives them.
//! Read first: [`Lock`], then [`Party`].

use alloc::vec::Vec;

use feel::Str;
use minicbor::{Decode, Encode};

use crate::ids::{InstanceKey, StepKey};

/// A named lock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Lock {
    /// The fencing number of the last holder; 0: nobody ever held it.
    #[n(0)]
    pub fence: u64,
    /// Who holds it.
    #[n(1)]
    pub holder: Option<Holder>,
    /// Who waits for it, first come first served.
    #[n(2)]
    pub waiting: Vec<Waiter>,
}

/// Who acquires: each acquisition of an instance is told apart by its step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Party {
    /// A step of an instance.
    #[n(0)]
    Step {
        /// The instance.
        #[n(0)]
        instance: InstanceKey,
        /// The step that acquires.
        #[n(1)]
        step: StepKey,
    },
    /// A client.
    #[n(1)]
    Client {
        /// Its session, as it chose to call it.
        #[n(0)]
        #[cbor(with = "crate::value::text")]
        session: Str,
    },
}

/// Who holds: all steps of one instance together, or a client.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Owner {
    /// An instance.
    #[n(0)]
    Instance(#[n(0)] InstanceKey),
    /// A client, by its session.
    #[n(1)]
    Client(
        #[n(0)]
        #[cbor(with = "crate::value::text")]
        Str,
    ),
}

/// The one that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Holder {
    /// Who.
    #[n(0)]
    pub owner: Owner,
    /// The steps whose acquisitions were not given back; empty for a client.
    #[n(1)]
    pub steps: Vec<StepKey>,
    /// Its fencing number.
    #[n(2)]
    pub fence: u64,
    /// Since when, milliseconds since 1970 UTC.
    #[n(3)]
    pub since_ms: i64,
    /// Until when, if it is not renewed; clients only. Milliseconds since 1970 UTC.
    #[n(4)]
    pub lease_until_ms: Option<i64>,
}

/// One that waits for a lock.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Waiter {
    /// Who.
    #[n(0)]
    pub party: Party,
    /// Since when, milliseconds since 1970 UTC.
    #[n(1)]
    pub since_ms: i64,
    /// When it gives up, milliseconds since 1970 UTC; none: never.
    #[n(2)]
    pub deadline_ms: Option<i64>,
    /// Until when its session lasts, if it is not renewed; clients only.
    #[n(3)]
    pub lease_until_ms: Option<i64>,
}

impl Party {
    /// Who would hold the lock.
    #[must_use]
    pub fn owner(&self) -> Owner {
        match self {
            Self::Step { instance, .. } => Owner::Instance(*instance),
            Self::Client { session } => Owner::Client(session.clone()),
        }
    }
}

impl Holder {
    /// Whether the acquisition of `party` is one of its.
    #[must_use]
    pub fn has(&self, party: &Party) -> bool {
        match party {
            Party::Step { step, .. } => self.owner == party.owner() && self.steps.contains(step),
            Party::Client { .. } => self.owner == party.owner(),
        }
    }

    /// One of its acquisitions, to address it by.
    #[must_use]
    pub fn party(&self) -> Party {
        match &self.owner {
            Owner::Instance(instance) => Party::Step {
                instance: *instance,
                step: self.steps.first().copied().unwrap_or(StepKey(instance.0)),
            },
            Owner::Client(session) => Party::Client { session: session.clone() },
        }
    }
}

impl Waiter {
    /// When it stops waiting, if ever.
    #[must_use]
    pub fn until_ms(&self) -> Option<i64> {
        [self.deadline_ms, self.lease_until_ms].into_iter().flatten().min()
    }
}

impl Lock {
    /// Whether nobody holds it or waits for it. An empty lock is kept nevertheless once it was
    /// held: without its state the fencing numbers would begin again (LCK-2).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.holder.is_none() && self.waiting.is_empty()
    }

    /// When [`super::Command::Expire`] has something to do, milliseconds since 1970 UTC: what a
    /// shell arms when it takes the lock over.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<i64> {
        let lease = self.holder.as_ref().and_then(|holder| holder.lease_until_ms);
        lease.into_iter().chain(self.waiting.iter().filter_map(Waiter::until_ms)).min()
    }

    /// The snapshot's byte form, appended to `out`.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        let result = minicbor::encode(self, out);
        debug_assert!(result.is_ok(), "writing to memory cannot fail");
    }

    /// The lock that [`Lock::encode_to`] wrote.
    ///
    /// # Errors
    /// If the bytes are no snapshot of this or the previous format.
    pub fn decode(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        minicbor::decode(bytes)
    }
}
