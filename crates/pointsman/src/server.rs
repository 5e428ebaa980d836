//! `pointsman server`: who is there, and what each server is there for.
//!
//! Boundary: asks any server, which passes it on to the one that is meant; prints.
//! Read first: [`run`].

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Body, Remote, segment};
use crate::output::{self, Format, moment, text};
use crate::problem::Failure;

/// What to do with servers.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the servers whose leases run, with the shards that they own.
    List,
    /// Give all shards of a server to the others; it then only forwards calls.
    Drain(Named),
    /// Let a server own shards, after it was drained or stood by.
    Serve(Named),
    /// Let a server own nothing until it is told to serve.
    Standby(Named),
    /// List the shards with their owners and slots, or change their number while servers work.
    Shards {
        /// How many there are to be, from 1 to 256.
        #[arg(long, value_name = "N")]
        set: Option<u16>,
    },
    /// End the lease of a dead or hung server, so that others take over at once.
    Remove(Named),
}

#[derive(Debug, Args)]
struct Named {
    /// The server's name, or its key as `server list` shows it.
    name: String,
}

/// Runs a `server` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    let (named, method, act, done) = match &options.act {
        Act::List => {
            let data = options.remote.talk(async |client| client.get("/api/servers").await)?;
            return output::show(format, &data, || table(&data));
        }
        Act::Shards { set } => return shards(&options.remote, *set, format),
        Act::Drain(named) => (named, Method::POST, "/drain", "is drained"),
        Act::Serve(named) => (named, Method::POST, "/serve", "serves"),
        Act::Standby(named) => (named, Method::POST, "/standby", "stands by"),
        Act::Remove(named) => (named, Method::DELETE, "", "is removed"),
    };
    let name = &named.name;
    let is_drain = matches!(options.act, Act::Drain(_));
    let path = format!("/api/servers/{}{act}", segment(name));
    let kept = options.remote.talk(async |client| {
        client.send(method, &path, Body::None).await?;
        if is_drain { Ok(shards_of(&client.get("/api/servers").await?, name)) } else { Ok(0) }
    })?;
    if kept > 0 {
        let message = format!("server `{name}` still owns {kept} shards: no other server serves");
        let hint = "start another server, or tell one to `serve`: it then takes them over; or take \
                    this back with `pointsman server serve`";
        return Err(Failure::refused("", message, hint));
    }
    output::show(format, &json!({"server": name}), || format!("server `{name}` {done}"))
}

fn shards(remote: &Remote, set: Option<u16>, format: Format) -> Result<(), Failure> {
    let path = "/api/shards";
    let data = remote.talk(async |client| match set {
        None => client.get(path).await,
        Some(number) => {
            client.send(Method::PUT, path, Body::Json(json!({ "number": number }))).await?.json()
        }
    })?;
    output::show(format, &data, || shard_table(&data))
}

/// How many shards the newest server of this name, or the one with this key, owns.
fn shards_of(servers: &Value, name: &str) -> usize {
    let mut named = output::items(servers)
        .iter()
        .filter(|server| server["key"] == name || server["name"] == name)
        .collect::<Vec<_>>();
    named.sort_by_key(|server| server["joinedAt"].as_str());
    named.last().and_then(|server| server["shards"].as_array()).map_or(0, Vec::len)
}

fn shard_table(data: &Value) -> String {
    let rows = output::items(data).iter().map(|shard| {
        let state = match (shard["wanted"] == true, shard["used"] == true) {
            (true, _) => "",
            (false, true) => "until its instances end",
            (false, false) => "not needed",
        };
        let [number, owner, epoch, slots] =
            ["shard", "owner", "epoch", "slots"].map(|name| text(shard, name));
        [number, owner, epoch, slots, state.to_owned()]
    });
    output::table(["shard", "owner", "epoch", "slots", ""], rows.collect())
}

fn table(data: &Value) -> String {
    let rows = output::items(data).iter().map(|server| {
        let shards = server["shards"].as_array().map_or(&[][..], Vec::as_slice);
        let shards: Vec<String> = shards.iter().map(Value::to_string).collect();
        [
            text(server, "name"),
            text(server, "key"),
            text(server, "standing"),
            shards.join(","),
            text(server, "http"),
            text(server, "peer"),
            text(server, "build"),
            moment(server, "joinedAt"),
            if server["answered"] == true { "answered".to_owned() } else { String::new() },
        ]
    });
    let headings = ["server", "key", "standing", "shards", "http", "peer", "build", "joined", ""];
    output::table(headings, rows.collect())
}
