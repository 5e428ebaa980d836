//! What a world is made of, drawn from its seed.
//!
//! Boundary: values only; they are printed at the beginning of the trace.
//! Read first: [`Setup`].

use crate::dice::Dice;
use crate::faults::{Fault, plan, reshardings};
use crate::weather::Climate;

/// When the faults are over at the latest, in milliseconds.
const TROUBLE_MAX_MS: u64 = 6_000;

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A document with an id, published again until it is accepted.
    Order,
    /// A document without one, published once.
    Loose,
    /// An instance that forks, waits for a document, and calls a child.
    Fork,
    /// The same, cancelled somewhere on its way.
    Cancelled,
    /// An instance that waits for a message that lives so long, in milliseconds.
    Await(u64),
    /// So many messages with one key, each of which starts an instance.
    Open(u64),
    /// An instance with timers at its step, awaited by its client.
    Late,
    /// An instance that tells another one.
    Tell,
    /// An instance that works under a lock of this number.
    Guard(u64),
    /// A lock of this number for a client.
    Hold(u64),
}

/// What a world is made of.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The seed.
    pub seed: u64,
    /// How many servers there are.
    pub servers: usize,
    /// How many shards.
    pub shards: u16,
    /// How long a server lives without a sign of life.
    pub lease_ms: i64,
    /// What goes wrong on ordinary days.
    pub climate: Climate,
    /// What goes wrong beside.
    pub faults: Vec<(u64, Fault)>,
    /// What clients want, and when.
    pub wishes: Vec<(u64, Wish)>,
    /// Workers for each type of job.
    pub workers: usize,
    /// How often workers misbehave, in a thousand.
    pub mischief: u64,
    /// Servers whose clock does not follow the store's.
    pub own_clocks: Vec<usize>,
}

/// What clients want of locks: dice of its own, so that older seeds stay what they were otherwise.
fn locks(seed: u64) -> Vec<(u64, Wish)> {
    let dice = Dice::new(seed, "locks");
    let number = *dice.pick(&[0, 0, 3, 8]);
    let wish = |_| {
        let lock = dice.range(0..=2);
        let wish = if dice.happens(600) { Wish::Guard(lock) } else { Wish::Hold(lock) };
        (dice.range(0..=TROUBLE_MAX_MS), wish)
    };
    (0..number).map(wish).collect()
}

impl Setup {
    /// Draws it.
    #[must_use]
    pub(crate) fn draw(seed: u64) -> Self {
        let dice = Dice::new(seed, "setup");
        let servers = *dice.pick(&[1, 2, 2, 3, 3, 3, 4, 5]);
        let rough = |often: u64, most: u64| {
            if dice.happens(often) { dice.range(1..=most) } else { 0 }
        };
        let climate = Climate {
            delay_max_ms: *dice.pick(&[1, 2, 5, 20]),
            db_errors: rough(300, 20),
            db_lost: rough(300, 20),
            peer_lost: rough(400, 60),
            peer_doubled: rough(250, 100),
            client_lost: rough(400, 60),
        };
        let number = *dice.pick(&[0, 1, 2, 4, 6, 9, 14]);
        let mut faults = plan(&dice, servers, number, (400, TROUBLE_MAX_MS));
        faults.extend(reshardings(seed, (400, TROUBLE_MAX_MS)));
        faults.sort_by_key(|(at, _)| *at);
        let wishes = (0..dice.range(4..=24)).map(|_| {
            let wish = match dice.below(10) {
                0 | 1 => Wish::Order,
                2 => Wish::Loose,
                3 | 4 => Wish::Fork,
                5 => Wish::Cancelled,
                6 => Wish::Await(*dice.pick(&[0, 40, 700, 3_600_000])),
                7 => Wish::Open(dice.range(1..=4)),
                8 => Wish::Late,
                _ => Wish::Tell,
            };
            (dice.range(0..=TROUBLE_MAX_MS), wish)
        });
        let wishes = wishes.chain(locks(seed)).collect();
        let own_clocks = if dice.happens(150) { vec![dice.below(servers)] } else { Vec::new() };
        Self {
            seed,
            servers,
            shards: *dice.pick(&[1, 2, 3, 4, 6, 8]),
            lease_ms: *dice.pick(&[500, 900, 1_500]),
            climate,
            faults,
            wishes,
            workers: *dice.pick(&[1, 2]),
            mischief: *dice.pick(&[0, 0, 100, 300]),
            own_clocks,
        }
    }

    /// When the faults are over, in milliseconds.
    #[must_use]
    pub(crate) fn calm_from_ms(&self) -> u64 {
        self.faults.last().map_or(0, |(at, _)| *at).max(1_000)
    }
}
