//! The parts of a `multipart/form-data` body that is in memory already.
//!
//! Boundary: names and bytes of parts; the body's size is bounded by whoever read it.
//! Read first: [`parts`].   Tests: at the end of this file.

use bytes::Bytes;

use crate::problem::Problem;

/// Parts that one body may have.
const PARTS_MAX: usize = 1_000;

/// The boundary of a `Content-Type` header.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1);
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (1..=70).contains(&value.len()).then(|| value.to_owned())
}

/// Name and bytes of each part; the name is its file's, or that of its field.
///
/// # Errors
/// The body is damaged.
pub(super) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<(String, Bytes)>, Problem> {
    let opening = format!("--{boundary}");
    let closing = format!("\r\n--{boundary}");
    let mut parts = Vec::new();
    let mut at = match find(body, opening.as_bytes(), 0) {
        Some(0) => opening.len(),
        Some(begin) if body[..begin].ends_with(b"\r\n") => begin + opening.len(),
        _ => return Err(damaged("it does not begin with its boundary")),
    };
    loop {
        if body[at..].starts_with(b"--") {
            return Ok(parts);
        }
        if parts.len() == PARTS_MAX {
            return Err(damaged("it has too many parts"));
        }
        if !body[at..].starts_with(b"\r\n") {
            return Err(damaged("a boundary's line goes on"));
        }
        let headers_end = find(body, b"\r\n\r\n", at).ok_or_else(|| damaged("it ends early"))?;
        let begin = headers_end + 4;
        let end = find(body, closing.as_bytes(), begin).ok_or_else(|| damaged("it ends early"))?;
        let name = name(&body[at..headers_end]).unwrap_or_else(|| format!("{}", parts.len() + 1));
        parts.push((name, body.slice(begin..end)));
        at = end + closing.len();
    }
}

fn damaged(how: &str) -> Problem {
    let detail = format!("the multipart body is damaged: {how}");
    Problem::field("body", detail, "send multipart/form-data as RFC 7578 says")
}

fn find(body: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let first = what.first()?;
    let mut at = from;
    while let Some(next) = body.get(at..)?.iter().position(|byte| byte == first) {
        at += next;
        if body[at..].starts_with(what) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// `filename` or `name` of a part's `Content-Disposition`.
fn name(headers: &[u8]) -> Option<String> {
    let headers = String::from_utf8_lossy(headers);
    let disposition = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let parameter = |wanted: &str| {
        let mut parameters = disposition.split(';');
        parameters.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim().trim_matches('"');
            (name.trim().eq_ignore_ascii_case(wanted) && !value.is_empty())
                .then(|| value.to_owned())
        })
    };
    parameter("filename").or_else(|| parameter("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] =
        b"--xX\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a.pkg\"\r\n\
        Content-Type: application/zstd\r\n\r\n\x00\r\n--x\xff\r\n--xX\r\n\
        content-disposition: form-data; name=b\r\n\r\n\r\n--xX--\r\n";

    #[test]
    fn parts_are_taken_apart() {
        let boundary = boundary("multipart/form-data; charset=x; Boundary=\"xX\"").unwrap();
        let parts = parts(&Bytes::from_static(BODY), &boundary).unwrap();
        let expected: [(String, Bytes); 2] =
            [("a.pkg".into(), Bytes::from_static(b"\x00\r\n--x\xff")), ("b".into(), Bytes::new())];
        assert_eq!(parts, expected);
    }

    #[test]
    fn no_damaged_body_breaks_it() {
        for end in 0..BODY.len() - 4 {
            assert!(parts(&Bytes::from_static(&BODY[..end]), "xX").is_err(), "{end}");
        }
        assert_eq!(boundary("multipart/form-data"), None);
    }
}
