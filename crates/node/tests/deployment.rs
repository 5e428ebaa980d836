//! Hot deployment by block and wait, on one server and on several: HOT-1, HOT-2, HOT-3, SGT-1 and
//! INV-1 are shown here.

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "deployment/alone.rs"]
mod alone;
#[path = "deployment/shop.rs"]
mod shop;
#[path = "deployment/together.rs"]
mod together;
#[path = "support/world.rs"]
mod world;
