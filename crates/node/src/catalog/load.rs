//! The catalogue as the store has it: rows, blobs, and what is compiled from them.
//!
//! Boundary: reads and compiles; who publishes the result is `cluster/catalogs.rs`'s business.
//! Read first: [`load`].

use std::sync::Arc;

use engine::DecisionVersion;
use engine::instance::Rules;
use feel::Str;
use hashbrown::HashMap;
use host::package::{Limits, Manifest, Package, PackageSource, QualityOfService};
use store::{DefinitionRow, Store};

use super::{ActivePackage, Catalog, Decision, Definition, Requirements, is_straight_through};
use crate::error::Error;
use crate::packages::decisions;

/// Reads the catalogue; its revision is at least the one that the store had before.
///
/// # Errors
/// Those of the store, and stored resources that do not compile.
pub(crate) async fn load(
    store: &dyn Store,
    known: &Catalog,
    ready: &std::collections::HashMap<Str, Arc<ActivePackage>>,
) -> Result<Catalog, Error> {
    let mut revision = store.pulse().await?.catalog;
    loop {
        let catalog = read(store, revision, (known, ready)).await?;
        let now = store.pulse().await?.catalog;
        if now == revision {
            return Ok(catalog);
        }
        // A deployment in between: its parts would not fit together.
        revision = now;
    }
}

async fn read(
    store: &dyn Store,
    revision: u64,
    (known, ready): (&Catalog, &std::collections::HashMap<Str, Arc<ActivePackage>>),
) -> Result<Catalog, Error> {
    let mut catalog = Catalog { revision, ..Catalog::default() };
    let definitions = store.definitions().await?;
    let manifests = read_packages(store, &mut catalog, &definitions, (known, ready)).await?;
    let mut models: HashMap<Str, bpmn::Model> = HashMap::new();
    let mut decided: HashMap<Str, dmn::Model> = HashMap::new();
    for row in definitions {
        if let Some(before) = known.definitions.get(&row.key) {
            catalog.add(Definition { enabled: row.enabled, ..(**before).clone() });
            continue;
        }
        if let Some(before) = known.decision(row.key.0) {
            catalog.add_decision((**before).clone());
            continue;
        }
        if let Some(before) = known.requirements(row.key.0) {
            catalog.add_requirements((**before).clone());
            continue;
        }
        if row.resource.ends_with(decisions::ENDING) {
            let model = match decided.get(&row.digest) {
                Some(model) => model.clone(),
                None => read_decisions(store, &row).await?,
            };
            decided.insert(row.digest.clone(), model.clone());
            match row.enabled {
                true => catalog.add_decision(decision_of(row, model)),
                // Nothing evaluates a file as such.
                false => catalog.add_requirements(requirements_of(row, &model)),
            }
            continue;
        }
        if !models.contains_key(&row.digest) {
            let content = blob(store, &row.digest).await?;
            let model = bpmn::read(&content, &bpmn::Limits::default()).map_err(|_| {
                let detail = format!("stored resource `{}` does not compile", row.resource);
                Error::Internal { detail }
            })?;
            models.insert(row.digest.clone(), model);
        }
        let quality = quality_of(&manifests, &row);
        let model = models.get(&row.digest);
        let program =
            model.and_then(|model| model.programs.iter().find(|known| known.id == row.process));
        let Some(program) = program else {
            let detail = format!("stored resource `{}` lost its process", row.resource);
            return Err(Error::Internal { detail });
        };
        catalog.add(definition_of(&row, program, quality));
    }
    Ok(catalog)
}

