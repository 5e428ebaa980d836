//! Process requests: accepted, claimed, started, and followed to their end (R40).
//!
//! Boundary: who claims is decided by the store; a claimed request belongs to this shard until it
//! has ended, whichever server owns the shard.
//! Invariants: REQ-1 a claimed request is started once: the unit that starts its instance is the
//! one that says so. REQ-2 the unit that ends an instance ends its request.
//! Read first: [`Shard::claim`].   Tests: `crates/node/tests/requests.rs`

use std::sync::Arc;

use bytes::Bytes;
use engine::ids::{InstanceKey, RequestKey};
use engine::instance::Status;
use engine::{Origin, Start};
use feel::{Context, Str, Value};
use store::{Lease, RequestFilter, RequestRow, RequestState};

use crate::catalog::Definition;
use crate::error::Error;
use crate::input::{Input, Which};

use super::Shard;
use super::documents::context_of;

/// Requests claimed at once.
const CLAIM: u32 = 100;
/// Rows of one page.
const PAGE: u32 = 1_000;
/// Requests accepted here whose time is remembered; the others are found by polling.
const DUES_MAX: usize = 10_000;

impl Shard {
    /// Accepts a request. Answers its key.
    pub(super) fn request(&mut self, process: Str, variables: Context, due_ms: i64) -> u64 {
        let key = RequestKey(self.loose_key());
        let mut json = String::new();
        feel::json::write(&Value::Context(variables), &mut json);
        let row = RequestRow {
            process,
            variables: Bytes::from(json),
            state: RequestState::Waiting,
            at_ms: self.now_ms,
            due_ms,
            shard: None,
            instance: None,
            reason: None,
            ended_ms: None,
        };
        if due_ms <= self.now_ms {
            self.batch.after.claim = true;
        } else if self.dues.len() < DUES_MAX {
            self.dues.insert(due_ms);
            self.claim_ms = self.claim_ms.min(due_ms);
        }
        self.batch.changes += 1;
        self.batch.unit.requests.push((key, Some(row)));
        key.0
    }

    /// Takes requests that wait, and starts them.
    pub(super) async fn claim(&mut self) -> Result<(), Error> {
        if self.settings.maintenance.is_some() {
            self.claim_ms = i64::MAX;
            return Ok(());
        }
        let Lease { shard, epoch, .. } = self.lease;
        if !self.routes.table().is_wanted(shard) {
            self.claim_ms = self.now_ms.saturating_add(self.settings.requests_ms);
            return Ok(());
        }
        let rows = self.store.claim(shard, epoch, CLAIM).await?;
        self.dues = self.dues.split_off(&self.now_ms.saturating_add(1));
        let due_ms = self.dues.first().copied().unwrap_or(i64::MAX);
        self.claim_ms = if rows.len() < CLAIM as usize {
            self.now_ms.saturating_add(self.settings.requests_ms).min(due_ms)
        } else {
            // There may be more: at once, but after others had their turn.
            self.now_ms
        };
        for (key, row) in rows {
            self.start_requested(key, row).await?;
        }
        Ok(())
    }

    /// Starts the instance of a claimed request (REQ-1).
    pub(super) async fn start_requested(
        &mut self,
        key: RequestKey,
        row: RequestRow,
    ) -> Result<(), Error> {
        if self.settings.maintenance.is_some() {
            self.held_requests.push((key, row));
            return Ok(());
        }
        let definition = match self.find_newest(&row.process).await? {
            Ok(definition) => definition,
            Err(error) => {
                self.refuse_request(key, row, &error);
                return Ok(());
            }
        };
        let which = Which::Enabled(definition.process().clone());
        let (definition, _admission) = match self.find_admitted(&which) {
            Ok(found) => found,
            Err(Error::Unavailable { .. }) => {
                self.held_requests.push((key, row));
                return Ok(());
            }
            Err(error) => {
                self.refuse_request(key, row, &error);
                return Ok(());
            }
        };
        let start = Start {
            element: None,
            variables: context_of(&row.variables)?,
            caller: None,
            origin: Some(Origin::Request(key)),
            holds: None,
            business_key: None,
        };
        match self.begin(&definition, start) {
            Ok((instance, decision)) => {
                // A volatile instance is lost with its server: its request is started again then.
                let state = if definition.quality.volatile_tracking {
                    RequestState::Claimed
                } else {
                    RequestState::Running
                };
                let instance_key = Some(instance);
                self.write_request(key, RequestRow { state, instance: instance_key, ..row });
                self.note(instance, decision);
                self.settle().await?;
            }
            Err(rejection) => self.refuse_request(key, row, &Error::from(rejection)),
        }
        Ok(())
    }

