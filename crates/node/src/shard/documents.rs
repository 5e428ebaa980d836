//! Documents and triggers: publishing, delivery, redelivery, dead letters (R17, R18, R22, R37).
//!
//! Boundary: a document that every trigger has finished with in the same batch leaves no rows;
//! one that waits, runs or failed has one row per trigger and one for its content.
//! Invariants: DOC-1 the publisher hears of an accepted document only after it is durable: as
//! rows, or as what it started. DOC-2 the same (source, id) is accepted once.
//! Read first: [`Shard::publish`], then [`Shard::deliver`].

use std::sync::Arc;

use engine::Start;
use engine::ids::{DocumentKey, EntryKey, InstanceKey, MessageKey};
use engine::message::Command as BucketCommand;
use feel::{Context, Environment, Expression, Scope, Str, Value};
use host::package::WhenDisabled;
use store::{EntryRow, EntryState, Seen};

use crate::catalog::{Definition, Target, Trigger};
use crate::error::Error;
use crate::input::{Accepted, NewDocument};
use crate::published::Counters;

use super::Shard;

/// A document of the open batch.
pub(super) struct Document {
    pub(super) document_type: Str,
    pub(super) id: Str,
    pub(super) source: Str,
    pub(super) at_ms: i64,
    pub(super) content: Context,
}

/// The longest pause before a redelivery, in milliseconds.
const BACK_OFF_MAX_MS: i64 = 3_600_000;

/// What became of a delivery.
enum Delivery {
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
    /// Accepts documents and delivers each to the triggers that subscribe to its type.
    pub(super) async fn publish(
        &mut self,
        documents: Vec<NewDocument>,
    ) -> Result<Vec<Accepted>, Error> {
        let known = self.known(&documents).await?;
        let mut accepted = Vec::with_capacity(documents.len());
        for (new, known) in documents.into_iter().zip(known) {
            let again = new
                .id
                .as_ref()
                .and_then(|id| self.batch.seen.get(&(new.source.clone(), id.clone())).copied());
            if let (Some(document), Some(id)) = (again.or(known), &new.id) {
                Counters::add(&self.published.counters.duplicates, 1);
                accepted.push(Accepted { document, id: id.clone(), duplicate: true });
                continue;
            }
            accepted.push(self.accept(new).await?);
        }
        Ok(accepted)
    }

    /// The documents of these ids that were accepted before this batch.
    async fn known(&self, documents: &[NewDocument]) -> Result<Vec<Option<DocumentKey>>, Error> {
        let named: Vec<(Str, Str)> = documents
            .iter()
            .filter_map(|new| new.id.clone().map(|id| (new.source.clone(), id)))
            .collect();
        if named.is_empty() {
            return Ok(vec![None; documents.len()]);
        }
        let mut found = self.store.seen(&named).await?.into_iter();
        let in_flight = &self.seen_in_flight;
        Ok(documents
            .iter()
            .map(|new| {
                let id = new.id.clone()?;
                let stored = found.next().flatten();
                stored.or_else(|| in_flight.get(&(new.source.clone(), id)).copied())
            })
            .collect())
    }

    async fn accept(&mut self, new: NewDocument) -> Result<Accepted, Error> {
        let key = DocumentKey(self.loose_key());
        self.batch.changes += 1;
        Counters::add(&self.published.counters.documents, 1);
        let id = match new.id {
            Some(id) => {
                self.batch.seen.insert((new.source.clone(), id.clone()), key);
                let (source, at_ms) = (new.source.clone(), self.now_ms);
                self.batch.unit.seen.push(Seen { source, id: id.clone(), document: key, at_ms });
                id
            }
            None => key.to_string().into(),
        };
        let document = Document {
            document_type: new.document_type,
            id: id.clone(),
            source: new.source,
            at_ms: self.now_ms,
            content: new.content,
        };
        let triggers = self.catalog.triggers.get(&document.document_type).cloned();
        let document = Arc::new(document);
        for trigger in triggers.unwrap_or_default() {
            let entry = EntryKey(self.loose_key());
            let row = EntryRow {
                trigger: trigger.name.clone(),
                document: key,
                state: EntryState::Queued,
                attempts: 0,
                due_ms: self.now_ms,
                instance: None,
                reason: None,
            };
            let delivery = self.deliver(&trigger, entry, &document).await?;
            self.conclude(&trigger, entry, row, delivery, true);
            if self.batch.entries.contains_key(&entry) {
                self.batch.documents.insert(key, document.clone());
            }
        }
        Ok(Accepted { document: key, id, duplicate: false })
    }

    /// Hands a document to what its trigger starts or joins.
    async fn deliver(
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
            origin: definition.straight_through.then_some(entry),
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
    fn conclude(
        &mut self,
        trigger: &Trigger,
        entry: EntryKey,
        row: EntryRow,
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
        let Some(stored) = self.store.document(row.document).await? else {
            let row = self.dead(row, "the document's content is gone".to_owned());
            self.batch.set_entry(entry, false, Some(row));
            return Ok(());
        };
        let content = context_of(&stored.content)?;
        let document = Document {
            document_type: stored.document_type,
            id: stored.id,
            source: stored.source,
            at_ms: stored.at_ms,
            content,
        };
        let delivery = self.deliver(&trigger, entry, &document).await?;
        self.conclude(&trigger, entry, row, delivery, false);
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
                self.conclude(&trigger, entry, row, Delivery::Failed(reason), false);
            }
            (Some(reason), None) => {
                let row = self.dead(row, reason);
                self.batch.set_entry(entry, false, Some(row));
            }
        }
    }

    /// The trigger of this full name.
    pub(super) fn trigger(&self, name: &str) -> Option<Arc<Trigger>> {
        let mut all = self.catalog.triggers.values().flatten();
        all.find(|known| *known.name == *name).cloned()
    }

    /// The content of an entry's document: of the open batch, or stored.
    pub(super) async fn content_of(&self, row: &EntryRow) -> Result<Context, Error> {
        if let Some(document) = self.batch.documents.get(&row.document) {
            return Ok(document.content.clone());
        }
        match self.store.document(row.document).await? {
            Some(stored) => context_of(&stored.content),
            None => Err(Error::not_found("document", row.document.0)),
        }
    }

    /// Publishes a document on behalf of an instance. A type that no package declares has no
    /// subscribers.
    pub(super) async fn publish_document_from(
        &mut self,
        instance: InstanceKey,
        document_type: &str,
        id: Str,
        content: Context,
    ) -> Result<(), Error> {
        let Some(hot) = self.cache.get(instance) else { return Ok(()) };
        let own = format!("{}/{document_type}", hot.definition.package);
        let known = self.catalog.document_type(&own);
        let Some(known) = known.or_else(|| self.catalog.document_type(document_type)) else {
            return Ok(());
        };
        let document_type = known.name.clone();
        let source: Str = format!("pointsman/{}", hot.state.process).into();
        self.accept(NewDocument { document_type, source, id: Some(id), content }).await?;
        Ok(())
    }
}

fn event_of(document: &Document) -> Value {
    Value::Context(Context::new(vec![
        ("id".into(), Value::String(document.id.clone())),
        ("source".into(), Value::String(document.source.clone())),
        ("type".into(), Value::String(document.document_type.clone())),
    ]))
}

fn context_of(json: &[u8]) -> Result<Context, Error> {
    match feel::json::parse(json) {
        Ok(Value::Context(content)) => Ok(content),
        Ok(_) | Err(_) => {
            Err(Error::Internal { detail: "a stored document is no JSON object".to_owned() })
        }
    }
}
