//! The compiled form of a decision table.
//!
//! Boundary: data only; `evaluate/table.rs` runs it.
//! Read first: [`Table`].

use feel::{Expression, Str};

use crate::evaluate::Index;
use crate::kind::Kind;

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) policy: HitPolicy,
    pub(crate) columns: Vec<Column>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) index: Index,
}

/// Which of the rules that match count, and what comes of their outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HitPolicy {
    Unique,
    First,
    Priority,
    Any,
    Collect,
    Sum,
    Min,
    Max,
    Count,
    RuleOrder,
    OutputOrder,
}

impl HitPolicy {
    /// Whether the result is that of one rule.
    pub(crate) fn is_single(self) -> bool {
        match self {
            Self::Unique | Self::First | Self::Priority | Self::Any => true,
            Self::Collect
            | Self::Sum
            | Self::Min
            | Self::Max
            | Self::Count
            | Self::RuleOrder
            | Self::OutputOrder => false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) id: Str,
    /// Its label, or else its expression.
    pub(crate) label: Str,
    pub(crate) expression: Expression,
    pub(crate) kind: Kind,
    /// The values that are expected, as unary tests.
    pub(crate) values: Option<Expression>,
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) id: Str,
    /// Its label, or else its name.
    pub(crate) label: Str,
    /// Empty if there is only one.
    pub(crate) name: Str,
    pub(crate) kind: Kind,
    /// The values in the order of their priority, as a list.
    pub(crate) values: Option<Expression>,
    pub(crate) default: Option<Expression>,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Str,
    /// One for each column.
    pub(crate) tests: Vec<Expression>,
    /// One for each output.
    pub(crate) outputs: Vec<Expression>,
}
