//! Documents, messages and trigger queues, as the handle offers them.
//!
//! Boundary: validated here, at the edge; decided in the shard.
//! Read first: [`Node::publish`].

use std::collections::BTreeMap;

use engine::ids::{Address, EntryKey, ShardId};
use feel::{Str, Value};
use store::{DocumentRow, EntryFilter, EntryRow, EntryState};

use super::route::PATIENCE;
use super::unexpected;
use crate::catalog::Catalog;
use crate::cluster::wire::{Answer, Request};
use crate::cluster::{HOME, Table};
use crate::error::Error;
use crate::handle::Node;
use crate::input::{Accepted, NewDocument, NewMessage};

/// The source of documents whose publisher names none.
const SOURCE: &str = "/pointsman";

/// Documents that were for one shard are for several: slots moved.
const PARTED: &str = "moving slots";

/// A document to publish.
#[derive(Debug, Clone)]
pub struct Publication {
    /// CloudEvents `source`, if the publisher gave one.
    pub source: Option<String>,
    /// CloudEvents `id`, if the publisher gave one.
    pub id: Option<String>,
    /// The data: an object.
    pub data: Value,
}

impl Node {
    /// Accepts documents of one type; each is durable when this returns (R17). A bad one refuses
    /// only itself.
    ///
    /// # Errors
    /// [`Error::UnknownType`] for all; per document [`Error::Schema`] or [`Error::Invalid`].
    pub async fn publish(
        &self,
        document_type: &str,
        publications: Vec<Publication>,
    ) -> Result<Vec<Result<Accepted, Error>>, Error> {
        let catalog = self.catalog();
        let Some(known) = catalog.document_type(document_type) else {
            return Err(unknown_type(&catalog, document_type));
        };
        let mut results: Vec<Option<Error>> = Vec::with_capacity(publications.len());
        let mut documents = Vec::with_capacity(publications.len());
        for publication in publications {
            match self.check_document(known, publication) {
                Ok(document) => {
                    documents.push(document);
                    results.push(None);
                }
                Err(error) => results.push(Some(error)),
            }
        }
        let accepted = self.accept(documents).await?;
        let mut accepted = accepted.into_iter();
        let merged = results.into_iter().map(|refused| match refused {
            Some(error) => Err(error),
            None => {
                accepted.next().ok_or(Error::Internal { detail: "an answer is missing".into() })
            }
        });
        Ok(merged.collect())
    }

    /// Has documents accepted: each by the shard that recognises its id, if it has one, else by
    /// one of this server.
    async fn accept(&self, documents: Vec<NewDocument>) -> Result<Vec<Accepted>, Error> {
        let mut all: Vec<Option<Accepted>> = vec![None; documents.len()];
        let mut left: Vec<(usize, NewDocument)> = documents.into_iter().enumerate().collect();
        let until = crate::clock::instant() + PATIENCE;
        while !left.is_empty() {
            if crate::clock::instant() >= until {
                return Err(Error::Unavailable { doing: PARTED });
            }
            let groups = self.groups(left)?.into_iter().map(|(shard, group)| async move {
                let documents = group.iter().map(|(_, document)| document.clone()).collect();
                let request = Request::Publish { shard, documents };
                match self.route_by(request, together).await {
                    Ok(Answer::Accepted(accepted)) => Ok((group, accepted)),
                    Ok(other) => Err(unexpected(&other)),
                    // They are asked for again, each at its shard.
                    Err(Error::Unavailable { doing: PARTED }) => Ok((group, Vec::new())),
                    Err(error) => Err(error),
                }
            });
            left = Vec::new();
            for (group, accepted) in futures_util::future::try_join_all(groups).await? {
                if accepted.is_empty() {
                    left.extend(group);
                    continue;
                }
                for ((position, _), accepted) in group.into_iter().zip(accepted) {
                    all[position] = Some(accepted);
                }
            }
        }
        all.into_iter()
            .map(|one| one.ok_or(Error::Internal { detail: "an answer is missing".into() }))
            .collect()
    }

    /// Documents with their places, by the shard that is to accept them.
    fn groups(
        &self,
        documents: Vec<(usize, NewDocument)>,
    ) -> Result<BTreeMap<ShardId, Vec<(usize, NewDocument)>>, Error> {
        let any = self.any_shard()?;
        let table = self.inner.routes.table();
        let mut groups: BTreeMap<ShardId, Vec<(usize, NewDocument)>> = BTreeMap::new();
        for (place, document) in documents {
            let own = document.id.as_ref().and_then(|id| table.shard_of_id(&document.source, id));
            groups.entry(own.unwrap_or(any)).or_default().push((place, document));
        }
        Ok(groups)
    }

