//! Snapshots and events that earlier versions wrote still decode, and say the same. A file here is
//! never rewritten: a new form of the state gets a new file beside it.

use std::fs;
use std::path::PathBuf;

use bpmn::Program;
use engine::Event;
use engine::ids::{Blocks, DefinitionKey, InstanceKey, ShardId, StepKey};
use engine::instance::{Instance, JobState, Rules, Wait, apply, begin, decide, start};
use engine::lock::{self, Lock, Party};
use engine::message::Bucket;
use engine::{Command, Limits, Stamp, Start};
use feel::Value;

const MODEL: &str = "
    model golden
      start s -> charge, body, ship
      task charge -> done type=charge
      timer late @charge R3/PT1H non-interrupting -> done
      message stop @charge stopped key=\"=id\" -> done
      sub body {
        start begin -> split
        and split -> a, wait
        undefined a -> join
        receive wait paid key=\"=id\" -> join
        and join -> finish
        end finish
      } -> done
      call ship process=shipping -> done
      end done";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The committed bytes. Where the file is missing, it is written and the test fails.
fn golden(name: &str, now: &[u8]) -> Vec<u8> {
    let path = path(name);
    fs::read(&path).unwrap_or_else(|_| {
        fs::create_dir_all(path.parent().expect("a directory")).expect("writable");
        fs::write(&path, now).expect("writable");
        panic!("{name} was missing and is written; commit it");
    })
}

/// An instance that runs, with all its events.
struct Played {
    program: Program,
    blocks: Blocks,
    state: Instance,
    events: Vec<Event>,
}

impl Played {
    const RULES: Rules = Rules { definition: DefinitionKey(7), version: 3, optimize_locally: true };

    fn start(model: &str, command: Start) -> Self {
        let program = bpmn::read_text(model).expect("a model");
        let limits = Limits::default();
        let mut blocks = Blocks::new(ShardId(1), 2);
        let mut stamp = stamp(&limits, &mut blocks);
        let key = InstanceKey(stamp.blocks.take().first());
        let (state, decision) =
            start(key, &program, &Self::RULES, command, &mut stamp).expect("it starts");
        Self { program, blocks, state, events: decision.events }
    }

    fn tell(&mut self, command: Command) {
        let limits = Limits::default();
        let mut stamp = stamp(&limits, &mut self.blocks);
        let decision = decide(&mut self.state, &self.program, &Self::RULES, command, &mut stamp);
        self.events.extend(decision.expect("it is accepted").events);
    }
}

fn stamp<'a>(limits: &'a Limits, blocks: &'a mut Blocks) -> Stamp<'a> {
    Stamp { now_ms: 1_767_225_600_000, limits, blocks, decisions: &engine::NoDecisions }
}

fn bare() -> Start {
    Start {
        element: None,
        variables: feel::Context::default(),
        caller: None,
        origin: None,
        holds: None,
        business_key: None,
    }
}

/// An instance in the middle of everything, with all its events.
fn instance() -> (Instance, Vec<Event>) {
    let json = br#"{"id": 12, "text": "a", "deep": [1.5, {"x": null, "y": [true, -3]}]}"#;
    let Ok(Value::Context(variables)) = feel::json::parse(json) else { panic!("an object") };
    let command = Start {
        variables,
        origin: Some(engine::Origin::Entry(engine::ids::EntryKey(5))),
        holds: Some(("placed".into(), "o-1".into())),
        business_key: Some("C-17".into()),
        ..bare()
    };
    let mut played = Played::start(MODEL, command);
    let job = played.state.steps.values().find_map(|step| match &step.wait {
        Wait::Job(job) => Some(job.key),
        _ => None,
    });
    let job = job.expect("a job");
    let call = played.state.steps.iter().find(|(_, step)| step.wait == Wait::Call);
    let step = *call.expect("a call").0;
    played.tell(Command::AcceptChild { step, child: InstanceKey(99) });
    played.tell(Command::LeaseJob { job, worker: "anna".into(), deadline_ms: 1_767_225_660_000 });
    played.tell(Command::FailJob {
        job,
        retries: 0,
        message: "down".into(),
        back_off_ms: 0,
        variables: feel::Context::default(),
    });
    (played.state, played.events)
}

#[test]
fn a_stored_instance_decodes_to_the_same_state() {
    let (state, _) = instance();
    let mut bytes = Vec::new();
    state.encode_to(&mut bytes);
    let stored = Instance::decode(&golden("1/instance.cbor", &bytes)).expect("it decodes");
    assert_eq!(stored, state);
    assert!(stored.steps.values().any(|step| matches!(
        &step.wait,
        Wait::Job(job) if job.state == JobState::Failed
    )));
}

#[test]
fn stored_events_lead_to_the_stored_instance() {
    let (state, events) = instance();
    let bytes = minicbor::to_vec(&events).expect("writing to memory cannot fail");
    let stored: Vec<Event> =
        minicbor::decode(&golden("1/events.cbor", &bytes)).expect("they decode");
    assert_eq!(stored, events);
    let Some(Event::InstanceStarted(started)) = stored.first() else { panic!("the first event") };
    let mut replayed = begin(started);
    for event in &stored {
        apply(&mut replayed, event);
    }
    assert_eq!(replayed, state);
}

