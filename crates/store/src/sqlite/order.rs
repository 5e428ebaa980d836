//! What the writer is asked that is no unit: it runs in the same transactions.
//!
//! Boundary: keeps an answer until the transaction is durable; what is done is in `commit`.
//! Read first: [`Order`].   Tests: `conformance/cluster.rs`

use super::commit::Commit;
use super::writer::Reply;
use crate::port::Error;

/// Something to do inside a transaction, perhaps twice: a failed group is tried one by one.
pub(super) trait Order: Send {
    /// Does it, and remembers the answer.
    fn carry_out(&mut self, on: &mut Commit<'_>) -> rusqlite::Result<()>;

    /// Sends the remembered answer, or the error.
    fn answer(self: Box<Self>, result: Result<(), Error>);

    /// Whether it is of use only if something can be written afterwards.
    fn needs_room(&self) -> bool;
}

/// Whether an order is of use on a full disk.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Use {
    /// It is.
    Always,
    /// It would lead to nothing.
    WithRoom,
}

/// An order that is a function.
pub(super) struct Ask<T, F> {
    run: F,
    is_for: Use,
    answer: Option<T>,
    reply: Reply<T>,
}

impl<T, F> Ask<T, F>
where
    T: Send + 'static,
    F: for<'a, 'c> Fn(&'a mut Commit<'c>) -> rusqlite::Result<T> + Send + 'static,
{
    pub(super) fn boxed(is_for: Use, run: F, reply: Reply<T>) -> Box<dyn Order> {
        Box::new(Self { run, is_for, answer: None, reply })
    }
}

impl<T, F> Order for Ask<T, F>
where
    T: Send,
    F: for<'a, 'c> Fn(&'a mut Commit<'c>) -> rusqlite::Result<T> + Send,
{
    fn carry_out(&mut self, on: &mut Commit<'_>) -> rusqlite::Result<()> {
        self.answer = Some((self.run)(on)?);
        Ok(())
    }

    fn answer(self: Box<Self>, result: Result<(), Error>) {
        let Self { answer, reply, .. } = *self;
        // Nobody may be waiting any more.
        drop(reply.send(result.and_then(|()| answer.ok_or(Error::Closed))));
    }

    fn needs_room(&self) -> bool {
        self.is_for == Use::WithRoom
    }
}
