//! From text to compiled code: tokens, then a single pass that parses and resolves names.
//!
//! Boundary: knows the names of built-in functions, never the values of variables.
//! Invariants: SYN-1 nesting is limited before the stack is; long chains are loops.
//! Read first: [`compile`], then `parser`.

mod iteration;
mod lexer;
mod name;
mod operator;
mod parser;
mod primary;
mod test;
mod typing;

use alloc::vec::Vec;

use crate::value::Str;

pub(crate) use parser::{Compiled, Form, FreeName, compile};

/// The words and signs that a name consists of; empty if it cannot be written without back-ticks.
pub(crate) fn words(name: &str) -> Vec<Str> {
    let tokens = lexer::tokenize(name).unwrap_or_default();
    let shown = tokens.iter().filter(|token| token.kind != lexer::Kind::End);
    shown.map(|token| name[token.start..token.end].into()).collect()
}
