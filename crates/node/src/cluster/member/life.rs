//! One life of a server: from joining to leaving, or to the end of its lease.
//!
//! Boundary: compares what should be with what is at each pulse, and orders the difference; every
//! step may fail, and is tried again at the next pulse.
//! Read first: [`Life::live`], then [`Life::settle`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::ids::ShardId;
use store::{Beat, Pulse, ServerKey, Standing};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::balance;
use crate::cluster::routes::Table;
use crate::cluster::settings::TakeOver;
use crate::error::Error;
use crate::published::Condition;
use crate::shard::{ShardEnded, ShardOrder, Surroundings, keep};

use super::trouble::{Trouble, patience};
use super::{Membership, Wake, forget, lease_of, shown};

/// Inputs that may wait at one shard; more are refused, so that latency stays flat under overload.
const INPUTS_MAX: usize = 16_384;

/// How long after the end of another one's lease it is looked for.
const MARGIN: Duration = Duration::from_millis(5);

/// How a life ended.
pub(super) enum End {
    Stopped(oneshot::Sender<()>),
    Expired,
    /// The format in force is newer than this server.
    Refused(Error),
}

/// A shard that is served here.
struct Served {
    orders: watch::Sender<ShardOrder>,
    task: tokio::task::Id,
}

/// One life of a server.
pub(super) struct Life {
    me: ServerKey,
    /// When the lease ends, by this server's clock.
    lease_end: Instant,
    pub(super) standing: Standing,
    pub(super) trouble: Trouble,
    /// Whether the store lets the server live, but not give back what it has.
    is_stuck: bool,
    around: Surroundings,
    shards: BTreeMap<ShardId, Served>,
    tasks: JoinSet<ShardEnded>,
    /// The revisions of slots that are known.
    slots: Option<u64>,
    settings: Option<u64>,
    pulse: Option<Pulse>,
    /// Since when nobody serves, by the store's clock, as far as a server that stands by cares.
    unserved: Option<i64>,
    draining: Vec<oneshot::Sender<()>>,
    stopping: Option<oneshot::Sender<()>>,
}

impl Life {
    /// `begun` is when the lease began at the latest, and how long it is.
    pub(super) fn new(
        membership: &Membership,
        me: ServerKey,
        begun: (Instant, i64),
        (standing, trouble): (Standing, Trouble),
    ) -> Self {
        Self {
            me,
            lease_end: begun.0 + lease_of(begun.1),
            standing,
            trouble,
            is_stuck: false,
            around: membership.around.clone(),
            shards: BTreeMap::new(),
            tasks: JoinSet::new(),
            slots: None,
            settings: None,
            pulse: None,
            unserved: None,
            draining: Vec::new(),
            stopping: None,
        }
    }

    /// Takes part until the lease runs out or the server is stopped.
    pub(super) async fn live(&mut self, membership: &mut Membership) -> End {
        loop {
            if !self.beat().await {
                return End::Expired;
            }
            if self.is_stuck {
                tracing::error!("the server cannot give its shards back: its lease is to run out");
                return End::Expired;
            }
            if let Err(error) = super::can_write(&self.around, membership.options.format_max) {
                self.leave().await;
                return End::Refused(error);
            }
            let is_alone = self.others().next().is_none();
            if self.shards.is_empty() || is_alone {
                for reply in self.draining.drain(..) {
                    // Whoever asked may be gone.
                    let _ = reply.send(());
                }
            }
            if self.shards.is_empty()
                && let Some(reply) = self.stopping.take()
            {
                self.leave().await;
                return End::Stopped(reply);
            }
            let next = crate::clock::instant() + self.pause();
            loop {
                tokio::select! {
                    biased;
                    wake = membership.wakes.recv() => match wake {
                        Some(wake) => {
                            self.wake(wake);
                            break;
                        }
                        None => return End::Expired,
                    },
                    Some(ended) = self.tasks.join_next_with_id() => {
                        self.ended(ended);
                        break;
                    }
                    // How a shard is changes nothing of who should have it.
                    () = self.around.published.moved() => self.judge(),
                    () = tokio::time::sleep_until(next) => break,
                }
            }
        }
    }

