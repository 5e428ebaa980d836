//! FEEL: text is compiled once into an [`Expression`], which is then evaluated over borrowed
//! variables.
//!
//! Boundary: pure; no clock, no randomness, no I/O. `now()` takes its value from [`Environment`].
//! DMN lives in `dmn`; what a name means in a process (scopes) lives in `engine`.
//! Read first: [`Expression`], then [`Value`], then [`Names`] and [`Session`].
//!
//! ```
//! use feel::{Environment, Expression, Value, json};
//!
//! let variables = json::parse(br#"{"order": {"total": 120, "items": [{"qty": 7}]}}"#)?;
//! let scope = variables.as_context().cloned().unwrap_or_default();
//! let environment = Environment { now_ms: 1_795_000_000_000, steps_max: 10_000 };
//! let expression = Expression::compile("if order.total > 100 then count(order.items) else 0")?;
//! assert_eq!(expression.evaluate(&scope, &environment).value, Value::from(1));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
#![no_std]

extern crate alloc;

mod builtin;
pub mod cases;
mod code;
mod expression;
mod function;
pub mod json;
mod machine;
mod names;
mod nearest;
mod session;
mod syntax;
mod temporal;
mod types;
mod value;

pub use expression::{
    CellTest, Comparison, Diagnostic, Environment, Evaluation, Expression, NoVariables, Scope,
    Warning, WarningKind,
};
pub use function::{Callable, Function, Parameter};
pub use names::{Dialect, Entries, Names};
pub use session::Session;
pub use temporal::{
    Date, DateTime, DaysDuration, MonthsDuration, Time, Zone, parse_duration, parse_temporal,
};
pub use types::{FunctionType, Type};
pub use value::{Context, ContextBuilder, List, Number, Range, Rounding, Str, Value};
