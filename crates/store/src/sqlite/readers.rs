//! Connections that read, beside the writer.
//!
//! Boundary: where a query runs, not what it asks. Short ones run in the calling task, on one of
//! a few connections; long ones on one of two threads, so that what a person looks at never
//! delays what the server needs.
//! Read first: [`Readers`].   Tests: `conformance`

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failure::{of_file, translate};
use super::open::Place;
use crate::port::{Error, Task};

/// Connections for short queries.
const SHORT: usize = 3;
/// Long queries that may wait for their thread; whoever comes later waits to be let in.
const QUEUE: usize = 256;

type Query = Box<dyn FnOnce(&Connection) + Send>;

/// Who needs the answer.
#[derive(Clone, Copy)]
pub(super) enum For {
    /// The server itself, to go on with its work.
    Server,
    /// Somebody who looks at a list.
    Person,
}

/// All connections that read.
pub(super) struct Readers {
    place: PathBuf,
    short: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
    threads: Vec<Thread>,
}

struct Thread {
    queue: Option<mpsc::Sender<Query>>,
    handle: Option<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn open(place: &Place) -> Result<Self, Error> {
        let short =
            (0..SHORT).map(|_| place.open_reader().map(Mutex::new)).collect::<Result<_, _>>()?;
        let threads = ["store-server", "store-person"]
            .into_iter()
            .map(|name| Thread::start(place, name))
            .collect::<Result<_, _>>()?;
        let place = place.database().to_path_buf();
        Ok(Self { place, short, turn: AtomicUsize::new(0), threads })
    }

    /// Runs a query that takes microseconds, here and now.
    pub(super) fn now<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let free = self.short.iter().find_map(|connection| match connection.try_lock() {
            Ok(connection) => Some(connection),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        let connection = free.unwrap_or_else(|| {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.short.len();
            self.short[turn].lock().unwrap_or_else(PoisonError::into_inner)
        });
        query(&connection).map_err(|error| translate("read", &self.place, error))
    }

    /// Runs a query on a thread.
    pub(super) fn later<'a, T: Send + 'static>(
        &'a self,
        whom: For,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Task<'a, T> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let query: Query = Box::new(move |connection| {
                // Nobody may be waiting any more.
                drop(reply.send(query(connection)));
            });
            let queue = self.threads[whom as usize].queue.as_ref().ok_or(Error::Closed)?;
            queue.send(query).await.map_err(|_| Error::Closed)?;
            let answer = answer.await.map_err(|_| Error::Closed)?;
            answer.map_err(|error| translate("read", &self.place, error))
        })
    }
}

impl Thread {
    fn start(place: &Place, name: &str) -> Result<Self, Error> {
        let connection = place.open_reader()?;
        let (queue, mut queries) = mpsc::channel::<Query>(QUEUE);
        let serve = move || {
            while let Some(query) = queries.blocking_recv() {
                query(&connection);
            }
        };
        let handle = std::thread::Builder::new()
            .name(name.into())
            .spawn(serve)
            .map_err(|error| of_file("start a thread for", place.database(), error))?;
        Ok(Self { queue: Some(queue), handle: Some(handle) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(handle) = self.handle.take() {
            // A panic of the thread was reported when it happened.
            drop(handle.join());
        }
    }
}
