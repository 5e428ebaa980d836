//! The servers under measurement: the same handlers behind tonic's server and behind ours.
//!
//! Boundary: the handlers answer at once.
//! Read first: [`run`].

use std::pin::Pin;

use api::grpc::wire::{Limits, Routes, Server};
use api::tls::Door;
use futures_util::{Stream, stream};
use proto::gateway::gateway_server::{Gateway, GatewayServer};
use proto::gateway::{
    ActivatedJob, CompleteJobRequest, CompleteJobResponse, StreamActivatedJobsRequest,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

const STREAMS: u32 = 2048;

/// Serves until it is killed; prints its address first.
pub(crate) async fn run(kind: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    if kind == "tonic" {
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = tonic::transport::Server::builder()
            .max_concurrent_streams(STREAMS)
            .initial_connection_window_size(super::WINDOW)
            .add_service(GatewayServer::new(Handlers));
        return Ok(server.serve_with_incoming(incoming).await?);
    }
    let (_sender, stop) = watch::channel(false);
    let limits = Limits { streams: STREAMS, ..Limits::default() };
    Ok(Server::new(routes(), limits).serve(listener, Door::plain("bench"), stop).await?)
}

fn routes() -> Routes {
    Routes::default()
        .unary("/gateway_protocol.Gateway/CompleteJob", |request| async {
            Handlers.complete_job(request).await
        })
        .streaming("/gateway_protocol.Gateway/StreamActivatedJobs", |request| async {
            Handlers.stream_activated_jobs(request).await
        })
}

struct Handlers;

type Jobs = Pin<Box<dyn Stream<Item = Result<ActivatedJob, Status>> + Send>>;

#[tonic::async_trait]
impl Gateway for Handlers {
    async fn complete_job(
        &self,
        request: Request<CompleteJobRequest>,
    ) -> Result<Response<CompleteJobResponse>, Status> {
        match request.get_ref().job_key {
            0 => Err(Status::not_found("no job `0`")),
            _ => Ok(Response::new(CompleteJobResponse {})),
        }
    }

    /// As many jobs as the time-out says.
    async fn stream_activated_jobs(
        &self,
        request: Request<StreamActivatedJobsRequest>,
    ) -> Result<Response<Jobs>, Status> {
        let jobs = (0..request.get_ref().timeout).map(|key| Ok(job(key)));
        Ok(Response::new(Box::pin(stream::iter(jobs))))
    }
}

fn job(key: i64) -> ActivatedJob {
    ActivatedJob {
        key,
        r#type: "bench-w1-job".to_owned(),
        process_instance_key: key,
        bpmn_process_id: "bench-w1".to_owned(),
        element_id: "step1".to_owned(),
        custom_headers: "{}".to_owned(),
        worker: "pointsman-bench".to_owned(),
        retries: 3,
        deadline: 1_700_000_000_000,
        variables: r#"{"n":1234567}"#.to_owned(),
        tenant_id: "<default>".to_owned(),
        ..Default::default()
    }
}
