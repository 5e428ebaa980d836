//! Snapshots and events that earlier versions wrote still decode, and say the same. A file here is
//! never rewritten: a new form of the state gets a new file beside it.

use std::fs;
use std::path::PathBuf;

use engine::Event;
use engine::ids::{Blocks, DefinitionKey, InstanceKey, ShardId};
use engine::instance::{Instance, JobState, Rules, Wait, apply, begin, decide, start};
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
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/1").join(name)
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

/// An instance in the middle of everything, with all its events.
fn instance() -> (Instance, Vec<Event>) {
    let program = bpmn::read_text(MODEL).expect("a model");
    let limits = Limits::default();
    let mut blocks = Blocks::new(ShardId(1), 2);
    let rules = Rules { definition: DefinitionKey(7), version: 3, optimize_locally: true };
    let json = br#"{"id": 12, "text": "a", "deep": [1.5, {"x": null, "y": [true, -3]}]}"#;
    let Ok(Value::Context(variables)) = feel::json::parse(json) else { panic!("an object") };
    let command = Start {
        element: None,
        variables,
        caller: None,
        origin: Some(engine::ids::EntryKey(5)),
        holds: Some(("placed".into(), "o-1".into())),
        business_key: Some("C-17".into()),
    };
    let mut stamp = Stamp { now_ms: 1_767_225_600_000, limits: &limits, blocks: &mut blocks };
    let key = InstanceKey(stamp.blocks.take().first());
    let (mut state, decision) =
        start(key, &program, &rules, command, &mut stamp).expect("it starts");
    let mut events = decision.events;
    let job = state.steps.values().find_map(|step| match &step.wait {
        Wait::Job(job) => Some(job.key),
        _ => None,
    });
    let job = job.expect("a job");
    let call = state.steps.iter().find(|(_, step)| step.wait == Wait::Call).expect("a call");
    let step = *call.0;
    let fail = Command::FailJob {
        job,
        retries: 0,
        message: "down".into(),
        back_off_ms: 0,
        variables: feel::Context::default(),
    };
    for command in [
        Command::AcceptChild { step, child: InstanceKey(99) },
        Command::LeaseJob { job, worker: "anna".into(), deadline_ms: 1_767_225_660_000 },
        fail,
    ] {
        let decision = decide(&mut state, &program, &rules, command, &mut stamp);
        events.extend(decision.expect("it is accepted").events);
    }
    (state, events)
}

#[test]
fn a_stored_instance_decodes_to_the_same_state() {
    let (state, _) = instance();
    let mut bytes = Vec::new();
    state.encode_to(&mut bytes);
    let stored = Instance::decode(&golden("instance.cbor", &bytes)).expect("it decodes");
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
    let stored: Vec<Event> = minicbor::decode(&golden("events.cbor", &bytes)).expect("they decode");
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
    let stored = Bucket::decode(&golden("bucket.cbor", &bytes)).expect("it decodes");
    assert_eq!(stored, bucket);
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
