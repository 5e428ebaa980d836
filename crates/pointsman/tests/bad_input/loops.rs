//! A model that never ends: it stops for a person, and others go on meanwhile.
//!
//! Boundary: the budget of steps is the engine's.
//! Read first: [`a_loop_without_end_stops_for_a_person`].

use std::time::{Duration, Instant};

use serde_json::json;

use super::server::wait_for;
use super::shop::{Shop, model};

#[test]
#[expect(clippy::disallowed_methods, reason = "how long a person waits is measured")]
fn a_loop_without_end_stops_for_a_person() {
    let shop = Shop::open();
    let inside = r#"<bpmn:startEvent id="begin"/>
<bpmn:sequenceFlow id="f1" sourceRef="begin" targetRef="again"/>
<bpmn:exclusiveGateway id="again" default="f2"/>
<bpmn:sequenceFlow id="f2" sourceRef="again" targetRef="add"/>
<bpmn:scriptTask id="add"><bpmn:extensionElements>
<zeebe:script expression="=n + 1" resultVariable="n"/>
</bpmn:extensionElements></bpmn:scriptTask>
<bpmn:sequenceFlow id="f3" sourceRef="add" targetRef="again"/>
<bpmn:sequenceFlow id="f4" sourceRef="again" targetRef="finish">
<bpmn:conditionExpression>=n &lt; 0</bpmn:conditionExpression></bpmn:sequenceFlow>
<bpmn:endEvent id="finish"/>"#;
    let text = shop.deploy_model("endless", &model("endless", inside));
    assert!(!text.contains("error"), "{text}");
    let start = json!({"process": "endless", "variables": {"n": 0}});
    let keys: Vec<String> = (0..10)
        .map(|_| shop.server.post("/api/instances", &start).expect(201)["key"].to_string())
        .collect();
    let mut slowest = Duration::ZERO;
    let incidents = wait_for("ten incidents", || {
        let begin = Instant::now();
        shop.goes_on();
        slowest = slowest.max(begin.elapsed());
        let open = shop.server.all("/api/incidents?");
        (open.len() == 10).then_some(open)
    });
    assert!(slowest < Duration::from_secs(10), "others waited {slowest:?}");
    for incident in incidents {
        let message = incident["message"].as_str().unwrap();
        assert!(message.contains("steps"), "{incident}");
        assert!(keys.contains(&incident["instance"].to_string()), "{incident}");
        let key = incident["instance"].as_str().unwrap();
        shop.server.post(&format!("/api/instances/{key}/cancel"), &json!({})).expect(204);
    }
    assert!(shop.server.all("/api/incidents?").is_empty());
    shop.goes_on();
}
