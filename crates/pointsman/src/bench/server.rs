//! What the load generator asks the server's HTTP face besides publishing: deployment and counts.
//!
//! Boundary: the only file that knows the shape of those answers.
//! Read first: [`Server::counts`].   Tests: `tests.rs`.

use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::http::Connection;
use crate::client::Route;

const NO_BODY: (&str, Bytes) = ("application/json", Bytes::new());
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Instances of all processes that have ended as modelled since the server started.
const COMPLETED: &str = "pointsman_instances_completed_total ";

/// What the server says of its instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Those of one process, over all versions, that have not ended.
    pub(super) active: u64,
    /// Those of all processes that have ended as modelled since the server started.
    pub(super) completed: u64,
}

/// The HTTP faces of the servers under load, which are one cluster.
pub(super) struct Server {
    connections: Vec<Connection>,
}

impl Server {
    /// # Errors
    /// The server cannot be reached.
    pub(super) async fn connect(routes: &[Route]) -> anyhow::Result<Self> {
        let mut connections = Vec::new();
        for route in routes {
            connections.push(Connection::open(route).await?);
        }
        Ok(Self { connections })
    }

    /// Deploys a package archive; the server answers when it is active.
    ///
    /// # Errors
    /// The server refuses it.
    pub(super) async fn deploy_package(&mut self, archive: Bytes) -> anyhow::Result<()> {
        let body = ("application/zstd", archive);
        let (status, answer) =
            self.connections[0].send(Method::POST, "/api/deployments", body).await?;
        let text = String::from_utf8_lossy(&answer);
        ensure!(status.is_success(), "the package is refused with {status}: {text}");
        Ok(())
    }

    /// How many instances there are; no active ones if the server does not know `process`.
    ///
    /// # Errors
    /// The server does not answer, or not with counts.
    pub(super) async fn counts(&mut self, process: &str) -> anyhow::Result<Counts> {
        let answer = get(&mut self.connections[0], "/api/processes").await?;
        let answer: Value = serde_json::from_slice(&answer).context("the list of processes")?;
        let list = answer["items"].as_array();
        let list = list.ok_or_else(|| anyhow!("no `items` in the list of processes: {answer}"))?;
        let active = match list.iter().find(|entry| entry["id"] == process) {
            None => 0,
            Some(entry) => {
                let active = entry["active"].as_u64();
                active.ok_or_else(|| anyhow!("no count `active` in {entry}"))?
            }
        };
        let mut completed = 0;
        for connection in &mut self.connections {
            let metrics = get(connection, "/metrics").await?;
            let metrics = String::from_utf8_lossy(&metrics);
            let mut lines = metrics.lines();
            let here: Option<u64> =
                lines.find_map(|line| line.strip_prefix(COMPLETED)?.trim().parse().ok());
            let missing = || anyhow!("no counter `{}` in `/metrics`", COMPLETED.trim());
            completed += here.ok_or_else(missing)?;
        }
        Ok(Counts { active, completed })
    }

    /// Waits until no instance of `process` is active and `completed` of them are complete, at
    /// most `patience` after the last progress. Returns what it saw last.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn settle(
        &mut self,
        process: &str,
        completed: u64,
        patience: Duration,
    ) -> anyhow::Result<Counts> {
        let mut last = self.counts(process).await?;
        let mut progress = Instant::now();
        while (last.active > 0 || last.completed < completed) && progress.elapsed() < patience {
            sleep(LOOK_AGAIN).await;
            let now = self.counts(process).await?;
            if now != last {
                progress = Instant::now();
                last = now;
            }
        }
        Ok(last)
    }
}

async fn get(connection: &mut Connection, path: &str) -> anyhow::Result<Bytes> {
    let (status, answer) = connection.send(Method::GET, path, NO_BODY).await?;
    let text = String::from_utf8_lossy(&answer);
    ensure!(status.is_success(), "`GET {path}` answered {status}: {text}");
    Ok(answer)
}
