//! Real sockets between two ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use node::cluster::{CallError, Transport};
use node::{Node, Options};
use store::memory::Memory;
use store::{Member, NewMember, ServerKey, Standing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{Dialer, Limits, PROTOCOL, Plain, Secured, serve};
use crate::authority::{Authority, LONG};
use crate::tls::{Door, Identity, PeerFiles, client_config, server_config};

const PATIENCE: Duration = Duration::from_secs(10);

fn member(peer: &str) -> Member {
    Member {
        key: ServerKey(1),
        about: NewMember {
            name: "b".into(),
            peer: peer.into(),
            http: "".into(),
            grpc: "".into(),
            hosts: Vec::new(),
            build: "".into(),
            format_max: 1,
            standing: Standing::Serving,
        },
        lease_until_ms: 0,
        joined_ms: 0,
        catalog: 0,
    }
}

struct Server {
    node: Node,
    member: Member,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
    _scratch: tempfile::TempDir,
}

async fn server() -> Server {
    behind(Door::plain("peer")).await
}

async fn behind(door: Arc<Door>) -> Server {
    let scratch = tempfile::tempdir().expect("a directory");
    let options = Options::new("b", scratch.path().to_owned());
    let node = Node::open(Arc::new(Memory::new()), options);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (stop, stopping) = watch::channel(false);
    #[expect(clippy::disallowed_methods, reason = "the test keeps the handle")]
    let task = tokio::spawn(serve(node.clone(), listener, Limits::default(), door, stopping));
    Server { node, member: member(&address), stop, task, _scratch: scratch }
}

#[tokio::test]
async fn many_calls_share_a_connection_and_each_gets_its_answer() {
    let server = server().await;
    let dialer = Dialer::new(Arc::new(Plain));
    let calls = (0..200).map(|_| {
        // No request: the answer says so, and is an answer all the same.
        dialer.call(&server.member, Bytes::from_static(b"?"), PATIENCE)
    });
    for answer in futures_util::future::join_all(calls).await {
        assert!(!answer.expect("an answer").is_empty());
    }
    // SRV: nobody can send the stop if the receiver is gone.
    server.stop.send(true).expect("it listens");
    server.task.await.expect("it ends").expect("in order");
    let after = dialer.call(&server.member, Bytes::from_static(b"?"), PATIENCE).await;
    assert!(matches!(after, Err(CallError::NotSent(_) | CallError::Lost(_))), "PEE-1: {after:?}");
    server.node.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_was_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let dialer = Dialer::new(Arc::new(Plain));
    let answer = dialer.call(&member(&address), Bytes::from_static(b"?"), PATIENCE).await;
    assert!(matches!(answer, Err(CallError::NotSent(_))), "PEE-1: {answer:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_answer_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let dialer = Dialer::new(Arc::new(Plain));
    let other = member(&address);
    let call = dialer.call(&other, Bytes::from_static(b"?"), PATIENCE);
    let breaking = async {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut read = [0; 29];
        socket.read_exact(&mut read).await.expect("greeting and frame");
    };
    let (answer, ()) = tokio::join!(call, breaking);
    assert!(matches!(answer, Err(CallError::Lost(_))), "PEE-1: {answer:?}");
}

/// Passes bytes on to a server on every connection; the first one falls silent when it is told to,
/// and stays open. Answers where it listens.
async fn silent_proxy(to: String, silent: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        let mut first = true;
        while let Ok((mut from, _)) = listener.accept().await {
            let (to, mut silent, is_first) = (to.clone(), silent.clone(), first);
            first = false;
            connections.spawn(async move {
                let mut there = TcpStream::connect(to).await.expect("connected");
                let hushed = async {
                    // Nobody can say it any more when the test is over.
                    let _ = silent.wait_for(|silent| *silent && is_first).await;
                };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut from, &mut there) => {}
                    () = hushed => std::future::pending::<()>().await,
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_given_up_after_one_call() {
    let server = server().await;
    let (silent, is_silent) = watch::channel(false);
    let address = silent_proxy(server.member.about.peer.to_string(), is_silent).await;
    let (dialer, other) = (Dialer::new(Arc::new(Plain)), member(&address));
    let call = async |patience| dialer.call(&other, Bytes::from_static(b"?"), patience).await;
    assert!(call(PATIENCE).await.is_ok());
    silent.send(true).expect("somebody listens");
    let lost = call(Duration::from_millis(200)).await;
    assert!(matches!(lost, Err(CallError::Lost(_))), "PEE-1: {lost:?}");
    let next = call(Duration::from_secs(2)).await;
    assert!(next.is_ok(), "another connection works: {next:?}");
    server.node.stop().await;
}

#[tokio::test]
async fn sockets_between_servers_notice_a_way_that_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let socket = TcpStream::connect(listener.local_addr().expect("an address")).await;
    let socket = socket.expect("connected");
    super::notice_silence(&socket).expect("set");
    let socket = socket2::SockRef::from(&socket);
    assert!(socket.keepalive().expect("read"));
    #[cfg(target_os = "linux")]
    assert_eq!(socket.tcp_user_timeout().expect("read"), Some(super::SILENT));
}

#[tokio::test]
async fn a_stranger_is_sent_away() {
    let server = server().await;
    let mut socket = TcpStream::connect(&*server.member.about.peer).await.expect("connected");
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("written");
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection is closed");
    assert!(rest.is_empty());
    server.node.stop().await;
}

#[tokio::test]
async fn servers_with_certificates_of_one_authority_hear_each_other_and_nobody_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let (ca, _) = (ours.file(at, "ours"), others.file(at, "others"));
    let files = |authority: &Authority, name: &str| {
        let written = authority.write(at, name, LONG);
        let identity = Identity { certificate: written.certificate, key: written.key };
        PeerFiles { identity, ca: ca.clone() }
    };
    let config = server_config(&files(&ours, "one"), PROTOCOL).expect("good files");
    let server = behind(Door::tls("peer", move || config.get())).await;
    let dialer = |files: &PeerFiles| {
        let config = client_config(files, PROTOCOL).expect("good files");
        Dialer::new(Arc::new(Secured::new(config)))
    };
    let call = async |dialer: &Dialer, member: &Member| {
        dialer.call(member, Bytes::from_static(b"?"), PATIENCE).await
    };
    let two = dialer(&files(&ours, "two"));
    assert!(!call(&two, &server.member).await.expect("an answer").is_empty());
    let port = server.member.about.peer.rsplit_once(':').expect("a port").1;
    let by_name = member(&format!("localhost:{port}"));
    assert!(call(&two, &Member { key: ServerKey(2), ..by_name }).await.is_ok());
    let stranger = call(&dialer(&files(&others, "three")), &server.member).await;
    assert!(matches!(stranger, Err(CallError::NotSent(_) | CallError::Lost(_))), "{stranger:?}");
    let plain = call(&Dialer::new(Arc::new(Plain)), &server.member).await;
    assert!(matches!(plain, Err(CallError::NotSent(_) | CallError::Lost(_))), "{plain:?}");
    assert!(call(&two, &server.member).await.is_ok());
    server.node.stop().await;
}
