//! What a deployment would do: which packages change, which are affected, in which order.
//!
//! Boundary: computed from the catalogue and the checked set; nothing is done.
//! Read first: [`Plan::of`].

use std::collections::{BTreeMap, BTreeSet};

use engine::value::{text, texts};
use feel::Str;
use minicbor::{Decode, Encode};

use crate::catalog::Catalog;
use crate::cluster::wire::Finding;
use crate::packages::Prepared;

/// A package in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Planned {
    /// Its name.
    #[n(0)]
    #[cbor(with = "text")]
    pub name: Str,
    /// The version that is active; empty: none.
    #[n(1)]
    #[cbor(with = "text")]
    pub from: Str,
    /// The version that will be; empty: none.
    #[n(2)]
    #[cbor(with = "text")]
    pub to: Str,
}

/// Instances of a process version of a package that changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Running {
    /// The process.
    #[n(0)]
    #[cbor(with = "text")]
    pub process: Str,
    /// The version, on which they stay.
    #[n(1)]
    pub version: u32,
    /// How many are active.
    #[n(2)]
    pub active: u64,
}

/// What a deployment does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Plan {
    /// The packages that change, in the order of their dependencies.
    #[n(0)]
    pub packages: Vec<Planned>,
    /// All packages whose gates close: those that change, and those that depend on them.
    #[n(1)]
    #[cbor(with = "texts")]
    pub affected: Vec<Str>,
    #[n(2)]
    pub(crate) warnings: Vec<Finding>,
    /// Instances that stay on their versions.
    #[n(3)]
    pub running: Vec<Running>,
}

impl Plan {
    /// What works, but probably not as meant.
    #[must_use]
    pub fn warnings(&self) -> Vec<host::Diagnostic> {
        self.warnings.iter().cloned().map(host::Diagnostic::from).collect()
    }

    /// The plan of a prepared change.
    #[must_use]
    pub fn of(prepared: &Prepared, catalog: &Catalog) -> Self {
        let active = |name: &str| {
            let known = catalog.packages.get(name).filter(|known| !known.is_disabled);
            known.map_or_else(|| "".into(), |known| known.version())
        };
        let coming = prepared.packages.iter().map(|new| {
            let manifest = new.package.manifest();
            Planned {
                name: manifest.name.as_str().into(),
                from: active(&manifest.name),
                to: if new.is_disabled { "".into() } else { manifest.version.to_string().into() },
            }
        });
        let going = prepared.removed.iter().map(|name| Planned {
            name: name.clone(),
            from: active(name),
            to: "".into(),
        });
        let packages: Vec<Planned> = coming.chain(going).collect();
        let changed: BTreeSet<Str> = packages.iter().map(|one| one.name.clone()).collect();
        let warnings = prepared.warnings.iter().cloned().map(Finding::from);
        Self {
            affected: affected(&changed, prepared, catalog),
            warnings: warnings.collect(),
            running: Vec::new(),
            packages,
        }
    }
}

/// The changed packages and all that depend on them, directly or not, by what they declare (R4).
fn affected(changed: &BTreeSet<Str>, prepared: &Prepared, catalog: &Catalog) -> Vec<Str> {
    let mut needs: BTreeMap<Str, BTreeSet<Str>> = BTreeMap::new();
    let installed = catalog.packages.values().map(|active| active.package.manifest());
    let coming = prepared.packages.iter().map(|new| new.package.manifest());
    for manifest in installed.chain(coming) {
        let dependencies = manifest.dependencies.iter().map(|one| Str::from(one.name.as_str()));
        // What a package needed before may be in flight as well as what it will need.
        needs.entry(manifest.name.as_str().into()).or_default().extend(dependencies);
    }
    let mut affected = changed.clone();
    loop {
        let more: Vec<Str> = needs
            .iter()
            .filter(|(name, needs)| !affected.contains(*name) && !affected.is_disjoint(needs))
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            return affected.into_iter().collect();
        }
        affected.extend(more);
    }
}
