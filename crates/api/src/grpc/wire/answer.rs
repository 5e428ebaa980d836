//! What goes back: one message or a stream of them, then the status in the trailers.
//!
//! Boundary: HTTP/2 flow control decides how fast; nothing is taken from a stream that the client
//! does not read.
//! Read first: [`send`], then [`stream`].   Tests: `tests.rs`.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use h2::SendStream;
use h2::server::SendResponse;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tokio::time::Instant;
use tonic::Status;

use super::connection::Peer;
use super::routes::{Admission, Many, Single, Source};
use crate::accept::stopped;

/// Answers up to this size are handed over whole; h2 sends them as the window allows.
const SMALL: usize = 16 << 10;
/// How much of a stream is gathered before it is sent.
const BATCH: usize = 16 << 10;

static TRAILERS: LazyLock<HeaderMap> =
    LazyLock::new(|| HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]));

const GRPC_STATUS: http::HeaderName = http::HeaderName::from_static("grpc-status");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// The status of a call whose deadline has passed.
pub(super) fn too_late() -> Status {
    Status::deadline_exceeded("the call's deadline has passed")
}

/// The status of a call whose handler has panicked; the panic hook has told the log.
pub(super) fn panicked() -> Status {
    Status::internal("the call failed on an internal fault")
}

/// Answers a request that is no gRPC call.
pub(super) fn refuse(respond: &mut SendResponse<Bytes>, code: StatusCode) {
    let mut response = Response::new(());
    *response.status_mut() = code;
    if code == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static("POST"));
    }
    // Fails only when the client has gone.
    let _ = respond.send_response(response, true);
}

/// Ends a call that has not answered yet.
pub(super) fn fail(respond: &mut SendResponse<Bytes>, status: &Status) {
    let mut response = Response::new(());
    *response.headers_mut() = trailers(status);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    // Fails only when the client has gone.
    let _ = respond.send_response(response, true);
}

/// Sends a unary answer. An error means that the client has gone, which nobody needs to know.
pub(super) async fn send(
    mut respond: SendResponse<Bytes>,
    single: Single,
    deadline: Option<Instant>,
) {
    let Ok(mut sending) = respond.send_response(opening(single.metadata), false) else { return };
    if single.body.len() <= SMALL {
        if sending.send_data(single.body, false).is_ok() {
            let _ = sending.send_trailers(TRAILERS.clone());
        }
        return;
    }
    let mut timer = pin!(deadline.map(tokio::time::sleep_until));
    let mut body = single.body;
    let sent = poll_fn(|context| {
        if timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(context).is_ready()) {
            return Poll::Ready(Sent::Late);
        }
        poll_send(&mut sending, &mut body, context)
    });
    finish(sent.await, sending);
}

/// What ends a stream that would go on.
pub(super) struct Ends {
    pub(super) deadline: Option<Instant>,
    pub(super) admission: Admission,
}

/// Sends a stream until it ends, the client has gone or may not have it any more, the deadline
/// passes or the server stops.
pub(super) async fn stream(peer: &Peer, mut respond: SendResponse<Bytes>, many: Many, ends: Ends) {
    let Ok(mut sending) = respond.send_response(opening(many.metadata), false) else { return };
    let mut stop = peer.stop.clone();
    let mut stopping = pin!(stopped(&mut stop));
    let mut timer = pin!(ends.deadline.map(tokio::time::sleep_until));
    let mut admission = ends.admission;
    let mut pump =
        Pump { source: many.source, gathered: BytesMut::new(), body: Bytes::new(), end: None };
    let sent = poll_fn(|context| {
        if let Poll::Ready(sent) = pump.poll(&mut sending, context) {
            return Poll::Ready(sent);
        }
        if timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(context).is_ready()) {
            return Poll::Ready(Sent::Late);
        }
        if let Admission::Until(withdrawn) = &mut admission
            && let Poll::Ready(status) = withdrawn.as_mut().poll(context)
        {
            return Poll::Ready(Sent::Failed(status));
        }
        match stopping.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Sent::Stopped),
            Poll::Pending => Poll::Pending,
        }
    });
    let sent = sent.await;
    finish(sent, sending);
}

/// How the sending of messages ended.
enum Sent {
    All,
    Failed(Status),
    Late,
    Stopped,
    Gone,
}

fn finish(sent: Sent, mut sending: SendStream<Bytes>) {
    let trailers = match sent {
        Sent::All => TRAILERS.clone(),
        Sent::Failed(status) => trailers(&status),
        Sent::Late => trailers(&too_late()),
        Sent::Stopped => trailers(&Status::unavailable("the server is stopping")),
        Sent::Gone => return,
    };
    // Fails only when the client has gone.
    let _ = sending.send_trailers(trailers);
}

/// Moves messages from a source to a client.
struct Pump {
    source: Pin<Box<dyn Source>>,
    gathered: BytesMut,
    /// What is being sent.
    body: Bytes,
    end: Option<Sent>,
}

impl Pump {
    fn poll(&mut self, sending: &mut SendStream<Bytes>, context: &mut Context<'_>) -> Poll<Sent> {
        loop {
            match poll_send(sending, &mut self.body, context) {
                Poll::Ready(Sent::All) => {}
                other => return other,
            }
            if let Some(end) = self.end.take() {
                return Poll::Ready(end);
            }
            self.gather(context);
            if self.gathered.is_empty() && self.end.is_none() {
                return match sending.poll_reset(context) {
                    Poll::Ready(_) => Poll::Ready(Sent::Gone),
                    Poll::Pending => Poll::Pending,
                };
            }
            self.body = self.gathered.split().freeze();
        }
    }

    /// Takes messages while there are any and the batch is not full.
    fn gather(&mut self, context: &mut Context<'_>) {
        while self.gathered.len() < BATCH && self.end.is_none() {
            let before = self.gathered.len();
            let source = self.source.as_mut();
            let polled =
                catch_unwind(AssertUnwindSafe(|| source.poll_frame(context, &mut self.gathered)));
            let polled = polled.unwrap_or_else(|_| {
                self.gathered.truncate(before);
                Poll::Ready(Some(Err(panicked())))
            });
            match polled {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(()))) => {}
                Poll::Ready(Some(Err(status))) => self.end = Some(Sent::Failed(status)),
                Poll::Ready(None) => self.end = Some(Sent::All),
            }
        }
    }
}

/// Sends `body` as the client's window opens. Ready with `All` when it is empty.
fn poll_send(
    sending: &mut SendStream<Bytes>,
    body: &mut Bytes,
    context: &mut Context<'_>,
) -> Poll<Sent> {
    while !body.is_empty() {
        sending.reserve_capacity(body.len());
        if sending.capacity() == 0 {
            match sending.poll_capacity(context) {
                Poll::Ready(Some(Ok(_))) => continue,
                Poll::Ready(_) => return Poll::Ready(Sent::Gone),
                Poll::Pending => {
                    return match sending.poll_reset(context) {
                        Poll::Ready(_) => Poll::Ready(Sent::Gone),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
        let piece = body.split_to(sending.capacity().min(body.len()));
        if sending.send_data(piece, false).is_err() {
            return Poll::Ready(Sent::Gone);
        }
    }
    Poll::Ready(Sent::All)
}

fn opening(mut metadata: HeaderMap) -> Response<()> {
    metadata.insert(CONTENT_TYPE, GRPC);
    let mut response = Response::new(());
    *response.headers_mut() = metadata;
    response
}

/// Trailers that carry `status`, its message percent-encoded and its details in base64.
fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("13"))]);
    }
    trailers
}
