//! What a server tells a client has to be in the store at that moment (SHD-1, DOC-1).
//!
//! Boundary: looks into the store right where an answer is made, before it travels.
//! Read first: [`World::expect`].

use std::sync::Arc;

use engine::Event;
use engine::ids::{InstanceKey, JobKey};
use store::{InstanceState, Store};

use crate::history::Fact;
use crate::world::World;

impl World {
    /// Notes it if something that was told is not so.
    pub(crate) fn expect(&self, is_so: &Result<bool, store::Error>, what: &str, about: String) {
        if !matches!(is_so, Ok(true)) {
            self.trace.line("check", format_args!("{what} {about}"));
            self.history.note(Fact::Unfounded { what: format!("{what} {about}"), about });
        }
    }

    pub(crate) async fn expect_instance(&self, instance: InstanceKey) {
        let row = self.store.instance(instance).await;
        let what = "a client was told of an instance that the store does not have:";
        self.expect(&row.map(|row| row.is_some()), what, instance.to_string());
    }

    pub(crate) async fn expect_ended(&self, instance: InstanceKey) {
        let row = self.store.instance(instance).await;
        let has_ended = |row: store::InstanceRow| row.state != InstanceState::Active;
        let what = "a client was told the end of an instance that runs:";
        self.expect(&row.map(|row| row.is_some_and(has_ended)), what, instance.to_string());
    }

    pub(crate) async fn expect_seen(&self, source: &str, id: &str) {
        let seen = self.store.seen(&[(source.into(), id.into())]).await;
        let what = "a client was told that a document is accepted that the store does not have:";
        self.expect(&seen.map(|seen| seen.iter().all(Option::is_some)), what, id.to_owned());
    }

    pub(crate) async fn expect_completed(&self, instance: InstanceKey, job: JobKey) {
        let is_done = self
            .events(instance)
            .await
            .iter()
            .any(|event| matches!(event, Event::JobCompleted { job: done } if *done == job));
        let what = "a worker was told that a job is done, but the audit log does not have it:";
        self.expect(&Ok(is_done), what, job.to_string());
    }

    /// Everything that the audit log has of an instance.
    pub(crate) async fn events(&self, instance: InstanceKey) -> Vec<Event> {
        let store: Arc<_> = self.store.clone();
        let mut records = Vec::new();
        for row in store.audit(instance).await.unwrap_or_default() {
            if let Err(error) = node::audit::read(&row.records, &mut records) {
                let what = format!("the audit log of {instance} cannot be read: {error}");
                self.history.note(Fact::Unfounded { what, about: instance.to_string() });
            }
        }
        records.into_iter().map(|record| record.event).collect()
    }
}
