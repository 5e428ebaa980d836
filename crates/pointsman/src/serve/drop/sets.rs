//! Which of the archives that came together belong together: those that need each other.
//!
//! Boundary: declared dependencies only.
//! Read first: [`of`].

use super::Read;

/// Sets of archives that depend on each other, directly or not; each can be deployed alone, so that
/// a wrong one does not hold up the others.
pub(super) fn of(read: Vec<Read>) -> Vec<Vec<Read>> {
    let mut sets: Vec<Vec<Read>> = Vec::new();
    for one in read {
        let (joined, apart): (Vec<_>, Vec<_>) =
            sets.into_iter().partition(|set| set.iter().any(|other| are_bound(&one, other)));
        sets = apart;
        let mut set: Vec<Read> = joined.into_iter().flatten().collect();
        set.push(one);
        sets.push(set);
    }
    sets
}

fn are_bound(one: &Read, other: &Read) -> bool {
    let (one, other) = (&one.source.manifest, &other.source.manifest);
    let needs = |one: &host::package::Manifest, other: &host::package::Manifest| {
        one.dependencies.iter().any(|need| need.name == other.name)
    };
    one.name == other.name || needs(one, other) || needs(other, one)
}
