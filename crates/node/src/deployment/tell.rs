//! Telling servers what to do in a deployment, and hearing how it went.
//!
//! Boundary: a server is asked until it answers or its lease has run out; what it does is
//! [`super::part`]'s business.
//! Read first: [`Lead::tell`].

use std::time::Duration;

use engine::ids::DeploymentKey;
use store::{Member, ServerKey};
use tokio::task::JoinSet;

use crate::cluster::wire::{self, Answer, Request};
use crate::error::Error;
use crate::handle::Node;

use super::course::{Lead, Stop};
use super::{Outcome, Step, Told};

/// Pause before a server that did not answer is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long servers are told to open or restore; those that do not hear it look at the row.
const SPREAD: Duration = Duration::from_secs(10);

impl Lead {
    pub(super) async fn tell_all(&mut self, step: &Step, patience: Duration) -> Result<(), Stop> {
        let all: Vec<ServerKey> = self.members.keys().copied().collect();
        self.tell(&all, step, patience).await
    }

    /// Tells servers one step, until each has done it or its lease has run out.
    pub(super) async fn tell(
        &mut self,
        servers: &[ServerKey],
        step: &Step,
        patience: Duration,
    ) -> Result<(), Stop> {
        let mut calls = JoinSet::new();
        let mut failed: Option<Stop> = None;
        for server in servers {
            let Some(member) = self.members.get(server).cloned() else { continue };
            let (node, key, step) = (self.node.clone(), self.key, step.clone());
            let call = async move {
                let told = node.tell_until_gone(&member, (key, step), patience).await;
                (member.key, told)
            };
            if servers.len() == 1 {
                // Alone: without going through another task.
                let (server, told) = call.await;
                self.hear(server, told, &mut failed);
            } else {
                calls.spawn(call);
            }
        }
        while let Some(answer) = calls.join_next().await {
            let (server, told) = answer
                .map_err(|error| Error::Internal { detail: format!("a call broke: {error}") })?;
            self.hear(server, told, &mut failed);
        }
        failed.map_or(Ok(()), Err)
    }

    fn hear(
        &mut self,
        server: ServerKey,
        told: Result<Option<Told>, Error>,
        failed: &mut Option<Stop>,
    ) {
        match told {
            Ok(Some(told)) => {
                self.told.insert(server, told);
            }
            // Its lease ran out: it serves nothing until it has joined again.
            Ok(None) => {
                self.told.remove(&server);
                self.members.remove(&server);
            }
            Err(error) => {
                let name = self.members.get(&server).map(|member| member.about.name.clone());
                let name = name.unwrap_or_else(|| "".into());
                let error = match error {
                    error @ Error::Startup { .. } => error,
                    error => Error::State { detail: format!("server `{name}`: {error}") },
                };
                failed.get_or_insert(Stop { outcome: Outcome::Failed, error });
            }
        }
    }

    /// Tells the outcome to whoever can be reached; the others look at the row.
    pub(super) async fn spread(&mut self, step: &Step) {
        let mut calls = JoinSet::new();
        let me = self.node.inner.routes.table().me;
        let mut own = None;
        for (server, member) in &self.members {
            let (node, key, step, member) =
                (self.node.clone(), self.key, step.clone(), member.clone());
            if Some(*server) == me {
                own = Some((key, step));
                continue;
            }
            calls.spawn(async move {
                let told = node.tell_once(&member, (key, step), SPREAD).await;
                if let Err(error) = told {
                    let server = &member.about.name;
                    tracing::warn!(%server, %error, "a server has not heard how it ended");
                }
            });
        }
        // Here, whatever became of the membership.
        let (key, step) = own.unwrap_or((self.key, step.clone()));
        if let Err(error) = self.node.take_part(key, step).await {
            tracing::warn!(deployment = %key, %error, "how it ended is not adopted yet");
        }
        if self.closed.is_some() {
            let outcome = self.course.view().outcome;
            self.end(outcome.unwrap_or(Outcome::Done), &self.course.view().reason);
        }
        while calls.join_next().await.is_some() {}
    }
}

impl Node {
    /// Tells a server one step until it answers. None: its lease has run out.
    async fn tell_until_gone(
        &self,
        member: &Member,
        (key, step): (DeploymentKey, Step),
        patience: Duration,
    ) -> Result<Option<Told>, Error> {
        let until = crate::clock::instant() + patience;
        loop {
            let told = self.tell_once(member, (key, step.clone()), patience).await;
            let error = match told {
                Err(error @ (Error::Unavailable { .. } | Error::Timeout { .. })) => error,
                told => return told.map(Some),
            };
            let pulse = self.store().pulse().await?;
            if !pulse.members.iter().any(|known| known.key == member.key) {
                return Ok(None);
            }
            if crate::clock::instant() >= until {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn tell_once(
        &self,
        member: &Member,
        (key, step): (DeploymentKey, Step),
        patience: Duration,
    ) -> Result<Told, Error> {
        if self.inner.routes.table().me == Some(member.key) {
            return self.take_part(key, step).await;
        }
        let request = wire::write(&Request::Part { deployment: key, step });
        let called = self.inner.transport.call(member, request, patience).await;
        let answer = called.map_err(|_| Error::Unavailable { doing: "out of reach" })?;
        match wire::read::<Answer>(&answer)? {
            Answer::Part(told) => Ok(told),
            Answer::Elsewhere => Err(Error::Unavailable { doing: "not ready" }),
            Answer::Failed(trouble) => Err(Error::from(trouble)),
            other => Err(Error::Internal { detail: format!("{other:?} is no part's answer") }),
        }
    }
}