#[test]
fn a_stored_bucket_decodes_to_the_same_state() {
    let mut bucket = Bucket::default();
    bucket.buffered.push(engine::message::Buffered {
        message: engine::ids::MessageKey(4),
        id: "x".into(),
        variables: [("sum".into(), Value::from(5))].into(),
        deadline_ms: 1_767_225_660_000,
        taken_by: vec!["order".into()],
        only: Some("audit".into()),
    });
    bucket.waiting.push(engine::message::Waiting {
        instance: InstanceKey(1),
        step: engine::ids::StepKey(2),
        element: 3,
        process: "order".into(),
        once: true,
    });
    bucket
        .holders
        .push(engine::message::Holder { process: "order".into(), instance: InstanceKey(1) });
    let mut bytes = Vec::new();
    bucket.encode_to(&mut bytes);
    let stored = Bucket::decode(&golden("1/bucket.cbor", &bytes)).expect("it decodes");
    assert_eq!(stored, bucket);
}

/// An instance that holds a lock, lost another one and waits for a third, with all its events.
fn locking() -> (Instance, Vec<Event>) {
    let mut played = Played::start(
        "model locking
           start s -> one
           task one -> two type=pointsman:lock
             header name = one
           task two -> three type=pointsman:lock
             header name = two
           task three -> free type=pointsman:lock
             header name = three
             header timeout = PT1M
           task free type=pointsman:unlock
             header name = one",
        bare(),
    );
    for (name, fence) in [("one", 5), ("two", 6)] {
        let waits = played.state.steps.iter().find(|(_, step)| matches!(step.wait, Wait::Lock(_)));
        let step = *waits.expect("a step waits").0;
        played.tell(Command::TakeLock { step, name: name.into(), fence });
    }
    played.tell(Command::LoseLock { name: "one".into(), fence: 5 });
    (played.state, played.events)
}

#[test]
fn stored_locks_of_an_instance_decode_to_the_same_state() {
    let (state, events) = locking();
    let mut bytes = Vec::new();
    state.encode_to(&mut bytes);
    let stored = Instance::decode(&golden("2/locking.cbor", &bytes)).expect("it decodes");
    assert_eq!(stored, state);
    let bytes = minicbor::to_vec(&events).expect("writing to memory cannot fail");
    let stored: Vec<Event> =
        minicbor::decode(&golden("2/locking-events.cbor", &bytes)).expect("they decode");
    assert_eq!(stored, events);
}

/// An instance that fails with its server while a rollback step still runs, with all its events.
fn failing() -> (Instance, Vec<Event>) {
    let mut played = Played::start(
        "model failing
           start s -> a, b
           task a type=a
           error died @a -> undo
           task undo type=undo
           task b type=b",
        bare(),
    );
    played.tell(Command::FailForServer { server: "srv_5".into() });
    let reason = "server `srv_5` died".into();
    played.events.push(Event::InstanceFailed { reason });
    (played.state, played.events)
}

#[test]
fn a_stored_failing_instance_decodes_to_the_same_state() {
    let (state, events) = failing();
    let mut bytes = Vec::new();
    state.encode_to(&mut bytes);
    let stored = Instance::decode(&golden("2/failing.cbor", &bytes)).expect("it decodes");
    assert_eq!(stored, state);
    assert_eq!(stored.failed_servers, ["srv_5".into()]);
    let bytes = minicbor::to_vec(&events).expect("writing to memory cannot fail");
    let stored: Vec<Event> =
        minicbor::decode(&golden("2/failing-events.cbor", &bytes)).expect("they decode");
    assert_eq!(stored, events);
}

#[test]
fn a_stored_lock_decodes_to_the_same_state() {
    let step = |step| Party::Step { instance: InstanceKey(256), step: StepKey(step) };
    let client = Party::Client { session: "anna".into() };
    let mut lock = Lock::default();
    for (party, deadline_ms, lease_until_ms) in
        [(step(257), None, None), (step(258), None, None), (client, Some(9_000), Some(5_000))]
    {
        let command = lock::Command::Acquire { party, deadline_ms, lease_until_ms };
        lock::decide(&mut lock, command, 1_000).expect("it is accepted");
    }
    let mut bytes = Vec::new();
    lock.encode_to(&mut bytes);
    let stored = Lock::decode(&golden("2/lock.cbor", &bytes)).expect("it decodes");
    assert_eq!(stored, lock);
    assert_eq!(stored.next_due_ms(), Some(5_000));
}

#[test]
fn damaged_snapshots_are_refused_or_decode_but_never_panic() {
    let (state, _) = instance();
    let mut bytes = Vec::new();
    state.encode_to(&mut bytes);
    for at in 0..bytes.len() {
        for value in [0x00, 0x7f, 0x9f, 0xbf, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            let _any = Instance::decode(&damaged);
        }
        let _short = Instance::decode(&bytes[..at]);
    }
}
