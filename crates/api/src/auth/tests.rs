//! Tokens, and the table of roles against what the faces answer and what the guide says.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use expect_test::expect_file;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue};
use node::Clock;

use super::roles::{GRPC, Need, ROLES, TABLE, need};
use super::{Denied, Role, TokenRow, Tokens, digest, hexadecimal, role_name, role_named};

fn row(token: &str, role: Role, expires_ms: Option<i64>) -> TokenRow {
    TokenRow { hash: hexadecimal(&digest(token)).into(), role, created_ms: 0, expires_ms }
}

fn head(values: &[&str]) -> HeaderMap {
    let name = http::header::AUTHORIZATION;
    let values = values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap()));
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        headers.append(name, value);
    }
    headers
}

/// Tokens on a clock that stands at 1,000 until it is set.
fn tokens() -> (Tokens, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(1_000));
    (Tokens::new(Clock::Manual(Arc::clone(&now))), now)
}

fn denied(tokens: &Tokens, values: &[&str], role: Role) -> Option<Denied> {
    tokens.check(&head(values), role).err()
}

#[test]
fn a_role_includes_those_below_it() {
    let (tokens, _) = tokens();
    let rows = ROLES.map(|role| (role_name(role), row(role_name(role), role, None)));
    tokens.replace(rows);
    for has in ROLES {
        let shown = format!("Bearer {}", role_name(has));
        for need in ROLES {
            let expected = (has < need).then_some(Denied::TooSmall { need });
            assert_eq!(denied(&tokens, &[&shown], need), expected, "{has:?} {need:?}");
        }
        assert_eq!(role_named(role_name(has)), Some(has));
    }
    assert_eq!(role_named("root"), None);
    assert_eq!(tokens.refused(), 6);
}

#[test]
fn only_one_bearer_token_that_is_in_force_is_taken() {
    let (tokens, now) = tokens();
    let rows = [("a", row("one", Role::Viewer, Some(2_000))), ("b", row("two", Role::Admin, None))];
    tokens.replace(rows);
    let asked = |values: &[&str]| denied(&tokens, values, Role::Viewer);
    for good in ["Bearer one", "bearer one", "BEARER   one", "Bearer two"] {
        assert_eq!(asked(&[good]), None, "{good}");
    }
    assert_eq!(asked(&[]), Some(Denied::Missing));
    for wrong in ["", "Bearer", "Bearer ", "one", "Basic one", "Bearer On", "Bearer one two"] {
        assert_eq!(asked(&[wrong]), Some(Denied::Unknown), "{wrong}");
    }
    assert_eq!(asked(&["Bearer one", "Bearer two"]), Some(Denied::Unknown));
    now.store(1_999, Ordering::Relaxed);
    assert_eq!(asked(&["Bearer one"]), None);
    now.store(2_000, Ordering::Relaxed);
    assert_eq!(asked(&["Bearer one"]), Some(Denied::Unknown));
    tokens.replace([("a", row("one", Role::Viewer, None))]);
    assert_eq!(asked(&["Bearer one"]), None);
    assert_eq!(asked(&["Bearer two"]), Some(Denied::Unknown));
    let damaged = TokenRow { hash: "x".into(), ..row("one", Role::Admin, None) };
    tokens.replace([("a", damaged)]);
    assert_eq!(asked(&["Bearer one"]), Some(Denied::Unknown));
}

#[test]
fn the_bootstrap_token_is_in_force_whatever_is_stored() {
    let (tokens, _) = tokens();
    let tokens = tokens.with_bootstrap("first");
    assert_eq!(denied(&tokens, &["Bearer first"], Role::Admin), None);
    assert_eq!(denied(&tokens, &["Bearer other"], Role::Viewer), Some(Denied::NotYet));
    tokens.replace(Vec::<(String, TokenRow)>::new());
    assert_eq!(denied(&tokens, &["Bearer first"], Role::Admin), None);
    assert_eq!(denied(&tokens, &["Bearer other"], Role::Viewer), Some(Denied::Unknown));
}

#[tokio::test]
async fn a_pass_ends_with_its_token() {
    let (tokens, now) = tokens();
    let rows = |expires_ms| [("a", row("one", Role::Operator, expires_ms))];
    tokens.replace(rows(None));
    let pass = || tokens.check(&head(&["Bearer one"]), Role::Operator).unwrap();
    let mut revoked = Box::pin(pass().withdrawn());
    assert!(revoked.as_mut().now_or_never().is_none());
    tokens.replace(rows(Some(5_000)));
    assert!(revoked.as_mut().now_or_never().is_none());
    now.store(4_990, Ordering::Relaxed);
    let mut expiring = Box::pin(pass().withdrawn());
    assert!(expiring.as_mut().now_or_never().is_none());
    now.store(5_000, Ordering::Relaxed);
    tokio::time::timeout(Duration::from_secs(20), expiring).await.unwrap();
    tokens.replace(Vec::<(String, TokenRow)>::new());
    assert!(revoked.as_mut().now_or_never().is_some());
}

#[tokio::test]
async fn what_is_in_force_follows_what_is_stored() {
    let (tokens, _) = tokens();
    let (stored, storing) = tokio::sync::watch::channel(Arc::new(vec![]));
    let change = async {
        tokio::task::yield_now().await;
        assert_eq!(denied(&tokens, &["Bearer one"], Role::Viewer), Some(Denied::Unknown));
        stored.send_replace(Arc::new(vec![("a", row("one", Role::Viewer, None))]));
        drop(stored);
    };
    tokio::join!(tokens.follow(storing), change);
    assert_eq!(denied(&tokens, &["Bearer one"], Role::Viewer), None);
}

/// AUTH-2: and nothing is left to that rule.
#[tokio::test]
async fn every_call_has_its_role_and_every_role_its_call() {
    let node = node::Node::open(
        Arc::new(store::memory::Memory::new()),
        node::Options::new("test", std::env::temp_dir()),
    );
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let gateway = crate::grpc::routes(node.clone(), address, stopping);
    let gateway = gateway.paths().map(|path| (GRPC, path));
    let served: BTreeSet<_> = crate::rest::calls().into_iter().chain(gateway).collect();
    let known: BTreeSet<_> = TABLE.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(served, known, "add the new call to `TABLE` in `auth/roles.rs`");
    assert_eq!(known.len(), TABLE.len(), "a call stands in the table twice");
    assert_eq!(need("get", "/api/unheard-of"), Need::Role(Role::Admin));
    node.stop().await;
}

#[test]
fn the_guide_has_the_table() {
    let mut out = "<!-- Written by the tests of `crates/api`. -->\n".to_owned();
    let needs = ROLES.map(Need::Role);
    for need in [Need::Nothing].into_iter().chain(needs) {
        let name = match need {
            Need::Nothing => "no token".to_owned(),
            Need::Role(role) => format!("`{}`", role_name(role)),
        };
        write!(out, "\n| {name} | |\n| --- | --- |\n").unwrap();
        for (method, path, _) in TABLE.iter().filter(|(_, _, least)| *least == need) {
            let path = path.replace("{*", "{");
            let (how, path) = match *method {
                GRPC => ("gRPC".to_owned(), path.trim_start_matches('/').replace('/', ".")),
                method => (method.to_uppercase(), path),
            };
            writeln!(out, "| {how} | `{path}` |").unwrap();
        }
    }
    expect_file!["../../../../docs/src/roles.md"].assert_eq(&out);
}
