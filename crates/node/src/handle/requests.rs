//! Process requests, as the handle offers them (R40).
//!
//! Boundary: accepted by any shard, read from the store.
//! Read first: [`Node::request`].

use engine::ids::RequestKey;
use feel::Context;
use store::{RequestFilter, RequestRow};

use super::unexpected;
use crate::cluster::wire::{Answer, Request};
use crate::error::Error;
use crate::handle::Node;

impl Node {
    /// Accepts a durable request to run the enabled version of a process, at once or at a time. One
    /// server will claim it.
    ///
    /// # Errors
    /// Those of the shards.
    pub async fn request(
        &self,
        process: &str,
        variables: Context,
        at_ms: Option<i64>,
    ) -> Result<RequestKey, Error> {
        // Due is judged by the store's clock, behind which this server's may be or before which:
        // what is wanted at once is due by any clock.
        let due_ms = at_ms.unwrap_or(0);
        let request = Request::Order { process: process.into(), variables, due_ms };
        match self.route(self.any_shard()?, request).await? {
            Answer::Number(key) => Ok(RequestKey(key)),
            other => Err(unexpected(&other)),
        }
    }

    /// Process requests, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn requests(
        &self,
        filter: &RequestFilter,
    ) -> Result<Vec<(RequestKey, RequestRow)>, Error> {
        Ok(self.inner.store.requests(filter).await?)
    }

    /// One process request.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn process_request(&self, key: RequestKey) -> Result<RequestRow, Error> {
        let one = RequestFilter { key: Some(key), limit: 1, ..RequestFilter::default() };
        let found = self.inner.store.requests(&one).await?.pop();
        found.map(|(_, row)| row).ok_or_else(|| Error::not_found("request", &key.0))
    }
}
