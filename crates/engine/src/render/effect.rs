//! The lines of effects.
//!
//! Boundary: as `render`.
//! Read first: [`line`].

use alloc::format;
use alloc::string::String;

use bpmn::Program;

use crate::effect::{Effect, Report};

use super::{Log, Names, id_of, json, message};

/// The line of an effect, in the imperative.
pub(super) fn line(log: &Log, effect: &Effect, program: &Program, names: &dyn Names) -> String {
    match effect {
        Effect::OfferJob { job, job_type } => format!("offer job {} {job_type}", names.job(*job)),
        Effect::KeepLease { job, deadline_ms, .. } => {
            format!("keep job {} until {}", names.job(*job), names.time(*deadline_ms))
        }
        Effect::DropJob { job, .. } => format!("drop job {}", names.job(*job)),
        Effect::ArmTimer { timer, due_ms } => {
            format!("arm timer {} for {}", names.timer(*timer), names.time(*due_ms))
        }
        Effect::DisarmTimer { timer, .. } => format!("disarm timer {}", names.timer(*timer)),
        Effect::Subscribe { name, key, step, element, .. } => {
            let (step, at) = (log.step(*step, names), id_of(program, *element));
            format!("subscribe {step} to {} ({at})", message(name, key))
        }
        Effect::Unsubscribe { name, key, step, element } => {
            let (step, at) = (log.step(*step, names), id_of(program, *element));
            format!("unsubscribe {step} from {} ({at})", message(name, key))
        }
        Effect::PublishMessage { name, key, id, time_to_live_ms, variables } => {
            let mut line = format!("publish message {}", message(name, key));
            if !id.is_empty() {
                line.push_str(&format!(" id {id}"));
            }
            if *time_to_live_ms != 0 {
                line.push_str(&format!(" for {time_to_live_ms} ms"));
            }
            format!("{line} {}", json(variables))
        }
        Effect::PublishDocument { document_type, content, .. } => {
            format!("publish document {document_type} {}", json(content))
        }
        Effect::CancelChild { child } => format!("cancel {}", names.instance(*child)),
        Effect::FailChild { child, server } => {
            format!("let {} fail: server {server} died", names.instance(*child))
        }
        Effect::OpenIncident { incident, kind, .. } => {
            format!("list incident {} {}", names.incident(*incident), kind.name())
        }
        Effect::CloseIncident { incident } => {
            format!("take incident {} off the list", names.incident(*incident))
        }
        Effect::ClaimBlock { block } => format!("claim block {}", block.first()),
        Effect::AcquireLock { step, name, .. } => {
            format!("acquire lock {name} for {}", log.step(*step, names))
        }
        Effect::ReleaseLock { name, step } => {
            format!("release lock {name} of {}", log.step(*step, names))
        }
        Effect::StartChild { .. }
        | Effect::ReportToCaller { .. }
        | Effect::ReportUncaught { .. } => call_line(effect, names),
        Effect::Continue { after_commit: true } => String::from("continue after the commit"),
        Effect::Continue { after_commit: false } => String::from("continue"),
        Effect::End { variables, origin, holds, .. } => {
            let mut line = format!("end with {}", json(variables));
            if let Some(origin) = origin {
                line.push_str(&format!(", acknowledge {origin}"));
            }
            if let Some((name, key)) = holds {
                line.push_str(&format!(", release {}", message(name, key)));
            }
            line
        }
    }
}

fn call_line(effect: &Effect, names: &dyn Names) -> String {
    match effect {
        Effect::StartChild { process, version_tag, same_deployment, variables, .. } => {
            let mut line = format!("start {process}");
            if let Some(tag) = version_tag {
                line.push_str(&format!(" with tag {tag}"));
            }
            if *same_deployment {
                line.push_str(" of the same deployment");
            }
            format!("{line} {}", json(variables))
        }
        Effect::ReportToCaller { caller, report: Report::Completed { variables, .. } } => {
            format!("tell {} completed {}", names.instance(caller.instance), json(variables))
        }
        Effect::ReportToCaller { caller, report: Report::Failed { server, .. } } => {
            format!("tell {} failed with server {server}", names.instance(caller.instance))
        }
        Effect::ReportToCaller { caller, report: Report::Error { code, .. } } => {
            format!("tell {} error {code}", names.instance(caller.instance))
        }
        Effect::ReportUncaught { thrower, code, .. } => {
            format!("tell {} nobody catches {code}", names.instance(thrower.instance))
        }
        _ => String::new(),
    }
}
