//! What belongs to one call while its component runs.
//!
//! Boundary: dropped with the call; nothing of it is seen by the next one.
//! Read first: [`State`], then [`Outgoing`].

use std::path::Path;

use tokio::sync::{mpsc, oneshot};
use wasmtime::Store;
use wasmtime_wasi::{FsPerms, ResourceTable, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::compiler::Compiled;
use super::log::Log;
use super::meter::Meter;
use super::ticker::Turns;
use crate::service::Failure;

/// Open files, streams and the like of one call.
const HANDLES_MAX: usize = 1000;
/// Bytes of random numbers at once.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// The content of a store.
pub(super) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(super) meter: Meter,
    pub(super) log: Log,
    pub(super) calls: mpsc::Sender<Outgoing>,
    turns: Turns,
}

/// A component calls another service.
pub(super) struct Outgoing {
    pub(super) package: String,
    pub(super) service: String,
    pub(super) input: String,
    pub(super) reply: oneshot::Sender<Result<String, Failure>>,
}

/// What a component finds around it.
pub(super) struct Around<'a> {
    pub(super) environment: Vec<(String, String)>,
    /// Folders by name, below the package's directory.
    pub(super) files: &'a [String],
    pub(super) directory: Option<&'a Path>,
    pub(super) memory_bytes: u64,
    /// What one call of ours may bring over.
    pub(super) output_bytes_max: usize,
    pub(super) log: Log,
    pub(super) calls: mpsc::Sender<Outgoing>,
}

impl State {
    /// A store for one call. Opens the declared folders.
    pub(super) fn store(around: Around<'_>, compiled: &Compiled) -> Result<Store<Self>, String> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(around.log.clone()).stderr(around.log.clone()).envs(&around.environment);
        wasi.allow_tcp(false).allow_udp(false).max_random_size(RANDOM_BYTES_MAX);
        for folder in around.files {
            let directory = around.directory.ok_or("the package is not unpacked here")?;
            let path = directory.join(folder);
            let opened = wasi.preopened_dir(&path, format!("/{folder}"), FsPerms::ReadOnly);
            opened.map_err(|error| format!("`{folder}` cannot be opened: {error:#}"))?;
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        let state = Self {
            wasi: wasi.build(),
            table,
            meter: Meter::new(around.memory_bytes),
            log: around.log,
            calls: around.calls,
            turns: compiled.ticker.turns(),
        };
        let mut store = Store::new(compiled.instance.engine(), state);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(around.output_bytes_max.saturating_mul(2));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().turns.next()));
        Ok(store)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
