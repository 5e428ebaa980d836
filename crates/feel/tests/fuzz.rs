//! Mutated texts, from a committed corpus: nothing panics, hangs or says a place that is not there.
//!
//! Boundary: a driver for stable Rust, with a generator that repeats; `FUZZ_ROUNDS=1000000` in
//! the environment makes it run longer, `FUZZ_SEED` elsewhere. A text that fails is printed and
//! belongs into `tests/corpus`.
//! Read first: `examine`, then `Mutator`.
#![expect(clippy::disallowed_methods, reason = "a test that is patient reads the clock")]

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::{Duration, Instant};

use feel::{
    Context, Dialect, Environment, Expression, Names, Session, Type, Value, WarningKind, json,
};

const ENVIRONMENT: Environment = Environment { now_ms: 1_795_000_000_000, steps_max: 50_000 };
const ROUNDS: u64 = 6_000;
/// A debug build takes far less for this budget.
const PATIENCE: Duration = Duration::from_secs(5);
/// What threads of servers have.
const STACK_BYTES: usize = 2 << 20;

const TOKENS: &[&str] = &[
    "for ",
    " in ",
    " return ",
    "some ",
    " satisfies ",
    "if ",
    " then ",
    " else ",
    "function(x)",
    "not(",
    "null",
    "?",
    "..",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ":",
    ",",
    ".",
    "@\"P1D\"",
    "**",
    " instance of ",
    "list<",
    " between ",
    " and ",
    " or ",
    "partial",
    "item",
    "xs",
    "first name",
    "b-c",
    "\"\\u00",
    "1e6144",
    "999999999999999999",
    "-",
    "`",
    "/*",
    "//",
    "\u{0}",
    "é",
    "\u{feff}",
];

/// Numbers that repeat (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

struct Mutator {
    chance: Chance,
    corpus: Vec<String>,
}

impl Mutator {
    /// A text of the corpus, changed in a few places.
    fn text(&mut self) -> String {
        let mut text: Vec<char> = self.pick().chars().collect();
        for _ in 0..1 + self.chance.below(4) {
            let at = self.chance.below(text.len() + 1);
            let until = (at + self.chance.below(12)).min(text.len());
            match self.chance.below(7) {
                0 => drop(text.drain(at..until)),
                1 => {
                    let part = text[at..until].to_vec();
                    let to = self.chance.below(text.len() + 1);
                    text.splice(to..to, part);
                }
                2 => {
                    let part: Vec<char> = text[at..until].to_vec();
                    let many = part.repeat(1 + self.chance.below(60));
                    text.splice(at..until, many);
                }
                3 => {
                    let other: Vec<char> = self.pick().chars().collect();
                    let from = self.chance.below(other.len() + 1);
                    text.splice(at..until, other[from..].iter().copied());
                }
                4 => {
                    let noise = char::from_u32((self.chance.next() % 0x2ff) as u32);
                    text.splice(at..until, noise);
                }
                _ => {
                    let token = TOKENS[self.chance.below(TOKENS.len())];
                    text.splice(at..at, token.chars());
                }
            }
            text.truncate(4000);
        }
        text.into_iter().collect()
    }

    fn pick(&mut self) -> String {
        let at = self.chance.below(self.corpus.len());
        self.corpus[at].clone()
    }
}

fn corpus() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus")
        .map(|entry| entry.expect("a file").path())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).expect("text")).collect()
}

fn names(dialect: Dialect) -> Names {
    let mut names = Names::of(dialect);
    let line = Type::context([("unit price".into(), Type::Number)]);
    names.declare("first name", Type::Any).declare("b-c", Type::Number);
    names.declare("orders", Type::list(line)).define_type("t order", Type::context([]));
    names
}

fn scope() -> Context {
    let text = r#"{"a": 3, "b": 2, "xs": [1, 2, 3], "s": "aaaaaaaaaaaaaaaaaaaaaaab", "b-c": 4,
        "first name": "Ada", "orders": [{"total": 5, "lines": [{"sku": "x", "unit price": 2}]}]}"#;
    json::parse(text.as_bytes()).expect("JSON").as_context().cloned().expect("an object")
}

/// Everything that has to hold for any text.
fn examine(text: &str, names: &[Names], scope: &Context) {
    for names in names {
        for unary in [false, true] {
            let compiled = if unary {
                Expression::compile_unary_tests_with(text, names)
            } else {
                Expression::compile_with(text, names)
            };
            let expression = match compiled {
                Ok(expression) => expression,
                Err(diagnostic) => {
                    assert!(text.is_char_boundary(diagnostic.offset), "a place in the text");
                    assert!(!diagnostic.message.is_empty());
                    continue;
                }
            };
            let known = scope.iter().map(|(name, _)| &**name);
            for unknown in expression.unknown_names(known) {
                assert!(text.is_char_boundary(unknown.offset), "a place in the text");
            }
            let start = Instant::now();
            let run = || {
                let mut session = Session::new(&ENVIRONMENT).with_seed(7);
                let value = session.evaluate_with_input(&expression, &Value::from(3), scope);
                session.finish(value)
            };
            let first = run();
            assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
            let second = run();
            let shown = json::to_string(&first.value);
            assert_eq!(shown, json::to_string(&second.value), "the same again");
            assert_eq!(first.warnings, second.warnings);
            let limited = first.warnings.iter().any(|w| w.kind == WarningKind::LimitExceeded);
            assert!(!limited || first.value.is_null());
        }
    }
}

/// A number of the environment of the process.
fn setting(wanted: &str, otherwise: u64) -> u64 {
    let found = std::env::vars().find(|(name, _)| name == wanted);
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or(otherwise)
}

/// Runs each text on a thread with a small stack, and says which one broke it.
fn run(texts: impl Iterator<Item = String> + Send + 'static) {
    let work = move || {
        let names = [names(Dialect::Camunda), names(Dialect::Standard)];
        let scope = scope();
        for text in texts {
            let result =
                std::panic::catch_unwind(AssertUnwindSafe(|| examine(&text, &names, &scope)));
            assert!(result.is_ok(), "this text fails: {text:?}");
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    assert!(thread.expect("a thread").join().is_ok(), "see above");
}

#[test]
fn the_corpus_is_fine() {
    run(corpus().into_iter());
}

#[test]
fn mutations_of_the_corpus_are_fine() {
    let mut mutator = Mutator { chance: Chance(setting("FUZZ_SEED", 1)), corpus: corpus() };
    let rounds = setting("FUZZ_ROUNDS", ROUNDS);
    run((0..rounds).map(move |_| mutator.text()));
}