    fn check_document(
        &self,
        known: &crate::catalog::Type,
        publication: Publication,
    ) -> Result<NewDocument, Error> {
        let Value::Context(content) = publication.data else {
            let detail = format!("a document is an object, found {}", publication.data.kind_name());
            return Err(Error::Invalid { detail });
        };
        let data = Value::Context(content);
        known.schema().validate(&data).map_err(|violations| Error::Schema {
            name: known.name.to_string(),
            detail: violations
                .first()
                .map(|first| format!("at `{}`: {}", first.pointer, first.message))
                .unwrap_or_default(),
            violations: violations.into_iter().map(|v| (v.pointer, v.message)).collect(),
        })?;
        let Value::Context(content) = data else { unreachable!("it was a context above") };
        // The same at every server: a publisher that tries again elsewhere is recognised.
        let source = publication.source.unwrap_or_else(|| SOURCE.to_owned());
        Ok(NewDocument {
            document_type: known.name.clone(),
            source: source.into(),
            id: publication.id.filter(|id| !id.is_empty()).map(Str::from),
            content,
        })
    }

    /// Publishes a message to waiting instances and message start events. Answers its key.
    ///
    /// # Errors
    /// [`Error::Exists`] if one of the same id is still buffered.
    pub async fn publish_message(&self, message: NewMessage) -> Result<u64, Error> {
        if message.name.is_empty() {
            return Err(Error::Invalid { detail: "a message needs a name".into() });
        }
        let address = Address::Bucket { name: message.name.clone(), key: message.key.clone() };
        let request = Request::Message { shard: HOME, message };
        let asked = self.route_by(request, |table, request| {
            let found = table.shard_of(&address);
            if let (Some(found), Request::Message { shard, .. }) = (found, request) {
                *shard = found;
            }
            Ok(found)
        });
        match asked.await? {
            Answer::Number(key) => Ok(key),
            other => Err(unexpected(&other)),
        }
    }

    /// Entries of trigger queues in a state.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn entries(
        &self,
        state: EntryState,
        trigger: Option<&str>,
        after: Option<EntryKey>,
        limit: u32,
    ) -> Result<Vec<(EntryKey, EntryRow)>, Error> {
        let trigger = trigger.map(Str::from);
        let filter = EntryFilter { state: Some(state), trigger, shard: None, after, limit };
        Ok(self.inner.store.entries(&filter).await?)
    }

    /// One entry with its document.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn entry(&self, key: EntryKey) -> Result<(EntryRow, Option<DocumentRow>), Error> {
        let store = &self.inner.store;
        let Some(row) = store.entry(key).await? else {
            return Err(Error::not_found("entry", &key.0));
        };
        let document = store.document(row.document).await?;
        Ok((row, document))
    }

    /// Queues dead or parked entries again. Answers how many there were.
    ///
    /// # Errors
    /// Those of the shard.
    pub async fn replay(&self, entries: Vec<EntryKey>) -> Result<u64, Error> {
        self.for_entries(entries, |shard, entries| Request::Replay { shard, entries }).await
    }

    /// Throws entries away that are not in process. Answers how many there were.
    ///
    /// # Errors
    /// Those of the shard.
    pub async fn discard(&self, entries: Vec<EntryKey>) -> Result<u64, Error> {
        self.for_entries(entries, |shard, entries| Request::Discard { shard, entries }).await
    }

    /// Asks each shard for its entries, and adds the answers up.
    async fn for_entries(
        &self,
        entries: Vec<EntryKey>,
        request: impl Fn(ShardId, Vec<EntryKey>) -> Request,
    ) -> Result<u64, Error> {
        let table = self.inner.routes.table();
        let mut of_shards: BTreeMap<ShardId, Vec<EntryKey>> = BTreeMap::new();
        for entry in entries {
            of_shards.entry(table.shard_of_key(entry.0)).or_default().push(entry);
        }
        if of_shards.is_empty() {
            // Still an answer of a shard, and not only of this handle.
            of_shards.insert(HOME, Vec::new());
        }
        let mut number = 0;
        for (shard, entries) in of_shards {
            match self.route(shard, request(shard, entries)).await? {
                Answer::Number(of_shard) => number += of_shard,
                other => return Err(unexpected(&other)),
            }
        }
        Ok(number)
    }
}

/// The shard that recognises all documents of a request.
fn together(table: &Table, request: &mut Request) -> Result<Option<ShardId>, Error> {
    let Request::Publish { shard, documents } = request else { return Ok(None) };
    let of = |new: &NewDocument| table.shard_of_id(&new.source, new.id.as_ref()?);
    let mut own = documents.iter().filter_map(of);
    if let Some(first) = own.next() {
        if own.any(|other| other != first) {
            return Err(Error::Unavailable { doing: PARTED });
        }
        *shard = first;
    }
    Ok(Some(*shard))
}

fn unknown_type(catalog: &Catalog, name: &str) -> Error {
    let nearest = catalog
        .document_types
        .keys()
        .min_by_key(|known| distance(known.rsplit('/').next().unwrap_or(known), name))
        .map(ToString::to_string);
    Error::UnknownType { name: name.to_owned(), nearest }
}

/// Edit distance, for a hint.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
