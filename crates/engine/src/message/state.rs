//! What a bucket is between two commands.
//!
//! Boundary: data; its byte form is the snapshot. An empty bucket is not stored.
//! Read first: [`Bucket`].

use alloc::vec::Vec;

use feel::Str;
use minicbor::{Decode, Encode};

use crate::ids::{InstanceKey, MessageKey, StepKey};
use crate::value::Variables;

/// The messages and subscriptions of one name and correlation key.
#[derive(Debug, Clone, PartialEq, Default, Encode, Decode)]
pub struct Bucket {
    /// Steps that wait, oldest first.
    #[n(0)]
    pub waiting: Vec<Waiting>,
    /// Messages whose time to live lasts, oldest first.
    #[n(1)]
    pub buffered: Vec<Buffered>,
    /// Instances that a message of this key started and that still run: one per process.
    #[n(2)]
    pub holders: Vec<Holder>,
}

/// A step that waits for a message.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Waiting {
    /// Its instance.
    #[n(0)]
    pub instance: InstanceKey,
    /// The step.
    #[n(1)]
    pub step: StepKey,
    /// The catching element.
    #[n(2)]
    pub element: u32,
    /// The process id: a message goes to each process once.
    #[n(3)]
    #[cbor(with = "crate::value::text")]
    pub process: Str,
    /// Whether it waits for one message only.
    #[n(4)]
    pub once: bool,
}

/// A message kept until its time to live ends.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Buffered {
    /// Its key.
    #[n(0)]
    pub message: MessageKey,
    /// Its id; empty: none.
    #[n(1)]
    #[cbor(with = "crate::value::text")]
    pub id: Str,
    /// Its content.
    #[n(2)]
    #[cbor(with = "crate::value::variables")]
    pub variables: Variables,
    /// Until when, milliseconds since 1970 UTC.
    #[n(3)]
    pub deadline_ms: i64,
    /// Processes that had it.
    #[n(4)]
    #[cbor(with = "crate::value::texts")]
    pub taken_by: Vec<Str>,
    /// Only for this process, if set.
    #[n(5)]
    #[cbor(with = "crate::value::maybe_text")]
    pub only: Option<Str>,
}

/// An instance that a message of this key started.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Holder {
    /// The process id.
    #[n(0)]
    #[cbor(with = "crate::value::text")]
    pub process: Str,
    /// The instance; zero while it is being started.
    #[n(1)]
    pub instance: InstanceKey,
}

impl Bucket {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.buffered.is_empty() && self.holders.is_empty()
    }

    /// The snapshot's byte form, appended to `out`.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        let result = minicbor::encode(self, out);
        debug_assert!(result.is_ok(), "writing to memory cannot fail");
    }

    /// The bucket that [`Bucket::encode_to`] wrote.
    ///
    /// # Errors
    /// If the bytes are no snapshot of this or the previous format.
    pub fn decode(bytes: &[u8]) -> Result<Self, minicbor::decode::Error> {
        minicbor::decode(bytes)
    }
}
