//! A disk without room: nothing is accepted, it is said, and it goes on when there is room.
//!
//! Boundary: a small file system of its own where the test may mount one (root), and the limit of
//! the database's length everywhere.
//! Read first: [`a_full_disk_stops_accepting_until_there_is_room`].

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Server, wait_for};
use super::shop::{ORDER, Shop, start};

/// A file system of a few megabytes; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It is in use no more: the server has ended before.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Publishes until the server says that it is full; what it said.
fn fill(shop: &Shop) -> Value {
    let more = "x".repeat(20_000);
    for _ in 0..100_000 {
        let answer = shop.server.publish(ORDER, &shop.order(&more));
        match answer.status {
            202 => shop.count(),
            _ => return answer.expect(507),
        }
    }
    panic!("never full");
}

fn check_full(server: &Server, problem: &Value) {
    assert_eq!((&problem["code"], &problem["retry"]), (&json!("NODE-007"), &json!(true)));
    let ready = server.get("/health/ready").expect(503);
    assert_eq!(ready["code"], "NODE-007", "{ready}");
    assert_eq!(server.get("/health/live").status, 204);
}

#[test]
fn a_full_disk_stops_accepting_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let Some(disk) = Disk::mount(&data, 12) else {
        println!("skipped: a_full_disk_stops_accepting_until_there_is_room");
        return;
    };
    let filler = data.join("filler");
    std::fs::write(&filler, vec![1_u8; 4 << 20]).unwrap();
    let server = start(&data, &[]);
    let shop = Shop { server, directory, accepted: std::cell::Cell::new(0) };
    shop.furnish();
    for round in 0..2 {
        let problem = fill(&shop);
        assert!(shop.accepted.get() > 20, "{}", shop.accepted.get());
        check_full(&shop.server, &problem);
        // It stays so: small things do not slip in while large ones are refused.
        for _ in 0..20 {
            check_full(&shop.server, &problem);
            std::thread::sleep(Duration::from_millis(50));
        }
        for _ in 0..20 {
            let refused = shop.server.publish(ORDER, &shop.order("")).expect(507);
            check_full(&shop.server, &refused);
            std::thread::sleep(Duration::from_millis(50));
        }
        if round == 0 {
            std::fs::remove_file(&filler).unwrap();
        } else {
            let mut remount = Command::new("mount");
            remount.args(["-o", "remount,size=64m"]).arg(&disk.0);
            assert!(remount.status().unwrap().success());
        }
        wait_for("ready again", || (shop.server.get("/health/ready").status == 200).then_some(()));
        shop.goes_on();
    }
    drop(shop);
    drop(disk);
}

#[test]
fn a_full_database_goes_on_with_a_higher_limit() {
    let limit = |bytes: &'static str| [("POINTSMAN_LIMITS_STORAGE_BYTES", bytes)];
    let mut shop = Shop::with(&limit("3000000"));
    let problem = fill(&shop);
    assert!(shop.accepted.get() > 20, "{}", shop.accepted.get());
    assert_eq!((&problem["code"], &problem["retry"]), (&json!("NODE-007"), &json!(true)));
    // It says so for a quarter of a second after each refusal, which a busy machine may miss.
    let ready = wait_for("it says that it is full", || {
        shop.server.publish(ORDER, &shop.order(&"x".repeat(20_000)));
        let ready = shop.server.get("/health/ready");
        (ready.status != 200).then_some(ready)
    });
    assert_eq!(ready.expect(503)["code"], "NODE-007");
    // Other than on a full disk it goes on: what makes room must pass.
    wait_for("ready", || (shop.server.get("/health/ready").status == 200).then_some(()));
    let data = shop.directory.path().join("data");
    // One at a time on the directory.
    shop.server.child.kill().unwrap();
    shop.server.child.wait().unwrap();
    shop.server = start(&data, &limit("64000000"));
    shop.goes_on();
}
