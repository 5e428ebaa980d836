//! A lean gRPC client connection: many calls in flight, no task and no queue between them and the
//! socket. Whoever owns the connection starts calls and takes their ends from [`Wire::next`].
//!
//! Boundary: unary and server-streaming calls over HTTP/2; messages come and go as
//! bytes. No retries, no deadlines, no compression: a load generator wants to see the failure.
//! Invariants: every started call ends in exactly one `Answer` or `End`; nothing is sent or
//! received unless `next` is polled.
//! Read first: [`Wire`], then [`Event`].   Tests: `tests.rs` of this module's parent.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use api::tls::Stream;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::Stream as _;
use futures_util::stream::FuturesUnordered;
use h2::client::{Connection, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::header::{AUTHORIZATION, CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Uri};
use tonic::{Code, Status};

use crate::client::Route;

const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
const PREFIX: usize = 5;

/// What happened on a connection. `T` is what the owner gave to recognise the call.
#[derive(Debug)]
pub(crate) enum Event<T> {
    /// A unary call has ended: the answer's message or why there is none.
    Answer { tag: T, result: Result<Bytes, Status> },
    /// The server has taken a stream on: what it sends from now on arrives.
    Opened,
    /// A message of a server stream.
    Message { tag: T, message: Bytes },
    /// A server stream has ended.
    End { tag: T, status: Status },
}

/// A path with everything that is the same in each call of it.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    request: Request<()>,
}

/// One connection and all of its calls.
pub(crate) struct Wire<T> {
    sender: SendRequest<Bytes>,
    connection: Connection<Stream, Bytes>,
    route: Route,
    buffer: BytesMut,
    /// Calls that wait for the server to allow another stream.
    waiting: VecDeque<Waiting<T>>,
    unary: FuturesUnordered<Unary<T>>,
    streams: Vec<Incoming<T>>,
}

struct Waiting<T> {
    request: Request<()>,
    body: Bytes,
    tag: T,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Unary,
    Stream,
}

impl<T: Clone + Unpin> Wire<T> {
    /// Opens a connection.
    ///
    /// # Errors
    /// The server cannot be reached or does not speak HTTP/2.
    pub(crate) async fn connect(route: &Route) -> Result<Self, Status> {
        let url = route.url();
        let unreachable = |error: String| Status::unavailable(format!("`{url}`: {error}"));
        let stream = route.dial().await.map_err(|error| unreachable(error.to_string()))?;
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .enable_push(false)
            .handshake(stream)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        Ok(Self {
            sender,
            connection,
            route: route.clone(),
            buffer: BytesMut::new(),
            waiting: VecDeque::new(),
            unary: FuturesUnordered::new(),
            streams: Vec::new(),
        })
    }

    /// Prepares calls of `path`, such as `/gateway_protocol.Gateway/CompleteJob`.
    pub(crate) fn method(&self, path: &'static str) -> Method {
        let uri = Uri::builder()
            .scheme(self.route.scheme())
            .authority(self.route.authority.as_str())
            .path_and_query(path)
            .build()
            .unwrap_or_else(|_| Uri::from_static(path));
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(USER_AGENT, HeaderValue::from_static("pointsman-bench"));
        if let Some(authorization) = &self.route.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let mut request = Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Method { request }
    }

    /// Starts a unary call.
    pub(crate) fn call(&mut self, method: &Method, message: &impl prost::Message, tag: T) {
        self.start(method, message, tag, Kind::Unary);
    }

    /// Starts a call whose answer is a stream of messages.
    pub(crate) fn open(&mut self, method: &Method, message: &impl prost::Message, tag: T) {
        self.start(method, message, tag, Kind::Stream);
    }

    /// How many unary calls have not ended.
    pub(crate) fn in_flight(&self) -> usize {
        self.unary.len() + self.waiting.len()
    }

    /// The next thing that happened. Safe to drop before it is ready: nothing is lost.
    ///
    /// # Errors
    /// The connection is gone, and every call on it.
    pub(crate) async fn next(&mut self) -> Result<Event<T>, Status> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn start(&mut self, method: &Method, message: &impl prost::Message, tag: T, kind: Kind) {
        let length = message.encoded_len();
        self.buffer.reserve(PREFIX + length);
        self.buffer.put_u8(0);
        self.buffer.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        message.encode_raw(&mut self.buffer);
        let body = self.buffer.split().freeze();
        self.waiting.push_back(Waiting { request: method.request.clone(), body, tag, kind });
    }

