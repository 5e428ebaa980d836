//! Random units, and everything that can be read, as text: two adapters must give the same.
//!
//! Boundary: which operations are drawn is the caller's (a property test); four small numbers
//! make one change. Keys come from a small range, so that changes meet.
//! Read first: [`add`], then [`picture`].   Tests: `tests/differential.rs`

use std::fmt::Debug;

use bytes::Bytes;
use engine::ids::{
    Address, Block, DefinitionKey, DeploymentKey, DocumentKey, EntryKey, IncidentKey, InstanceKey,
    JobKey, RequestKey, ShardId, StepKey,
};
use feel::Str;

use super::Owner;
use crate::{
    AggregateChange, DefinitionRow, DeploymentChange, DeploymentFilter, DeploymentState,
    DocumentRow, EntryFilter, EntryRow, EntryState, IncidentRow, InstanceChange, InstanceFilter,
    InstanceState, JobChange, Letter, LetterKey, LockRow, NewAudit, PackageRow, RequestFilter,
    RequestRow, RequestState, Role, Seen, Store, TimerChange, TokenRow, Unit,
};

/// Kinds of change that [`add`] knows.
pub const KINDS: u8 = 23;
/// Shards that [`picture`] looks at: from 1.
pub const SHARDS: u16 = 2;
/// Keys of each kind, from 0.
const KEYS: u8 = 4;

/// One drawn change: kind, key and two values.
pub type Draw = [u8; 4];

/// Adds a change to a unit that names its shard.
pub fn add(unit: &mut Unit, draw: Draw) {
    let [kind, number, a, b] = draw;
    let shard = unit.shard.unwrap_or(ShardId(1));
    let (number, at_ms) = (number % KEYS, i64::from(a % 8));
    let key = in_shard(shard, number);
    match kind % KINDS {
        0 => unit.aggregates.push(AggregateChange {
            address: addresses(shard, number)[usize::from(b % 3)].clone(),
            snapshot: (a % 3 > 0).then(|| Bytes::from(vec![a; usize::from(b) * 20])),
        }),
        1 => unit.blocks.push((Block(key), InstanceKey(in_shard(shard, a % KEYS)))),
        2 => unit.instances.push(InstanceChange::Started {
            key: InstanceKey(key),
            definition: DefinitionKey(u64::from(a % 3)),
            process: name("process", a % 2),
            version: u32::from(a % 3),
            parent: (b.is_multiple_of(3)).then(|| InstanceKey(in_shard(shard, a % KEYS))),
            business_key: (b.is_multiple_of(2)).then(|| name("business", a % 2)),
            started_ms: at_ms,
        }),
        3 => unit
            .instances
            .push(InstanceChange::Incidents { key: InstanceKey(key), open: u32::from(a % 3) }),
        4 => unit.instances.push(InstanceChange::Ended {
            key: InstanceKey(key),
            state: if b.is_multiple_of(2) {
                InstanceState::Completed
            } else if b % 3 == 0 {
                InstanceState::Failed
            } else {
                InstanceState::Cancelled
            },
            ended_ms: at_ms,
            forget_ms: i64::from(b % 8),
        }),
        5 => unit.audit.push(NewAudit {
            instance: InstanceKey(key),
            sequence: u64::from(b % 5),
            at_ms,
            records: Bytes::from(vec![a; 3]),
        }),
        6 | 7 => add_work(unit, shard, [kind % KINDS, number, a, b]),
        8 => unit.incidents.push((
            IncidentKey(key),
            (b % 3 > 0).then(|| incident(InstanceKey(in_shard(shard, a % KEYS)), b)),
        )),
        9 => unit.forget.push(InstanceKey(key)),
        22 => add_deployment(unit, shard, [number, a, b]),
        kind @ 17.. => add_exchange(unit, shard, [kind, number, a, b]),
        kind => add_global(unit, shard, [kind, number, a, b]),
    }
}

