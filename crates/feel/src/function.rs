//! Function values: what `function(x) ...` evaluates to, and functions that a host brings.
//!
//! Boundary: they live only while expressions are evaluated; a result that is one has no JSON
//! form.
//! Read first: [`Function`], then [`Callable`].

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::code::Lambda;
use crate::session::Session;
use crate::types::{FunctionType, Type};
use crate::value::{Str, Value};

/// A function value.
#[derive(Debug, Clone)]
pub struct Function(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Closure(Closure),
    Host(Box<dyn Callable>),
}

/// A function that is not written in FEEL, such as a business knowledge model.
///
/// ```
/// use feel::{Callable, Context, Environment, Expression, Function, Parameter, Session, Type};
/// use feel::Value;
///
/// #[derive(Debug)]
/// struct Discount(Vec<Parameter>);
///
/// impl Callable for Discount {
///     fn parameters(&self) -> &[Parameter] {
///         &self.0
///     }
///
///     fn call(&self, arguments: Vec<Value>, _: &mut Session<'_>) -> Value {
///         Value::from(arguments[0].as_i64().unwrap_or(0) / 10)
///     }
/// }
///
/// let parameter = Parameter { name: "total".into(), kind: Type::Number };
/// let discount = Value::Function(Function::host(Discount(vec![parameter])));
/// let scope = Context::builder().with("discount", discount).build();
/// let expression = Expression::compile_tolerant("discount(total: 120)")?;
/// let environment = Environment { now_ms: 0, steps_max: 100 };
/// assert_eq!(expression.evaluate(&scope, &environment).value, Value::from(12));
/// # Ok::<(), feel::Diagnostic>(())
/// ```
pub trait Callable: core::fmt::Debug + Send + Sync {
    /// Its parameters in order; calls with named arguments use their names.
    fn parameters(&self) -> &[Parameter];

    /// The type of its result, where it is known.
    fn result(&self) -> &Type {
        &Type::Any
    }

    /// Runs it with a value for each parameter, already of the parameters' types. Whatever it
    /// evaluates goes through `session`, which knows the budget and collects warnings.
    fn call(&self, arguments: Vec<Value>, session: &mut Session<'_>) -> Value;
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Str,
    /// The type that arguments have to have; a call with others yields null and a warning.
    pub kind: Type,
}

/// A function's code and the values that it took along from where it was written.
#[derive(Debug)]
pub(crate) struct Closure {
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) captured: Vec<Value>,
    /// Variables of the scope in which it was made.
    pub(crate) variables: Vec<(Str, Value)>,
}

/// How a function is run.
pub(crate) enum Body<'f> {
    Closure(&'f Closure),
    Host(&'f dyn Callable),
}

impl Function {
    /// A function of the host.
    #[must_use]
    pub fn host(callable: impl Callable + 'static) -> Self {
        Self(Arc::new(Kind::Host(Box::new(callable))))
    }

    pub(crate) fn closure(closure: Closure) -> Self {
        Self(Arc::new(Kind::Closure(closure)))
    }

    /// Its parameters in order.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        match &*self.0 {
            Kind::Closure(closure) => &closure.lambda.parameters,
            Kind::Host(callable) => callable.parameters(),
        }
    }

    pub(crate) fn body(&self) -> Body<'_> {
        match &*self.0 {
            Kind::Closure(closure) => Body::Closure(closure),
            Kind::Host(callable) => Body::Host(&**callable),
        }
    }

    pub(crate) fn is_of(&self, wanted: &FunctionType) -> bool {
        let result = match &*self.0 {
            Kind::Closure(_) => Type::Any,
            Kind::Host(callable) => callable.result().clone(),
        };
        let parameters = self.parameters().iter().map(|parameter| parameter.kind.clone());
        FunctionType { parameters: parameters.collect(), result }.is_within(wanted)
    }

    pub(crate) fn depth(&self) -> u32 {
        let Kind::Closure(closure) = &*self.0 else { return 1 };
        let variables = closure.variables.iter().map(|(_, value)| value);
        let taken = closure.captured.iter().chain(variables);
        taken.map(Value::depth).max().unwrap_or(0).saturating_add(1)
    }

    /// Variables of the scope are shared, not built, and weigh nothing.
    pub(crate) fn weight(&self) -> u64 {
        let Kind::Closure(closure) = &*self.0 else { return 1 };
        closure.captured.iter().fold(1, |sum, value| sum.saturating_add(value.weight()))
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
