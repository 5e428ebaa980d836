//! The engine: how components are compiled, where their instances live, who stops them.
//!
//! Boundary: settings and limits of wasmtime; figures behind them stand in `bench/README.md`.
//! Read first: [`Engine::new`], then [`pool`].

use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::cache::Cache;
use super::compiler::{Compiled, Compiler};
use super::imports;
use super::state::State;
use super::ticker::Ticker;
use crate::service::WasmOptions;

/// Core modules that one component consists of, on average and at most.
const MODULES: u32 = 4;
const MODULES_MAX: u32 = 32;
/// Linear memories of one component, on average and at most.
const MEMORIES: u32 = 2;
const MEMORIES_MAX: u32 = 8;
const TABLES: u32 = 4;
const TABLES_MAX: u32 = 32;
/// Components of JavaScript and Python have tables of tens of thousands of functions.
const TABLE_ELEMENTS_MAX: usize = 65_536;
const INSTANCE_BYTES_MAX: usize = 16 << 20;
/// What a slot keeps in memory between two calls; giving it back costs more than the call.
const MEMORY_KEPT_BYTES: usize = 2 << 20;
const TABLE_KEPT_BYTES: usize = 64 << 10;
const STACK_BYTES: usize = 2 << 20;
const WASM_STACK_BYTES: usize = 512 << 10;

/// An engine with what belongs to it.
#[derive(Debug)]
pub(super) struct Engine {
    compiler: Compiler,
    cache: Option<Arc<Cache>>,
    ticker: Arc<Ticker>,
}

impl Engine {
    pub(super) fn new(options: &WasmOptions) -> Result<Self, String> {
        let cache = options.cache.as_deref().and_then(|directory| match Cache::open(directory) {
            Ok(cache) => Some(Arc::new(cache)),
            Err(why) => {
                let directory = directory.display();
                tracing::warn!(%directory, why, "compiled components are not kept on disk");
                None
            }
        });
        let engine = match wasmtime::Engine::new(&config(options, cache.as_deref(), Pool::Yes)) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "no address space for a pool of instances: calls of components are slower"
                );
                let config = config(options, cache.as_deref(), Pool::No);
                wasmtime::Engine::new(&config).map_err(|error| format!("{error:#}"))?
            }
        };
        let mut linker = Linker::<State>::new(&engine);
        imports::add(&mut linker).map_err(|error| format!("{error:#}"))?;
        let ticker = Arc::new(Ticker::start(engine.weak())?);
        let compiler = Compiler::start(linker, cache.as_ref(), options.compilers)?;
        Ok(Self { compiler, cache, ticker })
    }

    /// Cancellation safe.
    pub(super) async fn compile(&self, bytes: Arc<[u8]>) -> Result<Compiled, String> {
        self.compiler.compile(bytes, self.ticker.clone()).await
    }

    pub(super) fn cached(&self) -> (usize, usize) {
        self.cache.as_ref().map_or((0, 0), |cache| cache.counted())
    }
}

/// Whether instances live in a pool.
#[derive(Clone, Copy)]
enum Pool {
    Yes,
    No,
}

fn config(options: &WasmOptions, cache: Option<&Cache>, in_pool: Pool) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    config.async_stack_size(STACK_BYTES).max_wasm_stack(WASM_STACK_BYTES);
    // Nobody reads addresses; without them the code is a third smaller.
    config.generate_address_map(false);
    config.cache(cache.map(Cache::inner));
    if matches!(in_pool, Pool::Yes) {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    }
    config
}

fn pool(options: &WasmOptions) -> PoolingAllocationConfig {
    let instances = options.instances_max.max(4);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(MODULES))
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instances_per_component(MODULES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(usize::try_from(options.memory_bytes_max).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(MEMORY_KEPT_BYTES)
        .table_keep_resident(TABLE_KEPT_BYTES)
        .max_unused_warm_slots(instances.min(64));
    pool
}
