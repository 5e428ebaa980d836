//! The load generator against a server in this process that answers from memory.

mod stub;

use clap::Parser;

use self::stub::{Behaviour, Stub};
use super::{Options, Profile, Summary, model, run};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    options: Options,
}

async fn bench(stub: &Stub, arguments: &str) -> anyhow::Result<Summary> {
    let addresses = ["--grpc", &stub.grpc, "--http", &stub.http];
    let line = ["bench"].into_iter().chain(addresses).chain(arguments.split(' '));
    run(&Command::parse_from(line).options).await
}

fn json(summary: &Summary) -> serde_json::Value {
    serde_json::to_value(summary).unwrap()
}

#[tokio::test]
async fn each_profile_completes_every_instance_it_starts() {
    let stub = Stub::start(Behaviour::default()).await;
    for profile in ["W0", "W1", "W10", "D1"] {
        let arguments = format!("--profile {profile} --instances 300 --in-flight 20");
        let summary = bench(&stub, &arguments).await.unwrap();
        assert_eq!(summary.complaint(), None, "{profile}");
        let summary = json(&summary);
        assert_eq!(summary["accepted"], 300, "{profile}");
        assert_eq!(summary["completed"], 300, "{profile}");
        assert_eq!(summary["instances"], 300, "{profile}");
        assert!(summary["p50_ms"].as_f64() <= summary["p99_ms"].as_f64());
        assert!(summary["p99_ms"].as_f64() <= summary["max_ms"].as_f64());
    }
}

#[tokio::test]
async fn a_rate_starts_all_that_is_due_in_its_time() {
    let stub = Stub::start(Behaviour::default()).await;
    for profile in ["W1", "D1"] {
        let arguments = format!("--profile {profile} --rate 500 --duration 0.4 --warm-up 0.1");
        let summary = bench(&stub, &arguments).await.unwrap();
        assert_eq!(summary.complaint(), None, "{profile}");
        assert_eq!(json(&summary)["accepted"], 250, "{profile}");
    }
}

#[tokio::test]
async fn waiting_instances_stay_and_do_not_count() {
    let stub = Stub::start(Behaviour::default()).await;
    let summary = bench(&stub, "--profile W1 --instances 5 --waiting 40").await.unwrap();
    assert_eq!(summary.complaint(), None);
    assert_eq!(json(&summary)["completed"], 5);
    assert_eq!(stub.active(model::WAITING), 40);
}

#[tokio::test]
async fn jobs_of_an_earlier_run_are_worked_and_not_counted() {
    let stub = Stub::start(Behaviour::default()).await;
    stub.leave_behind(Profile::W1.process(), 7);
    let summary = bench(&stub, "--profile W1 --instances 5 --in-flight 1").await.unwrap();
    assert_eq!(summary.complaint(), None);
    assert_eq!(json(&summary)["accepted"], 5);
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let stub = Stub::start(Behaviour { busy_every: Some(10), ..Behaviour::default() }).await;
    let summary = bench(&stub, "--profile W1 --duration 0.3 --warm-up 0").await.unwrap();
    assert_eq!(summary.complaint(), None);
    assert!(json(&summary)["busy"].as_u64().unwrap() > 0);
}

/// BENCH-1.
#[tokio::test]
async fn a_lost_instance_and_a_failed_call_are_told() {
    let lossy = Stub::start(Behaviour { lose_every: Some(10), ..Behaviour::default() }).await;
    let summary = bench(&lossy, "--profile W1 --instances 20 --patience 2").await.unwrap();
    let complaint = summary.complaint().unwrap();
    assert!(complaint.contains("18 completed, 2 still active, 2 failures"), "{complaint}");

    let failing = Stub::start(Behaviour { fail_every: Some(10), ..Behaviour::default() }).await;
    let summary = bench(&failing, "--profile W10 --instances 20 --patience 2").await.unwrap();
    assert!(summary.complaint().unwrap().contains("no such job"), "{summary:?}");
    assert!(summary.table().contains("NO"), "{}", summary.table());
}

#[tokio::test]
async fn what_cannot_be_reached_or_run_is_an_error() {
    let stub = Stub::start(Behaviour::default()).await;
    let error = async |change: fn(&mut Options)| {
        let addresses = ["bench", "--grpc", &stub.grpc, "--http", &stub.http];
        let mut options = Command::parse_from(addresses).options;
        change(&mut options);
        format!("{:#}", run(&options).await.unwrap_err())
    };
    let port = error(|options| options.http = vec!["http://localhost".to_owned()]).await;
    assert!(port.contains("no port"), "{port}");
    let nobody = error(|options| options.grpc = vec!["http://127.0.0.1:1".to_owned()]).await;
    assert!(nobody.contains("127.0.0.1:1"), "{nobody}");
    assert!(error(|options| options.connections = 0).await.contains("at least 1"));
    assert!(error(|options| options.rate = Some(-1.0)).await.contains("above 0"));
}

#[test]
fn models_name_their_jobs_and_join_their_steps() {
    for (process, jobs) in [("bench-w0", 0), ("bench-w1", 1), ("bench-w10", 10)] {
        let xml = String::from_utf8(model::process(process, jobs)).unwrap();
        assert_eq!(xml.matches("<bpmn:serviceTask").count(), jobs as usize);
        assert_eq!(xml.matches("<zeebe:script ").count(), usize::from(jobs == 0));
        let steps = jobs.max(1) as usize;
        assert_eq!(xml.matches("<bpmn:sequenceFlow").count(), steps + 1);
        assert_eq!(xml.matches("sourceRef=\"start\"").count(), 1);
        assert_eq!(xml.matches("targetRef=\"end\"").count(), 1);
        for reference in xml.split("Ref=\"").skip(1) {
            let id = reference.split('"').next().unwrap();
            assert!(xml.contains(&format!("id=\"{id}\"")), "{id} in {xml}");
        }
    }
    assert!(!model::package().unwrap().is_empty());
}
