//! Deliveries: what a trigger does with a document, and what becomes of a failed one (R18, R22).
//!
//! Boundary: the enabled version, the filter and the key are looked up at each delivery, so that
//! a later one may find another world.
//! Read first: [`Shard::deliver`], then [`Shard::conclude`].

use std::sync::Arc;

use engine::ids::{EntryKey, InstanceKey, MessageKey};
use engine::message::Command as BucketCommand;
use engine::{Origin, Start};
use feel::{Context, Environment, Expression, Scope, Str, Value};
use host::package::WhenDisabled;
use store::{EntryRow, EntryState};

use crate::catalog::{Definition, Target, Trigger};
use crate::error::Error;
use crate::published::Counters;

use super::Shard;
use super::documents::Document;

/// The longest pause before a redelivery, in milliseconds.
const BACK_OFF_MAX_MS: i64 = 3_600_000;

/// What became of a delivery.
pub(super) enum Delivery {
    /// Acknowledged.
    Done,
    /// Acknowledged when the instance ends.
    InProcess(InstanceKey),
    /// Acknowledged when the service has answered.
    Called,
    /// Waits until the process is enabled.
    Parked,
    /// To be tried again.
    Failed(String),
    /// Not to be tried again.
    Dead(String),
}

struct DocumentScope<'a> {
    content: &'a Context,
    event: &'a Value,
}

impl Scope for DocumentScope<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        match self.content.get(name) {
            None if name == "event" => Some(self.event),
            found => found,
        }
    }
}

impl Shard {
    /// Hands a document to what its trigger starts or joins.
    pub(super) async fn deliver(
        &mut self,
        trigger: &Trigger,
        entry: EntryKey,
        document: &Document,
    ) -> Result<Delivery, Error> {
        let event = if trigger.filter.is_some() || trigger.correlation_key.is_some() {
            event_of(document)
        } else {
            Value::Null
        };
        let scope = DocumentScope { content: &document.content, event: &event };
        if let Some(filter) = &trigger.filter {
            match self.evaluate(filter, &scope) {
                Value::Boolean(true) => {}
                Value::Boolean(false) | Value::Null => return Ok(Delivery::Done),
                other => {
                    let found = other.kind_name();
                    return Ok(Delivery::Failed(format!(
                        "filter `{}` must be true or false, found {found}",
                        filter.text()
                    )));
                }
            }
        }
        let process = match &trigger.target {
            Target::Process(process) => process,
            Target::Service(..) => return Ok(Delivery::Called),
        };
        let Some(definition) = self.catalog.enabled(process).cloned() else {
            return Ok(match trigger.when_disabled {
                WhenDisabled::Acknowledge => Delivery::Done,
                WhenDisabled::Park => Delivery::Parked,
                WhenDisabled::DeadLetter => {
                    Delivery::Dead(format!("no version of process `{process}` is enabled"))
                }
            });
        };
        if let Some(expression) = &trigger.correlation_key {
            let key: Str = match self.evaluate(expression, &scope) {
                Value::String(key) => key,
                Value::Number(number) => number.to_string().into(),
                other => {
                    return Ok(Delivery::Failed(format!(
                        "correlation key `{}` must be text or a number, found {}",
                        expression.text(),
                        other.kind_name()
                    )));
                }
            };
            return self.correlate(trigger, process, key, document).await;
        }
        Ok(self.start_for(trigger, &definition, entry, document))
    }

    fn evaluate(&self, expression: &Expression, scope: &DocumentScope<'_>) -> Value {
        let steps_max = self.settings.limits.feel_steps_max;
        expression.evaluate(scope, &Environment { now_ms: self.now_ms, steps_max }).value
    }

    /// Starts or joins by key; atomic, because the bucket decides (R28).
    async fn correlate(
        &mut self,
        trigger: &Trigger,
        process: &Str,
        key: Str,
        document: &Document,
    ) -> Result<Delivery, Error> {
        let command = BucketCommand::Publish {
            message: MessageKey(self.loose_key()),
            id: "".into(),
            variables: document.content.clone(),
            deadline_ms: self.now_ms.saturating_add(trigger.time_to_live_ms),
            only: Some(process.clone()),
        };
        match self.tell_bucket((trigger.message.clone(), key), command).await? {
            Ok(_) => Ok(Delivery::Done),
            Err(rejection) => Ok(Delivery::Failed(Error::from(rejection).to_string())),
        }
    }

