//! Transcripts of `pointsman decision`.

use expect_test::expect;

use super::server::{Server, exact, pointsman, shown};

const MODEL: &str = r##"<definitions
    xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" name="dinner" namespace="urn:dinner">
  <inputData id="season" name="season"><variable name="season" typeRef="string"/></inputData>
  <decision id="dish" name="Dish"><variable name="Dish" typeRef="string"/>
    <informationRequirement><requiredInput href="#season"/></informationRequirement>
    <decisionTable>
      <input label="Season"><inputExpression><text>season</text></inputExpression></input>
      <output typeRef="string"/>
      <rule><inputEntry><text>"Fall"</text></inputEntry><outputEntry><text>"Spareribs"</text></outputEntry></rule>
      <rule><inputEntry><text>"Winter"</text></inputEntry><outputEntry><text>7</text></outputEntry></rule>
    </decisionTable></decision>
</definitions>"##;

const CASES: &str = r#"<testCases xmlns="http://www.omg.org/spec/DMN/20160719/testcase" 
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <modelName>dinner.dmn</modelName>
  <testCase id="001"><inputNode name="season"><value xsi:type="xsd:string">Fall</value></inputNode>
    <resultNode name="Dish"><expected><value xsi:type="xsd:string">Spareribs</value></expected></resultNode></testCase>
  <testCase id="002"><inputNode name="season"><value xsi:type="xsd:string">Fall</value></inputNode>
    <resultNode name="Dish"><expected><value xsi:type="xsd:string">Stew</value></expected></resultNode></testCase>
  <testCase id="003"><inputNode name="season"><value xsi:type="xsd:string">Winter</value></inputNode>
    <resultNode name="Dish" errorResult="true"><expected><value xsi:nil="true"/></expected></resultNode></testCase>
</testCases>"#;

