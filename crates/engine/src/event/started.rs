//! How an instance began: the content of its first event.
//!
//! Boundary: as `event`: stored, numbers are never reused.
//! Read first: [`Started`].

use feel::Str;
use minicbor::{Decode, Encode};

use crate::command::{Caller, Origin};
use crate::ids::{DefinitionKey, InstanceKey};

/// How an instance began.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Started {
    /// The instance.
    #[n(0)]
    pub instance: InstanceKey,
    /// Its process version.
    #[n(1)]
    pub definition: DefinitionKey,
    /// The process id.
    #[n(2)]
    #[cbor(with = "crate::value::text")]
    pub process: Str,
    /// The version number.
    #[n(3)]
    pub version: u32,
    /// Who called it.
    #[n(4)]
    pub caller: Option<Caller>,
    /// What hears of its end.
    #[n(5)]
    pub origin: Option<Origin>,
    /// The message name that it holds together with `holds_key`.
    #[n(6)]
    #[cbor(with = "crate::value::maybe_text")]
    pub holds_name: Option<Str>,
    /// The correlation key that it holds.
    #[n(7)]
    #[cbor(with = "crate::value::maybe_text")]
    pub holds_key: Option<Str>,
    /// When, milliseconds since 1970 UTC.
    #[n(8)]
    pub at_ms: i64,
    /// What a person may search it by.
    #[n(9)]
    #[cbor(with = "crate::value::maybe_text")]
    pub business_key: Option<Str>,
}
