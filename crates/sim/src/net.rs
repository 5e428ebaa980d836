//! The network between servers.
//!
//! Boundary: carries requests to whoever has the address now, which may be a later life of the
//! server that was meant.
//! Read first: [`Wire`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use node::Node;
use node::cluster::{Call, CallError, Transport};
use store::Member;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::history::History;
use crate::power::{Dead, Power};
use crate::trace::Trace;
use crate::weather::Weather;

/// The longest until a broken connection is noticed, in milliseconds.
const NOTICED_MAX_MS: u64 = 800;

/// A server that can be reached.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) server: usize,
    pub(crate) life: u64,
    seat: Arc<Mutex<Option<Node>>>,
    pub(crate) power: Arc<Power>,
}

impl Host {
    pub(crate) fn new((server, life): (usize, u64), node: Node, power: Arc<Power>) -> Self {
        Self { server, life, seat: Arc::new(Mutex::new(Some(node))), power }
    }

    /// The server, unless it is gone.
    pub(crate) fn node(&self) -> Option<Node> {
        lock(&self.seat).clone()
    }

    /// Drops the server, whoever still knows its place.
    pub(crate) fn clear(&self) {
        lock(&self.seat).take();
    }
}

/// The network between servers.
pub(crate) struct Net {
    weather: Arc<Weather>,
    history: Arc<History>,
    trace: Arc<Trace>,
    dice: Dice,
    hosts: Mutex<BTreeMap<usize, Host>>,
    /// Requests that are being answered, whether or not anybody waits for it.
    answering: Mutex<JoinSet<()>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The address of a server.
#[must_use]
pub(crate) fn address(server: usize) -> String {
    format!("peer-{server}")
}

impl Net {
    pub(crate) fn new(
        weather: Arc<Weather>,
        history: Arc<History>,
        trace: Arc<Trace>,
        dice: Dice,
    ) -> Self {
        let (hosts, answering) = (Mutex::default(), Mutex::default());
        Self { weather, history, trace, dice, hosts, answering }
    }

    /// A server can be reached from now on.
    pub(crate) fn plug(&self, host: Host) {
        lock(&self.hosts).insert(host.server, host);
    }

    /// It cannot any more.
    pub(crate) fn unplug(&self, server: usize) {
        lock(&self.hosts).remove(&server);
    }

    /// The server that has a number now.
    pub(crate) fn host(&self, server: usize) -> Option<Host> {
        lock(&self.hosts).get(&server).cloned()
    }

    /// All servers that can be reached, in order.
    pub(crate) fn hosts(&self) -> Vec<Host> {
        lock(&self.hosts).values().cloned().collect()
    }

    /// Has a host answer a request after a while; nobody has to wait for it.
    fn deliver(
        &self,
        host: Host,
        request: Bytes,
        after_ms: u64,
    ) -> oneshot::Receiver<Result<Bytes, ()>> {
        let (reply, answer) = oneshot::channel();
        let mut answering = lock(&self.answering);
        while answering.try_join_next().is_some() {}
        answering.spawn(async move {
            let power = host.power.clone();
            let answered = async {
                power.sleep(after_ms).await?;
                power.awake().await?;
                let node = host.node().ok_or(Dead)?;
                let bytes = power.during(node.answer_peer(request)).await?;
                power.awake().await?;
                Ok::<_, Dead>(bytes)
            };
            let answered = answered.await.map_err(|_| ());
            // Whoever asked may have given up.
            let _ = reply.send(answered);
        });
        answer
    }

    fn line(&self, sign: char, from: (usize, u64), to: usize, request: &Bytes) {
        let (server, life) = from;
        let size = request.len();
        let kind = request.get(1).copied().unwrap_or_default();
        self.trace.line(
            "peer",
            format_args!("{sign} server {server}#{life} to {to}: request {kind}, {size} bytes"),
        );
    }
}

/// One life of a server's end of the network.
pub(crate) struct Wire {
    pub(crate) net: Arc<Net>,
    pub(crate) server: usize,
    pub(crate) life: u64,
    pub(crate) power: Arc<Power>,
}

impl Transport for Wire {
    fn call<'a>(&'a self, to: &'a Member, request: Bytes, patience: Duration) -> Call<'a> {
        Box::pin(async move {
            let lost = |why: &str| CallError::Lost(why.to_owned());
            let sent = self.power.during(self.send(&to.about.peer, request));
            match tokio::time::timeout(patience, sent).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(lost("the caller is dead")),
                Err(_) => Err(lost("no answer in time")),
            }
        })
    }
}

impl Wire {
    async fn send(&self, address: &str, request: Bytes) -> Result<Bytes, CallError> {
        let lost = |why: &str| CallError::Lost(why.to_owned());
        let dead = |_| lost("the caller is dead");
        let net = &self.net;
        let me = (self.server, self.life);
        let to = address.strip_prefix("peer-").and_then(|number| number.parse::<usize>().ok());
        let to = to.ok_or_else(|| CallError::NotSent("no such address".to_owned()))?;
        self.power.awake().await.map_err(dead)?;
        let climate = net.weather.climate();
        let way = net.dice.range(0..=climate.delay_max_ms);
        let is_cut = net.weather.are_peers_cut(self.server, to);
        if net.dice.happens(climate.peer_lost) || is_cut {
            net.line('?', me, to, &request);
            self.power.sleep(net.dice.range(1..=NOTICED_MAX_MS)).await.map_err(dead)?;
            // A connection that could not be made is known not to have carried anything.
            return Err(match is_cut && net.dice.happens(500) {
                true => CallError::NotSent("unreachable".to_owned()),
                false => lost("the request is lost"),
            });
        }
        let Some(host) = net.host(to) else {
            net.line('x', me, to, &request);
            self.power.sleep(way).await.map_err(dead)?;
            return Err(CallError::NotSent("connection refused".to_owned()));
        };
        net.line('>', me, to, &request);
        if net.dice.happens(climate.peer_doubled) {
            net.line('2', me, to, &request);
            net.history.doubled();
            drop(net.deliver(host.clone(), request.clone(), net.dice.range(0..=NOTICED_MAX_MS)));
        }
        let answer = net.deliver(host, request.clone(), way).await;
        let climate = net.weather.climate();
        let is_cut = net.weather.are_peers_cut(self.server, to);
        let is_lost = net.dice.happens(climate.peer_lost) || is_cut;
        let Ok(Ok(bytes)) = answer else { return Err(lost("the connection broke")) };
        if is_lost {
            net.line('?', me, to, &request);
            self.power.sleep(net.dice.range(1..=NOTICED_MAX_MS)).await.map_err(dead)?;
            return Err(lost("the answer is lost"));
        }
        self.power.sleep(net.dice.range(0..=climate.delay_max_ms)).await.map_err(dead)?;
        self.power.awake().await.map_err(dead)?;
        Ok(bytes)
    }
}
