//! `pointsman decision` against a server: what is deployed, and what it comes to.
//!
//! Boundary: asks the server and prints; the values are JSON, the shape is that of `evaluate`.
//! Read first: [`list`], then [`evaluate`].   Tests: tests/cli/decision.rs

use clap::{Args, Subcommand};
use feel::{Context, Value as Feel};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Body, Credentials, Remote, segment};
use crate::output::{self, Format, moment, remark, text};
use crate::problem::{Exit, Failure};

/// Decisions of a server.
#[derive(Debug, Subcommand)]
pub(crate) enum Act {
    /// List the decisions of a server.
    List(Server),
    /// Show the versions of a decision of a server.
    Show {
        #[command(flatten)]
        server: Server,
        /// The decision id.
        decision: String,
    },
}

/// Which server is asked.
#[derive(Debug, Args)]
pub(crate) struct Server {
    #[command(flatten)]
    remote: Remote,
}

/// The server that evaluates.
#[derive(Debug, Args)]
pub(super) struct Evaluator {
    /// Evaluate the newest version on the server at this address instead of a file.
    #[arg(long, visible_alias = "url", value_name = "URL", conflicts_with = "model")]
    server: Option<String>,
    #[command(flatten)]
    credentials: Credentials,
}

impl Evaluator {
    /// The server, if one was named.
    pub(super) fn remote(&self) -> Option<Remote> {
        let server = self.server.clone()?;
        Some(Remote { server, credentials: self.credentials.clone() })
    }
}

/// Shows what is deployed.
///
/// # Errors
/// The server refuses or cannot be reached.
pub(super) fn run(act: &Act, format: Format) -> Result<(), Failure> {
    match act {
        Act::List(server) => {
            let data = server.remote.talk(async |client| client.get("/api/decisions").await)?;
            output::show(format, &data, || list(&data))
        }
        Act::Show { server, decision } => {
            let path = format!("/api/decisions/{}", segment(decision));
            let data = server.remote.talk(async |client| client.get(&path).await)?;
            output::show(format, &data, || versions(&data))
        }
    }
}

fn list(data: &Value) -> String {
    let rows = output::items(data)
        .iter()
        .map(|known| ["id", "name", "package", "latest"].map(|field| text(known, field)));
    output::table(["decision", "name", "package", "version"], rows.collect())
}

fn versions(data: &Value) -> String {
    let rows = output::items(&data["versions"]).iter().map(|known| {
        [
            text(known, "version"),
            text(known, "versionTag"),
            text(known, "package"),
            text(known, "packageVersion"),
            text(known, "resource"),
            text(&known["requirements"], "name"),
            moment(known, "deployedAt"),
        ]
    });
    let columns = ["version", "tag", "package", "of version", "resource", "model", "deployed"];
    output::table(columns, rows.collect())
}

/// Has a decision evaluated, and shows the outcome as if it had been done here.
///
/// # Errors
/// The server refuses or cannot be reached, or the evaluation fails.
pub(super) fn evaluate(
    remote: &Remote,
    decision: &str,
    input: &Context,
    format: Format,
) -> Result<(), Failure> {
    let body = Context::builder()
        .with("decisionDefinitionId", decision)
        .with("variables", Feel::Context(input.clone()));
    let body = Body::Written(feel::json::to_string(&Feel::Context(body.build())));
    let path = "/v2/decision-definitions/evaluation";
    let data = remote.talk(async |client| client.send(Method::POST, path, body).await?.json())?;
    let shown = outcome(decision, &data);
    output::show(format, &shown, || lines(&data))?;
    match data["failureMessage"].as_str() {
        None => Ok(()),
        Some(failure) => {
            if format == Format::Table {
                remark(&format!("failed: {failure}"));
            }
            Err(Failure::told(Exit::Refused))
        }
    }
}

/// The server's answer in the shape that an evaluation of a file has.
fn outcome(decision: &str, data: &Value) -> Value {
    let each = |from: &Value, field: &str, show: &dyn Fn(&Value) -> Value| -> Vec<Value> {
        from[field].as_array().into_iter().flatten().map(show).collect()
    };
    let input = |input: &Value| {
        let value = parsed(&input["inputValue"]);
        json!({ "id": input["inputId"], "label": input["inputName"], "value": value })
    };
    let output = |output: &Value| {
        let value = parsed(&output["outputValue"]);
        json!({ "name": output["outputName"], "value": value })
    };
    let matched = |rule: &Value| {
        json!({
            "rule": rule["ruleIndex"],
            "id": rule["ruleId"],
            "outputs": each(rule, "evaluatedOutputs", &output),
        })
    };
    let step = |step: &Value| {
        json!({
            "id": step["decisionDefinitionId"],
            "name": step["decisionDefinitionName"],
            "inputs": each(step, "evaluatedInputs", &input),
            "matched": each(step, "matchedRules", &matched),
            "output": parsed(&step["output"]),
        })
    };
    let failures = data["failureMessage"].as_str().map(
        |message| json!({ "decision": data["failedDecisionDefinitionId"], "message": message }),
    );
    json!({
        "decision": decision,
        "version": data["decisionDefinitionVersion"],
        "result": parsed(&data["output"]),
        "decisions": each(data, "evaluatedDecisions", &step),
        "failures": failures.into_iter().collect::<Vec<_>>(),
    })
}

/// A value that came as JSON text.
fn parsed(field: &Value) -> Value {
    field.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The result, and a line for each decision; values are JSON text already, with every digit.
fn lines(data: &Value) -> String {
    let mut lines = vec![text(data, "output")];
    for step in output::items(&data["evaluatedDecisions"]) {
        let rules: Vec<String> = output::items(&step["matchedRules"])
            .iter()
            .map(|rule| text(rule, "ruleIndex"))
            .collect();
        let rules = match rules.is_empty() {
            true => String::new(),
            false => format!(" (rules {})", rules.join(", ")),
        };
        let (name, value) = (text(step, "decisionDefinitionName"), text(step, "output"));
        lines.push(format!("  {name} = {value}{rules}"));
    }
    lines.join("\n")
}
