//! Workers over the gateway.
//!
//! Boundary: asks for jobs and does them, and writes down what it was given and told.
//! Read first: [`work`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::ids::Block;
use proto::gateway::gateway_client::GatewayClient;
use proto::gateway::{ActivateJobsRequest, CompleteJobRequest};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use super::clients::Shared;
use super::history::{LEASE, Span};
use super::now;

/// Works at one server, wherever that is now.
pub(crate) async fn work(shared: Arc<Shared>, number: usize) {
    while !shared.stop.load(Ordering::SeqCst) {
        let Ok(endpoint) = Endpoint::from_shared(shared.servers.grpc(number)) else { continue };
        let endpoint = endpoint.timeout(Duration::from_secs(30));
        match endpoint.connect().await {
            Ok(channel) => serve(&shared, number, GatewayClient::new(channel)).await,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(shared: &Arc<Shared>, number: usize, client: GatewayClient<Channel>) {
    while !shared.stop.load(Ordering::SeqCst) {
        let request = ActivateJobsRequest {
            r#type: "work".to_owned(),
            worker: "w".to_owned(),
            timeout: i64::try_from(LEASE.as_millis()).unwrap(),
            max_jobs_to_activate: 32,
            request_timeout: 300,
            ..ActivateJobsRequest::default()
        };
        let begun = now();
        let Ok(answer) = client.clone().activate_jobs(request).await else { return };
        let mut answer = answer.into_inner();
        let mut reports = JoinSet::new();
        while let Ok(Some(batch)) = answer.message().await {
            let span = Span::since(begun);
            let shards = batch.jobs.iter().map(|job| Block::of(job.key.cast_unsigned()).shard());
            shared.saw(&shards.collect(), begun);
            for job in batch.jobs {
                shared.history.leased(job.key, number, span);
                reports.spawn(report(shared.clone(), client.clone(), job.key));
            }
        }
        while let Some(reported) = reports.join_next().await {
            if !reported.unwrap() {
                return;
            }
        }
    }
}

/// Whether the server is still there.
async fn report(shared: Arc<Shared>, mut client: GatewayClient<Channel>, job: i64) -> bool {
    let begun = now();
    let request = CompleteJobRequest { job_key: job, ..CompleteJobRequest::default() };
    match client.complete_job(request).await {
        Ok(_) => {
            shared.history.done(job, Span::since(begun));
            shared.done.lock().unwrap().insert(job);
            true
        }
        // Done before by another, or its lease ran out.
        Err(status) => status.code() == tonic::Code::NotFound,
    }
}