    /// How long until the next sign of life: to the moment, if another one's lease ends before.
    fn pause(&self) -> Duration {
        let beat = self.around.shared.in_force().values.beat();
        let Some(pulse) = &self.pulse else { return beat };
        let leases = pulse.members.iter().filter(|member| member.key != self.me);
        let ends = leases.map(|member| member.lease_until_ms).min();
        let left = ends.map(|end_ms| u64::try_from(end_ms - pulse.now_ms).unwrap_or(0));
        // A lease runs to the end of its last millisecond, and answers take a moment.
        let pause = left.map_or(beat, |left_ms| beat.min(Duration::from_millis(left_ms) + MARGIN));
        let now = crate::clock::instant();
        self.trouble.next(now).map_or(pause, |end| pause.min(end - now))
    }

    fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Look => {}
            Wake::Drain(reply) => {
                self.standing = Standing::Draining;
                self.draining.push(reply);
                self.around.published.set_condition(Condition::Stopping);
            }
            Wake::Stand(standing) => {
                self.trouble.stand_no_longer_aside(crate::clock::instant());
                self.standing = standing;
                if self.stopping.is_none() && self.around.published.own() == Condition::Stopping {
                    // It was drained and serves again, or stands by.
                    self.around.published.set_condition(Condition::Recovering);
                }
            }
            Wake::Stop(reply) => {
                self.standing = Standing::Draining;
                self.stopping = Some(reply);
                self.around.published.set_condition(Condition::Stopping);
                self.give_back(|_| true);
            }
        }
    }

    /// Shows that the server lives, and acts on what the store says. Whether the lease runs.
    async fn beat(&mut self) -> bool {
        let lease_ms = self.around.shared.in_force().values.lease_ms;
        let begun = crate::clock::instant();
        let beat = Beat {
            server: self.me,
            lease_ms,
            standing: shown(self.standing, &self.trouble),
            catalog: self.around.published.catalog().revision,
        };
        let store = self.around.store.clone();
        let answer = tokio::time::timeout_at(self.lease_end, store.beat(&beat)).await;
        match answer {
            Ok(Ok(pulse)) if pulse.is_member => {
                self.around.clock.follow(pulse.now_ms, begun);
                self.lease_end = begun + lease_of(lease_ms);
                self.around.routes.lease(Some(self.lease_end));
                // MBR-1: a store that hangs does not keep the server from letting go.
                let settling = tokio::time::timeout_at(self.lease_end, self.settle(pulse));
                match settling.await {
                    Ok(Ok(())) => true,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "the membership is not settled; it is tried again");
                        true
                    }
                    Err(_) => false,
                }
            }
            Ok(Ok(_)) | Err(_) => false,
            Ok(Err(error)) => {
                tracing::warn!(%error, "no sign of life could be given");
                crate::clock::instant() < self.lease_end
            }
        }
    }

    /// Makes what is here as it should be.
    async fn settle(&mut self, pulse: Pulse) -> Result<(), Error> {
        if self.slots != Some(pulse.slots) {
            let slots = self.around.store.slots().await?;
            self.around.routes.update(|table| table.slots = slots.into());
            self.slots = Some(pulse.slots);
        }
        if self.around.published.catalog().revision < pulse.catalog {
            self.around.catalogs.hint(pulse.catalog);
        }
        if self.settings != Some(pulse.settings) {
            self.around.shared.reload(&*self.around.store).await?;
            self.settings = Some(pulse.settings);
        }
        let wanted = self.around.shared.in_force().values.shards;
        if self.around.routes.table().shards_wanted != wanted {
            self.around.routes.update(|table| table.shards_wanted = wanted);
        }
        if usize::from(wanted) > pulse.shards.len() {
            self.around.store.found(wanted).await?;
            // They are seen at the next pulse.
            self.around.post.look_everywhere();
        }
        self.show(&pulse);
        self.take_over(&pulse);
        let serving: Vec<(ServerKey, &str)> = pulse
            .members
            .iter()
            .filter(|member| {
                self.standing_of(member.key, member.about.standing) == Standing::Serving
            })
            .map(|member| (member.key, &*member.about.name))
            .collect();
        let shards: Vec<ShardId> = pulse.shards.iter().map(|owner| owner.shard).collect();
        let targets = balance::targets(&shards, &serving);
        let me = self.me;
        // While nobody else serves, a server that stands aside keeps what it has until it stops.
        self.give_back(|shard| targets.get(&shard).is_some_and(|target| *target != me));
        for owner in &pulse.shards {
            let is_held = owner.owner.is_some_and(|owner| {
                owner != me && pulse.members.iter().any(|member| member.key == owner)
            });
            let is_mine = targets.get(&owner.shard) == Some(&me);
            let is_free = !is_held && !self.shards.contains_key(&owner.shard);
            let now = crate::clock::instant();
            if is_mine && is_free && !self.trouble.is_resting(owner.shard, now) {
                self.take(owner.shard);
            }
        }
        self.is_stuck = self.is_stuck(&pulse);
        let strays = pulse.shards.iter().filter(|owner| {
            let is_mine = targets.get(&owner.shard) == Some(&me);
            owner.owner == Some(me) && !is_mine && !self.shards.contains_key(&owner.shard)
        });
        for stray in strays {
            // It was not given back in order: it broke, or the store did not answer.
            self.around.store.release(stray.shard, me, stray.epoch).await?;
            self.around.post.look();
        }
        self.pulse = Some(pulse);
        self.judge();
        Ok(())
    }

    /// Serves if it stands by, may decide so itself, and nobody has served for two leases.
    fn take_over(&mut self, pulse: &Pulse) {
        let values = &self.around.shared.in_force().values;
        let standing = |member: &store::Member| self.standing_of(member.key, member.about.standing);
        let is_served = pulse.members.iter().any(|member| standing(member) == Standing::Serving);
        let mut members = pulse.members.iter();
        let first = members.find(|member| standing(member) == Standing::Standby);
        let is_first = first.is_some_and(|first| first.key == self.me);
        if is_served || !is_first || values.take_over == TakeOver::Manual {
            self.unserved = None;
            return;
        }
        let since_ms = *self.unserved.get_or_insert(pulse.now_ms);
        if pulse.now_ms - since_ms >= values.lease_ms.saturating_mul(2) {
            tracing::warn!("no server serves: this one, which stood by, takes over");
            self.standing = Standing::Serving;
            self.trouble.stand_no_longer_aside(crate::clock::instant());
        }
    }

    /// Whether the server has stood aside for longer than giving back takes, and still has shards.
    fn is_stuck(&self, pulse: &Pulse) -> bool {
        let now = crate::clock::instant();
        let Some(since) = self.trouble.aside_since(now) else { return false };
        let in_force = self.around.shared.in_force();
        let calls = lease_of(in_force.settings.stop_calls_ms);
        let is_owner = pulse.shards.iter().any(|owner| owner.owner == Some(self.me));
        is_owner && now - since >= patience(lease_of(in_force.values.lease_ms)) + calls
    }

    /// A shard cannot be served here. If that lasts while others serve, they are to try.
    fn broke(&mut self, shard: ShardId, how: ShardEnded) {
        let lease = lease_of(self.around.shared.in_force().values.lease_ms);
        let now = crate::clock::instant();
        let is_long = self.trouble.broke(shard, now, lease) || how == ShardEnded::Failing;
        if is_long && self.others().next().is_some() && self.trouble.aside_since(now).is_none() {
            let length = self.trouble.stand_aside(now, lease);
            tracing::error!(
                shard = shard.0,
                for_ms = length.as_millis(),
                "a shard cannot be served here: this server stands aside, others take its shards"
            );
        }
    }

    /// What the server wants to be weighs more than what the store last heard.
    fn standing_of(&self, member: ServerKey, stored: Standing) -> Standing {
        if member == self.me { shown(self.standing, &self.trouble) } else { stored }
    }

    fn others(&self) -> impl Iterator<Item = &store::Member> {
        let members = self.pulse.iter().flat_map(|pulse| &pulse.members);
        members.filter(|member| member.key != self.me && member.about.standing == Standing::Serving)
    }

    /// Shows everybody here who is there.
    fn show(&self, pulse: &Pulse) {
        let before = self.pulse.as_ref().map(|pulse| &pulse.members[..]).unwrap_or_default();
        let is_gone = |known: &&store::Member| pulse.members.iter().all(|it| it.key != known.key);
        for gone in before.iter().filter(is_gone) {
            let name = &*gone.about.name;
            tracing::info!(member = %gone.key, name, "left, or its lease ran out");
        }
        let members: BTreeMap<_, _> =
            pulse.members.iter().map(|member| (member.key, Arc::new(member.clone()))).collect();
        let owners: BTreeMap<_, _> = pulse
            .shards
            .iter()
            .filter_map(|shard| Some((shard.shard, shard.owner?)))
            .filter(|(_, owner)| members.contains_key(owner))
            .collect();
        let me = Some(self.me);
        let all = pulse.shards.iter().map(|owner| owner.shard).collect();
        let table = self.around.routes.table();
        let is_same = |(known, member): (&Arc<store::Member>, &Arc<store::Member>)| {
            known.key == member.key && known.about == member.about
        };
        let is_changed = table.members.len() != members.len()
            || !table.members.values().zip(members.values()).all(is_same);
        if table.me != me || table.all != all || table.owners != owners || is_changed {
            self.around.routes.update(|table| {
                *table = Table { me, all, owners, members, ..table.clone() };
            });
        }
    }

    fn take(&mut self, shard: ShardId) {
        let (sender, receiver) = mpsc::channel(INPUTS_MAX);
        let (orders, order) = watch::channel(ShardOrder::Run);
        // Before it begins, so that a stream that is opened meanwhile reaches it either way.
        self.around.routes.update(|table| {
            table.local.insert(shard, sender);
        });
        let (me, around) = (self.me, self.around.clone());
        let task = self.tasks.spawn(keep(shard, me, around, receiver, order)).id();
        self.shards.insert(shard, Served { orders, task });
    }

    fn give_back(&mut self, is_wanted: impl Fn(ShardId) -> bool) {
        let is_stopping = self.stopping.is_some();
        for (shard, served) in &self.shards {
            if is_stopping || is_wanted(*shard) {
                served.orders.send_if_modified(|order| {
                    let is_running = *order == ShardOrder::Run;
                    if is_running {
                        *order = ShardOrder::GiveBack;
                    }
                    is_running
                });
            }
        }
    }

    /// A shard is not served here any more. One that broke is taken again after a
    /// rest.
    fn ended(&mut self, ended: Result<(tokio::task::Id, ShardEnded), tokio::task::JoinError>) {
        let (task, how) = match ended {
            Ok((task, how)) => (task, how),
            Err(error) => {
                tracing::error!(%error, "a shard broke");
                (error.id(), ShardEnded::Broken)
            }
        };
        let Some(shard) = self.shards.iter().find(|(_, served)| served.task == task) else {
            return;
        };
        let shard = *shard.0;
        self.shards.remove(&shard);
        self.around.routes.update(|table| {
            table.local.remove(&shard);
            if table.owners.get(&shard) == table.me.as_ref() {
                table.owners.remove(&shard);
            }
        });
        match how {
            ShardEnded::GivenBack => self.around.post.look(),
            ShardEnded::Lost => {}
            ShardEnded::Failing | ShardEnded::Broken => self.broke(shard, how),
        }
    }

    /// Ready once it is a member that has what it needs; later, only its shards tell.
    fn judge(&self) {
        let published = &self.around.published;
        let is_waiting = matches!(published.own(), Condition::Starting | Condition::Recovering);
        let all_run = self
            .shards
            .keys()
            .all(|shard| !matches!(published.shard(*shard), None | Some(Condition::Starting)));
        let table = self.around.routes.table();
        let is_found =
            |shard: &ShardId| table.local.contains_key(shard) || table.owners.contains_key(shard);
        let all = self.pulse.as_ref().map(|pulse| &pulse.shards[..]).unwrap_or_default();
        let all_found = !all.is_empty() && all.iter().all(|owner| is_found(&owner.shard));
        if is_waiting && all_run && all_found {
            published.set_condition(Condition::Ready);
        }
    }

    async fn leave(&mut self) {
        if let Err(error) = self.around.store.leave(self.me).await {
            tracing::warn!(%error, "the server could not say that it leaves");
        }
        self.around.post.look();
    }

    /// Drops every shard that is left, without writing.
    pub(super) async fn let_go(mut self) {
        for served in self.shards.values() {
            served.orders.send_replace(ShardOrder::LetGo);
        }
        forget(&self.around);
        let patience = Duration::from_secs(2);
        let ending = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, ending).await.is_err() {
            // They wait for the store; whatever they still write there is fenced.
            self.tasks.shutdown().await;
        }
    }
}
