//! What both faces do in the same way, one file per use case.
//!
//! Boundary: calls the node; knows neither HTTP nor gRPC.
//! Read first: [`start`].

pub(crate) mod deploy;
pub(crate) mod start;
pub(crate) mod variables;
