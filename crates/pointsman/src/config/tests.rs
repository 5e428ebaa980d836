//! Precedence, unknown keys, and the committed reference.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use expect_test::{expect, expect_file};

use super::command::reference;
use super::{Config, Given, Origin};
use crate::config::KEYS;
use crate::problem::Failure;

/// A configuration file that is gone at the end of the test.
struct Written(PathBuf);

impl Written {
    fn new(test: &str, text: &str) -> Self {
        static WRITTEN: AtomicU32 = AtomicU32::new(0);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let name = format!("pointsman-config-{test}-{}-{number}.toml", std::process::id());
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

#[test]
fn logical_servers_are_a_list_or_separated_by_commas() {
    let empty: [&str; 0] = [];
    for (text, names) in [
        ("", &empty[..]),
        ("hosts = 'billing'", &["billing"]),
        ("hosts = 'billing, risk,'", &["billing", "risk"]),
        ("hosts = ['billing', 'risk']", &["billing", "risk"]),
        ("hosts = []", &empty),
    ] {
        let file = Written::new("hosts", text);
        assert_eq!(Config::load(Some(&file.0), &Given::default()).unwrap().hosts, names);
    }
    assert!(refused("hosts = ['billing/2']").contains("names a logical server"));
    let flag = given(&[("POINTSMAN_HOSTS", "a")], &[("hosts", "b,c")]);
    assert_eq!(Config::load(None, &flag).unwrap().hosts, ["b", "c"]);
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
    let wanted = ["name", "data", "http", "grpc", "log.level", "log.format"];
    let shown = KEYS.iter().filter(|key| wanted.contains(&key.name)).map(|key| {
        let (value, origin) = config.explain(key);
        let origin = match origin {
            Origin::File(_) => "file".to_owned(),
            other => other.to_string(),
        };
        format!("{} = {value} ({origin})", key.name)
    });
    expect![[r#"
        name = file (file)
        data = pointsman-data (default)
        http = 127.0.0.1:3 (flag `--http`)
        grpc = 127.0.0.1:26500 (default)
        log.level = environment (environment `POINTSMAN_LOG`)
        log.format = text (file)"#]]
    .assert_eq(&shown.collect::<Vec<_>>().join("\n"));
}

/// CFG-1: a key that is not known is an error.
#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    expect![[r#"
        error[CLI-002]: the key `log.levle` is not known
          at: file `FILE`
        hint: did you mean `log.level`?"#]]
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
    expect![[r#"
        error[API-007]: cannot listen for `http`: `0.0.0.0:80` can be reached from other machines, and there is neither TLS nor authentication
          at: file `FILE`
        hint: set `tls.certificate`, `tls.key` and `auth.method = "tokens"` in the configuration; or listen on 127.0.0.1 or [::1]
    "#]]
    .assert_eq(&(refused("http = '0.0.0.0:80'") + "\n"));
}

#[test]
fn each_thing_that_is_missing_off_this_machine_is_named() {
    let tls = "tls.certificate = 'c'\ntls.key = 'k'";
    let tokens = "auth.method = 'tokens'";
    let hint = |rest: &str| {
        let shown = refused(&format!("http = '0.0.0.0:80'\n{rest}"));
        assert!(shown.starts_with("error[API-007]"), "{shown}");
        shown.lines().last().unwrap().to_owned()
    };
    expect![[r#"
        hint: set `auth.method = "tokens"` in the configuration; or listen on 127.0.0.1 or [::1]
        hint: set `tls.certificate` and `tls.key` in the configuration; or listen on 127.0.0.1 or [::1]
    "#]]
    .assert_eq(&[hint(tls), hint(tokens), String::new()].join("\n"));
    let words = "i-know-that-anybody-can-do-anything";
    for good in [format!("{tls}\n{tokens}"), format!("insecure-listen = '{words}'")] {
        let file = Written::new("reachable", &format!("http = '0.0.0.0:80'\n{good}"));
        Config::load(Some(&file.0), &Given::default()).unwrap();
    }
}

#[test]
fn half_of_a_protection_is_refused() {
    let shown = [
        "tls.certificate = 'c'",
        "tls.key = 'k'",
        "tls.client-ca = 'a'",
        "peer.ca = 'a'\npeer.address = '127.0.0.1:1'",
        "peer.address = '0.0.0.0:1'",
        "peer.address = '127.0.0.1:1'\nauth.method = 'tokens'",
        "auth.method = 'password'",
        "auth.bootstrap-token = 'the-token-itself'",
        "auth.bootstrap-token = 'env:FIRST'",
        "insecure-listen = 'yes'",
    ];
    expect![[r#"
        error[CLI-002]: `tls.certificate` is `c`, which is of no use without `tls.key`
          at: file `FILE`
        hint: set `tls.key` too
        error[CLI-002]: `tls.key` is `k`, which is of no use without `tls.certificate`
          at: file `FILE`
        hint: set `tls.certificate` too
        error[CLI-002]: `tls.client-ca` is `a`, which is of no use without `tls.certificate`
          at: file `FILE`
        hint: set `tls.certificate` too
        error[CLI-002]: `peer.ca` is `a`, which is of no use without a certificate
          at: file `FILE`
        hint: set `peer.certificate` and `peer.key`, or those of `tls`: servers show them to each other
        error[API-007]: cannot listen for `peer` at `0.0.0.0:1`: anybody who reaches it could act as a server of the cluster
          at: file `FILE`
        hint: set `peer.ca`, `peer.certificate` and `peer.key` in the configuration
        error[API-007]: cannot listen for `peer` at `127.0.0.1:1`: anybody who reaches it could act as a server of the cluster
          at: file `FILE`
        hint: set `peer.ca`, `peer.certificate` and `peer.key` in the configuration
        error[CLI-002]: `auth.method` is `password`, which is no method
          at: file `FILE`
        hint: use none or tokens
        error[CLI-002]: `auth.bootstrap-token` is no reference
          at: file `FILE`
        hint: write `env:NAME` or `file:PATH`; the token itself stands there
        error[CLI-002]: `auth.bootstrap-token` is `env:FIRST`, which is of no use: nobody is asked for a token
          at: file `FILE`
        hint: set `auth.method = "tokens"`
        error[CLI-002]: `insecure-listen` is `yes`, which does not say what it means
          at: file `FILE`
        hint: leave it empty, or write `i-know-that-anybody-can-do-anything`"#]]
    .assert_eq(&shown.map(refused).join("\n"));
}

#[test]
fn a_peer_has_a_whole_certificate_and_an_address_that_others_can_use() {
    let shown = [
        "peer.certificate = 'c'\npeer.address = '127.0.0.1:1'",
        "peer.certificate = 'c'\npeer.key = 'k'\npeer.address = '127.0.0.1:1'",
        "peer.address = '127.0.0.1:1'\npeer.advertise = 'server-a'",
        "peer.address = '127.0.0.1:1'\npeer.advertise = 'http://server-a:1'",
        "peer.address = '127.0.0.1:1'\npeer.advertise = '0.0.0.0:1'",
        "peer.address = '127.0.0.1:1'\npeer.advertise = '::1:70000'",
        "peer.address = '0.0.0.0:1'\ndatabase.url = 'postgresql://u@h/d'",
    ];
    expect![[r#"
        error[CLI-002]: `peer.certificate` is `c`, which is of no use without `peer.key`
          at: file `FILE`
        hint: set `peer.key` too
        error[CLI-002]: `peer.certificate` is `c`, which is of no use without `peer.ca`
          at: file `FILE`
        hint: set `peer.ca` too
        error[CLI-002]: `peer.advertise` is `server-a`, which is no HOST:PORT
          at: file `FILE`
        hint: set `peer.advertise` to the HOST:PORT by which other servers reach this one
        error[CLI-002]: `peer.advertise` is `http://server-a:1`, which is no HOST:PORT
          at: file `FILE`
        hint: set `peer.advertise` to the HOST:PORT by which other servers reach this one
        error[CLI-002]: `peer.advertise` is `0.0.0.0:1`, which is no HOST:PORT
          at: file `FILE`
        hint: set `peer.advertise` to the HOST:PORT by which other servers reach this one
        error[CLI-002]: `peer.advertise` is `::1:70000`, which is no HOST:PORT
          at: file `FILE`
        hint: set `peer.advertise` to the HOST:PORT by which other servers reach this one
        error[CLI-005]: `peer.address` is `0.0.0.0:1`, which does not say where other servers reach this one
          at: file `FILE`
        hint: set `peer.advertise` to the HOST:PORT by which other servers reach this one"#]]
    .assert_eq(&shown.map(refused).join("\n"));
}

#[test]
fn servers_have_an_authority_and_a_certificate_of_their_own() {
    let both = "tls.certificate = 'c'\ntls.key = 'k'\ntls.client-ca = 'one'\n\
                peer.address = '127.0.0.1:1'\npeer.advertise = '[::1]:7'\n";
    let config = |rest: &str| {
        let file = Written::new("authorities", &format!("{both}{rest}"));
        Config::load(Some(&file.0), &Given::default()).unwrap().security
    };
    let shown = |rest: &str| {
        let security = config(rest);
        security.check_authorities().map_err(|failure| failure.problem.unwrap().to_string())?;
        let identity = security.peer.unwrap().files.unwrap().identity;
        Ok::<_, String>(format!("{} {}", identity.certificate.display(), identity.key.display()))
    };
    assert_eq!(shown("peer.ca = 'two'").unwrap(), "c k");
    let own = "peer.ca = 'two'\npeer.certificate = 'file:pc'\npeer.key = 'pk'";
    assert_eq!(shown(own).unwrap(), "pc pk");
    assert!(shown("peer.ca = 'one'").unwrap_err().starts_with("error[API-007]"));
    let (one, two) = (Written::new("one-ca", "# the same"), Written::new("two-ca", "# the same"));
    let same = both.replace("'one'", &format!("'{}'", one.0.display()));
    let file = Written::new("same", &format!("{same}peer.ca = '{}'", two.0.display()));
    let config = Config::load(Some(&file.0), &Given::default()).unwrap();
    let refused = config.security.check_authorities().unwrap_err().problem.unwrap().to_string();
    assert!(refused.contains("hold the same authorities"), "{refused}");
}

#[test]
fn no_password_is_shown_in_whatever_form_it_was_written() {
    let shown = |url: &str| {
        let flags = given(&[], &[("database.url", url)]);
        let config = Config::load(None, &flags).unwrap();
        let key = KEYS.iter().find(|key| key.name == "database.url").unwrap();
        config.explain(key).0
    };
    for url in [
        "postgresql://u:secret@db/x",
        "postgresql://db/x?user=u&password=secret",
        "host=db user=u password=secret dbname=x",
    ] {
        assert_eq!(shown(url), "postgresql://u@db:5432/x", "{url}");
    }
    assert_eq!(shown("env:DATABASE"), "env:DATABASE");
    assert_eq!(shown(""), "");
    assert!(!shown("postgresql:/u:secret@db").contains("secret"));
}

#[test]
fn the_first_token_is_read_where_its_reference_says() {
    let bootstrap = |environment: &[(&str, &str)]| {
        let text = "auth.method = 'tokens'\nauth.bootstrap-token = 'env:FIRST'";
        let file = Written::new("bootstrap", text);
        let config = Config::load(Some(&file.0), &given(environment, &[])).unwrap();
        assert!(!format!("{config:?}").contains("0123456789"), "{config:?}");
        config.security.bootstrap().map_err(|failure| failure.problem.unwrap().to_string())
    };
    let good = "0123456789".repeat(4);
    assert_eq!(bootstrap(&[("FIRST", &good)]).unwrap(), Some(good));
    expect![[r#"
        error[CLI-002]: what `env:FIRST` holds is no token for `auth.bootstrap-token`
        hint: write at least 32 visible ASCII characters; `openssl rand -hex 32` makes some"#]]
    .assert_eq(&bootstrap(&[("FIRST", "short")]).unwrap_err());
    expect![[r#"
        error[CLI-020]: the secret `env:FIRST` is not there
        hint: put it there, or correct the reference"#]]
    .assert_eq(&bootstrap(&[]).unwrap_err());
}

#[test]
fn the_reference_is_a_valid_file_and_the_committed_one() {
    let text = reference();
    let file = Written::new("reference", &text);
    Config::load(Some(&file.0), &Given::default()).unwrap();
    expect_file!["../../../../docs/src/configuration.toml"].assert_eq(&text);
}

#[test]
fn a_storage_is_read_and_its_keys_are_only_referred_to() {
    let storage = |text: &str| {
        let file = Written::new("storage", text);
        let given = given(&[("KEY", "key-word"), ("AWS_REGION", "eu-1")], &[]);
        Config::load(Some(&file.0), &given).unwrap().storage
    };
    assert!(storage("").is_none());
    assert!(storage("[storage]\nthreshold = 1000").is_none());
    let found = storage(
        "[storage]\nurl = 's3://bucket/p'\nthreshold = 1_000\nendpoint = 'http://127.0.0.1:1'\n\
         access-key = 'env:KEY'\nsecret-key = 'env:KEY'",
    );
    let found = found.unwrap();
    assert_eq!(found.threshold, 1_000);
    assert!(!format!("{found:?}").contains("key-word"));
    let options = found.options().unwrap();
    assert_eq!(options.endpoint.as_deref(), Some("http://127.0.0.1:1"));
    assert!(options.environment.contains(&("AWS_ACCESS_KEY_ID".into(), "key-word".into())));
    assert!(options.environment.contains(&("AWS_REGION".into(), "eu-1".into())));
    expect![[r#"
        error[CLI-002]: `storage.secret-key` is no reference
        hint: use `env:NAME` or `file:PATH`"#]]
    .assert_eq(&refused("[storage]\nsecret-key = 'something-secret'"));
    expect![[r#"
        error[CLI-002]: `storage.url` is `gs://bucket`, which is no address of a storage
          at: file `FILE`
        hint: use `file:///DIRECTORY` or `s3://BUCKET/PREFIX`"#]]
    .assert_eq(&refused("[storage]\nurl = 'gs://bucket'"));
    assert!(refused("[storage]\nthreshold = 10").contains("is no number from 64"));
    assert!(refused("[storage]\nurk = 'x'").contains("did you mean `storage.url`"));
}
