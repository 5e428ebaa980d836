//! What is ours in a model: lock steps and logical servers, in the text form and as a modeler
//! writes them.

#[path = "support/shown.rs"]
mod shown;

use bpmn::{Kind, Limits, read};
use expect_test::expect;
use shown::{check, show};

/// A file with these steps between `start` and `end`, in the prefixes of the Camunda Modeler.
fn modeled(steps: &str) -> String {
    format!(
        "<bpmn:definitions xmlns:bpmn=\"http://www.omg.org/spec/BPMN/20100524/MODEL\" \
         xmlns:zeebe=\"http://camunda.org/schema/zeebe/1.0\" \
         xmlns:pointsman=\"http://pointsman.dev/schema/1.0\">\
         <bpmn:process id=\"p\" isExecutable=\"true\">{steps}</bpmn:process></bpmn:definitions>"
    )
}

#[test]
fn lock_steps_as_a_modeler_writes_them() {
    let xml = modeled(
        r#"<bpmn:startEvent id="start"/>
        <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="grab"/>
        <bpmn:serviceTask id="grab" name="Lock the printer"><bpmn:extensionElements>
          <zeebe:taskDefinition type="pointsman:lock"/>
          <zeebe:ioMapping><zeebe:input source="=&quot;printer-&quot; + site" target="name"/>
          </zeebe:ioMapping>
          <zeebe:taskHeaders><zeebe:header key="timeout" value="PT30S"/>
            <zeebe:header key="fence-variable" value="fence"/></zeebe:taskHeaders>
        </bpmn:extensionElements></bpmn:serviceTask>
        <bpmn:sequenceFlow id="f2" sourceRef="grab" targetRef="free"/>
        <bpmn:serviceTask id="free"><bpmn:extensionElements>
          <zeebe:taskDefinition type="pointsman:unlock"/>
          <zeebe:taskHeaders><zeebe:header key="name" value="printer-1"/></zeebe:taskHeaders>
        </bpmn:extensionElements></bpmn:serviceTask>"#,
    );
    let model = read(xml.as_bytes(), &Limits::default()).expect("it is right");
    assert_eq!(model.warnings, []);
    let program = &model.programs[0];
    let kind = |id: &str| &program.element(program.find(id).expect("it is there")).kind;
    let Kind::Lock(spec) = kind("grab") else { panic!("{:?}", kind("grab")) };
    assert_eq!(spec.name.text(), "name");
    assert!(spec.timeout.is_some());
    assert_eq!(spec.fence_variable.as_deref(), Some("fence"));
    let Kind::Unlock { name } = kind("free") else { panic!("{:?}", kind("free")) };
    assert_eq!(name.as_constant(), Some(&"printer-1".into()));
}

