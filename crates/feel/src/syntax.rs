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

pub(crate) use parser::{Compiled, Dialect, compile};
