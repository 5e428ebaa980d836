//! The servers of the cluster, as the handle offers them (R51, R53).
//!
//! Boundary: reads the pulse; what a server is told goes to that server, whichever one was asked.
//! Read first: [`Node::servers`], then [`Node::tell_server`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use engine::ids::ShardId;
use feel::Str;
use store::{Beat, InstanceFilter, InstanceState, Member, ServerKey, ShardOwner, Standing};

use super::unexpected;
use crate::cluster::CallError;
use crate::cluster::wire::{self, Answer, Request};
use crate::error::Error;
use crate::handle::Node;
use crate::published::Condition;

/// How long a server may take to give its shards away.
const DRAIN: Duration = Duration::from_secs(60);
/// How long it may take for anything else.
const CALL: Duration = Duration::from_secs(10);

/// A server whose lease runs, or ran when it owned something last.
#[derive(Debug, Clone)]
pub struct ServerView {
    /// What it says about itself.
    pub member: Member,
    /// The shards that it owns.
    pub shards: Vec<ShardId>,
    /// How long its lease runs, in milliseconds.
    pub lease_ms: i64,
    /// Whether it is the one that was asked.
    pub is_this: bool,
}

/// A shard as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardView {
    /// Its number.
    pub shard: ShardId,
    /// The name of the server that owns it, if its lease runs.
    pub owner: Option<Str>,
    /// Grows with each owner.
    pub epoch: u64,
    /// How many slots it has.
    pub slots: usize,
    /// Whether it takes anything new; otherwise it stays until its instances have ended.
    pub is_wanted: bool,
    /// Whether instances of it run.
    pub is_used: bool,
}

/// What a server can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Give all shards away and forward calls.
    Drain,
    /// Own shards.
    Serve,
    /// Own nothing until it is told otherwise.
    StandBy,
}

/// What a server is in the cluster at the moment, as far as it knows.
#[derive(Debug, Clone)]
pub struct Here {
    /// Its key, while its lease runs.
    pub key: Option<ServerKey>,
    /// What it is there for, as it has told the others.
    pub standing: Option<Standing>,
    /// The shards that it serves.
    pub shards: Vec<ShardId>,
}

impl Node {
    /// What this server is in the cluster.
    #[must_use]
    pub fn standing_here(&self) -> Here {
        let table = self.inner.routes.table();
        let member = table.me.and_then(|me| table.members.get(&me));
        Here {
            key: table.me,
            standing: member.map(|member| member.about.standing),
            shards: table.local.keys().copied().collect(),
        }
    }

    /// Why this server is not ready, for people.
    #[must_use]
    pub fn why_not_ready(&self) -> String {
        if let Some(refusal) = self.inner.published.refusal() {
            return refusal.to_string();
        }
        let table = self.inner.routes.table();
        let shards: BTreeSet<ShardId> = table.slots.iter().copied().collect();
        let is_found =
            |shard: &ShardId| table.local.contains_key(shard) || table.owners.contains_key(shard);
        let unserved = shards.iter().filter(|shard| !is_found(shard)).count();
        match (self.condition(), table.me) {
            (Condition::Stopping, _) => {
                format!("it gives its shards away, {} are left", table.local.len())
            }
            (_, None) => "it is no member of the cluster".to_owned(),
            (_, Some(_)) if unserved > 0 => {
                format!("nobody serves {unserved} of {} shards", shards.len())
            }
            (_, Some(_)) => format!("it loads {} shards", table.local.len()),
        }
    }