    fn start_for(
        &mut self,
        trigger: &Trigger,
        definition: &Arc<Definition>,
        entry: EntryKey,
        document: &Document,
    ) -> Delivery {
        let starts = crate::catalog::message_starts(&definition.program);
        let named = starts.iter().find(|(name, _)| *name == trigger.message);
        let has_none_start = crate::catalog::has_none_start(&definition.program);
        let only = (!has_none_start).then(|| starts.first()).flatten();
        let start = Start {
            element: named.or(only).map(|(_, element)| element.0),
            variables: document.content.clone(),
            caller: None,
            origin: definition.straight_through.then_some(Origin::Entry(entry)),
            holds: None,
            business_key: None,
        };
        match self.begin(definition, start) {
            Ok((instance, decision)) => {
                if definition.straight_through {
                    // Before the effects: the end of the instance takes the entry away again.
                    self.note(instance, decision);
                    return Delivery::InProcess(instance);
                }
                self.note(instance, decision);
                Delivery::Done
            }
            Err(rejection) => Delivery::Failed(Error::from(rejection).to_string()),
        }
    }

    /// Writes down what became of a delivery.
    pub(super) fn conclude(
        &mut self,
        trigger: &Trigger,
        (entry, row): (EntryKey, EntryRow),
        delivery: Delivery,
        fresh: bool,
    ) {
        let since_ms = self.now_ms;
        let row = match delivery {
            Delivery::Done => None,
            Delivery::InProcess(instance) => Some(EntryRow {
                state: EntryState::InProcess,
                due_ms: since_ms,
                instance: Some(instance),
                reason: None,
                ..row
            }),
            Delivery::Called => {
                let row = EntryRow {
                    state: EntryState::InProcess,
                    due_ms: since_ms,
                    reason: None,
                    ..row
                };
                self.batch.after.trigger_calls.push((entry, row.clone()));
                Some(row)
            }
            Delivery::Parked => {
                Some(EntryRow { state: EntryState::Parked, due_ms: since_ms, ..row })
            }
            Delivery::Dead(reason) => Some(self.dead(row, reason)),
            Delivery::Failed(reason) => Some(self.failed(trigger, entry, row, reason)),
        };
        self.batch.set_entry(entry, fresh, row);
    }

    fn failed(
        &mut self,
        trigger: &Trigger,
        entry: EntryKey,
        row: EntryRow,
        reason: String,
    ) -> EntryRow {
        let attempts = row.attempts + 1;
        if attempts > trigger.retries {
            return self.dead(EntryRow { attempts, ..row }, reason);
        }
        let pause = trigger.back_off_ms.saturating_mul(1 << (attempts - 1).min(20));
        let row = EntryRow {
            state: EntryState::Queued,
            attempts,
            due_ms: self.now_ms.saturating_add(pause.min(BACK_OFF_MAX_MS)),
            instance: None,
            reason: Some(reason.into()),
            ..row
        };
        self.entries.add(entry, row.clone());
        row
    }

    fn dead(&mut self, row: EntryRow, reason: String) -> EntryRow {
        Counters::add(&self.published.counters.dead_letters, 1);
        EntryRow {
            state: EntryState::Dead,
            due_ms: self.now_ms,
            instance: None,
            reason: Some(reason.into()),
            ..row
        }
    }

    /// Delivers an entry again.
    pub(super) async fn redeliver(&mut self, entry: EntryKey, row: EntryRow) -> Result<(), Error> {
        let Some(trigger) = self.trigger(&row.trigger) else {
            let reason = format!("there is no trigger `{}` any more", row.trigger);
            let row = self.dead(row, reason);
            self.batch.set_entry(entry, false, Some(row));
            return Ok(());
        };
        let Some(document) = self.document(row.document).await? else {
            let row = self.dead(row, "the document's content is gone".to_owned());
            self.batch.set_entry(entry, false, Some(row));
            return Ok(());
        };
        let Some(_admission) = self.admit_delivery(&trigger, entry) else {
            self.hold_entry(entry, row);
            return Ok(());
        };
        let delivery = self.deliver(&trigger, entry, &document).await?;
        self.conclude(&trigger, (entry, row), delivery, false);
        self.settle().await
    }

    /// A trigger's service has answered.
    pub(super) fn conclude_call(
        &mut self,
        entry: EntryKey,
        row: EntryRow,
        failure: Option<String>,
    ) {
        let trigger = self.trigger(&row.trigger);
        match (failure, trigger) {
            (None, _) => self.batch.set_entry(entry, false, None),
            (Some(reason), Some(trigger)) => {
                self.conclude(&trigger, (entry, row), Delivery::Failed(reason), false);
            }
            (Some(reason), None) => {
                let row = self.dead(row, reason);
                self.batch.set_entry(entry, false, Some(row));
            }
        }
    }
}

fn event_of(document: &Document) -> Value {
    Value::Context(Context::new(vec![
        ("id".into(), Value::String(document.id.clone())),
        ("source".into(), Value::String(document.source.clone())),
        ("type".into(), Value::String(document.document_type.clone())),
    ]))
}
