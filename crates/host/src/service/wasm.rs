//! Services of kind `wasm`: a component compiled once, an instance of its own for each call.
//!
//! Boundary: nothing of the server is reachable but what the definition grants; the component has
//! been looked at in `package/component.rs`. Calls of other services leave through
//! [`Onward`](crate::service::Onward).
//! Invariants: WSM-3 a call that is dropped or late stops its component at the next tick. WSM-4
//! machine code of a version is freed with the last call that uses it.
//! Read first: [`Runtime`], then [`run`](run::run).   Tests: `tests/service_wasm`

mod cache;
mod compiler;
mod engine;
mod failure;
mod imports;
mod log;
mod meter;
mod run;
mod state;
mod ticker;
mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tokio::sync::{OnceCell, Semaphore};

use crate::package::digest;
use crate::service::{Options, WasmOptions};

use compiler::Compiled;
use engine::Engine;

pub(super) use run::run;

/// What runs components on this server. The engine is made when the first one comes.
#[derive(Debug)]
pub(super) struct Runtime {
    options: WasmOptions,
    output_bytes_max: usize,
    engine: OnceLock<Result<Arc<Engine>, String>>,
    slots: Mutex<BTreeMap<String, Weak<Slot>>>,
    /// Calls from outside; calls of calls have the rest of the pool.
    outer: Semaphore,
    inner: Semaphore,
}

/// One component, compiled or to be compiled; versions and packages with the same bytes share it.
#[derive(Debug)]
pub(super) struct Slot {
    compiled: OnceCell<Compiled>,
}

/// A component as one installed service has it.
#[derive(Debug, Clone)]
pub(super) struct Component {
    slot: Arc<Slot>,
    /// For compiling at the first call, if nobody prepared it.
    bytes: Option<Arc<[u8]>>,
}

impl Runtime {
    pub(super) fn new(options: &Options) -> Self {
        let instances = options.wasm.instances_max.max(4);
        let inner = instances / 4;
        Self {
            options: options.wasm.clone(),
            output_bytes_max: options.output_bytes_max,
            engine: OnceLock::new(),
            slots: Mutex::default(),
            outer: Semaphore::new((instances - inner) as usize),
            inner: Semaphore::new(inner as usize),
        }
    }

    /// The component of these bytes; nothing is compiled yet.
    pub(super) fn component(&self, bytes: &[u8]) -> Component {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // WSM-4: the map keeps nothing alive.
        slots.retain(|_, slot| slot.strong_count() > 0);
        let digest = digest(bytes);
        let known = slots.get(&digest).and_then(Weak::upgrade);
        let slot = known.unwrap_or_else(|| {
            let slot = Arc::new(Slot { compiled: OnceCell::new() });
            slots.insert(digest, Arc::downgrade(&slot));
            slot
        });
        let bytes = (!slot.compiled.initialized()).then(|| bytes.into());
        Component { slot, bytes }
    }

    /// Compiles the component unless that has happened. Cancellation safe; whoever else waits for
    /// the same component goes on.
    pub(super) async fn compile<'c>(
        &self,
        component: &'c Component,
    ) -> Result<&'c Compiled, String> {
        let slot = &component.slot;
        let compiled = slot.compiled.get_or_try_init(|| async {
            let Some(bytes) = component.bytes.clone() else {
                return Err("its bytes are not there".to_owned());
            };
            self.engine()?.compile(bytes).await
        });
        compiled.await
    }

    fn engine(&self) -> Result<Arc<Engine>, String> {
        self.engine.get_or_init(|| Engine::new(&self.options).map(Arc::new)).clone()
    }

    /// How many components are compiled and in use.
    pub(super) fn compiled(&self) -> usize {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = slots.values().filter_map(Weak::upgrade);
        slots.filter(|slot| slot.compiled.initialized()).count()
    }

    /// How often compiled code was found on disk, and how often not.
    pub(super) fn cached(&self) -> (usize, usize) {
        let engine = self.engine.get().and_then(|engine| engine.as_ref().ok());
        engine.map_or((0, 0), |engine| engine.cached())
    }
}
