//! Jobs for workers, by a generated client.

use proto::gateway::gateway_client::GatewayClient;
use proto::gateway::{
    ActivateJobsRequest, ActivatedJob, CompleteJobRequest, FailJobRequest, ResolveIncidentRequest,
    StreamActivatedJobsRequest, ThrowErrorRequest, UpdateJobRetriesRequest,
    UpdateJobTimeoutRequest,
};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::gateway::start;
use crate::server::{ONE_JOB, Server};

fn poll(most: i32, request_timeout: i64) -> ActivateJobsRequest {
    ActivateJobsRequest {
        r#type: "work".to_owned(),
        worker: "w".to_owned(),
        timeout: 60_000,
        max_jobs_to_activate: most,
        request_timeout,
        ..ActivateJobsRequest::default()
    }
}

fn streaming(timeout: i64) -> StreamActivatedJobsRequest {
    StreamActivatedJobsRequest {
        r#type: "work".to_owned(),
        worker: "w".to_owned(),
        timeout,
        ..StreamActivatedJobsRequest::default()
    }
}

fn complete(job_key: i64) -> CompleteJobRequest {
    CompleteJobRequest { job_key, ..CompleteJobRequest::default() }
}

async fn activate(
    gateway: &mut GatewayClient<Channel>,
    request: ActivateJobsRequest,
) -> Result<Vec<ActivatedJob>, Status> {
    let mut stream = gateway.activate_jobs(request).await?.into_inner();
    let mut jobs = Vec::new();
    while let Some(batch) = stream.message().await? {
        jobs.extend(batch.jobs);
    }
    Ok(jobs)
}

async fn one_job() -> (Server, GatewayClient<Channel>) {
    let server = Server::start().await;
    server.deploy("p", ONE_JOB).await;
    let gateway = server.gateway().await;
    (server, gateway)
}

