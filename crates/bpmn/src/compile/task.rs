//! Service and script tasks, call activities.
//!
//! Boundary: undefined and manual tasks have nothing to compile; send tasks live in `message`.
//! Read first: [`service`], [`script`], [`call`].

use feel::Expression;
use markup::{Report, Spot, short};

use crate::code;
use crate::compile::{expression, job, lock, mapping};
use crate::program::{Binding, CallActivity, JobSpec, Kind, Script};
use crate::source::{FeelScript, Node, Text};

/// A service task.
pub(super) fn service(node: &Node<'_>, report: &mut Report<'_>) -> Kind {
    if let Some(definition) = &node.extensions.task_definition {
        return match lock::act(definition) {
            Some(act) => lock::lock(node, definition, act, report),
            None => Kind::ServiceTask(job::job(node, definition, report)),
        };
    }
    let text = format!("{} has no task definition", node.title());
    let hint = "give it a job type (`zeebe:taskDefinition`), `service:NAME` for a service of a \
                package";
    report.error(code::IMPLEMENTATION_MISSING, node.spot(), text, hint);
    Kind::ServiceTask(JobSpec {
        job_type: expression::nothing(),
        retries: expression::nothing(),
        headers: Vec::new(),
    })
}

/// A script task.
pub(super) fn script(node: &Node<'_>, report: &mut Report<'_>) -> Kind {
    match (&node.extensions.script, &node.extensions.task_definition) {
        (Some(script), None) => Kind::ScriptTask(feel_script(node, script, report)),
        (None, Some(definition)) => {
            Kind::ScriptTask(Script::Job(job::job(node, definition, report)))
        }
        (Some(script), Some(_)) => {
            let text = format!("{} has a script and a task definition", node.title());
            let hint = "keep one of the two";
            report.error(code::IMPLEMENTATION_AMBIGUOUS, node.spot(), text, hint);
            Kind::ScriptTask(feel_script(node, script, report))
        }
        (None, None) => {
            let text = format!("{} has no script", node.title());
            let hint = "give it a FEEL expression with a result variable, or a job type";
            report.error(code::IMPLEMENTATION_MISSING, node.spot(), text, hint);
            Kind::Task
        }
    }
}

/// A call activity.
pub(super) fn call(node: &Node<'_>, report: &mut Report<'_>) -> Kind {
    let Some(called) = &node.extensions.called_element else {
        called_process_missing(node, node.at, report);
        return Kind::Task;
    };
    let spot = node.spot().moved(called.at);
    let process_id = match &called.process_id {
        Some(text) if !text.is_blank() => {
            expression::feel_or_constant("processId", text, spot, report)
        }
        Some(_) | None => {
            called_process_missing(node, called.at, report);
            expression::nothing()
        }
    };
    let child = called.propagate_all_child_variables.as_ref();
    let parent = called.propagate_all_parent_variables.as_ref();
    let spot = node.spot().moved(called.binding.as_ref().map_or(called.at, |text| text.at));
    let bound = binding(node, called.binding.as_ref(), called.version_tag.as_ref(), spot, report);
    let (version_tag, same_deployment) = match bound {
        Binding::Latest => (None, false),
        Binding::Deployment => (None, true),
        Binding::VersionTag(tag) => (Some(tag), false),
    };
    Kind::CallActivity(CallActivity {
        process_id,
        propagate_all_child_variables: flag(node, "propagateAllChildVariables", child, report),
        propagate_all_parent_variables: flag(node, "propagateAllParentVariables", parent, report),
        version_tag,
        same_deployment,
    })
}

fn feel_script(node: &Node<'_>, script: &FeelScript<'_>, report: &mut Report<'_>) -> Script {
    let spot = node.spot().moved(script.at);
    let expression: Expression = match &script.expression {
        Some(text) if !text.is_blank() => expression::feel("expression", text, spot, report),
        Some(_) | None => {
            let text = format!("the script of {} is empty", node.title());
            let hint = "give it a FEEL expression";
            report.error(code::IMPLEMENTATION_MISSING, spot, text, hint);
            expression::nothing()
        }
    };
    let result_variable =
        result_variable(node, "script", script.result_variable.as_ref(), spot, report);
    Script::Feel { expression, result_variable }
}

/// The variable that takes the value of `what`.
pub(super) fn result_variable(
    node: &Node<'_>,
    what: &str,
    name: Option<&Text<'_>>,
    spot: Spot<'_>,
    report: &mut Report<'_>,
) -> feel::Str {
    match name {
        Some(name) if mapping::is_name(name) => (&**name).into(),
        Some(name) if !name.is_blank() => {
            let shown = short(name);
            let text = format!("the result variable `{shown}` of {} is no name", node.title());
            let hint = "use letters, digits and `_`, not starting with a digit";
            report.error(code::RESULT_VARIABLE, spot.moved(name.at), text, hint);
            "".into()
        }
        Some(_) | None => {
            let text = format!("the {what} of {} has no result variable", node.title());
            let hint = "name the variable that takes the value";
            report.error(code::RESULT_VARIABLE, spot, text, hint);
            "".into()
        }
    }
}

fn called_process_missing(node: &Node<'_>, at: u32, report: &mut Report<'_>) {
    let text = format!("{} does not say which process it calls", node.title());
    let hint = "set the process id of its called element";
    report.error(code::CALLED_PROCESS, node.spot().moved(at), text, hint);
}

/// Which version is called.
pub(super) fn binding(
    node: &Node<'_>,
    text: Option<&Text<'_>>,
    version_tag: Option<&Text<'_>>,
    spot: Spot<'_>,
    report: &mut Report<'_>,
) -> Binding {
    match text.map(|text| &**text) {
        None | Some("" | "latest") => Binding::Latest,
        Some("deployment") => Binding::Deployment,
        Some("versionTag") => match version_tag {
            Some(tag) if !tag.is_blank() => Binding::VersionTag((&**tag).into()),
            Some(_) | None => {
                let text = format!("{} is bound to a version tag, but names none", node.title());
                report.error(code::BINDING, spot, text, "set the version tag");
                Binding::Latest
            }
        },
        Some(other) => {
            let text = format!("`bindingType` is `{}`", short(other));
            let hint = "use `latest`, `deployment` or `versionTag`";
            report.error(code::BINDING, spot, text, hint);
            Binding::Latest
        }
    }
}

/// A flag whose default is true.
fn flag(node: &Node<'_>, name: &str, text: Option<&Text<'_>>, report: &mut Report<'_>) -> bool {
    let Some(text) = text else { return true };
    match &**text {
        "true" | "1" | "" => true,
        "false" | "0" => false,
        other => {
            let message = format!("`{name}` is `{}`", short(other));
            let hint = "use `true` or `false`";
            report.error(code::SETTING_VALUE, node.spot().moved(text.at), message, hint);
            true
        }
    }
}
