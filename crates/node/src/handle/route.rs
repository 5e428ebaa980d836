//! Ways from the handle to a shard, wherever it is served.
//!
//! Boundary: a request waits while its shard moves, and is sent again only if it was not done, or
//! doing it twice does no harm; otherwise the caller hears that the outcome is unknown.
//! Invariants: RTE-1 nothing is sent twice that may have been done, unless it is recognised.
//! Read first: [`Node::route`].

use std::time::Duration;

use engine::ids::{Block, ShardId};
use feel::Context;
use store::{Member, ServerKey};
use tokio::sync::{mpsc, oneshot};

use crate::cluster::wire::{self, Answer, Order, Request};
use crate::cluster::{CallError, Place, Table};
use crate::error::Error;
use crate::handle::Node;
use crate::input::{Input, LockAct, Which};
use crate::watched::Follower;

/// How long a request waits for its shard.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// How long another server may take for a request that does not wait for anything.
const CALL: Duration = Duration::from_secs(30);
/// A message that is buffered for longer is recognised when it is sent again.
const RECOGNISED_MS: i64 = 60_000;
/// Pause before a server that refused is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of one try.
enum Try {
    /// There is an answer.
    Answered(Result<Answer, Error>),
    /// It was not done.
    Missed,
    /// It may have been done.
    Unknown(Error),
}

/// The shard of a key.
pub(crate) fn shard_of(key: u64) -> ShardId {
    Block::of(key).shard()
}

impl Node {
    /// Asks a shard, here or elsewhere.
    pub(crate) async fn route(&self, shard: ShardId, request: Request) -> Result<Answer, Error> {
        self.route_by(request, |_, _| Ok(Some(shard))).await
    }

