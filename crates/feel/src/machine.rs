//! Runs compiled code over borrowed variables.
//!
//! Boundary: no text, no syntax; limits are enforced here. Warnings name kinds and names, never
//! values of variables.
//! Invariants: MAC-1 every node costs a step, every item of an iteration too. MAC-2 recursion is
//! limited by `depth`.
//! Read first: [`Machine::eval`], then the sibling files by kind of node.

mod arithmetic;
mod build;
mod compare;
mod filter;
mod instance;
mod invoke;
mod iterate;
mod path;
mod test;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::code::{Code, Member, Slot};
use crate::expression::{Environment, Expression, Scope, Warning, WarningKind};
use crate::function::Function;
use crate::names::Dialect;
use crate::session::Session;
use crate::value::{List, Value};

pub(crate) use compare::order;
pub(crate) use invoke::refused_by_standard;

/// How deep evaluation may recurse.
const DEPTH_MAX: u32 = 256;
/// Later warnings are dropped.
pub(crate) const WARNINGS_MAX: usize = 32;

/// Why an evaluation ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// All steps are used.
    Steps,
    /// Too deep.
    Depth,
    /// A value would be too large.
    Size,
    /// `assert` failed.
    Failed(Box<str>),
}

impl Stop {
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Steps => "the evaluation takes too many steps",
            Self::Depth => "the evaluation is nested too deeply",
            Self::Size => "a value is too large or nested too deeply",
            Self::Failed(cause) => cause,
        }
    }
}

pub(crate) type Outcome<T> = Result<T, Stop>;

/// A value that is read in place or was computed.
#[derive(Debug, Clone)]
pub(crate) enum Ref<'a> {
    Borrowed(&'a Value),
    Owned(Value),
}

impl Ref<'_> {
    #[inline]
    pub(crate) fn value(&self) -> &Value {
        match self {
            Self::Borrowed(value) => value,
            Self::Owned(value) => value,
        }
    }

    #[inline]
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Borrowed(value) => value.clone(),
            Self::Owned(value) => value,
        }
    }
}

impl From<Value> for Ref<'_> {
    #[inline]
    fn from(value: Value) -> Self {
        Self::Owned(value)
    }
}

/// The null that a missing value reads as.
pub(crate) static NULL: Value = Value::Null;

pub(crate) struct Machine<'a> {
    scope: &'a dyn Scope,
    environment: &'a Environment,
    steps: u32,
    depth: u32,
    locals: Vec<Ref<'a>>,
    captured: &'a [Value],
    function: Option<Function>,
    input: Option<Ref<'a>>,
    warnings: Vec<Warning>,
    /// The state of the source of randomness, if there is one.
    random: Option<u64>,
    dialect: Dialect,
}

impl<'a> Machine<'a> {
    /// A machine that goes on where the session is; [`Machine::leave`] gives back what is left.
    pub(crate) fn in_session<'e: 'a>(
        session: &mut Session<'e>,
        (scope, input): (&'a dyn Scope, Option<&'a Value>),
    ) -> Self {
        Self {
            scope,
            environment: session.environment,
            steps: session.steps,
            depth: session.depth,
            locals: Vec::new(),
            captured: &[],
            function: None,
            input: input.map(Ref::Borrowed),
            warnings: core::mem::take(&mut session.warnings),
            random: session.random,
            dialect: Dialect::Camunda,
        }
    }

    pub(crate) fn leave(self, session: &mut Session<'_>) {
        session.steps = self.steps;
        session.warnings = self.warnings;
        session.random = self.random;
    }

    /// The next 64 random bits, if there is a source (SplitMix64).
    pub(crate) fn random(&mut self) -> Option<u64> {
        let state = self.random.as_mut()?;
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = *state;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(bits ^ bits >> 31)
    }

    /// Evaluates a whole expression.
    pub(crate) fn evaluate(&mut self, expression: &'a Expression) -> Outcome<Value> {
        self.dialect = expression.dialect();
        let outcome = self.eval(expression.code()).map(Ref::into_value);
        debug_assert!(self.locals.is_empty(), "COD-1: who pushes a local also pops it");
        outcome
    }

