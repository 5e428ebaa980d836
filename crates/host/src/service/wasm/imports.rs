//! What a component can call: WASI without rights, the log, other services.
//!
//! Boundary: shapes only; who answers stands in `state.rs` and `run.rs`.
//! Read first: [`add`].

use tokio::sync::oneshot;
use wasmtime::component::{Linker, Val};
use wasmtime::{StoreContextMut, bail};

use super::state::{Outgoing, State};
use super::values;
use crate::service::Failure;

/// Fills the linker that all components share.
pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    let mut log = linker.instance("pointsman:service/log@0.1.0")?;
    log.func_new("write", |store, _, arguments, _| write(&store, arguments))?;
    let mut services = linker.instance("pointsman:service/services@0.1.0")?;
    services.func_new_async("call", |store, _, arguments, results| {
        Box::new(call(store, arguments, results))
    })?;
    Ok(())
}

fn write(store: &StoreContextMut<'_, State>, arguments: &[Val]) -> wasmtime::Result<()> {
    let [Val::Enum(level), Val::String(message)] = arguments else {
        bail!("`write` has other arguments");
    };
    store.data().log.line(level, message);
    Ok(())
}

async fn call(
    store: StoreContextMut<'_, State>,
    arguments: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let ([Val::String(package), Val::String(service), Val::String(input)], [result]) =
        (arguments, results)
    else {
        bail!("`call` has other arguments");
    };
    let (reply, answer) = oneshot::channel();
    let outgoing = Outgoing {
        package: package.clone(),
        service: service.clone(),
        input: input.clone(),
        reply,
    };
    let calls = store.data().calls.clone();
    let ended = || Failure::Transient {
        message: "the call is at its end".to_owned(),
        retry_after_ms: None,
    };
    let answer = match calls.send(outgoing).await {
        Ok(()) => answer.await.unwrap_or_else(|_| Err(ended())),
        Err(_) => Err(ended()),
    };
    *result = values::answer(answer);
    Ok(())
}
