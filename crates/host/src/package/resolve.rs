//! A set of packages against each other and against what is installed: versions, cycles, order.
//!
//! Boundary: says in which order packages are loaded; loading is `node`'s.
//! Invariants: a package comes after all packages of the set that it depends on.
//! Read first: [`resolve`].   Tests: `resolve/tests.rs`

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use semver::{Version, VersionReq};

use crate::diagnostic::{self, Diagnostic};
use crate::package::{
    Dependency, MANIFEST, Manifest, Package, PackageSource, Reference, TriggerTarget,
};

/// A package that is loaded already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// What it depends on; a new version in the set must still suit it.
    pub dependencies: Vec<(String, VersionReq)>,
    /// The names of its document types.
    pub documents: Vec<String>,
    /// The names of its services.
    pub services: Vec<String>,
}

impl From<&Package> for Installed {
    fn from(package: &Package) -> Self {
        let manifest = package.manifest();
        let dependencies = manifest.dependencies.iter();
        let dependencies = dependencies.map(|d| (d.name.clone(), d.requirement.clone())).collect();
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            dependencies,
            documents: package.documents.iter().map(|document| document.name.clone()).collect(),
            services: service_names(manifest),
        }
    }
}

/// A checked package whose dependencies are known.
#[derive(Debug)]
pub struct Resolved {
    /// The package.
    pub package: Package,
    /// The version that each of its dependencies has.
    pub dependencies: BTreeMap<String, Version>,
}

/// Checks each package, then all of them together. A package of the set replaces an installed
/// one of the same name.
///
/// # Errors
/// All problems of all packages at once; files are named `package/file`.
pub fn resolve(
    set: Vec<PackageSource>,
    installed: &[Installed],
) -> Result<Vec<Resolved>, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let world = World::new(&set, installed);
    duplicates(&set, &mut found);
    for source in &set {
        let name = &source.manifest.name;
        let mut own = world.unmet(&source.manifest);
        own.extend(world.unknown_references(&source.manifest));
        found.extend(own.into_iter().map(|problem| problem.in_package(name)));
    }
    found.extend(world.broken_dependents());
    let order = world.order(&mut found);
    let mut packages = BTreeMap::new();
    for source in set {
        let name = source.manifest.name.clone();
        match Package::check(source) {
            Ok(package) => {
                packages.insert(name, package);
            }
            Err(own) => found.extend(own.into_iter().map(|problem| problem.in_package(&name))),
        }
    }
    if !found.is_empty() {
        return Err(found);
    }
    let versions = world.versions;
    let resolved = |name: &String| {
        let package = packages.remove(name)?;
        let dependencies = package.manifest().dependencies.iter();
        let dependencies = dependencies
            .filter_map(|d| versions.get(&d.name).map(|known| (d.name.clone(), known.clone())));
        let dependencies = dependencies.collect();
        Some(Resolved { package, dependencies })
    };
    Ok(order.iter().filter_map(resolved).collect())
}

fn duplicates(set: &[PackageSource], found: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    let mut reported = BTreeSet::new();
    for source in set {
        let name = &source.manifest.name;
        if seen.insert(name) || !reported.insert(name) {
            continue;
        }
        let same = set.iter().filter(|other| other.manifest.name == *name);
        let versions: Vec<_> = same.map(|other| format!("`{}`", other.manifest.version)).collect();
        let message =
            format!("the set holds the package `{name}` in versions {}", versions.join(" and "));
        let problem = Diagnostic::error(
            diagnostic::DUPLICATE_PACKAGE,
            MANIFEST,
            message,
            "leave all but one out",
        );
        found.push(problem.in_package(name));
    }
}

/// What will be loaded once the set is.
struct World {
    versions: BTreeMap<String, Version>,
    in_set: BTreeSet<String>,
    dependencies: BTreeMap<String, Vec<(String, VersionReq)>>,
    documents: BTreeMap<String, BTreeSet<String>>,
    services: BTreeMap<String, BTreeSet<String>>,
}

impl World {
    fn new(set: &[PackageSource], installed: &[Installed]) -> Self {
        let mut world = Self {
            versions: BTreeMap::new(),
            in_set: BTreeSet::new(),
            dependencies: BTreeMap::new(),
            documents: BTreeMap::new(),
            services: BTreeMap::new(),
        };
        for package in installed {
            let name = &package.name;
            world.versions.insert(name.clone(), package.version.clone());
            world.dependencies.insert(name.clone(), package.dependencies.clone());
            world.documents.insert(name.clone(), package.documents.iter().cloned().collect());
            world.services.insert(name.clone(), package.services.iter().cloned().collect());
        }
        for source in set {
            let manifest = &source.manifest;
            let name = &manifest.name;
            world.in_set.insert(name.clone());
            world.versions.insert(name.clone(), manifest.version.clone());
            let needs = manifest.dependencies.iter();
            let needs = needs.map(|d| (d.name.clone(), d.requirement.clone())).collect();
            world.dependencies.insert(name.clone(), needs);
            let documents = source.files_in("documents").filter_map(|(path, _)| {
                path.strip_prefix("documents/")?.strip_suffix(".json").map(str::to_owned)
            });
            world.documents.insert(name.clone(), documents.collect());
            world.services.insert(name.clone(), service_names(manifest).into_iter().collect());
        }
        world
    }

