//! Several instances and buckets on one shard, with a clock that only inputs move.
//!
//! Boundary: decides, shows, and checks every decision (`verify`); what effects do is in `carry`
//! and `bucket`, what comes due in `due`.
//! Read first: [`World`], then [`World::tell`].

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bpmn::Program;
use feel::Str;

use crate::command::{Command, Start};
use crate::effect::Effect;
use crate::ids::{Blocks, DefinitionKey, IncidentKey, InstanceKey, JobKey, ShardId};
use crate::instance::{self, Decision, Instance, Rules};
use crate::limits::{Limits, Stamp};
use crate::lock::{self, Lock};
use crate::message::{self, Bucket};
use crate::rejection::Rejection;
use crate::render::Log;

use super::alias::Aliases;
use super::decision::Decided;
use super::due::Schedule;
use super::{coverage, verify};

/// 2026-01-01T00:00:00Z
const START_MS: i64 = 1_767_225_600_000;

/// Several instances and buckets on one shard.
#[derive(Debug)]
pub struct World {
    pub(super) limits: Limits,
    /// Whether an instance gets its next turn only on request.
    pub(super) manual: bool,
    pub(super) optimize_locally: bool,
    /// Whether calls, thrown errors and requests for locks are answered; otherwise they are left
    /// hanging.
    pub(super) answers: bool,
    pub(super) blocks: Blocks,
    pub(super) messages: u64,
    pub(super) models: BTreeMap<String, Model>,
    pub(super) decisions: Decided,
    pub(super) instances: BTreeMap<InstanceKey, Running>,
    pub(super) buckets: BTreeMap<(Str, Str), Bucket>,
    pub(super) locks: BTreeMap<Str, Lock>,
    pub(super) rows: Rows,
    pub(super) aliases: Aliases,
    /// Effects in the order of the decisions.
    pub(super) queue: VecDeque<Pending>,
    /// Instances that asked for another turn.
    pub(super) turns: VecDeque<InstanceKey>,
    pub(super) lines: Vec<String>,
    /// Which commands met which states.
    pub seen: BTreeSet<coverage::Seen>,
}

/// A deployed process; one version of it may be started.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) program: Rc<Program>,
    pub(super) rules: Rules,
    pub(super) enabled: bool,
}

/// An instance with what it runs on.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) state: Instance,
    pub(super) program: Rc<Program>,
    pub(super) rules: Rules,
    pub(super) log: Log,
}

/// What the effects asked to be kept.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Jobs with workers or waiting for one (then without deadline).
    pub(super) jobs: BTreeMap<JobKey, (InstanceKey, Option<i64>)>,
    pub(super) timers: BTreeMap<(i64, u64), InstanceKey>,
    pub(super) expiries: BTreeSet<(i64, Str, Str)>,
    pub(super) lock_expiries: BTreeSet<(i64, Str)>,
    pub(super) incidents: BTreeMap<IncidentKey, InstanceKey>,
    pub(super) schedules: Vec<Schedule>,
}

/// An effect that has not been carried out.
#[derive(Debug)]
pub(super) enum Pending {
    Instance(InstanceKey, Effect),
    Bucket((Str, Str), message::Effect),
    Lock(Str, lock::Effect),
}

impl Default for World {
    fn default() -> Self {
        let mut aliases = Aliases::default();
        aliases.now_ms = START_MS;
        Self {
            limits: Limits::default(),
            manual: false,
            optimize_locally: true,
            answers: true,
            blocks: Blocks::new(ShardId(1), 1),
            messages: 0,
            models: BTreeMap::new(),
            decisions: Decided::default(),
            instances: BTreeMap::new(),
            buckets: BTreeMap::new(),
            locks: BTreeMap::new(),
            rows: Rows::default(),
            aliases,
            queue: VecDeque::new(),
            turns: VecDeque::new(),
            lines: Vec::new(),
            seen: BTreeSet::new(),
        }
    }
}

