//! Changes of packages on their way: which archives they mean, and what stands in their way.
//!
//! Boundary: reads the catalogue and the store; nothing is changed.
//! Read first: [`sources`], then [`prepare`].

use feel::Str;
use host::Diagnostic;
use host::package::{Limits, PackageSource};
use store::{PackageRow, Store};

use crate::catalog::{ActivePackage, Catalog};
use crate::deployment::Change;
use crate::error::Error;

use super::Prepared;

/// What a change comes down to.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    coming: Vec<PackageSource>,
    /// Those that come are not offered.
    are_disabled: bool,
    gone: Vec<Str>,
    /// A version may be lower than the active one.
    goes_back: bool,
}

/// Finds the archives of a change.
///
/// # Errors
/// [`Error::NotFound`] and [`Error::State`].
pub(crate) async fn sources(
    change: Change,
    catalog: &Catalog,
    store: &dyn Store,
) -> Result<Sources, Error> {
    let active = |name: &Str| -> Result<&ActivePackage, Error> {
        let known = catalog.packages.get(name).ok_or_else(|| Error::not_found("package", name))?;
        Ok(known)
    };
    let of = |name: &Str| active(name).map(|known| known.package.source.clone());
    Ok(match change {
        Change::Deploy(coming) => Sources { coming, ..Sources::default() },
        Change::Reload(names) => {
            let coming: Result<_, Error> = names.iter().map(of).collect();
            Sources { coming: coming?, ..Sources::default() }
        }
        Change::Enable(name) => Sources { coming: vec![of(&name)?], ..Sources::default() },
        Change::Disable(name) => {
            refuse_if_needed(&name, "disabled", catalog)?;
            Sources { coming: vec![of(&name)?], are_disabled: true, ..Sources::default() }
        }
        Change::Remove(name) => {
            let known = active(&name)?;
            refuse_if_needed(&Str::from(known.name()), "removed", catalog)?;
            Sources { gone: vec![name], ..Sources::default() }
        }
        Change::Rollback(name, version) => {
            let now = active(&name)?.version();
            let mut rows = versions_of(&name, store).await?;
            rows.retain(|row| row.version != now);
            let found = match &version {
                Some(wanted) => rows.into_iter().find(|row| row.version == *wanted),
                None => rows.into_iter().max_by_key(|row| row.at_ms),
            };
            let missing = || {
                let which = version.map_or_else(String::new, |version| format!(" {version}"));
                Error::not_found("earlier version of package", &format!("{name}{which}"))
            };
            let coming = vec![archive(&found.ok_or_else(missing)?, store).await?];
            Sources { coming, goes_back: true, ..Sources::default() }
        }
        Change::Recover(name) => {
            if catalog.packages.contains_key(&name) {
                let detail = format!("package `{name}` is active; roll it back instead");
                return Err(Error::State { detail });
            }
            let rows = versions_of(&name, store).await?;
            let found = rows.into_iter().max_by_key(|row| row.at_ms);
            let found = found.ok_or_else(|| Error::not_found("package", &name))?;
            let coming = vec![archive(&found, store).await?];
            Sources { coming, goes_back: true, ..Sources::default() }
        }
    })
}

async fn versions_of(name: &str, store: &dyn Store) -> Result<Vec<PackageRow>, Error> {
    let rows = store.packages().await?;
    Ok(rows.into_iter().filter(|row| *row.name == *name).collect())
}

async fn archive(row: &PackageRow, store: &dyn Store) -> Result<PackageSource, Error> {
    let missing = || Error::not_found("archive", &row.digest);
    let bytes = store.blob(&row.digest).await?.ok_or_else(missing)?;
    PackageSource::read_archive(&bytes, &Limits::default())
        .map_err(|problems| Error::Refused { problems })
}

/// Refuses what would leave others without what they need, with their names.
fn refuse_if_needed(name: &Str, what: &str, catalog: &Catalog) -> Result<(), Error> {
    let needing: Vec<&str> = catalog
        .packages
        .values()
        .filter(|other| !other.is_disabled)
        .filter(|other| other.package.manifest().dependencies.iter().any(|d| *d.name == **name))
        .map(|other| other.name())
        .collect();
    if needing.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "package `{name}` cannot be {what}: {} need(s) it",
        needing.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")
    );
    Err(Error::State { detail })
}

/// Compiles and checks a change against what is deployed.
///
/// # Errors
/// [`Error::Refused`] with all problems at once.
pub(crate) fn prepare(
    change: Sources,
    catalog: &Catalog,
    allow_downgrade: bool,
) -> Result<Prepared, Error> {
    let Sources { coming, are_disabled, gone, goes_back } = change;
    let mut problems = Vec::new();
    for source in &coming {
        let manifest = &source.manifest;
        let place = |found: Diagnostic| found.in_package(&manifest.name);
        let active = catalog.packages.get(manifest.name.as_str());
        let before = active.map(|known| &known.package.manifest().version);
        if let Some(before) = before.filter(|before| **before > manifest.version)
            && !(allow_downgrade || goes_back)
        {
            problems.push(place(backwards(before, &manifest.version)));
        }
        let disabled = manifest.dependencies.iter().filter(|need| {
            let known = catalog.packages.get(need.name.as_str());
            let comes = coming.iter().any(|other| other.manifest.name == need.name);
            known.is_some_and(|known| known.is_disabled) && !comes
        });
        for need in disabled.filter(|_| !are_disabled) {
            let message = format!("`{}` is needed and disabled", need.name);
            let hint = format!("`pointsman package enable {}` first", need.name);
            let found = Diagnostic::error("PKG-023", "package.toml", message, &hint);
            problems.push(place(found.at(need.place)));
        }
    }
    if !problems.is_empty() {
        return Err(Error::Refused { problems });
    }
    let mut prepared = super::prepare(coming, catalog)?;
    for new in &mut prepared.packages {
        new.is_disabled = are_disabled;
    }
    prepared.removed = gone;
    Ok(prepared)
}

fn backwards(before: &impl std::fmt::Display, wanted: &impl std::fmt::Display) -> Diagnostic {
    let message = format!("version {wanted} is lower than {before}, which is active");
    let hint = "raise `version`; or go back with `--allow-downgrade` or `package rollback`";
    Diagnostic::error("PKG-022", "package.toml", message, hint)
}
