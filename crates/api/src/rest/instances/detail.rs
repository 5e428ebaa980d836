//! Everything about one instance: its row, incidents, path, variables and what it waits for.
//!
//! Boundary: joins what the node tells; nothing is computed here.
//! Read first: [`show`].

use axum::extract::{Path, State};
use axum::response::Response;
use engine::ids::{InstanceKey, StepKey};
use engine::instance::{Instance, JobState, Step, Wait};
use engine::job::Destination;
use engine::value::to_context;
use feel::Value;
use http::StatusCode;
use node::{Definition, path_of};

use crate::problem::Problem;
use crate::rest::json::{self, answer, key, number, object, optional, text, time};
use crate::rest::parameters::parsed;
use crate::rest::{Face, view};

/// Incidents that are shown; an instance with more has them all in `/api/incidents`.
const INCIDENTS_MAX: u32 = 100;

/// `GET /api/instances/{key}`
pub(in crate::rest) async fn show(
    State(face): State<Face>,
    Path(of): Path<String>,
) -> Result<Response, Problem> {
    let of = InstanceKey(parsed("key", &of)?);
    let row = face.node.instance(of).await?;
    let incidents = face.node.incidents(Some(of), None, INCIDENTS_MAX).await?;
    let catalog = face.node.catalog();
    let definition = catalog.definitions.get(&row.definition);
    let path = match definition {
        Some(known) => view::path(&path_of(of, &face.node.audit(of).await?, &known.program)),
        None => Value::Null,
    };
    let state = face.node.state(of).await?;
    let steps = state.as_ref().map(|state| steps(state, definition.map(AsRef::as_ref)));
    let root = state.as_ref().and_then(|state| state.steps.get(&state.root()));
    let incidents = incidents.iter().map(|(key, row)| view::incident(*key, row));
    let mut value = view::instance_fields(&row);
    value.push("openIncidents", json::list(incidents));
    value.push("path", path);
    let variables = optional(root, |root| Value::Context(to_context(&root.variables)));
    value.push("variables", variables);
    value.push("steps", steps.unwrap_or(Value::Null));
    Ok(answer(StatusCode::OK, &Value::Context(value.build())))
}

/// The steps that are active, without the instance itself.
fn steps(state: &Instance, definition: Option<&Definition>) -> Value {
    let inner = state.steps.iter().filter(|(_, step)| step.scope.is_some());
    json::list(inner.map(|(of, step)| active(*of, step, definition)))
}

fn active(of: StepKey, step: &Step, definition: Option<&Definition>) -> Value {
    let elements = definition.map(|known| known.program.elements.as_slice()).unwrap_or_default();
    let element = usize::try_from(step.element).ok().and_then(|at| elements.get(at));
    let timers = step.timers.iter().map(|timer| time(timer.due_ms));
    let messages = step.subscriptions.iter().map(|one| {
        object([("name", Value::from(one.name.clone())), ("key", Value::from(one.key.clone()))])
    });
    object([
        ("step", key(of.0)),
        ("element", optional(element, |known| text(&known.id))),
        ("scope", optional(step.scope, |scope| key(scope.0))),
        ("waitsFor", waits_for(&step.wait)),
        ("timers", json::list(timers)),
        ("messages", json::list(messages)),
        ("incident", optional(step.incident.as_ref(), |open| key(open.key.0))),
        ("variables", Value::Context(to_context(&step.variables))),
    ])
}

fn waits_for(wait: &Wait) -> Value {
    match wait {
        Wait::Nothing => Value::Null,
        Wait::Children => object([("kind", text("steps"))]),
        Wait::Call => object([("kind", text("call"))]),
        Wait::Child(child) => object([("kind", text("call")), ("instance", key(child.0))]),
        Wait::Lock(lock) => object([
            ("kind", text("lock")),
            ("name", Value::from(lock.name.clone())),
            ("until", optional(lock.deadline_ms, time)),
        ]),
        Wait::Job(job) => {
            let (state, until, worker) = match &job.state {
                JobState::Ready => ("ready", None, None),
                JobState::Leased { worker, deadline_ms } => {
                    ("leased", Some(*deadline_ms), Some(worker.clone()))
                }
                JobState::BackingOff { until_ms } => ("backing-off", Some(*until_ms), None),
                JobState::Failed => ("failed", None, None),
            };
            object([
                ("kind", text("job")),
                ("key", key(job.key.0)),
                ("type", Value::from(job.job_type.clone())),
                ("server", optional(Destination::parse(&job.job_type).server, text)),
                ("state", text(state)),
                ("until", optional(until, time)),
                ("worker", optional(worker, Value::from)),
                ("retries", number(job.retries)),
                ("failures", number(job.attempt)),
            ])
        }
    }
}
