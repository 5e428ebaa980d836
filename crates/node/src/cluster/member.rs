//! A server's membership: joins, shows that it lives, takes the shards that are its share, gives
//! them back, and starts anew when its lease ran out.
//!
//! Boundary: one task owns all of it. What a shard does is the shard's business; who may own it is
//! decided by the store.
//! MBR-1 holds here: the lease is counted from before the store was asked, by this server's clock.
//! Read first: [`Membership::run`], then `member/life.rs`.

mod life;
mod trouble;

use std::time::Duration;

use store::{NewMember, ServerKey, Standing};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::error::Error;
use crate::published::Condition;
use crate::shard::Surroundings;

use super::Options;
use life::{End, Life};
use trouble::Trouble;

pub(crate) use trouble::{patience, rest};

/// Pause before joining is tried again.
const REJOIN_PAUSE: Duration = Duration::from_millis(200);
/// Wake-ups that may wait.
pub(crate) const WAKES_MAX: usize = 64;

/// What wakes the membership.
#[derive(Debug)]
pub(crate) enum Wake {
    /// Something changed: look at once.
    Look,
    /// Give all shards away; answered when none is left here, or nobody else could take them.
    Drain(oneshot::Sender<()>),
    /// Stand by, or serve.
    Stand(Standing),
    /// Give all shards back and leave.
    Stop(oneshot::Sender<()>),
}

/// What a server calls itself.
#[derive(Debug)]
pub(crate) struct Me {
    pub(crate) name: String,
    pub(crate) build: &'static str,
}

/// A server's membership.
pub(crate) struct Membership {
    pub(crate) me: Me,
    pub(crate) options: Options,
    pub(crate) around: Surroundings,
    pub(crate) wakes: mpsc::Receiver<Wake>,
}

impl Membership {
    /// Takes part until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut standing = self.options.about.standing;
        let mut trouble = Trouble::default();
        let stopped = loop {
            let wanted = shown(standing, &trouble);
            let joined = tokio::select! {
                biased;
                stop = stopped(&mut self.wakes, &mut standing) => break stop,
                joined = join(&self.around, &self.options, &self.me, wanted) => joined,
            };
            let (me, begun) = match joined {
                Ok(joined) => joined,
                Err(error @ Error::Format { .. }) => {
                    tracing::error!(%error, "the server does not take part");
                    self.around.published.refuse(error);
                    break None;
                }
                Err(error) => {
                    tracing::warn!(%error, "the server cannot join; it is tried again");
                    tokio::time::sleep(REJOIN_PAUSE).await;
                    continue;
                }
            };
            let mut life = Life::new(&self, me, begun, (standing, trouble));
            let end = life.live(&mut self).await;
            if matches!(end, End::Expired) {
                tracing::warn!(member = %me, "the lease ran out; the server joins again");
            }
            standing = life.standing;
            trouble = std::mem::take(&mut life.trouble);
            life.let_go().await;
            match end {
                End::Stopped(reply) => break Some(reply),
                End::Refused(error) => {
                    tracing::error!(%error, "the server does not take part");
                    self.around.published.refuse(error);
                    break None;
                }
                End::Expired => {
                    self.around.published.set_condition(Condition::Recovering);
                    tracing::warn!(server = %me, "the lease ran out; the server joins anew");
                }
            }
        };
        self.around.routes.update(|table| table.is_stopping = true);
        self.around.published.set_condition(Condition::Stopping);
        if let Some(reply) = stopped {
            // Whoever asked may be gone.
            let _ = reply.send(());
        }
    }
}

/// What a server is there for, as others are to see it: one that stands aside stands by.
fn shown(standing: Standing, trouble: &Trouble) -> Standing {
    match standing {
        Standing::Serving if trouble.aside_since(crate::clock::instant()).is_some() => {
            Standing::Standby
        }
        standing => standing,
    }
}

/// Enters; answers its key, and when the lease began at the latest, and how long it is.
async fn join(
    around: &Surroundings,
    options: &Options,
    me: &Me,
    standing: Standing,
) -> Result<(ServerKey, (Instant, i64)), Error> {
    let store = &around.store;
    store.found(options.shards).await?;
    around.shared.reload(&**store).await?;
    can_write(around, options.format_max)?;
    let lease_ms = around.shared.in_force().values.lease_ms;
    let about = &options.about;
    let member = NewMember {
        name: me.name.as_str().into(),
        peer: about.peer.clone(),
        http: about.http.clone(),
        grpc: about.grpc.clone(),
        hosts: about.hosts.clone(),
        build: me.build.into(),
        format_max: options.format_max,
        standing,
    };
    let begun = crate::clock::instant();
    let key = store.join(&member, lease_ms).await?;
    // What is deployed at this moment is closed here before anything is served.
    crate::deployment::part::join(around).await?;
    // INV-1: what was committed while it was away serves before its lease is seen to run.
    let revision = store.pulse().await?.catalog;
    around.catalogs.refresh(revision).await?;
    tracing::info!(member = %key, name = me.name, lease_ms, "joined the cluster");
    Ok((key, (begun, lease_ms)))
}

/// Whether a server that writes formats up to this one may take part.
fn can_write(around: &Surroundings, most: u32) -> Result<(), Error> {
    let format = around.shared.in_force().values.format;
    if format <= most {
        return Ok(());
    }
    let detail = format!(
        "format {format} is in force and this server's program writes formats up to {most}: run a \
         newer program"
    );
    Err(Error::Format { detail })
}

/// Waits for the order to stop while the server is no member. Cancel safe.
async fn stopped(
    wakes: &mut mpsc::Receiver<Wake>,
    standing: &mut Standing,
) -> Option<oneshot::Sender<()>> {
    loop {
        match wakes.recv().await {
            None => return None,
            Some(Wake::Stop(reply)) => return Some(reply),
            Some(Wake::Drain(reply)) => {
                *standing = Standing::Draining;
                // Whoever asked may be gone.
                let _ = reply.send(());
            }
            Some(Wake::Stand(wanted)) => *standing = wanted,
            Some(Wake::Look) => {}
        }
    }
}

/// How long a lease is good for, counted from before it was asked for.
fn lease_of(lease_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(lease_ms).unwrap_or(0))
}

/// What everybody sees of a life that ended.
fn forget(around: &Surroundings) {
    around.routes.lease(None);
    around.routes.update(|table| {
        table.me = None;
        table.local.clear();
        table.owners.clear();
        table.members.clear();
        // Slots stay: a shard that decides until it hears the order must not take others' buckets
        // for its own.
    });
}
