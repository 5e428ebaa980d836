//! Service tasks, and everything else that is one job: script and send tasks, message throw and
//! end events with a task definition.
//!
//! Boundary: evaluates the job's type and retries, opens what the boundary events wait for, and
//! offers the job (BPMN 2.0, 13.3.3). The result comes back as a command to `job`.
//! Read first: [`enter`].   Tests: tests/scenarios/jobs/

use alloc::format;

use bpmn::JobSpec;
use feel::{Str, Value};

use crate::draft::Draft;
use crate::event::Event;
use crate::ids::StepKey;
use crate::job::destined;

use super::super::subscription::{self, Trouble};
use super::super::{incident, job};

/// Creates the job.
pub(crate) fn enter(draft: &mut Draft<'_, '_>, step: StepKey, spec: &JobSpec) {
    let prepared = prepare(draft, step, spec).and_then(|prepared| {
        subscription::prepare(draft, step).map(|openings| (prepared, openings))
    });
    match prepared {
        Ok(((job_type, retries), openings)) => {
            draft.record(Event::StepEntered { step });
            subscription::open(draft, step, openings);
            job::create(draft, step, job_type, retries);
        }
        Err(trouble) => incident::trouble(draft, step, &trouble),
    }
}

fn prepare(draft: &Draft<'_, '_>, step: StepKey, spec: &JobSpec) -> Result<(Str, i32), Trouble> {
    let element = draft.step(step).map_or(0, |step| step.element);
    let job_type = subscription::text_of(draft, step, element, &spec.job_type)?;
    let retries = match draft.evaluate(&spec.retries, step).value {
        Value::Number(number) => number.to_i64().and_then(|number| i32::try_from(number).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match retries {
        Some(retries) if retries >= 0 => {
            let server = draft.element(element).logical_server.as_ref();
            Ok((destined(job_type, server), retries))
        }
        _ => {
            let why = format!("expected a whole number of retries for job type `{job_type}`");
            Err(subscription::trouble(draft, element, &spec.retries, &why))
        }
    }
}
