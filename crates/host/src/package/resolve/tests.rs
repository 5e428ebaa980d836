//! Sets of packages in, an order or diagnostics out.
//!
//! Read first: [`check`].

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::{Installed, resolve};
use crate::package::PackageSource;

/// A package written as `name version: dependency requirement, …`.
fn source(line: &str) -> PackageSource {
    let (head, needs) = line.split_once(':').unwrap_or((line, ""));
    let (name, version) = head.trim().split_once(' ').unwrap();
    let mut text = format!("name = \"{name}\"\nversion = \"{version}\"\n[dependencies]\n");
    for need in needs.split(',').map(str::trim).filter(|need| !need.is_empty()) {
        let (name, requirement) = need.split_once(' ').unwrap();
        text += &format!("{name} = \"{requirement}\"\n");
    }
    with_manifest(&text)
}

fn with_manifest(text: &str) -> PackageSource {
    let files = BTreeMap::from([("package.toml".to_owned(), text.as_bytes().to_vec())]);
    PackageSource::from_files(files).unwrap()
}

fn installed(line: &str) -> Installed {
    let manifest = source(line).manifest;
    let needs = manifest.dependencies.iter();
    Installed {
        dependencies: needs.map(|d| (d.name.clone(), d.requirement.clone())).collect(),
        name: manifest.name,
        version: manifest.version,
        documents: vec!["customer".to_owned()],
        services: vec!["score".to_owned()],
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that expect-test rewrites")]
fn check(set: Vec<PackageSource>, present: &[&str], expected: Expect) {
    let present: Vec<_> = present.iter().map(|line| installed(line)).collect();
    let shown = match resolve(set, &present) {
        Ok(order) => {
            let line = |resolved: &super::Resolved| {
                let manifest = resolved.package.manifest();
                let needs = resolved.dependencies.iter();
                let needs: Vec<_> = needs.map(|(name, v)| format!("{name} {v}")).collect();
                format!("{} {} <- [{}]\n", manifest.name, manifest.version, needs.join(", "))
            };
            order.iter().map(line).collect::<Vec<_>>().concat()
        }
        Err(found) => {
            found.iter().map(|problem| format!("{problem}\n")).collect::<Vec<_>>().concat()
        }
    };
    expected.assert_eq(&shown);
}

fn set(lines: &[&str]) -> Vec<PackageSource> {
    lines.iter().map(|line| source(line)).collect()
}

#[test]
fn packages_come_after_what_they_depend_on() {
    check(
        set(&["a 1.0.0: b ^1, c ^2.1", "b 1.5.0: c >=2", "c 2.1.0: d ^1"]),
        &["d 1.9.0"],
        expect![[r#"
            c 2.1.0 <- [d 1.9.0]
            b 1.5.0 <- [c 2.1.0]
            a 1.0.0 <- [b 1.5.0, c 2.1.0]
        "#]],
    );
}

#[test]
fn every_problem_of_the_set_is_named() {
    check(
        set(&[
            "a 1.0.0: missing ^1, old ^2",
            "b 1.0.0: c ^1",
            "c 1.0.0: d ^1",
            "d 1.0.0: b ^1",
            "self 1.0.0: self ^1",
            "uses 1.0.0: b ^1",
            "twice 1.0.0",
            "twice 1.1.0",
            "base 2.0.0",
        ]),
        &["old 1.9.0", "base 1.0.0", "dependent 1.4.0: base ^1"],
        expect![[r#"
            error[PKG-018]: the set holds the package `twice` in versions `1.0.0` and `1.1.0`
              at: twice/package.toml
            hint: leave all but one out
            error[PKG-015]: `missing` is neither in the set nor installed
              at: a/package.toml:4:11 (dependencies.missing)
            hint: add the package `missing` `^1` to the set
            error[PKG-016]: `old` has version `1.9.0`, `^2` is needed
              at: a/package.toml:5:7 (dependencies.old)
            hint: deploy a suitable version together with this package
            error[PKG-016]: the installed `dependent 1.4.0` needs `base` `^1`, the set brings `2.0.0`
              at: base/package.toml (version)
            hint: deploy a version of `dependent` that suits it as well
            error[PKG-017]: packages depend on each other: `b` -> `c` -> `d` -> `b`
              at: b/package.toml (dependencies)
            hint: move what both need into a package of its own
            error[PKG-017]: packages depend on each other: `self` -> `self`
              at: self/package.toml (dependencies)
            hint: move what both need into a package of its own
        "#]],
    );
}

#[test]
fn a_cycle_through_an_installed_package_is_found() {
    check(
        set(&["a 1.1.0: b ^1"]),
        &["a 1.0.0", "b 1.0.0: a ^1"],
        expect![[r#"
        error[PKG-017]: packages depend on each other: `a` -> `b` -> `a`
          at: a/package.toml (dependencies)
        hint: move what both need into a package of its own
    "#]],
    );
}

#[test]
fn names_of_other_packages_must_be_declared_and_exist() {
    let manifest = r#"
name = "a"
version = "1.0.0"
[dependencies]
base = "^1"
[[triggers]]
name = "fine"
document = "base/customer"
service = "base/score"
[[triggers]]
name = "absent"
document = "base/nothing"
service = "nothing"
[[triggers]]
name = "undeclared"
document = "other/customer"
process = "p"
"#;
    check(
        vec![with_manifest(manifest)],
        &["base 1.0.0", "other 1.0.0"],
        expect![[r#"
        error[PKG-012]: `base` has no document type `nothing`
          at: a/package.toml:10:1 (triggers.absent)
        hint: `pointsman package show base` lists what it has
        error[PKG-013]: `other/customer` is used, but `other` is no dependency
          at: a/package.toml:14:1 (triggers.undeclared)
        hint: add `other = "^…"` to `[dependencies]`
        error[PKG-012]: there is no service `nothing`
          at: a/package.toml:10:1 (triggers.absent)
        hint: add `[services.nothing]`
    "#]],
    );
}
