//! Clients that call a service and publish documents as fast as they are answered.
//!
//! Boundary: they know an address and what they were told. Where servers are killed, a broken
//! connection is tried again and counted; every other failure counts against the servers.
//! Read first: [`Storm`], then [`Storm::client`].

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::history::{Call, Change};
use super::http::{Failure, Http, Reply};
use super::now;
use super::package;
use super::world::World;

/// The pause before something is asked for again.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);
/// Every so many calls of a client, it publishes documents.
const CALLS: u64 = 8;
/// Documents that are published together.
const TOGETHER: u64 = 4;
/// What a server says whose lease ran out.
const AWAY: &str = "the server is recovering";
/// Failures that are kept: one is enough to fail.
const FAILURES_MAX: usize = 20;

/// What connections may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// They hold.
    Hold,
    /// They break when a server is killed.
    Break,
    /// They break, and a server whose lease ran out says so until it has another one.
    Expire,
}

/// What clients and deployer know of each other.
pub(crate) struct Storm {
    pub(crate) world: Arc<World>,
    pub(crate) connections: Connections,
    address: Mutex<String>,
    begun: Instant,
    stop: AtomicBool,
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) changes: Mutex<Vec<Change>>,
    pub(crate) published: Mutex<BTreeSet<String>>,
    /// Calls that were tried again because the connection broke.
    pub(crate) cut: AtomicUsize,
    /// Calls that were tried again because the server's lease had run out.
    pub(crate) away: AtomicUsize,
    pub(crate) failures: Mutex<Vec<String>>,
    /// The longest that a client waited for an answer.
    pub(crate) longest: Mutex<Duration>,
}

impl Storm {
    pub(crate) fn new(world: Arc<World>, address: String, connections: Connections) -> Arc<Self> {
        Arc::new(Self {
            world,
            connections,
            address: Mutex::new(address),
            begun: now(),
            stop: AtomicBool::new(false),
            calls: Mutex::default(),
            changes: Mutex::default(),
            published: Mutex::default(),
            cut: AtomicUsize::new(0),
            away: AtomicUsize::new(0),
            failures: Mutex::default(),
            longest: Mutex::default(),
        })
    }

    /// The time since the storm began.
    pub(crate) fn moment(&self) -> Duration {
        now().duration_since(self.begun)
    }

    /// Where a path is now.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address.lock().unwrap())
    }

    /// The server is somewhere else from now on.
    pub(crate) fn moved(&self, address: String) {
        *self.address.lock().unwrap() = address;
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    pub(crate) fn failed(&self, why: &str) {
        let mut failures = self.failures.lock().unwrap();
        if failures.len() < FAILURES_MAX {
            let moment = self.moment();
            failures.push(format!("{moment:?} {why}"));
        }
    }

    /// Calls and publishes until the storm is over.
    pub(crate) async fn client(self: Arc<Self>, number: u64) {
        let http = Http::new();
        for turn in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            if turn % CALLS == 0 {
                self.publish(&http, number, turn).await;
            } else {
                self.call(&http, "which", &format!("{number}-{turn}")).await;
            }
        }
    }

    /// Calls a service until it is answered, and writes down what answered.
    pub(crate) async fn call(&self, http: &Http, service: &str, call: &str) {
        let path = format!("/api/services/storm/{service}");
        let wanted = json!({"call": call});
        loop {
            let begin = self.moment();
            match http.post(&self.url(&path), &wanted).await {
                Ok(reply) => {
                    let end = self.moment();
                    let mut longest = self.longest.lock().unwrap();
                    // A slow call is meant to be slow.
                    if service == "which" {
                        *longest = longest.max(end.saturating_sub(begin));
                    }
                    return self.answered(call, (begin, end), &reply);
                }
                Err(failure) if self.is_worth_another_try(call, &failure) => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(_) => return,
            }
        }
    }

    fn answered(&self, call: &str, (begin, end): (Duration, Duration), reply: &Reply) {
        let version = reply.body["version"].as_str();
        let number = version.and_then(package::number);
        let Some(version) = number.filter(|_| {
            reply.version.as_deref() == version && reply.body["call"].as_str() == Some(call)
        }) else {
            return self.failed(&format!("{call} was answered by {reply:?}"));
        };
        self.calls.lock().unwrap().push(Call { begin, end, version });
    }

    /// Whether it only broke, where connections break. Everything else is a failure.
    fn is_worth_another_try(&self, what: &str, failure: &Failure) -> bool {
        match failure {
            Failure::Cut(_) if self.connections != Connections::Hold => {
                self.cut.fetch_add(1, Ordering::SeqCst);
                true
            }
            Failure::Refused(why) if self.says_away(why) => {
                self.away.fetch_add(1, Ordering::SeqCst);
                true
            }
            Failure::Cut(why) | Failure::Refused(why) => {
                self.failed(&format!("{what}: {why}"));
                false
            }
        }
    }

    /// Whether a server says that its lease ran out, where that may be.
    pub(crate) fn says_away(&self, why: &str) -> bool {
        self.connections == Connections::Expire && why.starts_with("503 ") && why.contains(AWAY)
    }

    /// Publishes documents until they are accepted: twice does no harm.
    async fn publish(&self, http: &Http, client: u64, turn: u64) {
        let orders: Vec<String> =
            (0..TOGETHER).map(|nth| format!("o-{client}-{turn}-{nth}")).collect();
        let events = orders.iter().map(|order| {
            json!({"specversion": "1.0", "type": "order", "source": "test", "id": order,
                "data": {"order": order}})
        });
        let body = Bytes::from(Value::from_iter(events).to_string());
        loop {
            let body = ("application/cloudevents-batch+json", body.clone());
            let url = self.url("/api/documents/storm/order");
            match http.send(Method::POST, &url, body).await {
                Ok(reply) => {
                    let items = reply.body.as_array().cloned().unwrap_or_default();
                    if items.len() != orders.len() || items.iter().any(|one| one["key"].is_null()) {
                        self.failed(&format!("publish: {}", reply.body));
                    }
                    self.published.lock().unwrap().extend(orders);
                    return;
                }
                Err(failure) if self.is_worth_another_try("publish", &failure) => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(_) => return,
            }
        }
    }
}
