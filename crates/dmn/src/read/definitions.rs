//! The root of a file and the elements below it: input data, decisions, functions, services.
//!
//! Elements are first declared, then linked (`requirement`), and only then their logic is read,
//! because a text is compiled against the names that its element may use.
//!
//! Boundary: diagrams, authorities, artifacts and groups are passed over.
//! Read first: [`read`], then [`read_logic`].

use std::sync::Arc;

use feel::{Dialect, Str};
use markup::Spot;
use roxmltree::Node;

use crate::code::{self, Code};
use crate::kind::Kind;
use crate::model::{
    Boxed, Decision, FunctionLogic, InputElement, Knowledge, Logic, Service, Target, Title,
};
use crate::read::{Reader, boxed, names, table};
use crate::xml;

/// Namespaces of Camunda's tools; models that they wrote follow Camunda's FEEL.
const CAMUNDA: &str = "http://camunda.org/schema/";

type Refused<'a> = (Code, Spot<'a>, String, &'static str);

/// Whether `root` is that of a DMN file.
pub(super) fn check_root<'a>(root: Node<'a, '_>) -> Result<(), Refused<'a>> {
    if xml::dmn_name(root) == Some("definitions") {
        return Ok(());
    }
    let name = root.tag_name().name();
    let message = match root.tag_name().namespace() {
        Some(namespace) => format!("the root is `{name}` of the namespace `{namespace}`"),
        None => format!("the root is `{name}` without a namespace"),
    };
    let hint = "the root of a DMN file is `definitions` of a namespace such as \
                `https://www.omg.org/spec/DMN/20191111/MODEL/`";
    Err((code::NOT_DMN, Spot::file(xml::offset(root)), message, hint))
}

/// Camunda's rules for what Camunda's tools wrote, the standard's for all else.
pub(super) fn dialect(root: Node<'_, '_>) -> Dialect {
    let declared = root.namespaces().any(|namespace| namespace.uri().starts_with(CAMUNDA));
    let exporter = xml::attribute(root, "exporter").unwrap_or_default();
    if declared || exporter.contains("Camunda") { Dialect::Camunda } else { Dialect::Standard }
}

/// Declares the elements of all files.
pub(super) fn read(reader: &mut Reader<'_>) {
    for file in 0..reader.files.len() {
        let root = reader.files[file].root;
        for node in root.children() {
            match xml::dmn_name(node) {
                Some("inputData") => {
                    let title = title(reader, file, node);
                    let kind = variable_type(reader, file, node);
                    let target = Target::Input(reader.inputs.len());
                    reader.inputs.push(InputElement { title, kind, path: Vec::new() });
                    declare(reader, target, file, node);
                }
                Some("decision") => {
                    let title = title(reader, file, node);
                    let kind = variable_type(reader, file, node);
                    let logic = nothing();
                    let target = Target::Decision(reader.decisions.len());
                    let requires = Vec::new();
                    let version_tag = xml::version_tag(node).map(Into::into);
                    reader.decisions.push(Decision { title, kind, version_tag, requires, logic });
                    declare(reader, target, file, node);
                }
                Some("businessKnowledgeModel") => {
                    let title = title(reader, file, node);
                    let function = FunctionLogic {
                        parameters: Vec::new(),
                        kinds: Vec::new(),
                        result: feel::Type::Any,
                        body: nothing(),
                    };
                    let function = Arc::new(function);
                    let target = Target::Knowledge(reader.knowledge.len());
                    reader.knowledge.push(Knowledge { title, requires: Vec::new(), function });
                    declare(reader, target, file, node);
                }
                Some("decisionService") => {
                    let title = title(reader, file, node);
                    let kind = variable_type(reader, file, node);
                    let target = Target::Service(reader.services.len());
                    reader.services.push(Service {
                        title,
                        kind,
                        takes: Vec::new(),
                        parameters: Vec::new(),
                        gives: Vec::new(),
                    });
                    declare(reader, target, file, node);
                }
                _ => {}
            }
        }
    }
    refuse_same_names(reader);
}

