//! Reading what a child process writes, within bounds.
//!
//! Boundary: bytes only. Standard output is wanted whole; of standard error the end is enough.
//! Read first: [`whole`], then [`tail`].

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::service::{Failure, Printed, permanent, transient};

const TAIL_BYTES_MAX: usize = 4096;
const TAIL_LINES_MAX: usize = 10;

/// Everything up to the end. More than `bytes_max` is a failure.
pub(super) async fn whole(
    stream: Option<impl AsyncRead + Unpin>,
    bytes_max: usize,
) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let Some(stream) = stream else { return Ok(bytes) };
    let mut bounded = stream.take(bytes_max as u64 + 1);
    bounded.read_to_end(&mut bytes).await.map_err(|error| unreadable(&error))?;
    if bytes.len() > bytes_max {
        return Err(permanent(format!("the program wrote more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// The last lines, in one line of text; everything goes to `printed`.
pub(super) async fn tail(
    stream: Option<impl AsyncRead + Unpin>,
    printed: &Printed,
) -> Result<String, Failure> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return Ok(String::new()) };
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).await.map_err(|error| unreadable(&error))?;
        if read == 0 {
            break;
        }
        printed.append(&chunk[..read]);
        kept.extend_from_slice(&chunk[..read]);
        let surplus = kept.len().saturating_sub(TAIL_BYTES_MAX);
        kept.drain(..surplus);
    }
    let text = String::from_utf8_lossy(&kept);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.len().saturating_sub(TAIL_LINES_MAX);
    Ok(lines[last..].join(" | "))
}

fn unreadable(error: &std::io::Error) -> Failure {
    transient(format!("its output cannot be read: {error}"))
}
