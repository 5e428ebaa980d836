//! Tokens in a map, where a test needs somebody who keeps them.
//!
//! Boundary: what is kept is in force at once.
//! Read first: [`Kept`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use api::auth::{Registry, Task, TokenRow, Tokens};

/// Tokens in a map that feeds what is in force.
#[derive(Debug)]
pub(crate) struct Kept {
    tokens: Tokens,
    rows: Mutex<BTreeMap<String, TokenRow>>,
}

impl Kept {
    pub(crate) fn new(tokens: Tokens) -> Arc<Self> {
        let kept = Arc::new(Self { tokens, rows: Mutex::default() });
        kept.feed();
        kept
    }

    fn feed(&self) {
        self.tokens.replace(self.rows.lock().unwrap().clone());
    }

    pub(crate) fn keep(&self, name: &str, row: TokenRow) {
        self.rows.lock().unwrap().insert(name.to_owned(), row);
        self.feed();
    }

    pub(crate) fn remove(&self, name: &str) -> bool {
        let removed = self.rows.lock().unwrap().remove(name).is_some();
        self.feed();
        removed
    }
}

impl Registry for Kept {
    fn create<'a>(&'a self, name: &'a str, row: TokenRow) -> Task<'a, ()> {
        Box::pin(async move {
            if self.rows.lock().unwrap().contains_key(name) {
                let detail = format!("there is a token `{name}` already");
                return Err(node::Error::Exists { detail });
            }
            self.keep(name, row);
            Ok(())
        })
    }

    fn list(&self) -> Task<'_, Vec<(feel::Str, TokenRow)>> {
        Box::pin(async {
            let rows = self.rows.lock().unwrap().clone();
            Ok(rows.into_iter().map(|(name, row)| (name.into(), row)).collect())
        })
    }

    fn revoke<'a>(&'a self, name: &'a str) -> Task<'a, ()> {
        Box::pin(async move {
            if self.remove(name) {
                return Ok(());
            }
            Err(node::Error::NotFound { kind: "token", name: name.to_owned() })
        })
    }
}
