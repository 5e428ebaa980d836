//! Buckets in the world: publishing, and carrying out what they ask for.
//!
//! Boundary: which processes a message may start is looked up here, as a shard does.
//! Read first: [`World::publish`].

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use bpmn::{Kind, StartTrigger};
use feel::{Context, Environment, NoVariables, Str, Value};

use crate::command::{Command, Start};
use crate::ids::MessageKey;
use crate::message::{self, Bucket, StartOption};

use super::world::{Pending, World};

impl World {
    /// Publishes a message: id, time to live, content.
    pub(super) fn publish(
        &mut self,
        at: &(Str, Str),
        (id, time_to_live_ms, variables): (Str, i64, Context),
        only: Option<Str>,
    ) {
        self.messages += 1;
        let message = MessageKey(self.messages);
        self.aliases.name_message(message.0);
        let deadline_ms = self.now_ms().saturating_add(time_to_live_ms);
        let command = message::Command::Publish { message, id, variables, deadline_ms, only };
        self.tell_bucket(at, command);
    }

    pub(super) fn tell_bucket(&mut self, at: &(Str, Str), command: message::Command) {
        let starts = self.starts(&at.0);
        let keyed = !at.1.is_empty();
        let now_ms = self.now_ms();
        let bucket = self.buckets.entry(at.clone()).or_default();
        let before = bucket.clone();
        let result = message::decide(bucket, command, &starts, keyed, now_ms);
        let after = bucket.clone();
        if bucket.is_empty() {
            self.buckets.remove(at);
        }
        match result {
            Ok(decision) => {
                self.show_bucket(at, &before, &after);
                let effects = decision.effects.into_iter();
                self.queue.extend(effects.map(|effect| Pending::Bucket(at.clone(), effect)));
            }
            Err(rejection) => {
                let why = crate::render::Log::default().rejection(&rejection, &self.aliases);
                self.lines.push(format!("! {why}"));
            }
        }
        let mut bytes = Vec::new();
        after.encode_to(&mut bytes);
        assert_eq!(Bucket::decode(&bytes).as_ref().ok(), Some(&after), "a bucket is its snapshot");
    }

    /// What is buffered now and was not before, and the other way round.
    fn show_bucket(&mut self, at: &(Str, Str), before: &Bucket, after: &Bucket) {
        let name = crate::render::message(&at.0, &at.1);
        let holds = |bucket: &Bucket, key: MessageKey| {
            bucket.buffered.iter().any(|message| message.message == key)
        };
        for message in before.buffered.iter().filter(|known| !holds(after, known.message)) {
            let line = format!("  {name} drops {}", self.aliases.message(message.message.0));
            self.say(&line);
        }
        for message in after.buffered.iter().filter(|known| !holds(before, known.message)) {
            let until = crate::render::Names::time(&self.aliases, message.deadline_ms);
            let key = self.aliases.message(message.message.0);
            self.say(&format!("  {name} keeps {key} until {until}"));
        }
    }

    pub(super) fn carry_bucket(&mut self, at: (Str, Str), effect: message::Effect) {
        match effect {
            message::Effect::Correlate { message, process, instance, step, element, variables } => {
                let command = Command::Correlate { step, element, variables };
                if self.tell(instance, command).is_err() {
                    self.say(&format!("  {} came too late", self.aliases.message(message.0)));
                    let command = message::Command::Return { message, process, step, element };
                    self.tell_bucket(&at, command);
                }
            }
            message::Effect::Start { option, variables, holds } => {
                let start = Start {
                    element: Some(option.element),
                    variables,
                    caller: None,
                    origin: None,
                    holds: holds.then(|| at.clone()),
                    business_key: None,
                };
                let Ok((instance, effects)) = self.start(&option.process, start, None) else {
                    return;
                };
                if holds {
                    let holder = message::Holder { process: option.process, instance };
                    self.tell_bucket(&at, message::Command::Hold(holder));
                }
                self.enqueue(instance, effects);
            }
            message::Effect::ArmExpiry { due_ms } => {
                self.rows.expiries.insert((due_ms, at.0, at.1));
            }
        }
    }

    /// The enabled processes that a message of this name starts.
    fn starts(&self, name: &str) -> Vec<StartOption> {
        let environment = Environment { now_ms: self.now_ms(), steps_max: 1_000 };
        let mut starts = Vec::new();
        for (id, model) in self.models.iter().filter(|(_, model)| model.enabled) {
            for (position, element) in (0..).zip(&model.program.elements) {
                let Kind::Start(StartTrigger::Message { name: expression }) = &element.kind else {
                    continue;
                };
                let value = expression.evaluate(&NoVariables, &environment).value;
                if matches!(&value, Value::String(known) if **known == *name) {
                    starts.push(StartOption {
                        process: id.to_string().into(),
                        definition: model.rules.definition,
                        element: position,
                    });
                }
            }
        }
        starts
    }
}
