//! A server in memory that knows just enough: processes of jobs in sequence, counts, documents.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{Request as HttpRequest, Response as HttpResponse, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proto::gateway::gateway_server::{Gateway, GatewayServer};
use proto::gateway::{
    ActivateJobsRequest, ActivateJobsResponse, ActivatedJob, CompleteJobRequest,
    CompleteJobResponse, CreateProcessInstanceRequest, CreateProcessInstanceResponse,
    DeployResourceRequest, DeployResourceResponse, StreamActivatedJobsRequest,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// How the server misbehaves: with every n-th instance.
#[derive(Clone, Copy, Default)]
pub(super) struct Behaviour {
    /// Creations that are refused as busy.
    pub(super) busy_every: Option<u64>,
    /// Instances whose job is never offered.
    pub(super) lose_every: Option<u64>,
    /// Completions that are refused.
    pub(super) fail_every: Option<u64>,
}

/// The server; it ends with this value.
pub(super) struct Stub {
    pub(super) grpc: String,
    pub(super) http: String,
    state: Shared,
    _tasks: JoinSet<()>,
}

type Shared = Arc<Mutex<State>>;
type Items<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Default)]
struct State {
    behaviour: Behaviour,
    /// Jobs of an instance, by process.
    processes: HashMap<String, usize>,
    active: HashMap<String, u64>,
    completed: HashMap<String, u64>,
    jobs: HashMap<i64, Job>,
    waiting: Vec<i64>,
    workers: Vec<(String, mpsc::Sender<Result<ActivatedJob, Status>>)>,
    calls: u64,
    keys: i64,
}

#[derive(Clone)]
struct Job {
    process: String,
    step: usize,
    variables: String,
}

impl Stub {
    pub(super) async fn start(behaviour: Behaviour) -> Self {
        let state = Shared::new(Mutex::new(State { behaviour, ..State::default() }));
        let mut tasks = JoinSet::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let grpc = format!("http://{}", listener.local_addr().unwrap());
        let service = GatewayServer::new(Face(Arc::clone(&state)));
        tasks.spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            server.serve_with_incoming(incoming).await.unwrap();
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = format!("http://{}", listener.local_addr().unwrap());
        tasks.spawn(serve_http(listener, Arc::clone(&state)));
        Self { grpc, http, state, _tasks: tasks }
    }

    pub(super) fn active(&self, process: &str) -> u64 {
        self.state.lock().unwrap().active[process]
    }

    /// Instances with a job, as an aborted run leaves them.
    pub(super) fn leave_behind(&self, process: &str, count: usize) {
        let mut state = self.state.lock().unwrap();
        state.processes.insert(process.to_owned(), 1);
        for _ in 0..count {
            state.create(process, r#"{"run":1,"n":1}"#.to_owned());
        }
    }
}

impl State {
    fn nth(&mut self, every: Option<u64>) -> bool {
        self.calls += 1;
        every.is_some_and(|every| self.calls.is_multiple_of(every))
    }

    fn create(&mut self, process: &str, variables: String) {
        *self.active.entry(process.to_owned()).or_default() += 1;
        self.advance(Job { process: process.to_owned(), step: 0, variables });
    }

    fn advance(&mut self, mut job: Job) {
        if job.step == self.processes[&job.process] {
            *self.active.entry(job.process.clone()).or_default() -= 1;
            *self.completed.entry(job.process).or_default() += 1;
            return;
        }
        job.step += 1;
        self.keys += 1;
        let key = self.keys;
        self.jobs.insert(key, job.clone());
        if self.behaviour.lose_every.is_some() && self.nth(self.behaviour.lose_every) {
            return;
        }
        let wanted = format!("{}-job", job.process);
        let offered = self.workers.iter().any(|(job_type, worker)| {
            *job_type == wanted && worker.try_send(Ok(activated(key, &job))).is_ok()
        });
        if !offered {
            self.waiting.push(key);
        }
    }
}

fn activated(key: i64, job: &Job) -> ActivatedJob {
    ActivatedJob {
        key,
        r#type: format!("{}-job", job.process),
        element_id: format!("step{}", job.step),
        variables: job.variables.clone(),
        ..Default::default()
    }
}

struct Face(Shared);

#[tonic::async_trait]
impl Gateway for Face {
    async fn deploy_resource(
        &self,
        request: Request<DeployResourceRequest>,
    ) -> Result<Response<DeployResourceResponse>, Status> {
        let mut state = self.0.lock().unwrap();
        for resource in request.into_inner().resources {
            let process = resource.name.strip_suffix(".bpmn").unwrap().to_owned();
            let xml = String::from_utf8(resource.content).unwrap();
            state.processes.insert(process, xml.matches("<bpmn:serviceTask").count());
        }
        Ok(Response::new(DeployResourceResponse::default()))
    }

