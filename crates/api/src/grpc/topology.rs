//! What the server looks like to clients: one broker with one partition.
//!
//! Boundary: the compatible view; there is no cluster yet.
//! Read first: [`topology`].

use std::sync::Arc;

use node::Condition;
use proto::gateway::partition::{PartitionBrokerHealth, PartitionBrokerRole};
use proto::gateway::{BrokerInfo, Partition, TopologyRequest, TopologyResponse};
use tonic::Status;

use super::Face;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The one broker and its partition.
pub(super) async fn topology(
    face: Arc<Face>,
    _request: TopologyRequest,
) -> Result<TopologyResponse, Status> {
    let health = match face.node.condition() {
        Condition::Ready => PartitionBrokerHealth::Healthy,
        Condition::Starting | Condition::Full | Condition::Recovering | Condition::Stopping => {
            PartitionBrokerHealth::Unhealthy
        }
    };
    let partition = Partition {
        partition_id: 1,
        role: PartitionBrokerRole::Leader.into(),
        health: health.into(),
    };
    let broker = BrokerInfo {
        node_id: 0,
        host: face.address.ip().to_string(),
        port: i32::from(face.address.port()),
        partitions: vec![partition],
        version: VERSION.to_owned(),
    };
    Ok(TopologyResponse {
        brokers: vec![broker],
        cluster_size: 1,
        partitions_count: 1,
        replication_factor: 1,
        gateway_version: VERSION.to_owned(),
        cluster_id: face.node.name().to_owned(),
    })
}