/// Jobs and timers. The type of a job follows from its key, as the port demands.
fn add_work(unit: &mut Unit, shard: ShardId, [kind, number, a, b]: Draw) {
    if kind == 7 {
        let address = addresses(shard, number)[usize::from(b % 3)].clone();
        let (due_ms, id) = (i64::from(a % 8), u64::from(a % 2));
        unit.timers.push(match b % 4 {
            0 => TimerChange::Disarm { due_ms, address, id },
            _ => TimerChange::Arm { due_ms, address, id },
        });
        return;
    }
    let (job, job_type) = (JobKey(in_shard(shard, number)), name("type", number % 2));
    unit.jobs.push(match a % 3 {
        0 => JobChange::Ready { job, job_type },
        1 => JobChange::Leased { job, job_type, deadline_ms: i64::from(b) },
        _ => JobChange::Gone { job, job_type },
    });
}

/// What belongs to no shard.
fn add_global(unit: &mut Unit, shard: ShardId, [kind, number, a, b]: Draw) {
    let (key, at_ms, is_put) = (in_shard(shard, number), i64::from(a % 8), b % 3 > 0);
    match kind {
        10 => unit.documents.push((
            DocumentKey(key),
            is_put.then(|| DocumentRow {
                document_type: name("type", a % 2),
                id: name("id", a),
                source: name("source", b),
                at_ms,
                content: Bytes::from(vec![b; usize::from(a)]),
            }),
        )),
        11 => unit.entries.push((EntryKey(key), is_put.then(|| entry(shard, a, b)))),
        12 => unit.seen.push(Seen {
            source: name("source", number),
            id: name("id", a % KEYS),
            document: DocumentKey(in_shard(shard, b)),
            at_ms,
        }),
        13 => unit.seen_before_ms = Some(at_ms / 2),
        14 => unit.definitions.push(DefinitionRow {
            key: DefinitionKey(u64::from(number)),
            process: name("process", a % 2),
            version: u32::from(a),
            package: name("package", b % 2),
            package_version: "1.0.0".into(),
            resource: "a.bpmn".into(),
            digest: name("digest", b),
            deployment: u64::from(b),
            enabled: b.is_multiple_of(2),
            at_ms,
        }),
        15 if b % 4 == 3 => {
            unit.packages_forgotten.push((name("package", number), name("version", a % 2)));
        }
        15 => unit.packages.push(PackageRow {
            name: name("package", number),
            version: name("version", a % 2),
            digest: name("digest", b),
            active: b.is_multiple_of(2),
            disabled: a.is_multiple_of(2),
            note: name("note", b),
            at_ms,
        }),
        _ if b.is_multiple_of(2) => {
            unit.blobs.push((name("digest", number), Bytes::from(vec![a; 9])))
        }
        _ => unit.settings.push((name("setting", number), is_put.then(|| name("value", a)))),
    }
}

/// Commits are rare: what follows one that is refused is refused, too.
fn add_deployment(unit: &mut Unit, shard: ShardId, [number, a, b]: [u8; 3]) {
    let (key, detail) = (DeploymentKey(in_shard(shard, number)), Bytes::from(vec![a; 5]));
    unit.deployments.push(match b % 8 {
        0 => DeploymentChange::Commit { key, detail },
        2 | 6 => DeploymentChange::Detail { key, detail },
        3 | 7 => DeploymentChange::Forget { key },
        _ => DeploymentChange::Open { key, detail, at_ms: i64::from(a % 8) },
    });
}

/// Which deployment somebody aborts behind a unit with this change, if one.
#[must_use]
pub fn aborted(shard: ShardId, [kind, number, _, b]: Draw) -> Option<DeploymentKey> {
    let is_aborted = kind % KINDS == 22 && b > 200;
    is_aborted.then(|| DeploymentKey(in_shard(shard, number % KEYS)))
}

