//! Boxed expressions: from elements such as `context` and `invocation` to logic.
//!
//! Boundary: decision tables are read in `table`. Names that an expression introduces are declared
//! for what stands inside of it and nowhere else.
//! Read first: [`read_inside`], then `read_boxed`.

use std::sync::Arc;

use feel::{Expression, Names, Parameter, Str, Type};
use roxmltree::Node;

use crate::code;
use crate::kind::Kind;
use crate::model::{Boxed, FunctionLogic, Invocation, Iteration, Logic};
use crate::read::{Reader, table};
use crate::xml;

/// How deep boxed expressions may be nested.
const NEST_MAX: usize = 40;

/// The elements that are boxed expressions.
const EXPRESSIONS: [&str; 12] = [
    "literalExpression",
    "decisionTable",
    "context",
    "invocation",
    "relation",
    "list",
    "functionDefinition",
    "conditional",
    "for",
    "some",
    "every",
    "filter",
];

/// The boxed expression inside of `node`, if there is one.
pub(super) fn read_inside(
    reader: &mut Reader<'_>,
    file: usize,
    node: Node<'_, '_>,
    names: &mut Names,
) -> Option<Boxed> {
    let mut expressions = node.children().filter(|child| is_expression(*child));
    let first = expressions.next()?;
    Some(read_boxed(reader, file, first, names))
}

/// What is outside of an expression says of which type its value is, too: for a decision table,
/// the values that the type allows are in the order of their priority.
pub(super) fn expect(reader: &Reader<'_>, boxed: &mut Boxed, kind: &Kind, names: &Names) {
    if let Logic::Table(table) = &mut boxed.logic {
        table::expect(reader, table, kind, names);
    }
}

fn is_expression(node: Node<'_, '_>) -> bool {
    xml::dmn_name(node).is_some_and(|name| EXPRESSIONS.contains(&name))
}

/// A function: parameters and a body that may use them.
pub(super) fn read_function(
    reader: &mut Reader<'_>,
    file: usize,
    node: Node<'_, '_>,
    names: &mut Names,
) -> FunctionLogic {
    let mut parameters = Vec::new();
    let mut kinds = Vec::new();
    let mut inner = names.clone();
    for parameter in xml::children(node, "formalParameter") {
        let name: Str = xml::name(parameter, "name").unwrap_or_default().into();
        let kind = reader.type_of(file, parameter);
        let plain = reader.feel_type(&kind);
        inner.declare_only(&name, plain.clone());
        parameters.push(Parameter { name, kind: plain });
        kinds.push(kind);
    }
    let language = xml::attribute(node, "kind").unwrap_or("FEEL");
    let body = if language.eq_ignore_ascii_case("FEEL") {
        inside(reader, file, node, &mut inner)
    } else {
        let message = format!("the function is of kind `{}`", markup::short(language));
        let hint = "write it in FEEL: functions of other languages are not called";
        reader.tolerable(file, (code::EXTERNAL, xml::spot(node)), message.clone(), hint);
        Boxed { logic: Logic::Nothing(Some(message.into())), kind: Kind::ANY }
    };
    let declared = match xml::attribute(node, "typeRef") {
        Some(_) => reader.type_of(file, node),
        // The variable of a business knowledge model stands beside its logic.
        None => match node.parent().and_then(|around| xml::child(around, "variable")) {
            Some(variable) if xml::dmn_name(node) == Some("encapsulatedLogic") => {
                reader.type_of(file, variable)
            }
            _ => Kind::ANY,
        },
    };
    let result = reader.result_type(declared);
    let result_type = reader.feel_type(&result);
    let mut body = body;
    expect(reader, &mut body, &result, &inner);
    let body = match body.kind.is_any() {
        true => Boxed { kind: result, ..body },
        false => body,
    };
    FunctionLogic { parameters, kinds, result: result_type, body }
}

