//! The store in PostgreSQL keeps the promise of the port, directly and through a pool.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]

use std::ops::Deref;

use store::conformance::postgres::Server;
use store::postgres::{Options, Pooling, Postgres};

/// A store in a database of its own.
struct Fresh(Postgres);

impl Fresh {
    async fn new(pooling: Pooling) -> Option<Self> {
        let server = Server::shared("postgres")?;
        let options = Options { pooling, ..Options::new(&server.schema().await) };
        Some(Self(Postgres::open(&options).await.unwrap()))
    }
}

impl Deref for Fresh {
    type Target = Postgres;

    fn deref(&self) -> &Postgres {
        &self.0
    }
}

/// Leaves the test if there is no PostgreSQL.
macro_rules! fresh {
    ($pooling:ident) => {
        match Fresh::new(Pooling::$pooling).await {
            Some(fresh) => fresh,
            None => return,
        }
    };
}

mod direct {
    use super::*;

    store::conformance_suite!(shared fresh!(Session));
}

mod pooled {
    use super::*;

    store::conformance_suite!(shared fresh!(Transaction));
}
