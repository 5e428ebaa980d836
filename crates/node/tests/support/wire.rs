//! The way between servers of one process.
//!
//! Boundary: a call is a call; a server that is cut off answers nobody any more. Answers can be
//! slow, where giving up waiting does not stop who was asked, and they can be lost.
//! Read first: [`Wire`].

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use node::Node;
use node::cluster::{Call, CallError, Transport};
use store::Member;
use tokio::sync::oneshot;

/// Calls go straight to the other node.
#[derive(Default)]
pub(crate) struct Wire {
    nodes: Mutex<BTreeMap<String, (Node, Arc<AtomicBool>)>>,
    slow_ms: AtomicU64,
    lost: Mutex<Option<u8>>,
}

impl Transport for Wire {
    fn call<'a>(&'a self, to: &'a Member, request: Bytes, patience: Duration) -> Call<'a> {
        let found = self.nodes.lock().unwrap().get(&*to.about.name).cloned();
        // An array of the number of the request and its fields.
        let kind = request.get(1).copied();
        Box::pin(async move {
            let Some((node, alive)) = found.filter(|(_, alive)| alive.load(Ordering::SeqCst))
            else {
                return Err(CallError::NotSent("it is dead".into()));
            };
            let slow = Duration::from_millis(self.slow_ms.load(Ordering::SeqCst));
            let asked: Call<'_> = if slow.is_zero() {
                Box::pin(async move { Ok(node.answer_peer(request).await) })
            } else {
                let (reply, answer) = oneshot::channel();
                #[expect(clippy::disallowed_methods, reason = "it goes on when nobody waits")]
                tokio::spawn(async move {
                    let answer = node.answer_peer(request).await;
                    tokio::time::sleep(slow).await;
                    reply.send(answer)
                });
                Box::pin(async { answer.await.map_err(|_| CallError::Lost("it died".into())) })
            };
            let answer = tokio::time::timeout(patience, asked).await;
            if kind.is_some() && *self.lost.lock().unwrap() == kind {
                *self.lost.lock().unwrap() = None;
                return Err(CallError::Lost("its answer was lost".into()));
            }
            match answer {
                Ok(Ok(answer)) if alive.load(Ordering::SeqCst) => Ok(answer),
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

    /// From now on answers are so long on their way.
    pub(crate) fn slow(&self, by: Duration) {
        self.slow_ms.store(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// The next answer to a request of this number is lost on its way.
    pub(crate) fn lose(&self, kind: u8) {
        *self.lost.lock().unwrap() = Some(kind);
    }

    /// Whether the answer that was to be lost is.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost.lock().unwrap().is_none()
    }

    /// It cannot be called any more, and what it was asked is not answered.
    pub(crate) fn cut(&self, name: &str) {
        let (_, alive) = self.nodes.lock().unwrap().remove(name).unwrap();
        alive.store(false, Ordering::SeqCst);
    }
}
