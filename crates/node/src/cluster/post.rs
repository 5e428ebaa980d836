//! Small notes to whoever owns a shard, here or elsewhere, that nobody waits for.
//!
//! Boundary: every note may be lost; what it is about is found without it, only later.
//! Read first: [`Post`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use engine::Command;
use engine::ids::{Block, InstanceKey, JobKey, ShardId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::input::Input;

use super::wire::{self, Order, Request};
use super::{Place, Routes, Table, Transport, Wake};

/// Notes that may wait.
const NOTES_MAX: usize = 1_024;
/// Notes on their way at once.
const FLYING_MAX: usize = 32;
/// How long another server may take for a note.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Note {
    /// There are letters for this shard.
    Letters(ShardId),
    /// A job's worker is gone.
    Release(JobKey),
    /// All others: look at the cluster.
    Look,
    /// All, this one too.
    LookEverywhere,
    /// Everybody: there are process requests.
    Claim,
}

/// Where notes are handed in.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    notes: mpsc::Sender<Note>,
}

impl Post {
    /// The post and the task that carries it, to be run by whoever runs the server.
    pub(crate) fn new(
        routes: Arc<Routes>,
        transport: Arc<dyn Transport>,
        wakes: mpsc::Sender<Wake>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (notes, receiver) = mpsc::channel(NOTES_MAX);
        (Self { notes }, carry(routes, transport, wakes, receiver))
    }

    /// There are letters for a shard.
    pub(crate) fn letters(&self, shard: ShardId) {
        self.hand_in(Note::Letters(shard));
    }

    /// The worker of a leased job is gone.
    pub(crate) fn release(&self, job: JobKey) {
        self.hand_in(Note::Release(job));
    }

    /// All other servers should look at the cluster.
    pub(crate) fn look(&self) {
        self.hand_in(Note::Look);
    }

    /// All servers should look at the cluster, this one too.
    pub(crate) fn look_everywhere(&self) {
        self.hand_in(Note::LookEverywhere);
    }

    /// There are process requests for whoever claims them first.
    pub(crate) fn claim(&self) {
        self.hand_in(Note::Claim);
    }

    fn hand_in(&self, note: Note) {
        // What is lost here is found without it.
        let _ = self.notes.try_send(note);
    }
}

async fn carry(
    routes: Arc<Routes>,
    transport: Arc<dyn Transport>,
    wakes: mpsc::Sender<Wake>,
    mut notes: mpsc::Receiver<Note>,
) {
    let mut flying = JoinSet::new();
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            biased;
            received = notes.recv_many(&mut waiting, NOTES_MAX), if flying.len() < FLYING_MAX => {
                if received == 0 {
                    return;
                }
            }
            Some(_) = flying.join_next() => {}
        }
        // The same note twice is one.
        let once: BTreeSet<Note> = waiting.drain(..).collect();
        for note in once {
            if note == Note::LookEverywhere {
                // A full queue is full of the same wish.
                let _ = wakes.try_send(Wake::Look);
            }
            for (to, request) in deliver(&routes, note) {
                let transport = transport.clone();
                flying.spawn(async move {
                    // A note that is lost is no harm.
                    let _ = transport.call(&to, wire::write(&request), PATIENCE).await;
                });
            }
        }
    }
}

/// A request for every other server.
fn everybody(table: &Table, request: &Request) -> Vec<(Arc<store::Member>, Request)> {
    let others = table.members.iter().filter(|(key, _)| Some(**key) != table.me);
    others.map(|(_, member)| (member.clone(), request.clone())).collect()
}

/// Delivers a note here; answers which other servers get what.
fn deliver(routes: &Routes, note: Note) -> Vec<(Arc<store::Member>, Request)> {
    let table = routes.table();
    let (shard, request, input) = match note {
        Note::Look | Note::LookEverywhere => return everybody(&table, &Request::Look),
        Note::Claim => {
            routes.claim();
            return everybody(&table, &Request::Claim);
        }
        Note::Letters(shard) => (shard, Request::Letters { shard }, Input::Letters),
        Note::Release(job) => {
            let instance = InstanceKey(job.0);
            let order = Order::Release { job };
            let command = Command::ReleaseJob { job };
            let input = Input::Command { instance, command, reply: None };
            (Block::of(job.0).shard(), Request::Command { instance, order }, input)
        }
    };
    match table.place(shard) {
        Place::Here(sender) => {
            // A full channel: the shard looks by itself before long.
            let _ = sender.try_send(input);
            Vec::new()
        }
        Place::There(member) => vec![(member, request)],
        Place::Nowhere => Vec::new(),
    }
}