    /// Asks the shard that `find` names, which may be another one at each try: what has a slot
    /// moves. `find` writes it into the request, too.
    pub(crate) async fn route_by(
        &self,
        mut request: Request,
        find: impl Fn(&Table, &mut Request) -> Result<Option<ShardId>, Error>,
    ) -> Result<Answer, Error> {
        let until = crate::clock::instant() + PATIENCE;
        let mut changes = self.inner.routes.changes();
        let mut unknown = None;
        loop {
            let table = changes.latest();
            if table.is_stopping {
                return Err(unknown.unwrap_or(Error::Unavailable { doing: "stopping" }));
            }
            let shard = find(&table, &mut request)?;
            let tried = match shard.map(|shard| (shard, table.place(shard))) {
                Some((_, Place::Here(sender))) => self.here(&sender, request.clone()).await,
                Some((shard, Place::There(member))) => {
                    let mut moves = self.inner.routes.changes();
                    tokio::select! {
                        biased;
                        tried = self.there(&member, &request) => tried,
                        // Who does not own it any more may never answer.
                        () = moved(&mut moves, shard, member.key) => Try::Unknown(lost(&member)),
                    }
                }
                Some((_, Place::Nowhere)) | None => Try::Missed,
            };
            match tried {
                Try::Answered(answer) => {
                    return match (answer, unknown) {
                        (Err(refused), Some(unknown)) => {
                            self.settled(&request, refused, unknown).await
                        }
                        (answer, _) => answer,
                    };
                }
                Try::Missed => {}
                Try::Unknown(error) if may_repeat(&request) => unknown = Some(error),
                Try::Unknown(error) => return Err(error),
            }
            let moved = async {
                tokio::select! {
                    biased;
                    () = changes.changed() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
            };
            if tokio::time::timeout_at(until, moved).await.is_err() {
                return Err(unknown.unwrap_or(Error::Unavailable { doing: "moving a shard" }));
            }
        }
    }

    /// Asks a shard that is served here.
    async fn here(&self, shard: &mpsc::Sender<Input>, request: Request) -> Try {
        match self.ask_here(shard, request).await {
            // Nobody has looked at it.
            Err(Error::Unavailable { .. }) => Try::Missed,
            Err(error @ Error::Storage { .. }) => Try::Unknown(error),
            answer => Try::Answered(answer),
        }
    }

    /// One arm per request that a shard answers.
    pub(crate) async fn ask_here(
        &self,
        shard: &mpsc::Sender<Input>,
        request: Request,
    ) -> Result<Answer, Error> {
        match request {
            Request::Command { instance, order } => {
                let command = order.into();
                ask(shard, |reply| Input::Command { instance, command, reply: Some(reply) })
                    .await
                    .map(|()| Answer::Done)
            }
            Request::Create { which, variables, wait_ms: None, .. } => {
                ask(shard, |reply| Input::Create { which, variables, reply, ended: None })
                    .await
                    .map(Answer::Created)
            }
            Request::Create { which, variables, wait_ms: Some(ms), .. } => {
                create_and_wait(shard, which, variables, ms).await
            }
            Request::Publish { documents, .. } => {
                ask(shard, |reply| Input::Publish { documents, reply }).await.map(Answer::Accepted)
            }
            Request::Message { message, .. } => {
                ask(shard, |reply| Input::Message { message, reply }).await.map(Answer::Number)
            }
            Request::Verdicts { instance, job, worker, verdicts } => {
                let input = |reply| Input::Verdicts { instance, job, worker, verdicts, reply };
                ask(shard, input).await.map(|()| Answer::Done)
            }
            Request::Lock { name, act, .. } => {
                let granted = ask(shard, |reply| Input::Lock { name, act, reply }).await?;
                Ok(granted.map_or(Answer::Done, Answer::Granted))
            }
            Request::Enable { process, version } => {
                ask(shard, |reply| Input::Enable { process, version, reply })
                    .await
                    .map(Answer::Number)
            }
            Request::Settings { changes, by, mode } => {
                ask(shard, |reply| Input::Settings { changes, by, mode, reply })
                    .await
                    .map(Answer::Changed)
            }
            Request::Order { process, variables, due_ms } => {
                ask(shard, |reply| Input::Request { process, variables, due_ms, reply })
                    .await
                    .map(Answer::Number)
            }
            Request::Replay { entries, .. } => {
                ask(shard, |reply| Input::Replay { entries, reply }).await.map(Answer::Number)
            }
            Request::Tokens { changes } => {
                let changes = changes.into_iter().map(wire::TokenChange::into_row).collect();
                ask(shard, |reply| Input::Tokens { changes, reply }).await.map(|()| Answer::Done)
            }
            Request::Discard { entries, .. } => {
                ask(shard, |reply| Input::Discard { entries, reply }).await.map(Answer::Number)
            }
            // The home shard came here while the deployment looked for it.
            Request::DeployResources { .. } => self.deploy_for_peer(request).await,
            Request::Change { change, terms } => self.change_for_peer(change, terms).await,
            other => Err(Error::Internal { detail: format!("no shard answers {other:?}") }),
        }
    }

    /// Asks another server.
    async fn there(&self, member: &Member, request: &Request) -> Try {
        let patience = match request {
            Request::Create { wait_ms: Some(ms), .. } => CALL + Duration::from_millis(*ms),
            Request::Lock { act: LockAct::Acquire { wait_ms, .. }, .. } => {
                CALL + Duration::from_millis(u64::try_from(*wait_ms).unwrap_or(0))
            }
            _ => CALL,
        };
        let sent = match request {
            Request::Create { .. } | Request::Publish { .. } | Request::Message { .. } => {
                let revision = self.catalog().revision;
                let request = Box::new(request.clone());
                wire::write(&Request::Knowing { revision, request })
            }
            request => wire::write(request),
        };
        let unknown = |detail| Try::Unknown(Error::Storage { detail });
        match self.inner.transport.call(member, sent, patience).await {
            Err(CallError::NotSent(_)) => Try::Missed,
            Err(CallError::Lost(detail)) => unknown(detail),
            Ok(bytes) => match wire::read(&bytes) {
                Ok(Answer::Elsewhere) => Try::Missed,
                Ok(Answer::Failed(trouble)) => match Error::from(trouble) {
                    Error::Unavailable { .. } => Try::Missed,
                    Error::Storage { detail } => unknown(detail),
                    error => Try::Answered(Err(error)),
                },
                Ok(answer) => Try::Answered(Ok(answer)),
                Err(error) => Try::Answered(Err(error)),
            },
        }
    }
}

/// Whether doing it twice does no harm, or is noticed (RTE-1).
fn may_repeat(request: &Request) -> bool {
    match request {
        // A job that failed may be with the next worker, and variables may be newer.
        Request::Command { order: Order::Fail { retries, .. }, .. } => *retries <= 0,
        Request::Command { order: Order::SetVariables { .. }, .. } => false,
        Request::Command { .. }
        | Request::Verdicts { .. }
        | Request::Enable { .. }
        | Request::Tokens { .. }
        | Request::Settings { .. }
        | Request::Replay { .. }
        | Request::Discard { .. }
        | Request::Lock {
            act: LockAct::Release { .. } | LockAct::Renew { .. } | LockAct::TakeAway { .. },
            ..
        } => true,
        // The wait would begin anew: the caller repeats it with what is left of it.
        Request::Lock { act: LockAct::Acquire { .. }, .. } => false,
        // Its id is known while it is buffered, and no second try takes longer.
        Request::Message { message, .. } => {
            !message.id.is_empty() && message.time_to_live_ms >= RECOGNISED_MS
        }
        Request::Publish { documents, .. } => documents.iter().all(|new| new.id.is_some()),
        _ => false,
    }
}

/// Waits until a shard is another server's than this one's. Cancel safe.
async fn moved(changes: &mut Follower<Table>, shard: ShardId, owner: ServerKey) {
    let is_moved = |table: &Table| match table.place(shard) {
        Place::There(member) => member.key != owner,
        Place::Here(_) => true,
        // Perhaps it is only being given back.
        Place::Nowhere => !table.members.contains_key(&owner),
    };
    changes.until(is_moved).await;
}

fn lost(member: &Member) -> Error {
    let detail = format!("server `{}` went while it was asked", member.about.name);
    Error::Storage { detail }
}

/// Sends an input to a shard that is served here and waits for its answer.
pub(crate) async fn ask<T>(
    shard: &mpsc::Sender<Input>,
    make: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Input,
) -> Result<T, Error> {
    let (reply, answer) = oneshot::channel();
    shard.try_send(make(reply)).map_err(|refused| match refused {
        mpsc::error::TrySendError::Full(_) => Error::Overloaded,
        mpsc::error::TrySendError::Closed(_) => Error::Unavailable { doing: "moving a shard" },
    })?;
    // A shard that broke leaves the outcome open.
    answer.await.unwrap_or_else(|_| {
        Err(Error::Storage { detail: "the shard ended while it decided".to_owned() })
    })
}

/// Starts an instance in a shard that is served here and waits for its end.
async fn create_and_wait(
    shard: &mpsc::Sender<Input>,
    which: Which,
    variables: Context,
    ms: u64,
) -> Result<Answer, Error> {
    let (ended, end) = oneshot::channel();
    let ended = Some(ended);
    let created = ask(shard, |reply| Input::Create { which, variables, reply, ended }).await?;
    let name = created.instance.0;
    match tokio::time::timeout(Duration::from_millis(ms), end).await {
        Ok(Ok(Ok(ended))) => Ok(Answer::Ended(ended)),
        // The shard moves: the instance goes on elsewhere, but nobody waits for it.
        Ok(Ok(Err(_)) | Err(_)) => {
            Err(Error::State { detail: format!("instance `{name}` goes on at another server") })
        }
        Err(_) => Err(Error::Timeout { what: "the instance", ms }),
    }
}
