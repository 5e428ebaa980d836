//! A server on free ports, and its clients.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use host::package::PackageSource;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use node::{Node, Options};
use proto::gateway::gateway_client::GatewayClient;
use serde_json::Value;
use store::memory::Memory;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) node: Node,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    served: JoinHandle<Result<(), api::Error>>,
    _scratch: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Checks that it is problem details with this status and code.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        for field in ["title", "detail", "hint"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
        problem
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(api::Options::default()).await
    }

    #[expect(clippy::disallowed_methods, reason = "the handle is kept and joined in `stop`")]
    pub(crate) async fn with(options: api::Options) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let settings = Options::new("test", scratch.path().to_owned());
        let node = Node::open(Arc::new(Memory::new()), settings);
        node.ready(PATIENCE).await.unwrap();
        let http_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let grpc_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = http_listener.local_addr().unwrap();
        let grpc = grpc_listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let served =
            tokio::spawn(api::serve(node.clone(), http_listener, grpc_listener, options, shutdown));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let stop = Mutex::new(Some(stop));
        Self { node, http, grpc, client, stop, served, _scratch: scratch }
    }

    /// Tells the server to stop, and does not wait for it.
    pub(crate) fn begin_to_stop(&self) {
        if let Some(stop) = self.stop.lock().unwrap().take() {
            stop.send(()).unwrap();
        }
    }

    pub(crate) async fn stop(self) {
        self.begin_to_stop();
        drop(self.client);
        tokio::time::timeout(PATIENCE, self.served).await.unwrap().unwrap().unwrap();
        self.node.stop().await;
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let response: Response<_> = self.client.request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, text }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("http://{}{path}", self.http))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send_as(method, path, "application/json", body.to_owned()).await
    }

    pub(crate) async fn send_as(
        &self,
        method: &str,
        path: &str,
        media: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        let request = self.request(method, path).header("content-type", media);
        self.send(request.body(Full::new(body.into())).unwrap()).await
    }

    pub(crate) async fn gateway(&self) -> GatewayClient<Channel> {
        GatewayClient::new(self.channel().await)
    }

    pub(crate) async fn channel(&self) -> Channel {
        let address = format!("http://{}", self.grpc);
        Channel::from_shared(address).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn deploy(&self, id: &str, body: &str) {
        let resources = vec![(format!("{id}.bpmn"), Bytes::from(bpmn(id, body)))];
        self.node.deploy_resources(resources).await.unwrap();
    }

    /// Starts an instance and answers its key.
    pub(crate) async fn begin(&self, process: &str, variables: &str) -> String {
        let body = format!(r#"{{"process":"{process}","variables":{variables}}}"#);
        let started = self.call("POST", "/api/instances", &body).await.is(201).json();
        started["key"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn bpmn(id: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:process id="{id}" isExecutable="true">{body}</bpmn:process></bpmn:definitions>"#
    )
}

pub(crate) const ONE_JOB: &str = r#"
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
<bpmn:serviceTask id="t"><bpmn:extensionElements>
  <zeebe:taskDefinition type="work" retries="2"/>
  <zeebe:taskHeaders><zeebe:header key="how" value="&quot;fast&quot;"/></zeebe:taskHeaders>
  </bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="e"/><bpmn:endEvent id="e"/>"#;

pub(crate) const SCRIPT: &str = r#"
<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
<bpmn:scriptTask id="t"><bpmn:extensionElements>
  <zeebe:script expression="=a + 1" resultVariable="b"/></bpmn:extensionElements></bpmn:scriptTask>
<bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="e"/><bpmn:endEvent id="e"/>"#;

/// A package with one document type, one process, and a trigger between them.
pub(crate) fn package(version: &str) -> PackageSource {
    let manifest = format!(
        r#"name = "shop"
version = "{version}"
description = "A shop"

[[triggers]]
name = "orders"
document = "order"
process = "handle"
when-disabled = "park"
"#
    );
    let schema = r#"{"type":"object","required":["n"],"properties":{"n":{"type":"number"}}}"#;
    let files = BTreeMap::from([
        ("package.toml".to_owned(), manifest.into_bytes()),
        ("documents/order.json".to_owned(), schema.as_bytes().to_vec()),
        ("processes/handle.bpmn".to_owned(), bpmn("handle", ONE_JOB).into_bytes()),
    ]);
    PackageSource::from_files(files).unwrap()
}
