//! A client that holds a lock for a while.
//!
//! Boundary: asks until it has the lock or its session is over; what it was told is noted.
//! Read first: [`hold`].

use std::sync::Arc;
use std::time::Duration;

use node::Error;

use super::{PAUSE_MS, Trouble, ask, pause};
use crate::dice::Dice;
use crate::history::Fact;
use crate::world::World;

/// How long a client waits for a lock with one call.
const WAIT: Duration = Duration::from_secs(3);
/// How long the lock is its.
const LEASE: Duration = Duration::from_secs(4);

/// The name of a lock.
pub(crate) fn name_of(lock: u64) -> String {
    format!("lock-{lock}")
}

/// Waits for a lock, keeps it for a moment, and gives it back.
pub(crate) async fn hold(world: Arc<World>, number: usize, lock: u64) {
    let dice = Dice::new(world.setup.seed, &format!("holder {number}"));
    let (lock, session) = (name_of(lock), format!("s{number}"));
    let what = format!("lock {lock} for {session}");
    loop {
        let (name, me) = (lock.clone(), session.clone());
        let asked = ask(&world, &dice, &what, |node| async move {
            node.acquire_lock(&name, &me, WAIT, LEASE).await
        });
        match asked.await {
            Ok(grant) => {
                let (lock, session) = (lock.clone(), session.clone());
                world.trace.line("ask", format_args!("= {what}: {}", grant.fence));
                world.history.note(Fact::Held { lock, session, fence: grant.fence });
                break;
            }
            Err(_) => pause(PAUSE_MS).await,
        }
    }
    pause(dice.range(0..=600)).await;
    let what = format!("unlock {lock} of {session}");
    loop {
        let (name, me) = (lock.clone(), session.clone());
        let asked =
            ask(&world, &dice, &what, |node| async move { node.release_lock(&name, &me).await });
        match asked.await {
            // Its lease was over before.
            Ok(()) | Err(Trouble::Refused(Error::State { .. })) => return,
            Err(_) => pause(PAUSE_MS).await,
        }
    }
}
