//! Threads that compile components, apart from those that serve.
//!
//! Boundary: bytes in, something that can be instantiated out. A thread ends with the engine, after
//! the component that it is at.
//! Read first: [`Compiler`], then [`Compiled`].

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use super::cache::Cache;
use super::state::State;
use super::ticker::Ticker;

/// Components that may wait for a thread; others wait with whoever brought them.
const WAITING_MAX: usize = 16;

/// A component that can be called.
pub(in crate::service) struct Compiled {
    pub(super) instance: InstancePre<State>,
    pub(super) handle: ComponentExportIndex,
    pub(super) ticker: Arc<Ticker>,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Compiled").finish_non_exhaustive()
    }
}

/// A component to be compiled.
struct Job {
    bytes: Arc<[u8]>,
    reply: oneshot::Sender<Result<Compiled, String>>,
    ticker: Arc<Ticker>,
}

/// The threads.
#[derive(Debug)]
pub(super) struct Compiler {
    jobs: mpsc::Sender<Job>,
}

impl Compiler {
    pub(super) fn start(
        linker: Linker<State>,
        cache: Option<&Arc<Cache>>,
        threads: u32,
    ) -> Result<Self, String> {
        let (jobs, receiver) = mpsc::channel(WAITING_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        let linker = Arc::new(linker);
        for _ in 0..threads.clamp(1, 8) {
            let (receiver, linker, cache) = (receiver.clone(), linker.clone(), cache.cloned());
            let thread = std::thread::Builder::new().name("wasm-compiler".to_owned());
            let started = thread.spawn(move || work(&receiver, &linker, cache.as_deref()));
            started.map_err(|error| format!("no thread can be started: {error}"))?;
        }
        Ok(Self { jobs })
    }

    /// Cancellation safe; what is being compiled is finished, and in the cache then.
    pub(super) async fn compile(
        &self,
        bytes: Arc<[u8]>,
        ticker: Arc<Ticker>,
    ) -> Result<Compiled, String> {
        let ended = || "the compiler has ended".to_owned();
        let (reply, compiled) = oneshot::channel();
        let sent = self.jobs.send(Job { bytes, reply, ticker }).await;
        sent.map_err(|_| ended())?;
        compiled.await.map_err(|_| ended())?
    }
}

fn work(jobs: &Mutex<mpsc::Receiver<Job>>, linker: &Linker<State>, cache: Option<&Cache>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(Job { bytes, reply, ticker }) = job else { return };
        if reply.is_closed() {
            continue;
        }
        // A fault of the compiler must not take the thread with it.
        let compiling = std::panic::AssertUnwindSafe(|| compile(&bytes, linker, ticker));
        let compiled = std::panic::catch_unwind(compiling)
            .unwrap_or_else(|_| Err("the compiler failed; the server's log says why".to_owned()));
        if let (Ok(_), Some(cache)) = (&compiled, cache) {
            cache.seal();
        }
        // Whoever asked may have given up; the cache has it then.
        let _ = reply.send(compiled);
    }
}

fn compile(bytes: &[u8], linker: &Linker<State>, ticker: Arc<Ticker>) -> Result<Compiled, String> {
    let because = |error: wasmtime::Error| format!("{error:#}");
    let component = Component::from_binary(linker.engine(), bytes).map_err(because)?;
    let handler = component.get_export_index(None, "pointsman:service/handler@0.1.0");
    let handle = handler.and_then(|handler| component.get_export_index(Some(&handler), "handle"));
    let handle = handle.ok_or_else(|| "it exports no handler".to_owned())?;
    let instance = linker.instantiate_pre(&component).map_err(because)?;
    Ok(Compiled { instance, handle, ticker })
}
