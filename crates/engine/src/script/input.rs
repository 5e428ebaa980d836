//! The inputs of scenarios, by whom they stand for.
//!
//! - client: `create PROCESS [@ELEMENT] [#NAME] [for=KEY] [entry=N] {…}`,
//!   `publish NAME KEY [ttl=1h] [id=ID] [only=PROCESS] {…}`, `cancel INSTANCE`
//! - worker: `lease JOB [worker=W] [for=60s]`, `complete JOB {…}`, `throw JOB CODE ["WHY"] {…}`,
//!   `fail JOB RETRIES ["WHY"] [back-off=10s] {…}`
//! - operator: `retries JOB N`, `deadline JOB 30s`, `resolve INCIDENT`, `enable PROCESS`,
//!   `disable PROCESS`, `set INSTANCE[/STEP] [local] {…}`
//! - time: `clock 30s` moves step by step to each moment, `jump 30s` at once as after a restart
//! - what else a shard says: `expire JOB`, `release JOB [attempt=N]`, `fire TIMER`,
//!   `continue INSTANCE`, `correlate STEP ELEMENT {…}`, `accept STEP CHILD`, `refuse STEP "WHY"`,
//!   `uncaught STEP CODE`, `child-completed STEP CHILD {…}`, `child-error STEP CHILD CODE`,
//!   `cancel-child INSTANCE`, `quarantine INSTANCE "WHY"`, `server-died INSTANCE SERVER`,
//!   `call-failed STEP CHILD SERVER`, `granted STEP LOCK FENCE`, `timed-out STEP LOCK`,
//!   `lost INSTANCE LOCK FENCE`
//! - locks: see `script::lock`
//! - the scenario itself: `settings …`
//!
//! Boundary: reads a line and hands it to the world.
//! Read first: [`World::input`].

use alloc::format;
use alloc::string::String;

use crate::command::{Caller, CancelledBy, Command, Origin, Reach, Start};
use crate::ids::{EntryKey, IncidentKey, InstanceKey, JobKey, StepKey};

use super::words::{Words, duration_ms};
use super::world::World;

impl World {
    /// Performs one input, with all that follows from it.
    ///
    /// # Errors
    /// If the line cannot be read or names something unknown; nothing was done then.
    pub fn input(&mut self, line: &str) -> Result<(), String> {
        let mut words = Words::parse(line)?;
        let verb = words.take("the input")?;
        match verb.as_str() {
            "create" => self.create(&mut words)?,
            "publish" => self.publish_input(&mut words)?,
            "settings" => return self.set(line),
            "clock" => {
                let ms = duration_ms(&words.take("the duration")?)?;
                self.advance(self.now_ms().saturating_add(ms));
            }
            "jump" => {
                let ms = duration_ms(&words.take("the duration")?)?;
                self.aliases.now_ms = self.now_ms().saturating_add(ms);
            }
            "enable" | "disable" => {
                let process = words.take("the process")?;
                let model = self.models.get_mut(&process);
                let model = model.ok_or_else(|| format!("there is no process `{process}`"))?;
                model.enabled = verb == "enable";
            }
            verb if self.lock_input(verb, &mut words)? => {}
            _ => {
                let (instance, command) = self.command(&verb, &mut words)?;
                if let Err(rejection) = self.tell(instance, command) {
                    self.refuse(instance, &rejection);
                }
            }
        }
        words.finish()?;
        self.settle();
        self.advance(self.now_ms());
        Ok(())
    }

    /// Reads a line of settings: `settings turn=5 run=20 active=10 depth=3 bytes=200 local=no
    /// continue=manual answers=no`.
    pub(super) fn set(&mut self, line: &str) -> Result<(), String> {
        let mut words = Words::parse(line)?;
        words.take("settings")?;
        let mut number = |key: &str, target: &mut u32| -> Result<(), String> {
            if let Some(text) = words.pair(key) {
                *target = text.parse().map_err(|_| format!("`{text}` is no number"))?;
            }
            Ok(())
        };
        number("turn", &mut self.limits.turn_steps_max)?;
        number("run", &mut self.limits.run_steps_max)?;
        number("active", &mut self.limits.active_steps_max)?;
        number("depth", &mut self.limits.call_depth_max)?;
        number("bytes", &mut self.limits.variable_bytes_max)?;
        if let Some(local) = words.pair("local") {
            self.optimize_locally = local != "no";
        }
        if let Some(next) = words.pair("continue") {
            self.manual = next == "manual";
        }
        if let Some(answers) = words.pair("answers") {
            self.answers = answers != "no";
        }
        words.finish()
    }

