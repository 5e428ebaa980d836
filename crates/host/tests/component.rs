//! What `package check` says about components.
//!
//! Read first: [`found`].
#![cfg(feature = "wasm")]

use std::collections::BTreeMap;

use host::package::{Package, PackageSource};

const MANY: &str = include_str!("service_wasm/many.wat");

/// What is found in a package with this component.
fn found_in(bytes: Vec<u8>) -> String {
    let manifest = b"name = \"p\"\nversion = \"1.0.0\"\n[services.many]\nkind = \"wasm\"\n\
        component = \"services/many.wasm\"\n";
    let files = BTreeMap::from([
        ("package.toml".to_owned(), manifest.to_vec()),
        ("services/many.wasm".to_owned(), bytes),
    ]);
    let source = PackageSource::from_files(files).expect("a good manifest");
    let found = match Package::check(source) {
        Ok(package) => package.warnings,
        Err(found) => found,
    };
    found.iter().map(|problem| format!("{problem}\n")).collect::<Vec<_>>().concat()
}

fn found(wat: &str) -> String {
    found_in(wat::parse_str(wat).expect("good text"))
}

#[test]
fn a_component_of_the_world_is_accepted() {
    assert_eq!(found(MANY), "");
}

#[test]
fn what_is_no_component_says_what_it_is() {
    assert!(found_in(b"hello".to_vec()).contains("error[PKG-030]: `services/many.wasm` is no"));
    assert!(found("(module)").contains("is a WebAssembly module, not a component"));
    let mut cut = wat::parse_str(MANY).expect("good text");
    cut.truncate(cut.len() / 2);
    assert!(found_in(cut).contains("is damaged at byte"));
}

#[test]
fn machine_code_is_refused() {
    let found = found_in(b"\x7fELF rest".to_vec());
    assert!(found.contains("`services/many.wasm` is precompiled machine code"), "{found}");
}

#[test]
fn a_component_without_a_handler_is_refused() {
    let found = found("(component)");
    assert!(found.contains("does not export `pointsman:service/handler@0.1.0`"), "{found}");
}

#[test]
fn a_handler_of_another_shape_is_shown() {
    let other = MANY.replace("(field \"attempt\" u32)", "(field \"attempt\" s32)");
    let found = found(&other);
    assert!(found.contains("attempt: s32"), "{found}");
    assert!(found.contains("expected `(context: record{package: string,"), "{found}");
}

#[test]
fn imports_that_are_not_granted_are_named() {
    let with = |import: &str| MANY.replacen("(component", &format!("(component {import}"), 1);
    let http = "(import \"wasi:http/outgoing-handler@0.2.0\" (instance))";
    let found_http = found(&with(http));
    assert!(found_http.contains("error[PKG-031]"), "{found_http}");
    assert!(found_http.contains("imports `wasi:http/outgoing-handler@0.2.0`"), "{found_http}");
    let newer = found(&with("(import \"wasi:clocks/wall-clock@0.3.0\" (instance))"));
    assert!(newer.contains("error[PKG-031]"), "{newer}");
    let sockets = found(&with("(import \"wasi:sockets/tcp@0.2.0\" (instance))"));
    assert!(sockets.contains("warning[PKG-031]"), "{sockets}");
    assert_eq!(found(&with("(import \"wasi:clocks/wall-clock@0.2.0\" (instance))")), "");
}

#[test]
fn an_import_of_ours_with_another_shape_is_shown() {
    let other = MANY.replace("(param \"level\" $level) (param \"message\" string)", "");
    // The module inside would no longer fit; only the text of the import is needed.
    let wat = format!(
        "(component {})",
        &other[other.find("(import \"pointsman:service/log").unwrap()
            ..other.find("(import \"pointsman:service/services").unwrap()]
    );
    let found = found(&wat);
    assert!(found.contains("`write` of `pointsman:service/log@0.1.0` is `()`"), "{found}");
}
