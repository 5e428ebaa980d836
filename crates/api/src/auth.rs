//! Who may call, and what: API tokens and their roles.
//!
//! Boundary: decides by a request's headers; tokens are kept by the node's store, which knows only
//! their digests. Users, single sign-on and rights per package are not here yet.
//! Invariants: AUTH-1 a token is stored nowhere: what is kept is its sha256, and a token has 256
//! random bits, so that a fast digest is enough and there is no password to guess. AUTH-2 what no
//! table names needs the greatest role.
//! Read first: [`Access`], then [`Tokens`] and `auth/roles.rs`.   Tests: `auth/tests.rs`

mod refusal;
pub(crate) mod roles;
mod secret;
#[cfg(test)]
mod tests;
mod tokens;

use std::fmt;
use std::pin::Pin;

use feel::Str;

pub use roles::{role_name, role_named};
pub use secret::{SECRET_BYTES_MIN, digest};
pub use store::{Role, TokenRow};
pub use tokens::Tokens;

pub(crate) use refusal::Denied;
pub(crate) use secret::{hexadecimal, mint};

/// Whether callers have to say who they are.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Everybody may do everything.
    #[default]
    Everybody,
    /// Each request carries a token whose role allows it.
    Tokens(Tokens),
}

/// What a call of the registry returns.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = Result<T, node::Error>> + Send + 'a>>;

/// Where tokens are kept.
pub trait Registry: fmt::Debug + Send + Sync {
    /// Keeps a token under a name that no other one has.
    ///
    /// # Errors
    /// The name is taken, or the store refuses.
    fn create<'a>(&'a self, name: &'a str, row: TokenRow) -> Task<'a, ()>;

    /// All tokens in the order of their names.
    ///
    /// # Errors
    /// The store refuses.
    fn list(&self) -> Task<'_, Vec<(Str, TokenRow)>>;

    /// Forgets a token.
    ///
    /// # Errors
    /// There is no such token, or the store refuses.
    fn revoke<'a>(&'a self, name: &'a str) -> Task<'a, ()>;
}

impl Registry for node::Node {
    fn create<'a>(&'a self, name: &'a str, row: TokenRow) -> Task<'a, ()> {
        Box::pin(self.keep_token(name, row))
    }

    fn list(&self) -> Task<'_, Vec<(Str, TokenRow)>> {
        Box::pin(self.tokens())
    }

    fn revoke<'a>(&'a self, name: &'a str) -> Task<'a, ()> {
        Box::pin(self.revoke_token(name))
    }
}