fn read_boxed(
    reader: &mut Reader<'_>,
    file: usize,
    node: Node<'_, '_>,
    names: &mut Names,
) -> Boxed {
    if node.ancestors().filter(|around| is_expression(*around)).count() > NEST_MAX {
        let message = format!("expressions are nested more than {NEST_MAX} deep");
        let hint = "take parts out into decisions or business knowledge models of their own";
        reader.error(file, (code::TOO_DEEP, xml::spot(node)), message, hint);
        return Boxed { logic: Logic::Nothing(None), kind: Kind::ANY };
    }
    let mut kind = reader.type_of(file, node);
    let logic = match xml::dmn_name(node).unwrap_or_default() {
        "literalExpression" => literal(reader, file, node, names),
        "decisionTable" => {
            let mut table = table::read(reader, file, node, names);
            table::expect(reader, &mut table, &kind, names);
            Logic::Table(Box::new(table))
        }
        "context" => context(reader, file, node, names),
        "invocation" => invocation(reader, file, node, names),
        "relation" => relation(reader, file, node, names),
        "list" => {
            let items = node.children().filter(|child| is_expression(*child));
            Logic::List(items.map(|item| read_boxed(reader, file, item, names)).collect())
        }
        "functionDefinition" => {
            // Here the type is that of the function, not of its result.
            kind = Kind::ANY;
            Logic::Function(Arc::new(read_function(reader, file, node, names)))
        }
        "conditional" => {
            let mut part = |name| match xml::child(node, name) {
                Some(part) => inside(reader, file, part, names),
                None => incomplete(reader, file, node, name),
            };
            Logic::Conditional(Box::new([part("if"), part("then"), part("else")]))
        }
        "for" => Logic::For(iteration(reader, file, (node, "return"), names)),
        "some" => Logic::Some(iteration(reader, file, (node, "satisfies"), names)),
        "every" => Logic::Every(iteration(reader, file, (node, "satisfies"), names)),
        "filter" => Logic::Filter(iteration(reader, file, (node, "match"), names)),
        other => {
            let message =
                format!("expressions of kind `{}` are not supported", markup::short(other));
            let hint = "use one of the kinds of DMN 1.5";
            reader.error(file, (code::LOGIC_UNSUPPORTED, xml::spot(node)), message, hint);
            Logic::Nothing(None)
        }
    };
    Boxed { logic, kind }
}

/// What has to stand inside of `node`.
fn inside(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>, names: &mut Names) -> Boxed {
    match read_inside(reader, file, node, names) {
        Some(boxed) => boxed,
        None => incomplete(reader, file, node, "literalExpression"),
    }
}

fn incomplete(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>, missing: &str) -> Boxed {
    let name = node.tag_name().name();
    let message = format!("an element `{name}` has no `{missing}`");
    let hint = "fill in the expression";
    reader.tolerable(file, (code::INCOMPLETE, xml::spot(node)), message, hint);
    Boxed { logic: Logic::Nothing(None), kind: Kind::ANY }
}

fn literal(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>, names: &Names) -> Logic {
    match reader.expression(file, node, names) {
        Ok(Some(expression)) => Logic::Literal(expression),
        Ok(None) => incomplete(reader, file, node, "text").logic,
        Err(reason) => Logic::Nothing(Some(reason)),
    }
}

fn context(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>, names: &mut Names) -> Logic {
    let mut inner = names.clone();
    let mut entries = Vec::new();
    for entry in xml::children(node, "contextEntry") {
        let variable = xml::child(entry, "variable");
        let name: Option<Str> =
            variable.and_then(|variable| xml::name(variable, "name")).map(Into::into);
        let mut boxed = inside(reader, file, entry, &mut inner);
        if let Some(variable) = variable {
            let kind = reader.type_of(file, variable);
            expect(reader, &mut boxed, &kind, &inner);
            if !kind.is_any() && !matches!(boxed.logic, Logic::Function(_)) {
                boxed.kind = kind;
            }
        }
        if let Some(name) = &name {
            let kind = match boxed.logic {
                Logic::Function(_) => Type::Function(None),
                _ => reader.feel_type(&boxed.kind),
            };
            inner.declare_only(name, kind);
        }
        entries.push((name, boxed));
    }
    Logic::Context(entries)
}

fn invocation(
    reader: &mut Reader<'_>,
    file: usize,
    node: Node<'_, '_>,
    names: &mut Names,
) -> Logic {
    let callee = inside(reader, file, node, names);
    let bindings = xml::children(node, "binding").map(|binding| {
        let parameter = xml::child(binding, "parameter");
        let name = parameter.and_then(|parameter| xml::name(parameter, "name"));
        let name: Str = name.unwrap_or_default().into();
        let argument = read_inside(reader, file, binding, names);
        let nothing = || Boxed { logic: Logic::Nothing(None), kind: Kind::ANY };
        (name, argument.unwrap_or_else(nothing))
    });
    let bindings = bindings.collect();
    Logic::Invocation(Box::new(Invocation { callee, bindings }))
}

