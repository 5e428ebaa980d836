//! A plain TCP balancer: each connection goes to the next server that is in turn.
//!
//! Boundary: passes bytes on; knows nothing of what they mean, and is told who is in turn.
//! Read first: [`Balancer`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A balancer with a port of its own.
pub(crate) struct Balancer {
    pub(crate) port: u16,
    servers: Arc<Mutex<Vec<String>>>,
    _driver: JoinSet<()>,
}

impl Balancer {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let servers = Arc::default();
        let mut driver = JoinSet::new();
        driver.spawn(accept(listener, Arc::clone(&servers)));
        Self { port, servers, _driver: driver }
    }

    /// New connections go to these, by host and port. Those that are there stay.
    pub(crate) fn set(&self, servers: Vec<String>) {
        *self.servers.lock().unwrap() = servers;
    }
}

async fn accept(listener: TcpListener, servers: Arc<Mutex<Vec<String>>>) {
    let turn = AtomicUsize::new(0);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (near, _) = accepted.unwrap();
                let servers = servers.lock().unwrap().clone();
                let number = turn.fetch_add(1, Ordering::SeqCst);
                let Some(server) = servers.get(number % servers.len().max(1)) else { continue };
                connections.spawn(pass(near, server.clone()));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn pass(mut near: TcpStream, server: String) {
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    let (_kept, _too) = (near.set_nodelay(true), far.set_nodelay(true));
    // It ends when one side does; whoever called sees it.
    let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
}
