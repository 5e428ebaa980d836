//! Function values: what `function(x) ...` evaluates to.
//!
//! Boundary: they live only while an expression is evaluated; a result that is one has no JSON
//! form.
//! Read first: [`Function`].

use alloc::sync::Arc;

use crate::code::Lambda;
use crate::value::Value;

/// A function value.
#[derive(Debug, Clone)]
pub struct Function(Arc<Closure>);

/// A function's code and the values that it took along from where it was written.
#[derive(Debug)]
struct Closure {
    lambda: Arc<Lambda>,
    captured: alloc::vec::Vec<Value>,
}

impl Function {
    pub(crate) fn new(lambda: Arc<Lambda>, captured: alloc::vec::Vec<Value>) -> Self {
        Self(Arc::new(Closure { lambda, captured }))
    }

    pub(crate) fn lambda(&self) -> &Arc<Lambda> {
        &self.0.lambda
    }

    pub(crate) fn captured(&self) -> &[Value] {
        &self.0.captured
    }

    pub(crate) fn depth(&self) -> u32 {
        1 + self.0.captured.iter().map(Value::depth).max().unwrap_or(0)
    }

    pub(crate) fn weight(&self) -> u64 {
        self.0.captured.iter().fold(1, |sum, value| sum.saturating_add(value.weight()))
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
