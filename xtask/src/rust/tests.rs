//! The scanner on small pieces of Rust.

use super::{Function, Source};

#[test]
fn comments_and_literals_are_no_code() {
    let source =
        Source::read("a /* x /* y */ z */ b // c\nd(\"e\\\"f\", r#\"g\"h\"#, 'i', b'\\'')");
    let code = source.code.replace(['"', '\''], "");
    let words: Vec<_> = code.split_whitespace().collect();
    assert_eq!(words, ["a", "b", "d(,", ",", ",", "b)"]);
    let texts: Vec<_> = source.literals.iter().map(|literal| literal.text.as_str()).collect();
    assert_eq!(texts, ["e\\\"f", "g\"h"]);
    assert!(source.literals.iter().all(|literal| literal.line == 2));
}

#[test]
fn lifetimes_and_raw_names_are_code() {
    let source = Source::read("fn f<'a>(r#type: &'a str) -> &'static str { 'x: loop {} }");
    assert!(source.code.contains("r#type: &'a str"));
    assert!(source.literals.is_empty());
}

#[test]
fn functions_have_the_lines_of_their_code() {
    let text = "trait T { fn none(&self); }\n\
                fn two(x: [u8; 2]) -> u8 {\n    // why\n    let y = x[0];\n\n    y\n}\n";
    let two = Function { name: "two".to_owned(), line: 2, lines: 2 };
    assert_eq!(Source::read(text).functions(), [two]);
}

#[test]
fn items_under_cfg_test_are_tests() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\"; }\n}\nfn c() {}\n\
                #[cfg(test)]\nmod more;\nfn d() {}\n";
    let source = Source::read(text);
    let tests: Vec<_> = (1..=9).filter(|line| source.is_test_line(*line)).collect();
    assert_eq!(tests, [2, 3, 4, 5, 7, 8]);
}
