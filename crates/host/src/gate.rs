//! The gate of each package: holds new calls while those that run drain (R3 to R7).
//!
//! A call enters the gates of all packages that it is work of, at once; what it got is an
//! [`Admission`], which leaves when it is dropped. A deployment closes the gates of a set: new
//! calls wait, calls of request trees that have work in the set pass. When nothing is left in
//! flight it seals the set, so that not even those pass, switches what is behind, and opens.
//!
//! Boundary: counts and waits only; what is switched behind a sealed gate is up to `node`. Time
//! comes from the caller.
//! Invariants: GAT-1 nobody is inside a sealed set, unless the seal was forced. GAT-2 a call
//! whose tree is inside of a closed set is never held by it, so that a set cannot wait for
//! itself. GAT-3 what is held is bounded, by number and by each one's patience.
//! Read first: [`Gates::enter`], then [`Gates::close`], [`Gates::drained`], [`Gates::seal`].
//! Tests: `gate/tests.rs`

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use feel::Str;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Packages that a chain names; longer ones are refused by whoever reads them.
pub const CHAIN_MAX: usize = 64;

/// The packages of the calls that led to a call, the first one first: its place in a request
/// tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain(Vec<Str>);

/// What kind of work a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A service, called by a client.
    Call,
    /// A service, called by a step of a process or by a trigger.
    Step,
    /// A service, called by a trigger.
    Trigger,
    /// The start of an instance.
    Start,
    /// A start-up or shutdown service.
    Lifecycle,
}

impl Kind {
    /// Its name, as lists have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Step => "step",
            Self::Trigger => "trigger",
            Self::Start => "start",
            Self::Lifecycle => "lifecycle",
        }
    }
}

/// A call, as a person sees it in a list.
#[derive(Debug, Clone)]
pub struct What {
    /// What kind of work it is.
    pub kind: Kind,
    /// What is called: `package/service`, or a process.
    pub name: Str,
    /// Whose work it is: the key of an instance or entry; zero: a client's.
    pub owner: u64,
    /// Since when it is there.
    pub since: Instant,
}

/// What happens to new calls of a closed set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    /// They wait.
    #[default]
    Hold,
    /// They fail at once.
    FailFast,
    /// They run on the old version until the set is sealed, and nobody waits for their end.
    RunOnOld,
}

/// Why a call does not enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The set is closed, and its policy is to fail.
    Closed,
    /// So many are held already.
    Full,
    /// It was held for as long as it could wait.
    Late,
}

/// The gates of all packages on one server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gates {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told when a set is opened, and when nobody is left inside of a closed one.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    inside: Slab,
    closed: BTreeMap<u64, Closed>,
    /// The set that keeps a package closed.
    gates: HashMap<Str, u64>,
    held: BTreeMap<u64, What>,
    held_next: u64,
    held_max: usize,
    /// Grows whenever a set is opened.
    opened: u64,
}

#[derive(Debug)]
struct Closed {
    set: Vec<Str>,
    policy: Policy,
    is_sealed: bool,
    /// How many are inside that have to leave before it is sealed.
    inside: usize,
}

/// What a call is work of: one package or two.
type Packages = [Option<Str>; 2];

#[derive(Debug)]
struct Inside {
    packages: Packages,
    what: What,
    /// The set that waits until this one leaves.
    awaited_by: Option<u64>,
}

/// Those inside; a place is used again when it is free.
#[derive(Debug, Default)]
struct Slab {
    places: Vec<Option<Inside>>,
    free: Vec<usize>,
}

impl Slab {
    fn insert(&mut self, inside: Inside) -> usize {
        if let Some(place) = self.free.pop() {
            self.places[place] = Some(inside);
            return place;
        }
        self.places.push(Some(inside));
        self.places.len() - 1
    }

    fn remove(&mut self, place: usize) -> Option<Inside> {
        let found = self.places.get_mut(place)?.take();
        if found.is_some() {
            self.free.push(place);
        }
        found
    }
}

/// A call that is inside. It leaves when this is dropped.
#[derive(Debug)]
pub struct Admission {
    shared: Arc<Shared>,
    place: usize,
    chain: Chain,
    packages: Packages,
}

