//! Clients: each wants one thing, asks any server, and tries again as a careful client would.
//!
//! Boundary: sees answers only. What it was told is noted, and compared at once with what the
//! store has.
//! Read first: [`ask`], then `client/wish.rs`.

pub(crate) mod founded;
pub(crate) mod hold;
pub(crate) mod operator;
pub(crate) mod wish;
pub(crate) mod worker;

use std::time::Duration;

use feel::{Context, Value};
use node::{Error, Node};

use crate::dice::Dice;
use crate::power::Dead;
use crate::world::World;

/// How long a client waits for an answer, in milliseconds.
const PATIENCE_MS: u64 = 20_000;
/// Pause before a client asks again, in milliseconds.
const PAUSE_MS: u64 = 60;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It did not happen.
    NotDone,
    /// It may have happened.
    Unknown,
    /// It was refused.
    Refused(Error),
}

/// Asks a server, whichever the dice say; `call` gets its answer where it is made.
pub(crate) async fn ask<T, F: Future<Output = Result<T, Error>>>(
    world: &World,
    dice: &Dice,
    what: &str,
    call: impl FnOnce(Node) -> F,
) -> Result<T, Trouble> {
    let hosts = world.net.hosts();
    if hosts.is_empty() {
        pause(PAUSE_MS).await;
        return Err(Trouble::NotDone);
    }
    let host = dice.pick(&hosts).clone();
    let (server, life, power) = (host.server, host.life, host.power.clone());
    world.trace.line("ask", format_args!("> server {server}#{life} {what}"));
    let delay_max_ms = world.weather.climate().delay_max_ms;
    pause(dice.range(0..=delay_max_ms)).await;
    let asked = async {
        power.awake().await?;
        let node = host.node().ok_or(Dead)?;
        let answer = power.during(call(node)).await?;
        power.awake().await?;
        Ok::<_, Dead>(answer)
    };
    let answer = tokio::time::timeout(Duration::from_millis(PATIENCE_MS), asked).await;
    pause(dice.range(0..=delay_max_ms)).await;
    let is_lost = dice.happens(world.weather.climate().client_lost);
    let answer = match answer {
        Ok(Ok(answer)) if !is_lost => answer,
        Ok(_) | Err(_) => {
            world.trace.line("ask", format_args!("? server {server}#{life} {what}"));
            return Err(Trouble::Unknown);
        }
    };
    answer.map_err(|error| {
        world.trace.line("ask", format_args!("! server {server}#{life} {what}: {error}"));
        match error {
            Error::Unavailable { .. } | Error::Overloaded | Error::NotDeployed { .. } => {
                Trouble::NotDone
            }
            Error::Storage { .. } | Error::Timeout { .. } | Error::Internal { .. } => {
                Trouble::Unknown
            }
            error => Trouble::Refused(error),
        }
    })
}

/// Lets time pass.
pub(crate) async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Variables with texts.
pub(crate) fn texts(pairs: &[(&str, &str)]) -> Context {
    Context::new(pairs.iter().map(|(name, text)| ((*name).into(), Value::from(*text))).collect())
}
