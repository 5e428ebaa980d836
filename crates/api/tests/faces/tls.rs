//! Both faces through TLS: certificates of clients, wrong protocols, and new certificates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use api::tls::{FaceFiles, Refreshed};
use proto::gateway::TopologyRequest;
use proto::gateway::gateway_client::GatewayClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::{Code, Request};

use crate::authority::{Authority, ENDED, LONG};
use crate::secure::{FIRST, bearer, client, curl, dial, faces, get, identity, with_tokens};
use crate::server::{PATIENCE, Server};

fn options(faces: api::tls::Handle<api::tls::Faces>) -> api::Options {
    api::Options { tls: Some(faces), ..api::Options::default() }
}

#[tokio::test]
async fn http_is_spoken_in_both_versions_and_the_end_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("ca");
    let ca = authority.file(directory.path(), "ca");
    let server = Server::with(options(faces(&authority, directory.path()))).await;
    for protocol in [&b""[..], b"http/1.1", b"h2"] {
        let ready = curl(&server, client(&ca, None, protocol), get("/health/ready")).await.unwrap();
        let ends = ready.is(200).json()["certificateEndsAt"].clone();
        assert_eq!(ends, "2060-12-31T00:00:00Z", "{protocol:?}");
        let metrics = curl(&server, client(&ca, None, protocol), get("/metrics")).await.unwrap();
        let gauge = "\npointsman_certificate_end_timestamp_seconds 2871676800\n";
        assert!(metrics.text.contains(gauge), "{}", metrics.text);
        let nothing = curl(&server, client(&ca, None, protocol), get("/api/x")).await.unwrap();
        nothing.is_problem(404, "API-003");
    }
    let foreign = http::Request::get("https://evil.example/health/live");
    let h2 = client(&ca, None, b"h2");
    curl(&server, h2, foreign).await.unwrap().is_problem(403, "API-008");
    server.stop().await;
}

/// The gateway by a client that brings its own TLS, with a token.
#[tokio::test]
async fn the_gateway_is_spoken_through_tls_with_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("ca");
    let ca = authority.file(directory.path(), "ca");
    let (options, _kept) = with_tokens();
    let tls = Some(faces(&authority, directory.path()));
    let server = Server::with(api::Options { tls, ..options }).await;
    let config = client(&ca, None, b"h2");
    let address = server.grpc;
    let connector = tower::service_fn(move |_: http::Uri| {
        let config = Arc::clone(&config);
        async move { dial(address, config).await.map(hyper_util::rt::TokioIo::new) }
    });
    let endpoint = tonic::transport::Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    let mut gateway = GatewayClient::new(channel);
    let refused = gateway.topology(TopologyRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut request = Request::new(TopologyRequest {});
    request.metadata_mut().insert("authorization", bearer(FIRST).parse().unwrap());
    assert_eq!(gateway.topology(request).await.unwrap().into_inner().cluster_size, 1);
    // A client that knows only HTTP/1.1 learns in the handshake that this is not spoken here.
    let wrong = dial(server.grpc, client(&ca, None, b"http/1.1")).await;
    assert!(wrong.unwrap_err().to_string().contains("NoApplicationProtocol"));
    server.stop().await;
}

#[tokio::test]
async fn clients_show_certificates_where_they_are_demanded() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let (servers, people, strangers) =
        (Authority::new("servers"), Authority::new("people"), Authority::new("strangers"));
    let ca = servers.file(at, "ca");
    let files = FaceFiles {
        identity: identity(servers.write(at, "server", LONG)),
        client_ca: Some(people.file(at, "people")),
    };
    let server = Server::with(options(api::tls::faces(&files).unwrap())).await;
    let own = identity(people.write(at, "person", LONG));
    let late = identity(people.write(at, "late", ENDED));
    let strange = identity(strangers.write(at, "stranger", LONG));
    let ask = async |own| curl(&server, client(&ca, own, b""), get("/health/live")).await;
    ask(Some(&own)).await.unwrap().is(204);
    for wrong in [None, Some(&late), Some(&strange)] {
        assert!(ask(wrong).await.is_err(), "{wrong:?}");
    }
    ask(Some(&own)).await.unwrap().is(204);
    server.stop().await;
}

#[tokio::test]
async fn wrong_protocols_break_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("ca");
    let ca = authority.file(directory.path(), "ca");
    let server = Server::with(options(faces(&authority, directory.path()))).await;
    let mut plain = TcpStream::connect(server.http).await.unwrap();
    plain.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut told = String::new();
    let reading = plain.read_to_string(&mut told);
    // The server may reset the connection behind its answer.
    let _ = tokio::time::timeout(PATIENCE, reading).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 400 ") && told.contains("https"), "{told}");
    for bytes in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"", b"\x16\x03\x01\xFF\xFFxxx", b"\0"]
    {
        for address in [server.http, server.grpc] {
            let mut plain = TcpStream::connect(address).await.unwrap();
            plain.write_all(bytes).await.unwrap();
            plain.shutdown().await.unwrap();
            let mut rest = Vec::new();
            let reading = plain.read_to_end(&mut rest);
            let _ = tokio::time::timeout(PATIENCE, reading).await.unwrap();
        }
    }
    let other = Authority::new("other");
    let distrusting = client(&other.file(directory.path(), "other"), None, b"");
    assert!(curl(&server, distrusting, get("/health/live")).await.is_err());
    curl(&server, client(&ca, None, b""), get("/health/live")).await.unwrap().is(204);
    server.stop().await;

    let server = Server::start().await;
    for address in [server.http, server.grpc] {
        let dialled = TcpStream::connect(address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(client(&ca, None, b""));
        let connecting = connector.connect(name, dialled);
        assert!(tokio::time::timeout(PATIENCE, connecting).await.unwrap().is_err());
    }
    server.get("/health/live").await.is(204);
    server.stop().await;
}