impl Admission {
    /// The chain for calls that this one causes.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.chain.and(&self.packages)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let Some(inside) = state.inside.remove(self.place) else { return };
        let Some(closing) = inside.awaited_by else { return };
        let Some(closed) = state.closed.get_mut(&closing) else { return };
        closed.inside -= 1;
        if closed.inside == 0 {
            drop(state);
            self.shared.changed.notify_waiters();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is inside of a closed set and how many wait before it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Who has to leave, the oldest first, at most as many as were asked for.
    pub inside: Vec<What>,
    /// How many have to leave.
    pub number: usize,
    /// How many calls wait before the gates of the set.
    pub held: usize,
    /// Since when the first of them waits.
    pub held_since: Option<Instant>,
}

impl Default for Gates {
    fn default() -> Self {
        Self::new(10_000)
    }
}

impl Gates {
    /// All open. At most `held_max` calls are held at once.
    #[must_use]
    pub fn new(held_max: usize) -> Self {
        let state = State {
            inside: Slab::default(),
            closed: BTreeMap::new(),
            gates: HashMap::new(),
            held: BTreeMap::new(),
            held_next: 0,
            held_max,
            opened: 0,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }) }
    }

    /// Lets so many calls be held at once from now on.
    pub fn hold_at_most(&self, held_max: usize) {
        self.shared.lock().held_max = held_max;
    }

    /// Enters the gates of a call's packages (one or two; an empty name is none), or waits until
    /// they open. Cancel safe: a call that is dropped waits no longer.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub async fn enter(
        &self,
        packages: [&Str; 2],
        chain: &Chain,
        what: What,
        patience: Duration,
    ) -> Result<Admission, Refusal> {
        let what = match self.shared.lock().enter(packages, chain, what) {
            Ok(entered) => return Ok(self.admission(entered, chain)),
            Err((Policy::FailFast, _)) => return Err(Refusal::Closed),
            Err((Policy::Hold | Policy::RunOnOld, what)) => what,
        };
        let held = self.hold(&what).ok_or(Refusal::Full)?;
        let entering = self.wait_and_enter(packages, chain, what);
        let entered = tokio::time::timeout(patience, entering).await;
        drop(held);
        entered.unwrap_or(Err(Refusal::Late))
    }

    async fn wait_and_enter(
        &self,
        packages: [&Str; 2],
        chain: &Chain,
        mut what: What,
    ) -> Result<Admission, Refusal> {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            match self.shared.lock().enter(packages, chain, what) {
                Ok(entered) => return Ok(self.admission(entered, chain)),
                Err((Policy::FailFast, _)) => return Err(Refusal::Closed),
                Err((Policy::Hold | Policy::RunOnOld, back)) => what = back,
            }
            changed.await;
        }
    }

    /// Enters at once, or not at all.
    #[must_use]
    pub fn try_enter(&self, packages: [&Str; 2], chain: &Chain, what: What) -> Option<Admission> {
        let entered = self.shared.lock().enter(packages, chain, what);
        entered.ok().map(|entered| self.admission(entered, chain))
    }

    /// Whether new calls of a package enter now.
    #[must_use]
    pub fn is_open(&self, package: &str) -> bool {
        let state = self.shared.lock();
        state.gates.is_empty() || state.may_pass(package)
    }

    /// Whether new calls of a package enter in its sealed state only if nobody sealed it: that is,
    /// whether it is being switched at this moment.
    #[must_use]
    pub fn is_sealed(&self, package: &str) -> bool {
        let state = self.shared.lock();
        let closing = state.gates.get(package);
        closing.and_then(|id| state.closed.get(id)).is_some_and(|closed| closed.is_sealed)
    }

    fn admission(&self, (place, packages): (usize, Packages), chain: &Chain) -> Admission {
        Admission { shared: self.shared.clone(), place, chain: chain.clone(), packages }
    }

    fn hold(&self, what: &What) -> Option<Held> {
        let mut state = self.shared.lock();
        if state.held.len() >= state.held_max {
            return None;
        }
        let number = state.held_next;
        state.held_next += 1;
        state.held.insert(number, what.clone());
        Some(Held { shared: self.shared.clone(), number })
    }

    /// Closes the gates of a set for the deployment `id`: from now on new calls do what the
    /// policy says. Answers false, and nothing is closed, if another deployment has closed one.
    #[must_use]
    pub fn close(&self, id: u64, set: &[Str], policy: Policy) -> bool {
        let mut state = self.shared.lock();
        if state.closed.contains_key(&id) {
            return true;
        }
        if set.iter().any(|package| state.gates.contains_key(package)) {
            return false;
        }
        let mut number = 0;
        for inside in state.inside.places.iter_mut().flatten() {
            let is_awaited = inside.packages.iter().flatten().any(|package| set.contains(package));
            if is_awaited {
                inside.awaited_by = Some(id);
                number += 1;
            }
        }
        for package in set {
            state.gates.insert(package.clone(), id);
        }
        let closed = Closed { set: set.to_vec(), policy, is_sealed: false, inside: number };
        state.closed.insert(id, closed);
        true
    }

    /// What lets calls of a deployment's own start-up services pass its seal, in their chains; no
    /// package has such a name.
    #[must_use]
    pub fn pass(id: u64) -> Str {
        format!("DEPLOYMENT-{id}").into()
    }

    /// Waits until nobody is left inside of a closed set. Somebody of a tree that was inside may
    /// enter again before it is sealed.
    pub async fn drained(&self, id: u64) {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.shared.lock().closed.get(&id).is_none_or(|closed| closed.inside == 0) {
                return;
            }
            changed.await;
        }
    }

    /// Lets nobody pass any more, not even trees that were inside; only if nobody is inside, or
    /// if it is forced. Answers whether the set is sealed.
    #[must_use]
    pub fn seal(&self, id: u64, is_forced: bool) -> bool {
        let mut state = self.shared.lock();
        let Some(closed) = state.closed.get_mut(&id) else { return false };
        closed.is_sealed = closed.is_sealed || is_forced || closed.inside == 0;
        closed.is_sealed
    }

    /// Lets trees that are inside elsewhere pass again.
    pub fn unseal(&self, id: u64) {
        let mut state = self.shared.lock();
        let Some(closed) = state.closed.get_mut(&id) else { return };
        closed.is_sealed = false;
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// Opens what a deployment has closed; those who wait enter in the order in which they came.
    pub fn open(&self, id: u64) {
        let mut state = self.shared.lock();
        let Some(closed) = state.closed.remove(&id) else { return };
        for package in &closed.set {
            state.gates.remove(package);
        }
        for inside in state.inside.places.iter_mut().flatten() {
            inside.awaited_by = inside.awaited_by.filter(|by| *by != id);
        }
        state.opened += 1;
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// How often sets were opened; changes when something that was held may go on.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.shared.lock().opened
    }

    /// Waits until a set was opened that was closed when [`Gates::opened`] had this answer.
    pub async fn opened_since(&self, before: u64) -> u64 {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let opened = self.opened();
            if opened != before {
                return opened;
            }
            changed.await;
        }
    }

    /// Who is inside of a set that a deployment has closed, and who waits before it.
    #[must_use]
    pub fn seen(&self, id: u64, most: usize) -> Seen {
        let state = self.shared.lock();
        let Some(closed) = state.closed.get(&id) else { return Seen::default() };
        let awaited = state.inside.places.iter().flatten().filter(|i| i.awaited_by == Some(id));
        let inside = oldest(awaited.map(|inside| &inside.what), most);
        let held = state.held.values();
        Seen {
            inside,
            number: closed.inside,
            held: held.len(),
            held_since: held.map(|what| what.since).min(),
        }
    }

    /// Who is inside of one package, the oldest first, and how many.
    #[must_use]
    pub fn inside(&self, package: &str, most: usize) -> (Vec<What>, usize) {
        let state = self.shared.lock();
        let all: Vec<_> = state.inside.places.iter().flatten().collect();
        let of_it = all
            .into_iter()
            .filter(|inside| inside.packages.iter().flatten().any(|inside| **inside == *package));
        let of_it: Vec<_> = of_it.map(|inside| &inside.what).collect();
        let number = of_it.len();
        (oldest(of_it.into_iter(), most), number)
    }

    /// How a package's gate is: `open`, `closed` or `sealed`.
    #[must_use]
    pub fn condition(&self, package: &str) -> &'static str {
        let state = self.shared.lock();
        match state.gates.get(package).and_then(|id| state.closed.get(id)) {
            None => "open",
            Some(closed) if closed.is_sealed => "sealed",
            Some(_) => "closed",
        }
    }
}

