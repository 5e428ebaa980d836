//! Locks in the world: what clients and operators ask of them, and carrying out what they ask for.
//!
//! - client: `lock LOCK SESSION [wait=10s] [lease=1m]` (without `wait` it waits for ever),
//!   `unlock LOCK SESSION`, `renew LOCK SESSION [lease=1m]`; with `INSTANCE/STEP` in place of the
//!   session the same once more for a step
//! - operator: `take-away LOCK [fence=N]`
//! - what else a shell says: `wake LOCK`, `forget LOCK INSTANCE`
//!
//! Boundary: a grant that an instance refuses is given back, as a shell does.
//! Read first: [`World::lock_input`], then [`World::tell_lock`].

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use feel::Str;

use crate::command::Command;
use crate::lock::{self, Lock, Owner, Party};
use crate::rejection::Rejection;
use crate::render::Names;
use crate::render::lock::owner;

use super::words::{Words, duration_ms};
use super::world::{Pending, World};

impl World {
    /// Reads an input that is about a lock; false if the verb is another one.
    pub(super) fn lock_input(&mut self, verb: &str, words: &mut Words) -> Result<bool, String> {
        if !matches!(verb, "lock" | "unlock" | "renew" | "take-away" | "wake" | "forget") {
            return Ok(false);
        }
        let name: Str = words.take("the lock")?.into();
        let now_ms = self.now_ms();
        let later = |text: String| Ok::<_, String>(now_ms.saturating_add(duration_ms(&text)?));
        let lease_ms = words.pair("lease").unwrap_or_else(|| String::from("1m"));
        let command = match verb {
            "lock" => lock::Command::Acquire {
                party: self.party(&words.take("the session")?)?,
                deadline_ms: words.pair("wait").map(later).transpose()?,
                lease_until_ms: Some(later(lease_ms)?),
            },
            "unlock" => lock::Command::Release { party: self.party(&words.take("the session")?)? },
            "renew" => {
                let session = words.take("the session")?.into();
                lock::Command::Renew { session, lease_until_ms: later(lease_ms)? }
            }
            "take-away" => {
                let fence = words.pair("fence").map(|text| text.parse());
                let fence = fence.transpose().map_err(|_| "fence= is no number".to_string())?;
                lock::Command::ReleaseHolder { fence }
            }
            "wake" => lock::Command::Expire,
            _ => {
                let instance = self.aliases.find_instance(&words.take("the instance")?)?;
                lock::Command::Forget { instance }
            }
        };
        if let Err(rejection) = self.tell_lock(&name, &command) {
            let why = crate::render::Log::default().rejection(&rejection, &self.aliases);
            self.lines.push(format!("! {why}"));
        }
        Ok(true)
    }

    /// A step, or the session of a client.
    fn party(&self, text: &str) -> Result<Party, String> {
        if !text.contains('/') {
            return Ok(Party::Client { session: text.into() });
        }
        let (instance, step) = self.step(text)?;
        Ok(Party::Step { instance, step })
    }

    pub(super) fn tell_lock(
        &mut self,
        name: &Str,
        command: &lock::Command,
    ) -> Result<(), Rejection> {
        let now_ms = self.now_ms();
        let lock = self.locks.entry(name.clone()).or_default();
        let before = lock.clone();
        let result = lock::decide(lock, command.clone(), now_ms);
        let after = lock.clone();
        self.seen.insert(super::coverage::lock(&before, command, &after, &result));
        let mut bytes = Vec::new();
        after.encode_to(&mut bytes);
        assert_eq!(Lock::decode(&bytes).as_ref().ok(), Some(&after), "a lock is its snapshot");
        let decision = match result {
            Ok(decision) => decision,
            Err(rejection) => {
                assert_eq!(before, after, "a rejected command changed the lock");
                return Err(rejection);
            }
        };
        assert!(after.fence >= before.fence, "LCK-2: fencing numbers never go back");
        let same =
            |held: &lock::Holder| before.holder.as_ref().is_none_or(|old| old.fence <= held.fence);
        assert!(after.holder.iter().all(same), "LCK-2: {before:?} {after:?}");
        self.show_lock(name, &before, &after);
        let effects = decision.effects.into_iter();
        self.queue.extend(effects.map(|effect| Pending::Lock(name.clone(), effect)));
        Ok(())
    }

