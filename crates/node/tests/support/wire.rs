//! The way between servers of one process.
//!
//! Boundary: a call is a call; a server that is cut off answers nobody any more.
//! Read first: [`Wire`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use node::Node;
use node::cluster::{Call, CallError, Transport};
use store::Member;

/// Calls go straight to the other node.
#[derive(Default)]
pub(crate) struct Wire {
    nodes: Mutex<BTreeMap<String, (Node, Arc<AtomicBool>)>>,
}

impl Transport for Wire {
    fn call<'a>(&'a self, to: &'a Member, request: Bytes, patience: Duration) -> Call<'a> {
        let found = self.nodes.lock().unwrap().get(&*to.about.name).cloned();
        Box::pin(async move {
            let Some((node, alive)) = found.filter(|(_, alive)| alive.load(Ordering::SeqCst))
            else {
                return Err(CallError::NotSent("it is dead".into()));
            };
            let answer = tokio::time::timeout(patience, node.answer_peer(request)).await;
            match answer {
                Ok(answer) if alive.load(Ordering::SeqCst) => Ok(answer),
                _ => Err(CallError::Lost("it died".into())),
            }
        })
    }
}

impl Wire {
    /// A server can be called from now on.
    pub(crate) fn join(&self, name: &str, node: &Node) {
        let alive = Arc::new(AtomicBool::new(true));
        self.nodes.lock().unwrap().insert(name.to_owned(), (node.clone(), alive));
    }

    /// It cannot be called any more, and what it was asked is not answered.
    pub(crate) fn cut(&self, name: &str) {
        let (_, alive) = self.nodes.lock().unwrap().remove(name).unwrap();
        alive.store(false, Ordering::SeqCst);
    }
}
