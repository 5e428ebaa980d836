//! The gRPC face.
//!
//! Boundary: only translates between wire messages and operations.
//! Read first: [`wire`].

pub mod wire;
