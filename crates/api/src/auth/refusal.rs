//! What a caller is told who may not do something.
//!
//! Boundary: says what is needed, never which part of a token was wrong.
//! Read first: [`Denied`].

use http::StatusCode;
use node::Retry;

use super::Role;
use super::roles::role_name;
use crate::problem::{Kind, Problem};

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It shows no token.
    Missing,
    /// It shows one that is not in force.
    Unknown,
    /// Its token is good for less.
    TooSmall { need: Role },
    /// Which tokens there are is not known yet.
    NotYet,
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        const HINT: &str = "send `Authorization: Bearer TOKEN`, commands with `--token`; an admin \
                            makes tokens with `pointsman token create NAME --role ROLE`";
        let unauthenticated = |detail: &str| {
            Self::new("API-020", Kind::Unauthenticated, StatusCode::UNAUTHORIZED, detail, HINT)
        };
        match denied {
            Denied::Missing => unauthenticated("the request carries no token"),
            Denied::Unknown => unauthenticated("the request carries no token that is in force"),
            Denied::TooSmall { need } => {
                let detail = format!("this needs the role `{}`", role_name(need));
                let hint = "use a token of that role; the guide lists what each role may do";
                Self::new("API-021", Kind::Forbidden, StatusCode::FORBIDDEN, detail, hint)
            }
            Denied::NotYet => {
                let mut problem = Self::from(node::Error::Unavailable { doing: "starting" });
                problem.retry = Retry::Later;
                problem
            }
        }
    }
}
