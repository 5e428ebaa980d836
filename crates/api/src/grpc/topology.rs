//! What the cluster looks like to clients: a broker for each server, a partition for each shard.
//!
//! Boundary: the compatible view of the pulse. A server that listens on all of its addresses is
//! told by the one where other servers reach it.
//! Read first: [`topology`], then [`seen`].

use std::net::SocketAddr;
use std::sync::Arc;

use node::{Condition, Node, ServerView};
use proto::gateway::partition::{PartitionBrokerHealth, PartitionBrokerRole};
use proto::gateway::{BrokerInfo, Partition, TopologyRequest, TopologyResponse};
use tonic::Status;

use super::Face;
use super::refusal::refuse;

/// All servers whose leases run, and their shards.
pub(super) async fn topology(
    face: Arc<Face>,
    _request: TopologyRequest,
) -> Result<TopologyResponse, Status> {
    seen(&face.node, face.address).await.map_err(refuse("TOPOLOGY"))
}

/// The cluster as the server sees it that is reached at `address`.
pub(crate) async fn seen(
    node: &Node,
    address: SocketAddr,
) -> Result<TopologyResponse, node::Error> {
    let servers = node.servers().await?;
    let partitions = node.pulse().await?.shards.len();
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let brokers: Vec<BrokerInfo> = servers
        .iter()
        .enumerate()
        .map(|(number, server)| broker(node, address, count(number), server))
        .collect();
    Ok(TopologyResponse {
        cluster_size: count(brokers.len()),
        brokers,
        partitions_count: count(partitions),
        // A shard has one owner; what it has is in the store.
        replication_factor: 1,
        gateway_version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster_id: node.name().to_owned(),
    })
}

fn broker(node: &Node, address: SocketAddr, node_id: i32, server: &ServerView) -> BrokerInfo {
    let about = &server.member.about;
    // Others serve what they own, or their leases would not run.
    let health = match node.condition() {
        Condition::Starting | Condition::Full | Condition::Recovering | Condition::Stopping
            if server.is_this =>
        {
            PartitionBrokerHealth::Unhealthy
        }
        _ => PartitionBrokerHealth::Healthy,
    };
    let partition = |shard: &engine::ids::ShardId| Partition {
        partition_id: i32::from(shard.0),
        role: PartitionBrokerRole::Leader.into(),
        health: health.into(),
    };
    let (host, port) = place(&about.grpc);
    let own = server.is_this.then_some(address);
    let here = own.map(|own| own.ip().to_string()).unwrap_or_default();
    let mut hosts = [host, place(&about.peer).0, &here].into_iter();
    let host = hosts.find(|host| is_reachable(host)).unwrap_or("localhost").to_owned();
    BrokerInfo {
        node_id,
        host,
        port: own.map(|own| own.port()).or(port).map(i32::from).unwrap_or_default(),
        partitions: server.shards.iter().map(partition).collect(),
        version: about.build.to_string(),
    }
}

/// Host and port of an address.
fn place(address: &str) -> (&str, Option<u16>) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    (host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok())
}

/// Whether a client can connect to it: not to what stands for all addresses of a server.
fn is_reachable(host: &str) -> bool {
    !matches!(host, "" | "0.0.0.0" | "::")
}

#[cfg(test)]
mod tests {
    use super::{is_reachable, place};

    #[test]
    fn a_server_is_never_told_to_be_everywhere() {
        assert_eq!(place("10.0.0.1:26500"), ("10.0.0.1", Some(26_500)));
        assert_eq!(place("[::]:26500"), ("::", Some(26_500)));
        assert!(is_reachable("b.example"));
        for everywhere in ["0.0.0.0:26500", "[::]:26500", ":26500", ""] {
            assert!(!is_reachable(place(everywhere).0), "{everywhere}");
        }
    }
}
