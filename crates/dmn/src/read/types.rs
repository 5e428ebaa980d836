//! Item definitions: named types, with structure, lists and allowed values.
//!
//! Boundary: types only; who declares which type for what is read elsewhere.
//! Read first: [`read`], then [`reference`].

use feel::{Expression, FunctionType, Names, Str, Type};
use roxmltree::Node;

use crate::code;
use crate::kind::{Kind, TypeDefinition};
use crate::read::Reader;
use crate::xml;

/// How deep structures may be nested inside of one definition.
const NEST_MAX: u32 = 50;
/// Types with more parts are not described to `feel` in full.
const PARTS_MAX: u64 = 2_000;

/// Reads the item definitions of all files.
pub(super) fn read(reader: &mut Reader<'_>) {
    let mut nodes = Vec::new();
    for file in 0..reader.files.len() {
        for node in xml::children(reader.files[file].root, "itemDefinition") {
            let name: Str = xml::name(node, "name").unwrap_or_default().into();
            if name.is_empty() {
                let hint = "give the item definition a name";
                let at = (code::NAME_MISSING, xml::spot(node));
                reader.error(file, at, "an item definition has no name".to_owned(), hint);
                continue;
            }
            let index = nodes.len();
            if reader.files[file].types.insert(name.clone(), index).is_some() {
                let message = format!("two item definitions have the name `{name}`");
                let at = (code::NAME_TWICE, xml::spot(node));
                reader.error(file, at, message, "rename one of the two");
            }
            nodes.push((file, name, node));
        }
    }
    for (file, _, node) in &nodes {
        let kind = definition(reader, *file, *node, 0);
        reader.types.push(TypeDefinition { kind });
    }
    refuse_circles(reader, &nodes);
    describe(reader);
}

/// The type that `node` (an item definition or component) defines.
fn definition(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>, depth: u32) -> Kind {
    if depth == NEST_MAX {
        let message = format!("components are nested more than {NEST_MAX} deep");
        let hint = "define the inner structures as types of their own";
        reader.error(file, (code::TOO_DEEP, xml::spot(node)), message, hint);
        return Kind::ANY;
    }
    let mut components = xml::children(node, "itemComponent").peekable();
    let mut kind = if components.peek().is_some() {
        let entries = components.map(|component| {
            let name: Str = xml::name(component, "name").unwrap_or_default().into();
            (name, definition(reader, file, component, depth + 1))
        });
        Kind::Structure(entries.collect())
    } else if let Some(function) = xml::child(node, "functionItem") {
        function_type(reader, file, function)
    } else {
        match xml::child(node, "typeRef").map(xml::content) {
            Some((text, _)) => reference(reader, file, &text, node),
            // DMN 1.1 had it as an attribute.
            None => match xml::attribute(node, "typeRef") {
                Some(text) => reference(reader, file, text, node),
                None => Kind::ANY,
            },
        }
    };
    kind = allowed(reader, (file, node), kind, "allowedValues");
    if xml::attribute(node, "isCollection") == Some("true") {
        kind = Kind::List(Box::new(kind));
    }
    allowed(reader, (file, node), kind, "typeConstraint")
}

fn allowed(
    reader: &mut Reader<'_>,
    place: (usize, Node<'_, '_>),
    kind: Kind,
    element: &'static str,
) -> Kind {
    let (file, node) = place;
    let Some(values) = xml::child(node, element) else { return kind };
    let names = Names::of(reader.files[file].dialect);
    match reader.unary_tests(file, values, &names) {
        Some(tests) => Kind::Allowed(Box::new(kind), tests),
        None => kind,
    }
}

fn function_type(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>) -> Kind {
    let mut plain = |node: Node<'_, '_>, attribute| match xml::attribute(node, attribute) {
        Some(text) => match reference(reader, file, text, node) {
            Kind::Simple(kind) => kind,
            Kind::List(item) => match *item {
                Kind::Simple(kind) => Type::list(kind),
                _ => Type::list(Type::Any),
            },
            Kind::Named(_) | Kind::Structure(_) | Kind::Allowed(..) => Type::Any,
        },
        None => Type::Any,
    };
    let result = plain(node, "outputTypeRef");
    let parameters = xml::children(node, "parameters").map(|node| plain(node, "typeRef"));
    let parameters = parameters.collect();
    Kind::Simple(Type::Function(Some(FunctionType { parameters, result }.into())))
}

/// The type that a `typeRef` names, seen from `file`.
pub(super) fn reference(
    reader: &mut Reader<'_>,
    file: usize,
    text: &str,
    node: Node<'_, '_>,
) -> Kind {
    let wanted = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(kind) = find(reader, file, &wanted) {
        return kind;
    }
    let message = format!("there is no type `{}`", markup::short(&wanted));
    let hint = "define it as an item definition, or use a type of FEEL such as `number`";
    reader.tolerable(file, (code::TYPE_UNKNOWN, xml::spot(node)), message, hint);
    Kind::ANY
}

fn find(reader: &Reader<'_>, file: usize, wanted: &str) -> Option<Kind> {
    if let Some(index) = reader.files[file].types.get(wanted) {
        return Some(Kind::Named(*index));
    }
    if let Some(kind) = simple(wanted) {
        return Some(Kind::Simple(kind));
    }
    if let Some(inner) = wanted.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
        return Some(Kind::List(Box::new(find(reader, file, inner.trim())?)));
    }
    // `import.type`; DMN 1.1 wrote `prefix:type`.
    for import in &reader.files[file].imports {
        let Some(target) = import.file else { continue };
        let rest = match wanted.strip_prefix(&*import.name) {
            Some(rest) if import.name.is_empty() => Some(rest),
            Some(rest) => rest.strip_prefix('.'),
            None => None,
        };
        if let Some(index) = rest.and_then(|rest| reader.files[target].types.get(rest.trim())) {
            return Some(Kind::Named(*index));
        }
    }
    let local = wanted.rsplit(':').next().filter(|local| local.len() < wanted.len())?;
    find(reader, file, local)
}

