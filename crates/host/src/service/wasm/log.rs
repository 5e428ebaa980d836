//! What a component says: log lines, standard output and standard error.
//!
//! Boundary: bytes, bounded; kept until the call ends, then part of the step's log.
//! Read first: [`Log`].

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::service::{PRINTED_BYTES_MAX, Printed};

/// Bytes of one log line.
const LINE_BYTES_MAX: usize = 8 << 10;
/// Bytes that one call may say; the rest is dropped.
const SAID_BYTES_MAX: usize = 16 * PRINTED_BYTES_MAX;
/// Of what it said last, for the message of a failure.
const TAIL_BYTES: usize = 1 << 10;
const TAIL_LINES: usize = 3;
/// What a component may write to its output at once.
const CHUNK_BYTES_MAX: usize = 64 << 10;

/// Takes what one call says.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    text: Vec<u8>,
    bytes: usize,
    tail: Vec<u8>,
}

impl Log {
    /// One line with its level.
    pub(super) fn line(&self, level: &str, message: &str) {
        let mut end = message.len().min(LINE_BYTES_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        let cut = if end < message.len() { " …" } else { "" };
        self.append(format!("{level}: {}{cut}\n", &message[..end]).as_bytes());
    }

    fn append(&self, bytes: &[u8]) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = SAID_BYTES_MAX.saturating_sub(said.bytes);
        said.bytes = said.bytes.saturating_add(bytes.len());
        said.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let surplus = said.text.len().saturating_sub(2 * PRINTED_BYTES_MAX);
        said.text.drain(..surplus);
        said.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        let surplus = said.tail.len().saturating_sub(TAIL_BYTES);
        said.tail.drain(..surplus);
    }

    /// The last lines, in one line of text.
    pub(super) fn tail(&self) -> String {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&said.tail);
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join(" | ")
    }
}

/// Hands what was said to the caller when the call ends, in whatever way.
pub(super) struct Handover<'p> {
    pub(super) log: Log,
    pub(super) printed: &'p Printed,
}

impl Drop for Handover<'_> {
    fn drop(&mut self) {
        let mut said = self.log.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = std::mem::take(&mut said.text);
        let dropped = said.bytes.saturating_sub(SAID_BYTES_MAX);
        drop(said);
        self.printed.append(&text);
        if dropped > 0 {
            self.printed.append(format!("({dropped} bytes more were said)\n").as_bytes());
        }
    }
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl OutputStream for Log {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK_BYTES_MAX)
    }
}

#[async_trait]
impl Pollable for Log {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Log {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
