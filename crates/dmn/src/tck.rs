//! The conformance tests of DMN (the TCK's layout): inputs, and the results that are expected.
//!
//! Boundary: texts in, verdicts out; who finds and reads the files is up to the caller.
//! Read first: [`Suite::read`], then [`Suite::run`].   Tests: `tests/conformance.rs`

mod value;

use feel::{Context, Environment, Value};
use markup::{Diagnostic, Report, Spot};
use roxmltree::Node;

use crate::{Limits, Source, code, read_tolerant, xml};

/// One file of tests.
#[derive(Debug)]
pub struct Suite {
    /// The file name of the model.
    pub model: String,
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    id: String,
    invocable: Option<String>,
    input: Context,
    results: Vec<Expected>,
}

#[derive(Debug)]
struct Expected {
    name: String,
    /// Whether an error or null is expected.
    error: bool,
    value: Value,
}

/// How one expected result came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The id of the test case.
    pub case: String,
    /// The name of the result.
    pub result: String,
    /// Whether the actual value is the expected one.
    pub passed: bool,
    /// What is expected, as text.
    pub expected: String,
    /// What came out, as text.
    pub actual: String,
    /// What was tolerated or failed on the way.
    pub remarks: Vec<String>,
}

impl Suite {
    /// Reads a file of tests.
    ///
    /// # Errors
    /// What makes it unreadable.
    pub fn read(source: &Source<'_>, limits: &Limits) -> Result<Self, Vec<Diagnostic>> {
        let text = String::from_utf8_lossy(source.xml);
        let mut report = Report::new(code::FORMAT, source.name, &text);
        let Some(document) = markup::parse(&text, &limits.bounds(), &mut report) else {
            return Err(report.finish());
        };
        let root = document.root_element();
        if root.tag_name().name() != "testCases" {
            let message = format!("the root is `{}`", root.tag_name().name());
            let hint = "the root of a file of tests is `testCases`";
            report.error(code::NOT_DMN, Spot::file(xml::offset(root)), message, hint);
            return Err(report.finish());
        }
        let model = named(root, "modelName").next().map(|node| xml::content(node).0.into_owned());
        let cases = named(root, "testCase").map(|node| Case {
            id: xml::id(node).to_owned(),
            invocable: xml::attribute(node, "invocableName").map(str::to_owned),
            input: Context::new(
                named(node, "inputNode")
                    .map(|node| (name(node).as_str().into(), value::read(node)))
                    .collect(),
            ),
            results: named(node, "resultNode").map(expected).collect(),
        });
        Ok(Self { model: model.unwrap_or_default(), cases: cases.collect() })
    }

    /// Whether `text` may be a file of tests at all.
    #[must_use]
    pub fn is_one(text: &[u8]) -> bool {
        let needle = b"testCases";
        text.windows(needle.len()).any(|window| window == needle)
    }

    /// How many results are expected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cases.iter().map(|case| case.results.len()).sum()
    }

    /// Whether nothing is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs all cases against `model`; `others` are what it may import. A model that is refused
    /// fails all of them.
    #[must_use]
    pub fn run(
        &self,
        model: &Source<'_>,
        others: &[Source<'_>],
        environment: &Environment,
    ) -> Vec<Verdict> {
        let read = read_tolerant(model, others, &Limits::default());
        let expected = self
            .cases
            .iter()
            .flat_map(|case| case.results.iter().map(move |expected| (case, expected)));
        expected
            .map(|(case, expected)| match &read {
                Ok(model) => judge(model, case, expected, environment),
                Err(problems) => {
                    let problems = problems.iter().map(ToString::to_string).collect();
                    verdict(case, expected, "the model is refused".to_owned(), problems)
                }
            })
            .collect()
    }
}

fn judge(
    model: &crate::Model,
    case: &Case,
    expected: &Expected,
    environment: &Environment,
) -> Verdict {
    let wanted = case.invocable.as_ref().unwrap_or(&expected.name);
    let Some(outcome) = model.evaluate(wanted, &case.input, environment) else {
        let actual = format!("the model has no `{wanted}`");
        return verdict(case, expected, actual, Vec::new());
    };
    let mut actual = &outcome.value;
    // A service with several results gives them by name.
    let entry = actual.as_context().and_then(|context| context.get(&expected.name));
    if let Some(entry) = entry.filter(|_| case.invocable.is_some())
        && !value::same(&expected.value, actual)
    {
        actual = entry;
    }
    let mut verdict = verdict(case, expected, value::shown(actual), Vec::new());
    verdict.passed = value::same(&expected.value, actual) || (expected.error && actual.is_null());
    if !verdict.passed {
        let failures = outcome.failures.iter().map(ToString::to_string);
        let warnings = outcome.warnings.iter().map(|warning| warning.message.clone());
        verdict.remarks = failures.chain(warnings).collect();
    }
    verdict
}

fn verdict(case: &Case, expected: &Expected, actual: String, remarks: Vec<String>) -> Verdict {
    Verdict {
        case: case.id.clone(),
        result: expected.name.clone(),
        passed: false,
        expected: match expected.error {
            true => "null or an error".to_owned(),
            false => value::shown(&expected.value),
        },
        actual,
        remarks,
    }
}

fn expected(node: Node<'_, '_>) -> Expected {
    let value = named(node, "expected").next().map(value::read);
    Expected {
        name: name(node),
        error: xml::attribute(node, "errorResult") == Some("true"),
        value: value.unwrap_or_default(),
    }
}

fn name(node: Node<'_, '_>) -> String {
    xml::name(node, "name").unwrap_or_default().into_owned()
}

/// The children of this name, in whatever namespace.
fn named<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}
