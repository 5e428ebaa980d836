//! FEEL: text is compiled once into an [`Expression`], which is then evaluated over borrowed
//! variables.
//!
//! Boundary: pure; no clock, no randomness, no I/O. `now()` takes its value from [`Environment`].
//! DMN lives in `dmn`; what a name means in a process (scopes) lives in `engine`.
//! Read first: [`Expression`], then [`Value`].
#![no_std]

extern crate alloc;

mod builtin;
mod code;
mod expression;
mod function;
pub mod json;
mod machine;
mod syntax;
mod temporal;
mod value;

pub use expression::{
    Diagnostic, Environment, Evaluation, Expression, NoVariables, Scope, Warning, WarningKind,
};
pub use function::Function;
pub use temporal::{
    Date, DateTime, DaysDuration, MonthsDuration, Time, Zone, parse_duration, parse_temporal,
};
pub use value::{Context, ContextBuilder, List, Number, Range, Rounding, Str, Value};