    /// All shards in order.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn shards(&self) -> Result<Vec<ShardView>, Error> {
        let store = &self.inner.store;
        let pulse = store.pulse().await?;
        let slots = store.slots().await?;
        let wanted = self.inner.around.shared.in_force().values.shards;
        let mut shards = Vec::with_capacity(pulse.shards.len());
        for ShardOwner { shard, owner, epoch } in pulse.shards {
            let filter = InstanceFilter {
                shard: Some(shard),
                state: Some(InstanceState::Active),
                limit: 1,
                ..InstanceFilter::default()
            };
            let mut members = pulse.members.iter();
            let owner = members.find(|member| Some(member.key) == owner);
            shards.push(ShardView {
                shard,
                owner: owner.map(|member| member.about.name.clone()),
                epoch,
                slots: slots.iter().filter(|of| **of == shard).count(),
                is_wanted: wanted == 0 || shard.0 <= wanted,
                is_used: !store.instances(&filter).await?.is_empty(),
            });
        }
        Ok(shards)
    }

    /// Changes the number of shards while work goes on; `by` tells who wants it. Returns when it
    /// is set: [`Node::shards`] shows how far it is.
    ///
    /// # Errors
    /// [`Error::Invalid`], and those of the home shard.
    pub async fn set_shards(&self, number: u16, by: &str) -> Result<(), Error> {
        if number == 0 {
            return Err(Error::Invalid { detail: "there must be a shard".to_owned() });
        }
        self.set_setting("cluster.shards", Some(&number.to_string()), by).await.map(drop)
    }

    /// The servers whose leases run, in order of their names.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn servers(&self) -> Result<Vec<ServerView>, Error> {
        let pulse = self.pulse().await?;
        let me = self.inner.routes.table().me;
        let mut servers: Vec<ServerView> = pulse
            .members
            .into_iter()
            .map(|member| {
                let owned = pulse.shards.iter().filter(|shard| shard.owner == Some(member.key));
                ServerView {
                    shards: owned.map(|shard| shard.shard).collect(),
                    lease_ms: member.lease_until_ms - pulse.now_ms,
                    is_this: Some(member.key) == me,
                    member,
                }
            })
            .collect();
        servers.sort_by(|one, next| one.member.about.name.cmp(&next.member.about.name));
        Ok(servers)
    }

    /// Tells a server what it is there for. Draining returns when it owns nothing, or nobody could
    /// take it.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::State`] if it does not answer.
    pub async fn tell_server(&self, name: &str, told: Told) -> Result<(), Error> {
        let member = self.server_named(name)?;
        if Some(member.key) == self.inner.routes.table().me {
            return self.told(told).await;
        }
        let (request, patience) = match told {
            Told::Drain => (Request::Drain, DRAIN),
            Told::Serve => (Request::Stand { standby: false }, CALL),
            Told::StandBy => (Request::Stand { standby: true }, CALL),
        };
        let sent = wire::write(&request);
        let answer = self.inner.transport.call(&member, sent, patience).await;
        let silent =
            |detail| Error::State { detail: format!("server `{name}` does not answer: {detail}") };
        match answer {
            Err(CallError::NotSent(detail) | CallError::Lost(detail)) => Err(silent(detail)),
            Ok(bytes) => match wire::read(&bytes)? {
                Answer::Done => Ok(()),
                Answer::Failed(trouble) => Err(Error::from(trouble)),
                Answer::Elsewhere => Err(silent("it is starting or stopping".to_owned())),
                other => Err(unexpected(&other)),
            },
        }
    }

    /// Does here what this server was told.
    pub(crate) async fn told(&self, told: Told) -> Result<(), Error> {
        match told {
            Told::Drain => {
                self.drain().await;
                Ok(())
            }
            Told::Serve => self.stand(Standing::Serving).await,
            Told::StandBy => self.stand(Standing::Standby).await,
        }
    }

    /// Ends the lease of a server that is dead or hangs, so that others take its shards over now.
    /// If it lives after all, nothing that it writes counts, and it joins anew.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::State`] for the server that is asked itself, and for a
    /// name that several have: their keys are accepted, too.
    pub async fn remove_server(&self, name: &str) -> Result<(), Error> {
        let member = self.life_named(name)?;
        if Some(member.key) == self.inner.routes.table().me {
            let detail = format!("server `{name}` was asked itself, so that it is not dead");
            return Err(Error::State { detail });
        }
        // A lease of nothing has run out at once; its shards stay those of a server that failed.
        let last = Beat {
            server: member.key,
            lease_ms: 0,
            standing: member.about.standing,
            catalog: member.catalog,
        };
        self.inner.store.beat(&last).await?;
        self.inner.around.post.look();
        // A full queue is full of the same wish.
        let _ = self.inner.wakes.try_send(crate::cluster::Wake::Look);
        Ok(())
    }

    /// The newest life of a server of this name, or the one with this key.
    fn server_named(&self, name: &str) -> Result<Arc<Member>, Error> {
        let newest = self.lives_named(name).pop();
        newest.ok_or_else(|| Error::not_found("server", name))
    }

    /// The one life of this name, or key. The newest one may be the one that lives: a server that
    /// hangs and the one that was started in its place have the same name.
    fn life_named(&self, name: &str) -> Result<Arc<Member>, Error> {
        let mut lives = self.lives_named(name);
        if lives.len() > 1 {
            let keys: Vec<String> = lives.iter().map(|member| member.key.to_string()).collect();
            let keys = keys.join(", ");
            let detail = format!("several servers are named `{name}`: say which one: {keys}");
            return Err(Error::State { detail });
        }
        lives.pop().ok_or_else(|| Error::not_found("server", name))
    }

    /// The servers that have this name, the newest one last; or the one that has this key.
    fn lives_named(&self, name: &str) -> Vec<Arc<Member>> {
        let table = self.inner.routes.table();
        let members = || table.members.values().cloned();
        if let Some(member) = members().find(|member| member.key.to_string() == name) {
            return vec![member];
        }
        members().filter(|member| *member.about.name == *name).collect()
    }
}