fn run(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("dinner.dmn", MODEL);
    write("broken.dmn", &MODEL.replace("urn:dinner", "urn:broken").replace("\"Fall\"", "\"Fall"));
    write("fall.json", r#"{"season": "Fall"}"#);
    write("winter.json", r#"{"season": "Winter"}"#);
    std::fs::create_dir(directory.path().join("cases")).unwrap();
    write("cases/dinner.dmn", MODEL);
    write("cases/dinner-test-01.xml", CASES);
    write("cases/else.xml", "<other/>");
    let output = pointsman().current_dir(directory.path()).args(arguments).output().unwrap();
    format!("$ pointsman {}\n{}", arguments.join(" "), exact(&output))
}

#[test]
fn decisions_are_evaluated_over_a_file() {
    let transcript = [
        run(&["decision", "evaluate", "dish", "--model", "dinner.dmn", "--input", "fall.json"]),
        run(&["decision", "evaluate", "Dish", "--input", "winter.json", "--model", "dinner.dmn"]),
        run(&["decision", "evaluate", "dsh", "--model", "dinner.dmn"]),
        run(&["decision", "evaluate", "dish", "--model", "broken.dmn"]),
        run(&["decision", "evaluate", "dish", "--model", "gone.dmn"]),
        run(&["decision", "evaluate", "dish", "--model", "dinner.dmn", "--input", "dinner.dmn"]),
    ];
    expect![[r#"
        $ pointsman decision evaluate dish --model dinner.dmn --input fall.json
        "Spareribs"
          Dish = "Spareribs" (rules 1)
        exit 0

        $ pointsman decision evaluate Dish --input winter.json --model dinner.dmn
        null
          Dish = null
        ! failed: decision `dish`, rule 2, output 1: expected string, found number
        exit 1

        $ pointsman decision evaluate dsh --model dinner.dmn
        ! error[CLI-008]: the model has no decision `dsh`
        ! hint: did you mean `dish`?
        exit 1

        $ pointsman decision evaluate dish --model broken.dmn
        ! broken.dmn:9:31: [DMN-070] expected `"` to end the string
        !   hint: correct the expression; names with spaces have to be declared where it stands
        exit 1

        $ pointsman decision evaluate dish --model gone.dmn
        ! error[CLI-006]: cannot read `gone.dmn`
        !   caused by: No such file or directory (os error 2)
        ! hint: check the path and its rights
        exit 1

        $ pointsman decision evaluate dish --model dinner.dmn --input dinner.dmn
        ! error[CLI-008]: the input is no JSON: expected a value at byte 0
        ! hint: the input is one JSON object: a value for each name
        exit 2
    "#]]
    .assert_eq(&transcript.join("\n"));
}

#[test]
fn an_outcome_is_data() {
    let transcript = run(&[
        "decision",
        "evaluate",
        "dish",
        "--model",
        "dinner.dmn",
        "--input",
        "fall.json",
        "--output",
        "json",
    ]);
    expect![[r#"
        $ pointsman decision evaluate dish --model dinner.dmn --input fall.json --output json
        {
          "decision": "dish",
          "result": "Spareribs",
          "decisions": [
            {
              "id": "dish",
              "name": "Dish",
              "inputs": [
                {
                  "id": "",
                  "label": "Season",
                  "value": "Fall"
                }
              ],
              "matched": [
                {
                  "rule": 1,
                  "id": "",
                  "outputs": [
                    {
                      "name": "",
                      "value": "Spareribs"
                    }
                  ]
                }
              ],
              "output": "Spareribs"
            }
          ],
          "failures": [],
          "warnings": []
        }
        exit 0
    "#]]
    .assert_eq(&transcript);
}

#[test]
fn conformance_tests_are_counted() {
    let transcript = [
        run(&["decision", "test", "cases"]),
        run(&["decision", "test", "cases", "--output", "json"]),
        run(&["decision", "test", "dinner.dmn"]),
    ];
    expect![[r#"
        $ pointsman decision test cases
        cases/dinner-test-01.xml 002 Dish: expected "Stew", actual "Spareribs"
        2 passed, 1 failed
        exit 1

        $ pointsman decision test cases --output json
        {
          "passed": 2,
          "failed": 1,
          "failures": [
            {
              "file": "cases/dinner-test-01.xml",
              "case": "002",
              "result": "Dish",
              "expected": "\"Stew\"",
              "actual": "\"Spareribs\"",
              "remarks": []
            }
          ]
        }
        exit 1

        $ pointsman decision test dinner.dmn
        dinner.dmn  : expected a file of tests and its model, actual the file of tests cannot be read
            dinner.dmn:1:1: [DMN-009] the root is `definitions`
        0 passed, 1 failed
        exit 1
    "#]].assert_eq(&transcript.join("\n"));
}

/// A package with the model, and two inputs beside it.
fn write_package(directory: &std::path::Path) {
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let manifest = "name = \"dinner\"\nversion = \"1.0.0\"\ndescription = \"Meals\"\n";
    write("dinner/package.toml", manifest);
    write("dinner/decisions/dinner.dmn", MODEL);
    write("fall.json", r#"{"season": "Fall"}"#);
    write("winter.json", r#"{"season": "Winter"}"#);
}

/// The server of these tests keeps its data in SQLite.
#[test]
fn decisions_of_a_server_are_listed_and_evaluated_also_after_it_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    write_package(directory.path());
    let server = Server::start(directory.path());
    assert!(server.command(&["deploy", "dinner"]).status.success());
    // Killed, not stopped: what was deployed is durable.
    drop(server);
    let server = Server::start(directory.path());
    let addresses = std::fs::read(directory.path().join("data/addresses.json")).unwrap();
    let addresses: serde_json::Value = serde_json::from_slice(&addresses).unwrap();
    let address = addresses["http"].as_str().unwrap();
    let evaluate = |rest: &[&str]| {
        let arguments = [&["decision", "evaluate"][..], rest].concat();
        let mut command = pointsman();
        let command = command.current_dir(directory.path()).args(&arguments);
        let output = command.args(["--server", address]).output().unwrap();
        format!("$ pointsman {}\n{}", arguments.join(" "), shown(&output))
    };
    let transcript = [
        server.run(&["decision", "list"]),
        server.run(&["decision", "show", "dish"]),
        evaluate(&["dish", "--input", "fall.json"]),
        evaluate(&["dish", "--input", "winter.json"]),
        evaluate(&["dsh"]),
    ];
    expect![[r#"
        $ pointsman decision list
        DECISION NAME PACKAGE VERSION
        dish Dish dinner 1
        exit 0

        $ pointsman decision show dish
        VERSION TAG PACKAGE OF VERSION RESOURCE MODEL DEPLOYED
        1 dinner 1.0.0 decisions/dinner.dmn dinner TIME
        exit 0

        $ pointsman decision evaluate dish --input fall.json
        "Spareribs"
          Dish = "Spareribs" (rules 1)
        exit 0

        $ pointsman decision evaluate dish --input winter.json
        null
          Dish = null
        ! failed: decision `dish`, rule 2, output 1: expected string, found number
        exit 1

        $ pointsman decision evaluate dsh
        ! error[NODE-001]: no decision `dsh`
        ! hint: list what there is with `pointsman decision list`
        exit 1
    "#]]
    .assert_eq(&transcript.join("\n"));
    let json = evaluate(&["dish", "--input", "fall.json", "--output", "json"]);
    for part in
        ["\"result\": \"Spareribs\"", "\"label\": \"Season\"", "\"rule\": 1", "\"failures\": []"]
    {
        assert!(json.contains(part), "{part}: {json}");
    }
}
