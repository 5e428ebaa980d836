//! Declared names with spaces and operators, types, functions of the host, sessions.
//!
//! Boundary: uses the public API only.
//! Read first: the names of the tests.

use feel::{
    Callable, CellTest, Comparison, Context, Dialect, Environment, Expression, Function, Names,
    NoVariables, Parameter, Session, Type, Value, WarningKind, json,
};

const ENVIRONMENT: Environment = Environment { now_ms: 0, steps_max: 100_000 };

fn scope() -> Context {
    let text = r#"{"Monthly Fee": 10, "pre-bureau risk": "LOW", "a": 7, "b": 2, "a-b": 1,
        "date": "d", "applicant": {"First Name": "Ada", "age": 36, "age-limit": 18, "limit": 6},
        "loans": [{"Loan Amount": 5}, {"Loan Amount": 9}], "if only": 4}"#;
    json::parse(text.as_bytes()).expect("JSON").as_context().cloned().expect("an object")
}

fn names() -> Names {
    let mut names = Names::of(Dialect::Standard);
    let loan = Type::context([("Loan Amount".into(), Type::Number)]);
    let applicant = Type::context([
        ("First Name".into(), Type::String),
        ("age".into(), Type::Number),
        ("limit".into(), Type::Number),
    ]);
    names.define_type("t Loan", loan.clone());
    for (name, kind) in [
        ("Monthly Fee", Type::Number),
        ("Monthly", Type::Number),
        ("pre-bureau risk", Type::String),
        ("a-b", Type::Number),
        ("date", Type::String),
        ("applicant", applicant),
        ("loans", Type::list(loan)),
        ("if only", Type::Number),
    ] {
        names.declare(name, kind);
    }
    names.declare_entry("age-b");
    names
}

fn shown(text: &str) -> String {
    match Expression::compile_with(text, &names()) {
        Ok(expression) => json::to_string(&expression.evaluate(&scope(), &ENVIRONMENT).value),
        Err(diagnostic) => diagnostic.to_string(),
    }
}