    /// Evaluates code that stands in no expression, by the rules of the standard.
    pub(crate) fn evaluate_code(&mut self, code: &'a Code) -> Outcome<Value> {
        self.dialect = Dialect::Standard;
        self.eval(code).map(Ref::into_value)
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether the standard's rules hold where Camunda's differ.
    pub(crate) fn is_standard(&self) -> bool {
        self.dialect == Dialect::Standard
    }

    pub(crate) fn environment(&self) -> &'a Environment {
        self.environment
    }

    /// Uses up steps.
    #[inline]
    pub(crate) fn charge(&mut self, steps: u64) -> Outcome<()> {
        match u32::try_from(steps).ok().and_then(|steps| self.steps.checked_sub(steps)) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(Stop::Steps)
            }
        }
    }

    pub(crate) fn warn(&mut self, kind: WarningKind, message: impl FnOnce() -> String) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(Warning { kind, message: message() });
        }
    }

    /// How many warnings there are; with [`Machine::forget_warnings`], for what may be missing.
    pub(crate) fn warnings_count(&self) -> usize {
        self.warnings.len()
    }

    pub(crate) fn forget_warnings(&mut self, count: usize) {
        self.warnings.truncate(count);
    }

    pub(crate) fn eval(&mut self, code: &'a Code) -> Outcome<Ref<'a>> {
        self.charge(1)?;
        match self.peek(code) {
            Some(value) => Ok(Ref::Borrowed(value)),
            None => self.eval_deeper(code),
        }
    }

    /// The value of a literal, a name or a path, if it exists and can be read in place. Most
    /// operands are such, and reading them needs neither a copy nor a deeper call.
    #[inline]
    pub(crate) fn peek(&self, code: &'a Code) -> Option<&'a Value> {
        match code {
            Code::Constant(value) => Some(value),
            Code::Variable(name) => self.scope.get(name),
            Code::Slot(slot) => self.peek_slot(*slot),
            Code::Path(path) => {
                let mut current = match &path.0 {
                    Code::Variable(name) => self.scope.get(name)?,
                    Code::Slot(slot) => self.peek_slot(*slot)?,
                    _ => return None,
                };
                for name in &path.1 {
                    current = current.as_context()?.get(name)?;
                }
                Some(current)
            }
            Code::Member(member) => self.peek_member(member),
            _ => None,
        }
    }

    #[inline]
    fn peek_slot(&self, slot: Slot) -> Option<&'a Value> {
        match slot {
            Slot::Local(position) => match self.locals.get(position as usize)? {
                Ref::Borrowed(value) => Some(value),
                Ref::Owned(_) => None,
            },
            Slot::Captured(position) => self.captured.get(position as usize),
            Slot::Itself => None,
        }
    }

    /// The list that a local holds itself, such as the results of a loop so far.
    pub(super) fn local_list(&self, code: &Code) -> Option<&List> {
        let Code::Slot(Slot::Local(position)) = code else { return None };
        match self.locals.get(*position as usize)? {
            Ref::Owned(Value::List(list)) => Some(list),
            _ => None,
        }
    }

    fn peek_member(&self, member: &'a Member) -> Option<&'a Value> {
        for slot in &member.items {
            if let Value::Context(context) = self.peek_slot(*slot)?
                && let Some(value) = context.get(&member.name)
            {
                return Some(value);
            }
        }
        match &member.otherwise {
            Code::Variable(name) => self.scope.get(name),
            Code::Slot(slot) => self.peek_slot(*slot),
            _ => None,
        }
    }

    fn eval_deeper(&mut self, code: &'a Code) -> Outcome<Ref<'a>> {
        // MAC-2
        if self.depth == DEPTH_MAX {
            return Err(Stop::Depth);
        }
        self.depth += 1;
        let result = self.node(code);
        self.depth -= 1;
        result
    }

    fn node(&mut self, code: &'a Code) -> Outcome<Ref<'a>> {
        match code {
            Code::Constant(value) => Ok(Ref::Borrowed(value)),
            Code::Variable(name) => Ok(self.variable(name)),
            Code::Slot(slot) => Ok(self.slot(*slot)),
            Code::Member(member) => self.member(member),
            Code::Input => Ok(self.input()),
            Code::List(items) => self.list(items),
            Code::Context(entries) => self.context(entries),
            Code::Range(range) => self.range(range),
            Code::Arithmetic(chain) => self.arithmetic(&chain.0, &chain.1),
            Code::Negate(code) => self.negate(code),
            Code::Compare(comparison) => self.compare(comparison.0, &comparison.1, &comparison.2),
            Code::Between(operands) => self.between(operands),
            Code::In(test) => self.is_in(&test.0, &test.1),
            Code::InstanceOf(test) => self.instance_of(&test.0, &test.1),
            Code::And(operands) => self.logic(operands, false),
            Code::Or(operands) => self.logic(operands, true),
            Code::If(parts) => self.conditional(parts),
            Code::For(code) => self.for_loop(code),
            Code::Quantified(code) => self.quantified(code),
            Code::Path(path) => self.path(&path.0, &path.1),
            Code::Filter(filter) => self.filter(&filter.0, &filter.1),
            Code::Call(call) => self.call(call),
            Code::Invoke(invoke) => self.invoke(invoke),
            Code::Function(lambda) => self.function(lambda),
            Code::Tests(tests) => self.tests_of_input(tests),
        }
    }

    #[inline]
    fn variable(&mut self, name: &'a str) -> Ref<'a> {
        let scope = self.scope;
        match scope.get(name) {
            Some(value) => Ref::Borrowed(value),
            None => self.no_variable(name),
        }
    }

    #[cold]
    fn no_variable(&mut self, name: &str) -> Ref<'a> {
        if self.is_standard()
            && let Some(function) = crate::builtin::value(name)
        {
            return Ref::Owned(Value::Function(function));
        }
        self.warn(WarningKind::NoVariableFound, || format!("No variable found with name '{name}'"));
        Ref::Borrowed(&NULL)
    }

    fn slot(&mut self, slot: Slot) -> Ref<'a> {
        match slot {
            Slot::Local(position) => {
                debug_assert!((position as usize) < self.locals.len(), "COD-1: not pushed yet");
                self.locals.get(position as usize).cloned().unwrap_or(Ref::Borrowed(&NULL))
            }
            Slot::Captured(position) => {
                Ref::Borrowed(self.captured.get(position as usize).unwrap_or(&NULL))
            }
            Slot::Itself => Ref::Owned(self.function.clone().map_or(Value::Null, Value::Function)),
        }
    }

    fn input(&mut self) -> Ref<'a> {
        match &self.input {
            Some(input) => input.clone(),
            None => self.variable("?"),
        }
    }

    /// `and` and `or`: `decisive` is the operand that decides alone.
    fn logic(&mut self, operands: &'a [Code], decisive: bool) -> Outcome<Ref<'a>> {
        let mut unknown = false;
        for operand in operands {
            let value = self.eval(operand)?;
            match value.value() {
                Value::Boolean(truth) if *truth == decisive => {
                    return Ok(Ref::Owned(Value::Boolean(decisive)));
                }
                Value::Boolean(_) => {}
                other => {
                    unknown = true;
                    if !other.is_null() {
                        let kind = other.kind_name();
                        self.warn(WarningKind::InvalidType, || {
                            format!("Expected boolean but found {kind}")
                        });
                    }
                }
            }
        }
        Ok(Ref::Owned(if unknown { Value::Null } else { Value::Boolean(!decisive) }))
    }

    #[inline(never)]
    fn conditional(&mut self, parts: &'a [Code; 3]) -> Outcome<Ref<'a>> {
        let [condition, then, otherwise] = parts;
        let value = self.eval(condition)?;
        match value.value() {
            Value::Boolean(true) => self.eval(then),
            Value::Boolean(false) => self.eval(otherwise),
            other => {
                let kind = other.kind_name();
                self.warn(WarningKind::InvalidType, || {
                    format!("Expected boolean but found {kind}")
                });
                self.eval(otherwise)
            }
        }
    }
}