/// Letters, requests, locks, tokens and slots.
fn add_exchange(unit: &mut Unit, shard: ShardId, [kind, number, a, b]: Draw) {
    let (at_ms, is_put) = (i64::from(a % 8), b % 3 > 0);
    let letter = LetterKey {
        from: ShardId(u16::from(a % 2) + 1),
        sequence: u64::from(number),
        index: u32::from(b % 2),
    };
    match kind {
        17 if b % 4 > 0 => unit.sent.push(Letter {
            to: ShardId(u16::from(a % 3) + 1),
            key: letter,
            content: Bytes::from(vec![a; 5]),
        }),
        17 => unit.received.push(letter),
        18 => unit
            .requests
            .push((RequestKey(in_shard(shard, number)), is_put.then(|| request(shard, a, b)))),
        19 => unit.locks.push((
            name("lock", number),
            is_put.then(|| LockRow {
                holder: name("holder", a),
                instance: (a.is_multiple_of(2)).then(|| InstanceKey(in_shard(shard, a))),
                fence: u64::from(a),
                since_ms: at_ms,
                waiting: u32::from(b),
            }),
        )),
        20 => unit.tokens.push((
            name("token", number),
            is_put.then(|| TokenRow {
                hash: name("hash", a),
                role: [Role::Viewer, Role::Operator, Role::Developer, Role::Admin]
                    [usize::from(a % 4)],
                created_ms: at_ms,
                expires_ms: (b.is_multiple_of(2)).then_some(at_ms),
            }),
        )),
        _ => unit.slots.push((u16::from(a), ShardId(u16::from(b % 3) + 1))),
    }
}

/// Commits one change of every kind.
pub async fn fill(owner: &mut Owner<'_>, _store: &dyn Store) {
    owner
        .commit(|unit| {
            for kind in 0..KINDS {
                for number in 0..KEYS {
                    add(unit, [kind, number, 1, 1]);
                    add(unit, [kind, number, 2, 2]);
                }
            }
        })
        .await;
}

/// Adds the opposite of what [`fill`] does, as far as there is one.
pub fn empty(unit: &mut Unit) {
    for kind in 0..KINDS {
        for number in 0..KEYS {
            add(unit, [kind, number, 0, 0]);
            add(unit, [kind, number, 3, 3]);
        }
    }
}

/// Everything that the port lets one read, one line each.
pub async fn picture(store: &dyn Store) -> Vec<String> {
    let mut lines = Vec::new();
    for shard in 1..=SHARDS {
        picture_shard(&mut lines, store, ShardId(shard)).await;
    }
    picture_documents(&mut lines, store).await;
    picture_instances(&mut lines, store).await;
    line(&mut lines, "definitions", store.definitions().await.unwrap());
    line(&mut lines, "packages", store.packages().await.unwrap());
    line(&mut lines, "settings", store.settings().await.unwrap());
    line(&mut lines, "locks", store.locks().await.unwrap());
    line(&mut lines, "tokens", store.tokens().await.unwrap());
    line(&mut lines, "slots", store.slots().await.unwrap());
    picture_requests(&mut lines, store).await;
    picture_deployments(&mut lines, store).await;
    for number in 0..KEYS {
        line(&mut lines, "blob", store.blob(&name("digest", number)).await.unwrap());
    }
    lines
}

