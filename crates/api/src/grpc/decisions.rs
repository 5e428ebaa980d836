//! Decisions that clients have evaluated.
//!
//! Boundary: translation only. What is evaluated here is not kept, so it has no key of its own: 0.
//! Read first: [`evaluated`].

use std::sync::Arc;

use feel::{Context, Value};
use node::{Decision, Evaluated, Evaluation, Node, WhichDecision};
use proto::gateway::{
    EvaluateDecisionRequest, EvaluateDecisionResponse, EvaluatedDecision, EvaluatedDecisionInput,
    EvaluatedDecisionOutput, MatchedDecisionRule,
};
use tonic::Status;

use super::Face;
use super::refusal::{TENANT, check_tenant, context, invalid, refuse};
use crate::problem::Problem;

const EVALUATE: &str = "EVALUATE";

/// Evaluates a decision.
pub(super) async fn evaluate(
    face: Arc<Face>,
    request: EvaluateDecisionRequest,
) -> Result<EvaluateDecisionResponse, Status> {
    check_tenant(&request.tenant_id, EVALUATE)?;
    let which = match (request.decision_key, request.decision_id.as_str()) {
        (0, "") => return Err(invalid("decisionId", "neither an id nor a key is given", EVALUATE)),
        (0, id) => WhichDecision::Latest(id.into()),
        (key, "") => WhichDecision::Key(key.cast_unsigned()),
        (_, _) => return Err(invalid("decisionId", "both an id and a key are given", EVALUATE)),
    };
    let input = context(&request.variables, EVALUATE)?;
    match face.node.evaluate_decision(&which, input).await {
        Ok(evaluation) => Ok(answer(&evaluation)),
        // Camunda's gateway calls what is not there a wrong argument.
        Err(error @ node::Error::NotFound { .. }) => {
            Err(invalid("decisionId", &error.to_string(), EVALUATE))
        }
        Err(error) => Err(refuse(EVALUATE)(error)),
    }
}

/// What comes of a decision, in the words of the gateway.
///
/// # Errors
/// There is no such decision, or too many are evaluated.
pub(crate) async fn evaluated(
    node: &Node,
    which: &WhichDecision,
    input: Context,
) -> Result<EvaluateDecisionResponse, Problem> {
    Ok(answer(&node.evaluate_decision(which, input).await?))
}

fn answer(evaluation: &Evaluation) -> EvaluateDecisionResponse {
    let Evaluation { decision, requirements, outcome, versions } = evaluation;
    let failure = outcome.failures.first();
    let output = if failure.is_some() { &Value::Null } else { &outcome.value };
    let evaluated = outcome.decisions.iter().zip(versions);
    EvaluateDecisionResponse {
        decision_key: decision.deployed.key.cast_signed(),
        decision_id: decision.id.to_string(),
        decision_name: decision.name().to_owned(),
        decision_version: decision.deployed.version.cast_signed(),
        decision_requirements_id: decision.deployed.model.id().to_string(),
        decision_requirements_key: requirements.as_ref().map_or(0, |file| file.key.cast_signed()),
        decision_output: feel::json::to_string(output),
        evaluated_decisions: evaluated
            .enumerate()
            .map(|(position, (one, version))| step(one, version.as_deref(), position))
            .collect(),
        failed_decision_id: failure
            .map_or_else(String::new, |failure| failure.decision.to_string()),
        failure_message: failure.map_or_else(String::new, ToString::to_string),
        tenant_id: TENANT.to_owned(),
        decision_instance_key: 0,
        decision_evaluation_key: 0,
    }
}

/// One decision that was evaluated on the way.
fn step(one: &Evaluated, version: Option<&Decision>, position: usize) -> EvaluatedDecision {
    let inputs = one.inputs.iter().map(|input| EvaluatedDecisionInput {
        input_id: input.id.to_string(),
        input_name: input.label.to_string(),
        input_value: feel::json::to_string(&input.value),
    });
    let matched = one.matched.iter().map(|rule| MatchedDecisionRule {
        rule_id: rule.id.to_string(),
        rule_index: rule.rule.cast_signed(),
        evaluated_outputs: rule
            .outputs
            .iter()
            .map(|given| EvaluatedDecisionOutput {
                output_id: given.id.to_string(),
                output_name: given.label.to_string(),
                output_value: feel::json::to_string(&given.value),
            })
            .collect(),
    });
    EvaluatedDecision {
        decision_key: version.map_or(0, |known| known.deployed.key.cast_signed()),
        decision_id: one.id.to_string(),
        decision_name: one.name.to_string(),
        decision_version: version.map_or(0, |known| known.deployed.version.cast_signed()),
        decision_type: kind(one.logic).to_owned(),
        decision_output: feel::json::to_string(&one.output),
        matched_rules: matched.collect(),
        evaluated_inputs: inputs.collect(),
        tenant_id: TENANT.to_owned(),
        decision_evaluation_instance_key: format!("0-{}", position + 1),
    }
}

/// Camunda's name of a kind of logic.
fn kind(logic: &str) -> &'static str {
    match logic {
        "decisionTable" => "DECISION_TABLE",
        "literalExpression" => "LITERAL_EXPRESSION",
        "context" => "CONTEXT",
        "invocation" => "INVOCATION",
        "list" => "LIST",
        "relation" => "RELATION",
        _ => "UNKNOWN",
    }
}
