//! What people, programs and disks do wrong: each with a clear error, nothing lost, and a server
//! that goes on.
//!
//! Boundary: the built program over its faces and files.
//! Read first: `bad_input/shop.rs`, then `bad_input/models.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "bad_input/documents.rs"]
mod documents;
#[path = "bad_input/files.rs"]
mod files;
#[path = "bad_input/loops.rs"]
mod loops;
#[path = "bad_input/models.rs"]
mod models;
#[path = "bad_input/races.rs"]
mod races;
#[path = "support/server.rs"]
mod server;
#[path = "bad_input/shop.rs"]
mod shop;
#[path = "bad_input/storage.rs"]
mod storage;
