//! What servers show each other, and how long a handshake may take.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::{Door, Handle, Identity, PeerFiles, Refreshed, client_config, server_config};
use crate::authority::{Authority, ENDED, LONG};

const PROTOCOL: &[u8] = b"h2";
const PATIENCE: Duration = Duration::from_secs(20);

fn peer(authority: &Authority, ca: &Path, (at, name): (&Path, &str), until: i32) -> PeerFiles {
    let written = authority.write(at, name, until);
    let identity = Identity { certificate: written.certificate, key: written.key };
    PeerFiles { identity, ca: ca.to_owned() }
}

/// One server calls another: whether each has heard the other.
async fn talk(server: &Handle<ServerConfig>, client: &PeerFiles, called: &str) -> bool {
    let server = server.clone();
    let door = Door::tls("peer", move || server.get());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answering = async {
        let (socket, _) = listener.accept().await.unwrap();
        let Some(mut stream) = door.enter(socket).await else { return false };
        assert_eq!(stream.protocol(), Some(PROTOCOL));
        let mut heard = [0; 4];
        let asked = stream.read_exact(&mut heard).await.is_ok();
        asked && stream.write_all(b"pong").await.is_ok() && stream.shutdown().await.is_ok()
    };
    let config = client_config(client, PROTOCOL).unwrap().get();
    let calling = async {
        let socket = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(called.to_owned()).unwrap();
        let Ok(mut stream) = TlsConnector::from(config).connect(name, socket).await else {
            return false;
        };
        let mut heard = Vec::new();
        stream.write_all(b"ping").await.is_ok()
            && stream.read_to_end(&mut heard).await.is_ok()
            && heard == b"pong"
    };
    let both = async { tokio::join!(answering, calling) };
    let (answered, called) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert!(answered || !called);
    called
}

#[tokio::test]
async fn servers_show_each_other_who_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let (ca, foreign) = (ours.file(at, "ours"), others.file(at, "others"));
    let one = peer(&ours, &ca, (at, "one"), LONG);
    let server = server_config(&one, PROTOCOL).unwrap();
    let two = peer(&ours, &ca, (at, "two"), LONG);
    assert!(talk(&server, &two, "localhost").await);
    assert!(talk(&server, &two, "127.0.0.1").await);
    assert!(!talk(&server, &two, "elsewhere.example").await, "the name is not checked");
    let stranger = peer(&others, &ca, (at, "stranger"), LONG);
    assert!(!talk(&server, &stranger, "localhost").await, "the server takes a stranger");
    let distrusting = peer(&ours, &foreign, (at, "three"), LONG);
    assert!(!talk(&server, &distrusting, "localhost").await, "the client calls a stranger");
    let late = peer(&ours, &ca, (at, "late"), ENDED);
    assert!(!talk(&server, &late, "localhost").await, "the certificate has ended");
}

#[tokio::test]
async fn an_authority_is_changed_while_servers_run() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let ca = old.file(at, "ca");
    let one = peer(&old, &ca, (at, "one"), LONG);
    let server = server_config(&one, PROTOCOL).unwrap();
    let of_old = peer(&old, &ca, (at, "two"), LONG);
    assert!(talk(&server, &of_old, "localhost").await);
    let both = std::fs::read(&ca).unwrap();
    let fresh = std::fs::read(new.file(at, "new")).unwrap();
    std::fs::write(&ca, [both, fresh.clone()].concat()).unwrap();
    assert_eq!(server.refresh().unwrap(), Refreshed::Changed);
    let of_new = peer(&new, &ca, (at, "three"), LONG);
    assert!(talk(&server, &of_old, "localhost").await);
    assert!(talk(&server, &of_new, "localhost").await);
    peer(&new, &ca, (at, "one"), LONG);
    std::fs::write(&ca, fresh).unwrap();
    assert_eq!(server.refresh().unwrap(), Refreshed::Changed);
    assert!(talk(&server, &of_new, "localhost").await);
    assert!(!talk(&server, &of_old, "localhost").await);
}

/// TLS-2: neither time nor number is without bound.
#[tokio::test]
async fn a_handshake_ends_at_its_deadline_or_when_there_are_too_many() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let authority = Authority::new("ca");
    let ca = authority.file(at, "ca");
    let config = server_config(&peer(&authority, &ca, (at, "one"), LONG), PROTOCOL).unwrap().get();
    for (most, patience) in [(8, Duration::from_millis(5)), (1, PATIENCE)] {
        let config = Arc::clone(&config);
        let door = Door::bounded("peer", move || Arc::clone(&config), (most, patience));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"\x16\x03").await.unwrap();
        let (first, _) = listener.accept().await.unwrap();
        let _second = TcpStream::connect(address).await.unwrap();
        let (second, _) = listener.accept().await.unwrap();
        let entering = async {
            tokio::select! {
                biased;
                entered = door.enter(first) => assert!(entered.is_none()),
                _ = door.enter(second) => panic!("the younger one has gone first"),
            }
        };
        tokio::time::timeout(PATIENCE / 2, entering).await.unwrap();
        let mut rest = Vec::new();
        let _ = silent.read_to_end(&mut rest).await;
    }
}