/// Reads the packages into the catalogue; answers the manifests that versions may ask for.
async fn read_packages(
    store: &dyn Store,
    catalog: &mut Catalog,
    definitions: &[DefinitionRow],
    (known, ready): (&Catalog, &std::collections::HashMap<Str, Arc<ActivePackage>>),
) -> Result<HashMap<(Str, Str), Manifest>, Error> {
    let mut manifests = HashMap::new();
    for row in store.packages().await? {
        let as_it_was = known.packages.get(&row.name).filter(|one| one.digest == row.digest);
        let at_hand = as_it_was
            .or_else(|| ready.get(&row.digest))
            .filter(|one| row.active && one.is_disabled == row.disabled && one.note == row.note);
        if let Some(at_hand) = at_hand {
            let manifest = at_hand.package.manifest().clone();
            manifests.insert((row.name, row.version), manifest);
            catalog.put_package(at_hand.clone());
            continue;
        }
        // What no version of a process asks for needs no reading.
        let is_asked_for = definitions.iter().any(|definition| {
            definition.package == row.name
                && !definition.resource.ends_with(decisions::ENDING)
                && definition.package_version == row.version
                && !known.definitions.contains_key(&definition.key)
        });
        if !row.active && !is_asked_for {
            continue;
        }
        let package = match read_package(store, &row.digest).await {
            // An earlier version that cannot be read leaves its processes the defaults.
            Err(error) if !row.active => {
                let (package, version) = (&row.name, &row.version);
                tracing::warn!(%package, %version, %error, "a package cannot be read");
                continue;
            }
            read => read?,
        };
        manifests.insert((row.name, row.version), package.manifest().clone());
        if !row.active {
            continue;
        }
        let active = ActivePackage {
            package,
            digest: row.digest,
            at_ms: row.at_ms,
            is_disabled: row.disabled,
            note: row.note,
        };
        catalog.put_package(Arc::new(active));
    }
    Ok(manifests)
}

pub(crate) async fn read_package(store: &dyn Store, digest: &str) -> Result<Package, Error> {
    let archive = blob(store, digest).await?;
    PackageSource::read_archive(&archive, &Limits::default())
        .and_then(Package::check)
        .map_err(|problems| Error::Refused { problems })
}

async fn read_decisions(store: &dyn Store, row: &DefinitionRow) -> Result<dmn::Model, Error> {
    let stored = blob(store, &row.digest).await?;
    decisions::read_stored(&row.resource, &stored).ok_or_else(|| {
        let detail = format!("stored resource `{}` does not compile", row.resource);
        Error::Internal { detail }
    })
}

fn decision_of(row: DefinitionRow, model: dmn::Model) -> Decision {
    Decision {
        id: row.process,
        deployed: DecisionVersion { key: row.key.0, version: row.version, model },
        package: row.package,
        package_version: row.package_version,
        resource: row.resource,
        digest: row.digest,
        deployment: row.deployment,
        at_ms: row.at_ms,
    }
}

fn requirements_of(row: DefinitionRow, model: &dmn::Model) -> Requirements {
    Requirements {
        id: row.process,
        name: model.name().into(),
        key: row.key.0,
        version: row.version,
        package: row.package,
        package_version: row.package_version,
        resource: row.resource,
        digest: row.digest,
        deployment: row.deployment,
        at_ms: row.at_ms,
    }
}

async fn blob(store: &dyn Store, digest: &str) -> Result<bytes::Bytes, Error> {
    store
        .blob(digest)
        .await?
        .ok_or_else(|| Error::Internal { detail: format!("blob `{digest}` is missing") })
}

/// The quality of service that the version's own package declares.
fn quality_of(manifests: &HashMap<(Str, Str), Manifest>, row: &DefinitionRow) -> QualityOfService {
    let own = (row.package.clone(), row.package_version.clone());
    manifests.get(&own).map(|known| known.quality_of_service(&row.process)).unwrap_or_default()
}

fn definition_of(
    row: &DefinitionRow,
    program: &bpmn::Program,
    quality: QualityOfService,
) -> Definition {
    Definition {
        key: row.key,
        version: row.version,
        straight_through: is_straight_through(program),
        program: Arc::new(program.clone()),
        rules: Rules {
            definition: row.key,
            version: row.version,
            optimize_locally: quality.optimize_locally,
        },
        quality,
        package: row.package.clone(),
        package_version: row.package_version.clone(),
        resource: row.resource.clone(),
        digest: row.digest.clone(),
        deployment: row.deployment,
        enabled: row.enabled,
        at_ms: row.at_ms,
    }
}
