//! Both faces of a whole server on a store in memory, called over the network by real clients.

#[cfg(test)]
#[path = "faces/documents.rs"]
mod documents;
#[cfg(test)]
#[path = "faces/gateway.rs"]
mod gateway;
#[cfg(test)]
#[path = "faces/instances.rs"]
mod instances;
#[cfg(test)]
#[path = "faces/jobs.rs"]
mod jobs;
#[cfg(test)]
#[path = "faces/packages.rs"]
mod packages;
#[cfg(test)]
#[path = "faces/server.rs"]
mod server;
#[cfg(test)]
#[path = "faces/serving.rs"]
mod serving;
