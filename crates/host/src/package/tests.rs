//! Whole packages in, diagnostics out.
//!
//! Read first: [`check`].

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::{Package, PackageSource};

/// What checking says of a package with these files beside a small manifest.
#[expect(clippy::needless_pass_by_value, reason = "the form that expect-test rewrites")]
fn check(manifest: &str, files: &[(&str, &str)], expected: Expect) {
    let manifest = format!("name = \"a\"\nversion = \"1.0.0\"\n{manifest}");
    let mut all = BTreeMap::from([("package.toml".to_owned(), manifest.into_bytes())]);
    for (path, text) in files {
        all.insert((*path).to_owned(), text.as_bytes().to_vec());
    }
    let found = match PackageSource::from_files(all).and_then(Package::check) {
        Ok(package) => package.warnings,
        Err(found) => found,
    };
    let shown: Vec<_> = found.iter().map(|problem| format!("{problem}\n")).collect();
    expected.assert_eq(&shown.concat());
}

#[test]
fn names_in_the_manifest_must_exist() {
    check(
        r#"
[[triggers]]
name = "t"
document = "order"
process = "p"
[[triggers]]
name = "u"
document = "a/order"
service = "missing"
[services.s]
kind = "command"
program = "services/s.sh"
"#,
        &[("services/other.sh", "#!/bin/sh\n")],
        expect![[r#"
            error[PKG-012]: there is no document type `order`
              at: package.toml:4:1 (triggers.t)
            hint: add `documents/order.json`, or name it as `package/type`
            error[PKG-012]: there is no document type `order`
              at: package.toml:8:1 (triggers.u)
            hint: add `documents/order.json`, or name it as `package/type`
            error[PKG-012]: there is no service `missing`
              at: package.toml:8:1 (triggers.u)
            hint: add `[services.missing]`
            error[PKG-012]: the package has no file `services/s.sh`
              at: package.toml:12:1 (services.s.program)
            hint: add the script, or name an installed program
        "#]],
    );
}

#[test]
fn files_without_a_meaning_are_warned_of() {
    check(
        "",
        &[
            ("README.md", ""),
            ("process/main.bpmn", ""),
            ("processes/main.xml", ""),
            ("processes/deep/main.bpmn", ""),
        ],
        expect![[r#"
            warning[PKG-011]: `process/main.bpmn` has no meaning in a package
              at: process/main.bpmn
            hint: a package holds processes/*.bpmn, decisions/*.dmn, documents/*.json, services/*, forms/*.form, tests/*.toml, data/*
            warning[PKG-011]: `processes/main.xml` has no meaning in a package
              at: processes/main.xml
            hint: a package holds processes/*.bpmn, decisions/*.dmn, documents/*.json, services/*, forms/*.form, tests/*.toml, data/*
        "#]],
    );
}

#[test]
fn schemas_are_checked_each_for_itself() {
    check(
        "",
        &[
            ("documents/good.json", r#"{"$ref": "part.json#/$defs/id"}"#),
            ("documents/part.json", r#"{"$defs": {"id": {"type": "string"}}}"#),
            ("documents/no-json.json", "{\n  \"type\": }"),
            ("documents/no-schema.json", r#"{"properties": {"a": {"type": "text"}}}"#),
            ("documents/remote.json", r#"{"$ref": "https://example.org/x.json"}"#),
            ("documents/file.json", r#"{"$ref": "file:///etc/passwd"}"#),
            ("documents/outside.json", r#"{"$ref": "../package.toml"}"#),
            ("documents/missing.json", r#"{"$ref": "nothing.json"}"#),
            ("documents/pattern.json", r#"{"pattern": "(a"}"#),
            ("documents/Name.json", "{}"),
            ("documents/loop.json", r##"{"properties": {"next": {"$ref": "#"}}}"##),
        ],
        expect![[r#"
            error[PKG-005]: `Name` cannot name a document type
              at: documents/Name.json
            hint: use `a`-`z`, `0`-`9` and `-`, a letter first, and no folders
            error[PKG-010]: no valid JSON Schema: the package has no schema `file:///etc/passwd`
              at: documents/file.json
            hint: references lead to other files of `documents/`, such as `address.json`
            error[PKG-010]: no valid JSON Schema: the package has no schema `nothing.json`
              at: documents/missing.json
            hint: references lead to other files of `documents/`, such as `address.json`
            error[PKG-010]: no valid JSON Schema: not JSON: expected value at line 2 column 11
              at: documents/no-json.json:2:11
            hint: correct the JSON
            error[PKG-010]: no valid JSON Schema: "text" is not valid under any of the schemas listed in the 'anyOf' keyword
              at: documents/no-schema.json (/properties/a/type)
            hint: see https://json-schema.org
            error[PKG-010]: no valid JSON Schema: the package has no schema `package:///package.toml`
              at: documents/outside.json
            hint: references lead to other files of `documents/`, such as `address.json`
            error[PKG-010]: no valid JSON Schema: "(a" is not a "regex"
              at: documents/pattern.json (/pattern)
            hint: see https://json-schema.org
            error[PKG-010]: no valid JSON Schema: the package has no schema `https://example.org/x.json`
              at: documents/remote.json
            hint: references lead to other files of `documents/`, such as `address.json`
        "#]],
    );
}

#[test]
fn steps_that_do_something_are_read_to_the_end() {
    let scenario = r#"
descripton = "x"
[services.s]
complete = {}
fail = {}
[[steps]]
publish = "order"
[[steps]]
publish = "Order"
data = {}
[[steps]]
publish = "order"
file = "data/missing.json"
[[steps]]
publish = "order"
file = "data/bad.json"
[[steps]]
job = "j"
count = 0
error = { message = "no code" }
"#;
    check(
        "",
        &[("tests/bad.toml", scenario), ("data/bad.json", "{]")],
        expect![[r#"
        error[PKG-003]: unknown key `descripton`
          at: tests/bad.toml:2:1 (descripton)
        hint: did you mean `description`?
        error[PKG-004]: `services.s` needs exactly one of `complete`, `fail`, `error`
          at: tests/bad.toml:3:1 (services.s)
        hint: add `complete = {}`
        error[PKG-004]: `steps[0].publish` needs exactly one of `data` and `file`
          at: tests/bad.toml:7:11 (steps[0].publish)
        hint: add `data = {…}`
        error[PKG-005]: `steps[1].publish` is `Order`, expected `type` or `package/type`
          at: tests/bad.toml:9:11 (steps[1].publish)
        error[PKG-012]: the package has no file `data/missing.json`
          at: tests/bad.toml:13:8 (steps[2].file)
        hint: add it
        error[PKG-005]: `data/bad.json` is not JSON at byte 1: expected a name in double quotes
          at: tests/bad.toml:16:8 (steps[3].file)
        error[PKG-005]: `steps[4].count` is `0`, expected a whole number from 1 to 1000000
          at: tests/bad.toml:19:9 (steps[4].count)
        error[PKG-004]: `steps[4].error` lacks the key `code`
          at: tests/bad.toml:20:9 (steps[4].error.code)
        hint: add `code = …`
    "#]],
    );
}

#[test]
fn other_steps_are_read_to_the_end() {
    let scenario = r#"
[[steps]]
clock = "soon"
[[steps]]
clock = "PT1S"
start = "p"
[[steps]]
expect = { compleeted = 1, passed = "x", variables = { a = inf } }
[[steps]]
"#;
    check(
        "",
        &[("tests/bad.toml", scenario), ("tests/empty.toml", "")],
        expect![[r#"
        error[PKG-005]: `steps[0].clock` is `soon`, expected an ISO 8601 duration without years and months such as `PT30S` or `P30D`
          at: tests/bad.toml:3:9 (steps[0].clock)
        error[PKG-005]: the step has more than one of `publish`, `start`, `job`, `clock`, `expect`
          at: tests/bad.toml:4:1 (steps[1])
        hint: each step does exactly one thing
        error[PKG-003]: unknown key `compleeted`
          at: tests/bad.toml:8:12 (steps[2].expect.compleeted)
        hint: did you mean `completed`?
        error[PKG-005]: `steps[2].expect.passed` is `x`, expected a list
          at: tests/bad.toml:8:37 (steps[2].expect.passed)
        error[PKG-005]: `steps[2].expect.variables.a` is `inf`, expected a value with a JSON form
          at: tests/bad.toml:8:60 (steps[2].expect.variables.a)
        error[PKG-005]: the step has none of `publish`, `start`, `job`, `clock`, `expect`
          at: tests/bad.toml:9:1 (steps[3])
        hint: each step does exactly one thing
        error[PKG-004]: the file lacks the key `steps`
          at: tests/empty.toml:1:1 (steps)
        hint: add `steps = …`
    "#]],
    );
}

#[test]
fn a_scenario_keeps_the_order_and_the_values() {
    let scenario = r#"
description = "d"
[[steps]]
publish = "b/order"
data = { n = 1, d = 2.50, when = 2026-11-02T09:30:00Z, list = [true, { x = "y" }], hex = 0x1f }
[[steps]]
job = "j"
count = 3
fail = { message = "m", retries = 2, variables = { v = 1 } }
"#;
    let files = BTreeMap::from([
        ("package.toml".to_owned(), b"name = \"a\"\nversion = \"1.0.0\"".to_vec()),
        ("tests/one.toml".to_owned(), scenario.as_bytes().to_vec()),
    ]);
    let package = PackageSource::from_files(files).and_then(Package::check).unwrap();
    let [scenario] = package.scenarios.as_slice() else { panic!("one scenario") };
    assert_eq!((scenario.name.as_str(), scenario.steps.len()), ("one", 2));
    let super::scenario::Action::Publish { document, data } = &scenario.steps[0].action else {
        panic!("{:?}", scenario.steps[0])
    };
    assert_eq!(document.package.as_deref(), Some("b"));
    let mut text = String::new();
    feel::json::write(data, &mut text);
    let expected =
        r#"{"d":2.5,"hex":31,"list":[true,{"x":"y"}],"n":1,"when":"2026-11-02T09:30:00Z"}"#;
    assert_eq!(text, expected);
    assert_eq!(scenario.steps[1].place.line, 6);
}
