//! Transcripts of `pointsman feel`.

use expect_test::expect;

use super::server::{exact, pointsman};

fn run(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let scope = r#"{"order": {"total": 120, "items": [{"qty": 1}, {"qty": 7}]}, "Monthly Fee": 3}"#;
    std::fs::write(directory.path().join("scope.json"), scope).unwrap();
    let cases = concat!(
        r#"{"suite": "sums", "test": "two", "expression": "1 + 1", "expected": 2}"#,
        "\n\n",
        r#"{"suite": "sums", "test": "three", "expression": "1 + 2", "expected": 4}"#,
        "\nnonsense\n",
    );
    std::fs::create_dir(directory.path().join("cases")).unwrap();
    std::fs::write(directory.path().join("cases/sums.jsonl"), cases).unwrap();
    let output = pointsman().current_dir(directory.path()).args(arguments).output().unwrap();
    format!("$ pointsman {}\n{}", arguments.join(" "), exact(&output))
}

#[test]
fn expressions_are_evaluated_over_a_file() {
    let transcript = [
        run(&["feel", "eval", "order.total > 100", "--scope", "scope.json"]),
        run(&["feel", "eval", "= Monthly Fee * 12", "--scope", "scope.json"]),
        run(&["feel", "eval", "[1..5], > 10", "--input", "11", "--output", "json"]),
        run(&["feel", "eval", "string(now())", "--now", "2026-11-22T10:00:00Z"]),
        run(&["feel", "eval", "ordre.total", "--scope", "scope.json"]),
    ];
    expect![[r#"
        $ pointsman feel eval order.total > 100 --scope scope.json
        true
        exit 0

        $ pointsman feel eval = Monthly Fee * 12 --scope scope.json
        36
        exit 0

        $ pointsman feel eval [1..5], > 10 --input 11 --output json
        {
          "value": true,
          "warnings": []
        }
        exit 0

        $ pointsman feel eval string(now()) --now 2026-11-22T10:00:00Z
        "2026-11-22T10:00:00Z"
        exit 0

        $ pointsman feel eval ordre.total --scope scope.json
        null
        ! warning[NO_VARIABLE_FOUND]: No variable found with name 'ordre'
        ! warning[NO_CONTEXT_ENTRY_FOUND]: No property found with name 'total' of a null
        ! hint: there is no `ordre`; the nearest is `order`
        exit 0
    "#]]
    .assert_eq(&transcript.join("\n"));
}

#[test]
fn what_is_wrong_is_shown_at_its_place() {
    let transcript = [
        run(&["feel", "eval", "if order.total > 1 thn 2 else 3", "--scope", "scope.json"]),
        run(&["feel", "check", "ordre.total + cuont(order.items)", "--scope", "scope.json"]),
        run(&["feel", "check", "a.b + xs[c > 1]"]),
        run(&["feel", "eval", "for i in 1..10**9 return i"]),
        run(&["feel", "eval", "assert(1, false, \"no\")"]),
        run(&["feel", "eval", "1", "--scope", "nothing.json"]),
    ];
    expect![[r#"
        $ pointsman feel eval if order.total > 1 thn 2 else 3 --scope scope.json
        ! error[CLI-040]: expected `then`, found `thn`
        !   at: 1:20
        !   | if order.total > 1 thn 2 else 3
        !   |                    ^
        ! hint: did you mean `then`?
        exit 1

        $ pointsman feel check ordre.total + cuont(order.items) --scope scope.json
        reads cuont, order, ordre
        ! error[CLI-040]: there is no `ordre`; the nearest is `order`
        !   at: 1:1
        !   | ordre.total + cuont(order.items)
        !   | ^
        ! error[CLI-040]: there is no function `cuont`; the nearest is `count`
        !   at: 1:15
        !   | ordre.total + cuont(order.items)
        !   |               ^
        exit 1

        $ pointsman feel check a.b + xs[c > 1]
        reads a, c, xs
        exit 0

        $ pointsman feel eval for i in 1..10**9 return i
        ! error[CLI-041]: the evaluation takes too many steps
        exit 1

        $ pointsman feel eval assert(1, false, "no")
        ! error[CLI-041]: Assertion failure on evaluate the expression 'assert(1, false, "no")': no
        exit 1

        $ pointsman feel eval 1 --scope nothing.json
        ! error[CLI-006]: cannot read `nothing.json`
        !   caused by: No such file or directory (os error 2)
        ! hint: check the path and its rights
        exit 1
    "#]]
    .assert_eq(&transcript.join("\n"));
}

#[test]
fn cases_are_run_and_counted() {
    let transcript = [
        run(&["feel", "test", "cases"]),
        run(&["feel", "test", "cases/sums.jsonl", "--output", "json"]),
        run(&["feel", "test", "nothing"]),
    ];
    expect![[r#"
        $ pointsman feel test cases
        failed  cases/sums.jsonl:3  sums: three
                1 + 2
                expected 4
                actual   3

        failed  cases/sums.jsonl:4
                expected a case
                actual   expected a value at byte 0

        1 passed, 2 failed
        exit 1

        $ pointsman feel test cases/sums.jsonl --output json
        {
          "passed": 1,
          "failed": 2,
          "failures": [
            {
              "file": "cases/sums.jsonl",
              "line": 3,
              "suite": "sums",
              "test": "three",
              "expression": "1 + 2",
              "expected": "4",
              "actual": "3"
            },
            {
              "file": "cases/sums.jsonl",
              "line": 4,
              "suite": "",
              "test": "",
              "expression": "",
              "expected": "a case",
              "actual": "expected a value at byte 0"
            }
          ]
        }
        exit 1

        $ pointsman feel test nothing
        ! error[CLI-006]: cannot read `nothing`
        !   caused by: No such file or directory (os error 2)
        ! hint: check the path and its rights
        exit 1
    "#]]
    .assert_eq(&transcript.join("\n"));
}