impl World {
    /// Deploys and enables a process in its text form; a new version if there is one already.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn deploy(&mut self, text: &str) -> Result<(), String> {
        let program = bpmn::read_text(text).map_err(|found| {
            let found: Vec<String> = found.iter().map(|one| format!("{one:?}")).collect();
            found.join("\n")
        })?;
        self.deploy_program(program)
    }

    fn deploy_program(&mut self, program: Program) -> Result<(), String> {
        let id = program.id.to_string();
        let version = self.models.get(&id).map_or(1, |known| known.rules.version + 1);
        let definition = DefinitionKey(self.blocks.take().first());
        self.decisions.called_by(definition);
        let rules = Rules { definition, version, optimize_locally: self.optimize_locally };
        let program = Rc::new(program);
        self.schedule(&id, &program)?;
        self.models.insert(id, Model { program, rules, enabled: true });
        Ok(())
    }

    /// The lines produced since the last call.
    pub fn take_lines(&mut self) -> Vec<String> {
        core::mem::take(&mut self.lines)
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.aliases.now_ms
    }

    pub(super) fn say(&mut self, line: &str) {
        self.lines.push(format!("| {line}"));
    }

    pub(super) fn refuse(&mut self, by: InstanceKey, rejection: &Rejection) {
        let why = match self.instances.get(&by) {
            Some(running) => running.log.rejection(rejection, &self.aliases),
            None => Log::default().rejection(rejection, &self.aliases),
        };
        self.lines.push(format!("! {why}"));
    }

    /// Starts an instance; its effects come back and are still to be carried out.
    pub(super) fn start(
        &mut self,
        process: &str,
        command: Start,
        wish: Option<String>,
    ) -> Result<(InstanceKey, Vec<Effect>), Rejection> {
        let Some(model) = self.models.get(process) else {
            return Err(Rejection::NoStart { wanted: process.to_string() });
        };
        let (program, rules) = (Rc::clone(&model.program), model.rules);
        let key = InstanceKey(self.blocks.take().first());
        let caller = command.caller.map(|caller| caller.instance);
        let mut stamp = Stamp {
            now_ms: self.aliases.now_ms,
            limits: &self.limits,
            blocks: &mut self.blocks,
            decisions: &self.decisions,
        };
        let (state, decision) = instance::start(key, &program, &rules, command, &mut stamp)?;
        self.aliases.name_instance(key, wish, caller);
        verify::started(&state, &decision.events);
        self.instances.insert(key, Running { state, program, rules, log: Log::default() });
        self.show(key, &decision);
        Ok((key, decision.effects))
    }

    /// Decides on a command; the effects come back and are still to be carried out.
    pub(super) fn decide(
        &mut self,
        key: InstanceKey,
        command: Command,
    ) -> Result<Vec<Effect>, Rejection> {
        let running = self.instances.get_mut(&key).ok_or(Rejection::InstanceGone(key))?;
        let before = running.state.clone();
        let subjects = coverage::subjects(&before, &command);
        let mut stamp = Stamp {
            now_ms: self.aliases.now_ms,
            limits: &self.limits,
            blocks: &mut self.blocks,
            decisions: &self.decisions,
        };
        let (program, rules) = (Rc::clone(&running.program), running.rules);
        let result = instance::decide(&mut running.state, &program, &rules, command, &mut stamp);
        self.seen.extend(coverage::outcomes(subjects, &running.state, &result));
        match result {
            Ok(decision) => {
                verify::decided(before, &running.state, &decision.events);
                self.show(key, &decision);
                Ok(decision.effects)
            }
            Err(rejection) => {
                assert_eq!(running.state, before, "DEC-1: a rejected command changed the state");
                Err(rejection)
            }
        }
    }

    /// Decides on a command and has its effects carried out.
    pub(super) fn tell(&mut self, key: InstanceKey, command: Command) -> Result<(), Rejection> {
        let effects = self.decide(key, command)?;
        self.enqueue(key, effects);
        Ok(())
    }

    pub(super) fn enqueue(&mut self, key: InstanceKey, effects: Vec<Effect>) {
        self.queue.extend(effects.into_iter().map(|effect| Pending::Instance(key, effect)));
    }

    fn show(&mut self, key: InstanceKey, decision: &Decision) {
        let Some(running) = self.instances.get_mut(&key) else { return };
        let mut lines = Vec::new();
        for event in &decision.events {
            self.aliases.learn(key, event);
            lines.extend(running.log.event(event, &running.program, &self.aliases));
        }
        for effect in decision.effects.iter().filter(|effect| is_shown(effect)) {
            let line = running.log.effect(effect, &running.program, &self.aliases);
            lines.push(format!("  -> {line}"));
        }
        if let Some(activation) = &decision.activation {
            let variables = crate::value::to_context(&activation.variables);
            let mut line =
                format!("  {} gets {}", activation.worker, crate::render::json(&variables));
            for (name, value) in &activation.headers {
                line.push_str(&format!(", {name}: {value}"));
            }
            lines.push(line);
        }
        self.lines.extend(lines.into_iter().map(|line| format!("| {line}")));
    }
}

/// Whether an effect says more than the events: the others are checked against the state.
fn is_shown(effect: &Effect) -> bool {
    match effect {
        Effect::PublishMessage { .. }
        | Effect::PublishDocument { .. }
        | Effect::Continue { .. }
        | Effect::End { origin: Some(_), .. }
        | Effect::End { holds: Some(_), .. } => true,
        Effect::OfferJob { .. }
        | Effect::KeepLease { .. }
        | Effect::DropJob { .. }
        | Effect::ArmTimer { .. }
        | Effect::DisarmTimer { .. }
        | Effect::Subscribe { .. }
        | Effect::Unsubscribe { .. }
        | Effect::StartChild { .. }
        | Effect::CancelChild { .. }
        | Effect::FailChild { .. }
        | Effect::ReportToCaller { .. }
        | Effect::ReportUncaught { .. }
        | Effect::AcquireLock { .. }
        | Effect::ReleaseLock { .. }
        | Effect::OpenIncident { .. }
        | Effect::CloseIncident { .. }
        | Effect::ClaimBlock { .. }
        | Effect::End { .. } => false,
    }
}
