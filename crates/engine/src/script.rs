//! The scenario language: a model and inputs go in, and what happens comes out as text.
//!
//! Lines that begin with `#` give reasons, `>` are inputs, `|` what they brought about, `!` why
//! they were refused; everything else is model text (`bpmn::read_text`; each model begins with
//! `model`) or a line of `settings`. [`run`] answers the same text with the produced lines made
//! anew. Lines that begin with `<` are DMN files, from `<definitions` to `</definitions>`.
//! The inputs are listed in `script::input`.
//!
//! Boundary: for tests only (feature `script`). A [`World`] carries effects out as a shard does: in
//! the order of the decisions, within one turn where they concern another aggregate.
//! Read first: [`run`], then [`World`].   Tests: tests/scenarios/

mod alias;
mod bucket;
mod carry;
mod coverage;
mod decision;
mod due;
mod input;
mod lock;
mod verify;
mod words;
mod world;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use coverage::Seen;
pub use world::World;

/// What a scenario came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The scenario with its produced lines made anew.
    pub text: String,
    /// Which commands met which states.
    pub seen: BTreeSet<Seen>,
}

/// Runs a scenario.
///
/// # Errors
/// The number and the fault of a line that cannot be read: a model, a setting or an input.
pub fn run(text: &str) -> Result<Outcome, String> {
    let mut world = World::default();
    let mut model = String::new();
    let mut dmn = String::new();
    let mut out: Vec<String> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fault = |why: String| format!("line {}: {why}", index + 1);
        let starts = |word: &str| line.split_whitespace().next() == Some(word);
        if line.starts_with(['|', '!']) {
            continue;
        }
        out.push(line.to_string());
        if let Some(input) = line.strip_prefix('>') {
            load(&mut world, &mut model).map_err(fault)?;
            world.input(input.trim()).map_err(fault)?;
            out.extend(world.take_lines().into_iter().map(|line| line.trim_end().to_string()));
        } else if line.starts_with('#') || line.trim().is_empty() {
        } else if line.trim_start().starts_with('<') {
            dmn.push_str(line);
            dmn.push('\n');
            if line.trim() == "</definitions>" {
                world.deploy_decisions(&core::mem::take(&mut dmn)).map_err(fault)?;
            }
        } else if starts("settings") {
            world.set(line).map_err(fault)?;
        } else {
            if starts("model") {
                load(&mut world, &mut model).map_err(fault)?;
            }
            model.push_str(line);
            model.push('\n');
        }
    }
    let mut text = out.join("\n");
    text.push('\n');
    Ok(Outcome { text, seen: world.seen })
}

fn load(world: &mut World, model: &mut String) -> Result<(), String> {
    if model.is_empty() {
        return Ok(());
    }
    world.deploy(&core::mem::take(model))
}
