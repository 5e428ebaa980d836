//! What closed gates hold up in a shard (R3): starts of instances, deliveries, timer start events
//! and service calls of packages that are being deployed.
//!
//! Boundary: whose gates are closed, and when they open, is the deployment's business; what is held
//! here has its row in the store, so that the next owner of the shard holds it too. Steps of
//! running instances go on until they call a service. A child process starts in the version that
//! is adopted here: its parent runs already.
//! Invariants: SGT-1 what starts while a gate is open starts in the version that was committed
//! before the gate opened, and a document goes to the subscriptions of that version.
//! Read first: [`Shard::admit`], then [`Shard::open_up`].

use engine::ids::{Address, DefinitionKey, EntryKey};
use engine::instance::Activation;
use feel::Str;
use host::gate::{Admission, Chain, Kind, What};
use store::EntryRow;

use crate::catalog::{SERVICE_PREFIX, Target, Trigger};
use crate::error::Error;
use crate::packages::service_reference;

use super::Shard;

/// What a caller hears who has to wait for a gate.
pub(crate) const SWITCHING: Error = Error::Unavailable { doing: "switching packages" };

/// What this shard holds until gates open.
#[derive(Default)]
pub(super) struct HeldUp {
    /// How often gates had opened when the catalogue was looked at last.
    pub(super) opened: u64,
    /// Processes that became enabled, and whose parked entries were not yet looked at.
    pub(super) enabled: Vec<Str>,
    entries: Vec<(EntryKey, EntryRow)>,
    calls: Vec<Activation>,
    trigger_calls: Vec<(EntryKey, EntryRow)>,
}

impl HeldUp {
    pub(super) fn since(opened: u64) -> Self {
        Self { opened, ..Self::default() }
    }
}

impl Shard {
    /// Enters the gates of up to two packages for the moment of a start. None: they are closed.
    pub(super) fn admit(
        &mut self,
        packages: [&Str; 2],
        (kind, name, owner): (Kind, &Str, u64),
    ) -> Option<Admission> {
        let since = crate::clock::instant();
        let what = What { kind, name: name.clone(), owner, since };
        let admission = self.gates.try_enter(packages, &Chain::default(), what)?;
        self.catch_up();
        Some(admission)
    }

    /// Adopts what was published before a gate opened (SGT-1).
    pub(super) fn catch_up(&mut self) {
        let opened = self.gates.opened();
        if self.held_up.opened != opened {
            self.held_up.opened = opened;
            self.take_catalog();
        }
    }

    /// Enters for the start of an instance. None: the gate of the process' package is closed.
    pub(super) fn admit_start(&mut self, package: &Str, process: &Str) -> Option<Admission> {
        self.admit([package, &"".into()], (Kind::Start, process, 0))
    }

    /// Enters for a delivery. None: the gate of the trigger's package or of its target's is closed.
    pub(super) fn admit_delivery(
        &mut self,
        trigger: &Trigger,
        entry: EntryKey,
    ) -> Option<Admission> {
        let target = match &trigger.target {
            Target::Service(package, _) => package.clone(),
            Target::Process(process) => self.package_of(process),
        };
        let subject = (Kind::Trigger, &trigger.name, entry.0);
        self.admit([&trigger.package, &target], subject)
    }

    fn package_of(&self, process: &str) -> Str {
        let enabled = self.catalog.enabled(process);
        enabled.map_or_else(|| "".into(), |definition| definition.package.clone())
    }

    /// Holds an entry until gates open.
    pub(super) fn hold_entry(&mut self, entry: EntryKey, row: EntryRow) {
        self.held_up.entries.push((entry, row));
    }

    /// Whether a client's message would start a process whose gate is closed.
    pub(super) fn is_start_held(&self, message: &str) -> bool {
        let starts = self.catalog.message_starts.get(message);
        let mut starts = starts.into_iter().flat_map(|starts| starts.iter());
        starts.any(|start| self.is_closed_for(start.definition))
    }

    /// Whether the gate of a process version's package is closed.
    pub(super) fn is_closed_for(&self, definition: DefinitionKey) -> bool {
        let known = self.catalog.definitions.get(&definition);
        known.is_some_and(|known| !self.gates.is_open(&known.package))
    }

    /// The packages that a job's call is work of: its process' and its service's.
    pub(super) fn packages_of(&self, activation: &Activation) -> [Str; 2] {
        let definition = self.catalog.definitions.get(&activation.definition);
        let own: Str = definition.map_or_else(|| "".into(), |known| known.package.clone());
        let wanted = activation.job_type.strip_prefix(SERVICE_PREFIX).unwrap_or_default();
        let full = service_reference(wanted, &own);
        let target = full.split_once('/').map_or("", |(package, _)| package).into();
        [own, target]
    }

    /// Holds a leased job's call until gates open.
    pub(super) fn hold_call(&mut self, activation: Activation) {
        // Others may be called meanwhile.
        self.dispatcher.services_running = self.dispatcher.services_running.saturating_sub(1);
        self.held_up.calls.push(activation);
    }

    pub(super) fn hold_trigger_call(&mut self, entry: EntryKey, row: EntryRow) {
        self.held_up.trigger_calls.push((entry, row));
    }

    /// Holds a timer start event while its gate is closed. Whether it is held.
    pub(super) fn hold_start(&mut self, due_ms: i64, address: &Address, id: u64) -> bool {
        let Address::Schedule { definition, .. } = address else { return false };
        let is_held = self.is_closed_for(*definition);
        if is_held {
            self.held_schedules.push((due_ms, address.clone(), id));
        }
        is_held
    }

    /// Gates have opened: what was held up goes on.
    pub(super) async fn open_up(&mut self) -> Result<(), Error> {
        self.catch_up();
        self.unpark_enabled().await?;
        if self.settings.maintenance.is_none() {
            self.resume();
        }
        for (entry, row) in std::mem::take(&mut self.held_up.entries) {
            // Somebody may have discarded it.
            if self.entry(entry).await?.is_some_and(|now| now.state == row.state) {
                self.entries.add(entry, row);
            }
        }
        for activation in std::mem::take(&mut self.held_up.calls) {
            // One whose lease ran out is served anew.
            if activation.deadline_ms > self.now_ms {
                self.dispatcher.services_running += 1;
                self.call(activation);
            }
        }
        for (entry, row) in std::mem::take(&mut self.held_up.trigger_calls) {
            self.call_for_entry(entry, row).await?;
        }
        self.serve_services().await?;
        self.settle().await
    }
}
