//! CloudEvents 1.0 in their HTTP forms.
//!
//! Boundary: attributes and data; the address names the document type, so `type` is only required,
//! not compared.
//! Read first: [`structured`], then [`binary`].

use feel::Value;
use http::HeaderMap;
use node::Publication;

use crate::problem::Problem;

const HINT: &str = "see the CloudEvents 1.0 specification";

/// An event that carries its data inside.
///
/// # Errors
/// A required attribute is missing, or there is no data.
pub(super) fn structured(event: Value) -> Result<Publication, Problem> {
    let Value::Context(event) = event else {
        let detail = format!("an event is an object, found {}", event.kind_name());
        return Err(Problem::field("", detail, HINT));
    };
    let attribute = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    let (source, id) = check(attribute, "/")?;
    match event.get("data") {
        Some(data) => Ok(Publication { source: Some(source), id: Some(id), data: data.clone() }),
        None => {
            let detail = "the event has no `data`";
            Err(Problem::field("/data", detail, "send the data as JSON, not as `data_base64`"))
        }
    }
}

/// An event whose attributes stand in the headers and whose data is the body.
///
/// # Errors
/// A required attribute is missing.
pub(super) fn binary(headers: &HeaderMap, data: Value) -> Result<Publication, Problem> {
    let attribute = |name: &str| {
        let value = headers.get(format!("ce-{name}"))?;
        Some(decode(value.as_bytes()))
    };
    let (source, id) = check(attribute, "ce-")?;
    Ok(Publication { source: Some(source), id: Some(id), data })
}

fn check(
    attribute: impl Fn(&str) -> Option<String>,
    place: &str,
) -> Result<(String, String), Problem> {
    let needed = |name: &str| {
        attribute(name).filter(|text| !text.is_empty()).ok_or_else(|| {
            let detail = format!("the event has no `{name}`");
            Problem::field(&format!("{place}{name}"), detail, HINT)
        })
    };
    let version = needed("specversion")?;
    if version != "1.0" {
        let detail = format!("the event is of version `{version}`, not `1.0`");
        return Err(Problem::field(&format!("{place}specversion"), detail, HINT));
    }
    needed("type")?;
    Ok((needed("source")?, needed("id")?))
}

/// A header's value: percent-encoded UTF-8.
fn decode(value: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((byte, behind)) = rest.split_first() {
        let hex = |at: usize| behind.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                rest = &behind[2..];
            }
            _ => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn headers_are_percent_decoded() {
        assert_eq!(decode(b"a%20b%E2%82%AC%2"), "a b\u{20ac}%2");
        assert_eq!(decode(b"%zz%"), "%zz%");
    }
}
