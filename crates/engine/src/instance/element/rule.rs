//! Business rule tasks: a DMN decision, evaluated in the turn that enters the step; or a job.
//!
//! Boundary: the decision comes with the stamp, its evaluation is `dmn`'s. It sees every variable
//! that the step sees. As with scripts, boundary events of a decision can never occur.
//! Invariants: RUL-1 a decision of which anything failed has no result.
//! Read first: [`enter`], then [`evaluate`].   Tests: tests/scenarios/rules/

use alloc::format;
use alloc::vec::Vec;

use bpmn::{CalledDecision, Rule};
use dmn::{Evaluated, Outcome};
use feel::{Context, Str, Value};

use crate::decisions::Wanted;
use crate::draft::Draft;
use crate::event::{EvaluatedDecision, EvaluatedInput, Event, IncidentKind, MatchedRule};
use crate::ids::StepKey;
use crate::value::{plain, to_context};

use super::super::subscription::{self, Trouble};
use super::super::{end, incident, variables};
use super::service_task;

/// Evaluates the decision, or offers the job.
pub(crate) fn enter(draft: &mut Draft<'_, '_>, step: StepKey, rule: &Rule) {
    match rule {
        Rule::Decision(called) => match evaluate(draft, step, called) {
            Ok(value) => {
                let result = Context::new([(called.result_variable.clone(), value)].into());
                variables::deliver(draft, step, &result);
                end::complete(draft, step);
            }
            Err(trouble) => incident::trouble(draft, step, &trouble),
        },
        Rule::Job(job) => service_task::enter(draft, step, job),
    }
}

/// The result; what was evaluated is noted, also if it failed.
fn evaluate(
    draft: &mut Draft<'_, '_>,
    step: StepKey,
    called: &CalledDecision,
) -> Result<Value, Trouble> {
    let element = draft.step(step).map_or(0, |step| step.element);
    let id = &draft.element(element).id;
    let decision = subscription::text_of(draft, step, element, &called.decision_id)?;
    let caller = draft.rules.definition;
    let wanted = Wanted { decision: &decision, binding: &called.binding, caller };
    let Some(found) = draft.stamp.decisions.find(&wanted) else {
        return Err(Trouble {
            kind: IncidentKind::CalledDecision,
            message: format!("`{id}`: decision `{decision}`{} is not deployed", which(called)),
        });
    };
    let input = to_context(&variables::visible(draft.state, step));
    let (key, version) = (found.key, found.version);
    let outcome = found.model.evaluate(&decision, &input, &draft.stamp.environment());
    let Some(outcome) = outcome else {
        let message = format!("`{id}`: version {version} of `{decision}` lacks that decision");
        return Err(Trouble { kind: IncidentKind::CalledDecision, message });
    };
    draft.warn(step, &decision, &outcome.warnings);
    let failure = outcome.failures.first().map(|failure| format!("`{id}`: {failure}"));
    let value = plain(outcome.value.clone());
    let evaluated = audited(draft, outcome);
    draft.record(Event::DecisionEvaluated {
        step,
        decision: decision.clone(),
        key,
        version,
        evaluated,
    });
    match failure {
        Some(message) => Err(Trouble { kind: IncidentKind::DecisionEvaluation, message }),
        None => variables::bounded(draft, &value).map(|()| value).map_err(|why| Trouble {
            kind: IncidentKind::DecisionEvaluation,
            message: format!("`{id}`: decision `{decision}`: {why}"),
        }),
    }
}

/// The binding, where it says more than that the newest version is meant.
fn which(called: &CalledDecision) -> Str {
    match &called.binding {
        bpmn::Binding::Latest => "".into(),
        bpmn::Binding::Deployment => " of the same deployment".into(),
        bpmn::Binding::VersionTag(tag) => format!(" with version tag `{tag}`").into(),
    }
}

/// What the audit log keeps. A value that is too large for a variable is left out.
fn audited(draft: &Draft<'_, '_>, outcome: Outcome) -> Vec<EvaluatedDecision> {
    let kept = |value: Value| {
        let value = plain(value);
        match variables::bounded(draft, &value) {
            Ok(()) => value,
            Err(why) => Value::String(why.into()),
        }
    };
    let decision = |evaluated: Evaluated| EvaluatedDecision {
        decision: if evaluated.id.is_empty() { evaluated.name } else { evaluated.id },
        inputs: evaluated
            .inputs
            .into_iter()
            .map(|input| EvaluatedInput { label: input.label, value: kept(input.value) })
            .collect(),
        matched: evaluated
            .matched
            .into_iter()
            .map(|matched| MatchedRule {
                rule: matched.rule,
                outputs: matched
                    .outputs
                    .into_iter()
                    .map(|given| (given.name, kept(given.value)))
                    .collect(),
            })
            .collect(),
        output: kept(evaluated.output),
    };
    outcome.decisions.into_iter().map(decision).collect()
}
