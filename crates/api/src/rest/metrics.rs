//! `GET /metrics`: the server's counters for Prometheus.
//!
//! Boundary: the text exposition of what the node counts, and this process' memory.
//! Read first: [`show`].

use std::fmt::Write;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use node::Condition;

use super::Face;
use super::json::text_answer;
use crate::auth::Access;
use crate::tls::Handle;

const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every metric.
pub(super) async fn show(State(face): State<Face>) -> Response {
    let counters = face.node.counters();
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let totals = [
        ("instances_started", "Instances started.", count(&counters.started)),
        ("instances_completed", "Instances ended normally.", count(&counters.completed)),
        ("instances_cancelled", "Instances cancelled.", count(&counters.cancelled)),
        ("jobs_completed", "Jobs completed.", count(&counters.jobs_completed)),
        ("steps_completed", "Steps completed.", count(&counters.steps_completed)),
        ("incidents_raised", "Incidents raised.", count(&counters.incidents_raised)),
        ("documents_accepted", "Documents accepted.", count(&counters.documents)),
        ("documents_duplicate", "Documents recognised as duplicates.", count(&counters.duplicates)),
        ("dead_letters", "Entries put on the dead-letter queue.", count(&counters.dead_letters)),
        ("commits", "Units committed.", count(&counters.commits)),
        ("commits_failed", "Commits that failed.", count(&counters.commits_failed)),
        ("inputs", "Inputs decided.", count(&counters.inputs)),
    ];
    let mut out = String::with_capacity(2_048);
    for (name, help, value) in totals {
        metric(&mut out, &format!("pointsman_{name}_total"), "counter", (help, value));
    }
    let ready = u64::from(face.node.condition() == Condition::Ready);
    let hot = count(&counters.hot_instances);
    metric(&mut out, "pointsman_hot_instances", "gauge", ("Instances in memory.", hot));
    metric(&mut out, "pointsman_ready", "gauge", ("Whether requests are taken.", ready));
    if let Some(ends_ms) = face.tls.as_ref().and_then(Handle::ends_ms) {
        let name = "pointsman_certificate_end_timestamp_seconds";
        let ends = u64::try_from(ends_ms / 1_000).unwrap_or(0);
        metric(&mut out, name, "gauge", ("When the certificate of the faces ends.", ends));
    }
    if let Access::Tokens(tokens) = &face.access {
        let name = "pointsman_requests_unauthorised_total";
        let help = "Requests without a token that allows them.";
        metric(&mut out, name, "counter", (help, tokens.refused()));
    }
    if let Some(bytes) = resident_bytes() {
        let name = "process_resident_memory_bytes";
        metric(&mut out, name, "gauge", ("Resident memory.", bytes));
    }
    text_answer(StatusCode::OK, MEDIA, out)
}

fn metric(out: &mut String, name: &str, kind: &str, (help, value): (&str, u64)) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

/// Resident memory of this process, where the system tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}