/// Reads the logic of all elements, once they are linked.
pub(super) fn read_logic(reader: &mut Reader<'_>) {
    for file in 0..reader.files.len() {
        names::read_entries(reader, file);
    }
    for (target, file, node) in std::mem::take(&mut reader.unread) {
        match target {
            Target::Decision(index) => {
                let mut names = names::of_element(reader, target, file, node);
                let mut logic = boxed::read_inside(reader, file, node, &mut names);
                if let Some(logic) = &mut logic {
                    let kind = reader.decisions[index].kind.clone();
                    boxed::expect(reader, logic, &kind, &names);
                    if let Logic::Table(found) = &logic.logic {
                        table::check_order(reader, file, node, found);
                    }
                }
                if logic.is_none() {
                    let name = reader.decisions[index].title.name.clone();
                    let message = format!("the decision `{name}` has no logic and is always null");
                    let hint = "add a decision table or an expression, or remove it";
                    let at = (code::LOGIC_MISSING, xml::spot(node));
                    reader.warning(file, at, message, hint);
                }
                reader.decisions[index].logic = logic.unwrap_or_else(nothing);
            }
            Target::Knowledge(index) => {
                let Some(logic) = xml::child(node, "encapsulatedLogic") else {
                    let name = reader.knowledge[index].title.name.clone();
                    let message = format!("the business knowledge model `{name}` has no logic");
                    let hint = "add its expression, or remove it";
                    let at = (code::LOGIC_MISSING, xml::spot(node));
                    reader.warning(file, at, message, hint);
                    continue;
                };
                let mut names = names::of_element(reader, target, file, node);
                let function = boxed::read_function(reader, file, logic, &mut names);
                reader.knowledge[index].function = Arc::new(function);
            }
            Target::Input(_) | Target::Service(_) => {}
        }
    }
}

fn nothing() -> Boxed {
    Boxed { logic: Logic::Nothing(None), kind: Kind::ANY }
}

fn title(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>) -> Title {
    let id: Str = xml::id(node).into();
    let variable = xml::child(node, "variable").and_then(|node| xml::name(node, "name"));
    let name: Str = match xml::name(node, "name") {
        Some(name) => name.into(),
        None if !id.is_empty() => id.clone(),
        None => {
            let what = node.tag_name().name();
            let message = format!("an element `{what}` has neither a name nor an id");
            let at = (code::NAME_MISSING, xml::spot(node));
            reader.error(file, at, message, "give it a name");
            "".into()
        }
    };
    let variable = variable.map_or_else(|| name.clone(), Into::into);
    Title { id, name, variable, file }
}

fn variable_type(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>) -> Kind {
    match xml::child(node, "variable") {
        Some(variable) => reader.type_of(file, variable),
        None => Kind::ANY,
    }
}

fn declare<'a>(reader: &mut Reader<'a>, target: Target, file: usize, node: Node<'a, 'a>) {
    reader.unread.push((target, file, node));
    let id: Str = xml::id(node).into();
    if id.is_empty() {
        return;
    }
    if reader.files[file].elements.insert(id.clone(), target).is_some() {
        let message = format!("the id `{id}` is used twice");
        let at = (code::ID_TWICE, xml::spot(node));
        reader.error(file, at, message, "rename one of the two");
    }
}

/// Names are what elements are asked for by; two decisions of one name could not be told apart.
fn refuse_same_names(reader: &mut Reader<'_>) {
    let mut seen = std::collections::BTreeSet::new();
    let mut twice = Vec::new();
    for (target, file, node) in &reader.unread {
        let Target::Decision(index) = target else { continue };
        let name = reader.decisions[*index].title.name.clone();
        if !name.is_empty() && !seen.insert((*file, name.clone())) {
            twice.push((*file, *node, name));
        }
    }
    for (file, node, name) in twice {
        let message = format!("two decisions have the name `{name}`");
        let at = (code::NAME_TWICE, xml::spot(node));
        reader.warning(file, at, message, "rename one of the two, or ask for them by id");
    }
}
