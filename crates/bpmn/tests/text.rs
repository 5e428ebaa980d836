//! The text form: what is read, and what is refused.

use bpmn::{Catch, Kind, Program, read_text};

/// One line per element: id, kind, outgoing targets.
fn outline(program: &Program) -> String {
    let mut out = format!("{} {:?}\n", program.id, program.version_tag);
    for element in program.elements.iter().skip(1) {
        let kind = format!("{:?}", element.kind);
        let kind = kind.split([' ', '(']).next().expect("split yields something");
        let targets: Vec<&str> = element
            .outgoing
            .iter()
            .map(|flow| &*program.element(program.flow(*flow).target).id)
            .collect();
        let scope = &program.element(element.scope.expect("only the process has none")).id;
        out += &format!("{scope}/{} {kind} -> {}\n", element.id, targets.join(", "));
    }
    out
}

#[test]
fn the_example_of_the_style_guide() {
    let program = read_text(
        "model order
           start s      -> charge
           task  charge -> done      type=charge
           timer late   @charge PT30S interrupting -> apology
           end done
           end apology",
    )
    .unwrap();
    expect_test::expect![[r#"
        order None
        order/s Start -> charge
        order/charge ServiceTask -> done
        order/late Boundary -> apology
        order/done EndNone -> 
        order/apology EndNone -> 
    "#]]
    .assert_eq(&outline(&program));
    let charge = program.element(program.find("charge").unwrap());
    assert_eq!(charge.boundary, vec![program.find("late").unwrap()]);
    let late = program.element(program.find("late").unwrap());
    let Kind::Boundary { interrupting: true, catch: Catch::Timer(_), .. } = &late.kind else {
        panic!("{late:?}")
    };
}
