//! Nobody is told what is not so: an answer comes after its commit (SHD-1, DOC-1).
//!
//! Boundary: compared when the answer was made; here it is only said.
//! Read first: [`check`].

use super::{End, Violation};
use crate::history::Fact;

pub(super) fn check(end: &End) -> Vec<Violation> {
    let unfounded = end.facts.iter().filter_map(|fact| match fact {
        Fact::Unfounded { what, about } => {
            Some(Violation { rule: "told", what: what.clone(), about: vec![about.clone()] })
        }
        Fact::Tried { .. }
        | Fact::Created { .. }
        | Fact::Accepted { .. }
        | Fact::Published { .. }
        | Fact::Got { .. }
        | Fact::Held { .. }
        | Fact::Finished { .. } => None,
    });
    unfounded.collect()
}
