//! Database files that are not ours, not whole, or of a later version; and places that are taken.
//!
//! Boundary: what a server says when it does not start, and that it has changed nothing.
//! Read first: [`refuses`].

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::server::Start;
use super::shop::{Shop, start};

/// Starts a server that must not start; its exit code and what it says, without the directory.
fn refused(data: &Path, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut start = Start::on(data);
    start.command.envs(settings.iter().copied());
    let output = start.command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text.replace(&data.display().to_string(), "DATA"))
}

/// A change of the database's file is noticed, nothing is written, and taking it back mends it.
fn refuses(change: impl Fn(&mut Vec<u8>), wanted: &str) {
    let mut shop = Shop::open();
    for _ in 0..200 {
        shop.server.publish("shop/order", &shop.order(&"x".repeat(2_000))).expect(202);
        shop.count();
    }
    shop.nothing_is_lost();
    kill(Pid::from_raw(shop.server.child.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(shop.server.child.wait().unwrap().success());
    let data = shop.directory.path().join("data");
    let file = data.join("pointsman.db");
    let whole = std::fs::read(&file).unwrap();
    let mut changed = whole.clone();
    change(&mut changed);
    std::fs::write(&file, &changed).unwrap();
    for _ in 0..2 {
        let (code, text) = refused(&data, &[]);
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains("error[CLI-004]: the data directory `DATA` cannot be used"),
            "{text}"
        );
        assert!(text.contains(wanted), "{text}");
        assert!(text.contains("hint: `pointsman explain CLI-004`"), "{text}");
        assert!(std::fs::read(&file).unwrap() == changed, "the file was changed");
    }
    std::fs::write(&file, whole).unwrap();
    shop.server = start(&data, &[]);
    shop.goes_on();
}

#[test]
fn a_database_that_was_cut_off() {
    refuses(|bytes| bytes.truncate(bytes.len() / 2), "it is cut off: ");
}

#[test]
fn a_database_of_which_a_few_bytes_are_left() {
    refuses(|bytes| bytes.truncate(50), "it is shorter than the header of a database");
}

#[test]
fn a_database_that_is_empty() {
    refuses(Vec::clear, "it is shorter than the header of a database");
}

#[test]
fn a_file_that_is_no_database() {
    let text = b"Dear diary, ".repeat(100);
    refuses(|bytes| bytes.clone_from(&text), "it is not an SQLite database");
}

#[test]
fn a_database_of_another_program() {
    let change = |bytes: &mut Vec<u8>| bytes[68..72].copy_from_slice(&[0, 0, 0, 0]);
    refuses(change, "it is the database of another program");
}

#[test]
fn a_database_of_a_later_version() {
    let change = |bytes: &mut Vec<u8>| bytes[60..64].copy_from_slice(&[0, 0, 0, 99]);
    refuses(change, "99");
}

/// SRV-1: the server that could not start has changed nothing of the other one.
#[test]
fn a_second_server_on_the_same_directory() {
    let shop = Shop::open();
    shop.goes_on();
    for _ in 0..3 {
        let (code, text) = refused(&shop.directory.path().join("data"), &[]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("another server uses the data directory `DATA`"), "{text}");
        shop.goes_on();
    }
}

#[test]
fn addresses_that_others_can_reach() {
    let directory = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        for flag in ["--http", "--grpc"] {
            let mut command = super::server::pointsman();
            command.args(["serve", flag, address, "--data"]).arg(directory.path().join("data"));
            let output = command.output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(text.contains("error[API-007]"), "{text}");
            assert!(text.contains("there is neither TLS nor authentication"), "{text}");
        }
    }
    assert!(!directory.path().join("data").exists());
}