    /// As [`Wire::next`], for an owner of several connections.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Event<T>, Status>> {
        self.send_waiting(context)?;
        if let Some(event) = self.poll_calls(context) {
            return Poll::Ready(Ok(event));
        }
        match Pin::new(&mut self.connection).poll(context) {
            Poll::Ready(Ok(())) => {
                return Poll::Ready(Err(Status::unavailable("the server closed the connection")));
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(failed(&error))),
            Poll::Pending => {}
        }
        match self.poll_calls(context) {
            Some(event) => Poll::Ready(Ok(event)),
            None => Poll::Pending,
        }
    }

    fn send_waiting(&mut self, context: &mut Context<'_>) -> Result<(), Status> {
        while !self.waiting.is_empty() {
            let Poll::Ready(ready) = self.sender.poll_ready(context) else { break };
            ready.map_err(|error| failed(&error))?;
            let Some(Waiting { request, body, tag, kind }) = self.waiting.pop_front() else {
                break;
            };
            let (response, mut sending) =
                self.sender.send_request(request, false).map_err(|error| failed(&error))?;
            sending.send_data(body, true).map_err(|error| failed(&error))?;
            let receiving = Receiving { response: Some(response), body: None };
            match kind {
                Kind::Unary => {
                    let data = Bytes::new();
                    self.unary.push(Unary { tag: Some(tag), receiving, data });
                }
                Kind::Stream => {
                    let data = BytesMut::new();
                    self.streams.push(Incoming { tag, receiving, data });
                }
            }
        }
        Ok(())
    }

    fn poll_calls(&mut self, context: &mut Context<'_>) -> Option<Event<T>> {
        for index in 0..self.streams.len() {
            let stream = &mut self.streams[index];
            match stream.poll(context) {
                Poll::Pending => {}
                Poll::Ready(Ok(None)) => {
                    return Some(Event::Opened);
                }
                Poll::Ready(Ok(Some(message))) => {
                    return Some(Event::Message { tag: stream.tag.clone(), message });
                }
                Poll::Ready(Err(status)) => {
                    let tag = self.streams.swap_remove(index).tag;
                    return Some(Event::End { tag, status });
                }
            }
        }
        match Pin::new(&mut self.unary).poll_next(context) {
            Poll::Ready(Some((tag, result))) => Some(Event::Answer { tag, result }),
            _ => None,
        }
    }
}

/// The receiving half of a call: head, data, trailers.
struct Receiving {
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
}

impl Receiving {
    /// Ready when the head has arrived and promises data.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        let Some(response) = &mut self.response else { return Poll::Ready(Ok(())) };
        let head = match ready!(Pin::new(response).poll(context)) {
            Ok(head) => head,
            Err(error) => return Poll::Ready(Err(failed(&error))),
        };
        self.response = None;
        let (head, body) = head.into_parts();
        if let Some(status) = Status::from_header_map(&head.headers) {
            return Poll::Ready(Err(status));
        }
        if head.status != http::StatusCode::OK {
            return Poll::Ready(Err(Status::unknown(format!("answered {}", head.status))));
        }
        self.body = Some(body);
        Poll::Ready(Ok(()))
    }

    /// The next piece of data, or the status with which the call ended.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Status>> {
        ready!(self.poll_head(context))?;
        let Some(body) = &mut self.body else {
            return Poll::Ready(Err(Status::internal("polled after the end")));
        };
        match ready!(body.poll_data(context)) {
            Some(Ok(data)) => {
                // Fails only when the stream is gone, which the next poll tells.
                let _ = body.flow_control().release_capacity(data.len());
                Poll::Ready(Ok(data))
            }
            Some(Err(error)) => Poll::Ready(Err(failed(&error))),
            None => match ready!(body.poll_trailers(context)) {
                Ok(Some(trailers)) => Poll::Ready(Err(Status::from_header_map(&trailers)
                    .unwrap_or_else(|| Status::unknown("no status in the trailers")))),
                Ok(None) => Poll::Ready(Err(Status::unknown("no trailers"))),
                Err(error) => Poll::Ready(Err(failed(&error))),
            },
        }
    }
}

/// A unary call on its way. The status comes last, so the message is kept until then.
struct Unary<T> {
    tag: Option<T>,
    receiving: Receiving,
    data: Bytes,
}

impl<T: Unpin> Future for Unary<T> {
    type Output = (T, Result<Bytes, Status>);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match ready!(this.receiving.poll(context)) {
                Ok(data) if this.data.is_empty() => this.data = data,
                Ok(data) => {
                    let mut joined = BytesMut::from(std::mem::take(&mut this.data));
                    joined.extend_from_slice(&data);
                    this.data = joined.freeze();
                }
                Err(status) => {
                    let result = match status.code() {
                        Code::Ok => only_message(std::mem::take(&mut this.data)),
                        _ => Err(status),
                    };
                    return match this.tag.take() {
                        Some(tag) => Poll::Ready((tag, result)),
                        None => Poll::Pending,
                    };
                }
            }
        }
    }
}

/// A server stream: data is cut into messages.
struct Incoming<T> {
    tag: T,
    receiving: Receiving,
    data: BytesMut,
}

impl<T> Incoming<T> {
    /// None at first, when the stream is open; then its messages.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        if self.receiving.response.is_some() {
            ready!(self.receiving.poll_head(context))?;
            return Poll::Ready(Ok(None));
        }
        loop {
            if let Some(length) = message_length(&self.data)
                && self.data.len() >= PREFIX + length
            {
                self.data.advance(PREFIX);
                return Poll::Ready(Ok(Some(self.data.split_to(length).freeze())));
            }
            let data = ready!(self.receiving.poll(context))?;
            self.data.extend_from_slice(&data);
        }
    }
}

fn message_length(data: &[u8]) -> Option<usize> {
    let prefix = data.get(1..PREFIX)?;
    Some(prefix.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

fn only_message(mut data: Bytes) -> Result<Bytes, Status> {
    if message_length(&data) != data.len().checked_sub(PREFIX) {
        return Err(Status::internal("the answer is not one message"));
    }
    data.advance(PREFIX);
    Ok(data)
}

fn failed(error: &h2::Error) -> Status {
    match error.reason() {
        Some(Reason::CANCEL) => Status::cancelled(error.to_string()),
        _ => Status::unavailable(error.to_string()),
    }
}