    /// Who holds it now and did not before, and who waits.
    fn show_lock(&mut self, name: &Str, before: &Lock, after: &Lock) {
        let held = |lock: &Lock| lock.holder.as_ref().map(|held| (held.fence, held.steps.len()));
        if held(before) != held(after) {
            let line = match &after.holder {
                Some(held) => {
                    let mut line = format!(
                        "{name}: {}, fence {}",
                        owner(&held.owner, &self.aliases),
                        held.fence
                    );
                    if held.steps.len() > 1 {
                        line.push_str(&format!(", {} times", held.steps.len()));
                    }
                    line
                }
                None => format!("{name}: free"),
            };
            self.say(&format!("  {line}"));
        }
        let waits = |lock: &Lock, party: &Party| lock.waiting.iter().any(|w| w.party == *party);
        for waiter in after.waiting.iter().filter(|waiter| !waits(before, &waiter.party)) {
            let mut line = format!("{name}: {} waits", self.party_name(&waiter.party));
            if let Some(until_ms) = waiter.deadline_ms {
                line.push_str(&format!(" until {}", self.aliases.time(until_ms)));
            }
            self.say(&format!("  {line}"));
        }
    }

    fn party_name(&self, party: &Party) -> String {
        match party {
            Party::Step { instance, step } => match self.instances.get(instance) {
                Some(running) => running.log.step(*step, &self.aliases),
                None => self.aliases.instance(*instance),
            },
            Party::Client { session } => format!("client {session}"),
        }
    }

    pub(super) fn carry_lock(&mut self, name: &Str, effect: lock::Effect) {
        match effect {
            lock::Effect::Granted { party: Party::Step { instance, step }, fence } => {
                let command = Command::TakeLock { step, name: name.clone(), fence };
                if self.tell(instance, command).is_err() {
                    self.say(&format!(
                        "  {name} comes too late for {}",
                        self.aliases.instance(instance)
                    ));
                    let party = Party::Step { instance, step };
                    // It may have been given back already.
                    let _void = self.tell_lock(name, &lock::Command::Release { party });
                }
            }
            lock::Effect::TimedOut { party: Party::Step { instance, step } } => {
                self.try_tell(instance, Command::TimeOutLock { step, name: name.clone() });
            }
            lock::Effect::Lost { party: Party::Step { instance, .. }, fence } => {
                self.try_tell(instance, Command::LoseLock { name: name.clone(), fence });
            }
            lock::Effect::Granted { party, fence } => {
                self.say(&format!("{} has {name}, fence {fence}", self.party_name(&party)));
            }
            lock::Effect::TimedOut { party } => {
                self.say(&format!("{} does not get {name}", self.party_name(&party)));
            }
            lock::Effect::Lost { party, fence } => {
                self.say(&format!("{} lost {name}, fence {fence}", self.party_name(&party)));
            }
            lock::Effect::ArmExpiry { due_ms } => {
                self.rows.lock_expiries.insert((due_ms, name.clone()));
            }
        }
    }
}

/// Checks LCK-1 and LCK-5: who holds and waits is the same in the locks and in the instances.
pub(super) fn verify(world: &World) {
    use crate::instance::Wait;
    let mut held = Vec::new();
    let mut waiting = Vec::new();
    for (instance, running) in &world.instances {
        for lock in running.state.locks.iter().filter(|lock| !lock.lost) {
            held.push((lock.name.clone(), *instance, lock.step, lock.fence));
        }
        for (step, found) in &running.state.steps {
            if let Wait::Lock(wait) = &found.wait
                && !wait.timed_out
            {
                waiting.push((wait.name.clone(), *instance, *step));
            }
        }
    }
    let mut held_there = Vec::new();
    let mut waiting_there = Vec::new();
    for (name, lock) in &world.locks {
        assert!(lock.holder.is_some() || lock.waiting.is_empty(), "LCK-4: {name} is free");
        if let Some(holder) = &lock.holder
            && let Owner::Instance(instance) = holder.owner
        {
            let one = |step| (name.clone(), instance, step, holder.fence);
            held_there.extend(holder.steps.iter().copied().map(one));
        }
        for waiter in &lock.waiting {
            if let Party::Step { instance, step } = waiter.party {
                waiting_there.push((name.clone(), instance, step));
            }
        }
    }
    for list in [&mut held, &mut held_there] {
        list.sort();
    }
    for list in [&mut waiting, &mut waiting_there] {
        list.sort();
    }
    assert_eq!(held_there, held, "LCK-5: locks held, by the locks and by the instances");
    assert_eq!(waiting_there, waiting, "LCK-5: waiting, by the locks and by the instances");
}
