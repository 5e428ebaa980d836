//! The store in PostgreSQL: many servers, one database.
//!
//! Boundary: the whole promise of [`Store`], shared by all servers that open the same database and
//! schema. One task writes, and groups what waits into one transaction of one round trip; readers
//! stand beside it, and leases have a connection of their own. A connection that is lost is made
//! again; calls wait for that up to [`Options::wait`].
//! Read first: [`Postgres::open`], then `postgres/writer.rs`, `postgres/batch.rs`.
//! Tests: `conformance`, `tests/postgres.rs`, `tests/postgres_faults.rs`

mod batch;
mod cluster;
mod deployments;
pub(crate) mod failure;
mod link;
pub(crate) mod migrate;
mod read;
mod row;
pub(crate) mod session;
pub(crate) mod target;
pub(crate) mod text;
mod writer;

use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use engine::ids::ShardId;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_postgres::Row;

use self::failure::{failed, translate};
use self::link::{Link, Purpose};
use self::row::{Answer, Columns};
use self::session::Driver;
use self::target::Target;
use self::writer::{Pending, Request, Writer};
use crate::port::{Committed, Error, Task};
use crate::statement::named;
use crate::unit::Unit;

const CLUSTER: &str = include_str!("sql/cluster.postgres.sql");
/// What an error is about whose address cannot be read, or may hold a password.
pub(crate) const ADDRESS: &str = "the address of the database";
/// Units that may wait for the writer; a caller beyond that waits to be let in.
const QUEUE: usize = 1024;

/// What stands between this process and the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Nothing, or a pool that gives a connection for as long as it is held.
    Session,
    /// A pool that gives a connection for one transaction at a time, as `PgBouncer` can. Statements
    /// are not prepared and changes are not heard of: everything works, but slower.
    Transaction,
}

/// What to do with a database of an older format, or without tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrate {
    /// Bring it to ours.
    AtOpen,
    /// Refuse to open it.
    Refuse,
}

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// `postgresql://user@host/database`, or `host=.. user=..`. With `sslmode=disable` without TLS,
    /// with `require` or `verify-full` with it (a certificate is always checked); without `sslmode`
    /// TLS is used unless the database is on this machine. Tables are in the first schema of the
    /// connection's `search_path`.
    pub url: String,
    /// Certificates to check the server's with, as PEM. Default: those of the system.
    pub root_certificates: Option<PathBuf>,
    /// What stands in between. Default: nothing.
    pub pooling: Pooling,
    /// How long calls wait while the database is away. Default 20 seconds.
    pub wait: Duration,
    /// What to do with an older format. Default: bring it to ours.
    pub migrate: Migrate,
}

impl Options {
    /// The defaults for a database.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            root_certificates: None,
            pooling: Pooling::Session,
            wait: Duration::from_secs(20),
            migrate: Migrate::AtOpen,
        }
    }
}

/// Reads the address and what it refers to; connects to nothing.
///
/// # Errors
/// One of them cannot be used.
pub fn check(options: &Options) -> Result<(), Error> {
    let roots = options.root_certificates.as_deref();
    Target::new(&options.url, roots, options.pooling).map(drop)
}

/// Where a database is, without the password; none if the address cannot be read.
#[must_use]
pub fn shown(url: &str) -> Option<String> {
    target::shown(url)
}

/// A store in a database.
///
/// Dropping it ends its connections: what was accepted and not answered may be written or not.
pub struct Postgres {
    cluster: Link,
    shards: Link,
    server: Link,
    person: Link,
    queue: mpsc::Sender<Request>,
    /// Ends with the store.
    _committer: JoinSet<()>,
    commit: Arc<Link>,
    marks: Arc<Marks>,
    changes: Option<watch::Sender<u64>>,
    pooling: Pooling,
}

/// Numbers that no other try of any server has.
struct Marks(AtomicI64);

impl Marks {
    fn next(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl Postgres {
    /// Opens the store in a database that is there already; its tables are made if need be.
    ///
    /// # Errors
    /// [`Error::Foreign`], [`Error::Newer`], or [`Error::Failed`] if the address cannot be read or
    /// the database cannot be reached: opening does not wait for it.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        let roots = options.root_certificates.as_deref();
        let target = Arc::new(Target::new(&options.url, roots, options.pooling)?);
        let link = |purpose| Link::new(Arc::clone(&target), purpose, options.wait);
        let cannot = |error| translate("connect to", &target.place, &error);
        let session = target.connect(Driver::default()).await.map_err(cannot)?;
        migrate::migrate(&session, &target.place, options.migrate).await?;
        let rows = session.rows(const { named(CLUSTER, "opening") }, &[]).await.map_err(cannot)?;
        let row = rows.first().ok_or(Error::Closed)?;
        let (opening, channel): (i64, String) = (row.get(0), row.get(1));
        let changes = match options.pooling {
            Pooling::Session => Some(watch::Sender::new(0)),
            Pooling::Transaction => None,
        };
        let driver = Driver { changes: changes.clone() };
        let marks = Arc::new(Marks(AtomicI64::new(opening << 32 | 1)));
        let commit = Arc::new(link(Purpose::Commit));
        let (queue, units) = mpsc::channel(QUEUE);
        let mut committer = JoinSet::new();
        let writer = Writer {
            link: Arc::clone(&commit),
            marks: Arc::clone(&marks),
            pooling: options.pooling,
            channel: channel.clone(),
        };
        committer.spawn(writer::run(writer, units));
        Ok(Self {
            cluster: link(Purpose::Cluster).listen(channel, driver),
            shards: link(Purpose::Shards),
            server: link(Purpose::Server),
            person: link(Purpose::Person),
            queue,
            _committer: committer,
            commit,
            marks,
            changes,
            pooling: options.pooling,
        })
    }

    /// Writes what was accepted, then stops writing. Reading goes on.
    ///
    /// # Errors
    /// [`Error::Closed`] if that was done before.
    pub async fn shutdown(&self) -> Result<(), Error> {
        let (reply, closed) = oneshot::channel();
        self.queue.send(Request::Close { reply }).await.map_err(|_| Error::Closed)?;
        closed.await.map_err(|_| Error::Closed)
    }

    /// Hands a unit to the writer now, so that dropping the answer does not take it back; only if
    /// the queue is full it is handed over while the answer is awaited.
    fn enqueue(&self, shard: ShardId, unit: Unit) -> Task<'_, Committed> {
        let (reply, answer) = oneshot::channel();
        let deadline = self.commit.deadline();
        let unit = Box::new(unit);
        let request = Request::Commit(Pending { shard, unit, reply, deadline });
        match self.queue.try_send(request) {
            Ok(()) => Box::pin(async { answer.await.unwrap_or(Err(Error::Closed)) }),
            Err(TrySendError::Closed(_)) => Box::pin(ready(Err(Error::Closed))),
            Err(TrySendError::Full(request)) => Box::pin(async {
                self.queue.send(request).await.map_err(|_| Error::Closed)?;
                answer.await.unwrap_or(Err(Error::Closed))
            }),
        }
    }
}

/// The values of rows.
fn map<T>(
    link: &Link,
    act: &'static str,
    rows: &[Row],
    read: impl Fn(&Columns<'_>) -> Answer<T>,
) -> Result<Vec<T>, Error> {
    rows.iter()
        .map(|row| read(&Columns(row)))
        .collect::<Answer<Vec<T>>>()
        .map_err(|error| failed(act, link.place(), error.to_string()))
}
