//! A hundred clients that want different things of the same instances: one of them gets it.
//!
//! Boundary: the gateway; what the others are told is part of it.
//! Read first: [`of_a_hundred_clients_one_wins_each_instance`].

use std::collections::BTreeMap;

use proto::gateway::{ActivateJobsRequest, CancelProcessInstanceRequest, CompleteJobRequest};
use serde_json::json;
use tonic::Code;

use super::shop::Shop;

const INSTANCES: usize = 40;
const CLIENTS: usize = 100;

/// Instance and job of each.
async fn leased(shop: &Shop) -> Vec<(i64, i64)> {
    let request = ActivateJobsRequest {
        r#type: "work".to_owned(),
        worker: "w".to_owned(),
        timeout: 600_000,
        max_jobs_to_activate: 100,
        request_timeout: 5_000,
        ..ActivateJobsRequest::default()
    };
    let mut jobs = Vec::new();
    while jobs.len() < INSTANCES {
        let answer = shop.gateway().await.activate_jobs(request.clone()).await.unwrap();
        let mut answer = answer.into_inner();
        while let Some(batch) = answer.message().await.unwrap() {
            jobs.extend(batch.jobs.iter().map(|job| (job.process_instance_key, job.key)));
        }
    }
    jobs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_clients_one_wins_each_instance() {
    let shop = Shop::open();
    for n in 0..INSTANCES {
        let start = json!({"process": "order", "variables": {"n": n}});
        shop.server.post("/api/instances", &start).expect(201);
    }
    let jobs = leased(&shop).await;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let (mut gateway, jobs) = (shop.gateway().await, jobs.clone());
        clients.spawn(async move {
            let mut won = Vec::new();
            for step in 0..jobs.len() {
                // Everybody begins elsewhere, and all pass everywhere.
                let (instance, job) = jobs[(number * 7 + step) % jobs.len()];
                let answer = if number % 2 == 0 {
                    let request =
                        CompleteJobRequest { job_key: job, ..CompleteJobRequest::default() };
                    gateway.complete_job(request).await.map(|_| "completed")
                } else {
                    let request = CancelProcessInstanceRequest {
                        process_instance_key: instance,
                        ..CancelProcessInstanceRequest::default()
                    };
                    gateway.cancel_process_instance(request).await.map(|_| "cancelled")
                };
                match answer {
                    Ok(end) => won.push((instance, end)),
                    Err(status) => assert_eq!(status.code(), Code::NotFound, "{status}"),
                }
            }
            won
        });
    }
    let won = clients.join_all().await.concat();
    let ends: BTreeMap<i64, &str> = won.iter().copied().collect();
    assert_eq!((won.len(), ends.len()), (INSTANCES, INSTANCES), "{won:?}");
    for (instance, end) in ends {
        let row = shop.server.instance(&instance.to_string());
        assert_eq!(row["state"], end, "{row}");
    }
    shop.goes_on();
}
