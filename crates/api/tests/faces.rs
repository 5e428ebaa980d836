//! Both faces of a whole server on a store in memory, called over the network by real clients.

#[cfg(test)]
#[path = "support/authority.rs"]
mod authority;
#[cfg(test)]
#[path = "faces/decisions.rs"]
mod decisions;
#[cfg(test)]
#[path = "faces/documents.rs"]
mod documents;
#[cfg(test)]
#[path = "faces/gateway.rs"]
mod gateway;
#[cfg(test)]
#[path = "faces/hot.rs"]
mod hot;
#[cfg(test)]
#[path = "faces/instances.rs"]
mod instances;
#[cfg(test)]
#[path = "faces/jobs.rs"]
mod jobs;
#[cfg(test)]
#[path = "support/kept.rs"]
mod kept;
#[cfg(test)]
#[path = "faces/locks.rs"]
mod locks;
#[cfg(test)]
#[path = "faces/operations.rs"]
mod operations;
#[cfg(test)]
#[path = "faces/packages.rs"]
mod packages;
#[cfg(test)]
#[path = "faces/secure.rs"]
mod secure;
#[cfg(test)]
#[path = "faces/server.rs"]
mod server;
#[cfg(test)]
#[path = "faces/servers.rs"]
mod servers;
#[cfg(test)]
#[path = "faces/serving.rs"]
mod serving;
#[cfg(test)]
#[path = "faces/tls.rs"]
mod tls;
#[cfg(test)]
#[path = "faces/tokens.rs"]
mod tokens;
