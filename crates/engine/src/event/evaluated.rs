//! Decisions that were evaluated, as the audit log keeps them.
//!
//! Boundary: as `event`: stored, numbers are never reused.
//! Read first: [`EvaluatedDecision`].

use alloc::vec::Vec;

use feel::{Str, Value};
use minicbor::{Decode, Encode};

use crate::value::Variables;

/// One decision that was evaluated.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct EvaluatedDecision {
    /// Its id, or its name if it has no id.
    #[n(0)]
    #[cbor(with = "crate::value::text")]
    pub decision: Str,
    /// What its decision table tested, column by column.
    #[n(1)]
    pub inputs: Vec<EvaluatedInput>,
    /// The rules that matched and counted.
    #[n(2)]
    pub matched: Vec<MatchedRule>,
    /// Its result.
    #[n(3)]
    #[cbor(with = "crate::value")]
    pub output: Value,
}

/// What was tested in one column.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct EvaluatedInput {
    /// The label of the column, or its expression.
    #[n(0)]
    #[cbor(with = "crate::value::text")]
    pub label: Str,
    /// The value.
    #[n(1)]
    #[cbor(with = "crate::value")]
    pub value: Value,
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct MatchedRule {
    /// Its number, from 1.
    #[n(0)]
    pub rule: u32,
    /// Its outputs by name; the name is empty if there is only one.
    #[n(1)]
    #[cbor(with = "crate::value::variables")]
    pub outputs: Variables,
}