fn relation(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>, names: &mut Names) -> Logic {
    let mut kinds = Vec::new();
    let mut columns: Vec<Str> = Vec::new();
    for column in xml::children(node, "column") {
        columns.push(xml::name(column, "name").unwrap_or_default().into());
        kinds.push(reader.type_of(file, column));
    }
    let mut rows = Vec::new();
    for row in xml::children(node, "row") {
        let mut cells = Vec::new();
        for cell in row.children().filter(|child| is_expression(*child)) {
            let mut boxed = read_boxed(reader, file, cell, names);
            if let Some(kind) = kinds.get(cells.len()).filter(|_| boxed.kind.is_any()) {
                boxed.kind = kind.clone();
            }
            cells.push(boxed);
        }
        if cells.len() != columns.len() {
            let message =
                format!("a row has {} cells, the relation {} columns", cells.len(), columns.len());
            let hint = "give each row one cell for each column";
            reader.error(file, (code::RULE_SHAPE, xml::spot(row)), message, hint);
        }
        rows.push(cells);
    }
    Logic::Relation(columns, rows)
}

fn iteration(
    reader: &mut Reader<'_>,
    file: usize,
    parts: (Node<'_, '_>, &'static str),
    names: &mut Names,
) -> Box<Iteration> {
    let (node, body_name) = parts;
    let is_filter = body_name == "match";
    let variable: Str = match xml::name(node, "iteratorVariable") {
        Some(name) if !is_filter => name.into(),
        _ => "item".into(),
    };
    let over = match xml::child(node, "in") {
        Some(over) => inside(reader, file, over, names),
        None => incomplete(reader, file, node, "in"),
    };
    let mut inner = names.clone();
    let list = reader.feel_type(&over.kind);
    let item = match &list {
        Type::List(item) => (**item).clone(),
        _ => Type::Any,
    };
    if is_filter {
        // Entries of the item are names of their own.
        inner.read_entries_by_name();
    }
    inner.declare_only(&variable, item);
    let body = match xml::child(node, body_name) {
        Some(body) => inside(reader, file, body, &mut inner),
        None => incomplete(reader, file, node, body_name),
    };
    let mut texts = node.descendants().filter_map(|node| node.text());
    let uses_partial = body_name == "return" && texts.any(|text| text.contains("partial"));
    Box::new(Iteration { variable, over, body, uses_partial })
}

impl Reader<'_> {
    /// The expression in the `text` of a node; nothing if there is none.
    ///
    /// # Errors
    /// Why it cannot be evaluated; it has been reported.
    pub(crate) fn expression(
        &mut self,
        file: usize,
        node: Node<'_, '_>,
        names: &Names,
    ) -> Result<Option<Expression>, Str> {
        let Some((text, at)) = xml::text(node) else { return Ok(None) };
        if let Some(language) = self.foreign_language(file, node) {
            let message = format!("the expression language is `{}`", markup::short(&language));
            let hint = "write the expression in FEEL";
            let at = (code::LANGUAGE, xml::spot(node).moved(at));
            self.tolerable(file, at, message.clone(), hint);
            return Err(message.into());
        }
        match Expression::compile_with(&text, names) {
            Ok(expression) => Ok(Some(expression)),
            Err(problem) => Err(self.syntax_error(file, (node, at), &problem)),
        }
    }

    /// The language of a node if it is not FEEL.
    pub(crate) fn foreign_language(&self, file: usize, node: Node<'_, '_>) -> Option<String> {
        let root = self.files[file].root;
        let language = xml::attribute(node, "expressionLanguage")
            .or_else(|| xml::attribute(root, "expressionLanguage"))?;
        let is_feel = language.to_ascii_lowercase().contains("feel");
        (!is_feel).then(|| language.to_owned())
    }

    /// Reports a text that does not parse; gives the message back.
    pub(crate) fn syntax_error(
        &mut self,
        file: usize,
        place: (Node<'_, '_>, u32),
        problem: &feel::Diagnostic,
    ) -> Str {
        let (node, at) = place;
        // Offsets are those of the text without escapes; a text with escapes is shown by its start.
        let exact = xml::child(node, "text").and_then(|text| {
            let raw = text.document().input_text().get(text.range())?;
            (!raw.contains(['&', '\r']) && !raw.contains("<![CDATA[")).then_some(problem.offset)
        });
        let at = at.saturating_add(u32::try_from(exact.unwrap_or(0)).unwrap_or(0));
        let hint = "correct the expression; names with spaces have to be declared where it stands";
        let at = (code::FEEL_SYNTAX, xml::spot(node).moved(at));
        self.tolerable(file, at, problem.message.clone(), hint);
        problem.message.as_str().into()
    }
}