    /// The version that a new instance gets: a process that is not known here may have come with a
    /// catalogue that is newer than the one here.
    async fn find_newest(
        &mut self,
        process: &Str,
    ) -> Result<Result<Arc<Definition>, Error>, Error> {
        let which = Which::Enabled(process.clone());
        let found = self.find(&which);
        if found.is_ok() {
            return Ok(found);
        }
        let revision = self.store.pulse().await?.catalog;
        if revision <= self.catalog.revision {
            return Ok(found);
        }
        self.catalogs.refresh(revision).await?;
        self.adopt_catalog().await?;
        Ok(self.find(&which))
    }

    fn refuse_request(&mut self, key: RequestKey, row: RequestRow, why: &Error) {
        let row = RequestRow {
            state: RequestState::Refused,
            reason: Some(why.to_string().into()),
            ended_ms: Some(self.now_ms),
            ..row
        };
        self.write_request(key, row);
    }

    fn write_request(&mut self, key: RequestKey, row: RequestRow) {
        self.batch.changes += 1;
        self.requests_in_flight.insert(key, (row.clone(), self.lease.sequence + 1));
        self.batch.unit.requests.push((key, Some(row)));
    }

    /// The instance of a request is written from now on: it is not started again.
    pub(super) async fn run_requested(&mut self, key: RequestKey) -> Result<(), Error> {
        if let Some(row) = self.request_row(key).await? {
            self.write_request(key, RequestRow { state: RequestState::Running, ..row });
        }
        Ok(())
    }

    /// A request as it was written last.
    async fn request_row(&self, key: RequestKey) -> Result<Option<RequestRow>, Error> {
        if let Some((row, _)) = self.requests_in_flight.get(&key) {
            return Ok(Some(row.clone()));
        }
        let one = RequestFilter { key: Some(key), limit: 1, ..RequestFilter::default() };
        Ok(self.store.requests(&one).await?.pop().map(|(_, row)| row))
    }

    /// The instance of a request ends (REQ-2).
    pub(super) async fn end_requested(
        &mut self,
        key: RequestKey,
        instance: InstanceKey,
        completed: bool,
    ) -> Result<(), Error> {
        let Some(row) = self.request_row(key).await? else { return Ok(()) };
        let status = self.cache.get(instance).map(|hot| hot.state.status);
        let (state, reason) = match status {
            _ if completed => (RequestState::Completed, None),
            Some(Status::Failed) => (RequestState::Failed, Some("its server died".into())),
            _ => (RequestState::Failed, Some("its instance was cancelled".into())),
        };
        let ended_ms = Some(self.now_ms);
        self.write_request(key, RequestRow { state, reason, ended_ms, ..row });
        Ok(())
    }

    /// Finds what the earlier owner claimed and did not start.
    pub(super) async fn restore_requests(&mut self) -> Result<(), Error> {
        let mut filter = RequestFilter {
            state: Some(RequestState::Claimed),
            shard: Some(self.lease.shard),
            limit: PAGE,
            ..RequestFilter::default()
        };
        loop {
            let page = self.store.requests(&filter).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            filter.before = Some(*last);
            for (request, row) in page {
                self.backlog.push_back(Input::Requested { request, row: Box::new(row) });
            }
        }
    }
}