    async fn create_process_instance(
        &self,
        request: Request<CreateProcessInstanceRequest>,
    ) -> Result<Response<CreateProcessInstanceResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.0.lock().unwrap();
        if state.behaviour.busy_every.is_some() && {
            let every = state.behaviour.busy_every;
            state.nth(every)
        } {
            return Err(Status::resource_exhausted("busy"));
        }
        state.create(&request.bpmn_process_id, request.variables);
        Ok(Response::new(CreateProcessInstanceResponse::default()))
    }

    async fn complete_job(
        &self,
        request: Request<CompleteJobRequest>,
    ) -> Result<Response<CompleteJobResponse>, Status> {
        let mut state = self.0.lock().unwrap();
        let every = state.behaviour.fail_every;
        let failing = every.is_some() && state.nth(every);
        match state.jobs.remove(&request.get_ref().job_key) {
            Some(job) if !failing => {
                state.advance(job);
                Ok(Response::new(CompleteJobResponse {}))
            }
            _ => Err(Status::not_found("no such job")),
        }
    }

    async fn stream_activated_jobs(
        &self,
        request: Request<StreamActivatedJobsRequest>,
    ) -> Result<Response<Items<ActivatedJob>>, Status> {
        let (sender, receiver) = mpsc::channel(10_000);
        self.0.lock().unwrap().workers.push((request.into_inner().r#type, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn activate_jobs(
        &self,
        request: Request<ActivateJobsRequest>,
    ) -> Result<Response<Items<ActivateJobsResponse>>, Status> {
        let mut state = self.0.lock().unwrap();
        let wanted = request.into_inner().r#type;
        let State { waiting, jobs, .. } = &mut *state;
        let mut found = Vec::new();
        waiting.retain(|key| match jobs.get(key) {
            Some(job) if format!("{}-job", job.process) == wanted => {
                found.push(activated(*key, job));
                false
            }
            _ => true,
        });
        let answer = (!found.is_empty()).then_some(Ok(ActivateJobsResponse { jobs: found }));
        Ok(Response::new(Box::pin(stream::iter(answer))))
    }
}

async fn serve_http(listener: TcpListener, state: Shared) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(Arc::clone(&state), request));
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(socket), service);
        connections.spawn(async move {
            let _ = connection.await;
        });
    }
}

async fn answer(
    state: Shared,
    request: HttpRequest<Incoming>,
) -> Result<HttpResponse<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut state = state.lock().unwrap();
    let (status, text) = match (head.method.as_str(), head.uri.path()) {
        ("GET", "/api/processes") => {
            let items: Vec<_> = state
                .processes
                .keys()
                .map(|id| json!({"id": id, "active": state.active.get(id).unwrap_or(&0)}))
                .collect();
            (StatusCode::OK, json!({ "items": items }).to_string())
        }
        ("GET", "/metrics") => {
            let completed: u64 = state.completed.values().sum();
            let name = "pointsman_instances_completed_total";
            (StatusCode::OK, format!("# TYPE {name} counter\n{name} {completed}\n"))
        }
        ("POST", "/api/deployments") => {
            state.processes.insert("bench-d1".to_owned(), 0);
            (StatusCode::OK, json!({"deployment": "1", "processes": []}).to_string())
        }
        ("POST", "/api/documents/bench-order") => {
            let mut answers = String::new();
            for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let document: serde_json::Value = serde_json::from_slice(line).unwrap();
                state.create("bench-d1", document.to_string());
                answers.push_str(&json!({"id": document["n"].to_string()}).to_string());
                answers.push('\n');
            }
            (StatusCode::ACCEPTED, answers)
        }
        _ => (StatusCode::NOT_FOUND, String::new()),
    };
    let mut response = HttpResponse::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    Ok(response)
}
