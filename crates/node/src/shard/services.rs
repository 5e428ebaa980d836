//! Service calls: run outside the loop, come back as commands (R33).
//!
//! Boundary: the shard owns the tasks; `host` runs the call. A call that fails for a passing
//! reason costs a retry with doubling back-off; the idempotency key is the job's, the same
//! for every try, also after a crash.
//! Read first: [`Shard::call`].

use engine::Command;
use engine::ids::{EntryKey, InstanceKey};
use engine::instance::Activation;
use engine::value::to_context;
use feel::{Context, Value};
use host::gate::{Chain, Kind, What};
use host::service::{Call, Failure, Printed};
use store::EntryRow;

use crate::audit::Output;
use crate::catalog::{SERVICE_PREFIX, Target};
use crate::error::Error;
use crate::onward::Gated;
use crate::packages::service_reference;

use super::Shard;

/// How long a service may hold a job, in milliseconds.
pub(super) const LEASE_MS: i64 = 330_000;
/// How long one call may take, whatever its service says, in milliseconds.
const CALL_MS: u64 = 300_000;
/// The first pause before a service is tried again, in milliseconds.
const BACK_OFF_MS: i64 = 1_000;
/// The longest pause before a service is tried again, in milliseconds.
const BACK_OFF_MAX_MS: i64 = 600_000;

/// A call has ended.
pub(crate) enum CallDone {
    Job { instance: InstanceKey, command: Command, printed: Option<Output> },
    Trigger { entry: EntryKey, row: EntryRow, failure: Option<String> },
}

impl Shard {
    /// Calls the service of a job.
    pub(super) fn call(&mut self, activation: Activation) {
        let package = self
            .catalog
            .definitions
            .get(&activation.definition)
            .map_or_else(|| "".into(), |definition| definition.package.clone());
        let key = activation.job.to_string();
        let mut call = call_of(&activation, &package, key, self.now_ms);
        let [own, target] = self.packages_of(&activation);
        let what = What {
            kind: Kind::Step,
            name: format!("{}/{}", call.package, call.service).into(),
            owner: activation.instance.0,
            since: crate::clock::instant(),
        };
        let entered = self.gates.try_enter([&own, &target], &Chain::default(), what);
        let Some(admission) = entered else { return self.hold_call(activation) };
        call.chain = admission.chain();
        // What was held up has less of its lease left.
        let left_ms = u64::try_from(activation.deadline_ms - self.now_ms).unwrap_or(0);
        call.deadline_ms = call.deadline_ms.min(left_ms);
        let (services, gates) = (self.services.clone(), self.gates.clone());
        let tree = Gated { services, gates, kind: Kind::Step, owner: activation.instance.0 };
        self.calls.spawn(async move {
            let instance = activation.instance;
            let printed = Printed::default();
            let result = tree.run(call, &printed).await;
            drop(admission);
            let output = |(text, lost)| Output { job: activation.job, lost, text };
            let printed = printed.take().map(output);
            CallDone::Job { instance, command: answer(&activation, result), printed }
        });
    }

    /// Calls the service that a trigger is for.
    pub(super) async fn call_for_entry(
        &mut self,
        entry: EntryKey,
        row: EntryRow,
    ) -> Result<(), Error> {
        let trigger = self.trigger(&row.trigger);
        let own = trigger.as_ref().map_or_else(|| "".into(), |trigger| trigger.package.clone());
        let Some(Target::Service(package, service)) = trigger.map(|t| t.target.clone()) else {
            return Ok(());
        };
        let content = self.content_of(&row).await?;
        let full = format!("{package}/{service}");
        let key = entry.to_string();
        let input = Value::Context(content);
        let mut call = call_with(&full, input, key, row.attempts + 1, self.now_ms);
        let what = What {
            kind: Kind::Trigger,
            name: full.as_str().into(),
            owner: entry.0,
            since: crate::clock::instant(),
        };
        let entered = self.gates.try_enter([&own, &package], &Chain::default(), what);
        let Some(admission) = entered else {
            self.hold_trigger_call(entry, row);
            return Ok(());
        };
        call.chain = admission.chain();
        let (services, gates) = (self.services.clone(), self.gates.clone());
        let tree = Gated { services, gates, kind: Kind::Trigger, owner: entry.0 };
        self.calls.spawn(async move {
            let failure =
                tree.run(call, &Printed::default()).await.err().map(|failure| match failure {
                    Failure::Error { code, message } => format!("error `{code}`: {message}"),
                    Failure::Transient { message, .. } | Failure::Permanent { message } => message,
                });
            drop(admission);
            CallDone::Trigger { entry, row, failure }
        });
        Ok(())
    }
}

/// The call of a job's service; `package` is that of its process.
pub(crate) fn call_of(activation: &Activation, package: &str, key: String, now_ms: i64) -> Call {
    let wanted = activation.job_type.strip_prefix(SERVICE_PREFIX).unwrap_or_default();
    let full = service_reference(wanted, package);
    let input = Value::Context(to_context(&activation.variables));
    call_with(&full, input, key, activation.attempt + 1, now_ms)
}

fn call_with(full: &str, input: Value, key: String, attempt: u32, now_ms: i64) -> Call {
    let (package, service) = full.split_once('/').unwrap_or(("", full));
    Call {
        package: package.to_owned(),
        service: service.to_owned(),
        input,
        idempotency_key: key,
        deadline_ms: CALL_MS,
        now_ms,
        attempt,
        chain: Chain::default(),
        depth: 0,
    }
}

/// What a job is told because of how its call ended.
pub(crate) fn answer(activation: &Activation, result: Result<Value, Failure>) -> Command {
    let job = activation.job;
    match result {
        Ok(Value::Context(variables)) => Command::CompleteJob { job, variables },
        Ok(Value::Null) => Command::CompleteJob { job, variables: Context::default() },
        Ok(value) => {
            let variables = Context::new(vec![("result".into(), value)]);
            Command::CompleteJob { job, variables }
        }
        Err(Failure::Error { code, message }) => Command::ThrowError {
            job,
            code: code.into(),
            message: message.into(),
            variables: Context::default(),
        },
        Err(Failure::Transient { message, retry_after_ms }) => {
            let doubled = BACK_OFF_MS.saturating_mul(1 << activation.attempt.min(16));
            let asked = retry_after_ms.and_then(|ms| i64::try_from(ms).ok());
            Command::FailJob {
                job,
                retries: activation.retries - 1,
                message: message.into(),
                back_off_ms: asked.unwrap_or(doubled).min(BACK_OFF_MAX_MS),
                variables: Context::default(),
            }
        }
        Err(Failure::Permanent { message }) => Command::FailJob {
            job,
            retries: 0,
            message: message.into(),
            back_off_ms: 0,
            variables: Context::default(),
        },
    }
}
