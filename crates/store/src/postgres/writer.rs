//! The one task that writes: takes what waits, sends it in one transaction, answers.
//!
//! Boundary: grouping, fences, and what became of a transaction whose answer was lost. What a unit
//! changes is in `batch`. The group forms itself while the earlier one is under way.
//! Invariants: PGW-1 an answer is never a guess: every try leaves its mark in the row of its
//! shards, and after a lost connection the mark tells. PGW-2 a unit that fails spoils no other:
//! those of a failed group are tried without it.
//! Read first: [`run`], then [`Writer::attempt`].   Tests: `tests/postgres_faults`

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine::ids::{DeploymentKey, ShardId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::batch::{self, Of};
use super::failure::{Trouble, failed, translate};
use super::link::{Link, begin};
use super::session::{Session, values};
use super::{Marks, Pooling};
use crate::port::{Committed, Error};
use crate::statement::named;
use crate::unit::Unit;

const SHARDS: &str = include_str!("../sql/shards.postgres.sql");
/// Rows in one transaction, beyond which nothing more is taken in.
const GROUP_ROWS: usize = 10_000;
/// How often a group is tried again that others were in the way of.
const TRIES: u32 = 10;

/// A unit that waits for its turn.
pub(super) struct Pending {
    pub(super) shard: ShardId,
    pub(super) unit: Box<Unit>,
    pub(super) reply: oneshot::Sender<Result<Committed, Error>>,
    /// When its caller is told that the database is away.
    pub(super) deadline: Instant,
}

/// What the task is asked.
pub(super) enum Request {
    Commit(Pending),
    /// Write what waits, then stop.
    Close {
        reply: oneshot::Sender<()>,
    },
}

/// What the task needs.
pub(super) struct Writer {
    pub(super) link: Arc<Link>,
    pub(super) marks: Arc<Marks>,
    pub(super) pooling: Pooling,
    pub(super) channel: String,
}

/// What became of a transaction.
enum Outcome {
    Done,
    /// Some unit of it has the wrong epoch or sequence.
    Fenced,
    /// Some unit of it commits this deployment, which is not open.
    Decided(DeploymentKey),
    /// It would fail again.
    Refused(tokio_postgres::Error),
    /// Others were in the way, time and again.
    Hindered(String),
}

/// Serves requests until the queue is closed or a request says so.
pub(super) async fn run(writer: Writer, mut queue: mpsc::Receiver<Request>) {
    let mut next = None;
    loop {
        let request = match next.take() {
            Some(request) => request,
            None => match queue.recv().await {
                Some(request) => request,
                None => return,
            },
        };
        match request {
            Request::Commit(first) => {
                let group;
                (group, next) = gather(first, &mut queue);
                writer.write(group).await;
            }
            Request::Close { reply } => {
                queue.close();
                while let Some(request) = queue.recv().await {
                    match request {
                        Request::Commit(pending) => writer.write(vec![pending]).await,
                        // Its caller learns that somebody else was first.
                        Request::Close { .. } => {}
                    }
                }
                // Nobody may be waiting any more.
                let _ = reply.send(());
                return;
            }
        }
    }
}

/// `first` and what waits behind it, up to what cannot be in the same transaction.
fn gather(first: Pending, queue: &mut mpsc::Receiver<Request>) -> (Vec<Pending>, Option<Request>) {
    // The epoch and sequence that each shard's next unit has to have.
    let mut chains: BTreeMap<ShardId, Option<(u64, u64)>> = BTreeMap::new();
    let mut group = Vec::new();
    let mut rows = 0;
    let mut next = Some(Request::Commit(first));
    while let Some(request) = next.take() {
        let Request::Commit(pending) = request else { return (group, Some(request)) };
        let Unit { epoch, sequence, .. } = *pending.unit;
        let fits = chains.get(&pending.shard).is_none_or(|chain| *chain == Some((epoch, sequence)));
        if !fits {
            return (group, Some(Request::Commit(pending)));
        }
        let follows = sequence.checked_add(1).filter(|_| !batch::closes(&pending.unit));
        chains.insert(pending.shard, follows.map(|sequence| (epoch, sequence)));
        rows += batch::rows(&pending.unit);
        group.push(pending);
        if rows < GROUP_ROWS {
            next = queue.try_recv().ok();
        }
    }
    (group, None)
}

impl Writer {
    /// Writes a group, or what remains of it without those who may not write, and answers.
    async fn write(&self, group: Vec<Pending>) {
        // PGW-1: beside each group the marks of its tries of which it is not known how they ended.
        let mut waiting = VecDeque::from([(group, Vec::new())]);
        while let Some((group, mut open)) = waiting.pop_front() {
            let deadline = group.iter().map(|pending| pending.deadline).min();
            let Some(deadline) = deadline else { continue };
            let Ok(outcome) = timeout_at(deadline, self.attempt(&group, &mut open)).await else {
                self.give_up(group);
                continue;
            };
            match outcome {
                Outcome::Done => {
                    for pending in group {
                        answer(pending, Ok(Committed::Done));
                    }
                }
                // What was fenced once stays so: none of its tries takes effect any more.
                Outcome::Fenced => {
                    waiting.extend(self.sort_out(group).await.map(|rest| (rest, Vec::new())));
                }
                // What is decided stays so: as above.
                Outcome::Decided(deployment) => {
                    waiting.push_back((self.refuse_decided(group, deployment), Vec::new()));
                }
                Outcome::Refused(_) | Outcome::Hindered(_) if group.len() > 1 => {
                    for pending in group.into_iter().rev() {
                        waiting.push_front((vec![pending], open.clone()));
                    }
                }
                Outcome::Refused(error) => {
                    self.refuse(group, || translate("commit to", self.link.place(), &error));
                }
                Outcome::Hindered(cause) => {
                    self.refuse(group, || failed("commit to", self.link.place(), cause.clone()));
                }
            }
        }
    }

    /// Sends a group until it is known what became of it.
    async fn attempt(&self, group: &[Pending], open: &mut Vec<i64>) -> Outcome {
        let mark = self.marks.next();
        let units: Vec<Of<'_>> = group.iter().map(|of| (of.shard, &*of.unit)).collect();
        let writes = batch::writes(&units, mark, &self.channel);
        let mut tries = TRIES;
        loop {
            let session = self.link.session().await;
            let result = match self.is_marked(&session, group, open).await {
                Ok(true) => return Outcome::Done,
                Ok(false) => session.transact(begin(self.pooling), &writes).await,
                Err(error) => Err(error),
            };
            let Err(error) = result else {
                self.link.works();
                return Outcome::Done;
            };
            match session.trouble(error) {
                Trouble::Lost(cause) => {
                    if !open.contains(&mark) {
                        open.push(mark);
                    }
                    self.link.discard(&session, cause).await;
                }
                // PGW-1: an earlier try may have been slower than the question for its mark.
                Trouble::Fenced if !open.is_empty() => match self
                    .is_marked(&session, group, open)
                    .await
                    .map_err(|error| session.trouble(error))
                {
                    Ok(true) => return Outcome::Done,
                    Ok(false) => return Outcome::Fenced,
                    Err(Trouble::Lost(cause)) => self.link.discard(&session, cause).await,
                    Err(Trouble::Refused(error)) => return Outcome::Refused(error),
                    Err(Trouble::Again(_) | Trouble::Fenced | Trouble::Decided(_)) => {}
                },
                // DEP-1: the fence let it pass, so no earlier try took effect, nor will one.
                Trouble::Decided(key) => return Outcome::Decided(DeploymentKey(key)),
                Trouble::Fenced => return Outcome::Fenced,
                Trouble::Again(_) if tries > 0 => tries -= 1,
                Trouble::Again(cause) => return Outcome::Hindered(cause),
                Trouble::Refused(error) => return Outcome::Refused(error),
            }
        }
    }

    /// Whether a try with one of these marks took effect; under later epochs, too.
    async fn is_marked(
        &self,
        session: &Session,
        group: &[Pending],
        marks: &[i64],
    ) -> Result<bool, tokio_postgres::Error> {
        if marks.is_empty() {
            return Ok(false);
        }
        // All or nothing: any shard of the group tells.
        let Some(first) = group.first() else { return Ok(false) };
        let shards = vec![i32::from(first.shard.0)];
        let epochs = vec![first.unit.epoch.cast_signed()];
        let asked = values![shards, epochs];
        let rows = session.rows(const { named(SHARDS, "marks") }, &asked).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        Ok(row.try_get::<_, Option<i64>>(1)?.is_some_and(|mark| marks.contains(&mark)))
    }

    /// Answers those who may not write; the others, who are to be tried again.
    async fn sort_out(&self, group: Vec<Pending>) -> Option<Vec<Pending>> {
        let shards: Vec<i32> = group.iter().map(|pending| i32::from(pending.shard.0)).collect();
        let sql = const { named(SHARDS, "stored") };
        let asked = values![shards];
        let rows = match self.link.rows("commit to", sql, &asked).await {
            Ok(rows) => rows,
            Err(error) => {
                let mut error = Some(error);
                self.refuse(group, || error.take().unwrap_or_else(|| self.fenced()));
                return None;
            }
        };
        let mut stored: BTreeMap<i32, (u64, u64)> = BTreeMap::new();
        for row in rows {
            let number = |column| row.try_get::<_, i64>(column).map(i64::cast_unsigned);
            if let (Ok(shard), Ok(epoch), Ok(sequence)) = (row.try_get(0), number(1), number(2)) {
                stored.insert(shard, (epoch, sequence));
            }
        }
        let mut rest = Vec::new();
        for pending in group {
            let shard = i32::from(pending.shard.0);
            let (epoch, sequence) = stored.get(&shard).copied().unwrap_or((0, 0));
            if pending.unit.epoch != epoch || epoch == 0 {
                answer(pending, Ok(Committed::NotOwner { epoch }));
            } else if sequence.checked_add(1) != Some(pending.unit.sequence) {
                answer(pending, Ok(Committed::Conflict { stored: sequence }));
            } else {
                stored.insert(shard, (epoch, pending.unit.sequence));
                rest.push(pending);
            }
        }
        Some(rest)
    }

    /// Answers the unit that commits a deployment that is not open; the others, which are to be
    /// tried again.
    fn refuse_decided(&self, mut group: Vec<Pending>, deployment: DeploymentKey) -> Vec<Pending> {
        let is_refused = |pending: &Pending| batch::commits(&pending.unit, deployment);
        match group.iter().position(is_refused) {
            Some(at) => answer(group.remove(at), Ok(Committed::Decided { deployment })),
            // It says what nobody asked.
            None => self.refuse(std::mem::take(&mut group), || self.fenced()),
        }
        group
    }

    /// The time of the one who waited longest is over: what became of the group is not known.
    fn give_up(&self, group: Vec<Pending>) {
        // Whatever still comes on this connection is about this group.
        self.link.forget();
        self.refuse(group, || self.link.is_away("commit to"));
    }

    fn refuse(&self, group: Vec<Pending>, mut error: impl FnMut() -> Error) {
        for pending in group {
            answer(pending, Err(error()));
        }
    }

    fn fenced(&self) -> Error {
        failed("commit to", self.link.place(), "the shard's row cannot be read")
    }
}

fn answer(pending: Pending, result: Result<Committed, Error>) {
    // Nobody may be waiting any more.
    drop(pending.reply.send(result));
}
