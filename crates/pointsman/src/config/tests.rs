//! Precedence, unknown keys, and the committed reference.

use std::path::PathBuf;

use expect_test::{expect, expect_file};

use super::command::reference;
use super::{Config, Given, Origin};
use crate::config::KEYS;
use crate::problem::Failure;

/// A configuration file that is gone at the end of the test.
struct Written(PathBuf);

impl Written {
    fn new(test: &str, text: &str) -> Self {
        let name = format!("pointsman-config-{test}-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn given(environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Given {
    let environment = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    let flags = flags.iter().map(|(n, v)| (*n, (*v).to_owned()));
    Given { environment: environment.collect(), flags: flags.collect() }
}

fn refused(text: &str) -> String {
    let file = Written::new("refused", text);
    let failure: Failure = Config::load(Some(&file.0), &Given::default()).unwrap_err();
    let shown = failure.problem.unwrap().to_string();
    shown.replace(&file.0.display().to_string(), "FILE")
}

/// CFG-2: every value knows its origin.
#[test]
fn the_later_source_wins() {
    let file = Written::new(
        "precedence",
        "name = 'file'\nhttp = '127.0.0.1:1'\n[log]\nlevel = 'file'\nformat = 'text'",
    );
    let given = given(
        &[("POINTSMAN_LOG", "environment"), ("POINTSMAN_HTTP", "127.0.0.1:2")],
        &[("http", "127.0.0.1:3")],
    );
    let config = Config::load(Some(&file.0), &given).unwrap();
    let shown = KEYS.iter().take(6).map(|key| {
        let (value, origin) = config.explain(key);
        let origin = match origin {
            Origin::File(_) => "file".to_owned(),
            other => other.to_string(),
        };
        format!("{} = {value} ({origin})", key.name)
    });
    expect![[r"
        name = file (file)
        data = pointsman-data (default)
        http = 127.0.0.1:3 (flag `--http`)
        grpc = 127.0.0.1:26500 (default)
        log.level = environment (environment `POINTSMAN_LOG`)
        log.format = text (file)"]]
    .assert_eq(&shown.collect::<Vec<_>>().join("\n"));
}

/// CFG-1: a key that is not known is an error.
#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    expect![[r"
        error[CLI-002]: the key `log.levle` is not known
          at: file `FILE`
        hint: did you mean `log.level`?"]]
    .assert_eq(&refused("[log]\nlevle = 'info'"));
}

#[test]
fn a_wrong_value_is_refused_with_its_origin() {
    expect![[r"
        error[CLI-002]: `limits.service-calls` is `0`, which is no number from 1 to 10000
          at: file `FILE`
        hint: correct it"]]
    .assert_eq(&refused("limits.service-calls = 0"));
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    expect![[r"
        error[CLI-005]: cannot listen on `0.0.0.0:80`: it can be reached from other machines, and there is no authentication yet
          at: file `FILE`
        hint: use `127.0.0.1:PORT` or `[::1]:PORT`; port 0 takes a free one"]]
    .assert_eq(&refused("http = '0.0.0.0:80'"));
}

#[test]
fn the_reference_is_a_valid_file_and_the_committed_one() {
    let text = reference();
    let file = Written::new("reference", &text);
    Config::load(Some(&file.0), &Given::default()).unwrap();
    expect_file!["../../../../docs/src/configuration.toml"].assert_eq(&text);
}