/// A type of FEEL, also under the names that older versions and other tools use.
fn simple(name: &str) -> Option<Type> {
    match name {
        "any" | "Any" => Some(Type::Any),
        "integer" | "long" | "double" | "float" | "decimal" => Some(Type::Number),
        "datetime" => Some(Type::DateTime),
        name => Type::named(name),
    }
}

/// Refuses definitions that lead back to themselves without an entry in between (KND-1).
fn refuse_circles(reader: &mut Reader<'_>, nodes: &[(usize, Str, Node<'_, '_>)]) {
    // 0: not looked at; 1: on the way; 2: leads to an end.
    let mut state = vec![0u8; nodes.len()];
    for start in 0..nodes.len() {
        let mut way = Vec::new();
        let mut at = Some(start);
        while let Some(index) = at {
            match state[index] {
                0 => {
                    state[index] = 1;
                    way.push(index);
                    at = next(&reader.types[index].kind);
                }
                1 => {
                    let (file, name, node) = &nodes[index];
                    let message = format!("the type `{name}` is defined by itself");
                    let hint = "let one of the types of the circle name a type of FEEL";
                    let at_node = (code::TYPE_CIRCLE, xml::spot(*node));
                    reader.error(*file, at_node, message, hint);
                    break;
                }
                _ => break,
            }
        }
        for index in way {
            state[index] = 2;
        }
    }
}

/// The definition that a type refers to, past lists and allowed values.
fn next(kind: &Kind) -> Option<usize> {
    match kind {
        Kind::Named(index) => Some(*index),
        Kind::List(inner) | Kind::Allowed(inner, _) => next(inner),
        Kind::Simple(_) | Kind::Structure(_) => None,
    }
}

/// Finds out what `feel` is told of each definition: all of it, unless that is too much.
fn describe(reader: &mut Reader<'_>) {
    reader.feel_types = vec![Type::Any; reader.types.len()];
    let mut parts = vec![0u64; reader.types.len()];
    for index in 0..reader.types.len() {
        describe_one(reader, index, &mut parts, 0);
    }
}

fn describe_one(reader: &mut Reader<'_>, index: usize, parts: &mut [u64], depth: u32) {
    if parts[index] != 0 {
        return;
    }
    // Whoever comes back to it while it is described finds any value.
    parts[index] = 1;
    let mut named = Vec::new();
    references(&reader.types[index].kind, &mut named);
    if depth < NEST_MAX {
        for other in named {
            describe_one(reader, other, parts, depth + 1);
        }
    }
    let (kind, count) = plain(&reader.types[index].kind, &reader.feel_types, parts);
    if count <= PARTS_MAX {
        reader.feel_types[index] = kind;
        parts[index] = count;
    }
}

fn references(kind: &Kind, found: &mut Vec<usize>) {
    match kind {
        Kind::Named(index) => found.push(*index),
        Kind::List(inner) | Kind::Allowed(inner, _) => references(inner, found),
        Kind::Structure(entries) => {
            for (_, entry) in entries {
                references(entry, found);
            }
        }
        Kind::Simple(_) => {}
    }
}

/// A type as `feel` sees it, and of how many parts it is.
fn plain(kind: &Kind, known: &[Type], parts: &[u64]) -> (Type, u64) {
    match kind {
        Kind::Simple(kind) => (kind.clone(), 1),
        Kind::Named(index) => {
            (known.get(*index).cloned().unwrap_or_default(), parts.get(*index).map_or(1, |n| *n))
        }
        Kind::Allowed(inner, _) => plain(inner, known, parts),
        Kind::List(inner) => {
            let (item, count) = plain(inner, known, parts);
            (Type::list(item), count.saturating_add(1))
        }
        Kind::Structure(entries) => {
            let mut count = 1u64;
            let described = entries.iter().map(|(name, entry)| {
                let (entry, entry_count) = plain(entry, known, parts);
                count = count.saturating_add(entry_count);
                (name.clone(), entry)
            });
            let described: Vec<_> = described.collect();
            (Type::context(described), count)
        }
    }
}

impl Reader<'_> {
    /// The type of a function's result, if `kind` is that of the function; else `kind` itself,
    /// since many models declare the one for the other.
    pub(crate) fn result_type(&self, kind: Kind) -> Kind {
        match self.feel_type(&kind) {
            Type::Function(Some(function)) => Kind::Simple(function.result.clone()),
            Type::Function(None) => Kind::ANY,
            _ => kind,
        }
    }

    /// What `feel` is told of a type.
    pub(crate) fn feel_type(&self, kind: &Kind) -> Type {
        plain(kind, &self.feel_types, &[]).0
    }

    /// The type of the attribute `typeRef`; any value without one.
    pub(crate) fn type_of(&mut self, file: usize, node: Node<'_, '_>) -> Kind {
        match xml::attribute(node, "typeRef") {
            Some(text) => reference(self, file, text, node),
            None => Kind::ANY,
        }
    }

    /// Unary tests in the `text` of a node; nothing if there are none or they do not parse.
    pub(crate) fn unary_tests(
        &mut self,
        file: usize,
        node: Node<'_, '_>,
        names: &Names,
    ) -> Option<Expression> {
        let (text, at) = xml::text(node)?;
        match Expression::compile_unary_tests_with(&text, names) {
            Ok(tests) => Some(tests),
            Err(problem) => {
                self.syntax_error(file, (node, at), &problem);
                None
            }
        }
    }
}
