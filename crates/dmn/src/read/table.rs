//! Decision tables: columns, rules, hit policy.
//!
//! Boundary: grammar and shape; the index over the rules is made by `evaluate`.
//! Read first: [`read`].

use feel::{Expression, Names, Str, Type, Value};
use roxmltree::Node;

use crate::code;
use crate::evaluate::Index;
use crate::kind::Kind;
use crate::model::{Column, HitPolicy, Output, Rule, Table};
use crate::read::Reader;
use crate::xml;

/// Reads a `decisionTable`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    file: usize,
    node: Node<'_, '_>,
    names: &Names,
) -> Table {
    let policy = hit_policy(reader, file, node);
    let columns = columns(reader, file, node, names);
    let outputs = outputs(reader, file, (node, policy), names);
    let rules: Vec<Rule> = rules(reader, file, node, names)
        .into_iter()
        .map(|(rule, row)| fit_shape(reader, (file, row), rule, (columns.len(), outputs.len())))
        .collect();
    check_aggregation(reader, (file, node), policy, &outputs);
    let index = Index::new(columns.len(), &rules);
    Table { policy, columns, outputs, rules, index }
}

/// Takes the order of the values of the only output from the type of the table's value, if the
/// table does not say it.
pub(super) fn expect(reader: &Reader<'_>, table: &mut Table, kind: &Kind, names: &Names) {
    if let [output] = &mut *table.outputs
        && output.values.is_none()
        && let Some(tests) = kind.allowed(&reader.types)
    {
        output.values = list_of(tests.text(), names);
    }
}

/// Values are written as tests are, and read as a list.
fn list_of(text: &str, names: &Names) -> Option<Expression> {
    Expression::compile_with(&format!("[{text}]"), names)
        .or_else(|_| Expression::compile_with(text, names))
        .ok()
}

fn hit_policy(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>) -> HitPolicy {
    let text = xml::attribute(node, "hitPolicy").unwrap_or("UNIQUE");
    let aggregation = xml::attribute(node, "aggregation");
    let policy = match text {
        "UNIQUE" | "U" => HitPolicy::Unique,
        "FIRST" | "F" => HitPolicy::First,
        "PRIORITY" | "P" => HitPolicy::Priority,
        "ANY" | "A" => HitPolicy::Any,
        "RULE ORDER" | "R" => HitPolicy::RuleOrder,
        "OUTPUT ORDER" | "O" => HitPolicy::OutputOrder,
        "COLLECT" | "C" => match aggregation {
            None => HitPolicy::Collect,
            Some("SUM" | "+") => HitPolicy::Sum,
            Some("MIN" | "<") => HitPolicy::Min,
            Some("MAX" | ">") => HitPolicy::Max,
            Some("COUNT" | "#") => HitPolicy::Count,
            Some(other) => {
                let message = format!("there is no aggregation `{}`", markup::short(other));
                let hint = "use `SUM`, `MIN`, `MAX`, `COUNT`, or none";
                reader.error(file, (code::AGGREGATION, xml::spot(node)), message, hint);
                HitPolicy::Collect
            }
        },
        other => {
            let message = format!("there is no hit policy `{}`", markup::short(other));
            let hint = "use `UNIQUE`, `FIRST`, `PRIORITY`, `ANY`, `COLLECT`, `RULE ORDER` or \
                        `OUTPUT ORDER`";
            reader.error(file, (code::HIT_POLICY, xml::spot(node)), message, hint);
            HitPolicy::Unique
        }
    };
    if aggregation.is_some() && !text.starts_with('C') {
        let message = format!("the hit policy `{text}` has no aggregation");
        let hint = "use the hit policy `COLLECT`, or remove the aggregation";
        reader.warning(file, (code::AGGREGATION, xml::spot(node)), message, hint);
    }
    policy
}

fn columns(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>, names: &Names) -> Vec<Column> {
    let mut columns = Vec::new();
    for input in xml::children(node, "input") {
        let expression = xml::child(input, "inputExpression");
        let compiled = expression
            .and_then(|expression| reader.expression(file, expression, names).unwrap_or_default());
        if expression.is_none_or(|expression| xml::text(expression).is_none()) {
            let message = format!("the input {} has no expression", columns.len() + 1);
            let hint = "say what is tested in this column";
            reader.tolerable(file, (code::INCOMPLETE, xml::spot(input)), message, hint);
        }
        let kind = match expression {
            Some(expression) => reader.type_of(file, expression),
            None => Kind::ANY,
        };
        let expression = compiled.unwrap_or_else(|| Expression::constant(Value::Null));
        let label = match xml::name(input, "label") {
            Some(label) => label.into(),
            None => expression.text().into(),
        };
        let values = xml::child(input, "inputValues");
        let values = values.and_then(|values| reader.unary_tests(file, values, names));
        columns.push(Column { id: xml::id(input).into(), label, expression, kind, values });
    }
    columns
}

