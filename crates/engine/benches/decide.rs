//! What decisions cost: a job step from start to end (W1), and a straight line of 100 steps.
//! `cargo bench -p engine` prints microseconds per call, the median of eleven rounds.

use std::hint::black_box;
use std::time::Instant;

use bpmn::Program;
use engine::ids::{Blocks, DefinitionKey, InstanceKey, JobKey, ShardId};
use engine::instance::{Instance, Rules, decide, start};
use engine::{Command, Effect, Limits, Stamp, Start};
use feel::Context;

const RULES: Rules = Rules { definition: DefinitionKey(1), version: 1, optimize_locally: true };

fn begin(program: &Program, blocks: &mut Blocks, limits: &Limits) -> (Instance, Vec<Effect>) {
    let command = Start {
        element: None,
        variables: Context::default(),
        caller: None,
        origin: None,
        holds: None,
        business_key: None,
    };
    let mut stamp = Stamp { now_ms: 0, limits, blocks, decisions: &engine::NoDecisions };
    let key = InstanceKey(stamp.blocks.take().first());
    let (state, decision) = start(key, program, &RULES, command, &mut stamp).expect("it starts");
    (state, decision.effects)
}

fn offered(effects: &[Effect]) -> JobKey {
    let job = effects.iter().find_map(|effect| match effect {
        Effect::OfferJob { job, .. } => Some(*job),
        _ => None,
    });
    job.expect("a job is offered")
}

fn tell(state: &mut Instance, program: &Program, command: Command, limits: &Limits) {
    let mut blocks = Blocks::new(ShardId(1), 1_000);
    let mut stamp =
        Stamp { now_ms: 0, limits, blocks: &mut blocks, decisions: &engine::NoDecisions };
    let decision = decide(state, program, &RULES, command, &mut stamp).expect("it is accepted");
    black_box(decision);
}

/// Prints what one call of `work` on a fresh `input` costs.
fn measure<I, R>(name: &str, calls: u32, input: impl Fn() -> I, mut work: impl FnMut(I) -> R) {
    let mut rounds = Vec::new();
    for _ in 0..11 {
        let inputs: Vec<I> = (0..calls).map(|_| input()).collect();
        let mut outputs = Vec::with_capacity(inputs.len());
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let from = Instant::now();
        for input in inputs {
            outputs.push(work(black_box(input)));
        }
        rounds.push(from.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
        black_box(outputs);
    }
    rounds.sort_by(f64::total_cmp);
    #[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
    {
        println!("{name:40} {:8.2} µs", rounds[rounds.len() / 2]);
    }
}

fn one_job() {
    let limits = Limits::default();
    let text = "model w1\n start s -> work\n task work -> done type=work\n end done";
    let program = bpmn::read_text(text).expect("a model");
    let mut blocks = Blocks::new(ShardId(1), 1);
    measure("W1 start to job", 2_000, || (), |()| begin(&program, &mut blocks, &limits));
    let (ready, effects) = begin(&program, &mut blocks, &limits);
    let job = offered(&effects);
    let lease = || Command::LeaseJob { job, worker: "w".into(), deadline_ms: 60_000 };
    let mut leased = ready.clone();
    tell(&mut leased, &program, lease(), &limits);
    let complete = || Command::CompleteJob { job, variables: Context::default() };
    measure(
        "W1 lease",
        2_000,
        || (ready.clone(), lease()),
        |(mut state, command)| {
            tell(&mut state, &program, command, &limits);
            state
        },
    );
    measure(
        "W1 complete to end",
        2_000,
        || (leased.clone(), complete()),
        |(mut state, command)| {
            tell(&mut state, &program, command, &limits);
            state
        },
    );
    let snapshot = || {
        let mut bytes = Vec::with_capacity(512);
        leased.encode_to(&mut bytes);
        bytes
    };
    measure("W1 snapshot written", 2_000, || (), |()| snapshot());
    measure("W1 snapshot read", 2_000, snapshot, |bytes| Instance::decode(&bytes));
}

fn straight_line(name: &str, step: impl Fn(u32) -> String) {
    let limits = Limits::default();
    let mut text = String::from("model line\n start s -> t0\n");
    for at in 0..98 {
        text += &format!(" {} -> t{}\n", step(at), at + 1);
    }
    text += " end t98\n";
    let program = bpmn::read_text(&text).expect("a model");
    let mut blocks = Blocks::new(ShardId(1), 1);
    measure(name, 200, || (), |()| begin(&program, &mut blocks, &limits));
}

fn main() {
    one_job();
    straight_line("100 steps in a line", |at| format!("undefined t{at}"));
    straight_line("100 steps in a line, each a script", |at| {
        format!("script t{at} \"=n + {at}\" result=n")
    });
}
