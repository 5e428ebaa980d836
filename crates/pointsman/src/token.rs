//! `pointsman token`: makes, lists and revokes API tokens.
//!
//! Boundary: asks the server and prints. A new token alone goes to standard output, so that a
//! script can put it where it belongs without anybody reading it.
//! Read first: [`run`].

use clap::{Args, Subcommand};
use http::Method;
use jiff::{SpanRelativeTo, Unit};
use serde_json::{Value, json};

use crate::client::{Body, Remote, segment};
use crate::output::{self, Format, moment, remark, text};
use crate::problem::Failure;

/// What to do with tokens.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a token and show it, this once.
    Create {
        /// Who or what will use it.
        name: String,
        /// What it may do; each role includes those before it.
        #[arg(long, value_parser = ["viewer", "operator", "developer", "admin"])]
        role: String,
        /// When it ends by itself: `30d`, `12h` or `P30D`; never if not given.
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
    },
    /// List tokens, without what they are.
    List,
    /// End a token at once.
    Revoke {
        /// Its name.
        name: String,
    },
}

/// Runs a `token` command.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(crate) fn run(options: &Options, format: Format) -> Result<(), Failure> {
    const PATH: &str = "/api/tokens";
    match &options.act {
        Act::Create { name, role, expires } => {
            let mut body = json!({"name": name, "role": role});
            if let Some(expires) = expires {
                body["expiresIn"] = json!(duration_ms(expires)?);
            }
            let data = options.remote.talk(async |client| {
                client.send(Method::POST, PATH, Body::Json(body)).await?.json()
            })?;
            if format == Format::Table {
                let until = match moment(&data, "expiresAt") {
                    until if until.is_empty() => "until it is revoked".to_owned(),
                    until => format!("until {until}"),
                };
                let name = text(&data, "name");
                remark(&format!(
                    "token `{name}` of the role {role} is good {until}; it is shown once"
                ));
            }
            output::show(format, &data, || text(&data, "token"))
        }
        Act::List => {
            let data = options.remote.talk(async |client| client.get(PATH).await)?;
            output::show(format, &data, || table(&data))
        }
        Act::Revoke { name } => {
            let path = format!("{PATH}/{}", segment(name));
            options
                .remote
                .talk(async |client| client.send(Method::DELETE, &path, Body::None).await)?;
            let data = json!({"name": name, "revoked": true});
            output::show(format, &data, || format!("token `{name}` is revoked"))
        }
    }
}

fn table(data: &Value) -> String {
    let rows = output::items(data).iter().map(|token| {
        [
            text(token, "name"),
            text(token, "role"),
            moment(token, "createdAt"),
            moment(token, "expiresAt"),
        ]
    });
    output::table(["name", "role", "created", "expires"], rows.collect())
}

/// A duration in milliseconds; a day has 24 hours.
fn duration_ms(text: &str) -> Result<i64, Failure> {
    let wrong = || {
        let message = format!("`{text}` is no duration above zero");
        Failure::wrong_use(message, "write `30d`, `12h` or ISO 8601 such as `P30D`")
    };
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let relative = SpanRelativeTo::days_are_24_hours();
    let ms = span.total((Unit::Millisecond, relative)).map_err(|_| wrong())?;
    if (1.0..9e15).contains(&ms) { Ok(ms as i64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::duration_ms;

    #[test]
    fn durations_are_short_or_iso() {
        for (text, ms) in [("30d", 2_592_000_000), ("P30D", 2_592_000_000), ("12h", 43_200_000)] {
            assert_eq!(duration_ms(text).unwrap(), ms, "{text}");
        }
        for wrong in ["", "30", "-1d", "0s", "soon", "1 month", "P1M"] {
            assert!(duration_ms(wrong).is_err(), "{wrong}");
        }
    }
}
