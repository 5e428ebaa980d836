//! The faces of a server: decodes calls, checks rights, asks the node, encodes answers.
//!
//! Boundary: no logic of its own; what a call does stands in `node`.
//! Read first: [`grpc`].

pub mod grpc;
