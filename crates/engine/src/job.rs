//! Where a job is to be worked: the one text that job indexes, offers and events speak of.
//!
//! A job for a worker has the type that the model gives it. A service of a package has a type that
//! begins with `service:`; if its step is assigned to a logical server, `at:<server>/` stands in
//! front, so that finding work for a server is looking it up by type like any other.
//!
//! Boundary: text only; who hosts a logical server is the shell's knowledge. A type in a model that
//! has this form already is taken by its word.
//! Read first: [`Destination`].   Tests: at the end of this file; tests/scenarios/servers/

use alloc::format;
use core::fmt;

use feel::Str;

/// The prefix of job types that are services of packages.
pub const SERVICE_PREFIX: &str = "service:";
/// The prefix of job types that are bound to a logical server.
pub const SERVER_PREFIX: &str = "at:";

/// Where a job is to be worked, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The logical server; none: wherever its instance runs, or by any worker.
    pub server: Option<&'a str>,
    /// The type without the logical server: what a worker or service is known by.
    pub job_type: &'a str,
}

impl<'a> Destination<'a> {
    /// The destination that the type of an offered job says.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let bound = text.strip_prefix(SERVER_PREFIX).and_then(|rest| rest.split_once('/'));
        match bound {
            Some((server, job_type))
                if !server.is_empty() && job_type.starts_with(SERVICE_PREFIX) =>
            {
                Self { server: Some(server), job_type }
            }
            Some(_) | None => Self { server: None, job_type: text },
        }
    }

    /// The service's name if it is a service: `name`, or `package/name`.
    #[must_use]
    pub fn service(&self) -> Option<&'a str> {
        self.job_type.strip_prefix(SERVICE_PREFIX)
    }
}

impl fmt::Display for Destination<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.server {
            Some(server) => write!(out, "{SERVER_PREFIX}{server}/{}", self.job_type),
            None => out.write_str(self.job_type),
        }
    }
}

/// The type of a job of a step that is assigned to `server`: services go there, others stay.
pub(crate) fn destined(job_type: Str, server: Option<&Str>) -> Str {
    match server {
        Some(server) if job_type.starts_with(SERVICE_PREFIX) => {
            let server = Some(&**server);
            format!("{}", Destination { server, job_type: &job_type }).into()
        }
        Some(_) | None => job_type,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_destination_survives_its_text() {
        for (text, server, job_type, service) in [
            ("charge", None, "charge", None),
            ("service:score", None, "service:score", Some("score")),
            ("service:risk/score", None, "service:risk/score", Some("risk/score")),
            ("at:b/service:score", Some("b"), "service:score", Some("score")),
            ("at:b/service:risk/score", Some("b"), "service:risk/score", Some("risk/score")),
            ("at:b/charge", None, "at:b/charge", None),
            ("at:/service:score", None, "at:/service:score", None),
            ("at:b", None, "at:b", None),
        ] {
            let destination = Destination::parse(text);
            assert_eq!(destination, Destination { server, job_type });
            assert_eq!(destination.service(), service);
            assert_eq!(destination.to_string(), text);
        }
    }

    #[test]
    fn only_services_go_to_a_logical_server() {
        let server: Str = "b".into();
        assert_eq!(&*destined("charge".into(), Some(&server)), "charge");
        assert_eq!(&*destined("service:score".into(), Some(&server)), "at:b/service:score");
        assert_eq!(&*destined("service:score".into(), None), "service:score");
    }
}
