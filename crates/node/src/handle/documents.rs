//! Documents, messages and trigger queues, as the handle offers them.
//!
//! Boundary: validated here, at the edge; decided in the shard.
//! Read first: [`Node::publish`].

use engine::ids::EntryKey;
use feel::{Str, Value};
use store::{DocumentRow, EntryRow, EntryState};

use crate::catalog::Catalog;
use crate::error::Error;
use crate::handle::Node;
use crate::input::{Accepted, Input, NewDocument, NewMessage};

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
        let accepted = if documents.is_empty() {
            Vec::new()
        } else {
            self.ask(|reply| Input::Publish { documents, reply }).await?
        };
        let mut accepted = accepted.into_iter();
        let merged = results.into_iter().map(|refused| match refused {
            Some(error) => Err(error),
            None => {
                accepted.next().ok_or(Error::Internal { detail: "an answer is missing".into() })
            }
        });
        Ok(merged.collect())
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
        let source = publication.source.unwrap_or_else(|| format!("/{}", self.inner.name));
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
        self.ask(|reply| Input::Message { message, reply }).await
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
        Ok(self.inner.store.entries(state, trigger, after, limit).await?)
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
        self.ask(|reply| Input::Replay { entries, reply }).await
    }

    /// Throws entries away that are not in process. Answers how many there were.
    ///
    /// # Errors
    /// Those of the shard.
    pub async fn discard(&self, entries: Vec<EntryKey>) -> Result<u64, Error> {
        self.ask(|reply| Input::Discard { entries, reply }).await
    }
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
