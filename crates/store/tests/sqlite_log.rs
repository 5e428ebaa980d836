//! The write-ahead log neither grows without bound nor stays when nothing happens.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use store::conformance::Owner;
use store::sqlite::{Options, Sqlite};

/// Pages at which the log is copied.
const LOG_PAGES: u32 = 100;

fn log_bytes(directory: &Path) -> u64 {
    fs::metadata(directory.join("pointsman.db-wal")).map_or(0, |log| log.len())
}

async fn write(owner: &mut Owner<'_>, units: u64) -> u64 {
    for number in 0..units {
        let digest = format!("{number}").into();
        owner.commit(|unit| unit.blobs.push((digest, Bytes::from(vec![7; 20_000])))).await;
    }
    units * 6
}

#[tokio::test]
async fn the_log_stays_short_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { log_pages: LOG_PAGES, ..Options::default() };
    let store = Sqlite::open(directory.path(), &options).unwrap();
    let mut owner = Owner::of(&store, 1).await;
    let (mut pages, mut log_pages) = (0, 0);
    // How far the log gets before it starts again depends on when the thread beside the writer
    // gets its turn; that it stays so long however much is written does not.
    for _ in 0..40 {
        pages += write(&mut owner, 500).await;
        log_pages = log_bytes(directory.path()) / 4_096;
        if log_pages < pages / 4 {
            return;
        }
    }
    panic!("{log_pages} of {pages}");
}

#[tokio::test]
async fn the_log_is_emptied_when_nothing_happens() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { idle: Duration::from_millis(1), ..Options::default() };
    let store = Sqlite::open(directory.path(), &options).unwrap();
    let mut owner = Owner::of(&store, 1).await;
    for _ in 0..3 {
        write(&mut owner, 20).await;
        let emptied = async {
            while log_bytes(directory.path()) > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), emptied).await.unwrap();
    }
}