    fn create(&mut self, words: &mut Words) -> Result<(), String> {
        let process = words.take("the process")?;
        let model = self.models.get(&process);
        let program = &model.ok_or_else(|| format!("there is no process `{process}`"))?.program;
        let element = match words.marked('@') {
            Some(id) => {
                let found = program.find(&id);
                Some(found.ok_or_else(|| format!("there is no element `{id}`"))?.0)
            }
            None => None,
        };
        let origin = match words.pair("entry") {
            Some(text) => {
                let entry = text.parse().map_err(|_| format!("`{text}`"))?;
                Some(Origin::Entry(EntryKey(entry)))
            }
            None => None,
        };
        let start = Start {
            element,
            variables: words.json.clone(),
            caller: None,
            origin,
            holds: None,
            business_key: words.pair("for").map(Into::into),
        };
        match self.start(&process, start, words.marked('#')) {
            Ok((instance, effects)) => self.enqueue(instance, effects),
            Err(rejection) => self.refuse(InstanceKey(0), &rejection),
        }
        Ok(())
    }

    fn publish_input(&mut self, words: &mut Words) -> Result<(), String> {
        let name = words.take("the name")?;
        let key = words.take("the correlation key")?;
        let time_to_live_ms = words.pair("ttl").map_or(Ok(0), |text| duration_ms(&text))?;
        let id = words.pair("id").unwrap_or_default();
        let only = words.pair("only").map(Into::into);
        let publication = (id.into(), time_to_live_ms, words.json.clone());
        self.publish(&(name.into(), key.into()), publication, only);
        Ok(())
    }

    fn command(&self, verb: &str, words: &mut Words) -> Result<(InstanceKey, Command), String> {
        match verb {
            "lease" | "complete" | "fail" | "throw" | "expire" | "release" | "retries"
            | "deadline" => self.job_command(verb, words),
            "resolve" => {
                let name = words.take("the incident")?;
                let incident = IncidentKey(self.aliases.find(&name, "incident", &['n'])?);
                Ok((self.holder(incident.0)?, Command::ResolveIncident { incident }))
            }
            "fire" => {
                let name = words.take("the timer")?;
                let id = self.aliases.find(&name, "timer", &['t', 'j'])?;
                let armed = self.rows.timers.keys().find(|(_, timer)| *timer == id);
                let due_ms = armed.map_or(0, |(due_ms, _)| *due_ms);
                Ok((self.holder(id)?, Command::FireTimer { id, due_ms }))
            }
            "quarantine" => {
                let instance = self.aliases.find_instance(&words.take("the instance")?)?;
                let reason = words.take("the reason")?.into();
                Ok((instance, Command::Quarantine { reason }))
            }
            "server-died" => {
                let instance = self.aliases.find_instance(&words.take("the instance")?)?;
                let server = words.take("the server")?.into();
                Ok((instance, Command::FailForServer { server }))
            }
            "cancel" | "cancel-child" | "continue" => {
                let instance = self.aliases.find_instance(&words.take("the instance")?)?;
                let command = match verb {
                    "cancel" => Command::Cancel { by: CancelledBy::Client },
                    "cancel-child" => Command::Cancel { by: CancelledBy::Caller },
                    _ => Command::Continue,
                };
                Ok((instance, command))
            }
            _ => self.step_command(verb, words),
        }
    }

    fn job_command(&self, verb: &str, words: &mut Words) -> Result<(InstanceKey, Command), String> {
        let name = words.take("the job")?;
        let job = JobKey(self.aliases.find(&name, "job", &['j'])?);
        let variables = words.json.clone();
        let number = |text: String| text.parse().map_err(|_| format!("`{text}` is no number"));
        let command = match verb {
            "lease" => {
                let worker = words.pair("worker").unwrap_or_else(|| String::from("w")).into();
                let ms = words.pair("for").map_or(Ok(60_000), |text| duration_ms(&text))?;
                Command::LeaseJob { job, worker, deadline_ms: self.now_ms().saturating_add(ms) }
            }
            "complete" => Command::CompleteJob { job, variables },
            "fail" => {
                let retries = number(words.take("the number of retries")?)?;
                let message = words.maybe().unwrap_or_default().into();
                let back_off_ms =
                    words.pair("back-off").map_or(Ok(0), |text| duration_ms(&text))?;
                Command::FailJob { job, retries, message, back_off_ms, variables }
            }
            "throw" => {
                let code = words.take("the error code")?.into();
                let message = words.maybe().unwrap_or_default().into();
                Command::ThrowError { job, code, message, variables }
            }
            "expire" => Command::ExpireLease { job },
            "release" => {
                let newest = || Ok(self.attempt(job));
                let named =
                    |text: String| text.parse().map_err(|_| format!("`{text}` is no number"));
                let attempt = words.pair("attempt").map_or_else(newest, named)?;
                Command::ReleaseJob { job, attempt }
            }
            "retries" => {
                let retries = number(words.take("the number of retries")?)?;
                Command::UpdateRetries { job, retries }
            }
            _ => {
                let ms = duration_ms(&words.take("the duration")?)?;
                Command::UpdateDeadline { job, deadline_ms: self.now_ms().saturating_add(ms) }
            }
        };
        Ok((self.holder(job.0)?, command))
    }

