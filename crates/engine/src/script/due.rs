//! What comes due as the clock moves: timers, leases, messages, timer start events.
//!
//! Boundary: the clock is moved by inputs only.
//! Read first: [`World::advance`].

use alloc::format;
use alloc::string::{String, ToString};

use bpmn::{Kind, Program, StartTrigger};
use feel::{Context, Environment, NoVariables, Str};

use crate::command::{Command, Start};
use crate::event::Repeat;
use crate::ids::{InstanceKey, JobKey};
use crate::time;
use crate::{lock, message};

use super::world::World;

/// More than this at one input is a fault of the scenario.
const FIRINGS_MAX: u32 = 1_000;

/// An armed timer start event.
#[derive(Debug)]
pub(super) struct Schedule {
    process: String,
    element: u32,
    due_ms: i64,
    repeat: Repeat,
}

enum Due {
    Timer(InstanceKey, u64),
    Lease(InstanceKey, JobKey),
    Expiry(Str, Str),
    LockExpiry(Str),
    Schedule(usize),
}

impl World {
    /// Arms the timer start events of a new version; those of the old one are gone.
    pub(super) fn schedule(&mut self, process: &str, program: &Program) -> Result<(), String> {
        self.rows.schedules.retain(|schedule| schedule.process != process);
        let environment = Environment { now_ms: self.now_ms(), steps_max: 1_000 };
        for (element, node) in (0..).zip(&program.elements) {
            let Kind::Start(StartTrigger::Timer(timer)) = &node.kind else { continue };
            let value = timer.expression.evaluate(&NoVariables, &environment).value;
            let time::Schedule { due_ms, repeat } =
                time::schedule(timer.text, &value, self.now_ms())?;
            let process = process.to_string();
            self.rows.schedules.push(Schedule { process, element, due_ms, repeat });
        }
        Ok(())
    }

    /// Moves the clock to each moment at which something is due, and at last to `target_ms`.
    pub(super) fn advance(&mut self, target_ms: i64) {
        for _ in 0..FIRINGS_MAX {
            let Some((due_ms, due)) = self.next_due().filter(|(due_ms, _)| *due_ms <= target_ms)
            else {
                self.aliases.now_ms = self.now_ms().max(target_ms);
                return;
            };
            self.aliases.now_ms = self.now_ms().max(due_ms);
            self.fire(due_ms, due);
            self.settle();
        }
        self.say("… and so on");
    }

    fn next_due(&self) -> Option<(i64, Due)> {
        let timers = self.rows.timers.iter().next();
        let timer = timers.map(|((due, timer), instance)| (*due, Due::Timer(*instance, *timer)));
        let leases = self.rows.jobs.iter().filter_map(|(job, (instance, deadline))| {
            deadline.map(|deadline| (deadline, Due::Lease(*instance, *job)))
        });
        let expiry = self.rows.expiries.iter().next();
        let expiry = expiry.map(|(due, name, key)| (*due, Due::Expiry(name.clone(), key.clone())));
        let lock = self.rows.lock_expiries.iter().next();
        let lock = lock.map(|(due, name)| (*due, Due::LockExpiry(name.clone())));
        let schedules = self.rows.schedules.iter().enumerate();
        let schedules = schedules.map(|(at, schedule)| (schedule.due_ms, Due::Schedule(at)));
        let expiries = expiry.into_iter().chain(lock);
        timer.into_iter().chain(leases).chain(expiries).chain(schedules).min_by_key(|(due, _)| *due)
    }

    fn fire(&mut self, due_ms: i64, due: Due) {
        match due {
            Due::Timer(instance, id) => {
                if !self.try_tell(instance, Command::FireTimer { id, due_ms }) {
                    self.rows.timers.remove(&(due_ms, id));
                }
            }
            Due::Lease(instance, job) => {
                if !self.try_tell(instance, Command::ExpireLease { job }) {
                    self.rows.jobs.remove(&job);
                }
            }
            Due::Expiry(name, key) => {
                self.rows.expiries.remove(&(due_ms, name.clone(), key.clone()));
                self.tell_bucket(&(name, key), message::Command::Expire);
            }
            Due::LockExpiry(name) => {
                self.rows.lock_expiries.remove(&(due_ms, name.clone()));
                // Waking is never refused.
                let _accepted = self.tell_lock(&name, &lock::Command::Expire);
            }
            Due::Schedule(at) => self.fire_schedule(at),
        }
    }

    fn fire_schedule(&mut self, at: usize) {
        let schedule = &mut self.rows.schedules[at];
        let (process, element) = (schedule.process.clone(), schedule.element);
        match time::next(schedule.due_ms, schedule.repeat) {
            Some((due_ms, repeat)) => (schedule.due_ms, schedule.repeat) = (due_ms, repeat),
            None => {
                self.rows.schedules.remove(at);
            }
        }
        if !self.models.get(&process).is_some_and(|model| model.enabled) {
            return self.say(&format!("  {process} is not enabled"));
        }
        let start = Start {
            element: Some(element),
            variables: Context::default(),
            caller: None,
            origin: None,
            holds: None,
            business_key: None,
        };
        if let Ok((instance, effects)) = self.start(&process, start, None) {
            self.enqueue(instance, effects);
        }
    }
}
