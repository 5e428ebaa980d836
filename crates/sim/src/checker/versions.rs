//! Each version of a process has a number of its own, and at most one of them is enabled.
//!
//! Boundary: sees the rows of definitions and packages.
//! Read first: [`check`].

use std::collections::BTreeMap;

use store::Store;

use super::Violation;

pub(super) async fn check(store: &dyn Store) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut versions: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut enabled: BTreeMap<String, u32> = BTreeMap::new();
    for row in store.definitions().await.unwrap_or_default() {
        versions.entry(row.process.to_string()).or_default().push(row.version);
        *enabled.entry(row.process.to_string()).or_default() += u32::from(row.enabled);
    }
    for (process, mut numbers) in versions {
        numbers.sort_unstable();
        let wanted: Vec<u32> = (1..).take(numbers.len()).collect();
        if numbers != wanted {
            found.push(violation(format!("process `{process}` has versions {numbers:?}")));
        }
        let number = enabled.get(&process).copied().unwrap_or(0);
        if number != 1 {
            found.push(violation(format!("process `{process}` has {number} enabled versions")));
        }
    }
    let packages = store.packages().await.unwrap_or_default();
    let active = packages.iter().filter(|row| row.active).count();
    if active != 1 {
        found.push(violation(format!("the package has {active} active versions")));
    }
    found
}

fn violation(what: String) -> Violation {
    Violation { rule: "versions", what, about: vec!["deploy".to_owned()] }
}
