//! What is ready in the inbox: archives that nobody writes any more.
//!
//! Boundary: names only. A file that is open for writing is told by the system, as far as it was
//! seen; one that was there before is ready when it does not change and can be read, or after a
//! while, so that a damaged one is reported.
//! Read first: [`Inbox::next`].

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use host::package::{Limits, PackageSource};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
use tokio::io::unix::AsyncFd;

use crate::problem::Failure;

/// How long the inbox must stay as it is, so that what is copied together is taken together.
const SETTLE: Duration = Duration::from_millis(700);
/// Looks at an inbox that never settles; then whatever does not change is taken.
const UNSETTLED_MAX: u32 = 15;
/// Looks at a file that cannot be read, before it counts as damaged.
const DOUBTS_MAX: u32 = 5;
/// How often the inbox is looked at although nobody told of a change: not every file system tells.
const SWEEP: Duration = Duration::from_secs(30);

/// An inbox that is watched.
pub(super) struct Inbox {
    path: PathBuf,
    events: AsyncFd<Watched>,
    /// Seen to be open for writing.
    writing: BTreeSet<String>,
    /// Seen to be closed after writing, or moved here as a whole.
    whole: BTreeSet<String>,
    /// How often a file could not be read that may not be whole yet.
    doubts: BTreeMap<String, u32>,
    is_first: bool,
}

/// Size and time of each file.
type Listing = BTreeMap<String, (u64, Option<SystemTime>)>;

struct Watched(Inotify);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Inbox {
    pub(super) fn watch(path: PathBuf) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::file("watch", &path, &error);
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let inotify = Inotify::init(flags).map_err(|error| failed(error.into()))?;
        let interests = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE;
        inotify.add_watch(&path, interests).map_err(|error| failed(error.into()))?;
        #[expect(deprecated, reason = "its successor is unsafe; `Watched` owns its descriptor")]
        let events = AsyncFd::new(Watched(inotify)).map_err(failed)?;
        let (writing, whole) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { path, events, writing, whole, doubts: BTreeMap::new(), is_first: true })
    }

    /// Waits until there are archives that nobody writes any more, and answers their names; or
    /// none, after a while. Cancel safe.
    pub(super) async fn next(&mut self) -> Vec<String> {
        if !self.is_first && self.doubts.is_empty() {
            // Late: looked at all the same.
            let _late = tokio::time::timeout(SWEEP, self.changed()).await;
        }
        self.is_first = false;
        let mut now = self.list();
        let mut same = Listing::new();
        for _ in 0..UNSETTLED_MAX {
            tokio::time::sleep(SETTLE).await;
            self.note();
            same = std::mem::replace(&mut now, self.list());
            let is_settled = now == same && !now.keys().any(|name| self.writing.contains(name));
            same.retain(|name, seen| now.get(name) == Some(seen));
            if is_settled {
                break;
            }
        }
        self.ready(same).await
    }

    /// Waits for the system to tell of a change.
    async fn changed(&mut self) {
        loop {
            let Ok(mut guard) = self.events.readable().await else { return };
            guard.clear_ready();
            drop(guard);
            if self.note() {
                return;
            }
        }
    }

    /// Takes note of what the system told. Answers whether it told anything.
    fn note(&mut self) -> bool {
        let mut is_news = false;
        loop {
            match self.events.get_ref().0.read_events() {
                Ok(events) => {
                    is_news |= !events.is_empty();
                    for event in events {
                        self.heard(&event);
                    }
                }
                Err(Errno::EINTR) => {}
                // Nothing more to tell.
                Err(_) => return is_news,
            }
        }
    }

    fn heard(&mut self, event: &InotifyEvent) {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            // It is not known any more who writes.
            self.writing.clear();
            self.whole.clear();
            return;
        }
        let Some(name) = event.name.as_ref().and_then(|name| name.to_str()) else { return };
        let whole = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO;
        let gone = AddWatchFlags::IN_MOVED_FROM | AddWatchFlags::IN_DELETE;
        if event.mask.intersects(whole) {
            self.writing.remove(name);
            self.whole.insert(name.to_owned());
        } else if event.mask.intersects(gone) {
            self.writing.remove(name);
            self.whole.remove(name);
            self.doubts.remove(name);
        } else {
            self.whole.remove(name);
            self.writing.insert(name.to_owned());
        }
    }

    /// The files that may be archives.
    fn list(&self) -> Listing {
        let Ok(entries) = std::fs::read_dir(&self.path) else { return Listing::new() };
        let files = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let about = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            is_meant(&name).then(|| (name, (about.len(), about.modified().ok())))
        });
        files.collect()
    }

    /// Those of the files that are whole.
    async fn ready(&mut self, same: Listing) -> Vec<String> {
        let mut ready = Vec::new();
        for name in same.into_keys().filter(|name| !self.writing.contains(name)) {
            let doubts = self.doubts.get(&name).copied().unwrap_or(0);
            if self.whole.contains(&name)
                || doubts >= DOUBTS_MAX
                || is_readable(self.path.join(&name)).await
            {
                self.doubts.remove(&name);
                ready.push(name);
            } else {
                self.doubts.insert(name, doubts + 1);
            }
        }
        ready
    }
}

/// Whether a file of this name is meant to be deployed: not one that a copying program has begun.
fn is_meant(name: &str) -> bool {
    let parts = [".part", ".partial", ".tmp", ".filepart", ".crdownload", "~"];
    !name.starts_with('.') && !parts.iter().any(|part| name.ends_with(part))
}

async fn is_readable(path: PathBuf) -> bool {
    let read = move || PackageSource::read(&path, &Limits::default()).is_ok();
    tokio::task::spawn_blocking(read).await.unwrap_or(false)
}