fn outputs(
    reader: &mut Reader<'_>,
    file: usize,
    table: (Node<'_, '_>, HitPolicy),
    names: &Names,
) -> Vec<Output> {
    let (node, policy) = table;
    let count = xml::children(node, "output").count();
    let mut outputs: Vec<Output> = Vec::new();
    for output in xml::children(node, "output") {
        let name: Str = xml::name(output, "name").unwrap_or_default().into();
        if count > 1 && name.is_empty() {
            let message = format!("the output {} of {count} has no name", outputs.len() + 1);
            let hint = "give each output a name: it is the entry of the result";
            reader.error(file, (code::OUTPUT_NAME, xml::spot(output)), message, hint);
        } else if count > 1 && outputs.iter().any(|other| other.name == name) {
            let message = format!("two outputs have the name `{name}`");
            reader.error(file, (code::NAME_TWICE, xml::spot(output)), message, "rename one");
        }
        let mut kind = reader.type_of(file, output);
        if count == 1 && kind.is_any() && policy.is_single() {
            kind = reader.type_of(file, node);
        }
        let own = xml::child(output, "outputValues").and_then(xml::text);
        let allowed = kind.allowed(&reader.types).map(|tests| tests.text().to_owned());
        let values = own.map(|(text, _)| text.into_owned()).or(allowed);
        let values = values.and_then(|text| list_of(&text, names));
        let default = xml::child(output, "defaultOutputEntry")
            .and_then(|entry| reader.expression(file, entry, names).unwrap_or_default());
        let label = match xml::name(output, "label") {
            Some(label) => label.into(),
            None => name.clone(),
        };
        outputs.push(Output { id: xml::id(output).into(), label, name, kind, values, default });
    }
    outputs
}

fn rules<'n>(
    reader: &mut Reader<'_>,
    file: usize,
    node: Node<'n, 'n>,
    names: &Names,
) -> Vec<(Rule, Node<'n, 'n>)> {
    let mut names = names.clone();
    names.declare("?", Type::Any);
    let mut rules = Vec::new();
    for row in xml::children(node, "rule") {
        let mut rule = Rule { id: xml::id(row).into(), tests: Vec::new(), outputs: Vec::new() };
        for entry in xml::children(row, "inputEntry") {
            let empty = xml::text(entry).is_none();
            let foreign = self::foreign(reader, file, entry);
            let tests = match empty {
                true => Expression::compile_unary_tests("-").ok(),
                false if foreign => None,
                false => reader.unary_tests(file, entry, &names),
            };
            // A cell that does not parse holds for nothing.
            rule.tests.push(tests.unwrap_or_else(|| Expression::constant(Value::Boolean(false))));
        }
        for entry in xml::children(row, "outputEntry") {
            let compiled = reader.expression(file, entry, &names).unwrap_or_default();
            rule.outputs.push(compiled.unwrap_or_else(|| Expression::constant(Value::Null)));
        }
        rules.push((rule, row));
    }
    rules
}

fn foreign(reader: &mut Reader<'_>, file: usize, entry: Node<'_, '_>) -> bool {
    let Some(language) = reader.foreign_language(file, entry) else { return false };
    if xml::text(entry).is_none() {
        return false;
    }
    let message = format!("the expression language is `{}`", markup::short(&language));
    let at = (code::LANGUAGE, xml::spot(entry));
    reader.tolerable(file, at, message, "write the expression in FEEL");
    true
}

/// A rule with as many cells as the table has columns.
fn fit_shape(
    reader: &mut Reader<'_>,
    place: (usize, Node<'_, '_>),
    mut rule: Rule,
    shape: (usize, usize),
) -> Rule {
    let found = (rule.tests.len(), rule.outputs.len());
    if found != shape {
        let message = format!(
            "the rule has {} tests and {} outputs, the table {} inputs and {} outputs",
            found.0, found.1, shape.0, shape.1
        );
        let hint = "give each rule one cell for each column";
        reader.error(place.0, (code::RULE_SHAPE, xml::spot(place.1)), message, hint);
        rule.tests.resize_with(shape.0, || Expression::constant(Value::Boolean(false)));
        rule.outputs.resize_with(shape.1, || Expression::constant(Value::Null));
    }
    rule
}

fn check_aggregation(
    reader: &mut Reader<'_>,
    place: (usize, Node<'_, '_>),
    policy: HitPolicy,
    outputs: &[Output],
) {
    let aggregates = matches!(policy, HitPolicy::Sum | HitPolicy::Min | HitPolicy::Max);
    if aggregates && outputs.len() > 1 {
        let message = format!("{} outputs cannot be aggregated", outputs.len());
        let hint = "aggregate a table with one output, or collect without an aggregation";
        let at = (code::AGGREGATION, xml::spot(place.1));
        reader.error(place.0, at, message, hint);
    }
}

/// Warns of tables whose hit policy needs an order that nothing gives.
pub(super) fn check_order(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>, table: &Table) {
    let ordered = matches!(table.policy, HitPolicy::Priority | HitPolicy::OutputOrder);
    if ordered && table.outputs.iter().all(|output| output.values.is_none()) {
        let message = "the hit policy needs the order of the output values".to_owned();
        let hint = "list the values of an output, the most important first";
        reader.warning(file, (code::OUTPUT_ORDER, xml::spot(node)), message, hint);
    }
}