async fn picture_shard(lines: &mut Vec<String>, store: &dyn Store, shard: ShardId) {
    let of: Vec<_> = (0..KEYS).flat_map(|number| addresses(shard, number)).collect();
    line(lines, "aggregates", store.load(shard, &of).await.unwrap());
    line(lines, "others", store.aggregates(shard, None, 100).await.unwrap());
    let [_, bucket, _] = addresses(shard, 1);
    line(lines, "others after", store.aggregates(shard, Some(&bucket), 3).await.unwrap());
    line(lines, "inbox", store.inbox(shard, 100).await.unwrap());
    line(lines, "first letters", store.inbox(shard, 2).await.unwrap());
    for before_ms in [0, 3, 100] {
        line(lines, "forgettable", store.forgettable(shard, before_ms, 3).await.unwrap());
    }
    let timers = store.timers(shard, None, i64::MAX, 100).await.unwrap();
    line(lines, "due", store.timers(shard, None, 4, 3).await.unwrap());
    for after in &timers {
        line(lines, "timers after", store.timers(shard, Some(after), 6, 2).await.unwrap());
    }
    line(lines, "timers", timers);
    line(lines, "types", store.job_types(shard).await.unwrap());
    line(lines, "leased", store.jobs_leased(shard, None, 100).await.unwrap());
    for number in 0..KEYS {
        let key = in_shard(shard, number);
        let after = Some(JobKey(key));
        line(lines, "block", store.block_owner(shard, Block(key)).await.unwrap());
        line(lines, "leased after", store.jobs_leased(shard, after, 2).await.unwrap());
        for job_type in [name("type", 0), name("type", 1)] {
            line(lines, "ready", store.jobs_ready(shard, &job_type, None, 3).await.unwrap());
            line(lines, "ready after", store.jobs_ready(shard, &job_type, after, 2).await.unwrap());
        }
        let instance = InstanceKey(key);
        line(lines, "instance", store.instance(instance).await.unwrap());
        line(lines, "audit", store.audit(instance).await.unwrap());
        line(lines, "incidents of", store.incidents(Some(instance), None, 3).await.unwrap());
        let incident = IncidentKey(key);
        line(lines, "incident", store.incident(incident).await.unwrap());
        line(lines, "incidents after", store.incidents(None, Some(incident), 2).await.unwrap());
    }
}

async fn picture_documents(lines: &mut Vec<String>, store: &dyn Store) {
    let mut pairs = Vec::new();
    for number in 0..KEYS {
        for shard in 1..=SHARDS {
            let key = in_shard(ShardId(shard), number);
            line(lines, "document", store.document(DocumentKey(key)).await.unwrap());
            line(lines, "entry", store.entry(EntryKey(key)).await.unwrap());
        }
        pairs.extend((0..KEYS).map(|id| (name("source", number), name("id", id))));
    }
    line(lines, "seen", store.seen(&pairs).await.unwrap());
    let states = [EntryState::Queued, EntryState::InProcess, EntryState::Parked, EntryState::Dead];
    for state in states.map(Some).into_iter().chain([None]) {
        for trigger in [None, Some(name("trigger", 0)), Some(name("trigger", 1))] {
            let of = EntryFilter { state, trigger, limit: 3, ..EntryFilter::default() };
            line(lines, "entries", store.entries(&of).await.unwrap());
            let after = Some(EntryKey(in_shard(ShardId(1), 1)));
            let behind = EntryFilter { after, limit: 2, ..of.clone() };
            line(lines, "entries after", store.entries(&behind).await.unwrap());
            let of_two = EntryFilter { shard: Some(ShardId(2)), ..of };
            line(lines, "entries of 2", store.entries(&of_two).await.unwrap());
        }
    }
}

async fn picture_requests(lines: &mut Vec<String>, store: &dyn Store) {
    let states = [None, Some(RequestState::Waiting), Some(RequestState::Claimed)];
    let before = Some(RequestKey(in_shard(ShardId(1), 3)));
    for bits in 0..24_u8 {
        let filter = RequestFilter {
            state: states[usize::from(bits % 3)],
            shard: (bits & 1 > 0).then_some(ShardId(1)),
            process: (bits & 2 > 0).then(|| name("process", 1)),
            key: (bits & 4 > 0).then(|| RequestKey(in_shard(ShardId(1), 1))),
            before: before.filter(|_| bits & 8 > 0),
            limit: 3,
        };
        line(lines, "requests", store.requests(&filter).await.unwrap());
    }
}

