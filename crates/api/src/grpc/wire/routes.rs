//! Which handler answers which path, with the messages' types taken away.
//!
//! Boundary: decodes requests and encodes answers; sends and receives nothing.
//! Read first: [`Routes`].   Tests: `tests.rs`.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use http::HeaderMap;
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status};

/// Bytes before each message: a flag and a length.
pub(super) const PREFIX: usize = 5;

type Promise<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;
type Guard = Box<dyn Fn(&str, &HeaderMap) -> Result<Admission, Status> + Send + Sync>;
type Size = Box<dyn Fn() -> usize + Send + Sync>;
type Call<T> = Arc<dyn Fn(HeaderMap, Bytes) -> Promise<T> + Send + Sync>;

/// Handlers by path. A path that has none answers UNIMPLEMENTED.
#[derive(Default)]
pub struct Routes {
    paths: HashMap<&'static str, Route>,
    guard: Option<Guard>,
    size: Option<Size>,
}

/// How long a call may go on that was let through.
pub enum Admission {
    /// As long as it likes.
    Forever,
    /// Until this is ready, if it is a stream; it then ends with this status.
    Until(Pin<Box<dyn Future<Output = Status> + Send>>),
}

/// How one path is answered.
#[derive(Clone)]
pub(super) enum Route {
    Unary(Call<Single>),
    Streaming(Call<Many>),
}

/// A unary answer: the message behind its prefix, and metadata for the head.
pub(super) struct Single {
    pub(super) metadata: HeaderMap,
    pub(super) body: Bytes,
}

/// A streamed answer.
pub(super) struct Many {
    pub(super) metadata: HeaderMap,
    pub(super) source: Pin<Box<dyn Source>>,
}

/// A stream of messages that writes them, each behind its prefix.
pub(super) trait Source: Send {
    /// Appends the next message to `out`. Ready with none at the end.
    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut BytesMut,
    ) -> Poll<Option<Result<(), Status>>>;
}

impl Routes {
    /// Answers `path`, such as `/package.Service/Method`, with one message.
    ///
    /// The handler's future is dropped when the client cancels or its deadline passes.
    #[must_use]
    pub fn unary<M, R, F, W>(mut self, path: &'static str, handler: F) -> Self
    where
        M: Message + Default,
        R: Message,
        F: Fn(Request<M>) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Response<R>, Status>> + Send + 'static,
    {
        let call: Call<Single> = Arc::new(move |headers, message| {
            let waiting = request(headers, message).map(&handler);
            Box::pin(async move {
                let (metadata, message, _) = waiting?.await?.into_parts();
                let mut body = BytesMut::with_capacity(PREFIX + message.encoded_len());
                append(&message, &mut body)?;
                Ok(Single { metadata: metadata.into_headers(), body: body.freeze() })
            })
        });
        self.paths.insert(path, Route::Unary(call));
        self
    }

    /// Answers `path` with a stream of messages, which is polled only while the client takes them
    /// and is dropped when the client cancels, its deadline passes or the server stops.
    #[must_use]
    pub fn streaming<M, R, S, F, W>(mut self, path: &'static str, handler: F) -> Self
    where
        M: Message + Default,
        R: Message,
        S: Stream<Item = Result<R, Status>> + Send + 'static,
        F: Fn(Request<M>) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Response<S>, Status>> + Send + 'static,
    {
        let call: Call<Many> = Arc::new(move |headers, message| {
            let waiting = request(headers, message).map(&handler);
            Box::pin(async move {
                let (metadata, stream, _) = waiting?.await?.into_parts();
                let source = Box::pin(Encoded { stream: Box::pin(stream) });
                Ok(Many { metadata: metadata.into_headers(), source })
            })
        });
        self.paths.insert(path, Route::Streaming(call));
        self
    }

    /// Asks `guard` about the path and head of each call before its message is read.
    #[must_use]
    pub fn guarded(
        mut self,
        guard: impl Fn(&str, &HeaderMap) -> Result<Admission, Status> + Send + Sync + 'static,
    ) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }

    /// Takes request messages of as many bytes as `size` says at the time, even if that is more
    /// than the server's limit.
    #[must_use]
    pub fn sized(mut self, size: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        self.size = Some(Box::new(size));
        self
    }

    /// Bytes of a request message that are taken in any case.
    pub(super) fn message_bytes(&self) -> usize {
        self.size.as_ref().map_or(0, |size| size())
    }

    /// Whether a call may be served.
    pub(super) fn admit(&self, path: &str, headers: &HeaderMap) -> Result<Admission, Status> {
        self.guard.as_ref().map_or(Ok(Admission::Forever), |guard| guard(path, headers))
    }

    /// Every path that has a handler.
    #[cfg(test)]
    pub(crate) fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.paths.keys().copied()
    }

    pub(super) fn find(&self, path: &str) -> Option<Route> {
        self.paths.get(path).cloned()
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.paths.keys()).finish()
    }
}

fn request<M: Message + Default>(headers: HeaderMap, message: Bytes) -> Result<Request<M>, Status> {
    let message = M::decode(message)
        .map_err(|error| Status::internal(format!("request cannot be decoded: {error}")))?;
    Ok(Request::from_parts(MetadataMap::from_headers(headers), Extensions::new(), message))
}

struct Encoded<S> {
    stream: Pin<Box<S>>,
}

impl<R, S> Source for Encoded<S>
where
    R: Message,
    S: Stream<Item = Result<R, Status>> + Send,
{
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut BytesMut,
    ) -> Poll<Option<Result<(), Status>>> {
        Poll::Ready(match ready!(self.stream.as_mut().poll_next(context)) {
            Some(Ok(message)) => Some(append(&message, out)),
            Some(Err(status)) => Some(Err(status)),
            None => None,
        })
    }
}

fn append(message: &impl Message, out: &mut BytesMut) -> Result<(), Status> {
    let length = message.encoded_len();
    let prefix = u32::try_from(length)
        .map_err(|_| Status::resource_exhausted(format!("answer of {length} bytes")))?;
    out.reserve(PREFIX + length);
    out.put_u8(0);
    out.put_u32(prefix);
    message.encode_raw(out);
    Ok(())
}
