//! Documents and variables that are not what they should be.
//!
//! Boundary: the faces; what a document must be is checked by `node`.
//! Read first: [`each_document_is_refused_with_its_reason`].

use proto::gateway::CreateProcessInstanceRequest;
use serde_json::{Value, json};
use tonic::Code;

use super::server::wait_for;
use super::shop::{ORDER, Shop, model};

const JSON: &str = "application/json";

#[test]
fn each_document_is_refused_with_its_reason() {
    let shop = Shop::open();
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let cases: [(&str, &[u8], u16, &str, &str); 8] = [
        (ORDER, b"{\"n\":", 400, "API-001", "expected a value at byte 5"),
        (ORDER, b"{\"n\":\"\xff\xfe\"}", 400, "API-001", "expected valid UTF-8 at byte 6"),
        (ORDER, deep.as_bytes(), 400, "API-001", "nested deeper than 128 levels at byte 128"),
        (ORDER, b"[1]", 400, "NODE-003", "object"),
        ("shop/ordr", b"{\"n\":1}", 404, "NODE-010", "did you mean `shop/order`?"),
        (ORDER, b"{\"n\":\"one\"}", 422, "NODE-011", "\"pointer\":\"/n\""),
        (ORDER, b"{\"n\":1,\"lines\":[{}]}", 422, "NODE-011", "\"pointer\":\"/lines/0\""),
        (ORDER, b"{}", 422, "NODE-011", "\"pointer\":\"\""),
    ];
    for (document_type, body, status, code, wanted) in cases {
        let path = format!("/api/documents/{document_type}");
        let answer = shop.server.send("POST", &path, JSON, &[body]);
        let problem = answer.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem.to_string().contains(wanted), "{problem}");
        shop.goes_on();
    }
    let refused = shop.server.publish("elsewhere/of-no-such-kind", &json!({"n": 1})).expect(404);
    assert_eq!(refused["code"], "NODE-010", "{refused}");
    // What could not be a document has left none.
    assert_eq!(shop.accepted.get(), 8);
    shop.nothing_is_lost();
}

/// A process to start with text of so many bytes.
fn of_bytes(bytes: usize) -> Value {
    json!({"process": "order", "variables": {"n": 0, "text": "x".repeat(bytes)}})
}

async fn create(shop: &Shop, bytes: usize) -> Result<i64, tonic::Status> {
    let request = CreateProcessInstanceRequest {
        bpmn_process_id: "order".to_owned(),
        version: -1,
        variables: of_bytes(bytes)["variables"].to_string(),
        ..CreateProcessInstanceRequest::default()
    };
    let answer = shop.gateway().await.create_process_instance(request).await?;
    Ok(answer.into_inner().process_instance_key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_megabytes_are_refused_by_both_faces() {
    let shop = Shop::open();
    for path in ["/api/instances", "/api/documents/shop/order"] {
        let problem = shop.server.post(path, &of_bytes(10_000_000)).expect(413);
        assert_eq!((&problem["code"], &problem["retry"]), (&json!("API-002"), &json!(false)));
        assert_eq!(problem["detail"], "more than 4194304 bytes");
    }
    let status = create(&shop, 10_000_000).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("limit of 4194304"), "{status}");
    shop.goes_on();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_megabytes_are_taken_where_the_limit_says_so() {
    let shop = Shop::with(&[("POINTSMAN_LIMITS_VARIABLE_BYTES", "16000000")]);
    let created = shop.server.post("/api/instances", &of_bytes(10_000_000)).expect(201);
    let by_rest = created["key"].as_str().unwrap().to_owned();
    let by_gateway = create(&shop, 10_000_000).await.unwrap().to_string();
    for key in [by_rest, by_gateway] {
        let instance = shop.server.instance(&key);
        assert_eq!(instance["variables"]["text"].as_str().map(str::len), Some(10_000_000));
        let cancel = format!("/api/instances/{key}/cancel");
        shop.server.post(&cancel, &json!({})).expect(204);
    }
    shop.goes_on();
}

/// A model makes what nobody may send: a text that doubles until it is too long.
#[test]
fn a_variable_that_grows_in_a_model_becomes_an_incident() {
    let shop = Shop::open();
    let inside = r#"<bpmn:startEvent id="begin"/>
<bpmn:sequenceFlow id="f1" sourceRef="begin" targetRef="again"/>
<bpmn:exclusiveGateway id="again" default="f2"/>
<bpmn:sequenceFlow id="f2" sourceRef="again" targetRef="double"/>
<bpmn:scriptTask id="double"><bpmn:extensionElements>
<zeebe:script expression="=text + text" resultVariable="text"/>
</bpmn:extensionElements></bpmn:scriptTask>
<bpmn:sequenceFlow id="f3" sourceRef="double" targetRef="again"/>
<bpmn:sequenceFlow id="f4" sourceRef="again" targetRef="finish">
<bpmn:conditionExpression>=text = "never"</bpmn:conditionExpression></bpmn:sequenceFlow>
<bpmn:endEvent id="finish"/>"#;
    let text = shop.deploy_model("doubling", &model("doubling", inside));
    assert!(!text.contains("error"), "{text}");
    let start = json!({"process": "doubling", "variables": {"text": "x"}});
    let created = shop.server.post("/api/instances", &start).expect(201);
    let incident = wait_for("an incident", || shop.server.all("/api/incidents?").pop());
    assert_eq!(incident["instance"], created["key"], "{incident}");
    let message = incident["message"].as_str().unwrap();
    assert!(message.contains("4194304") || message.contains("4,194,304"), "{incident}");
    shop.goes_on();
}
