//! The gateway's calls but for jobs, by a generated client.

use proto::gateway::deployment::Metadata;
use proto::gateway::{
    BroadcastSignalRequest, CancelProcessInstanceRequest, CreateProcessInstanceRequest,
    CreateProcessInstanceWithResultRequest, DeployResourceRequest, PublishMessageRequest, Resource,
    SetVariablesRequest, TopologyRequest,
};
use proto::health::HealthCheckRequest;
use proto::health::health_check_response::ServingStatus;
use proto::health::health_client::HealthClient;
use tonic::Code;

use crate::server::{ONE_JOB, SCRIPT, Server, bpmn};

pub(crate) fn start(process: &str, variables: &str) -> CreateProcessInstanceRequest {
    CreateProcessInstanceRequest {
        bpmn_process_id: process.to_owned(),
        version: -1,
        variables: variables.to_owned(),
        ..CreateProcessInstanceRequest::default()
    }
}

#[tokio::test]
async fn a_resource_is_deployed_and_runs_to_its_result() {
    let server = Server::start().await;
    let mut gateway = server.gateway().await;
    let resource = Resource { name: "q.bpmn".to_owned(), content: bpmn("q", SCRIPT).into_bytes() };
    let request = DeployResourceRequest { resources: vec![resource], tenant_id: String::new() };
    let deployed = gateway.deploy_resource(request.clone()).await.unwrap().into_inner();
    let Some(Metadata::Process(process)) = &deployed.deployments[0].metadata else {
        panic!("no process: {deployed:?}");
    };
    assert_eq!((process.bpmn_process_id.as_str(), process.version), ("q", 1));
    assert!(deployed.key > 0);
    let again = gateway.deploy_resource(request).await.unwrap().into_inner();
    assert_eq!(again.deployments, deployed.deployments);
    let mut by_key = start("", r#"{"a":0.1234567890123456789012}"#);
    by_key.process_definition_key = process.process_definition_key;
    for request in [by_key, start("q", r#"{"a":0.1234567890123456789012}"#)] {
        let request = CreateProcessInstanceWithResultRequest {
            request: Some(request),
            request_timeout: 20_000,
            fetch_variables: vec!["b".to_owned()],
        };
        let ended = gateway.create_process_instance_with_result(request).await.unwrap();
        assert_eq!(ended.into_inner().variables, r#"{"b":1.1234567890123456789012}"#);
    }
    server.stop().await;
}

const DECISION: &str = r#"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"
  name="d" namespace="d"><decision id="twice" name="Twice"><variable name="twice"/>
  <literalExpression><text>1 + 1</text></literalExpression></decision></definitions>"#;

#[tokio::test]
async fn a_decision_is_deployed_with_the_process_that_calls_it() {
    let server = Server::start().await;
    let mut gateway = server.gateway().await;
    let called = r#"<zeebe:calledDecision decisionId="twice" resultVariable="b"
        bindingType="deployment"/>"#;
    let body = format!(
        r#"<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f" sourceRef="s" targetRef="r"/>
        <bpmn:businessRuleTask id="r"><bpmn:extensionElements>{called}</bpmn:extensionElements>
        </bpmn:businessRuleTask><bpmn:sequenceFlow id="g" sourceRef="r" targetRef="e"/>
        <bpmn:endEvent id="e"/>"#
    );
    let resources = vec![
        Resource { name: "q.bpmn".to_owned(), content: bpmn("q", &body).into_bytes() },
        Resource { name: "d.dmn".to_owned(), content: DECISION.into() },
    ];
    let request = DeployResourceRequest { resources, ..Default::default() };
    let deployed = gateway.deploy_resource(request).await.unwrap().into_inner();
    let Some(Metadata::Decision(decision)) = &deployed.deployments[1].metadata else {
        panic!("no decision: {deployed:?}");
    };
    assert_eq!((decision.dmn_decision_id.as_str(), decision.version), ("twice", 1));
    assert!(decision.decision_key > 0);
    let Some(Metadata::DecisionRequirements(file)) = &deployed.deployments[2].metadata else {
        panic!("no decision requirements: {deployed:?}");
    };
    assert_eq!(decision.decision_requirements_key, file.decision_requirements_key);
    assert_eq!(decision.dmn_decision_requirements_id, "d");
    let shown = (file.dmn_decision_requirements_id.as_str(), file.version);
    assert_eq!((shown, file.resource_name.as_str()), (("d", 1), "d.dmn"));
    let request = CreateProcessInstanceWithResultRequest {
        request: Some(start("q", "")),
        request_timeout: 20_000,
        fetch_variables: vec!["b".to_owned()],
    };
    let ended = gateway.create_process_instance_with_result(request).await.unwrap();
    assert_eq!(ended.into_inner().variables, r#"{"b":2}"#);
    server.stop().await;
}

#[tokio::test]
async fn a_refused_resource_names_every_fault() {
    let server = Server::start().await;
    let mut gateway = server.gateway().await;
    for (name, content) in [("x.bpmn", "<a>"), ("x.dmn", "<a/>"), ("", "")] {
        let resource = Resource { name: name.to_owned(), content: content.into() };
        let request = DeployResourceRequest { resources: vec![resource], ..Default::default() };
        let status = gateway.deploy_resource(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let start = "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': ";
        assert!(status.message().starts_with(start), "{status}");
    }
    let none = gateway.deploy_resource(DeployResourceRequest::default()).await.unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument);
    server.stop().await;
}

#[tokio::test]
async fn instances_are_created_changed_and_cancelled() {
    let server = Server::start().await;
    server.deploy("p", ONE_JOB).await;
    let mut gateway = server.gateway().await;
    let created = gateway.create_process_instance(start("p", "")).await.unwrap().into_inner();
    assert_eq!((created.bpmn_process_id.as_str(), created.version), ("p", 1));
    let key = created.process_instance_key;
    let set = |variables: &str, element_instance_key| SetVariablesRequest {
        element_instance_key,
        variables: variables.to_owned(),
        ..SetVariablesRequest::default()
    };
    gateway.set_variables(set(r#"{"x":1}"#, key)).await.unwrap();
    let status = gateway.set_variables(set("[]", key)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let status = gateway.set_variables(set("{}", 7)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let cancel = |process_instance_key| CancelProcessInstanceRequest {
        process_instance_key,
        operation_reference: None,
    };
    gateway.cancel_process_instance(cancel(key)).await.unwrap();
    for gone in [key, 0, -1] {
        let status = gateway.cancel_process_instance(cancel(gone)).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert!(status.message().starts_with("Command 'CANCEL' rejected with code 'NOT_FOUND': "));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_start_that_cannot_be_is_refused() {
    let server = Server::start().await;
    server.deploy("p", ONE_JOB).await;
    let mut gateway = server.gateway().await;
    let mut old = start("p", "");
    old.version = 3;
    let mut tenant = start("p", "");
    tenant.tenant_id = "acme".to_owned();
    let mut business = start("p", "");
    business.business_id = Some("b".to_owned());
    for (request, code) in [
        (start("x", ""), Code::NotFound),
        (old, Code::NotFound),
        (start("", ""), Code::InvalidArgument),
        (start("p", "[1]"), Code::InvalidArgument),
        (start("p", "{"), Code::InvalidArgument),
        (tenant, Code::InvalidArgument),
        (business, Code::Unimplemented),
    ] {
        let status = gateway.create_process_instance(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
    }
    let request = CreateProcessInstanceWithResultRequest {
        request: Some(start("p", "")),
        request_timeout: 10,
        fetch_variables: Vec::new(),
    };
    let status = gateway.create_process_instance_with_result(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    server.stop().await;
}

#[tokio::test]
async fn a_message_is_buffered_once() {
    let server = Server::start().await;
    let mut gateway = server.gateway().await;
    let message = PublishMessageRequest {
        name: "paid".to_owned(),
        correlation_key: "o-1".to_owned(),
        time_to_live: 60_000,
        message_id: "m".to_owned(),
        ..PublishMessageRequest::default()
    };
    assert!(gateway.publish_message(message.clone()).await.unwrap().into_inner().key > 0);
    let status = gateway.publish_message(message).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    server.stop().await;
}

#[tokio::test]
async fn topology_and_health_are_told_and_the_rest_is_unimplemented() {
    let server = Server::start().await;
    let mut gateway = server.gateway().await;
    let topology = gateway.topology(TopologyRequest {}).await.unwrap().into_inner();
    assert_eq!(topology.brokers[0].port, i32::from(server.grpc.port()));
    assert_eq!(topology.partitions_count, 1);
    let status = gateway.broadcast_signal(BroadcastSignalRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let mut health = HealthClient::new(server.channel().await);
    for service in ["", "gateway_protocol.Gateway"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
    let other = HealthCheckRequest { service: "x".to_owned() };
    assert_eq!(health.check(other).await.unwrap_err().code(), Code::NotFound);
    server.stop().await;
}
