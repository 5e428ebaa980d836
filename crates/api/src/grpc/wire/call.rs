//! One call from its head to its handler: checks, the request message, deadline, cancellation.
//!
//! Boundary: sending the answer stands in `answer.rs`.
//! Read first: [`serve`].   Tests: `tests.rs`.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request};
use tokio::time::{Instant, timeout};
use tonic::Status;

use super::connection::Peer;
use super::routes::{PREFIX, Route};
use super::{answer, head};

/// Serves one call to its end.
pub(super) async fn serve(
    peer: Arc<Peer>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let (parts, mut body) = request.into_parts();
    if let Some(code) = head::refusal(&parts.method, &parts.headers) {
        return answer::refuse(&mut respond, code);
    }
    let Some(route) = peer.server.routes.find(parts.uri.path()) else {
        let text = format!("no method `{}`", parts.uri.path());
        return answer::fail(&mut respond, &Status::unimplemented(text));
    };
    let admission = match peer.server.routes.admit(parts.uri.path(), &parts.headers) {
        Ok(admission) => admission,
        Err(status) => return answer::fail(&mut respond, &status),
    };
    let deadline = match head::timeout(&parts.headers) {
        Ok(timeout) => timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        Err(status) => return answer::fail(&mut respond, &status),
    };
    let message = match read(&peer, &parts.headers, &mut body).await {
        Ok(message) => message,
        Err(Unread::Gone) => return,
        Err(Unread::Refused(status)) => return answer::fail(&mut respond, &status),
    };
    match route {
        Route::Unary(call) => {
            let work = async { call(parts.headers, message).await };
            match finish(work, deadline, &mut respond).await {
                Some(Ok(single)) => answer::send(respond, single, deadline).await,
                Some(Err(status)) => answer::fail(&mut respond, &status),
                None => {}
            }
        }
        Route::Streaming(call) => {
            let work = async { call(parts.headers, message).await };
            match finish(work, deadline, &mut respond).await {
                Some(Ok(many)) => {
                    let ends = answer::Ends { deadline, admission };
                    answer::stream(&peer, respond, many, ends).await;
                }
                Some(Err(status)) => answer::fail(&mut respond, &status),
                None => {}
            }
        }
    }
}

/// Waits for a handler. None: the client has cancelled.
async fn finish<T>(
    work: impl Future<Output = Result<T, Status>>,
    deadline: Option<Instant>,
    respond: &mut SendResponse<Bytes>,
) -> Option<Result<T, Status>> {
    // A panic must not take the connection's other calls along.
    let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
    let mut timer = pin!(deadline.map(tokio::time::sleep_until));
    poll_fn(|context| {
        if let Poll::Ready(result) = work.as_mut().poll(context) {
            return Poll::Ready(Some(result.unwrap_or_else(|_| Err(answer::panicked()))));
        }
        if respond.poll_reset(context).is_ready() {
            return Poll::Ready(None);
        }
        if timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(context).is_ready()) {
            return Poll::Ready(Some(Err(answer::too_late())));
        }
        Poll::Pending
    })
    .await
}

/// Why there is no request message.
enum Unread {
    /// The client reset the stream or is gone.
    Gone,
    /// What arrived is not one message that may be read.
    Refused(Status),
}

/// Reads the one message of a request. Most often all of it is here already.
async fn read(peer: &Peer, headers: &HeaderMap, body: &mut RecvStream) -> Result<Bytes, Unread> {
    let limits = &peer.server.limits;
    let mut data = timeout(limits.read_timeout, collect(peer, headers, body))
        .await
        .map_err(|_| Unread::Refused(Status::cancelled("the request's body did not arrive")))??;
    if data.is_empty() {
        return Err(Unread::Refused(Status::internal("request without a message")));
    }
    if declared(&data).is_none_or(|length| data.len() != PREFIX + length) {
        return Err(Unread::Refused(Status::internal("the request's message is incomplete")));
    }
    data.advance(PREFIX);
    Ok(data)
}

async fn collect(peer: &Peer, headers: &HeaderMap, body: &mut RecvStream) -> Result<Bytes, Unread> {
    let mut held = Held { peer, bytes: 0 };
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(data) = poll_fn(|context| body.poll_data(context)).await {
        let data = data.map_err(|_| Unread::Gone)?;
        // Fails only when the stream is gone, which the next poll tells.
        let _ = body.flow_control().release_capacity(data.len());
        held.add(data.len()).map_err(Unread::Refused)?;
        if first.is_empty() {
            first = data;
        } else {
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&data);
        }
        let have = if joined.is_empty() { &first[..] } else { &joined[..] };
        check(peer, headers, have).map_err(Unread::Refused)?;
        if body.is_end_stream() {
            break;
        }
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// Refuses as soon as the bytes so far show that they will not be one readable message.
fn check(peer: &Peer, headers: &HeaderMap, have: &[u8]) -> Result<(), Status> {
    let limit = peer.server.message_bytes();
    match have.first() {
        None | Some(0) => {}
        Some(1) => return Err(head::compressed(headers)),
        Some(flag) => return Err(Status::internal(format!("message flag {flag} is unknown"))),
    }
    match declared(have) {
        Some(length) if length > limit => Err(Status::resource_exhausted(format!(
            "message of {length} bytes is larger than the limit of {limit}"
        ))),
        Some(length) if have.len() - PREFIX > length => {
            Err(Status::internal("request of more than one message"))
        }
        _ => Ok(()),
    }
}

/// The length that a message's prefix declares, once the prefix is there.
fn declared(data: &[u8]) -> Option<usize> {
    let length = data.get(1..PREFIX)?;
    Some(length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

/// CALL-2: bytes of one unfinished request, counted on its connection while they are held.
struct Held<'a> {
    peer: &'a Peer,
    bytes: usize,
}

impl Held<'_> {
    fn add(&mut self, bytes: usize) -> Result<(), Status> {
        self.bytes += bytes;
        let before = self.peer.buffered.fetch_add(bytes, Ordering::Relaxed);
        let server = &self.peer.server;
        let most = server.limits.buffered_bytes.max(server.routes.message_bytes() + PREFIX);
        if before + bytes > most {
            return Err(Status::resource_exhausted("too many unfinished requests"));
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.peer.buffered.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
