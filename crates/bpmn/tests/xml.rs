//! BPMN XML: what is read of it, and what is refused by name and place.

use bpmn::{Diagnostic, Element, Limits, Program, Severity, read};
use expect_test::{Expect, expect};

const EVERYTHING: &str = include_str!("data/everything.bpmn");

/// `inside` in an executable process `p` of a file, from line 2 on.
fn in_process(inside: &str) -> String {
    in_definitions(&format!("<b:process id=\"p\" isExecutable=\"true\">\n{inside}</b:process>"))
}

fn in_definitions(inside: &str) -> String {
    format!(
        "<b:definitions xmlns:b=\"http://www.omg.org/spec/BPMN/20100524/MODEL\" \
         xmlns:z=\"http://camunda.org/schema/zeebe/1.0\">{inside}</b:definitions>"
    )
}

fn check(xml: &str, expected: &Expect) {
    let shown: String = match read(xml.as_bytes(), &Limits::default()) {
        Ok(model) => {
            let programs = model.programs.iter();
            let read = programs.map(|p| format!("{}: {} elements\n", p.id, p.elements.len()));
            read.chain(model.warnings.iter().map(show)).collect()
        }
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
        "{severity}[{}] {}:{} ({element}) {}\n",
        found.code, found.place.line, found.place.column, found.message
    )
}

fn element<'p>(program: &'p Program, id: &str) -> &'p Element {
    program.element(program.find(id).expect("it is in the file"))
}