async fn picture_deployments(lines: &mut Vec<String>, store: &dyn Store) {
    for number in 0..KEYS {
        let key = DeploymentKey(in_shard(ShardId(2), number));
        let before = Some(key);
        line(lines, "deployment", store.deployment(key).await.unwrap());
        for state in [None, Some(DeploymentState::Open), Some(DeploymentState::Aborted)] {
            let filter = DeploymentFilter { state, before, limit: 3 };
            line(lines, "deployments", store.deployments(&filter).await.unwrap());
        }
    }
    let all = DeploymentFilter { limit: 100, ..DeploymentFilter::default() };
    line(lines, "all deployments", store.deployments(&all).await.unwrap());
}

async fn picture_instances(lines: &mut Vec<String>, store: &dyn Store) {
    let states = [None, Some(InstanceState::Active), Some(InstanceState::Completed)];
    let before = [None, Some(InstanceKey(in_shard(ShardId(1), 3)))];
    for bits in 0..128_u8 {
        let filter = InstanceFilter {
            shard: (bits & 64 > 0).then_some(ShardId(2)),
            process: (bits & 1 > 0).then(|| name("process", 1)),
            version: (bits & 2 > 0).then_some(1),
            state: states[usize::from(bits % 3)],
            with_incidents: bits & 4 > 0,
            business_key: (bits & 8 > 0).then(|| name("business", 0)),
            parent: (bits & 16 > 0).then(|| InstanceKey(in_shard(ShardId(1), 1))),
            before: before[usize::from(bits >> 5 & 1)],
            limit: 3,
        };
        line(lines, "instances", store.instances(&filter).await.unwrap());
    }
    line(lines, "counts", store.counts().await.unwrap());
}

fn line(lines: &mut Vec<String>, what: &str, found: impl Debug) {
    lines.push(format!("{what}: {found:?}"));
}

fn in_shard(shard: ShardId, number: u8) -> u64 {
    Block::new(shard, u64::from(number) + 1).first()
}

fn name(what: &str, number: u8) -> Str {
    format!("{what}{number}").into()
}

fn addresses(shard: ShardId, number: u8) -> [Address; 3] {
    [
        Address::Instance(InstanceKey(in_shard(shard, number))),
        Address::Bucket { name: name("message", number), key: "k".into() },
        Address::Schedule {
            definition: DefinitionKey(u64::from(number)),
            element: u32::from(number),
        },
    ]
}

fn incident(instance: InstanceKey, b: u8) -> IncidentRow {
    IncidentRow {
        instance,
        step: StepKey(u64::from(b)),
        job: (b.is_multiple_of(2)).then(|| JobKey(u64::from(b))),
        element: name("element", b),
        process: "process".into(),
        kind: "KIND".into(),
        message: "what happened".into(),
        at_ms: i64::from(b),
    }
}

fn request(shard: ShardId, a: u8, b: u8) -> RequestRow {
    let states = [RequestState::Waiting, RequestState::Claimed, RequestState::Running];
    let state = states[usize::from(a % 3)];
    RequestRow {
        process: name("process", b % 2),
        variables: Bytes::from(vec![b; 3]),
        state,
        at_ms: i64::from(a),
        due_ms: i64::from(b),
        shard: (state != RequestState::Waiting).then_some(shard),
        instance: (a.is_multiple_of(2)).then(|| InstanceKey(in_shard(shard, a))),
        reason: (b.is_multiple_of(2)).then(|| name("reason", b)),
        ended_ms: (a.is_multiple_of(2)).then_some(i64::from(b)),
    }
}

fn entry(shard: ShardId, a: u8, b: u8) -> EntryRow {
    let states = [EntryState::Queued, EntryState::InProcess, EntryState::Parked, EntryState::Dead];
    EntryRow {
        trigger: name("trigger", b % 2),
        document: DocumentKey(in_shard(shard, a % KEYS)),
        state: states[usize::from(a % 4)],
        attempts: u32::from(a),
        due_ms: i64::from(b),
        instance: (a.is_multiple_of(2)).then(|| InstanceKey(u64::from(a))),
        reason: (b.is_multiple_of(2)).then(|| name("reason", b)),
    }
}
