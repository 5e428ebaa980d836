//! Short names for keys, in the order in which a scenario first sees them.
//!
//! Boundary: instances are `A`, `B`, …, called ones `A.1`; jobs `j1`, timers `t1`, incidents `i1`,
//! messages `m1`.
//! Read first: [`Aliases`].

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};

use crate::event::Event;
use crate::ids::{IncidentKey, InstanceKey, JobKey};
use crate::render::Names;

use super::words::from_now;

/// Short names for keys.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    by_key: BTreeMap<(char, u64), String>,
    by_name: BTreeMap<String, (char, u64)>,
    /// The instance of each job, timer and incident.
    owners: BTreeMap<u64, InstanceKey>,
    /// How many of each kind have a name.
    counts: BTreeMap<String, u32>,
    /// Milliseconds since 1970 UTC; times are shown from here.
    pub(super) now_ms: i64,
}

impl Aliases {
    /// Names an instance: as wished, after its caller, or with the next free letter.
    pub(super) fn name_instance(
        &mut self,
        key: InstanceKey,
        wish: Option<String>,
        caller: Option<InstanceKey>,
    ) {
        let name = match (wish, caller) {
            (Some(wish), _) => wish,
            (None, Some(caller)) => {
                let caller = self.instance(caller);
                format!("{caller}.{}", self.count(&caller))
            }
            (None, None) => {
                let letters = ('A'..='Z').map(|letter| letter.to_string());
                let mut free = letters.filter(|name| !self.by_name.contains_key(name));
                free.next().unwrap_or_else(|| format!("I{}", self.count("I")))
            }
        };
        self.insert('i', key.0, name);
    }

    /// Names what an event brought into the world.
    pub(super) fn learn(&mut self, instance: InstanceKey, event: &Event) {
        let (kind, prefix, key) = match event {
            Event::JobCreated { job, .. } => ('j', 'j', job.0),
            Event::TimerArmed { timer, .. } => ('t', 't', *timer),
            Event::IncidentRaised { incident, .. } => ('n', 'i', incident.0),
            _ => return,
        };
        self.owners.insert(key, instance);
        self.number(kind, prefix, key);
    }

    /// The instance of a job, timer or incident.
    pub(super) fn owner(&self, key: u64) -> Option<InstanceKey> {
        self.owners.get(&key).copied()
    }

    /// Names a message.
    pub(super) fn name_message(&mut self, key: u64) {
        self.number('m', 'm', key);
    }

    /// The name of a message.
    pub(super) fn message(&self, key: u64) -> String {
        self.shown('m', key).unwrap_or_else(|| format!("msg_{key}"))
    }

    /// The key of `name`, which is of the kind that `kinds` lists.
    pub(super) fn find(&self, name: &str, what: &str, kinds: &[char]) -> Result<u64, String> {
        let found = self.by_name.get(name).filter(|(kind, _)| kinds.contains(kind));
        found.map(|(_, key)| *key).ok_or_else(|| format!("there is no {what} `{name}`"))
    }

    pub(super) fn find_instance(&self, name: &str) -> Result<InstanceKey, String> {
        self.find(name, "instance", &['i']).map(InstanceKey)
    }

    fn count(&mut self, of: &str) -> u32 {
        let count = self.counts.entry(of.to_string()).or_default();
        *count += 1;
        *count
    }

    fn number(&mut self, kind: char, prefix: char, key: u64) {
        if !self.by_key.contains_key(&(kind, key)) {
            let name = format!("{prefix}{}", self.count(&kind.to_string()));
            self.insert(kind, key, name);
        }
    }

    fn insert(&mut self, kind: char, key: u64, name: String) {
        self.by_name.insert(name.clone(), (kind, key));
        self.by_key.insert((kind, key), name);
    }

    fn shown(&self, kind: char, key: u64) -> Option<String> {
        self.by_key.get(&(kind, key)).cloned()
    }
}

impl Names for Aliases {
    fn instance(&self, key: InstanceKey) -> String {
        self.shown('i', key.0).unwrap_or_else(|| key.to_string())
    }

    fn job(&self, key: JobKey) -> String {
        self.shown('j', key.0).unwrap_or_else(|| key.to_string())
    }

    fn timer(&self, key: u64) -> String {
        self.shown('t', key).or_else(|| self.shown('j', key)).unwrap_or_else(|| key.to_string())
    }

    fn incident(&self, key: IncidentKey) -> String {
        self.shown('n', key.0).unwrap_or_else(|| key.to_string())
    }

    fn time(&self, at_ms: i64) -> String {
        from_now(at_ms.saturating_sub(self.now_ms))
    }
}
