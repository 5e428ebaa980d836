//! What decisions evaluate to, and what an audit log learns of it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

use dmn::{Limits, Model, Outcome, Source, read, read_tolerant};
use feel::{Context, Environment, Value, json};

const NAMESPACE: &str = "https://www.omg.org/spec/DMN/20191111/MODEL/";

fn file(namespace: &str, body: &str) -> String {
    format!(
        "<definitions xmlns=\"{NAMESPACE}\" name=\"m\" namespace=\"{namespace}\">{body}</definitions>"
    )
}

fn model(body: &str) -> Model {
    let xml = file("urn:main", body);
    let source = Source { name: "main.dmn", xml: xml.as_bytes() };
    match read(&source, &[], &Limits::default()) {
        Ok(model) => model,
        Err(problems) => panic!("{problems:#?}"),
    }
}

fn context(text: &str) -> Context {
    match json::parse(text.as_bytes()).unwrap() {
        Value::Context(context) => context,
        other => panic!("{other:?}"),
    }
}

fn run_with(model: &Model, wanted: &str, input: &str, steps_max: u32) -> Outcome {
    let environment = Environment { now_ms: 1_795_000_000_000, steps_max };
    model.evaluate(wanted, &context(input), &environment).unwrap()
}

fn run(model: &Model, wanted: &str, input: &str) -> Outcome {
    run_with(model, wanted, input, 1_000_000)
}

/// The result as JSON, then each failure.
fn show(outcome: &Outcome) -> String {
    let mut out = json::to_string(&outcome.value);
    for failure in &outcome.failures {
        out.push_str(&format!("\n{failure}"));
    }
    out
}

fn literal(name: &str, requires: &str, text: &str) -> String {
    format!(
        "<decision id=\"{name}\" name=\"{name}\"><variable name=\"{name}\"/>{requires}\
         <literalExpression><text>{text}</text></literalExpression></decision>"
    )
}

fn needs(kind: &str, id: &str) -> String {
    let element = if kind == "Knowledge" { "knowledge" } else { "information" };
    format!("<{element}Requirement><required{kind} href=\"#{id}\"/></{element}Requirement>")
}

fn input(name: &str, kind: &str) -> String {
    format!(
        "<inputData id=\"{name}\" name=\"{name}\"><variable name=\"{name}\" typeRef=\"{kind}\"/>\
         </inputData>"
    )
}

/// A table over the input `x` with one output, in which each rule is a test and an output.
fn table(attributes: &str, output: &str, rules: &[(&str, &str)]) -> String {
    let rules = rules.iter().map(|(test, output)| {
        format!(
            "<rule><inputEntry><text><![CDATA[{test}]]></text></inputEntry><outputEntry><text>\
             <![CDATA[{output}]]></text></outputEntry></rule>"
        )
    });
    let rules: String = rules.collect();
    let requires = needs("Input", "x");
    let x = input("x", "number");
    format!(
        "{x}<decision id=\"d\" name=\"D\"><variable name=\"D\"/>{requires}<decisionTable {attributes}>\
         <input label=\"the x\"><inputExpression typeRef=\"number\"><text>x</text></inputExpression>\
         </input><output>{output}</output>{rules}</decisionTable></decision>"
    )
}

const ORDERED: &str = "<outputValues><text>\"high\", \"low\"</text></outputValues>";

#[test]
fn each_hit_policy_makes_its_own_of_the_rules_that_match() {
    let rules = [("< 10", "\"low\""), ("> 3", "\"high\""), ("> 5", "\"low\"")];
    for (attributes, expected) in [
        ("hitPolicy=\"FIRST\"", "\"low\""),
        ("hitPolicy=\"PRIORITY\"", "\"high\""),
        ("hitPolicy=\"OUTPUT ORDER\"", "[\"high\",\"low\",\"low\"]"),
        ("hitPolicy=\"RULE ORDER\"", "[\"low\",\"high\",\"low\"]"),
        ("hitPolicy=\"COLLECT\"", "[\"low\",\"high\",\"low\"]"),
        ("hitPolicy=\"COLLECT\" aggregation=\"COUNT\"", "3"),
        ("", "null\ndecision `d`: the hit policy is `UNIQUE`, and the rules 1, 2, 3 match"),
        (
            "hitPolicy=\"ANY\"",
            "null\ndecision `d`: the hit policy is `ANY`, and the rules 1 and 2 have other outputs",
        ),
    ] {
        let model = model(&table(attributes, ORDERED, &rules));
        assert_eq!(show(&run(&model, "d", "{\"x\": 7}")), expected, "{attributes}");
    }
}

