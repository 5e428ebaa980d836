//! DMN files on their way into a server, and as they are stored.
//!
//! A file that imports others is stored together with them, so that a version of it never changes:
//! CBOR, an array of names and contents in turn, the file itself first. No XML begins like that.
//!
//! Boundary: as `packages`.
//! Read first: [`compile`], then [`read_stored`].

use std::collections::BTreeMap;

use bytes::Bytes;
use dmn::{Limits, Model, Source};
use feel::Str;
use host::Diagnostic;
use host::package::digest;
use minicbor::{Decoder, Encoder};

use super::{Prepared, diagnostic};
use crate::catalog::Catalog;

/// What the name of a DMN file ends in.
pub(crate) const ENDING: &str = ".dmn";

/// A compiled decision.
#[derive(Debug, Clone)]
pub struct PreparedDecision {
    /// Its id.
    pub id: Str,
    /// The file that has it.
    pub model: Model,
    /// Its package's name, or empty.
    pub package: Str,
    /// Its package's version, or empty.
    pub package_version: Str,
    /// The resource's name.
    pub resource: Str,
    /// The digest of what is stored.
    pub digest: Str,
}

/// The package that files belong to; both empty: none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) package: &'a str,
    pub(super) version: &'a str,
}

/// Compiles DMN files, which may import each other.
pub(super) fn compile(
    files: &[(&str, &[u8])],
    owner: Owner<'_>,
    prepared: &mut Prepared,
    problems: &mut Vec<Diagnostic>,
) {
    let shown = |path: &str| match owner.package {
        "" => path.to_owned(),
        package => format!("{package}/{path}"),
    };
    for (index, (path, content)) in files.iter().enumerate() {
        let main = Source { name: path, xml: content };
        let others: Vec<Source<'_>> = files
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, (name, xml))| Source { name, xml })
            .collect();
        let (model, stored) = match dmn::read(&main, &[], &Limits::default()) {
            Ok(model) => (model, Bytes::copy_from_slice(content)),
            Err(_) => match dmn::read(&main, &others, &Limits::default()) {
                Ok(model) => (model, bundle(&main, &others)),
                Err(found) => {
                    // What is wrong in an imported file is told where that one is compiled.
                    let own = found.into_iter().filter(|problem| *problem.file == **path);
                    problems.extend(own.map(|problem| diagnostic(&shown(path), problem)));
                    continue;
                }
            },
        };
        let warnings = model.warnings().iter().cloned();
        problems.extend(warnings.map(|problem| diagnostic(&shown(path), problem)));
        let content: Str = digest(&stored).into();
        for (id, _) in model.decisions().filter(|(id, _)| !id.is_empty()) {
            prepared.decisions.push(PreparedDecision {
                id: id.clone(),
                model: model.clone(),
                package: owner.package.into(),
                package_version: owner.version.into(),
                resource: (*path).into(),
                digest: content.clone(),
            });
        }
        prepared.blobs.push((content, stored));
    }
}

/// A decision has one owner.
pub(super) fn check_owners(prepared: &Prepared, catalog: &Catalog, problems: &mut Vec<Diagnostic>) {
    let mut owners: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for (id, versions) in &catalog.decisions {
        let latest = versions.last().filter(|latest| !latest.package.is_empty());
        owners.extend(latest.map(|latest| (&**id, (&*latest.package, ""))));
    }
    for decision in &prepared.decisions {
        let own = (&*decision.package, &*decision.resource);
        let Some((package, resource)) = owners.insert(&decision.id, own) else { continue };
        if package == own.0 && resource.is_empty() {
            continue;
        }
        let other = if resource.is_empty() { package } else { resource };
        let message = format!("decision `{}` is declared by `{other}` too", decision.id);
        let hint = "give one of them another id";
        let found = Diagnostic::error("PKG-021", &decision.resource, message, hint);
        problems.push(match own.0 {
            "" => found,
            package => found.in_package(package),
        });
    }
}

/// The model of a stored file; none if it does not compile.
pub(crate) fn read_stored(resource: &str, stored: &[u8]) -> Option<Model> {
    let is_bundle = stored.first().is_some_and(|first| (0x80..0xA0).contains(first));
    let files = if is_bundle { unbundle(stored)? } else { vec![(resource, stored)] };
    let mut sources = files.into_iter().map(|(name, xml)| Source { name, xml });
    let main = sources.next()?;
    let others: Vec<Source<'_>> = sources.collect();
    dmn::read(&main, &others, &Limits::default()).ok()
}

fn bundle(main: &Source<'_>, others: &[Source<'_>]) -> Bytes {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    let count = (others.len() as u64 + 1) * 2;
    let mut result = encoder.array(count).map(|_| ());
    for source in std::iter::once(main).chain(others) {
        result = result.and_then(|()| encoder.str(source.name)?.bytes(source.xml).map(|_| ()));
    }
    debug_assert!(result.is_ok(), "writing to memory cannot fail");
    bytes.into()
}

fn unbundle(stored: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let mut decoder = Decoder::new(stored);
    let count = decoder.array().ok()??;
    let mut files = Vec::new();
    for _ in 0..count / 2 {
        files.push((decoder.str().ok()?, decoder.bytes().ok()?));
    }
    Some(files)
}
