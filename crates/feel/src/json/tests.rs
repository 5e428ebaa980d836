//! JSON as strict as `serde_json` and as exact as decimals.
//!
//! Boundary: tests only. Read first: `agrees_with_serde_json`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

use super::{parse, to_string};

#[test]
fn text_round_trips() {
    for text in [
        "null",
        "true",
        "[]",
        "{}",
        "\"a\\\"b\\\\\\n\\u0001é😀\"",
        "[1,-2,0.1,1E+50]",
        "{\"a\":{\"b\":[1,{\"c\":null}]},\"d\":\"\"}",
        "12345678901234567890123456789.01",
        "-9223372036854775808",
    ] {
        let value = parse(text.as_bytes()).expect("JSON");
        assert_eq!(to_string(&value), text);
    }
    assert_eq!(parse(b" {\"a\" : 1 , \"a\":2} ").map(|v| to_string(&v)), Ok("{\"a\":2}".into()));
    assert_eq!(parse(br#""\ud83d\ude00\/""#).map(|v| to_string(&v)), Ok("\"😀/\"".into()));
}

#[test]
fn errors_have_a_place() {
    for (text, offset) in [
        (&b""[..], 0),
        (b"[1,]", 3),
        (b"{\"a\" 1}", 5),
        (b"01", 1),
        (b"1.", 2),
        (b"-", 1),
        (b"\"\n\"", 1),
        (b"\"abc", 4),
        (b"\"\\x\"", 1),
        (b"\"\\ud800\"", 1),
        (b"nul", 0),
        (b"[1 2]", 3),
        (b"{a:1}", 1),
        (b"\xff", 0),
        (b"1 1", 2),
        (b"1e999999999999", 0),
        (b"'a'", 0),
    ] {
        let error = parse(text).expect_err("no JSON");
        assert_eq!(error.offset, offset, "{:?}: {error}", String::from_utf8_lossy(text));
    }
}

#[test]
fn depth_is_limited_and_never_overflows() {
    let nested = |n: usize| ["[".repeat(n), "]".repeat(n)].concat();
    assert!(parse(nested(128).as_bytes()).is_ok());
    let error = parse(nested(129).as_bytes()).expect_err("too deep");
    assert_eq!(error.offset, 128);
    assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    assert!(parse("{\"a\":".repeat(1_000_000).as_bytes()).is_err());
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        (-9000i32..9000).prop_map(|a| serde_json::Value::from(f64::from(2 * a + 1) / 8.0)),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::vec((".{0,6}", inner), 0..20)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_serde_json(value in json()) {
        let text = value.to_string();
        let ours = parse(text.as_bytes()).expect("JSON");
        let back: serde_json::Value = serde_json::from_str(&to_string(&ours)).expect("JSON");
        assert_eq!(back, value);
    }

    #[test]
    fn accepts_what_serde_json_accepts(bytes in damaged()) {
        let theirs = serde_json::from_slice::<serde_json::Value>(&bytes);
        let ours = parse(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        // Decimals reach further than the floating point numbers of the other one.
        let is_wide = matches!(&theirs, Err(error) if error.to_string().contains("out of range"));
        let is_fine = ours.is_ok() == theirs.is_ok() || (ours.is_ok() && is_wide);
        assert!(is_fine, "{text:?} {ours:?} {theirs:?}");
    }
}

/// JSON text with a few bytes changed, or bytes from JSON's alphabet.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let changed =
        (json(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(value, at, byte)| {
            let mut bytes = value.to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
    let alphabet = prop::collection::vec(
        prop::sample::select(&b"[]{}\",:\\u0123459.eE+-tfnrulsa \n\x01\xc3\xa9"[..]),
        0..24,
    );
    prop_oneof![changed, alphabet]
}