/// A model as Camunda's tools write it.
fn camundas(elements: &str) -> Model {
    let xml = format!(
        "<definitions xmlns=\"https://www.omg.org/spec/DMN/20191111/MODEL/\" name=\"n\" id=\"g\" \
         namespace=\"urn:n\" exporter=\"Camunda Modeler\">{elements}</definitions>"
    );
    let source = Source { name: "test.dmn", xml: xml.as_bytes() };
    read(&source, &[], &Limits::default()).unwrap()
}

#[test]
fn a_table_of_which_no_rule_matches_is_null_in_camundas_dialect() {
    let rules = [("> 100", "1")];
    for policy in ["FIRST", "PRIORITY", "OUTPUT ORDER", "RULE ORDER", "COLLECT", "UNIQUE", "ANY"] {
        let elements = table(&format!("hitPolicy=\"{policy}\""), "", &rules);
        for model in [model(&elements), camundas(&elements)] {
            assert_eq!(show(&run(&model, "d", "{\"x\": 7}")), "null", "{policy}");
        }
    }
    for (aggregation, standard) in [("SUM", "null"), ("MIN", "null"), ("COUNT", "0")] {
        let attributes = format!("hitPolicy=\"COLLECT\" aggregation=\"{aggregation}\"");
        let elements = table(&attributes, "", &rules);
        assert_eq!(show(&run(&model(&elements), "d", "{\"x\": 7}")), standard, "{aggregation}");
        assert_eq!(show(&run(&camundas(&elements), "d", "{\"x\": 7}")), "null", "{aggregation}");
    }
}

#[test]
fn outputs_without_a_default_are_left_out_in_camundas_dialect() {
    let elements = "<decision id=\"d\" name=\"D\"><variable name=\"D\"/><decisionTable>\
        <input><inputExpression><text>x</text></inputExpression></input>\
        <output name=\"a\"><defaultOutputEntry><text>1</text></defaultOutputEntry></output>\
        <output name=\"b\"/>\
        <rule><inputEntry><text>1</text></inputEntry><outputEntry><text>2</text></outputEntry>\
        <outputEntry><text>3</text></outputEntry></rule></decisionTable></decision>";
    let of = |model: &Model| show(&run(model, "d", "{\"x\": 7}"));
    assert_eq!(of(&model(elements)), "{\"a\":1,\"b\":null}");
    assert_eq!(of(&camundas(elements)), "1");
}

#[test]
fn numbers_are_aggregated() {
    for (aggregation, expected) in [("SUM", "6"), ("MIN", "1"), ("MAX", "3"), ("COUNT", "3")] {
        let attributes = format!("hitPolicy=\"COLLECT\" aggregation=\"{aggregation}\"");
        let model = model(&table(&attributes, "", &[("-", "1"), ("-", "x - 5"), ("-", "3")]));
        assert_eq!(show(&run(&model, "D", "{\"x\": 7}")), expected);
    }
}

#[test]
fn without_a_match_the_default_counts_or_null() {
    let default = "<defaultOutputEntry><text>\"none\"</text></defaultOutputEntry>";
    let rules = [("> 10", "\"big\"")];
    assert_eq!(show(&run(&model(&table("", default, &rules)), "d", "{\"x\": 7}")), "\"none\"");
    assert_eq!(show(&run(&model(&table("", "", &rules)), "d", "{\"x\": 7}")), "null");
}

