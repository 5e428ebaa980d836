//! A store with a storage behind the S3 protocol: another program's server, moto of PyPI.
//!
//! Boundary: needs a Python with tests/requirements.txt, which scripts/dependencies.sh makes;
//! where there is none the test prints its name and does nothing.

#![expect(clippy::unwrap_used, reason = "a test may stop at any error")]
#![expect(clippy::print_stdout, reason = "a test that is left out says so")]

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use engine::ids::{Address, ShardId};
use store::blobs::{Blobs, Name, Options, digest};
use store::conformance::{Owner, instance};
use store::memory::Memory;
use store::stored::{Storage, Stored, Unbound, bind};
use store::{AggregateChange, Error, Store as _};

/// A Python that has moto, or none on this machine.
fn python() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os("POINTSMAN_TEST_PYTHON").map(PathBuf::from);
    let made = root.join("target/venv/bin/python");
    let python = named.or_else(|| made.exists().then_some(made))?;
    let asked = Command::new(&python).args(["-B", "-c", "import moto.server"]).output().ok()?;
    asked.status.success().then_some(python)
}

/// A server on a free port. Killed when dropped.
struct S3 {
    child: Child,
    address: String,
}

const SERVE: &str = "
import sys, threading
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
";

impl S3 {
    fn start(test: &str) -> Option<Self> {
        let Some(python) = python() else {
            println!("{test}: skipped, there is no Python with moto (scripts/dependencies.sh)");
            return None;
        };
        let mut child = Command::new(python)
            .args(["-B", "-c", SERVE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = format!("127.0.0.1:{}", line.trim());
        let server = Self { child, address };
        server.ask("PUT", "/bucket");
        Some(server)
    }

    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn blobs(&self, url: &str) -> Blobs {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let options = Options {
            environment: vec![
                variable("AWS_ACCESS_KEY_ID", "key"),
                variable("AWS_SECRET_ACCESS_KEY", "secret"),
                variable("AWS_ENDPOINT_URL", &format!("http://{}", self.address)),
            ],
            ..Options::new(url)
        };
        Blobs::new(&options).unwrap()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn objects_are_written_listed_verified_and_removed() {
    let Some(server) = S3::start("objects_are_written_listed_verified_and_removed") else { return };
    let blobs = server.blobs("s3://bucket/some/prefix");
    blobs.check().await.unwrap();
    let content = Bytes::from(vec![9; 3 << 20]);
    let name = Name { digest: digest(&content), shard: 1, epoch: 2, sequence: 3 };
    assert!(matches!(blobs.get(&name, 1).await, Err(Error::Damaged { .. })));
    blobs.put(&name, content.clone()).await.unwrap();
    assert_eq!(blobs.get(&name, content.len() as u64).await.unwrap(), content);
    let found = blobs.list().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name, found[0].bytes), (name, content.len() as u64));
    assert!(server.ask("GET", "/bucket").contains("some/prefix/objects/"));
    assert!(server.blobs("s3://bucket/other").list().await.unwrap().is_empty());
    blobs.remove(&name).await.unwrap();
    blobs.remove(&name).await.unwrap();
    assert!(blobs.list().await.unwrap().is_empty());
    let error = server.blobs("s3://absent").check().await.unwrap_err();
    assert!(matches!(error, Error::Failed { act: "write", .. }), "{error:?}");
}

#[tokio::test]
async fn a_store_keeps_large_values_in_a_bucket() {
    let Some(server) = S3::start("a_store_keeps_large_values_in_a_bucket") else { return };
    let blobs = server.blobs("s3://bucket/p");
    let inner = Arc::new(Memory::new());
    let both = tokio::join!(bind(&*inner, Some(&blobs)), bind(&*inner, Some(&blobs)));
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    let other = bind(&Memory::new(), Some(&blobs)).await;
    assert!(matches!(other, Err(Unbound::Other { .. })), "{other:?}");
    let storage = Storage { blobs: blobs.clone(), threshold: 100 };
    let store = Stored::new(inner.clone(), Some(storage));
    let mut owner = Owner::of(&store, 1).await;
    let content = Bytes::from(vec![9; 300_000]);
    let address = Address::Instance(instance(1));
    owner
        .commit(|unit| {
            let snapshot = Some(content.clone());
            unit.aggregates.push(AggregateChange { address: address.clone(), snapshot });
        })
        .await;
    let of = [address];
    assert_eq!(store.load(ShardId(1), &of).await.unwrap(), [Some(content)]);
    let row = inner.load(ShardId(1), &of).await.unwrap().remove(0).unwrap();
    assert!(row.len() < 100, "a reference");
    assert_eq!(blobs.list().await.unwrap().len(), 1);
}
