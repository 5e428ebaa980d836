//! What other servers ask of this one.
//!
//! Boundary: decodes, asks the shards that are served here, encodes. What is not here is answered
//! with `Elsewhere` and never forwarded, so that no request goes round in circles.
//! Read first: [`Node::answer_peer`].

use std::time::Duration;

use bytes::Bytes;
use engine::ids::ShardId;
use host::package::{Limits, PackageSource};

use super::follow::MOST;
use super::wire::{self, Answer, Archive, Request, Trouble};
use super::{HOME, Place, Wake};
use crate::error::Error;
use crate::handle::{Node, Told};
use crate::input::Input;
use crate::stream::Leased;

/// Where an answer with jobs is cut, far below what a connection takes.
const JOBS_BYTES: usize = 16 << 20;
/// The longest that a followed stream is waited for.
const FOLLOW_MAX: Duration = Duration::from_secs(60);

impl Node {
    /// Answers a request that another server has sent.
    pub async fn answer_peer(&self, request: Bytes) -> Bytes {
        let answer = match wire::read::<Request>(&request) {
            Ok(request) => self.answer(request).await,
            Err(error) => Err(error),
        };
        let answer = answer.unwrap_or_else(|error| match error {
            // Not done: whoever asked looks for the shard again.
            Error::Unavailable { .. } => Answer::Elsewhere,
            error => Answer::Failed(Trouble::from(error)),
        });
        self.fitting(answer)
    }

    /// The bytes of an answer; jobs beyond what one answer may hold go back (LSD-1).
    fn fitting(&self, mut answer: Answer) -> Bytes {
        loop {
            let bytes = wire::write(&answer);
            match &mut answer {
                Answer::Jobs(jobs) if bytes.len() > JOBS_BYTES && jobs.len() > 1 => {
                    let rest = jobs.split_off(jobs.len() / 2);
                    self.inner.around.post.release(rest.iter().map(wire::Job::lease));
                }
                _ => return bytes,
            }
        }
    }

    async fn answer(&self, request: Request) -> Result<Answer, Error> {
        match request {
            Request::Command { instance, .. } | Request::Verdicts { instance, .. } => {
                let shard = self.inner.routes.table().shard_of_key(instance.0);
                self.pass(shard, request).await
            }
            Request::Create { shard, .. }
            | Request::Publish { shard, .. }
            | Request::Message { shard, .. }
            | Request::Lock { shard, .. }
            | Request::Replay { shard, .. }
            | Request::Discard { shard, .. } => self.pass(shard, request).await,
            Request::Enable { .. } | Request::Tokens { .. } | Request::Settings { .. } => {
                self.pass(HOME, request).await
            }
            jobs @ (Request::Activate { .. }
            | Request::Follow { .. }
            | Request::Unfollow { .. }) => self.answer_jobs(jobs).await,
            deploying @ (Request::DeployResources { .. }
            | Request::Part { .. }
            | Request::Change { .. }
            | Request::Deployment { .. }) => self.answer_deploying(deploying).await,
            Request::Refresh { revision } => {
                self.inner.catalogs.refresh(revision).await?;
                Ok(Answer::Done)
            }
            Request::Look => {
                // A full queue is full of the same wish.
                let _ = self.inner.wakes.try_send(Wake::Look);
                Ok(Answer::Done)
            }
            Request::Letters { shard } => {
                if let Place::Here(sender) = self.inner.routes.table().place(shard) {
                    // A full channel: the shard looks by itself before long.
                    let _ = sender.try_send(Input::Letters);
                }
                Ok(Answer::Done)
            }
            Request::Knowing { revision, request } => {
                let known = self.inner.catalogs.refresh(revision).await;
                // Not done: another try may find the store.
                known.map_err(|_| Error::Unavailable { doing: "loading the catalogue" })?;
                Box::pin(self.answer(*request)).await
            }
            Request::Order { .. } => {
                let shard = self.inner.routes.table().local.values().next().cloned();
                match shard {
                    Some(shard) => self.ask_here(&shard, request).await,
                    None => Ok(Answer::Elsewhere),
                }
            }
            Request::Claim => {
                self.inner.routes.claim();
                Ok(Answer::Done)
            }
            Request::Drain => self.told(Told::Drain).await.map(|()| Answer::Done),
            Request::Stand { standby } => {
                let told = if standby { Told::StandBy } else { Told::Serve };
                self.told(told).await.map(|()| Answer::Done)
            }
            Request::Withdraw { .. } => {
                Err(Error::Internal { detail: "this server does not know the request".into() })
            }
        }
    }

    async fn answer_jobs(&self, request: Request) -> Result<Answer, Error> {
        match request {
            Request::Activate { worker, most } => {
                Ok(answer_with(self.activate_here(&worker, MOST.min(most as usize)).await))
            }
            Request::Follow { server, stream, worker, most, wait_ms } => {
                let wait = Duration::from_millis(wait_ms).min(FOLLOW_MAX);
                let jobs = self.followed((server, stream), worker, most as usize, wait).await?;
                Ok(answer_with(jobs))
            }
            Request::Unfollow { server, stream } => {
                self.inner.followers.close((server, stream));
                Ok(Answer::Done)
            }
            other => Err(Error::Internal { detail: format!("{other:?} wants no jobs") }),
        }
    }

    async fn answer_deploying(&self, request: Request) -> Result<Answer, Error> {
        match request {
            Request::DeployResources { .. } => self.deploy_for_peer(request).await,
            Request::Part { deployment, step } => {
                self.take_part(deployment, step).await.map(Answer::Part)
            }
            Request::Change { change, terms } => self.change_for_peer(change, terms).await,
            Request::Deployment { deployment, wait_ms, cancel } => {
                let wait = Duration::from_millis(wait_ms).min(FOLLOW_MAX);
                let view = self.deployment_here(deployment, wait, cancel).await?;
                Ok(Answer::Deployment(Box::new(view)))
            }
            other => Err(Error::Internal { detail: format!("{other:?} deploys nothing") }),
        }
    }

    /// Deploys here, where the home shard is or was a moment ago.
    pub(crate) async fn deploy_for_peer(&self, request: Request) -> Result<Answer, Error> {
        let (keys, warnings) = match request {
            Request::DeployResources { resources } => {
                let files =
                    resources.into_iter().map(|file| (file.name, Bytes::from(file.content)));
                self.deploy_resources_here(files.collect()).await?
            }
            other => return Err(Error::Internal { detail: format!("{other:?} is no deployment") }),
        };
        Ok(Answer::Deployed(keys, warnings.into_iter().map(wire::Finding::from).collect()))
    }

    /// Asks a shard that is served here.
    async fn pass(&self, shard: ShardId, request: Request) -> Result<Answer, Error> {
        match self.inner.routes.table().place(shard) {
            Place::Here(sender) => self.ask_here(&sender, request).await,
            Place::There(_) | Place::Nowhere => Ok(Answer::Elsewhere),
        }
    }
}

pub(crate) fn sources(archives: Vec<Archive>) -> Result<Vec<PackageSource>, Error> {
    let read = archives.into_iter().map(|archive| {
        PackageSource::read_archive(&archive.content, &Limits::default())
            .map_err(|problems| Error::Refused { problems })
    });
    read.collect()
}

fn answer_with(jobs: Leased) -> Answer {
    Answer::Jobs(jobs.deliver().into_iter().map(wire::Job::from).collect())
}
