//! The messages and stubs of the protocols that Pointsman speaks, generated from `proto/*.proto`.
//!
//! Boundary: generated code only. What a call means, checks and answers stands in `api`; wire types
//! go no further than that crate and the load generator.
//! Invariants: WIRE-1 a field keeps its number for ever; a number is never given to another field.
//! Read first: `proto/gateway.proto`.   Tests: `tests.rs`, which pin the bytes of some messages.

/// The Camunda 8 compatible gateway: package `gateway_protocol`, service `Gateway`.
#[allow(clippy::all, clippy::pedantic, missing_docs, deprecated, rustdoc::all)]
pub mod gateway {
    tonic::include_proto!("gateway_protocol");
}

/// The standard health service of gRPC: package `grpc.health.v1`, service `Health`.
#[allow(clippy::all, clippy::pedantic, missing_docs, rustdoc::all)]
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}

#[cfg(test)]
mod tests;
