//! Whoever deploys again and again, in ways that end well and in ways that do not.
//!
//! Boundary: one deployment at a time; it believes what it is told, and asks where it was told
//! nothing.
//! Read first: [`Deployer::deploy`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::clients::{Connections, PAUSE, Storm};
use super::history::{Change, Fate};
use super::http::{Failure, Http};
use super::package::{self, Sort};

/// What comes after what.
const SORTS: [Sort; 8] = [
    Sort::Good,
    Sort::Refused,
    Sort::Good,
    Sort::Fails,
    Sort::Good,
    Sort::Late,
    Sort::Good,
    Sort::Cancelled,
];
/// How long a deployment that shall be late waits for the slow call.
const LATE: &str = "150ms";
/// How long a slow call may take to be there, and a lost deployment to be found.
const PATIENCE: Duration = Duration::from_secs(5);

/// One who deploys.
pub(crate) struct Deployer {
    storm: Arc<Storm>,
    http: Http,
    next: u64,
    /// How many ended how; what was meant is not what came of it where servers are killed.
    pub(crate) ends: BTreeMap<String, usize>,
    /// How long the gates were closed for each that is done, in microseconds.
    pub(crate) closed_us: Vec<u64>,
}

impl Deployer {
    pub(crate) fn new(storm: Arc<Storm>) -> Self {
        Self { storm, http: Http::new(), next: 0, ends: BTreeMap::new(), closed_us: Vec::new() }
    }

    /// What everything begins with. These servers have adopted it afterwards: a deployment is told
    /// to be done before other servers know a package that is new to them.
    pub(crate) async fn first(&mut self, servers: &[String]) {
        self.next = 1;
        self.change(Sort::Good).await;
        let front = ("application/zstd", package::front().into());
        let url = self.storm.url("/api/deployments");
        self.http.send(Method::POST, &url, front).await.unwrap();
        for server in servers {
            while self.http.get(&format!("{server}/api/packages/front")).await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// The next one.
    pub(crate) async fn deploy(&mut self, turn: usize) {
        let sort = SORTS[turn % SORTS.len()];
        self.next += 1;
        if !matches!(sort, Sort::Late | Sort::Cancelled) {
            return self.change(sort).await;
        }
        let mut slow = JoinSet::new();
        let (storm, call) = (self.storm.clone(), format!("slow-{turn}"));
        slow.spawn(async move { storm.call(&Http::new(), "slow", &call).await });
        let waits = self.storm.world.slow_call_waits();
        if tokio::time::timeout(PATIENCE, waits).await.is_err() {
            self.storm.failed("the slow call does not come in");
        }
        self.change(sort).await;
        // A call that broke is tried again, and waits again.
        while !slow.is_empty() {
            self.storm.world.let_go();
            let ended = tokio::time::timeout(PAUSE, slow.join_next()).await;
            if let Ok(Some(ended)) = ended {
                ended.unwrap();
            }
        }
    }

    /// Deploys, and writes down what it was told.
    async fn change(&mut self, sort: Sort) {
        let (version, begin) = (self.next, self.storm.moment());
        // Until it is told something, its end is open to the clients.
        let place = {
            let mut changes = self.storm.changes.lock().unwrap();
            changes.push(Change { begin, end: begin, version, fate: Fate::Unknown });
            changes.len() - 1
        };
        let view = match self.course(sort, version).await {
            Ok(view) => Some(view),
            Err(Failure::Cut(_)) if self.storm.connections != Connections::Hold => {
                self.found(version).await
            }
            Err(Failure::Refused(why)) if self.storm.says_away(&why) => self.found(version).await,
            Err(why) => {
                self.storm.failed(&format!("deployment of {version} ({sort:?}): {why:?}"));
                None
            }
        };
        let end = self.storm.moment();
        let outcome = view.as_ref().and_then(|view| view["outcome"].as_str()).unwrap_or("unknown");
        let fate = match outcome {
            "done" => Fate::Done,
            "unknown" => Fate::Unknown,
            _ => Fate::Undone,
        };
        self.storm.changes.lock().unwrap()[place] = Change { begin, end, version, fate };
        *self.ends.entry(outcome.to_owned()).or_default() += 1;
        if fate == Fate::Done
            && let Some(closed_us) = view.as_ref().and_then(|view| view["closedMicros"].as_u64())
        {
            self.closed_us.push(closed_us);
        }
        let wanted = match sort {
            Sort::Good => "done",
            Sort::Refused => "refused",
            Sort::Fails => "failed",
            Sort::Late => "timed-out",
            Sort::Cancelled => "cancelled",
        };
        if outcome != wanted {
            let reason = view.as_ref().map(|view| view["reason"].clone()).unwrap_or_default();
            println!("{version} is {outcome} and not {wanted}: {reason}");
        }
        if outcome != wanted && self.storm.connections == Connections::Hold {
            self.storm.failed(&format!("{version} is {outcome} and should be {wanted}: {view:?}"));
        }
    }

    /// One deployment until it has ended.
    async fn course(&self, sort: Sort, version: u64) -> Result<Value, Failure> {
        let bytes = package::storm(version, sort, self.storm.world.port);
        let mut path = "/api/deployments?wait=false".to_owned();
        if sort == Sort::Late {
            path = format!("{path}&timeout={LATE}");
        }
        let body = ("application/zstd", bytes.into());
        let begun = self.http.send(Method::POST, &self.storm.url(&path), body).await?;
        let id = begun.body["id"].as_str().unwrap_or_default().to_owned();
        if sort == Sort::Cancelled {
            let url = self.storm.url(&format!("/api/deployments/{id}/cancel"));
            self.http.send(Method::POST, &url, ("", bytes::Bytes::new())).await?;
        }
        self.ended(&id).await
    }

    async fn ended(&self, id: &str) -> Result<Value, Failure> {
        loop {
            let url = self.storm.url(&format!("/api/deployments/{id}?wait=5s"));
            let view = self.http.get(&url).await?.body;
            if view["stage"] == "ended" {
                return Ok(view);
            }
        }
    }

    /// What became of a deployment whose connection broke, if somebody knows.
    async fn found(&self, version: u64) -> Option<Value> {
        let name = package::version(version);
        let search = async {
            loop {
                let list = self.http.get(&self.storm.url("/api/deployments?limit=5")).await;
                let items = list.map(|list| list.body["items"].clone()).unwrap_or_default();
                let ours = items.as_array().into_iter().flatten().find(|view| {
                    let packages = view["plan"]["packages"].as_array();
                    packages.into_iter().flatten().any(|package| package["to"] == *name)
                });
                if let Some(id) = ours.and_then(|view| view["id"].as_str())
                    && let Ok(view) = self.ended(id).await
                {
                    return view;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        if let Ok(view) = tokio::time::timeout(PATIENCE, search).await {
            return Some(view);
        }
        // It left nothing behind but, perhaps, what serves.
        let serves = self.http.get(&self.storm.url("/api/packages/storm")).await.ok()?;
        let outcome = if serves.body["version"] == *name { "done" } else { "interrupted" };
        Some(json!({"outcome": outcome}))
    }
}
