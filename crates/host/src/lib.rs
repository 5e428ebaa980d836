//! Packages and the services inside them: reads, checks and orders packages; runs `http` and
//! `command` services.
//!
//! Boundary: knows packages, not processes; BPMN is compiled by `node`. Time comes in from the
//! caller. What a trigger or a quality-of-service setting does is up to `node`.
//! Read first: [`package::Package`], then [`service::Services`].

mod diagnostic;
pub mod gate;
pub mod package;
pub mod service;

pub use diagnostic::{CODES, Diagnostic, Place, Severity};
