//! The compiled form of an expression: a tree whose local names are resolved to slots.
//!
//! Boundary: data only; `syntax` builds it, `machine` runs it.
//! Invariants: COD-1 slots are numbered in the order in which the machine pushes locals; whoever
//! pushes also pops. Chains of one operator are flat, so depth does not grow with their length.
//! Read first: [`Code`], then [`Slot`].

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::builtin::{Builtin, Pattern};
use crate::function::Parameter;
use crate::types::Type;
use crate::value::{Range, Str, Value};

/// One node.
#[derive(Debug, PartialEq)]
pub(crate) enum Code {
    /// A literal.
    Constant(Value),
    /// A local variable.
    Slot(Slot),
    /// A variable of the scope.
    Variable(Str),
    /// A name inside filters: an entry of the innermost item that has it, otherwise as outside.
    Member(Box<Member>),
    /// `?`
    Input,
    List(Box<[Code]>),
    /// Each entry is also a local for the entries after it.
    Context(Box<[(Str, Code)]>),
    Range(Box<RangeCode>),
    /// Operators of equal precedence, applied from left to right.
    Arithmetic(Box<Chain>),
    Negate(Box<Code>),
    Compare(Box<(Comparison, Code, Code)>),
    Between(Box<[Code; 3]>),
    In(Box<(Code, Tests)>),
    InstanceOf(Box<(Code, Type)>),
    And(Box<[Code]>),
    Or(Box<[Code]>),
    /// Condition, then, otherwise.
    If(Box<[Code; 3]>),
    For(Box<For>),
    Quantified(Box<Quantified>),
    Path(Box<(Code, Box<[Str]>)>),
    /// List and condition; the item is a local of the condition.
    Filter(Box<(Code, Code)>),
    Call(Box<Call>),
    Invoke(Box<Invoke>),
    Function(Arc<Lambda>),
    /// The tests of a decision table's cell, against `?`.
    Tests(Box<Tests>),
}

/// The first operand and what is applied to it.
pub(crate) type Chain = (Code, Box<[(Operator, Code)]>);

impl Code {
    /// A range; a constant if its ends are.
    pub(crate) fn range(code: RangeCode) -> Self {
        let RangeCode { start, start_included, end, end_included } = code;
        match (start, end) {
            (Self::Constant(start), Self::Constant(end)) => {
                let range = Range { start, start_included, end, end_included };
                Self::Constant(Value::from(range))
            }
            (start, end) => {
                Self::Range(Box::new(RangeCode { start, start_included, end, end_included }))
            }
        }
    }

    /// A list of these items; a constant if they are.
    pub(crate) fn list(items: Vec<Code>) -> Self {
        if items.iter().all(|item| matches!(item, Self::Constant(_))) {
            let values = items.into_iter().filter_map(|item| match item {
                Self::Constant(value) => Some(value),
                _ => None,
            });
            return Self::Constant(Value::List(values.collect()));
        }
        Self::List(items.into())
    }
}

/// Where a local variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// On the machine's stack of locals, counted from its bottom.
    Local(u32),
    /// Among the values that the running function took along.
    Captured(u32),
    /// The running function itself.
    Itself,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: Str,
    /// The items of the filters around, innermost first.
    pub(crate) items: Box<[Slot]>,
    pub(crate) otherwise: Code,
}

#[derive(Debug, PartialEq)]
pub(crate) struct RangeCode {
    pub(crate) start: Code,
    pub(crate) start_included: bool,
    pub(crate) end: Code,
    pub(crate) end_included: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

/// A comparison of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Alternatives, of which one has to hold (or none, if negated).
#[derive(Debug, PartialEq)]
pub(crate) struct Tests {
    /// Whether it is all of a cell, not what follows `in`.
    pub(crate) whole: bool,
    pub(crate) negated: bool,
    pub(crate) alternatives: Box<[Test]>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Test {
    /// `-`
    Anything,
    /// The input compared with a value.
    Compare(Comparison, Code),
    /// An expression that mentions `?` and so decides itself.
    Condition(Code),
    /// A value that the input has to equal or to be in.
    Value(Code),
}

/// What an iteration runs over.
#[derive(Debug, PartialEq)]
pub(crate) enum Source {
    Value(Code),
    /// From the first to the last, upwards or downwards.
    Count(Code, Code),
}

/// `for`: the first local is `partial`, then one for each source.
#[derive(Debug, PartialEq)]
pub(crate) struct For {
    pub(crate) sources: Box<[Source]>,
    pub(crate) body: Code,
    pub(crate) uses_partial: bool,
}

/// `some` and `every`.
#[derive(Debug, PartialEq)]
pub(crate) struct Quantified {
    pub(crate) every: bool,
    pub(crate) sources: Box<[Source]>,
    pub(crate) condition: Code,
}

/// A call of a built-in function, its arguments already in their places.
#[derive(Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) builtin: &'static Builtin,
    pub(crate) arguments: Box<[Code]>,
    /// The compiled form of a constant pattern.
    pub(crate) pattern: Option<Pattern>,
}

/// A call of a function value.
#[derive(Debug, PartialEq)]
pub(crate) struct Invoke {
    pub(crate) callee: Code,
    pub(crate) arguments: Box<[(Option<Str>, Code)]>,
}

/// The body of a function literal.
#[derive(Debug, PartialEq)]
pub(crate) struct Lambda {
    pub(crate) parameters: Box<[Parameter]>,
    /// What it takes along, as seen from where it is written.
    pub(crate) captures: Box<[Slot]>,
    /// The variables of the scope that it reads.
    pub(crate) variables: Box<[Str]>,
    pub(crate) body: Code,
}
