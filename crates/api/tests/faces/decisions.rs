//! Decisions over both faces: listed, and evaluated for clients.

use bytes::Bytes;
use proto::gateway::{DeployResourceRequest, EvaluateDecisionRequest, Resource};
use tonic::Code;

use crate::server::Server;

const RULES: &str = r##"<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"
  id="dinner" name="Dinner" namespace="urn:dinner" exporter="Camunda Modeler">
  <decision id="size" name="Size"><variable name="size"/>
    <literalExpression><text>if guests > 8 then "large" else "small"</text></literalExpression>
  </decision>
  <decision id="dish" name="Dish"><variable name="dish"/>
    <informationRequirement><requiredDecision href="#size"/></informationRequirement>
    <decisionTable>
      <input id="i" label="How many"><inputExpression><text>size</text></inputExpression></input>
      <output id="o" name="dish" label="What" typeRef="string"/>
      <rule id="r1"><inputEntry><text>"none"</text></inputEntry>
        <outputEntry><text>"Soup"</text></outputEntry></rule>
      <rule id="r2"><inputEntry><text>"large"</text></inputEntry>
        <outputEntry><text>wish</text></outputEntry></rule>
    </decisionTable></decision></definitions>"##;

#[tokio::test]
async fn a_decision_is_evaluated_with_what_it_requires() {
    let server = Server::start().await;
    let mut gateway = server.gateway().await;
    let resources = vec![Resource { name: "r.dmn".to_owned(), content: RULES.into() }];
    let request = DeployResourceRequest { resources, ..Default::default() };
    let deployed = gateway.deploy_resource(request).await.unwrap().into_inner();
    let request = |id: &str, key: i64, variables: &str| EvaluateDecisionRequest {
        decision_id: id.to_owned(),
        decision_key: key,
        variables: variables.to_owned(),
        ..Default::default()
    };
    let ten = r#"{"guests": 10, "wish": "Stew"}"#;
    let by_id = gateway.evaluate_decision(request("dish", 0, ten)).await.unwrap().into_inner();
    let key = by_id.decision_key;
    let by_key = gateway.evaluate_decision(request("", key, ten)).await.unwrap().into_inner();
    assert_eq!(by_id, by_key);
    assert_eq!((&*by_id.decision_output, by_id.decision_version), (r#""Stew""#, 1));
    assert_eq!((&*by_id.decision_name, &*by_id.decision_requirements_id), ("Dish", "dinner"));
    assert!(by_id.decision_requirements_key > 0, "{deployed:?}");
    let [size, dish] = &by_id.evaluated_decisions[..] else { panic!("{by_id:?}") };
    assert_eq!((&*size.decision_type, &*size.decision_output), ("LITERAL_EXPRESSION", "\"large\""));
    assert_eq!((&*dish.decision_type, dish.decision_key), ("DECISION_TABLE", key));
    let input = &dish.evaluated_inputs[0];
    assert_eq!((&*input.input_id, &*input.input_name), ("i", "How many"));
    let rule = &dish.matched_rules[0];
    assert_eq!((&*rule.rule_id, rule.rule_index), ("r2", 2));
    let output = &rule.evaluated_outputs[0];
    assert_eq!((&*output.output_id, &*output.output_value), ("o", r#""Stew""#));
    // No rule matches: null, and no failure.
    let none = gateway.evaluate_decision(request("dish", 0, r#"{"guests": 2}"#)).await.unwrap();
    let none = none.into_inner();
    assert_eq!((&*none.decision_output, &*none.failed_decision_id), ("null", ""));
    // A decision that fails is no refusal.
    let wrong = r#"{"guests": 10, "wish": 7}"#;
    let failed = gateway.evaluate_decision(request("dish", 0, wrong)).await.unwrap().into_inner();
    assert_eq!((&*failed.decision_output, &*failed.failed_decision_id), ("null", "dish"));
    assert!(failed.failure_message.contains("rule 2"), "{}", failed.failure_message);
    for bad in [
        request("", 0, ""),
        request("dish", key, ""),
        request("dsh", 0, ""),
        request("", 7, ""),
        request("dish", 0, "[]"),
        request("dish", 0, "{"),
        EvaluateDecisionRequest { tenant_id: "x".to_owned(), ..request("dish", 0, "") },
    ] {
        let status = gateway.evaluate_decision(bad).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let start = "Command 'EVALUATE' rejected with code 'INVALID_ARGUMENT': ";
        assert!(status.message().starts_with(start), "{status}");
    }
    server.stop().await;
}

async fn deploy(server: &Server, name: &str, text: &str) {
    let resources = vec![(name.to_owned(), Bytes::from(text.to_owned()))];
    server.node.deploy_resources(resources).await.unwrap();
}

const EVALUATE: &str = "/v2/decision-definitions/evaluation";

#[tokio::test]
async fn decisions_are_listed_with_their_versions() {
    let server = Server::start().await;
    let empty = server.get("/api/decisions").await.is(200).json();
    assert_eq!(empty["items"].as_array().unwrap().len(), 0);
    deploy(&server, "r.dmn", RULES).await;
    deploy(&server, "r.dmn", &RULES.replace("Soup", "Broth")).await;
    let list = server.get("/api/decisions").await.is(200).json();
    let dish = &list["items"][0];
    assert_eq!(
        (&dish["id"], &dish["name"], &dish["latest"]),
        (&"dish".into(), &"Dish".into(), &2.into())
    );
    let shown = server.get("/api/decisions/dish").await.is(200).json();
    let versions = shown["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0]["version"], 2);
    assert_eq!(versions[0]["key"], shown["key"]);
    assert_eq!(versions[0]["requirements"]["id"], "dinner");
    assert_eq!(versions[0]["requirements"]["version"], 2);
    assert_eq!(versions[0]["resource"], "r.dmn");
    server.get("/api/decisions/none").await.is_problem(404, "NODE-001");
    server.stop().await;
}

#[tokio::test]
async fn the_compatible_call_evaluates_by_id_and_by_key() {
    let server = Server::start().await;
    deploy(&server, "r.dmn", RULES).await;
    let variables = r#"{"guests": 10, "wish": "Stew", "tenantId": "a variable"}"#;
    let body = format!(r#"{{"decisionDefinitionId": "dish", "variables": {variables}}}"#);
    let by_id = server.call("POST", EVALUATE, &body).await.is(200).json();
    assert_eq!((&by_id["output"], &by_id["failureMessage"]), (&"\"Stew\"".into(), &().into()));
    let key = by_id["decisionDefinitionKey"].as_str().unwrap();
    let body = format!(r#"{{"decisionDefinitionKey": "{key}", "variables": {variables}}}"#);
    assert_eq!(server.call("POST", EVALUATE, &body).await.is(200).json(), by_id);
    let dish = &by_id["evaluatedDecisions"][1];
    assert_eq!(dish["decisionDefinitionType"], "DECISION_TABLE");
    assert_eq!(dish["matchedRules"][0]["ruleIndex"], 2);
    assert_eq!(dish["matchedRules"][0]["evaluatedOutputs"][0]["outputName"], "What");
    assert_eq!(dish["evaluatedInputs"][0]["inputValue"], "\"large\"");
    let body = r#"{"decisionDefinitionId": "dish", "variables": {"guests": 10, "wish": 7}}"#;
    let failed = server.call("POST", EVALUATE, body).await.is(200).json();
    assert_eq!(
        (&failed["output"], &failed["failedDecisionDefinitionId"]),
        (&"null".into(), &"dish".into())
    );
    let body = r#"{"decisionDefinitionId": "dsh"}"#;
    server.call("POST", EVALUATE, body).await.is_problem(404, "NODE-001");
    for bad in [
        "{}".to_owned(),
        format!(r#"{{"decisionDefinitionId": "dish", "decisionDefinitionKey": "{key}"}}"#),
        r#"{"decisionDefinitionKey": "x"}"#.to_owned(),
        r#"{"decisionDefinitionId": "dish", "tenantId": "t"}"#.to_owned(),
        r#"{"decisionDefinitionId": "dish", "variables": []}"#.to_owned(),
    ] {
        server.call("POST", EVALUATE, &bad).await.is_problem(400, "API-006");
    }
    server.stop().await;
}
