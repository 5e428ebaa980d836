//! One call: an instance is made, asked, and thrown away.
//!
//! Boundary: the limits of time stand in `service.rs`; this future may be dropped at any point.
//! Read first: [`run`], then [`Errands`].

use std::pin::Pin;
use std::time::Duration;

use feel::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use wasmtime::component::Val;

use super::log::{Handover, Log};
use super::state::{Around, Outgoing, State};
use super::{Component, Runtime, failure, values};
use crate::service::components::Request;
use crate::service::scope::ResultScope;
use crate::service::{Call, Failure, WasmService, Work, permanent};

/// How many services may stand in one chain of calls. Each takes some tens of kilobytes of the
/// stack of the thread that polls the first one, and a place in the pool.
const DEPTH_MAX: u32 = 8;

/// Runs one call. Cancellation safe: dropping it stops the component.
pub(in crate::service) async fn run(
    runtime: &Runtime,
    service: &WasmService,
    work: &Work<'_>,
    (component, request): (&Component, &Request<'_>),
) -> Result<Value, Failure> {
    let name = &work.definition.name;
    let deadline = Instant::now() + Duration::from_millis(request.deadline_ms);
    let compiled = runtime
        .compile(component)
        .await
        .map_err(|why| permanent(format!("the component of `{name}` cannot be compiled: {why}")))?;
    let _place = match work.call.depth {
        0 => runtime.outer.acquire().await.map_err(|_| failure::busy(name))?,
        // Whoever called holds a place already: waiting for another one could last for ever.
        _ => runtime.inner.try_acquire().map_err(|_| failure::busy(name))?,
    };
    let input = match &service.input {
        Some(input) => &input.evaluate(&work.scope, &work.environment).value,
        None => &work.call.input,
    };
    let mut json = String::new();
    feel::json::write(input, &mut json);
    let log = Log::default();
    let handover = Handover { log: log.clone(), printed: work.printed };
    let (calls, outgoing) = mpsc::channel(1);
    let around = Around {
        environment: environment(service, work).await?,
        files: &service.files,
        directory: work.directory,
        memory_bytes: service.memory_bytes.min(runtime.options.memory_bytes_max),
        output_bytes_max: runtime.output_bytes_max,
        log,
        calls,
    };
    let mut store = State::store(around, compiled)
        .map_err(|why| permanent(format!("`{name}` cannot be started: {why}")))?;
    let arguments = [values::context(work.call, remaining_ms(deadline)), Val::String(json)];
    let mut results = [Val::Bool(false)];
    let asked = Box::pin(async {
        let instance = compiled.instance.instantiate_async(&mut store).await?;
        let handle = instance.get_func(&mut store, compiled.handle);
        let handle = handle.ok_or_else(|| wasmtime::format_err!("it exports no handler"))?;
        handle.call_async(&mut store, &arguments, &mut results).await
    });
    let errands = Errands { work, deadline, outgoing, request, made: 0 };
    let ended = errands.until(asked).await;
    let said = handover.log.tail();
    ended
        .map_err(|error| failure::of_error(&error, &store.data().meter, (name, service), &said))?;
    let [result] = results;
    let output = output(result, name, runtime.output_bytes_max)?;
    let Some(result) = &work.definition.result else { return Ok(output) };
    let scope = ResultScope { request: &work.scope, answer: &[("output", output)] };
    Ok(result.evaluate(&scope, &work.environment).value)
}

fn remaining_ms(deadline: Instant) -> u64 {
    let left = deadline.saturating_duration_since(Instant::now());
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
}

async fn environment(
    service: &WasmService,
    work: &Work<'_>,
) -> Result<Vec<(String, String)>, Failure> {
    let mut environment = Vec::with_capacity(service.environment.len());
    for (name, template) in &service.environment {
        if let Some(value) = template.text(&work.scope, &work.environment).await? {
            environment.push((name.clone(), value));
        }
    }
    Ok(environment)
}

fn output(result: Val, name: &str, bytes_max: usize) -> Result<Value, Failure> {
    let result = values::result_of(result);
    let text = result.ok_or_else(|| failure::bad_answer(name, "answered in another shape"))??;
    if text.len() > bytes_max {
        let bytes = text.len();
        let why = format!("answered {bytes} bytes, at most {bytes_max} are allowed");
        return Err(failure::bad_answer(name, &why));
    }
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    feel::json::parse(text.as_bytes()).map_err(|error| {
        let (offset, message) = (error.offset, error.message);
        failure::bad_answer(name, &format!("answered no JSON: at byte {offset}: {message}"))
    })
}

/// Calls of other services that the component makes while it is asked.
struct Errands<'e> {
    work: &'e Work<'e>,
    deadline: Instant,
    outgoing: mpsc::Receiver<Outgoing>,
    request: &'e Request<'e>,
    /// How many calls were made: a component that is tried again makes the same ones.
    made: u32,
}

impl Errands<'_> {
    /// Runs the component, and what it calls: while it waits for an answer, it does not run.
    async fn until<T>(mut self, mut asked: Pin<Box<dyn Future<Output = T> + Send + '_>>) -> T {
        loop {
            tokio::select! {
                biased;
                Some(outgoing) = self.outgoing.recv() => {
                    let Outgoing { package, service, input, reply } = outgoing;
                    let answer = self.call(package, service, &input).await;
                    // The component is still there: it is dropped with this future only.
                    let _ = reply.send(answer);
                }
                ended = &mut asked => return ended,
            }
        }
    }

    async fn call(
        &mut self,
        package: String,
        service: String,
        input: &str,
    ) -> Result<String, Failure> {
        let (call, name) = (self.work.call, &self.work.definition.name);
        self.made += 1;
        if !self.request.callable.contains(&package) {
            let code = crate::diagnostic::UNDECLARED;
            return Err(permanent(format!(
                "{code}: `{name}` calls `{package}/{service}`, but `{package}` is no dependency; \
                 add it to `[dependencies]`"
            )));
        }
        if call.depth >= DEPTH_MAX {
            return Err(permanent(format!(
                "`{name}` is call {DEPTH_MAX} in one chain of services; look for services that \
                 call each other"
            )));
        }
        let input = match input.trim() {
            "" => Value::Null,
            text => feel::json::parse(text.as_bytes()).map_err(|error| {
                let (offset, message) = (error.offset, error.message);
                permanent(format!(
                    "the input for `{package}/{service}` is no JSON: at byte {offset}: {message}"
                ))
            })?,
        };
        let onward = Call {
            idempotency_key: format!("{}/{}", call.idempotency_key, self.made),
            package,
            service,
            input,
            deadline_ms: remaining_ms(self.deadline),
            now_ms: call.now_ms,
            attempt: call.attempt,
            chain: call.chain.clone(),
            depth: call.depth + 1,
        };
        let value = self.request.onward.call(onward).await?;
        let mut json = String::new();
        feel::json::write(&value, &mut json);
        Ok(json)
    }
}
