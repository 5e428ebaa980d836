//! Logical servers: which one each step is assigned to.
//!
//! A step, a lane, a subprocess or the process may name one: by the extension element
//! `pointsman:logicalServer`, or, where a modeler edits only these, by a property or attribute of
//! the same name. The nearest wins: the step, its innermost lane that names one, then the same of
//! the subprocess around it, at last the process.
//!
//! Boundary: which servers host a logical server, and which steps run there, is not known here.
//! Read first: [`resolve`].

use feel::{Str, Value};
use markup::{Report, Spot, short};

use crate::code;
use crate::program::{Kind, Rule, Script, SendSpec};
use crate::source::{Extensions, LOGICAL_SERVER, Node, Process, Text};

/// Characters that the name of a logical server may have.
const NAME_LENGTH_MAX: usize = 64;
/// The prefix of job types that are services of packages.
const SERVICE: &str = "service:";

/// The logical server of the process and of each node, in the order of the elements.
pub(super) fn resolve(
    source: &Process<'_>,
    kinds: &[Kind],
    report: &mut Report<'_>,
) -> Vec<Option<Str>> {
    let mut servers = Vec::with_capacity(source.nodes.len() + 1);
    servers.push(own(&source.extensions, source.spot(), report));
    for (node, kind) in source.nodes.iter().zip(kinds) {
        let named = own(&node.extensions, node.spot(), report);
        if named.is_some() && !may_run_elsewhere(kind) {
            warn(node, report);
        }
        let lane = || node.lane_server.as_ref().map(|name| (&**name).into());
        // SRC-1: what is around it was resolved before.
        let around = || servers.get(node.scope.map_or(0, |scope| scope + 1)).cloned().flatten();
        let server = named.or_else(lane).or_else(around);
        servers.push(server);
    }
    for lane in &source.lane_servers {
        check(lane, Spot::file(lane.at), report);
    }
    servers
}

/// The logical server that stands at an element itself.
fn own(extensions: &Extensions<'_>, spot: Spot<'_>, report: &mut Report<'_>) -> Option<Str> {
    let mut named = extensions.logical_servers();
    let first = named.next()?;
    for other in named.filter(|other| other.trim() != first.trim()) {
        let text =
            format!("two logical servers are named, `{}` and `{}`", short(first), short(other));
        let hint = "keep one of the two";
        report.error(code::IMPLEMENTATION_AMBIGUOUS, spot.moved(other.at), text, hint);
    }
    check(first, spot, report);
    Some(first.trim().into())
}

fn check(name: &Text<'_>, spot: Spot<'_>, report: &mut Report<'_>) {
    let name_only = name.trim();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let begins = name_only.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !begins || !name_only.bytes().all(allowed) || name_only.len() > NAME_LENGTH_MAX {
        let text = format!("`{}` is no name of a logical server", short(name));
        let hint = "use letters, digits, `.`, `_` and `-`, a letter or digit first, at most 64";
        report.error(code::LOGICAL_SERVER, spot.moved(name.at), text, hint);
    }
}

/// Whether the step, or steps inside of it, may be services of packages.
fn may_run_elsewhere(kind: &Kind) -> bool {
    let job = match kind {
        Kind::ServiceTask(job)
        | Kind::SendTask(SendSpec::Job(job))
        | Kind::IntermediateMessage(SendSpec::Job(job))
        | Kind::EndMessage(SendSpec::Job(job))
        | Kind::ScriptTask(Script::Job(job))
        | Kind::BusinessRuleTask(Rule::Job(job)) => job,
        Kind::Process | Kind::SubProcess { .. } => return true,
        Kind::Start(_)
        | Kind::EndNone
        | Kind::EndError { .. }
        | Kind::EndMessage(SendSpec::Publish(_))
        | Kind::EndTerminate
        | Kind::IntermediateCatch(_)
        | Kind::IntermediateNone
        | Kind::IntermediateMessage(SendSpec::Publish(_))
        | Kind::Boundary { .. }
        | Kind::ExclusiveGateway { .. }
        | Kind::ParallelGateway
        | Kind::Task
        | Kind::ManualTask
        | Kind::Lock(_)
        | Kind::Unlock { .. }
        | Kind::SendTask(SendSpec::Publish(_))
        | Kind::ScriptTask(Script::Feel { .. })
        | Kind::BusinessRuleTask(Rule::Decision(_))
        | Kind::ReceiveTask(_)
        | Kind::CallActivity(_) => return false,
    };
    match job.job_type.as_constant() {
        Some(Value::String(constant)) => constant.starts_with(SERVICE),
        _ => true,
    }
}

fn warn(node: &Node<'_>, report: &mut Report<'_>) {
    let at = node.extensions.logical_servers().next().map_or(node.at, |name| name.at);
    let text = format!("`{LOGICAL_SERVER}` has no effect at {}", node.title());
    let hint = "only services of packages (`service:NAME`) run on logical servers: remove it";
    report.warning(code::SETTING_IGNORED, node.spot().moved(at), text, hint);
}
