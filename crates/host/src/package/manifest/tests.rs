//! Manifest texts in, diagnostics out.
//!
//! Read first: [`check`].

use expect_test::{Expect, expect};

use super::Manifest;

/// The diagnostics of `text`, or the manifest's own debug form if there are none.
#[expect(clippy::needless_pass_by_value, reason = "the form that expect-test rewrites")]
fn check(text: &str, expected: Expect) {
    let shown = match Manifest::read(text) {
        Ok(manifest) => format!("{manifest:#?}"),
        Err(found) => {
            found.iter().map(|problem| format!("{problem}\n")).collect::<Vec<_>>().concat()
        }
    };
    expected.assert_eq(&shown);
}

#[test]
fn all_problems_are_reported_at_once() {
    check(
        r#"
name = "Order"
version = "1.2"
descripton = "typo"

[dependencies]
customer-base = "one"

[settings]
auto_enable = true

[[triggers]]
name = "orders"
document = "order"
proces = "order-fulfilment"
filter = "=total >"
time-to-live = "1h"
when-disabled = "drop"
retries = -1

[services.score]
kind = "comand"

[services.mail]
kind = "http"
url = "ftp://example.org"
errors = { "40x" = "NOPE" }

[processes.main]
retention = "P1M"
logging-level = "errors"
minimum-logging-level = "process"
"#,
        expect![[r#"
            error[PKG-005]: `name` is `Order`, expected a name: `a`-`z`, `0`-`9` and `-`, a letter first, at most 64
              at: package.toml:2:8 (name)
            error[PKG-005]: `version` is `1.2`, expected a semantic version such as `1.2.0`
              at: package.toml:3:11 (version)
            error[PKG-003]: unknown key `descripton`
              at: package.toml:4:1 (descripton)
            hint: did you mean `description`?
            error[PKG-005]: `dependencies.customer-base` is `one`, expected a version requirement such as `^1.2`
              at: package.toml:7:17 (dependencies.customer-base)
            error[PKG-003]: unknown key `auto_enable`
              at: package.toml:10:1 (settings.auto_enable)
            hint: did you mean `auto-enable`?
            error[PKG-004]: `triggers[0]` has neither of `process` and `service`
              at: package.toml:12:1 (triggers[0])
            hint: give exactly one of them
            error[PKG-003]: unknown key `proces`
              at: package.toml:15:1 (triggers[0].proces)
            hint: did you mean `process`?
            error[PKG-006]: `triggers[0].filter` is no FEEL expression: expected an expression, found the end
              at: package.toml:16:19 (triggers[0].filter)
            hint: the position is that inside the expression
            error[PKG-005]: `triggers[0].time-to-live` is `1h`, expected an ISO 8601 duration without years and months such as `PT30S` or `P30D`
              at: package.toml:17:16 (triggers[0].time-to-live)
            error[PKG-005]: `triggers[0].when-disabled` is `drop`, expected one of `acknowledge`, `park`, `dead-letter`
              at: package.toml:18:17 (triggers[0].when-disabled)
            error[PKG-005]: `triggers[0].retries` is `-1`, expected a whole number from 0 to 1000
              at: package.toml:19:11 (triggers[0].retries)
            error[PKG-005]: `services.score.kind` is `comand`, expected one of `http`, `command`, `wasm`
              at: package.toml:22:8 (services.score.kind)
            error[PKG-005]: `services.mail.url` is no URL that can be called: the scheme `ftp` is not `http` or `https`
              at: package.toml:26:7 (services.mail.url)
            error[PKG-005]: `40x` is not a status such as `404` or `4xx`
              at: package.toml:27:20 (services.mail.errors.40x)
            error[PKG-005]: `processes.main` logs less than its own minimum
              at: package.toml:29:1 (processes.main)
            hint: raise `logging-level` or lower `minimum-logging-level`
            error[PKG-005]: `processes.main.retention` is `P1M`, expected an ISO 8601 duration without years and months such as `PT30S` or `P30D`
              at: package.toml:30:13 (processes.main.retention)
        "#]],
    );
}

#[test]
fn positions_inside_feel_account_for_escapes() {
    check(
        concat!(
            "name = \"a\"\nversion = \"1.0.0\"\n[[triggers]]\nname = \"t\"\n",
            "document = \"d\"\nprocess = \"p\"\n",
            "filter = \"=a = \\\"x\\\" and )\"\n",
            "correlation-key = '''\n=a +\n  )'''\n",
        ),
        expect![[r#"
            error[PKG-006]: `triggers[0].filter` is no FEEL expression: expected an expression, found `)`
              at: package.toml:7:26 (triggers[0].filter)
            hint: the position is that inside the expression
            error[PKG-006]: `triggers[0].correlation-key` is no FEEL expression: expected an expression, found `)`
              at: package.toml:10:3 (triggers[0].correlation-key)
            hint: the position is that inside the expression
        "#]],
    );
}

#[test]
fn syntax_errors_have_places() {
    check(
        "name = \"a\nversion = 1.0.0\n[x\n",
        expect![[r#"
        error[PKG-002]: not valid TOML: invalid basic string, expected `"`
          at: package.toml:1:10
        hint: see https://toml.io for the syntax; texts need quotes
        error[PKG-002]: not valid TOML: invalid float, expected nothing
          at: package.toml:2:14
        hint: see https://toml.io for the syntax; texts need quotes
        error[PKG-002]: not valid TOML: unclosed table, expected `]`
          at: package.toml:3:3
        hint: see https://toml.io for the syntax; texts need quotes
    "#]],
    );
}

#[test]
fn a_trigger_names_exactly_one_target() {
    check(
        r#"
name = "a"
version = "1.0.0"
[[triggers]]
name = "both"
document = "d"
process = "p"
service = "s"
[[triggers]]
name = "neither"
document = "d"
[[triggers]]
name = "twice"
document = "d"
process = "p"
[[triggers]]
name = "twice"
document = "other/d"
service = "other/s"
"#,
        expect![[r#"
            error[PKG-005]: `triggers[0]` has both of `process` and `service`
              at: package.toml:4:1 (triggers[0])
            hint: give exactly one of them
            error[PKG-004]: `triggers[1]` has neither of `process` and `service`
              at: package.toml:9:1 (triggers[1])
            hint: give exactly one of them
            error[PKG-019]: the trigger `twice` is declared twice
              at: package.toml:16:1 (triggers[3])
            hint: a trigger owns a queue by its name; rename one of them
        "#]],
    );
}

#[test]
fn services_are_checked_by_kind() {
    check(
        r#"
name = "a"
version = "1.0.0"
[settings.values]
"bad-name" = "x"
token = "secret:env:TOKEN"
[services.http]
kind = "http"
url = "http://user:pw@example.org/"
method = "get"
program = "x"
headers = { "bad header" = "x", "x-token" = "Bearer secret:nowhere:X" }
timeout = "PT0S"
[services.command]
kind = "command"
args = ["=(", 3]
output = "xml"
errors = { "0" = "X", "300" = "Y", "3" = "" }
pass-environment = ["1X"]
[services.Bad]
kind = "command"
program = ""
"#,
        expect![[r#"
            error[PKG-005]: `bad-name` cannot be used as `settings.bad-name` in FEEL
              at: package.toml:5:14 (settings.values.bad-name)
            hint: use `a`-`z`, `0`-`9` and `_`, a letter first
            error[PKG-005]: `settings.values.token` is `secret:env:TOKEN`, expected no secret: these go into headers and environments directly
              at: package.toml:6:9 (settings.values.token)
            error[PKG-005]: `services.http.url` is no URL that can be called: user names and passwords belong in a header with `secret:`
              at: package.toml:9:7 (services.http.url)
            error[PKG-005]: `services.http.method` is `get`, expected a method in capital letters such as `POST`
              at: package.toml:10:10 (services.http.method)
            error[PKG-003]: unknown key `program`
              at: package.toml:11:1 (services.http.program)
            hint: known keys: `kind`, `timeout`, `concurrency`, `result`, `body`, `method`, `url`, `headers`, `query`, `errors`, `retries`, `back-off`
            error[PKG-005]: `bad header` is no name allowed in `headers`
              at: package.toml:12:28 (services.http.headers.bad header)
            error[PKG-005]: `services.http.headers.x-token` is `Bearer secret:nowhere:X`, expected `secret:env:NAME` or `secret:file:/PATH`
              at: package.toml:12:45 (services.http.headers.x-token)
            error[PKG-005]: `services.http.timeout` is `PT0S`, expected more than nothing and at most `P1D`
              at: package.toml:13:11 (services.http.timeout)
            error[PKG-004]: `services.command` lacks the key `program`
              at: package.toml:14:1 (services.command.program)
            hint: add `program = …`
            error[PKG-006]: `services.command.args[0]` is no FEEL expression: expected an expression, found the end
              at: package.toml:16:12 (services.command.args[0])
            hint: the position is that inside the expression
            error[PKG-005]: `services.command.args[1]` is `3`, expected a text
              at: package.toml:16:15 (services.command.args[1])
            error[PKG-005]: `services.command.output` is `xml`, expected one of `json`, `text`
              at: package.toml:17:10 (services.command.output)
            error[PKG-005]: `0` is not an exit code from 1 to 255
              at: package.toml:18:18 (services.command.errors.0)
            error[PKG-005]: `300` is not an exit code from 1 to 255
              at: package.toml:18:31 (services.command.errors.300)
            error[PKG-005]: `services.command.errors.3` is ``, expected a BPMN error code
              at: package.toml:18:42 (services.command.errors.3)
            error[PKG-005]: `services.command.pass-environment[0]` is `1X`, expected the name of an environment variable
              at: package.toml:19:21 (services.command.pass-environment[0])
            error[PKG-005]: `Bad` is not a name: `a`-`z`, `0`-`9` and `-`, a letter first, at most 64
              at: package.toml:20:1 (services.Bad)
            hint: rename it
            error[PKG-005]: `services.Bad.program` is ``, expected a program
              at: package.toml:22:11 (services.Bad.program)
        "#]],
    );
}

const WHOLE: &str = r#"
name = "orders"
version = "1.2.3-rc.1"
[dependencies]
customer-base = "^1.2"
[[triggers]]
name = "orders"
document = "customer-base/order"
process = "main"
[services.mail]
kind = "http"
url = "http://127.0.0.1:8080/"
headers = { authorization = "Bearer secret:env:TOKEN" }
body = "x"
[services.score]
kind = "command"
program = "services/score.sh"
errors = { "3" = "UNKNOWN" }
[processes.main]
retention = "P30D"
"#;

#[test]
fn triggers_have_safe_defaults() {
    let manifest = Manifest::read(WHOLE).unwrap();
    assert!(manifest.settings.auto_enable);
    let shown = format!("{:#?}", manifest.triggers);
    let expected = expect![[r#"
        [
            Trigger {
                name: "orders",
                document: Reference {
                    package: Some(
                        "customer-base",
                    ),
                    name: "order",
                },
                target: Process(
                    "main",
                ),
                filter: None,
                correlation_key: None,
                time_to_live_ms: 3600000,
                when_disabled: Acknowledge,
                retries: 5,
                back_off_ms: 1000,
                place: Place {
                    line: 6,
                    column: 1,
                },
            },
        ]"#]];
    expected.assert_eq(&shown);
}

#[test]
fn services_have_safe_defaults() {
    let manifest = Manifest::read(WHOLE).unwrap();
    let shown = format!("{:#?}", manifest.services);
    let expected = expect![[r#"
        [
            ServiceDefinition {
                name: "mail",
                kind: Http(
                    HttpService {
                        method: POST,
                        url: Text(
                            "http://127.0.0.1:8080/",
                        ),
                        headers: [
                            (
                                "authorization",
                                Secret {
                                    prefix: "Bearer ",
                                    reference: Environment(
                                        "TOKEN",
                                    ),
                                },
                            ),
                        ],
                        query: [],
                        body: Some(
                            Text(
                                "x",
                            ),
                        ),
                        errors: [],
                        retries: 0,
                        back_off_ms: 100,
                    },
                ),
                timeout_ms: 10000,
                concurrency: 64,
                result: None,
                place: Place {
                    line: 10,
                    column: 1,
                },
            },
            ServiceDefinition {
                name: "score",
                kind: Command(
                    CommandService {
                        program: "services/score.sh",
                        args: [],
                        shell: None,
                        input: None,
                        output: Json,
                        environment: [],
                        pass_environment: [],
                        errors: {
                            3: "UNKNOWN",
                        },
                    },
                ),
                timeout_ms: 10000,
                concurrency: 8,
                result: None,
                place: Place {
                    line: 15,
                    column: 1,
                },
            },
        ]"#]];
    expected.assert_eq(&shown);
}

#[test]
fn processes_lose_nothing_by_default() {
    let manifest = Manifest::read(WHOLE).unwrap();
    assert_eq!(manifest.quality_of_service("other").retention_ms, None);
    let shown = format!("{:#?}", manifest.processes);
    let expected = expect![[r#"
        {
            "main": QualityOfService {
                optimize_locally: true,
                express_pipeline: false,
                volatile_transition_documents: false,
                volatile_tracking: false,
                minimum_logging_level: None,
                logging_level: All,
                log_pipeline: false,
                on_server_failure: Resume,
                retention_ms: Some(
                    2592000000,
                ),
            },
        }"#]];
    expected.assert_eq(&shown);
}

#[test]
fn no_damage_to_a_manifest_makes_reading_panic() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    for name in ["customer-base", "order-fulfilment"] {
        let text = std::fs::read_to_string(format!("{examples}/{name}/package.toml")).unwrap();
        Manifest::read(&text).unwrap();
        for (position, character) in text.char_indices() {
            let (before, after) = (&text[..position], &text[position + character.len_utf8()..]);
            let replaced = ["", "\"", "ü", "=", "\\"][position % 5];
            let _ = Manifest::read(&format!("{before}{replaced}{after}"));
        }
    }
}

#[test]
fn components_are_checked_key_by_key() {
    check(
        r#"
name = "parcels"
version = "1.0.0"

[services.one]
kind = "wasm"
component = "numbers.wasm"
memory = "1GiB"
memry = 1
reach = { files = ["data", "../etc"], hosts = ["api.example.com:443"], file = true }

[services.two]
kind = "wasm"
memory = "300MiB"
environment = { "1A" = "x" }
reach = "all"
"#,
        expect![[r#"
            error[PKG-005]: `services.one.component` is `numbers.wasm`, expected a file of the package such as `services/price.wasm`
              at: package.toml:7:13 (services.one.component)
            error[PKG-005]: `services.one.memory` is `1GiB`, expected a size from `1MiB` to `256MiB`
              at: package.toml:8:10 (services.one.memory)
            error[PKG-003]: unknown key `memry`
              at: package.toml:9:1 (services.one.memry)
            hint: did you mean `memory`?
            error[PKG-005]: `services.one.reach.files[1]` is `../etc`, expected a folder of the package: `processes`, `decisions`, `documents`, `services`, `forms`, `tests`, `data`
              at: package.toml:10:28 (services.one.reach.files[1])
            error[PKG-031]: `services.one.reach.hosts`: a component opens no connections of its own
              at: package.toml:10:47 (services.one.reach.hosts)
            hint: declare a service of kind `http`, which holds address and secrets, and call it through `pointsman:service/services`
            error[PKG-003]: unknown key `file`
              at: package.toml:10:72 (services.one.reach.file)
            hint: did you mean `files`?
            error[PKG-004]: `services.two` lacks the key `component`
              at: package.toml:12:1 (services.two.component)
            hint: add `component = …`
            error[PKG-005]: `services.two.memory` is `300MiB`, expected a size from `1MiB` to `256MiB`
              at: package.toml:14:10 (services.two.memory)
            error[PKG-005]: `1A` is no name allowed in `environment`
              at: package.toml:15:24 (services.two.environment.1A)
            error[PKG-005]: `services.two.reach` is `all`, expected a table
              at: package.toml:16:9 (services.two.reach)
        "#]],
    );
}