#[test]
fn the_audit_log_learns_inputs_rules_and_outputs() {
    let model = model(&table("hitPolicy=\"FIRST\"", "", &[("< 5", "1"), ("[5..9]", "x + 1")]));
    let outcome = run(&model, "d", "{\"x\": 7}");
    let decision = &outcome.decisions[0];
    assert_eq!((&*decision.id, &*decision.name), ("d", "D"));
    assert_eq!(&*decision.inputs[0].label, "the x");
    assert_eq!(decision.inputs[0].value, Value::from(7));
    assert_eq!(decision.matched[0].rule, 2);
    assert_eq!(decision.matched[0].outputs[0].value, Value::from(8));
    assert_eq!(decision.output, Value::from(8));
}

#[test]
fn a_failure_names_decision_rule_and_cell() {
    let body = table("typeRef=\"number\"", "", &[("< 5", "1"), ("> 5", "\"text\"")]);
    let model = model(&body);
    assert_eq!(
        show(&run(&model, "d", "{\"x\": 7}")),
        "null\ndecision `d`, rule 2, output 1: expected number, found string"
    );
    assert_eq!(
        show(&run(&model, "d", "{\"x\": \"seven\"}")),
        "null\ndecision `d`: the input `x` does not fit its type: expected number, found string"
    );
}

#[test]
fn only_what_is_required_is_evaluated_and_seen() {
    let a = literal("a", "", "1");
    let b = literal("b", &needs("Decision", "a"), "a + 1");
    let c = literal("c", "", "a");
    let i = input("i", "number");
    let e = literal("e", "", "i");
    let model = model(&format!("{c}{b}{a}{i}{e}"));
    let outcome = run(&model, "b", "{}");
    assert_eq!(outcome.value, Value::from(2));
    let order: Vec<&str> = outcome.decisions.iter().map(|decision| &*decision.id).collect();
    assert_eq!(order, ["a", "b"]);
    assert_eq!(run(&model, "c", "{}").value, Value::Null);
    assert_eq!(run(&model, "e", "{\"i\": 5}").value, Value::Null);
    let environment = Environment { now_ms: 0, steps_max: 1000 };
    assert!(model.evaluate("z", &context("{}"), &environment).is_none());
}

#[test]
fn texts_of_the_input_are_read_as_the_temporal_values_that_are_declared() {
    let types = "<itemDefinition name=\"tTrip\"><itemComponent name=\"days\" isCollection=\"true\">\
                 <typeRef>date</typeRef></itemComponent><itemComponent name=\"length\"><typeRef>\
                 dayTimeDuration</typeRef></itemComponent></itemDefinition>";
    let i = input("i", "tTrip");
    let d = literal("d", &needs("Input", "i"), "[i.days[1].year, i.length.hours]");
    let model = model(&format!("{types}{i}{d}"));
    let given = "{\"i\": {\"days\": [\"2026-01-02\"], \"length\": \"PT3H\"}}";
    assert_eq!(show(&run(&model, "d", given)), "[2026,3]");
    let given = "{\"i\": {\"days\": [\"tomorrow\"], \"length\": \"PT3H\"}}";
    assert_eq!(
        show(&run(&model, "d", given)),
        "[null,null]\ndecision `d`: the input `i` does not fit its type: entry `days`: item 1: \
         expected date, found string"
    );
}

const FUNCTION: &str = "<businessKnowledgeModel id=\"f\" name=\"the function\">\
    <variable name=\"the function\"/><encapsulatedLogic><formalParameter name=\"n\" \
    typeRef=\"number\"/><literalExpression><text>n * 2</text></literalExpression>\
    </encapsulatedLogic></businessKnowledgeModel>";

#[test]
fn functions_check_their_arguments() {
    for (call, expected) in [
        ("the function(4)", "8"),
        ("the function(n: 4)", "8"),
        ("the function([4])", "8"),
        ("the function(\"4\")", "null"),
        ("the function()", "null"),
        ("the function(1, 2)", "null"),
    ] {
        let d = literal("d", &needs("Knowledge", "f"), call);
        let model = model(&format!("{FUNCTION}{d}"));
        assert_eq!(json::to_string(&run(&model, "d", "{}").value), expected, "{call}");
    }
}