/// TLS-2: and they are many more than the server handles at a time.
#[tokio::test]
async fn handshakes_that_never_finish_keep_nobody_out() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("ca");
    let ca = authority.file(directory.path(), "ca");
    let http = api::Limits { connections: 400, ..api::Limits::default() };
    let faces = faces(&authority, directory.path());
    let server = Server::with(api::Options { http, ..options(faces) }).await;
    let mut silent = Vec::new();
    for number in 0..600 {
        let mut socket = TcpStream::connect(server.http).await.unwrap();
        if number % 2 == 0 {
            // The beginning of a handshake, and then nothing.
            socket.write_all(b"\x16\x03\x01\x02\0\x01").await.unwrap();
        }
        silent.push(socket);
        if number % 100 == 99 {
            let asking = curl(&server, client(&ca, None, b""), get("/health/live"));
            tokio::time::timeout(PATIENCE, asking).await.unwrap().unwrap().is(204);
        }
    }
    drop(silent);
    server.stop().await;
}

/// TLS-1: a file that cannot be used never replaces a certificate that can.
#[tokio::test]
async fn a_new_certificate_is_used_and_a_broken_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (old_ca, new_ca) = (old.file(at, "old"), new.file(at, "new"));
    let handle = faces(&old, at);
    let server = Server::with(options(handle.clone())).await;
    let ask = async |ca| curl(&server, client(ca, None, b""), get("/health/live")).await;
    ask(&old_ca).await.unwrap().is(204);
    assert_eq!(handle.refresh().unwrap(), Refreshed::Same);
    let (certificate, key) = (at.join("server.crt"), at.join("server.key"));
    let good = std::fs::read(&certificate).unwrap();
    let breaks = |what: &str| {
        let error = handle.refresh().unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(error.code(), "API-022");
        assert_eq!(handle.refresh().unwrap(), Refreshed::Same, "told once only: {error}");
    };
    std::fs::write(&certificate, &good[..good.len() / 2]).unwrap();
    breaks("is not PEM");
    std::fs::write(&certificate, "").unwrap();
    breaks("holds no certificate");
    std::fs::remove_file(&certificate).unwrap();
    breaks("cannot read");
    std::fs::write(&certificate, &good).unwrap();
    assert_eq!(handle.refresh().unwrap(), Refreshed::Changed);
    std::fs::write(&key, &good).unwrap();
    breaks("holds no private key");
    new.write(at, "server", ENDED);
    breaks("ended at 2001-12-31T00:00:00Z");
    ask(&old_ca).await.unwrap().is(204);
    // Whoever writes two files is seen between them at times.
    let wanted = new.write(at, "other", LONG);
    std::fs::copy(&wanted.certificate, &certificate).unwrap();
    breaks("cannot be used together");
    ask(&old_ca).await.unwrap().is(204);
    std::fs::copy(&wanted.key, &key).unwrap();
    assert_eq!(handle.refresh().unwrap(), Refreshed::Changed);
    ask(&new_ca).await.unwrap().is(204);
    assert!(ask(&old_ca).await.is_err());
    server.stop().await;
}

/// Clients on many connections notice nothing when the certificate changes under them.
#[tokio::test]
async fn no_request_fails_while_certificates_change() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new("ca");
    let ca = authority.file(directory.path(), "ca");
    let handle = faces(&authority, directory.path());
    let server = Arc::new(Server::with(options(handle.clone())).await);
    let (asked, asking) = tokio::sync::watch::channel(0);
    let following = handle.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        following.follow(Duration::from_secs(3_600), asking).await;
        0
    });
    let over = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicU64::new(0));
    let mut loads = JoinSet::new();
    for number in 0..8 {
        let (server, over, served) = (Arc::clone(&server), Arc::clone(&over), Arc::clone(&served));
        let protocol: &[u8] = if number % 2 == 0 { b"h2" } else { b"http/1.1" };
        let config = client(&ca, None, protocol);
        loads.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let answer = curl(&server, Arc::clone(&config), get("/health/ready")).await;
                answer.unwrap().is(200);
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut ends = handle.ends_ms();
    for year in 2041..2051 {
        let name = format!("next-{year}");
        let next = authority.write(directory.path(), &name, year);
        // As a careful program does it: each file whole, one behind the other.
        std::fs::rename(next.certificate, directory.path().join("server.crt")).unwrap();
        std::fs::rename(next.key, directory.path().join("server.key")).unwrap();
        asked.send_modify(|times| *times += 1);
        let changed = async {
            while handle.ends_ms() == ends {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, changed).await.unwrap();
        ends = handle.ends_ms();
        // Every certificate is seen by the load, however slow the machine is.
        let enough = served.load(Ordering::Relaxed) + 8;
        let loaded = async {
            while served.load(Ordering::Relaxed) < enough {
                assert!(loads.try_join_next().is_none(), "no client stops before its time");
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, loaded).await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    while let Some(load) = loads.join_next().await {
        load.unwrap();
    }
    tasks.shutdown().await;
    Arc::into_inner(server).unwrap().stop().await;
}
