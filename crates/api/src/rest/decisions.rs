//! `/api/decisions`: decisions and their versions; and the compatible call that evaluates one.
//!
//! Boundary: shows the committed catalogue; evaluation is translated from what the gateway answers.
//! Read first: [`show`], then [`evaluate`].

use axum::extract::{Path, Request, State};
use axum::response::Response;
use feel::{Context, Str, Value};
use http::StatusCode;
use node::{Catalog, Decision, WhichDecision};
use proto::gateway::{EvaluateDecisionResponse, EvaluatedDecision, MatchedDecisionRule};

use super::json::{self, Fields, answer, key, number, object, optional, page, text, time};
use super::{Face, body};
use crate::problem::Problem;

/// Every decision, by id.
pub(super) async fn list(State(face): State<Face>) -> Response {
    let catalog = face.node.catalog();
    let decisions = catalog.decisions.values().filter_map(|versions| versions.last());
    let decisions = decisions.map(|latest| Value::Context(decision(latest))).collect();
    answer(StatusCode::OK, &page(decisions, None))
}

/// One decision with its versions, newest first.
pub(super) async fn show(
    State(face): State<Face>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let catalog = face.node.catalog();
    let missing = || node::Error::NotFound { kind: "decision", name: id.clone() };
    let versions = catalog.decisions.get(id.as_str()).ok_or_else(missing)?;
    let latest = versions.last().ok_or_else(missing)?;
    let versions = versions.iter().rev().map(|known| version(&catalog, known));
    let value = decision(latest).with("versions", json::list(versions));
    Ok(answer(StatusCode::OK, &Value::Context(value)))
}

fn decision(latest: &Decision) -> Context {
    Context::builder()
        .with("id", latest.id.clone())
        .with("name", latest.name())
        .with("package", latest.package.clone())
        .with("latest", number(latest.deployed.version))
        .with("key", key(latest.deployed.key))
        .build()
}

fn version(catalog: &Catalog, known: &Decision) -> Value {
    let tag: Option<&Str> = known.deployed.model.version_tag(&known.id);
    let file = catalog.requirements_of(known).map(|file| {
        object([
            ("id", Value::from(file.id.clone())),
            ("name", Value::from(file.name.clone())),
            ("version", number(file.version)),
            ("key", key(file.key)),
        ])
    });
    object([
        ("version", number(known.deployed.version)),
        ("key", key(known.deployed.key)),
        ("versionTag", optional(tag, |tag| Value::from(tag.clone()))),
        ("package", Value::from(known.package.clone())),
        ("packageVersion", Value::from(known.package_version.clone())),
        ("resource", Value::from(known.resource.clone())),
        ("requirements", file.unwrap_or(Value::Null)),
        ("deployment", key(known.deployment)),
        ("deployedAt", time(known.at_ms)),
    ])
}

/// Evaluates a decision: by its id in its newest version, or by the key of a version.
pub(super) async fn evaluate(
    State(face): State<Face>,
    request: Request,
) -> Result<Response, Problem> {
    const FIELDS: [&str; 4] =
        ["decisionDefinitionId", "decisionDefinitionKey", "variables", "tenantId"];
    let (head, body) = request.into_parts();
    let body = body::json(&face, &head.headers, body).await?;
    let fields = Fields::read(&body, &FIELDS)?;
    let which = which(&fields)?;
    check_tenant(&fields)?;
    let input = fields.object("variables")?;
    let evaluated = crate::grpc::evaluated(&face.node, &which, input).await?;
    Ok(answer(StatusCode::OK, &result(&evaluated)))
}

fn which(fields: &Fields) -> Result<WhichDecision, Problem> {
    let (id, key) = (fields.text("decisionDefinitionId")?, fields.text("decisionDefinitionKey")?);
    match (id, key) {
        (Some(id), None) if !id.is_empty() => Ok(WhichDecision::Latest(id.into())),
        (None, Some(key)) => key.parse().map(WhichDecision::Key).map_err(|_| {
            let detail = format!("`{key}` is no key");
            Problem::field("/decisionDefinitionKey", detail, "send digits, as a string")
        }),
        _ => {
            let detail = "one of `decisionDefinitionId` and `decisionDefinitionKey` is needed";
            Err(Problem::field("/decisionDefinitionId", detail, "send one of them"))
        }
    }
}

/// There is only the default tenant.
fn check_tenant(fields: &Fields) -> Result<(), Problem> {
    match fields.text("tenantId")? {
        None | Some("" | crate::grpc::TENANT) => Ok(()),
        Some(tenant) => {
            let detail = format!("no tenant `{tenant}`; there is only `{}`", crate::grpc::TENANT);
            Err(Problem::field("/tenantId", detail, "leave it out"))
        }
    }
}

fn result(evaluated: &EvaluateDecisionResponse) -> Value {
    let filled = |field: &str| if field.is_empty() { Value::Null } else { text(field) };
    object([
        ("decisionDefinitionId", text(&evaluated.decision_id)),
        ("decisionDefinitionKey", signed(evaluated.decision_key)),
        ("decisionDefinitionName", text(&evaluated.decision_name)),
        ("decisionDefinitionVersion", number(evaluated.decision_version)),
        ("decisionRequirementsId", text(&evaluated.decision_requirements_id)),
        ("decisionRequirementsKey", signed(evaluated.decision_requirements_key)),
        ("decisionEvaluationKey", signed(evaluated.decision_evaluation_key)),
        ("decisionInstanceKey", signed(evaluated.decision_instance_key)),
        ("output", text(&evaluated.decision_output)),
        ("failedDecisionDefinitionId", filled(&evaluated.failed_decision_id)),
        ("failureMessage", filled(&evaluated.failure_message)),
        ("tenantId", text(&evaluated.tenant_id)),
        ("evaluatedDecisions", json::list(evaluated.evaluated_decisions.iter().map(step))),
    ])
}

fn step(one: &EvaluatedDecision) -> Value {
    let inputs = one.evaluated_inputs.iter().map(|input| {
        object([
            ("inputId", text(&input.input_id)),
            ("inputName", text(&input.input_name)),
            ("inputValue", text(&input.input_value)),
        ])
    });
    object([
        ("decisionDefinitionId", text(&one.decision_id)),
        ("decisionDefinitionKey", signed(one.decision_key)),
        ("decisionDefinitionName", text(&one.decision_name)),
        ("decisionDefinitionVersion", number(one.decision_version)),
        ("decisionDefinitionType", text(&one.decision_type)),
        ("decisionEvaluationInstanceKey", text(&one.decision_evaluation_instance_key)),
        ("output", text(&one.decision_output)),
        ("tenantId", text(&one.tenant_id)),
        ("matchedRules", json::list(one.matched_rules.iter().map(matched))),
        ("evaluatedInputs", json::list(inputs)),
    ])
}

fn matched(rule: &MatchedDecisionRule) -> Value {
    let outputs = rule.evaluated_outputs.iter().map(|output| {
        object([
            ("outputId", text(&output.output_id)),
            ("outputName", text(&output.output_name)),
            ("outputValue", text(&output.output_value)),
            ("ruleId", text(&rule.rule_id)),
            ("ruleIndex", number(rule.rule_index)),
        ])
    });
    object([
        ("ruleId", text(&rule.rule_id)),
        ("ruleIndex", number(rule.rule_index)),
        ("evaluatedOutputs", json::list(outputs)),
    ])
}

/// A key of the gateway, as a string.
fn signed(key: i64) -> Value {
    Value::from(key.to_string())
}
