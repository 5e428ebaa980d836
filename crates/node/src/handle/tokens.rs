//! API tokens, as the handle offers them: only their digests are known here.
//!
//! Boundary: kept by the home shard; every server learns of a change at its next pulse.
//! Read first: [`Node::keep_token`].

use std::sync::Arc;

use feel::Str;
use store::TokenRow;
use tokio::sync::watch;

use super::unexpected;
use crate::cluster::HOME;
use crate::cluster::wire::{Answer, Request, TokenChange};
use crate::error::Error;
use crate::handle::Node;

impl Node {
    /// Keeps a token under a name.
    ///
    /// # Errors
    /// [`Error::Exists`] if the name is taken.
    pub async fn keep_token(&self, name: &str, row: TokenRow) -> Result<(), Error> {
        self.change_token(TokenChange::new(name, Some(row))).await
    }

    /// All tokens in the order of their names.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tokens(&self) -> Result<Vec<(Str, TokenRow)>, Error> {
        Ok(self.inner.store.tokens().await?)
    }

    /// Forgets a token. This server refuses it from now on, others from their next pulse.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_token(&self, name: &str) -> Result<(), Error> {
        self.change_token(TokenChange::new(name, None)).await
    }

    async fn change_token(&self, change: TokenChange) -> Result<(), Error> {
        match self.route(HOME, Request::Tokens { changes: vec![change] }).await? {
            Answer::Done => self.inner.around.shared.reload(&*self.inner.store).await,
            other => Err(unexpected(&other)),
        }
    }

    /// The tokens that are in force, and their changes.
    #[must_use]
    pub fn tokens_in_force(&self) -> watch::Receiver<Arc<Vec<(Str, TokenRow)>>> {
        self.inner.around.shared.tokens()
    }
}