    fn step_command(
        &self,
        verb: &str,
        words: &mut Words,
    ) -> Result<(InstanceKey, Command), String> {
        let (instance, step) = self.step(&words.take("the instance or step")?)?;
        let variables = words.json.clone();
        let child = |words: &mut Words| self.aliases.find_instance(&words.take("the child")?);
        let command = match verb {
            "set" => {
                let local = words.maybe().is_some_and(|word| word == "local");
                let reach = if local { Reach::Local } else { Reach::Propagate };
                Command::SetVariables { step, variables, reach }
            }
            "correlate" => {
                let id = words.take("the element")?;
                let running = self.instances.get(&instance);
                let element = running.and_then(|running| running.program.find(&id));
                let element = element.ok_or_else(|| format!("there is no element `{id}`"))?.0;
                Command::Correlate { step, element, variables }
            }
            "accept" => Command::AcceptChild { step, child: child(words)? },
            "refuse" => Command::RefuseChild { step, reason: words.take("the reason")?.into() },
            "child-completed" => Command::CompleteChild { step, child: child(words)?, variables },
            "child-error" => {
                let child = child(words)?;
                let thrower = Caller { instance: child, step: StepKey(child.0), depth: 1 };
                let (code, message) = (words.take("the error code")?.into(), "".into());
                Command::CatchChildError { step, child, thrower, code, message, variables }
            }
            "call-failed" => {
                let (child, server) = (child(words)?, words.take("the server")?.into());
                Command::FailCall { step, child, server }
            }
            "granted" => {
                let name = words.take("the lock")?.into();
                let fence = words.take("the fence")?;
                let fence = fence.parse().map_err(|_| format!("`{fence}` is no number"))?;
                Command::TakeLock { step, name, fence }
            }
            "timed-out" => Command::TimeOutLock { step, name: words.take("the lock")?.into() },
            "lost" => {
                let name = words.take("the lock")?.into();
                let fence = words.take("the fence")?;
                let fence = fence.parse().map_err(|_| format!("`{fence}` is no number"))?;
                Command::LoseLock { name, fence }
            }
            "uncaught" => {
                let (code, message) = (words.take("the error code")?.into(), "".into());
                Command::LeaveUncaught { step, code, message }
            }
            _ => return Err(format!("there is no input `{verb}`")),
        };
        Ok((instance, command))
    }

    /// The instance that a named job, timer or incident belongs to, even if it is gone.
    fn holder(&self, key: u64) -> Result<InstanceKey, String> {
        self.aliases.owner(key).ok_or_else(|| format!("{key} belongs to no instance"))
    }

    /// The number of a job's newest lease.
    fn attempt(&self, job: JobKey) -> u32 {
        let instance = self.aliases.owner(job.0);
        let running = instance.and_then(|instance| self.instances.get(&instance));
        running.and_then(|running| running.state.job(job)).map_or(0, |(_, job)| job.attempt)
    }

    /// `A`, or `A/step`: the newest step with that label.
    pub(super) fn step(&self, text: &str) -> Result<(InstanceKey, StepKey), String> {
        let (name, label) = text.split_once('/').unwrap_or((text, ""));
        let instance = self.aliases.find_instance(name)?;
        if label.is_empty() {
            return Ok((instance, StepKey(instance.0)));
        }
        let running = self.instances.get(&instance);
        let step = running.and_then(|running| running.log.find(label));
        Ok((instance, step.ok_or_else(|| format!("`{name}` never entered `{label}`"))?))
    }
}