#[test]
fn the_longest_declared_name_wins() {
    for (text, expected) in [
        ("Monthly Fee * 12", "120"),
        ("Monthly  Fee*12", "120"),
        ("pre-bureau risk = \"LOW\"", "true"),
        ("a-b", "1"),
        ("a - b", "1"),
        ("b - a", "-5"),
        ("applicant.First Name", "\"Ada\""),
        ("applicant.age-b", "34"),
        ("applicant.age-applicant.limit", "30"),
        ("{x: applicant}.x.First Name", "\"Ada\""),
        ("loans[Loan Amount > 6].Loan Amount", "[9]"),
        ("for one loan in loans return one loan.Loan Amount", "[5,9]"),
        ("some loan no-1 in loans satisfies loan no-1.Loan Amount = 9", "true"),
        ("{first value: 1, r: first value + 1}.r", "2"),
        ("(function(first arg, b: number) first arg - b)(b: 1, first  arg: 3)", "2"),
        ("if only + 1", "5"),
        ("if Monthly Fee > 5 then a else b", "7"),
        ("date(\"2020-01-02\").month", "1"),
        ("date", "\"d\""),
        ("[{\"Loan Amount\": 1}][1] instance of t Loan", "true"),
        ("a instance of t Loan", "false"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
    let fee = |text: &str| Expression::compile(text).map(|_| ()).expect_err(text).to_string();
    assert_eq!(fee("Monthly Fee"), "expected an operator or the end, found `Fee` at byte 8");
}

#[test]
fn unary_tests_know_declared_names() {
    let tests = Expression::compile_unary_tests_with("< Monthly Fee, a-b + 20", &names());
    let tests = tests.expect("tests");
    let holds = |input: i64| tests.evaluate_with_input(&Value::from(input), &scope(), &ENVIRONMENT);
    assert_eq!(holds(9).value, Value::from(true));
    assert_eq!(holds(10).value, Value::from(false));
    assert_eq!(holds(21).value, Value::from(true));
}

#[test]
fn tests_can_be_looked_at() {
    let tests = Expression::compile_unary_tests("< 3, \"a\", [1..2], -1, a").expect("tests");
    let (negated, cells) = tests.tests().expect("unary tests");
    assert!(!negated);
    assert_eq!(cells[0], CellTest::Compare(Comparison::Less, &Value::from(3)));
    assert_eq!(cells[1], CellTest::Value(&Value::from("a")));
    assert!(matches!(cells[2], CellTest::Value(Value::Range(_))));
    assert_eq!(cells[3], CellTest::Value(&Value::from(-1)));
    assert_eq!(cells[4], CellTest::Computed);
    let nothing = Expression::compile_unary_tests("-").expect("tests");
    assert_eq!(nothing.tests(), Some((false, vec![CellTest::Anything])));
    assert_eq!(Expression::compile("1").expect("an expression").tests(), None);
}

/// `Twice of`: evaluates an expression of its own, as a business knowledge model does.
#[derive(Debug)]
struct Twice {
    parameters: Vec<Parameter>,
    body: Expression,
}

impl Callable for Twice {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn call(&self, arguments: Vec<Value>, session: &mut Session<'_>) -> Value {
        let named = self.parameters.iter().map(|parameter| parameter.name.clone()).zip(arguments);
        let scope: Context = Context::new(named.collect());
        session.evaluate(&self.body, &scope)
    }
}

fn with_host(body: &str) -> Context {
    let parameters = vec![Parameter { name: "the value".into(), kind: Type::Number }];
    let mut own = Names::new();
    own.declare("the value", Type::Number);
    let body = Expression::compile_with(body, &own).expect("a body");
    let function = Function::host(Twice { parameters, body });
    Context::builder().with("Twice of", Value::Function(function)).build()
}

fn call(text: &str, body: &str) -> feel::Evaluation {
    let mut names = Names::new();
    names.declare("Twice of", Type::Function(None));
    let expression = Expression::compile_with(text, &names).expect(text);
    expression.evaluate(&with_host(body), &ENVIRONMENT)
}

#[test]
fn functions_of_the_host_are_called_like_others() {
    let value = |text| json::to_string(&call(text, "the value * 2").value);
    assert_eq!(value("Twice of(3) + 1"), "7");
    assert_eq!(value("Twice of(the  value: 3)"), "6");
    assert_eq!(value("Twice of([3])"), "6");
    assert_eq!(value("for i in 1..3 return Twice of(i)"), "[2,4,6]");
    assert_eq!(value("{f: Twice of, r: f(4)}.r"), "8");
    assert_eq!(value("Twice of instance of function<number> -> number"), "true");
    for (text, kind) in [
        ("Twice of(\"x\")", WarningKind::InvalidType),
        ("Twice of()", WarningKind::NoFunctionFound),
        ("Twice of(other: 3)", WarningKind::NoFunctionFound),
    ] {
        let evaluation = call(text, "the value");
        assert!(evaluation.value.is_null(), "{text}");
        assert_eq!(evaluation.warnings[0].kind, kind, "{text}");
    }
}

#[test]
fn a_host_function_shares_budget_and_warnings() {
    let evaluation = call("Twice of(1)", "the value + missing");
    assert_eq!(evaluation.warnings[0].kind, WarningKind::NoVariableFound);
    let endless = call("Twice of(1)", "some i in 1..10**9 satisfies false");
    assert_eq!(endless.warnings.last().map(|w| w.kind), Some(WarningKind::LimitExceeded));
    let failed = call("Twice of(1)", "assert(the value, false, \"wrong\")");
    assert!(failed.failure.is_some_and(|cause| cause.contains("wrong")));
}

#[test]
fn after_a_limit_a_session_evaluates_nothing() {
    let environment = Environment { now_ms: 0, steps_max: 10 };
    let mut session = Session::new(&environment);
    let one = Expression::compile("a").expect("an expression");
    let scope = Context::builder().with("a", 1).build();
    assert_eq!(session.evaluate(&one, &scope), Value::from(1));
    let all = Expression::compile("every i in 1..100 satisfies true").expect("an expression");
    assert_eq!(session.evaluate(&all, &scope), Value::Null, "SES-1");
    assert_eq!(session.evaluate(&one, &scope), Value::Null);
    assert!(session.is_stopped() && !session.charge(0));
    let evaluation = session.finish(Value::from(1));
    assert!(evaluation.value.is_null());
    assert_eq!(evaluation.warnings[0].kind, WarningKind::LimitExceeded);
}

#[test]
fn functions_take_along_the_scope_they_were_made_in() {
    let make = Expression::compile("function(x) x + k + missing there").expect_err("two words");
    assert!(make.message.contains("expected"), "{make}");
    let make = Expression::compile("function(x) x + k").expect("an expression");
    let made = make.evaluate(&Context::builder().with("k", 10).build(), &ENVIRONMENT).value;
    let Value::Function(function) = &made else { panic!("a function") };
    let mut session = Session::new(&ENVIRONMENT);
    assert_eq!(session.call(function, vec![Value::from(1)]), Value::from(11));
    let elsewhere = Context::builder().with("f", made.clone()).with("k", 500).build();
    let use_it = Expression::compile_tolerant("f(2)").expect("an expression");
    assert_eq!(use_it.evaluate(&elsewhere, &ENVIRONMENT).value, Value::from(12));
    let mut session = Session::new(&ENVIRONMENT);
    assert_eq!(session.call(function, vec![]), Value::Null);
}

#[test]
fn types_of_parameters_are_enforced_by_the_standard_only() {
    let text = "(function(x: string) x)(1)";
    assert_eq!(shown(text), "null");
    let camunda = Expression::compile(text).expect("an expression");
    assert_eq!(camunda.evaluate(&NoVariables, &ENVIRONMENT).value, Value::from(1));
    assert_eq!(shown("(function(x: number) x)([1])"), "1");
    assert_eq!(shown("(function(x: list<number>) x)(1)"), "[1]");
}

#[test]
fn values_become_what_a_type_declares() {
    let date = feel::parse_temporal("2020-01-02").expect("a date");
    let moment = Type::DateTime.coerce(date).expect("midnight");
    assert_eq!(json::to_string(&moment), "\"2020-01-02T00:00:00Z\"");
    assert_eq!(Type::Number.coerce(Value::Null), Some(Value::Null));
    assert_eq!(Type::Number.coerce(Value::from("a")), None);
    let two = Value::from(vec![Value::from(1), Value::from(2)]);
    assert_eq!(Type::Number.coerce(two.clone()), None);
    assert_eq!(Type::list(Type::Number).coerce(two.clone()), Some(two.clone()));
    assert_eq!(Type::list(Type::String).coerce(two), None);
    for (name, kind) in [("dayTimeDuration", Type::DaysDuration), ("dateTime", Type::DateTime)] {
        assert_eq!(Type::named(name), Some(kind));
    }
}

/// A function of the host that calls itself through FEEL, as a recursive model does.
#[derive(Debug, Clone)]
struct Again {
    parameters: Vec<Parameter>,
    body: Expression,
}

impl Callable for Again {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn call(&self, arguments: Vec<Value>, session: &mut Session<'_>) -> Value {
        let scope = again(self, arguments.into_iter().next().unwrap_or_default());
        session.evaluate(&self.body, &scope)
    }
}

fn again(function: &Again, n: Value) -> Context {
    let function = Value::Function(Function::host(function.clone()));
    Context::builder().with("n", n).with("again", function).build()
}

fn recursion(body: &str) -> feel::Evaluation {
    let parameters = vec![Parameter { name: "n".into(), kind: Type::Any }];
    let body = Expression::compile_tolerant(body).expect(body);
    let function = Again { parameters, body };
    let start = Expression::compile_tolerant("again(n)").expect("an expression");
    // What threads of servers have.
    let run = move || start.evaluate(&again(&function, Value::from(10)), &ENVIRONMENT);
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread");
    thread.join().expect("no overflow")
}

#[test]
fn functions_of_the_host_recur_within_the_limits() {
    let factorial = recursion("if n < 2 then 1 else n * again(n - 1)");
    assert_eq!(factorial.value, Value::from(3_628_800));
    for endless in ["again(n + 1)", "[[[1 + 1 * -again(n + 1)]]]", "again(again(n))"] {
        let evaluation = recursion(endless);
        let last = evaluation.warnings.last().map(|warning| warning.kind);
        assert_eq!(last, Some(WarningKind::LimitExceeded), "{endless}");
    }
}
