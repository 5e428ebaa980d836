//! What a link does when connecting works and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;

const SQL: &str = "-- takes:\nSELECT 1";

/// A message as PostgreSQL frames it.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).expect("a short message");
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// Lets everybody in, and ends the connection at the first statement, as a pool does whose
/// server is gone: severity, code and text, and no more.
async fn let_in(mut stream: TcpStream) -> std::io::Result<()> {
    let length = stream.read_i32().await?;
    let mut rest = vec![0; usize::try_from(length - 4).expect("a length")];
    stream.read_exact(&mut rest).await?;
    let welcome = [message(b'R', &0_i32.to_be_bytes()), message(b'Z', b"I")].concat();
    stream.write_all(&welcome).await?;
    if stream.read(&mut rest).await? > 0 {
        stream.write_all(&message(b'E', b"SFATAL\0C08P01\0Mserver conn crashed?\0\0")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_pool_without_its_database_is_waited_for_with_pauses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let connections = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&connections);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            // The client may be faster to go.
            drop(let_in(stream).await);
        }
    });
    let url = format!("host=127.0.0.1 port={port} user=me");
    let target = Target::new(&url, None, Pooling::Transaction).expect("a target");
    let wait = Duration::from_millis(600);
    let link = Link::new(Arc::new(target), Purpose::Server, wait);
    let error = link.rows("ask", SQL, &[]).await.expect_err("nobody answers");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("the database is away since 0.6 s"), "{cause}");
    assert!(cause.contains("server conn crashed?"), "{cause}");
    // At once, once more, and after 20, 40, 80, 160 and 320 ms: fewer on a slow machine.
    let connections = connections.load(Ordering::Relaxed);
    assert!((2..=7).contains(&connections), "{connections}");
}