#[test]
fn lock_steps_that_say_too_little_or_too_much() {
    check(
        "start s -> a
         task a -> b type=pointsman:lock
         task b -> c type=pointsman:unlock retries=3
           header name = \" \"
           header timeout = PT1S
         task c -> d type=pointsman:lock
           header name = x
           in name = \"=y\"
         task d -> e type=pointsman:lock
           header name = x
           header timeout = soon
           header fence-variable = \"a b\"
         task e type=pointsman:lock
           in name = \"=1 +\"
           in timeout = \"1 minute\"",
        &expect![[r#"
            error[BPMN-101] 2:10 (a) service task `a` does not say which lock
              hint: give it an input mapping or a task header `name` with the name of the lock
            error[BPMN-101] 3:10 (b) service task `b` does not say which lock
              hint: give it an input mapping or a task header `name` with the name of the lock
            warning[BPMN-035] 3:52 (b) `retries` has no effect at service task `b`
              hint: remove it: no worker does this step, so none can fail
            warning[BPMN-035] 5:12 (b) the task header `timeout` has no effect at service task `b`
              hint: remove it; known are `name`
            error[BPMN-081] 8:12 (c) `name` of service task `c` is an input mapping and a header
              hint: keep one of the two
            error[BPMN-066] 11:29 (d) `soon` is no ISO 8601 duration such as `PT15M` or `P1DT12H`
              hint: write it like `PT15M` or `P1DT12H`
            error[BPMN-087] 12:37 (d) `fence-variable` of service task `d` is `a b`
              hint: name a variable: letters, digits and `_`, not starting with a digit
            error[BPMN-090] 14:23 (e) the FEEL of `source` does not compile: expected an expression, found the end
              1 +
                 ^
              hint: correct the expression at the caret
            error[BPMN-066] 15:12 (e) `1 minute` is no ISO 8601 duration such as `PT15M` or `P1DT12H`
              hint: write it like `PT15M` or `P1DT12H`
        "#]],
    );
}

#[test]
fn types_of_our_own_that_are_not_known() {
    check(
        "start s -> a
         task a -> b type=pointsman:log
         send b -> c type=pointsman:lock
         script c type=pointsman:unlock",
        &expect![[r#"
            error[BPMN-100] 2:27 (a) `pointsman:log` means nothing at service task `a`
              hint: use `pointsman:lock` or `pointsman:unlock` at a service task, or another prefix
            error[BPMN-100] 3:27 (b) `pointsman:lock` means nothing at send task `b`
              hint: use `pointsman:lock` or `pointsman:unlock` at a service task, or another prefix
            error[BPMN-100] 4:24 (c) `pointsman:unlock` means nothing at script task `c`
              hint: use `pointsman:lock` or `pointsman:unlock` at a service task, or another prefix
        "#]],
    );
}

/// The logical server of each element.
fn servers(xml: &str) -> String {
    let model = read(xml.as_bytes(), &Limits::default());
    let model = match model {
        Ok(model) => model,
        Err(found) => return found.iter().map(show).collect(),
    };
    let shown = |element: &bpmn::Element| {
        let server = element.logical_server.as_deref().unwrap_or("-");
        format!("{} {server}\n", element.id)
    };
    let elements: String = model.programs[0].elements.iter().map(shown).collect();
    elements + &model.warnings.iter().map(show).collect::<String>()
}

/// A service task with these extension elements.
fn service(id: &str, extensions: &str) -> String {
    format!(
        "<bpmn:serviceTask id=\"{id}\"><bpmn:extensionElements>\
         <zeebe:taskDefinition type=\"service:x\"/>{extensions}\
         </bpmn:extensionElements></bpmn:serviceTask>"
    )
}

const BILLING: &str = "<pointsman:logicalServer name=\"billing\"/>";
const ARCHIVE: &str = "<zeebe:properties><zeebe:property name=\"pointsman:logicalServer\" \
                       value=\"archive\"/></zeebe:properties>";

#[test]
fn the_nearest_logical_server_wins() {
    let process = "<bpmn:extensionElements><pointsman:logicalServer name=\"main\"/>\
                   </bpmn:extensionElements>";
    let lane = |id: &str, extensions: &str, inside: &str| {
        format!(
            "<bpmn:lane id=\"{id}\"><bpmn:extensionElements>{extensions}\
             </bpmn:extensionElements>{inside}</bpmn:lane>"
        )
    };
    let listed = |id: &str| format!("<bpmn:flowNodeRef>{id}</bpmn:flowNodeRef>");
    let inner = lane("inner", ARCHIVE, &listed("b"));
    let plain = lane("plain", "", &listed("c"));
    let inside = format!(
        "{}{}{}{}<bpmn:childLaneSet>{inner}{plain}</bpmn:childLaneSet>",
        listed("start"),
        listed("a"),
        listed("own"),
        listed("body")
    );
    let lanes = format!(
        "<bpmn:laneSet>{}{}</bpmn:laneSet>",
        lane("outer", BILLING, &inside),
        lane("other", "", &listed("d"))
    );
    let body = format!(
        "<bpmn:subProcess id=\"body\"><bpmn:startEvent id=\"in\"/>\
         <bpmn:sequenceFlow id=\"g1\" sourceRef=\"in\" targetRef=\"deep\"/>{}</bpmn:subProcess>",
        service("deep", "")
    );
    let steps: String = [
        service("a", ""),
        service("b", ""),
        service("c", ""),
        service("d", ""),
        service("own", "<pointsman:logicalServer name=\"mine\"/>"),
    ]
    .concat();
    let flows: String = ["a", "b", "c", "d", "own", "body"]
        .map(|id| {
            format!("<bpmn:sequenceFlow id=\"f-{id}\" sourceRef=\"start\" targetRef=\"{id}\"/>")
        })
        .concat();
    let xml =
        modeled(&format!("{process}{lanes}<bpmn:startEvent id=\"start\"/>{flows}{steps}{body}"));
    expect![[r#"
        p main
        start billing
        a billing
        b archive
        c billing
        d main
        own mine
        body billing
        in billing
        deep billing
    "#]]
    .assert_eq(&servers(&xml));
}

#[test]
fn logical_servers_that_cannot_be() {
    let step = |id: &str, extensions: &str| {
        let flow =
            format!("<bpmn:sequenceFlow id=\"f-{id}\" sourceRef=\"start\" targetRef=\"{id}\"/>");
        service(id, extensions) + &flow
    };
    let steps: String = [
        step("twice", &[BILLING, BILLING].concat()),
        step("differ", &[BILLING, ARCHIVE].concat()),
        step("blank", "<pointsman:logicalServer name=\" \"/>"),
        step("nameless", "<pointsman:logicalServer/>"),
        step("odd", "<pointsman:logicalServer name=\"a/b\"/>"),
        step("misspelt", "<pointsman:logicalserver name=\"a\"/>"),
    ]
    .concat();
    let lane = "<bpmn:laneSet><bpmn:lane id=\"l\"><bpmn:extensionElements>\
                <pointsman:logicalServer name=\"lane one\"/></bpmn:extensionElements>\
                <bpmn:flowNodeRef>odd</bpmn:flowNodeRef></bpmn:lane></bpmn:laneSet>";
    let xml = modeled(&format!("{lane}<bpmn:startEvent id=\"start\"/>{steps}"));
    expect![[r#"
        error[BPMN-102] 1:304 (-) `lane one` is no name of a logical server
          hint: use letters, digits, `.`, `_` and `-`, a letter or digit first, at most 64
        error[BPMN-081] 1:570 (twice) `pointsman:logicalServer` stands twice at `twice`
          hint: remove one of the two
        error[BPMN-081] 1:931 (differ) two logical servers are named, `billing` and `archive`
          hint: keep one of the two
        error[BPMN-102] 1:1199 (blank) ` ` is no name of a logical server
          hint: use letters, digits, `.`, `_` and `-`, a letter or digit first, at most 64
        error[BPMN-102] 1:1412 (nameless) `` is no name of a logical server
          hint: use letters, digits, `.`, `_` and `-`, a letter or digit first, at most 64
        error[BPMN-102] 1:1679 (odd) `a/b` is no name of a logical server
          hint: use letters, digits, `.`, `_` and `-`, a letter or digit first, at most 64
        warning[BPMN-034] 1:1890 (misspelt) `pointsman:logicalserver` is not known and is ignored
          hint: correct its name or remove it
    "#]]
    .assert_eq(&servers(&xml));
}

#[test]
fn steps_that_do_not_run_on_logical_servers() {
    check(
        "model p server=main
         start s -> a
         task a -> b type=charge server=billing
         task b -> c type=service:x server=billing
         script c \"=1\" result=x -> d
           property pointsman:logicalServer = billing
         task d -> e type=\"=kind\" server=billing
         sub e server=archive {
           start in
         } -> f
         task f type=service:y server=\"no name\"",
        &expect![[r#"
            warning[BPMN-035] 3:41 (a) `pointsman:logicalServer` has no effect at service task `a`
              hint: only services of packages (`service:NAME`) run on logical servers: remove it
            warning[BPMN-035] 6:47 (c) `pointsman:logicalServer` has no effect at script task `c`
              hint: only services of packages (`service:NAME`) run on logical servers: remove it
            error[BPMN-102] 11:40 (f) `no name` is no name of a logical server
              hint: use letters, digits, `.`, `_` and `-`, a letter or digit first, at most 64
        "#]],
    );
}
