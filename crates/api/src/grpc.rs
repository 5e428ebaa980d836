//! The gRPC face: the gateway that workers and clients of Camunda 8 speak.
//!
//! Boundary: only translates between wire messages and the node. A method that has no handler
//! answers UNIMPLEMENTED.
//! Read first: [`routes`], then [`wire`].

mod decisions;
mod health;
mod instances;
mod jobs;
mod refusal;
mod resources;
mod topology;
pub mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::Stream;
use http::HeaderMap;
use node::Node;
use prost::Message;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::auth::roles::{GRPC, Need, need};
use crate::auth::{Access, Denied, Tokens};
use crate::problem::Problem;
pub(crate) use decisions::evaluated;
pub(crate) use refusal::TENANT;
pub(crate) use topology::seen;
use wire::{Admission, Routes};

/// What handlers work with.
#[derive(Debug, Clone)]
pub(crate) struct Face {
    node: Node,
    address: SocketAddr,
    /// Says true when the server stops.
    stop: watch::Receiver<bool>,
}

/// The handlers of the gateway on `node`, which is reached at `address`, until `stop` says true.
pub(crate) fn routes(node: Node, address: SocketAddr, stop: watch::Receiver<bool>) -> Routes {
    let face = Arc::new(Face { node, address, stop });
    let table = Table { routes: Routes::default(), face };
    let table = table
        .unary("/grpc.health.v1.Health/Check", health::check)
        .unary("/gateway_protocol.Gateway/Topology", topology::topology)
        .unary("/gateway_protocol.Gateway/DeployResource", resources::deploy)
        .unary("/gateway_protocol.Gateway/DeployProcess", resources::deploy_processes)
        .unary("/gateway_protocol.Gateway/CreateProcessInstance", instances::create)
        .unary(
            "/gateway_protocol.Gateway/CreateProcessInstanceWithResult",
            instances::create_with_result,
        )
        .unary("/gateway_protocol.Gateway/CancelProcessInstance", instances::cancel)
        .unary("/gateway_protocol.Gateway/EvaluateDecision", decisions::evaluate)
        .unary("/gateway_protocol.Gateway/SetVariables", instances::set_variables)
        .unary("/gateway_protocol.Gateway/ResolveIncident", instances::resolve)
        .unary("/gateway_protocol.Gateway/PublishMessage", instances::publish)
        .unary("/gateway_protocol.Gateway/CompleteJob", jobs::complete)
        .unary("/gateway_protocol.Gateway/FailJob", jobs::fail)
        .unary("/gateway_protocol.Gateway/ThrowError", jobs::throw_error)
        .unary("/gateway_protocol.Gateway/UpdateJobRetries", jobs::update_retries)
        .unary("/gateway_protocol.Gateway/UpdateJobTimeout", jobs::update_timeout)
        .streaming("/gateway_protocol.Gateway/ActivateJobs", jobs::activate)
        .streaming("/gateway_protocol.Gateway/StreamActivatedJobs", jobs::stream);
    table.routes
}

/// The same behind the role that each method needs, where callers show tokens.
pub(crate) fn guarded(routes: Routes, access: &Access) -> Routes {
    match access {
        Access::Everybody => routes,
        Access::Tokens(tokens) => {
            let tokens = tokens.clone();
            routes.guarded(move |path, headers| admit(&tokens, path, headers))
        }
    }
}

fn admit(tokens: &Tokens, path: &str, headers: &HeaderMap) -> Result<Admission, Status> {
    let role = match need(GRPC, path) {
        Need::Nothing => return Ok(Admission::Forever),
        Need::Role(role) => role,
    };
    let pass = tokens.check(headers, role).map_err(|denied| Problem::from(denied).to_status(""))?;
    let withdrawn = async move {
        pass.withdrawn().await;
        Problem::from(Denied::Unknown).to_status("")
    };
    Ok(Admission::Until(Box::pin(withdrawn)))
}

struct Table {
    routes: Routes,
    face: Arc<Face>,
}

impl Table {
    fn unary<M, R, F, W>(self, path: &'static str, call: F) -> Self
    where
        M: Message + Default,
        R: Message,
        F: Fn(Arc<Face>, M) -> W + Send + Sync + 'static,
        W: Future<Output = Result<R, Status>> + Send + 'static,
    {
        let face = Arc::clone(&self.face);
        let routes = self.routes.unary(path, move |request: Request<M>| {
            let answer = call(Arc::clone(&face), request.into_inner());
            async move { answer.await.map(Response::new) }
        });
        Self { routes, face: self.face }
    }

    fn streaming<M, R, S, F, W>(self, path: &'static str, call: F) -> Self
    where
        M: Message + Default,
        R: Message,
        S: Stream<Item = Result<R, Status>> + Send + 'static,
        F: Fn(Arc<Face>, M) -> W + Send + Sync + 'static,
        W: Future<Output = Result<S, Status>> + Send + 'static,
    {
        let face = Arc::clone(&self.face);
        let routes = self.routes.streaming(path, move |request: Request<M>| {
            let answer = call(Arc::clone(&face), request.into_inner());
            async move { answer.await.map(Response::new) }
        });
        Self { routes, face: self.face }
    }
}
