//! Logical servers (R20): where their jobs wait, and who hosts them.
//!
//! All jobs that are bound to one logical server wait in one queue, so that whoever hosts it finds
//! them like those of any other type. Indexes and streams speak of the queue; what a job is called
//! as stands in its instance.
//!
//! Boundary: names only; how jobs are worked is in `hosting`.
//! Read first: [`queue_of`].

use engine::job::{Destination, SERVER_PREFIX};
use feel::Str;
use store::ServerKey;

/// Ends the name of a queue: no service has this name.
const ALL: &str = "/*";

/// The queue that a job of this type waits in.
pub(crate) fn queue_of(job_type: Str) -> Str {
    match Destination::parse(&job_type).server {
        Some(server) => queue(server),
        None => job_type,
    }
}

/// The queue of a logical server.
pub(crate) fn queue(server: &str) -> Str {
    format!("{SERVER_PREFIX}{server}{ALL}").into()
}

/// The logical server whose queue it is.
pub(crate) fn server_of(queue: &str) -> Option<&str> {
    queue.strip_prefix(SERVER_PREFIX)?.strip_suffix(ALL)
}

/// What a server calls itself as it works for one: each life differently, so that what an earlier
/// one left is not taken for its own.
pub(crate) fn worker(name: &str, life: ServerKey) -> Str {
    format!("{name}/{life}").into()
}

/// A logical server that somebody hosts or some job waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogicalServer {
    /// Its name.
    pub name: Str,
    /// The servers that host it, by name.
    pub hosts: Vec<Str>,
    /// Jobs that wait for it.
    pub waiting: u64,
}

#[cfg(test)]
mod tests {
    use super::{queue, queue_of, server_of};

    #[test]
    fn all_services_of_a_logical_server_wait_in_one_queue() {
        assert_eq!(&*queue_of("at:billing/service:score".into()), "at:billing/*");
        assert_eq!(queue_of("at:billing/service:risk/score".into()), queue("billing"));
        for other in ["charge", "service:score", "at:billing", "at:billing/charge"] {
            assert_eq!(&*queue_of(other.into()), other);
            assert_eq!(server_of(other), None);
        }
        assert_eq!(server_of("at:billing/*"), Some("billing"));
    }
}
