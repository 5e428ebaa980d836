//! Who requires what: requirements, decision services, and that there is no circle.
//!
//! Boundary: links elements by their ids; logic is read elsewhere.
//! Read first: [`read`].

use feel::{Parameter, Str};
use roxmltree::Node;

use crate::code;
use crate::model::{Requirement, Target};
use crate::read::Reader;
use crate::xml;

/// Links all elements.
pub(super) fn read(reader: &mut Reader<'_>) {
    let unread = std::mem::take(&mut reader.unread);
    for (target, file, node) in &unread {
        match target {
            Target::Decision(index) => {
                let requires = requirements(reader, *file, *node);
                reader.decisions[*index].requires = requires;
            }
            Target::Knowledge(index) => {
                let requires = requirements(reader, *file, *node);
                reader.knowledge[*index].requires = requires;
            }
            Target::Service(index) => service(reader, *index, *file, *node),
            Target::Input(_) => {}
        }
    }
    refuse_circles(reader, &unread);
    reader.unread = unread;
    set_paths(reader);
}

fn requirements(reader: &mut Reader<'_>, file: usize, node: Node<'_, '_>) -> Vec<Requirement> {
    let mut found = Vec::new();
    for requirement in node.children() {
        if !matches!(
            xml::dmn_name(requirement),
            Some("informationRequirement" | "knowledgeRequirement")
        ) {
            continue;
        }
        for required in requirement.children() {
            let is_reference = matches!(
                xml::dmn_name(required),
                Some("requiredInput" | "requiredDecision" | "requiredKnowledge")
            );
            if !is_reference {
                continue;
            }
            if let Some((target, import)) = resolve(reader, file, required) {
                let name = variable(reader, target);
                found.push(Requirement { target, name, import });
            }
        }
    }
    found
}

/// What its value is called where it is required.
fn variable(reader: &Reader<'_>, target: Target) -> Str {
    match target {
        Target::Input(index) => reader.inputs[index].title.variable.clone(),
        Target::Decision(index) => reader.decisions[index].title.variable.clone(),
        Target::Knowledge(index) => reader.knowledge[index].title.variable.clone(),
        Target::Service(index) => reader.services[index].title.variable.clone(),
    }
}

/// The element that `href` names, and the import that it comes from.
fn resolve(
    reader: &mut Reader<'_>,
    file: usize,
    node: Node<'_, '_>,
) -> Option<(Target, Option<Str>)> {
    let href = xml::attribute(node, "href").unwrap_or_default();
    let (namespace, id) = href.rsplit_once('#').unwrap_or(("", href));
    let own = &reader.files[file];
    if namespace.is_empty() || namespace == &*own.namespace {
        if let Some(target) = own.elements.get(id) {
            return Some((*target, None));
        }
    } else {
        let import = own.imports.iter().find(|import| &*import.namespace == namespace);
        // An import without a file has been reported already.
        let import = match import {
            Some(import) => Some((import.file?, import.name.clone())),
            None => None,
        };
        if let Some((other, name)) = import
            && let Some(target) = reader.files[other].elements.get(id)
        {
            return Some((*target, (!name.is_empty()).then_some(name)));
        }
    }
    let message = format!("there is no element `{}`", markup::short(href));
    let hint = "draw the requirement again, or remove it";
    reader.error(file, (code::REFERENCE, xml::spot(node)), message, hint);
    None
}

fn service(reader: &mut Reader<'_>, index: usize, file: usize, node: Node<'_, '_>) {
    let mut takes = Vec::new();
    let mut gives = Vec::new();
    for (element, list) in [("inputData", 0), ("inputDecision", 0), ("outputDecision", 1)] {
        for reference in xml::children(node, element) {
            match resolve(reader, file, reference) {
                Some((Target::Decision(decision), _)) if list == 1 => gives.push(decision),
                Some((target, _)) if list == 0 => takes.push(target),
                _ => {}
            }
        }
    }
    if gives.is_empty() {
        let name = reader.services[index].title.name.clone();
        let message = format!("the decision service `{name}` has no output decision");
        let hint = "let it give at least one decision";
        reader.warning(file, (code::INCOMPLETE, xml::spot(node)), message, hint);
    }
    let parameters = takes.iter().map(|target| {
        let kind = match target {
            Target::Input(index) => &reader.inputs[*index].kind,
            Target::Decision(index) => &reader.decisions[*index].kind,
            Target::Knowledge(_) | Target::Service(_) => &crate::kind::Kind::ANY,
        };
        Parameter { name: variable(reader, *target), kind: reader.feel_type(kind) }
    });
    let parameters = parameters.collect();
    let kind = reader.result_type(reader.services[index].kind.clone());
    let service = &mut reader.services[index];
    service.kind = kind;
    (service.takes, service.parameters, service.gives) = (takes, parameters, gives);
}

/// What an element needs to be evaluated.
fn needs(reader: &Reader<'_>, target: Target) -> Vec<Target> {
    let of = |requires: &[Requirement]| requires.iter().map(|one| one.target).collect();
    match target {
        Target::Input(_) => Vec::new(),
        Target::Decision(index) => of(&reader.decisions[index].requires),
        Target::Knowledge(index) => {
            // A function may call itself; the depth of calls is limited.
            let mut needs: Vec<_> = of(&reader.knowledge[index].requires);
            needs.retain(|other| *other != target);
            needs
        }
        Target::Service(index) => {
            reader.services[index].gives.iter().map(|index| Target::Decision(*index)).collect()
        }
    }
}

/// MOD-1: follows all requirements with a stack of its own, since chains may be long.
fn refuse_circles(reader: &mut Reader<'_>, unread: &[(Target, usize, Node<'_, '_>)]) {
    let mut done = std::collections::BTreeSet::new();
    let mut circles = Vec::new();
    for (start, _, _) in unread {
        if done.contains(start) {
            continue;
        }
        let mut way = vec![(*start, needs(reader, *start))];
        let mut on_way = std::collections::BTreeSet::from([*start]);
        while let Some((target, open)) = way.last_mut() {
            let target = *target;
            match open.pop() {
                Some(next) if on_way.contains(&next) => circles.push(next),
                Some(next) if done.contains(&next) => {}
                Some(next) => {
                    on_way.insert(next);
                    let open = needs(reader, next);
                    way.push((next, open));
                }
                None => {
                    on_way.remove(&target);
                    done.insert(target);
                    way.pop();
                }
            }
        }
        done.insert(*start);
    }
    circles.sort();
    circles.dedup();
    for target in circles {
        let Some((_, file, node)) = unread.iter().find(|(known, _, _)| *known == target) else {
            continue;
        };
        let message = format!("`{}` requires itself through others", variable(reader, target));
        let hint = "remove one of the requirements of the circle";
        reader.error(*file, (code::CYCLE, xml::spot(*node)), message, hint);
    }
}

/// Notes by which imports the inputs of other files are reached from the main one.
fn set_paths(reader: &mut Reader<'_>) {
    let mut paths: Vec<Option<Vec<Str>>> = vec![None; reader.files.len()];
    let mut next = vec![0];
    paths[0] = Some(Vec::new());
    while let Some(file) = next.pop() {
        let path = paths[file].clone().unwrap_or_default();
        for import in &reader.files[file].imports {
            let Some(other) = import.file.filter(|other| paths[*other].is_none()) else { continue };
            let mut longer = path.clone();
            if !import.name.is_empty() {
                longer.push(import.name.clone());
            }
            paths[other] = Some(longer);
            next.push(other);
        }
    }
    for input in &mut reader.inputs {
        input.path = paths[input.title.file].clone().unwrap_or_default();
    }
}
