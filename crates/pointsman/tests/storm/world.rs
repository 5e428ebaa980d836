//! What the packages' services call: it says which version called, and remembers who handled what.
//!
//! Boundary: a small HTTP server of the test; it stands outside of every server that is tested.
//! Read first: [`World`], then [`answer`].

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Which process handled a document, and which document.
pub(crate) type Handled = (String, String);

/// What the world knows.
pub(crate) struct World {
    pub(crate) port: u16,
    /// Slow calls that wait now.
    waiting: watch::Sender<usize>,
    /// How often slow calls were let go.
    let_go: watch::Sender<u64>,
    /// The idempotency keys under which a document was handled: one for each job.
    handled: Mutex<BTreeMap<Handled, BTreeSet<String>>>,
    /// Versions of the process and of the service that handled documents.
    versions: Mutex<BTreeSet<(String, String)>>,
}

impl World {
    /// The world, and what drives it.
    pub(crate) async fn open() -> (Arc<Self>, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let world = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            waiting: watch::Sender::new(0),
            let_go: watch::Sender::new(0),
            handled: Mutex::default(),
            versions: Mutex::default(),
        });
        let mut driver = JoinSet::new();
        driver.spawn(accept(listener, world.clone()));
        (world, driver)
    }

    /// Waits until a slow call waits.
    pub(crate) async fn slow_call_waits(&self) {
        // The sender lives as long as the world.
        let mut waiting = self.waiting.subscribe();
        let _gone = waiting.wait_for(|number| *number > 0).await;
    }

    /// Answers all slow calls.
    pub(crate) fn let_go(&self) {
        self.let_go.send_modify(|times| *times += 1);
    }

    /// How many documents were handled, by whom.
    pub(crate) fn handled(&self) -> BTreeMap<Handled, BTreeSet<String>> {
        self.handled.lock().unwrap().clone()
    }

    pub(crate) fn handled_number(&self) -> usize {
        self.handled.lock().unwrap().len()
    }

    pub(crate) fn versions(&self) -> BTreeSet<(String, String)> {
        self.versions.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, world: Arc<World>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                connections.spawn(serve(stream, world.clone()));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, world: Arc<World>) {
    let _kept = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(world.clone(), request));
    // A caller that was killed breaks its connections.
    let _broken = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Says back what it is told, except that a start-up service may be told to fail.
async fn answer(
    world: Arc<World>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(Full::default());
    let Ok(body) = body.collect().await else { return Ok(response) };
    let body = body.to_bytes();
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    match head.uri.path() {
        "/slow" => wait(&world).await,
        "/boot" if told["boot"] == "fails" => *response.status_mut() = StatusCode::IM_A_TEAPOT,
        "/handled" => {
            let key = head.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
            let key = key.unwrap_or_default().to_owned();
            let of = (text("by"), text("order"));
            world.handled.lock().unwrap().entry(of).or_default().insert(key);
            world.versions.lock().unwrap().insert((text("process"), text("version")));
        }
        _ => {}
    }
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("application/json"));
    *response.body_mut() = Full::new(body);
    Ok(response)
}

async fn wait(world: &World) {
    let mut let_go = world.let_go.subscribe();
    let _waits = Waits::new(&world.waiting);
    let _gone = let_go.changed().await;
}

/// Counts a slow call as long as it lives: its caller may go away.
struct Waits<'w>(&'w watch::Sender<usize>);

impl<'w> Waits<'w> {
    fn new(waiting: &'w watch::Sender<usize>) -> Self {
        waiting.send_modify(|number| *number += 1);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|number| *number = number.saturating_sub(1));
    }
}