#[tokio::test]
async fn a_job_carries_what_its_worker_needs_and_is_completed_once() {
    let (server, mut gateway) = one_job().await;
    let variables = r#"{"total":0.1234567890123456789012,"name":"\"é\""}"#;
    let created =
        gateway.create_process_instance(start("p", variables)).await.unwrap().into_inner();
    let jobs = activate(&mut gateway, poll(5, 20_000)).await.unwrap();
    assert_eq!(jobs.len(), 1);
    let job = &jobs[0];
    assert_eq!(job.process_instance_key, created.process_instance_key);
    assert_eq!(job.process_definition_key, created.process_definition_key);
    assert_eq!((job.bpmn_process_id.as_str(), job.element_id.as_str()), ("p", "t"));
    assert_eq!(job.custom_headers, r#"{"how":"\"fast\""}"#);
    assert_eq!(job.variables, r#"{"name":"\"é\"","total":0.1234567890123456789012}"#);
    assert_eq!((job.retries, job.worker.as_str()), (2, "w"));
    assert_eq!(job.tenant_id, "<default>");
    assert!(job.deadline > server.node.now_ms());
    let mut done = complete(job.key);
    done.variables = r#"{"ok":true}"#.to_owned();
    gateway.complete_job(done.clone()).await.unwrap();
    let status = gateway.complete_job(done).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().starts_with("Command 'COMPLETE' rejected with code 'NOT_FOUND': "));
    for unknown in [1, 0, -5, i64::MAX] {
        let status = gateway.complete_job(complete(unknown)).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{unknown}: {status}");
    }
    server.stop().await;
}

#[tokio::test]
async fn only_wanted_variables_are_sent() {
    let (server, mut gateway) = one_job().await;
    gateway.create_process_instance(start("p", r#"{"a":1,"b":2}"#)).await.unwrap();
    let mut request = poll(1, 20_000);
    request.fetch_variable = vec!["b".to_owned()];
    let jobs = activate(&mut gateway, request).await.unwrap();
    assert_eq!(jobs[0].variables, r#"{"b":2}"#);
    server.stop().await;
}

#[tokio::test]
async fn a_poll_returns_at_once_waits_or_is_woken() {
    let (server, mut gateway) = one_job().await;
    assert!(activate(&mut gateway, poll(1, -1)).await.unwrap().is_empty());
    assert!(activate(&mut gateway, poll(1, 20)).await.unwrap().is_empty());
    let mut other = gateway.clone();
    let polling = activate(&mut gateway, poll(1, 20_000));
    let creating = async {
        // The poll is on its way first; when it comes second it finds the job at once.
        tokio::task::yield_now().await;
        other.create_process_instance(start("p", "")).await.unwrap();
    };
    let (jobs, ()) = tokio::join!(polling, creating);
    assert_eq!(jobs.unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_request_for_jobs_that_cannot_be_is_refused() {
    let (server, mut gateway) = one_job().await;
    let blank = ActivateJobsRequest { r#type: " ".to_owned(), ..poll(1, -1) };
    let nobody = ActivateJobsRequest { worker: String::new(), ..poll(1, -1) };
    let no_time = ActivateJobsRequest { timeout: 0, ..poll(1, -1) };
    let tenant = ActivateJobsRequest { tenant_ids: vec!["acme".to_owned()], ..poll(1, -1) };
    for request in [blank, nobody, no_time, tenant, poll(0, -1), poll(-1, -1)] {
        let status = activate(&mut gateway, request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    let leased = ActivateJobsRequest { with_lease: true, ..poll(1, -1) };
    let status = activate(&mut gateway, leased).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let status = gateway.stream_activated_jobs(streaming(0)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_gets_what_piled_up_and_what_comes() {
    let (server, mut gateway) = one_job().await;
    for _ in 0..700 {
        gateway.create_process_instance(start("p", "")).await.unwrap();
    }
    let mut stream = gateway.stream_activated_jobs(streaming(60_000)).await.unwrap().into_inner();
    for number in 0..710 {
        if number >= 700 {
            gateway.create_process_instance(start("p", "")).await.unwrap();
        }
        let job = stream.message().await.unwrap().unwrap();
        gateway.complete_job(complete(job.key)).await.unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn jobs_of_a_worker_that_leaves_go_to_another() {
    let (server, mut gateway) = one_job().await;
    for _ in 0..600 {
        gateway.create_process_instance(start("p", "")).await.unwrap();
    }
    let mut leaving = server.gateway().await;
    let mut stream = leaving.stream_activated_jobs(streaming(500)).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    drop((stream, leaving));
    // What had reached the worker comes back when its lease ends, the rest at once.
    let mut done = 0;
    while done < 600 {
        for job in activate(&mut gateway, poll(100, 20_000)).await.unwrap() {
            gateway.complete_job(complete(job.key)).await.unwrap();
            done += 1;
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_failing_job_is_tried_again_until_an_incident() {
    let (server, mut gateway) = one_job().await;
    gateway.create_process_instance(start("p", "")).await.unwrap();
    let fail = |job_key, retries| FailJobRequest {
        job_key,
        retries,
        error_message: "no paper".to_owned(),
        ..FailJobRequest::default()
    };
    let key = activate(&mut gateway, poll(1, 20_000)).await.unwrap()[0].key;
    gateway.fail_job(fail(key, 1)).await.unwrap();
    let again = activate(&mut gateway, poll(1, 20_000)).await.unwrap();
    assert_eq!((again[0].key, again[0].retries), (key, 1));
    gateway.fail_job(fail(key, 0)).await.unwrap();
    let status = gateway.complete_job(complete(key)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("rejected with code 'INVALID_STATE'"), "{status}");
    let incidents = server.node.incidents(None, None, 10).await.unwrap();
    let resolve = |key| ResolveIncidentRequest { incident_key: key, operation_reference: None };
    let incident = incidents[0].0.to_i64();
    let status = gateway.resolve_incident(resolve(incident)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    let update = |retries| UpdateJobRetriesRequest {
        job_key: key,
        retries,
        ..UpdateJobRetriesRequest::default()
    };
    let status = gateway.update_job_retries(update(0)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    gateway.update_job_retries(update(3)).await.unwrap();
    gateway.resolve_incident(resolve(incident)).await.unwrap();
    let status = gateway.resolve_incident(resolve(incident)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let again = activate(&mut gateway, poll(1, 20_000)).await.unwrap();
    assert_eq!((again[0].key, again[0].retries), (key, 3));
    let timeout = UpdateJobTimeoutRequest {
        job_key: key,
        timeout: 90_000,
        ..UpdateJobTimeoutRequest::default()
    };
    gateway.update_job_timeout(timeout).await.unwrap();
    let error = ThrowErrorRequest {
        job_key: key,
        error_code: "NO_PAPER".to_owned(),
        ..ThrowErrorRequest::default()
    };
    gateway.throw_error(error).await.unwrap();
    let incidents = server.node.incidents(None, None, 10).await.unwrap();
    assert_eq!(&*incidents[0].1.kind, "UNHANDLED_ERROR_EVENT");
    server.stop().await;
}
