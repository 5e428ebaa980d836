//! Packages of a server: listed, shown and switched.
//!
//! Boundary: asks the server and prints; each change is a deployment.
//! Read first: [`switch`].

use clap::Args;
use http::Method;
use serde_json::Value;

use crate::client::{Body, Remote, query, segment};
use crate::finding::Sources;
use crate::follow::{Terms, Wish};
use crate::output::{self, Format, items, moment, text};
use crate::problem::Failure;

/// Which package of a server, and how it is changed.
#[derive(Debug, Args)]
pub(crate) struct Switch {
    /// Its name.
    name: String,
    #[command(flatten)]
    terms: Terms,
    #[command(flatten)]
    remote: Remote,
}

/// Lists the packages of a server.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(super) fn list(remote: &Remote, removed: bool, format: Format) -> Result<(), Failure> {
    let removed = removed.then(|| "true".to_owned());
    let path = format!("/api/packages{}", query(&[("removed", removed)]));
    let data = remote.talk(async |client| client.get(&path).await)?;
    output::show(format, &data, || {
        let rows = items(&data).iter().map(|one| {
            let columns = ["name", "version", "loaded", "gate", "inFlight"];
            let [name, version, loaded, gate, in_flight] = columns.map(|column| text(one, column));
            [name, version, loaded, gate, in_flight, moment(one, "deployedAt"), text(one, "reason")]
        });
        let headings = ["package", "version", "loaded", "gate", "in flight", "deployed", "reason"];
        output::table(headings, rows.collect())
    })
}

/// Shows a package of a server.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(super) fn show(remote: &Remote, name: &str, format: Format) -> Result<(), Failure> {
    let path = format!("/api/packages/{}", segment(name));
    let data = remote.talk(async |client| client.get(&path).await)?;
    output::show(format, &data, || describe(&data))
}

fn describe(data: &Value) -> String {
    let mut out = format!("{} {}", text(data, "name"), text(data, "version"));
    out += &format!("\n{}", text(data, "description"));
    out += &format!("\n\nloaded: {}", text(data, "loaded"));
    if !data["reason"].is_null() {
        out += &format!(", {}", text(data, "reason"));
    }
    out += &format!("\ngate: {}, {} in flight", text(data, "gate"), text(data, "inFlight"));
    let calls: Vec<_> = items(&data["calls"]).iter().map(crate::deployment::call).collect();
    if !calls.is_empty() {
        out += &format!("\n\n{}", output::table(["kind", "call", "of", "age"], calls));
    }
    let assets = ["processes", "documents", "services"].into_iter().flat_map(|kind| {
        let names = items(&data[kind]).iter().filter_map(Value::as_str);
        names.map(move |name| [kind.to_owned(), name.to_owned()])
    });
    out += &format!("\n\n{}", output::table(["kind", "name"], assets.collect()));
    let versions = items(&data["versions"]).iter().map(|one| {
        let mark = if one["active"] == true { "active" } else { "" };
        [text(one, "version"), mark.to_owned(), moment(one, "deployedAt")]
    });
    out + &format!("\n\n{}", output::table(["version", "", "deployed"], versions.collect()))
}

/// Changes a package of a server; `act` is the last part of the address, none: it goes.
///
/// # Errors
/// It is refused, cancelled, late, or fails; or the server cannot be reached.
pub(super) fn switch(
    switch: &Switch,
    act: Option<&str>,
    version: Option<&str>,
    format: Format,
) -> Result<(), Failure> {
    let name = segment(&switch.name);
    let (method, path) = match act {
        Some(act) => (Method::POST, format!("/api/packages/{name}/{act}")),
        None => (Method::DELETE, format!("/api/packages/{name}")),
    };
    let sources = Sources::default();
    let wish = Wish {
        remote: &switch.remote,
        method,
        path,
        more: vec![("version", version.map(str::to_owned))],
        body: Body::None,
        terms: &switch.terms,
        sources: &sources,
    };
    wish.run_and_show(format, |ended| {
        let rows = items(&ended["plan"]["packages"]).iter();
        let rows = rows.map(|one| [text(one, "name"), text(one, "from"), text(one, "to")]);
        output::table(["package", "from", "to"], rows.collect())
    })
}
