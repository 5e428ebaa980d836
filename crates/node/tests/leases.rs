//! Jobs that were leased for a worker whom they did not reach go back at once (LSD-1): their leases
//! here run for much longer than a test waits.

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/world.rs"]
mod world;

use std::time::Duration;

use feel::Context;
use node::{JobLease, Node, Which, WorkerRequest};
use store::Standing;

use world::{PATIENCE, World, deploy};

const JOB: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
<bpmn:process id="order" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
<bpmn:serviceTask id="c"><bpmn:extensionElements><zeebe:taskDefinition type="charge"/>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="e"/><bpmn:endEvent id="e"/>
</bpmn:process></bpmn:definitions>"#;

fn worker() -> WorkerRequest {
    WorkerRequest {
        job_type: "charge".into(),
        worker: "w".into(),
        timeout_ms: 3_600_000,
        fetch: Vec::new(),
    }
}

/// Two servers, where one has this many jobs.
async fn backlog(number: usize) -> (World, Node, Node) {
    let world = World::new();
    let (a, b) = (world.start("a"), world.start("b"));
    world.owns(&a, 4).await;
    world.owns(&b, 4).await;
    deploy(&a, JOB).await;
    for _ in 0..number {
        a.create(Which::Enabled("order".into()), Context::default()).await.expect("created");
    }
    (world, a, b)
}

/// Leases and completes so many jobs.
async fn work(node: &Node, number: usize) {
    let working = async {
        let mut done = 0;
        while done < number {
            let jobs = node.activate_jobs(worker(), 100, Some(PATIENCE)).await.unwrap();
            for job in &jobs {
                node.complete_job(job.job, Context::default()).await.expect("completed");
            }
            done += jobs.len();
        }
    };
    tokio::time::timeout(PATIENCE, working).await.expect("no job stays leased to nobody");
}

#[tokio::test]
async fn an_answer_that_comes_too_late_gives_its_jobs_back() {
    let (world, a, b) = backlog(150).await;
    world.wire.slow(Duration::from_millis(2_200));
    for _ in 0..3 {
        let jobs = b.activate_jobs(worker(), 10_000, None).await.unwrap();
        assert!(jobs.is_empty(), "the answer was too late");
    }
    world.wire.slow(Duration::ZERO);
    work(&a, 150).await;
    world.completed(150).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_poll_gets_all_that_another_server_has() {
    let (world, a, b) = backlog(150).await;
    let mut jobs = Vec::new();
    while jobs.len() < 150 {
        jobs.extend(b.activate_jobs(worker(), 10_000, Some(PATIENCE)).await.unwrap());
    }
    for job in jobs {
        b.complete_job(job.job, Context::default()).await.expect("completed");
    }
    world.completed(150).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_poll_whose_caller_went_away_gives_back_what_it_got() {
    let (world, a, b) = backlog(150).await;
    world.wire.slow(Duration::from_millis(200));
    for wait_ms in [1, 10, 100, 300] {
        let poll = b.activate_jobs(worker(), 10_000, Some(PATIENCE));
        let gone = tokio::time::timeout(Duration::from_millis(wait_ms), poll).await;
        if let Ok(jobs) = gone {
            b.give_back(jobs.unwrap().iter().map(JobLease::of));
        }
    }
    world.wire.slow(Duration::ZERO);
    work(&a, 150).await;
    world.completed(150).await;
    a.stop().await;
    b.stop().await;
}

/// A stream at `b` is full, and so is what is on its way to it, when `leave` is done to `a`.
async fn leaves(leave: impl AsyncFnOnce(&World, &Node)) {
    const JOBS: usize = 700;
    let (world, a, b) = backlog(JOBS).await;
    let mut stream = b.open_stream(worker()).unwrap();
    // What waits for `b` at `a` fills up.
    tokio::time::sleep(Duration::from_millis(500)).await;
    leave(&world, &a).await;
    world.owns(&b, 8).await;
    let (mut jobs, mut done) = (Vec::new(), 0);
    while done < JOBS {
        let next = stream.next(&mut jobs, 64);
        let came = tokio::time::timeout(PATIENCE, next).await;
        assert!(came.unwrap_or_else(|_| panic!("only {done} of {JOBS} jobs came")));
        for job in jobs.drain(..) {
            b.complete_job(job.job, Context::default()).await.expect("completed");
            done += 1;
        }
    }
    world.completed(JOBS).await;
    b.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_leaves_no_job_behind() {
    leaves(async |_, a| a.stop().await).await;
}

#[tokio::test]
async fn a_server_that_is_drained_leaves_no_job_behind() {
    leaves(async |_, a| a.drain().await).await;
}

#[tokio::test]
async fn a_server_that_stands_by_leaves_no_job_behind() {
    leaves(async |_, a| a.stand(Standing::Standby).await.unwrap()).await;
}

#[tokio::test]
async fn a_worker_that_goes_leaves_no_job_behind() {
    let (world, a, b) = backlog(700).await;
    for _ in 0..5 {
        let mut stream = b.open_stream(worker()).unwrap();
        let mut jobs = Vec::new();
        assert!(stream.next(&mut jobs, 1).await);
        b.give_back(jobs.iter().map(JobLease::of));
    }
    work(&a, 700).await;
    world.completed(700).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_lease_that_is_given_back_late_ends_no_later_one() {
    let world = World::new();
    let a = world.start_with("a", |options| options.cluster.shards = 1);
    world.owns(&a, 1).await;
    deploy(&a, JOB).await;
    for _ in 0..2 {
        a.create(Which::Enabled("order".into()), Context::default()).await.expect("created");
    }
    let mut jobs = a.activate_jobs(worker(), 2, Some(PATIENCE)).await.unwrap();
    let (mark, first) = (jobs.pop().unwrap(), jobs.pop().unwrap());
    // Both leases end in the same millisecond, and are the same worker's.
    a.give_back([JobLease::of(&first)]);
    let second = a.activate_jobs(worker(), 1, Some(PATIENCE)).await.unwrap().pop().unwrap();
    assert_eq!(second.job, first.job);
    // It comes a second time, as after a break of a connection or a pause of a server.
    a.give_back([JobLease::of(&first), JobLease::of(&mark)]);
    let third = a.activate_jobs(worker(), 1, Some(PATIENCE)).await.unwrap().pop().unwrap();
    assert_eq!(third.job, mark.job, "JOB-4: the other one has a holder");
    let none = a.activate_jobs(worker(), 1, None).await.unwrap();
    assert!(none.is_empty(), "JOB-4: {none:?}");
    a.complete_job(second.job, Context::default()).await.expect("completed");
    a.complete_job(third.job, Context::default()).await.expect("completed");
    world.completed(2).await;
    a.stop().await;
}
