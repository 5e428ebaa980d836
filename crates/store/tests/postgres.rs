//! The store in PostgreSQL keeps the promise of the port: directly, without anything that lasts
//! longer than a transaction, and through a real PgBouncer in transaction mode.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]

use std::ops::Deref;

use store::conformance::pgbouncer::Pool;
use store::conformance::postgres::Server;
use store::postgres::{Options, Pooling, Postgres};

/// A store in a database of its own.
struct Fresh(Postgres);

impl Fresh {
    async fn new(pooling: Pooling) -> Option<Self> {
        let server = Server::shared("postgres")?;
        Some(Self::open(&server.schema().await, pooling).await)
    }

    async fn behind_pool() -> Option<Self> {
        let pool = Pool::shared("pgbouncer")?;
        Some(Self::open(&pool.schema().await, Pooling::Transaction).await)
    }

    async fn open(url: &str, pooling: Pooling) -> Self {
        let options = Options { pooling, ..Options::new(url) };
        Self(Postgres::open(&options).await.unwrap())
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
    ($made:expr) => {
        match $made.await {
            Some(fresh) => fresh,
            None => return,
        }
    };
}

mod direct {
    use super::*;

    store::conformance_suite!(shared fresh!(Fresh::new(Pooling::Session)));
    store::conformance_suite!(rows fresh!(Fresh::new(Pooling::Session)));
}

/// Without sessions, but without a pool either: everything that a pool could hide is seen.
mod unprepared {
    use super::*;

    store::conformance_suite!(shared fresh!(Fresh::new(Pooling::Transaction)));
    store::conformance_suite!(rows fresh!(Fresh::new(Pooling::Transaction)));
}

mod pooled {
    use super::*;

    store::conformance_suite!(shared fresh!(Fresh::behind_pool()));
    store::conformance_suite!(rows fresh!(Fresh::behind_pool()));
}