    /// Dependencies of one package that are absent or unsuitable.
    fn unmet(&self, manifest: &Manifest) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for Dependency { name, requirement, place } in &manifest.dependencies {
            let problem = match self.versions.get(name) {
                Some(version) if requirement.matches(version) => continue,
                Some(version) => Diagnostic::error(
                    diagnostic::DEPENDENCY_VERSION,
                    MANIFEST,
                    format!("`{name}` has version `{version}`, `{requirement}` is needed"),
                    "deploy a suitable version together with this package",
                ),
                None => Diagnostic::error(
                    diagnostic::DEPENDENCY_MISSING,
                    MANIFEST,
                    format!("`{name}` is neither in the set nor installed"),
                    &format!("add the package `{name}` `{requirement}` to the set"),
                ),
            };
            found.push(problem.at(*place).about(&format!("dependencies.{name}")));
        }
        found
    }

    /// Installed packages that the new versions do not suit.
    fn broken_dependents(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (dependent, needs) in &self.dependencies {
            if self.in_set.contains(dependent) {
                continue;
            }
            for (name, requirement) in needs.iter().filter(|(name, _)| self.in_set.contains(name)) {
                let version = &self.versions[name];
                if requirement.matches(version) {
                    continue;
                }
                let dependent_version = &self.versions[dependent];
                let message = format!(
                    "the installed `{dependent} {dependent_version}` needs `{name}` \
                     `{requirement}`, the set brings `{version}`"
                );
                let hint = format!("deploy a version of `{dependent}` that suits it as well");
                let problem =
                    Diagnostic::error(diagnostic::DEPENDENCY_VERSION, MANIFEST, message, &hint);
                found.push(problem.about("version").in_package(name));
            }
        }
        found
    }

    /// What a manifest names of other packages.
    fn unknown_references(&self, manifest: &Manifest) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for trigger in &manifest.triggers {
            let mut check = |reference: &Reference, kind: &str, known: &Names| {
                let problem = self.unknown_reference(manifest, reference, kind, known);
                let element = format!("triggers.{}", trigger.name);
                found.extend(problem.map(|problem| problem.at(trigger.place).about(&element)));
            };
            check(&trigger.document, "document type", &self.documents);
            if let TriggerTarget::Service(service) = &trigger.target {
                check(service, "service", &self.services);
            }
        }
        found
    }

    fn unknown_reference(
        &self,
        manifest: &Manifest,
        reference: &Reference,
        kind: &str,
        known: &Names,
    ) -> Option<Diagnostic> {
        let package = reference.package.as_ref()?;
        let name = &reference.name;
        if *package == manifest.name {
            return None;
        }
        if !manifest.dependencies.iter().any(|dependency| dependency.name == *package) {
            let hint = format!("add `{package} = \"^…\"` to `[dependencies]`");
            let message = format!("`{package}/{name}` is used, but `{package}` is no dependency");
            return Some(Diagnostic::error(diagnostic::UNDECLARED, MANIFEST, message, &hint));
        }
        if known.get(package)?.contains(name) {
            return None;
        }
        let message = format!("`{package}` has no {kind} `{name}`");
        let hint = format!("`pointsman package show {package}` lists what it has");
        Some(Diagnostic::error(diagnostic::UNKNOWN_NAME, MANIFEST, message, &hint))
    }

    /// The packages of the set, each after those it depends on; reports every cycle.
    fn order(&self, found: &mut Vec<Diagnostic>) -> Vec<String> {
        let mut left: BTreeSet<&String> = self.dependencies.keys().collect();
        let mut order = Vec::new();
        loop {
            let ready = |name: &&&String| {
                self.dependencies[**name].iter().all(|(needed, _)| !left.contains(needed))
            };
            let ready: Vec<&String> = left.iter().filter(ready).copied().collect();
            for name in &ready {
                left.remove(*name);
            }
            order.extend(ready.iter().map(|name| (*name).clone()));
            if !ready.is_empty() {
                continue;
            }
            let Some(first) = left.first().copied() else { break };
            for name in self.report_cycle(first, &left, found) {
                left.remove(name);
            }
        }
        order.retain(|name| self.in_set.contains(name));
        order
    }

    /// Follows unmet dependencies from `first` until a package comes again.
    fn report_cycle<'a>(
        &'a self,
        first: &'a String,
        left: &BTreeSet<&String>,
        found: &mut Vec<Diagnostic>,
    ) -> Vec<&'a String> {
        let mut path = vec![first];
        let cycle = loop {
            let last = path[path.len() - 1];
            let mut next = self.dependencies[last].iter().map(|(name, _)| name);
            let Some(next) = next.find(|name| left.contains(name)) else { return path };
            if let Some(position) = path.iter().position(|name| *name == next) {
                break path.split_off(position);
            }
            path.push(next);
        };
        let named = cycle.iter().chain(cycle.first());
        let named: Vec<_> = named.map(|name| format!("`{name}`")).collect();
        let message = format!("packages depend on each other: {}", named.join(" -> "));
        let hint = "move what both need into a package of its own";
        let owner = cycle.iter().find(|name| self.in_set.contains(**name)).unwrap_or(&cycle[0]);
        let problem = Diagnostic::error(diagnostic::DEPENDENCY_CYCLE, MANIFEST, message, hint);
        found.push(problem.about("dependencies").in_package(owner));
        cycle
    }
}

type Names = BTreeMap<String, BTreeSet<String>>;

fn service_names(manifest: &Manifest) -> Vec<String> {
    manifest.services.iter().map(|service| service.name.clone()).collect()
}
