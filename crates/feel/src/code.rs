//! The compiled form of an expression.
//!
//! Boundary: data only.
//! Read first: [`Lambda`].

/// The body of a function literal.
#[derive(Debug, PartialEq)]
pub(crate) struct Lambda {}
