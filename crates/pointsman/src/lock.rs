//! `pointsman lock`: named locks, for scripts and operators.
//!
//! Boundary: asks the server and prints.
//! Read first: [`run`].

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Body, Remote, query, segment};
use crate::output::{self, Format, moment, text};
use crate::problem::Failure;

/// What to do with locks.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the locks that somebody holds.
    List,
    /// Wait for a lock, and print its fencing number.
    Acquire {
        /// Its name.
        name: String,
        #[command(flatten)]
        session: Session,
        /// How long to wait: `PT30S`, for example; not at all if not given.
        #[arg(long, value_name = "DURATION", default_value = "PT0S")]
        wait: String,
        /// How long it is the session's if it is not renewed.
        #[arg(long, value_name = "DURATION", default_value = "PT1M")]
        lease: String,
    },
    /// Keep a lock.
    Renew {
        /// Its name.
        name: String,
        #[command(flatten)]
        session: Session,
        /// How long from now.
        #[arg(long, value_name = "DURATION", default_value = "PT1M")]
        lease: String,
    },
    /// Give a lock back.
    Release {
        /// Its name.
        name: String,
        #[command(flatten)]
        session: Session,
    },
    /// Take a lock away from whoever holds it.
    TakeAway {
        /// Its name.
        name: String,
        /// Only from the holder that has this fencing number.
        #[arg(long)]
        fence: Option<u64>,
    },
}

#[derive(Debug, Args)]
struct Session {
    /// Who acquires: a name that nobody else uses, the same in each call.
    #[arg(long)]
    session: String,
}

/// Runs a `lock` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    let change = |name: &str, act: &str, body: Value, done: &str| {
        let path = format!("/api/locks/{}/{act}", segment(name));
        options
            .remote
            .talk(async |client| client.send(Method::POST, &path, Body::Json(body)).await)?;
        output::show(format, &json!({"name": name}), || format!("lock `{name}` is {done}"))
    };
    match &options.act {
        Act::List => {
            let data = options.remote.talk(async |client| client.get("/api/locks").await)?;
            output::show(format, &data, || table(&data))
        }
        Act::Acquire { name, session: Session { session }, wait, lease } => {
            let body = json!({"session": session, "wait": wait, "lease": lease});
            let path = format!("/api/locks/{}/acquire", segment(name));
            let data = options.remote.talk(async |client| {
                client.send(Method::POST, &path, Body::Json(body)).await?.json()
            })?;
            output::show(format, &data, || text(&data, "fence"))
        }
        Act::Renew { name, session: Session { session }, lease } => {
            change(name, "renew", json!({"session": session, "lease": lease}), "renewed")
        }
        Act::Release { name, session: Session { session } } => {
            change(name, "release", json!({"session": session}), "given back")
        }
        Act::TakeAway { name, fence } => {
            let fence = query(&[("fence", fence.map(|fence| fence.to_string()))]);
            let path = format!("/api/locks/{}/holder{fence}", segment(name));
            options
                .remote
                .talk(async |client| client.send(Method::DELETE, &path, Body::None).await)?;
            output::show(format, &json!({"name": name}), || format!("lock `{name}` is taken away"))
        }
    }
}

fn table(data: &Value) -> String {
    let rows = output::items(data).iter().map(|lock| {
        [
            text(lock, "name"),
            text(lock, "holder"),
            text(lock, "fence"),
            moment(lock, "since"),
            text(lock, "waiting"),
        ]
    });
    output::table(["lock", "holder", "fence", "since", "waiting"], rows.collect())
}
