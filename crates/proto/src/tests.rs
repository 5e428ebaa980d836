//! Pins WIRE-1: the bytes of messages that clients of other makers read and write.

use prost::Message;

use crate::gateway::activated_job::{JobKind, ListenerEventType};
use crate::gateway::deployment::Metadata;
use crate::gateway::{
    ActivateJobsRequest, ActivateJobsResponse, ActivatedJob, CompleteJobRequest,
    CreateProcessInstanceRequest, CreateProcessInstanceWithResultRequest, DeployResourceResponse,
    Deployment, FailJobRequest, FormMetadata, JobResult, ModifyProcessInstanceRequest,
    StreamActivatedJobsRequest, modify_process_instance_request,
};
use crate::health::{HealthCheckResponse, health_check_response::ServingStatus};

/// The field number and wire type of the first field in `bytes`.
fn first_field(bytes: &[u8]) -> (u64, u64) {
    let mut rest = bytes;
    let tag = prost::encoding::decode_varint(&mut rest).unwrap();
    (tag >> 3, tag & 7)
}

#[test]
fn a_completion_encodes_to_the_known_bytes() {
    let request = CompleteJobRequest { job_key: 300, variables: "{}".into(), ..Default::default() };
    assert_eq!(request.encode_to_vec(), [0x08, 0xac, 0x02, 0x12, 0x02, b'{', b'}']);

    let with_result = CompleteJobRequest {
        result: Some(JobResult { denied: Some(false), ..Default::default() }),
        job_lease_token: Some(String::new()),
        ..Default::default()
    };
    assert_eq!(with_result.encode_to_vec(), [0x1a, 0x02, 0x08, 0x00, 0x22, 0x00]);
}

#[test]
fn a_creation_encodes_to_the_known_bytes() {
    let request = CreateProcessInstanceRequest {
        bpmn_process_id: "p".into(),
        version: -1,
        variables: "{}".into(),
        ..Default::default()
    };
    let expected =
        [&[0x12, 0x01, b'p', 0x18][..], &[0xff; 9], &[0x01, 0x22, 0x02, b'{', b'}']].concat();
    assert_eq!(request.encode_to_vec(), expected);

    let awaited = CreateProcessInstanceWithResultRequest {
        request: Some(CreateProcessInstanceRequest {
            process_definition_key: 1,
            ..Default::default()
        }),
        request_timeout: 5,
        fetch_variables: vec!["a".into()],
    };
    assert_eq!(awaited.encode_to_vec(), [0x0a, 2, 8, 1, 0x10, 5, 0x1a, 1, b'a']);
}

#[test]
fn an_activation_encodes_to_the_known_bytes() {
    let poll = ActivateJobsRequest {
        r#type: "t".into(),
        worker: "w".into(),
        timeout: 1,
        max_jobs_to_activate: 2,
        fetch_variable: vec!["v".into()],
        request_timeout: 3,
        tenant_ids: vec!["x".into()],
        with_lease: true,
    };
    let head = [0x0a, 1, b't', 0x12, 1, b'w', 0x18, 1];
    let tail = [0x20, 2, 0x2a, 1, b'v', 0x30, 3, 0x3a, 1, b'x', 0x48, 1];
    assert_eq!(poll.encode_to_vec(), [&head[..], &tail].concat());

    let stream = StreamActivatedJobsRequest {
        r#type: "t".into(),
        worker: "w".into(),
        timeout: 1,
        fetch_variable: vec!["v".into()],
        tenant_ids: vec!["x".into()],
        with_lease: true,
    };
    let tail = [0x2a, 1, b'v', 0x32, 1, b'x', 0x40, 1];
    assert_eq!(stream.encode_to_vec(), [&head[..], &tail].concat());
}

#[test]
fn known_field_numbers_are_kept() {
    let job = |change: fn(&mut ActivatedJob)| {
        let mut job = ActivatedJob::default();
        change(&mut job);
        first_field(&job.encode_to_vec())
    };
    assert_eq!(job(|job| job.deadline = 1), (12, 0));
    assert_eq!(job(|job| job.variables = "{}".into()), (13, 2));
    assert_eq!(job(|job| job.kind = JobKind::TaskListener.into()), (16, 0));
    assert_eq!(job(|job| job.listener_event_type = ListenerEventType::Start.into()), (17, 0));
    assert_eq!(job(|job| job.tags.push("a".into())), (18, 2));
    assert_eq!(job(|job| job.job_lease_token = Some("a".into())), (21, 2));

    let failure = FailJobRequest { retry_back_off: 1, ..Default::default() };
    assert_eq!(first_field(&failure.encode_to_vec()), (4, 0));

    let form = Deployment { metadata: Some(Metadata::Form(FormMetadata::default())) };
    assert_eq!(form.encode_to_vec(), [0x22, 0]);

    let end = modify_process_instance_request::TerminateInstruction { element_instance_key: 1 };
    let change =
        ModifyProcessInstanceRequest { terminate_instructions: vec![end], ..Default::default() };
    assert_eq!(change.encode_to_vec(), [0x1a, 2, 8, 1]);

    let serving = HealthCheckResponse { status: ServingStatus::Serving.into() };
    assert_eq!(serving.encode_to_vec(), [8, 1]);
}

#[test]
fn unknown_fields_are_ignored() {
    // Field 8 is a number of ActivateJobsRequest that is not ours; 20 one of ActivatedJob.
    let poll = ActivateJobsRequest::decode(&[0x0a, 1, b't', 0x40, 1][..]).unwrap();
    assert_eq!(poll.r#type, "t");
    let jobs = ActivateJobsResponse::decode(&[0x0a, 6, 8, 7, 0xa2, 1, 1, b'x'][..]).unwrap();
    assert_eq!(jobs.jobs[0].key, 7);
    assert!(DeployResourceResponse::decode(&[0x52, 1, b'x'][..]).is_ok());
}