fn oldest<'w>(all: impl Iterator<Item = &'w What>, most: usize) -> Vec<What> {
    let mut all: Vec<&What> = all.collect();
    all.sort_by_key(|what| what.since);
    all.into_iter().take(most).cloned().collect()
}

impl State {
    /// Whether a new call of a package passes.
    fn may_pass(&self, package: &str) -> bool {
        let closed = self.gates.get(package).and_then(|id| self.closed.get(id));
        closed.is_none_or(|closed| !closed.is_sealed && closed.policy == Policy::RunOnOld)
    }

    /// What keeps a call out, if something does.
    fn keeps_out(&self, packages: [&Str; 2], chain: &Chain) -> Option<Policy> {
        let mut ids = packages.iter().filter_map(|package| self.gates.get(*package));
        ids.find_map(|id| {
            let closed = self.closed.get(id)?;
            let is_of_tree = || chain.0.iter().any(|passed| closed.set.contains(passed));
            let is_own = || chain.0.contains(&Gates::pass(*id));
            let passes = if closed.is_sealed {
                is_own()
            } else {
                closed.policy == Policy::RunOnOld || is_of_tree()
            };
            (!passes).then_some(closed.policy)
        })
    }

    fn enter(
        &mut self,
        packages: [&Str; 2],
        chain: &Chain,
        what: What,
    ) -> Result<(usize, Packages), (Policy, What)> {
        let mut awaited_by = None;
        if !self.gates.is_empty() {
            if let Some(policy) = self.keeps_out(packages, chain) {
                return Err((policy, what));
            }
            // Whoever passes a closed gate belongs to a tree that is waited for, or to nobody.
            let mut ids = packages.iter().filter_map(|package| self.gates.get(*package));
            let id = ids.find(|id| {
                self.closed.get(id).is_some_and(|closed| closed.policy != Policy::RunOnOld)
            });
            awaited_by = id.copied();
        }
        if let Some(closed) = awaited_by.and_then(|id| self.closed.get_mut(&id)) {
            closed.inside += 1;
        }
        let mut names = packages.into_iter().filter(|name| !name.is_empty());
        let first = names.next().cloned();
        let second = names.next().filter(|name| Some(*name) != first.as_ref()).cloned();
        let packages = [first, second];
        let inside = Inside { packages: packages.clone(), what, awaited_by };
        Ok((self.inside.insert(inside), packages))
    }
}

/// A call that waits; it is counted until this is dropped.
struct Held {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.lock().held.remove(&self.number);
    }
}

impl Chain {
    /// The packages, the first caller's first.
    #[must_use]
    pub fn packages(&self) -> &[Str] {
        &self.0
    }

    /// The chain of a call of these packages.
    #[must_use]
    pub fn of(packages: &[Str]) -> Self {
        Self(packages.to_vec())
    }

    fn and(&self, packages: &Packages) -> Self {
        let mut chain = self.clone();
        for package in packages.iter().flatten() {
            if !chain.0.contains(package) {
                chain.0.push(package.clone());
            }
        }
        chain
    }

    /// As a header has it: names with commas between them.
    #[must_use]
    pub fn text(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|name| &**name).collect();
        names.join(",")
    }

    /// From a header; none if it is no list of package names, or a long one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = |name: &&str| {
            !name.is_empty()
                && name.len() <= 100
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        let is_good = names.len() <= CHAIN_MAX && names.iter().all(is_name);
        is_good.then(|| Self(names.into_iter().map(Str::from).collect()))
    }
}
