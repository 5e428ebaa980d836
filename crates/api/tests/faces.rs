//! Both faces of a whole server on a store in memory, called over the network by real clients.

#[path = "faces/documents.rs"]
mod documents;
#[path = "faces/gateway.rs"]
mod gateway;
#[path = "faces/instances.rs"]
mod instances;
#[path = "faces/jobs.rs"]
mod jobs;
#[path = "faces/packages.rs"]
mod packages;
#[path = "faces/server.rs"]
mod server;
#[path = "faces/serving.rs"]
mod serving;