#[test]
fn a_boxed_invocation_binds_by_name() {
    let invocation = |parameter: &str| {
        let d = format!(
            "<decision id=\"d\" name=\"d\"><variable name=\"d\"/>{}<invocation><literalExpression>\
             <text>the function</text></literalExpression><binding><parameter name=\"{parameter}\"/>\
             <literalExpression><text>21</text></literalExpression></binding></invocation>\
             </decision>",
            needs("Knowledge", "f")
        );
        show(&run(&model(&format!("{FUNCTION}{d}")), "d", "{}"))
    };
    assert_eq!(invocation("n"), "42");
    assert_eq!(invocation("m"), "null\ndecision `d`: the function has no parameter `m`");
}

#[test]
fn a_decision_service_is_a_function_and_can_be_asked_for() {
    let i = input("i", "number");
    let a = literal("a", &needs("Input", "i"), "i + 1");
    let g = literal("g", "", "100");
    let requires = format!("{}{}", needs("Decision", "a"), needs("Decision", "g"));
    let b = literal("b", &requires, "a * 10 + g");
    let s = "<decisionService id=\"s\" name=\"the service\"><variable name=\"the service\"/>\
             <outputDecision href=\"#b\"/><encapsulatedDecision href=\"#a\"/>\
             <inputDecision href=\"#g\"/><inputData href=\"#i\"/></decisionService>";
    let d = literal("d", &needs("Knowledge", "s"), "[the service(1, 2), the service(g: 5, i: 0)]");
    let model = model(&format!("{i}{a}{g}{b}{s}{d}"));
    assert_eq!(show(&run(&model, "d", "{}")), "[22,15]");
    assert_eq!(show(&run(&model, "the service", "{\"i\": 1, \"g\": 3}")), "23");
}

#[test]
fn values_are_converted_to_the_declared_type_or_null() {
    for (kind, text, expected) in [
        ("number", "[1]", "1"),
        ("number", "\"1\"", "null"),
        ("tNumbers", "1", "[1]"),
        ("tNumbers", "[1, \"2\"]", "null"),
        ("dateTime", "date(\"2026-01-02\")", "\"2026-01-02T00:00:00Z\""),
        (
            "tPerson",
            "{name: \"A\", age: 3, more: true}",
            "{\"name\":\"A\",\"age\":3,\"more\":true}",
        ),
        ("tPerson", "{name: \"A\", age: \"x\"}", "null"),
        ("tPerson", "{name: \"A\", age: 200}", "null"),
        (
            "tTree",
            "{value: 1, children: [{value: 2, children: []}]}",
            "{\"value\":1,\"children\":[{\"value\":2,\"children\":[]}]}",
        ),
        ("tTree", "{value: 1, children: [{value: \"2\"}]}", "null"),
    ] {
        let d = format!(
            "<itemDefinition name=\"tNumbers\" isCollection=\"true\"><typeRef>number</typeRef>\
             </itemDefinition><itemDefinition name=\"tPerson\"><itemComponent name=\"name\">\
             <typeRef>string</typeRef></itemComponent><itemComponent name=\"age\"><typeRef>number\
             </typeRef><allowedValues><text>[0..150]</text></allowedValues></itemComponent>\
             </itemDefinition><itemDefinition name=\"tTree\"><itemComponent name=\"value\"><typeRef>\
             number</typeRef></itemComponent><itemComponent name=\"children\" isCollection=\"true\">\
             <typeRef>tTree</typeRef></itemComponent></itemDefinition><decision id=\"d\" name=\"d\">\
             <variable name=\"d\" typeRef=\"{kind}\"/><literalExpression><text>{text}</text>\
             </literalExpression></decision>"
        );
        let outcome = run(&model(&d), "d", "{}");
        assert_eq!(json::to_string(&outcome.value), expected, "{kind} {text}");
        assert_eq!(outcome.failures.is_empty(), expected != "null", "{kind} {text}");
    }
}

#[test]
fn types_of_the_model_are_known_to_instance_of() {
    let types = "<itemDefinition name=\"tPerson\"><itemComponent name=\"first name\"><typeRef>\
                 string</typeRef></itemComponent></itemDefinition>";
    let d = literal("d", "", "[{first name: \"A\"} instance of tPerson, 1 instance of tPerson]");
    assert_eq!(show(&run(&model(&format!("{types}{d}")), "d", "{}")), "[true,false]");
}

