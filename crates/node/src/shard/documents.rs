//! Documents and triggers: publishing, delivery, redelivery, dead letters (R17, R18, R22, R37).
//!
//! Boundary: a document that every trigger has finished with in the same batch leaves no rows;
//! one that waits, runs or failed has one row per trigger and one for its content.
//! Invariants: DOC-1 the publisher hears of an accepted document only after it is durable: as
//! rows, or as what it started. DOC-2 the same (source, id) is accepted once.
//! Read first: [`Shard::publish`], then `delivery`.

use std::sync::Arc;

use engine::ids::{DocumentKey, EntryKey, InstanceKey};
use feel::{Context, Str, Value};
use store::{EntryRow, EntryState, Seen};

use crate::catalog::Trigger;
use crate::cluster::routes::slot_of_id;
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

/// Where a document comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// A publisher; the server's queue bounds how much at once.
    Outside,
    /// An instance; too much at once waits for a later pass.
    Inside,
}

impl Shard {
    /// Accepts documents and delivers each to the triggers that subscribe to its type; none of
    /// them if this is not the shard that recognises their ids.
    pub(super) async fn publish(
        &mut self,
        documents: Vec<NewDocument>,
    ) -> Result<Result<Vec<Accepted>, Error>, Error> {
        if !documents.iter().all(|new| self.recognises(new)) {
            return Ok(Err(Error::Unavailable { doing: "moving a slot" }));
        }
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
            accepted.push(self.accept(new, Arrival::Outside).await?);
        }
        Ok(Ok(accepted))
    }

    /// Whether this shard recognises the id of a document, if it has one.
    fn recognises(&self, new: &NewDocument) -> bool {
        let slot = new.id.as_ref().map(|id| slot_of_id(&new.source, id));
        slot.is_none_or(|slot| self.slots.has(slot))
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

    async fn accept(&mut self, new: NewDocument, arrival: Arrival) -> Result<Accepted, Error> {
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
        // SGT-1: a package that was told to be there has its share of every document from then on.
        self.catch_up();
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
            let Some(_admission) = self.admit_delivery(&trigger, entry) else {
                self.hold_entry(entry, row.clone());
                self.batch.set_entry(entry, true, Some(row));
                self.batch.documents.insert(key, document.clone());
                continue;
            };
            let is_held = self.settings.maintenance.is_some();
            if is_held || (arrival == Arrival::Inside && self.is_long()) {
                self.entries.add(entry, row.clone());
                self.batch.set_entry(entry, true, Some(row));
            } else {
                let delivery = self.deliver(&trigger, entry, &document).await?;
                self.conclude(&trigger, (entry, row), delivery, true);
            }
            if self.batch.entries.contains_key(&entry) {
                self.batch.documents.insert(key, document.clone());
            }
        }
        Ok(Accepted { document: key, id, duplicate: false })
    }

    /// The trigger of this full name.
    pub(super) fn trigger(&self, name: &str) -> Option<Arc<Trigger>> {
        let mut all = self.catalog.triggers.values().flatten();
        all.find(|known| *known.name == *name).cloned()
    }

    /// An entry as it stands: in the open batch, in the unit that is being written, or stored.
    pub(super) async fn entry(&self, key: EntryKey) -> Result<Option<EntryRow>, Error> {
        let open = self.batch.entries.get(&key).map(|(_, row)| row);
        match open.or_else(|| self.entries_in_flight.get(&key)) {
            Some(unwritten) => Ok(unwritten.clone()),
            None => Ok(self.store.entry(key).await?),
        }
    }

    /// The content of an entry's document.
    pub(super) async fn content_of(&self, row: &EntryRow) -> Result<Context, Error> {
        match self.document(row.document).await? {
            Some(document) => Ok(document.content.clone()),
            None => Err(Error::not_found("document", &row.document.0)),
        }
    }

    /// A document: of the open batch, of the unit that is being written, or stored.
    pub(super) async fn document(&self, key: DocumentKey) -> Result<Option<Arc<Document>>, Error> {
        let open = self.batch.documents.get(&key);
        if let Some(unwritten) = open.or_else(|| self.documents_in_flight.get(&key)) {
            return Ok(Some(unwritten.clone()));
        }
        let Some(stored) = self.store.document(key).await? else { return Ok(None) };
        Ok(Some(Arc::new(Document {
            content: context_of(&stored.content)?,
            document_type: stored.document_type,
            id: stored.id,
            source: stored.source,
            at_ms: stored.at_ms,
        })))
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
        self.chain += 1;
        let new = NewDocument { document_type, source, id: Some(id), content };
        self.accept(new, Arrival::Inside).await?;
        Ok(())
    }
}

pub(super) fn context_of(json: &[u8]) -> Result<Context, Error> {
    match feel::json::parse(json) {
        Ok(Value::Context(content)) => Ok(content),
        Ok(_) | Err(_) => {
            Err(Error::Internal { detail: "a stored document is no JSON object".to_owned() })
        }
    }
}
