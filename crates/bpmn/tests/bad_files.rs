//! Files that are no models: each is refused quickly, with a code and a place.

use bpmn::{Limits, read};
use expect_test::{Expect, expect};

const EVERYTHING: &str = include_str!("data/everything.bpmn");

fn refused(file: &[u8], expected: &Expect) {
    let found = read(file, &Limits::default()).expect_err("the file is bad");
    let shown: String = found
        .iter()
        .map(|found| {
            let place = found.place;
            format!("{} {}:{} {}\n", found.code, place.line, place.column, found.message)
        })
        .collect();
    expected.assert_eq(&shown);
}

#[test]
fn a_file_of_200_mb_is_refused_before_it_is_read() {
    refused(
        &vec![b'<'; 200 * 1024 * 1024],
        &expect![[r#"
        BPMN-001 1:1 the file has 209715200 bytes, at most 4194304 are read
    "#]],
    );
}

#[test]
fn entity_bombs_and_external_entities() {
    let bomb = "<?xml version=\"1.0\"?>\n<!DOCTYPE lolz [<!ENTITY a \"lol\"><!ENTITY b \
                \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>\n<lolz>&b;</lolz>";
    refused(
        bomb.as_bytes(),
        &expect![[r#"
        BPMN-004 2:1 the file has a document type declaration
    "#]],
    );
    let external = "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><x/>";
    refused(
        external.as_bytes(),
        &expect![[r#"
        BPMN-004 1:1 the file has a document type declaration
    "#]],
    );
    refused(
        b"<x>&unknown;</x>",
        &expect![[r#"
        BPMN-003 1:4 unknown entity reference `unknown`
    "#]],
    );
}

/// Shows SCN-1.
#[test]
fn too_deep_too_wide_too_many() {
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    refused(
        deep.as_bytes(),
        &expect![[r#"
        BPMN-005 1:601 elements are nested more than 200 deep
    "#]],
    );
    let attributes: String = (0..20_000).map(|n| format!(" a{n}=\"\"")).collect();
    refused(
        format!("<a{attributes}/>").as_bytes(),
        &expect![[r#"
        BPMN-006 1:1 an element has 20000 attributes, at most 256 are read
    "#]],
    );
    let nodes = format!("<a>{}</a>", "<b/>".repeat(300_000));
    refused(
        nodes.as_bytes(),
        &expect![[r#"
        BPMN-007 1:800000 the file has more than 200000 nodes
    "#]],
    );
    let namespaces: String = (0..100).map(|n| format!(" xmlns:n{n}=\"u{n}\"")).collect();
    refused(
        format!("<a{namespaces}/>").as_bytes(),
        &expect![[r#"
            BPMN-008 1:1 more than 32 namespaces are declared
        "#]],
    );
}

#[test]
fn encodings() {
    refused(
        b"<a>\nb\xff</a>",
        &expect![[r#"
        BPMN-002 2:2 the byte at offset 5 is not UTF-8
    "#]],
    );
    let wide: Vec<u8> = "\u{feff}<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(
        &wide,
        &expect![[r#"
        BPMN-002 1:1 the byte at offset 0 is not UTF-8
    "#]],
    );
    let marked = format!("\u{feff}{EVERYTHING}");
    read(marked.as_bytes(), &Limits::default()).unwrap();
}

#[test]
fn malformed() {
    refused(
        b"",
        &expect![[r#"
        BPMN-003 1:1 the document does not have a root node
    "#]],
    );
    refused(
        b"hello",
        &expect![[r#"
        BPMN-003 1:1 unknown token
    "#]],
    );
    refused(
        b"<a>\n  <b>\n</a>",
        &expect![[r#"
        BPMN-003 3:1 ill-formed document: expected `</b>`, but `</a>` was found
    "#]],
    );
    refused(
        b"<a b='1' b='2'/>",
        &expect![[r#"
        BPMN-003 1:10 attribute `b` is already defined
    "#]],
    );
    refused(
        b"<a b=1/>",
        &expect![[r#"
            BPMN-003 1:1 the value of an attribute is not in quotes
        "#]],
    );
    refused(
        b"<a>\n<!-- -- --></a>",
        &expect![[r#"
        BPMN-003 2:1 comment contains `--`
    "#]],
    );
    refused(
        b"<a>\0</a>",
        &expect![[r#"
        BPMN-003 1:4 a non-XML character `\0` found
    "#]],
    );
    refused(
        b"<x:a/>",
        &expect![[r#"
        BPMN-003 1:2 an unknown namespace prefix `x`
    "#]],
    );
    refused(
        b"<a/><b/>",
        &expect![[r#"
        BPMN-003 1:5 unknown token
    "#]],
    );
    refused(
        b"<a></a></a>",
        &expect![[r#"
        BPMN-003 1:8 ill-formed document: close tag `</a>` does not match any open tag
    "#]],
    );
}

#[test]
fn a_truncated_file_is_refused_at_every_length() {
    let end = EVERYTHING.rfind("</bpmn:definitions>").unwrap() + "</bpmn:definitions>".len();
    for length in (0..end).step_by(7) {
        if EVERYTHING.is_char_boundary(length) {
            let found = read(&EVERYTHING.as_bytes()[..length], &Limits::default()).unwrap_err();
            assert_eq!(found[0].code, "BPMN-003", "{length}: {found:?}");
        }
    }
}

#[test]
fn comments_and_processing_instructions_stand_anywhere() {
    let file = EVERYTHING
        .replace("<bpmn:outgoing>", "<!-- c --><?x y?><bpmn:outgoing>")
        .replace(">\n    <bpmn:", "><!-- a\n b --><?pi?>\n    <bpmn:")
        .replace("=score &gt; 10", "<!-- c -->=score &gt; 10")
        .replace("R/PT1H", "R/<!-- c -->PT<?x?>1H")
        .replace("> charge <", "><!-- c --> charge <");
    let plain = read(EVERYTHING.as_bytes(), &Limits::default()).unwrap();
    let marked = read(format!("{file}<!-- end --><?end?>").as_bytes(), &Limits::default()).unwrap();
    let ids = |model: &bpmn::Model| -> Vec<String> {
        model.programs[0].elements.iter().map(|element| element.id.to_string()).collect()
    };
    assert_eq!(ids(&plain), ids(&marked));
}

#[test]
fn limits_are_inclusive() {
    let limits = Limits { bytes_max: EVERYTHING.len(), ..Limits::default() };
    assert!(read(EVERYTHING.as_bytes(), &limits).is_ok());
    let limits = Limits { bytes_max: EVERYTHING.len() - 1, ..Limits::default() };
    assert!(read(EVERYTHING.as_bytes(), &limits).is_err());
    let depths = |depth_max| {
        let limits = Limits { depth_max, ..Limits::default() };
        read(EVERYTHING.as_bytes(), &limits).is_ok()
    };
    assert!(depths(7) && !depths(6));
}