#[test]
fn boxed_iterations_run_over_lists_and_ranges() {
    let boxed = |expression: &str| {
        let body =
            format!("<decision id=\"d\" name=\"d\"><variable name=\"d\"/>{expression}</decision>");
        show(&run(&model(&body), "d", "{}"))
    };
    let text = |text: &str| format!("<literalExpression><text>{text}</text></literalExpression>");
    let parts = |over: &str, name: &str, body: &str| {
        format!("<in>{}</in><{name}>{}</{name}>", text(over), text(body))
    };
    let each = |over: &str, body: &str| {
        boxed(&format!("<for iteratorVariable=\"i\">{}</for>", parts(over, "return", body)))
    };
    assert_eq!(each("[1, 2]", "i + 1"), "[2,3]");
    assert_eq!(each("(1..4)", "i"), "[2,3]");
    assert_eq!(each("[1, 2, 3]", "count(partial) + i"), "[1,3,5]");
    assert_eq!(each("null", "i"), "null");
    let filter = parts("[{a b: 1}, {a b: 2}]", "match", "item.a b &gt; 1");
    assert_eq!(boxed(&format!("<filter>{filter}</filter>")), "[{\"a b\":2}]");
    let some = parts("[1, 2]", "satisfies", "i = 2");
    assert_eq!(boxed(&format!("<some iteratorVariable=\"i\">{some}</some>")), "true");
    assert_eq!(boxed(&format!("<every iteratorVariable=\"i\">{some}</every>")), "false");
    let conditional = format!(
        "<conditional><if>{}</if><then>{}</then><else>{}</else></conditional>",
        text("null"),
        text("1"),
        text("2")
    );
    assert_eq!(boxed(&conditional), "2");
    let relation = format!(
        "<relation><column name=\"a\"/><column name=\"b\"/><row>{}{}</row></relation>",
        text("1"),
        text("2")
    );
    assert_eq!(boxed(&relation), "[{\"a\":1,\"b\":2}]");
}

#[test]
fn elements_of_imported_files_have_the_name_of_the_import() {
    let types = "<itemDefinition name=\"tAge\"><typeRef>number</typeRef><allowedValues><text>\
                 &gt;= 0</text></allowedValues></itemDefinition>";
    let person = "<inputData id=\"p\" name=\"the person\"><variable name=\"the person\" \
                  typeRef=\"tAge\"/></inputData>";
    let greeting = literal("greeting", &needs("Input", "p"), "\"age \" + string(the person)");
    let library = file("urn:library", &format!("{types}{person}{greeting}{FUNCTION}"));
    let others = [Source { name: "library.dmn", xml: library.as_bytes() }];
    for (name, call, given) in [
        ("the lib", "the lib.greeting + string(the lib.the function(2))", "{\"the person\": 7}"),
        (
            "the lib",
            "the lib.greeting + string(the lib.the function(2))",
            "{\"the lib\": {\"the person\": 7}}",
        ),
        ("", "greeting + string(the function(2))", "{\"the person\": 7}"),
    ] {
        let body = format!(
            "<import name=\"{name}\" namespace=\"urn:library\" importType=\"{NAMESPACE}\"/>\
             <decision id=\"d\" name=\"d\"><variable name=\"d\"/><informationRequirement>\
             <requiredDecision href=\"urn:library#greeting\"/></informationRequirement>\
             <knowledgeRequirement><requiredKnowledge href=\"urn:library#f\"/></knowledgeRequirement>\
             <literalExpression><text>{call}</text></literalExpression></decision>"
        );
        let main = file("urn:main", &body);
        let source = Source { name: "main.dmn", xml: main.as_bytes() };
        let model = read(&source, &others, &Limits::default()).unwrap();
        assert_eq!(show(&run(&model, "d", given)), "\"age 74\"", "{name}");
    }
}

