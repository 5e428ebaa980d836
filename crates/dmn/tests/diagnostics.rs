//! What is reported of a wrong model: text in, text out.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

use dmn::{Diagnostic, Limits, Severity, Source, read};
use expect_test::{Expect, expect};

fn check(body: &str, expected: &Expect) {
    let xml = format!(
        "<definitions xmlns=\"https://www.omg.org/spec/DMN/20191111/MODEL/\" name=\"m\" \
         namespace=\"urn:m\">\n{body}\n</definitions>"
    );
    check_file(xml.as_bytes(), &Limits::default(), expected);
}

fn check_file(xml: &[u8], limits: &Limits, expected: &Expect) {
    let source = Source { name: "m.dmn", xml };
    let shown = match read(&source, &[], limits) {
        Ok(model) => model.warnings().iter().map(show).collect::<String>() + "read\n",
        Err(found) => found.iter().map(show).collect(),
    };
    expected.assert_eq(&shown);
}

fn show(found: &Diagnostic) -> String {
    let severity = match found.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let element = found.element.as_deref().unwrap_or("-");
    format!(
        "{severity}[{}] {}:{} ({element}) {}\n  hint: {}\n",
        found.code, found.place.line, found.place.column, found.message, found.hint
    )
}

/// Shows RPT-1: all at once, sorted by place.
#[test]
fn all_problems_are_reported_at_once() {
    check(
        r##"<itemDefinition name="tA"><typeRef>tB</typeRef></itemDefinition>
<itemDefinition name="tB" isCollection="true"><typeRef>tA</typeRef></itemDefinition>
<inputData id="i" name="i"><variable name="i" typeRef="nmber"/></inputData>
<decision id="a" name="a"><variable name="a"/>
  <informationRequirement><requiredDecision href="#b"/></informationRequirement>
  <literalExpression><text>1 +
    * 2</text></literalExpression></decision>
<decision id="b" name="b"><variable name="b"/>
  <informationRequirement><requiredDecision href="#a"/></informationRequirement>
  <informationRequirement><requiredInput href="#gone"/></informationRequirement>
  <literalExpression expressionLanguage="juel"><text>${x}</text></literalExpression></decision>
<decision id="c" name="c"><variable name="c"/></decision>
<decision id="c" name="c"><variable name="c"/><decisionTable hitPolicy="MOST">
  <input><inputExpression><text>x</text></inputExpression></input>
  <output name="a"/><output/>
  <rule><inputEntry><text>1</text></inputEntry><outputEntry><text>2</text></outputEntry></rule>
</decisionTable></decision>
<import name="x" namespace="urn:gone" importType="dmn"/>
<businessKnowledgeModel id="f" name="f"><encapsulatedLogic kind="Java"><context/>
</encapsulatedLogic></businessKnowledgeModel>"##,
        &expect![[r#"
            error[DMN-041] 2:1 (-) the type `tA` is defined by itself
              hint: let one of the types of the circle name a type of FEEL
            error[DMN-040] 4:28 (i) there is no type `nmber`
              hint: define it as an item definition, or use a type of FEEL such as `number`
            error[DMN-031] 5:1 (a) `a` requires itself through others
              hint: remove one of the requirements of the circle
            error[DMN-070] 8:5 (a) expected an expression, found `*`
              hint: correct the expression; names with spaces have to be declared where it stands
            error[DMN-030] 11:27 (b) there is no element `#gone`
              hint: draw the requirement again, or remove it
            error[DMN-062] 12:54 (b) the expression language is `juel`
              hint: write the expression in FEEL
            warning[DMN-060] 13:1 (c) the decision `c` has no logic and is always null
              hint: add a decision table or an expression, or remove it
            error[DMN-021] 14:1 (c) the id `c` is used twice
              hint: rename one of the two
            warning[DMN-022] 14:1 (c) two decisions have the name `c`
              hint: rename one of the two, or ask for them by id
            error[DMN-050] 14:47 (c) there is no hit policy `MOST`
              hint: use `UNIQUE`, `FIRST`, `PRIORITY`, `ANY`, `COLLECT`, `RULE ORDER` or `OUTPUT ORDER`
            error[DMN-053] 16:21 (c) the output 2 of 2 has no name
              hint: give each output a name: it is the entry of the result
            error[DMN-052] 17:3 (c) the rule has 1 tests and 1 outputs, the table 1 inputs and 2 outputs
              hint: give each rule one cell for each column
            error[DMN-032] 19:1 (-) no file has the namespace `urn:gone` that is imported as `x`
              hint: put the imported file beside this one, or remove the import
            error[DMN-063] 20:41 (f) the function is of kind `Java`
              hint: write it in FEEL: functions of other languages are not called
        "#]],
    );
}

#[test]
fn priorities_without_an_order_are_warned_of() {
    check(
        r##"<decision id="d" name="d"><variable name="d"/><decisionTable hitPolicy="PRIORITY">
  <output/></decisionTable></decision>"##,
        &expect![[r#"
            warning[DMN-054] 2:1 (d) the hit policy needs the order of the output values
              hint: list the values of an output, the most important first
            read
        "#]],
    );
}

#[test]
fn what_is_no_dmn_is_refused() {
    check_file(
        b"<a/>",
        &Limits::default(),
        &expect![[r#"
        error[DMN-009] 1:1 (-) the root is `a` without a namespace
          hint: the root of a DMN file is `definitions` of a namespace such as `https://www.omg.org/spec/DMN/20191111/MODEL/`
    "#]],
    );
    check_file(
        b"<a>",
        &Limits::default(),
        &expect![[r#"
        error[DMN-003] 1:4 (-) the root node was opened but never closed
          hint: correct the XML at this place, or save the file again with a modeler
    "#]],
    );
    check_file(
        b"\xff",
        &Limits::default(),
        &expect![[r#"
        error[DMN-002] 1:1 (-) the byte at offset 0 is not UTF-8
          hint: save the file with the encoding UTF-8
    "#]],
    );
    check_file(
        b"<!DOCTYPE a [ ]><a/>",
        &Limits::default(),
        &expect![[r#"
        error[DMN-004] 1:1 (-) the file has a document type declaration
          hint: remove the `<!DOCTYPE …>`: DMN needs none, and entities are not expanded
    "#]],
    );
}

/// Shows SCN-1.
#[test]
fn what_is_past_the_limits_is_refused() {
    let small = Limits { bytes_max: 1000, depth_max: 5, attributes_max: 3, nodes_max: 20 };
    let xml = |text: &str| text.as_bytes().to_vec();
    check_file(
        &xml(&"x".repeat(1001)),
        &small,
        &expect![[r#"
        error[DMN-001] 1:1 (-) the file has 1001 bytes, at most 1000 are read
          hint: split it into several files and import them
    "#]],
    );
    check_file(
        &xml(&"<a>".repeat(6)),
        &small,
        &expect![[r#"
        error[DMN-005] 1:16 (-) elements are nested more than 5 deep
          hint: take parts out into decisions or business knowledge models of their own
    "#]],
    );
    check_file(
        &xml("<a b='' c='' d='' e=''/>"),
        &small,
        &expect![[r#"
        error[DMN-006] 1:1 (-) an element has 4 attributes, at most 3 are read
          hint: remove what no modeler has written
    "#]],
    );
    let many = format!("<a>{}</a>", "<b/>".repeat(30));
    check_file(
        &xml(&many),
        &small,
        &expect![[r#"
        error[DMN-007] 1:80 (-) the file has more than 20 nodes
          hint: split it into several files and import them
    "#]],
    );
}

#[test]
fn nested_expressions_are_bounded() {
    let body = format!(
        "<decision id=\"d\" name=\"d\"><variable name=\"d\"/>{}{}</decision>",
        "<list>".repeat(60),
        "</list>".repeat(60)
    );
    check(
        &body,
        &expect![[r#"
        error[DMN-005] 2:287 (d) expressions are nested more than 40 deep
          hint: take parts out into decisions or business knowledge models of their own
    "#]],
    );
}
