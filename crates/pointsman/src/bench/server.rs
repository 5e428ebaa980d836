//! What the load generator asks the server's HTTP face besides publishing: deployment and counts.
//!
//! Boundary: the only file that knows the shape of those answers.
//! Read first: [`Server::counts`].   Tests: `tests.rs`.

use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::http::{Address, Connection};

const NO_BODY: (&str, Bytes) = ("application/json", Bytes::new());
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const DEPLOYMENT: Duration = Duration::from_secs(60);

/// Instances of one process, over all versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Those that have not ended.
    pub(super) active: u64,
    /// Those that have ended as modelled, ever.
    pub(super) completed: u64,
}

/// The HTTP face of the server under load.
pub(super) struct Server {
    connection: Connection,
}

impl Server {
    /// # Errors
    /// The server cannot be reached.
    pub(super) async fn connect(address: &Address) -> anyhow::Result<Self> {
        Ok(Self { connection: Connection::open(address).await? })
    }

    /// Deploys a package archive and waits until it is active.
    ///
    /// # Errors
    /// The server refuses it, or it is not active within a minute.
    pub(super) async fn deploy_package(&mut self, archive: Bytes) -> anyhow::Result<()> {
        let body = ("application/zstd", archive);
        let (status, answer) = self.connection.send(Method::POST, "/api/deployments", body).await?;
        ensure!(
            status.is_success(),
            "the package is refused with {status}: {}",
            String::from_utf8_lossy(&answer)
        );
        let answer: Value = serde_json::from_slice(&answer).context("answer to the deployment")?;
        let id = match answer.get("id") {
            Some(Value::String(id)) => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            _ => bail!("the deployment has no `id`: {answer}"),
        };
        let deadline = Instant::now() + DEPLOYMENT;
        loop {
            let deployment = self.get(&format!("/api/deployments/{id}")).await?;
            match deployment.get("state").and_then(Value::as_str) {
                Some("active" | "completed" | "done") => return Ok(()),
                Some("failed" | "cancelled" | "rolled-back") => {
                    bail!("the package was not deployed: {deployment}")
                }
                _ if Instant::now() > deadline => bail!("the deployment hangs: {deployment}"),
                _ => sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// How many instances of `process` there are; none if the server does not know it.
    ///
    /// # Errors
    /// The server does not answer, or not with counts.
    pub(super) async fn counts(&mut self, process: &str) -> anyhow::Result<Counts> {
        let answer = self.get("/api/processes").await?;
        let list = answer.get("items").unwrap_or(&answer);
        let list = list.as_array().ok_or_else(|| anyhow!("no list of processes: {answer}"))?;
        let mut counts = Counts::default();
        for entry in list.iter().filter(|entry| entry["id"] == process) {
            let count = |name: &str| {
                let count = entry["instances"][name].as_u64();
                count.ok_or_else(|| anyhow!("no count `instances.{name}` in {entry}"))
            };
            counts.active += count("active")?;
            counts.completed += count("completed")?;
        }
        Ok(counts)
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

    async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let (status, answer) = self.connection.send(Method::GET, path, NO_BODY).await?;
        let text = String::from_utf8_lossy(&answer);
        ensure!(status.is_success(), "`GET {path}` answered {status}: {text}");
        serde_json::from_slice(&answer).with_context(|| format!("`GET {path}` answered: {text}"))
    }
}