#[test]
fn functions_take_along_what_is_around_them() {
    let make = "<businessKnowledgeModel id=\"make\" name=\"make\"><variable name=\"make\"/>\
                <encapsulatedLogic><formalParameter name=\"a\"/><functionDefinition><formalParameter \
                name=\"b\"/><literalExpression><text>a * b</text></literalExpression>\
                </functionDefinition></encapsulatedLogic></businessKnowledgeModel>";
    let d = literal("d", &needs("Knowledge", "make"), "make(10)(3)");
    assert_eq!(show(&run(&model(&format!("{make}{d}")), "d", "{}")), "30");
}

/// Shows DNP-1.
#[test]
fn evaluations_end_within_their_budget() {
    let model = model(&literal("d", "", "count(for i in 1..1000000000 return i)"));
    let outcome = run_with(&model, "d", "{}", 100_000);
    assert_eq!(outcome.value, Value::Null);
    assert_eq!(outcome.failures.len(), 1);
    assert_eq!(&*outcome.failures[0].decision, "d");
}

/// Shows DNP-1.
#[test]
fn endless_recursion_ends() {
    let f = "<businessKnowledgeModel id=\"f\" name=\"f\"><variable name=\"f\"/><encapsulatedLogic>\
             <formalParameter name=\"n\"/><list><list><list><literalExpression><text>f(n + 1)</text>\
             </literalExpression></list></list></list></encapsulatedLogic>\
             </businessKnowledgeModel>";
    let d = literal("d", &needs("Knowledge", "f"), "f(1)");
    let outcome = run(&model(&format!("{f}{d}")), "d", "{}");
    assert_eq!(outcome.value, Value::Null);
    assert_eq!(outcome.failures.len(), 1, "{:?}", outcome.failures);
}

/// Shows MOD-1 and EVA-1.
#[test]
fn a_chain_of_many_decisions_is_followed() {
    let mut body = literal("d0", "", "1");
    for number in 1..5_000 {
        let before = format!("d{}", number - 1);
        let requires = needs("Decision", &before);
        body.push_str(&literal(&format!("d{number}"), &requires, &format!("{before} + 1")));
    }
    let model = model(&body);
    let outcome = run(&model, "d4999", "{}");
    assert_eq!(outcome.value, Value::from(5_000));
    assert_eq!(outcome, run(&model, "d4999", "{}"));
}

#[test]
fn what_camundas_modeler_wrote_reads_all_variables() {
    let xml = format!(
        "<definitions xmlns=\"{NAMESPACE}\" xmlns:modeler=\"http://camunda.org/schema/modeler/1.0\" \
         name=\"m\" namespace=\"urn:main\" modeler:executionPlatform=\"Camunda Cloud\"><decision \
         id=\"dish\" name=\"Dish\"><decisionTable hitPolicy=\"COLLECT\"><input><inputExpression \
         typeRef=\"string\"><text>season</text></inputExpression></input><output name=\"desired\" \
         typeRef=\"string\"/><rule><inputEntry><text>\"Fall\"</text></inputEntry><outputEntry><text>\
         \"Ribs\"</text></outputEntry></rule><rule><inputEntry><text/></inputEntry><outputEntry>\
         <text>\"Soup\"</text></outputEntry></rule></decisionTable></decision></definitions>"
    );
    let source = Source { name: "dish.dmn", xml: xml.as_bytes() };
    let model = read(&source, &[], &Limits::default()).unwrap();
    assert_eq!(show(&run(&model, "dish", "{\"season\": \"Fall\"}")), "[\"Ribs\",\"Soup\"]");
}

#[test]
fn what_does_not_parse_is_null_for_a_tolerant_reader() {
    let xml =
        file("urn:main", &format!("{}{}", literal("bad", "", "1 +"), literal("good", "", "1")));
    let source = Source { name: "main.dmn", xml: xml.as_bytes() };
    assert!(read(&source, &[], &Limits::default()).is_err());
    let model = read_tolerant(&source, &[], &Limits::default()).unwrap();
    assert_eq!(run(&model, "good", "{}").value, Value::from(1));
    let outcome = run(&model, "bad", "{}");
    assert_eq!(outcome.value, Value::Null);
    assert!(outcome.failures[0].message.starts_with("expected"), "{:?}", outcome.failures);
}
