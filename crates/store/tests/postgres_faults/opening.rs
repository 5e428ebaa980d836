//! Addresses that lead nowhere, and databases that are not ours.

use std::fs;

use store::conformance::Owner;
use store::conformance::postgres::{Disk, Server};
use store::postgres::{Migrate, Options, Postgres};
use store::{Committed, Error, Store as _};

use super::unit;

async fn refusal(options: &Options) -> Error {
    match Postgres::open(options).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// The error with its causes.
fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn an_address_that_leads_nowhere_says_so_without_the_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cases = [
        (format!("postgresql://me:secret@127.0.0.1:{free}/orders"), "refused"),
        ("postgresql://me:secret@no-such-host.invalid/orders?sslmode=disable".into(), "lookup"),
        ("host=/no/such/directory user=me password=secret".into(), "No such file"),
        ("postgresql://me:secret@/orders".into(), "names no host"),
        ("postgresql://me:secret@localhost:port/orders".into(), "invalid"),
        ("postgresql://me:secret@localhost/orders?sslmode=allow".into(), "`allow` is not known"),
    ];
    for (url, expected) in cases {
        let error = refusal(&Options::new(&url)).await;
        let text = text(&error);
        assert!(text.contains(expected), "{url}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_database_say_so() {
    let Some(server) = Server::own("a_wrong_password_and_an_unknown_database_say_so") else {
        return;
    };
    let rules = "local all postgres trust\nlocal all all scram-sha-256\n";
    fs::write(server.directory().join("data/pg_hba.conf"), rules).unwrap();
    let admin = server.url("postgres");
    server
        .execute(
            &admin,
            "SET password_encryption = 'scram-sha-256'; CREATE ROLE me LOGIN PASSWORD 'right'",
        )
        .await;
    server.execute(&admin, "SELECT pg_reload_conf()").await;
    server.execute(&admin, "CREATE SCHEMA mine AUTHORIZATION me").await;
    let me = |password: &str, database: &str| {
        let url = server.url(database).replace("user=postgres", "user=me");
        Options::new(&format!("{url} password={password} options='-c search_path=mine'"))
    };
    // The rules are read a moment after they were asked for.
    let error = loop {
        match Postgres::open(&me("wrong", "postgres")).await {
            Err(error) => break error,
            Ok(_) => tokio::task::yield_now().await,
        }
    };
    let found = text(&error);
    assert!(found.contains("password authentication failed for user \"me\""), "{found}");
    assert!(!found.contains("wrong"), "{found}");
    let found = text(&refusal(&me("right", "nowhere")).await);
    assert!(found.contains("database \"nowhere\" does not exist"), "{found}");
    Postgres::open(&me("right", "postgres")).await.unwrap();
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let Some(server) = Server::shared("a_database_of_another_program_is_left_alone") else {
        return;
    };
    let tables = ["CREATE TABLE jobs (name TEXT)", "CREATE TABLE pointsman (name TEXT)"];
    for table in tables {
        let url = server.schema().await;
        server.execute(&url, table).await;
        let error = refusal(&Options::new(&url)).await;
        assert!(matches!(error, Error::Foreign { .. }), "{}", text(&error));
        // Nothing was made, so its own table can be the only one.
        server.execute(&url, "CREATE TABLE shards (name TEXT)").await;
    }
    let admin = server.url("postgres");
    let sql = "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'
        TEMPLATE template0";
    server.execute(&admin, sql).await;
    let found = text(&refusal(&Options::new(&server.url("latin"))).await);
    assert!(found.contains("LATIN1"), "{found}");
}

#[tokio::test]
async fn formats_are_brought_forward_or_refused() {
    let Some(server) = Server::shared("formats_are_brought_forward_or_refused") else { return };
    let url = server.schema().await;
    let careful = Options { migrate: Migrate::Refuse, ..Options::new(&url) };
    let found = text(&refusal(&careful).await);
    assert!(found.contains("it has format 0, this version needs 1"), "{found}");
    // All servers of a cluster start at the same time.
    let options = Options::new(&url);
    let opened =
        tokio::join!(Postgres::open(&options), Postgres::open(&options), Postgres::open(&options));
    let store = opened.0.unwrap();
    Owner::of(&store, 1).await.commit(|unit| unit.blocks_next = 9).await;
    drop((opened.1.unwrap(), opened.2.unwrap()));
    let again = Postgres::open(&careful).await.unwrap();
    assert_eq!(Owner::of(&again, 1).await.lease().blocks_next, 9);
    assert_eq!(again.health().await.unwrap().format, 1);
    // A later version has added something, and servers of this one go on beside it (MIG-1).
    server.execute(&url, "ALTER TABLE settings ADD COLUMN later INTEGER").await;
    server.execute(&url, "UPDATE pointsman SET format = 99, oldest = 1").await;
    let older = Postgres::open(&careful).await.unwrap();
    let lease = Owner::of(&older, 1).await.lease();
    let mut next = unit(1, lease.epoch, lease.sequence + 1);
    next.blocks_next = 10;
    assert_eq!(older.commit(next).await.unwrap(), Committed::Done);
    assert_eq!(Owner::of(&again, 1).await.lease().blocks_next, 10);
    // It has changed something that this one needs.
    server.execute(&url, "UPDATE pointsman SET oldest = 2").await;
    let error = refusal(&options).await;
    assert!(matches!(error, Error::Newer { found: 99, known: 1, .. }), "{error}");
}

/// A certificate for `localhost` and the key that signed it, as PEM.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[tokio::test]
async fn a_server_is_trusted_by_its_certificate_only() {
    // PostgreSQL opens the port itself; somebody else may take it in between, hence the address.
    let port = std::net::TcpListener::bind("127.0.0.73:0").unwrap().local_addr().unwrap().port();
    let listen = format!("-h 127.0.0.73 -p {port}");
    let Some(server) = Server::start(Disk::Careless, &listen) else {
        return Server::say_skipped("a_server_is_trusted_by_its_certificate_only");
    };
    let here = format!("hostaddr=127.0.0.73 port={port} user=postgres dbname=postgres");
    let plain = format!("host=localhost {here} sslmode=require");
    let found = text(&refusal(&Options::new(&plain)).await);
    assert!(found.contains("does not support TLS"), "{found}");
    let (pem, key) = certificate();
    let data = server.directory().join("data");
    for (name, content) in [("server.crt", &pem), ("server.key", &key)] {
        server.write(&data.join(name), content);
    }
    let admin = format!("{} port={port}", server.url("postgres"));
    server.execute(&admin, "ALTER SYSTEM SET ssl = on").await;
    server.execute(&admin, "SELECT pg_reload_conf()").await;
    let roots = server.directory().join("roots.pem");
    let trusting = |host: &str, mode: &str| Options {
        root_certificates: Some(roots.clone()),
        ..Options::new(&format!("host={host} {here} sslmode={mode}"))
    };
    fs::write(&roots, pem).unwrap();
    // The configuration is read a moment after it was asked for.
    let store = loop {
        match Postgres::open(&trusting("localhost", "verify-full")).await {
            Ok(store) => break store,
            Err(error) if text(&error).contains("does not support TLS") => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{}", text(&error)),
        }
    };
    Owner::of(&store, 1).await.commit(|unit| unit.blocks_next = 5).await;
    // Another name, another certificate, none of ours.
    let found = text(&refusal(&trusting("db.example.com", "require")).await);
    assert!(found.contains("not valid for name"), "{found}");
    let found = text(&refusal(&Options::new(&plain)).await);
    assert!(found.contains("certificate"), "{found}");
    fs::write(&roots, certificate().0).unwrap();
    let found = text(&refusal(&trusting("localhost", "require")).await);
    assert!(found.contains("certificate"), "{found}");
    fs::write(&roots, "no certificate").unwrap();
    let found = text(&refusal(&trusting("localhost", "require")).await);
    assert!(found.contains("there is no certificate"), "{found}");
}
