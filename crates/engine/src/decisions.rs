//! Decisions that business rule tasks call: how the engine asks for them.
//!
//! Boundary: evaluation is `dmn`'s; which versions are deployed is known to `node`, which answers
//! from an immutable catalogue, so that a decision of the engine stays a plain function.
//! Read first: [`Decisions`].   Tests: tests/scenarios/rules/

use bpmn::Binding;

use crate::ids::DefinitionKey;

/// One version of a decision.
#[derive(Debug, Clone)]
pub struct DecisionVersion {
    /// Its key.
    pub key: u64,
    /// Its number, from 1.
    pub version: u32,
    /// The compiled file that has it.
    pub model: dmn::Model,
}

/// Which decision is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its id.
    pub decision: &'a str,
    /// Which version of it.
    pub binding: &'a Binding,
    /// The process version that wants it.
    pub caller: DefinitionKey,
}

/// What is deployed.
pub trait Decisions: core::fmt::Debug + Sync {
    /// The version that is meant, if it is deployed.
    fn find(&self, wanted: &Wanted<'_>) -> Option<&DecisionVersion>;
}

/// Nothing is deployed.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDecisions;

impl Decisions for NoDecisions {
    fn find(&self, _: &Wanted<'_>) -> Option<&DecisionVersion> {
        None
    }
}
