//! Servers among each other: one connection for each pair, many calls on it at once.
//!
//! Boundary: carries bytes; what they mean is `node`'s business. A frame is its length, the number
//! of its call and the bytes. A connection begins with a line that says what is spoken.
//! Invariants: PEE-1 a call whose frame was never handed to the connection is told to be not sent;
//! one whose answer did not come is told to be lost.
//! Read first: [`Dialer`], then [`serve`].   Tests: `peer/tests.rs`

mod dial;
mod listen;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

pub use dial::{Connect, Dialer, Plain, Secured};
pub use listen::{Limits, serve};

/// What is agreed on in a handshake of TLS, so that no other listener is taken for this one.
pub const PROTOCOL: &[u8] = b"pointsman-peer";
/// What is spoken, and its version; a server of another version that cannot speak it says no.
const GREETING: &[u8; 16] = b"pointsman-peer/1";
/// The longest frame.
const FRAME_MAX: usize = 256 << 20;
/// Length and number of a frame.
const HEAD: usize = 12;

/// A connection, plain or encrypted.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}

/// What opening a connection returns.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send + 'a>>;

/// How long a connection on which the other end acknowledges nothing is kept.
const SILENT: Duration = Duration::from_secs(5);

/// Lets a connection break when the way to the other end is gone without a word.
fn notice_silence(socket: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let probes = TcpKeepalive::new().with_time(SILENT).with_interval(SILENT / 5).with_retries(5);
    socket.set_tcp_keepalive(&probes)?;
    // What is written and never acknowledged; probes are of no use while something is.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(SILENT))?;
    Ok(())
}

/// One frame, appended to what leaves next.
fn put(out: &mut BytesMut, call: u64, content: &[u8]) {
    out.reserve(HEAD + content.len());
    out.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
    out.put_u64(call);
    out.put_slice(content);
}

/// The next frame; none at the end of the connection. Not cancel safe.
async fn next<R: AsyncRead + Unpin>(
    from: &mut R,
    buffer: &mut BytesMut,
) -> io::Result<Option<(u64, Bytes)>> {
    loop {
        if buffer.len() >= HEAD {
            let length = (&buffer[..4]).get_u32() as usize;
            if length > FRAME_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
            }
            if buffer.len() >= HEAD + length {
                buffer.advance(4);
                let call = buffer.get_u64();
                return Ok(Some((call, buffer.split_to(length).freeze())));
            }
            buffer.reserve(HEAD + length - buffer.len());
        }
        if from.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
    }
}