#[test]
fn everything_that_is_supported() {
    let model = read(EVERYTHING.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(model.programs.len(), 1);
    let program = &model.programs[0];
    let mut outline = format!("{} `{}` {:?}\n", program.id, program.name, program.version_tag);
    for element in &program.elements {
        let kind = format!("{:?}", element.kind);
        let kind = kind.split([' ', '(']).next().unwrap();
        let flow = |flow: &bpmn::FlowIndex| program.flow(*flow).id.to_string();
        let incoming: Vec<String> = element.incoming.iter().map(flow).collect();
        let outgoing: Vec<String> = element.outgoing.iter().map(flow).collect();
        outline += &format!(
            "{}:{} {} {kind} in {incoming:?} out {outgoing:?}{}\n",
            element.place.line,
            element.place.column,
            element.id,
            element.lane.as_deref().map_or(String::new(), |lane| format!(" lane {lane}")),
        );
    }
    outline += &model.warnings.iter().map(show).collect::<String>();
    expect![[r#"
        order `Order` Some("1.2")
        9:3 order Process in [] out []
        31:5 start Start in [] out ["f1"] lane Office
        40:5 by_message Start in [] out ["f1b"]
        43:5 by_timer Start in [] out ["f1c"]
        53:5 charge ServiceTask in ["f1", "f1b", "f1c"] out ["f2"] lane Front
        70:5 late Boundary in [] out ["b1"]
        75:5 refused Boundary in [] out ["b2"]
        78:5 failed Boundary in [] out ["b3"]
        81:5 cancelled Boundary in [] out ["b4"]
        88:5 apologised EndMessage in ["b1", "b2", "b3", "b4"] out []
        92:5 score ScriptTask in ["f2"] out ["f3"] lane Lane_3
        98:5 mail SendTask in ["f3"] out ["f4"]
        104:5 wait ReceiveTask in ["f4"] out ["f5"]
        106:5 body SubProcess in ["f5"] out ["f6"]
        107:7 inner_start Start in [] out ["i1"]
        108:7 inner_task Task in ["i1"] out ["i2"]
        109:7 inner_manual ManualTask in ["i2"] out ["i3"]
        110:7 inner_end EndTerminate in ["i3"] out []
        119:5 choose ExclusiveGateway in ["f6"] out ["f7", "f8"]
        127:5 split ParallelGateway in ["f7"] out ["f9", "f10"]
        130:5 sleep IntermediateCatch in ["f9"] out ["f11"]
        135:5 told IntermediateCatch in ["f10"] out ["f12"]
        138:5 child CallActivity in ["f8"] out ["f13"]
        143:5 milestone IntermediateNone in ["f11", "f12", "f13"] out ["f14"]
        144:5 tell IntermediateMessage in ["f14"] out ["f15"]
        155:5 done EndError in ["f15"] out []
    "#]]
    .assert_eq(&outline);
}

#[test]
fn properties_mappings_and_names() {
    let model = read(EVERYTHING.as_bytes(), &Limits::default()).unwrap();
    let program = &model.programs[0];
    let charge = element(program, "charge");
    assert_eq!(&*charge.name, "Charge card");
    assert_eq!(&*element(program, "score").name, "score");
    expect![[r#"
        [("pointsman:logging", "error"), ("team", "shop")]
        [("pointsman:server", "billing"), ("note", "by hand")]
    "#]]
    .assert_eq(&format!("{:?}\n{:?}\n", program.elements[0].properties, charge.properties));
    assert_eq!(charge.boundary.len(), 4);
    assert_eq!(charge.inputs.len(), 2);
    assert_eq!(charge.inputs[0].source.text(), "order.total > 5 and \"x\" = \"x\"");
    let target: Vec<&str> = charge.outputs[0].target.iter().map(|part| &**part).collect();
    assert_eq!(target, ["order", "payment"]);
    let condition = program.flows.iter().find(|flow| &*flow.id == "f7").unwrap();
    let condition = condition.condition.as_ref().unwrap().text();
    assert_eq!(condition, "score > 10 and\n          score < 100");
}

#[test]
fn elements_that_are_not_supported_are_named() {
    check(
        &in_process(
            r#"<b:startEvent id="s"/>
<b:userTask id="u"><b:incoming>f</b:incoming></b:userTask>
<b:businessRuleTask id="r"/>
<b:inclusiveGateway id="g1"/><b:eventBasedGateway id="g2"/><b:complexGateway id="g3"/>
<b:transaction id="t"><b:userTask id="inside"/></b:transaction>
<b:adHocSubProcess id="a"/>
<b:subProcess id="e" triggeredByEvent="true"><b:startEvent id="es"><b:signalEventDefinition/></b:startEvent></b:subProcess>
<b:servicetask id="typo"/>
<b:serviceTask id="m"><b:extensionElements><z:taskDefinition type="x"/><z:executionListeners/><z:taskdefinition/></b:extensionElements><b:multiInstanceLoopCharacteristics/></b:serviceTask>
<b:task id="l" isForCompensation="true"><b:standardLoopCharacteristics/></b:task>
<b:intermediateThrowEvent id="x"><b:linkEventDefinition/></b:intermediateThrowEvent>
<b:boundaryEvent id="c" attachedToRef="m"><b:compensateEventDefinition/></b:boundaryEvent>
<b:intermediateCatchEvent id="two" parallelMultiple="true"><b:conditionalEventDefinition/><b:escalationEventDefinition/></b:intermediateCatchEvent>
<b:sequenceFlow id="f" sourceRef="s" targetRef="u"/>
"#,
        ),
        &expect![[r#"
            error[BPMN-030] 3:1 (u) user task `u` is not supported yet
            warning[BPMN-047] 4:1 (r) business rule task `r` is never reached
            error[BPMN-080] 4:1 (r) business rule task `r` has no called decision
            error[BPMN-030] 5:1 (g1) inclusive gateway `g1` is not supported yet
            error[BPMN-030] 5:30 (g2) event-based gateway `g2` is not supported yet
            error[BPMN-030] 5:60 (g3) complex gateway `g3` is not supported yet
            error[BPMN-030] 6:1 (t) transaction `t` is not supported yet
            error[BPMN-030] 6:23 (inside) user task `inside` is not supported yet
            error[BPMN-030] 7:1 (a) ad-hoc subprocess `a` is not supported yet
            error[BPMN-030] 8:1 (e) event subprocess `e` is not supported yet
            error[BPMN-031] 8:68 (es) signal events are not supported yet
            error[BPMN-030] 9:1 (typo) the element `servicetask` is not known here
            warning[BPMN-047] 10:1 (m) service task `m` is never reached
            error[BPMN-033] 10:72 (m) `zeebe:executionListeners` is not supported yet
            warning[BPMN-034] 10:95 (m) `zeebe:taskdefinition` is not known and is ignored
            error[BPMN-032] 10:136 (m) the multi-instance marker of service task `m` is not supported yet
            error[BPMN-032] 11:1 (l) the compensation marker of task `l` is not supported yet
            warning[BPMN-047] 11:1 (l) task `l` is never reached
            error[BPMN-032] 11:41 (l) the loop marker of task `l` is not supported yet
            warning[BPMN-047] 12:1 (x) intermediate throw event `x` is never reached
            error[BPMN-031] 12:34 (x) link events are not supported yet
            error[BPMN-031] 13:43 (c) compensation events are not supported yet
            error[BPMN-031] 14:1 (two) parallel multiple events are not supported yet
            warning[BPMN-047] 14:1 (two) intermediate catch event `two` is never reached
            error[BPMN-060] 14:1 (two) intermediate catch event `two` has 2 event definitions
            error[BPMN-031] 14:60 (two) conditional events are not supported yet
            error[BPMN-031] 14:91 (two) escalation events are not supported yet
        "#]],
    );
}

#[test]
fn references_to_nothing() {
    check(
        &in_process(
            r#"<b:startEvent id="s"/><b:sequenceFlow id="f1" sourceRef="s" targetRef="r"/>
<b:receiveTask id="r" messageRef="nobody"/>
<b:sequenceFlow id="f2" sourceRef="r"/>
<b:sequenceFlow id="f3" targetRef="gone" sourceRef="r"/>
<b:sequenceFlow sourceRef="r" targetRef="x"/>
<b:exclusiveGateway id="x" default="f1"/>
<b:boundaryEvent id="b" attachedToRef="x"><b:errorEventDefinition errorRef="E"/></b:boundaryEvent>
<b:boundaryEvent id="b2" attachedToRef="r"/>
<b:endEvent id="e"><b:errorEventDefinition errorRef="E"/></b:endEvent>
<b:endEvent><b:errorEventDefinition/></b:endEvent>
"#,
        ),
        &expect![[r#"
            error[BPMN-061] 3:35 (r) receive task `r` refers to the message `nobody`, which is not there
            error[BPMN-040] 4:1 (f2) sequence flow `f2` leads to nowhere
            error[BPMN-040] 5:36 (f3) a sequence flow leads to `gone`, which is not there
            error[BPMN-045] 7:37 (x) the default flow `f1` does not leave exclusive gateway `x`
            error[BPMN-070] 8:1 (b) boundary event `b` is attached to `x`, which is no activity beside it
            error[BPMN-072] 8:1 (b) boundary event `b` leads nowhere
            error[BPMN-068] 8:77 (b) boundary event `b` refers to the error `E`, which is not there
            error[BPMN-060] 9:1 (b2) boundary event `b2` has no event definition
            error[BPMN-072] 9:1 (b2) boundary event `b2` leads nowhere
            error[BPMN-068] 10:54 (e) end event `e` refers to the error `E`, which is not there
            error[BPMN-020] 11:1 (-) end event has no id
            error[BPMN-068] 11:13 (-) end event without id refers to no error
        "#]],
    );
}

#[test]
fn a_feel_error_shows_its_caret() {
    check(
        &in_process(
            "<b:startEvent id=\"s\"/><b:sequenceFlow id=\"f1\" sourceRef=\"s\" targetRef=\"t\"/>\n\
             <b:serviceTask id=\"t\"><b:extensionElements>\
             <z:taskDefinition type=\"=prefix + + \" retries=\"3\"/>\
             <z:ioMapping><z:input source=\"=a b c\" target=\"x\"/></z:ioMapping>\
             </b:extensionElements></b:serviceTask>\n",
        ),
        &expect![[r#"
            error[BPMN-090] 3:68 (t) the FEEL of `type` does not compile: expected an expression, found `+`
              prefix + + 
                       ^
            error[BPMN-090] 3:125 (t) the FEEL of `source` does not compile: expected an operator or the end, found `b`
              a b c
                ^
        "#]],
    );
}

#[test]
fn processes_and_roots() {
    check(
        &in_definitions(""),
        &expect![[r#"
        error[BPMN-010] 1:1 (-) the file has no process
    "#]],
    );
    check(
        &in_definitions("<b:process id=\"p\"/>"),
        &expect![[r#"
        error[BPMN-010] 1:1 (-) the process of this file is not executable
    "#]],
    );
    check(
        &in_definitions("<b:process id=\"p\"/><b:process id=\"q\" isExecutable=\"false\"/>"),
        &expect![[r#"
            error[BPMN-010] 1:1 (-) none of the 2 processes of this file is executable
        "#]],
    );
    check(
        &in_definitions("<b:process isExecutable=\"true\"/>"),
        &expect![[r#"
            error[BPMN-020] 1:116 (-) a process has no id
            error[BPMN-050] 1:116 (-) process without id has no start event
        "#]],
    );
    let process = "<b:process id=\"p\" isExecutable=\"true\"><b:startEvent id=\"s\"/></b:process>";
    check(
        &in_definitions(&process.repeat(2)),
        &expect![[r#"
        error[BPMN-021] 1:188 (p) two processes have the id `p`
    "#]],
    );
    let second = process.replace("\"p\"", "\"q\"");
    check(
        &in_definitions(&format!("{process}{second}")),
        &expect![[r#"
        p: 2 elements
        q: 2 elements
    "#]],
    );
    check(
        "<definitions/>",
        &expect![[r#"
        error[BPMN-009] 1:1 (-) the root is `definitions` without a namespace
    "#]],
    );
    check(
        "<html xmlns=\"http://www.w3.org/1999/xhtml\"/>",
        &expect![[r#"
        error[BPMN-009] 1:1 (-) the root is `html` of the namespace `http://www.w3.org/1999/xhtml`
    "#]],
    );
    check(
        "<definitions xmlns=\"http://www.omg.org/spec/BPMN/20100524/MODEL\">\
         <process id=\"p\" isExecutable=\"true\"><startEvent id=\"s\"/></process></definitions>",
        &expect![[r#"
            p: 2 elements
        "#]],
    );
}

#[test]
fn settings_without_effect_are_warned_of() {
    check(
        &in_process(
            r#"<b:startEvent id="s"><b:extensionElements><z:ioMapping><z:input source="=1" target="x"/></z:ioMapping></b:extensionElements></b:startEvent>
<b:sequenceFlow id="f1" sourceRef="s" targetRef="g"/>
<b:exclusiveGateway id="g" default="f2"/>
<b:sequenceFlow id="f2" sourceRef="g" targetRef="m"><b:conditionExpression>=a</b:conditionExpression></b:sequenceFlow>
<b:manualTask id="m"><b:extensionElements><z:taskDefinition type="x"/><z:jobPriorityDefinition priority="5"/></b:extensionElements></b:manualTask>
<b:task id="lost"/>
"#,
        ),
        &expect![[r#"
            p: 5 elements
            warning[BPMN-035] 2:56 (s) start event `s` has input mappings, which have no effect there
            warning[BPMN-035] 5:1 (f2) the condition of the default flow of exclusive gateway `g` has no effect
            warning[BPMN-035] 6:43 (m) `zeebe:taskDefinition` has no effect at manual task `m`
            warning[BPMN-035] 6:71 (m) `zeebe:jobPriorityDefinition` is ignored
            warning[BPMN-047] 7:1 (lost) task `lost` is never reached
        "#]],
    );
}
