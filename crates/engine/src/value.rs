//! Variables, and the byte form of values inside snapshots and audit records.
//!
//! Boundary: CBOR by our own rules: JSON-like values map to the matching CBOR types, other FEEL
//! values (dates, durations, ranges) to their text, because process variables are JSON.
//! Read first: [`Variables`], then [`encode`].   Tests: at the end of this file.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use feel::{Context, Number, Str, Value};
use minicbor::data::{Tag, Type};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decoder, Encoder};

/// The variables of one scope, by name.
pub type Variables = BTreeMap<Str, Value>;

/// Marks a number that does not fit 64 bits, written as text (a private-use tag).
const DECIMAL: Tag = Tag::new(0x1_0001);
/// Deeper values than this do not decode.
const DEPTH_MAX: u32 = 256;

/// Writes a value.
///
/// # Errors
/// Only those of the writer.
pub fn encode<C, W: Write>(
    value: &Value,
    out: &mut Encoder<W>,
    _context: &mut C,
) -> Result<(), EncodeError<W::Error>> {
    encode_value(value, out)
}

fn encode_value<W: Write>(
    value: &Value,
    out: &mut Encoder<W>,
) -> Result<(), EncodeError<W::Error>> {
    match value {
        Value::Null => out.null()?,
        Value::Boolean(value) => out.bool(*value)?,
        Value::Number(number) => match number.to_i64() {
            Some(integer) => out.i64(integer)?,
            None => out.tag(DECIMAL)?.str(&number.to_string())?,
        },
        Value::String(text) => out.str(text)?,
        Value::List(items) => {
            out.array(items.len() as u64)?;
            for item in items.iter() {
                encode_value(item, out)?;
            }
            out
        }
        Value::Context(entries) => {
            out.map(entries.len() as u64)?;
            for (name, value) in entries.iter() {
                out.str(name)?;
                encode_value(value, out)?;
            }
            out
        }
        other => {
            let mut json = String::new();
            feel::json::write(other, &mut json);
            out.str(json.trim_matches('"'))?
        }
    };
    Ok(())
}

/// The value as process variables keep it: JSON. Dates, times, durations and ranges become their
/// text, functions null, so that a value is the same before and after it was stored.
#[must_use]
pub fn plain(value: Value) -> Value {
    match value {
        Value::List(items) if !items.iter().all(is_plain) => {
            Value::List(items.iter().cloned().map(plain).collect())
        }
        Value::Context(entries) if !entries.iter().all(|(_, value)| is_plain(value)) => {
            let plain = entries.iter().map(|(name, value)| (name.clone(), plain(value.clone())));
            Value::Context(Context::new(plain.collect()))
        }
        Value::Function(_) => Value::Null,
        value if is_plain(&value) => value,
        other => {
            let mut json = String::new();
            feel::json::write(&other, &mut json);
            feel::json::parse(json.as_bytes()).unwrap_or_default()
        }
    }
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::Boolean(_) | Value::Number(_) | Value::String(_) => true,
        Value::List(items) => items.iter().all(is_plain),
        Value::Context(entries) => entries.iter().all(|(_, value)| is_plain(value)),
        Value::Date(_)
        | Value::Time(_)
        | Value::DateTime(_)
        | Value::DaysDuration(_)
        | Value::MonthsDuration(_)
        | Value::Range(_)
        | Value::Function(_) => false,
    }
}

/// Reads a value that [`encode`] wrote.
///
/// # Errors
/// If the bytes are not such a value, or nested deeper than 256.
pub fn decode<C>(input: &mut Decoder<'_>, _context: &mut C) -> Result<Value, DecodeError> {
    decode_at(input, DEPTH_MAX)
}

fn decode_at(input: &mut Decoder<'_>, depth: u32) -> Result<Value, DecodeError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(DecodeError::message("value is nested too deeply"));
    };
    match input.datatype()? {
        Type::Null | Type::Undefined => input.skip().map(|()| Value::Null),
        Type::Bool => input.bool().map(Value::Boolean),
        Type::String => input.str().map(|text| Value::String(text.into())),
        Type::Tag => {
            input.tag()?;
            let text = input.str()?;
            let number: Number =
                Number::parse(text).ok_or(DecodeError::message("a decimal that is no number"))?;
            Ok(Value::Number(number))
        }
        Type::Array => {
            let length = input.array()?.ok_or_else(indefinite)?;
            let mut items = Vec::with_capacity(usize::try_from(length.min(1024)).unwrap_or(0));
            for _ in 0..length {
                items.push(decode_at(input, depth)?);
            }
            Ok(Value::List(items.into()))
        }
        Type::Map => {
            let length = input.map()?.ok_or_else(indefinite)?;
            let mut entries = Vec::with_capacity(usize::try_from(length.min(1024)).unwrap_or(0));
            for _ in 0..length {
                let name: Str = input.str()?.into();
                entries.push((name, decode_at(input, depth)?));
            }
            Ok(Value::Context(Context::new(entries)))
        }
        _ => input.i64().map(|integer| Value::Number(Number::from(integer))),
    }
}

fn indefinite() -> DecodeError {
    DecodeError::message("indefinite length")
}

/// `#[cbor(with = "crate::value::text")]` for [`Str`].
pub mod text {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Str, Write};

    /// Writes.
    ///
    /// # Errors
    /// Only those of the writer.
    pub fn encode<C, W: Write>(
        value: &Str,
        out: &mut Encoder<W>,
        _context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        out.str(value)?.ok()
    }

    /// Reads.
    ///
    /// # Errors
    /// If the bytes are something else.
    pub fn decode<C>(input: &mut Decoder<'_>, _context: &mut C) -> Result<Str, DecodeError> {
        input.str().map(Str::from)
    }
}

/// `#[cbor(with = "crate::value::maybe_text")]` for `Option<Str>`.
pub mod maybe_text {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Str, Type, Write};

    /// Writes.
    ///
    /// # Errors
    /// Only those of the writer.
    pub fn encode<C, W: Write>(
        value: &Option<Str>,
        out: &mut Encoder<W>,
        _context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match value {
            Some(text) => out.str(text)?.ok(),
            None => out.null()?.ok(),
        }
    }

    /// Reads.
    ///
    /// # Errors
    /// If the bytes are something else.
    pub fn decode<C>(
        input: &mut Decoder<'_>,
        _context: &mut C,
    ) -> Result<Option<Str>, DecodeError> {
        if input.datatype()? == Type::Null {
            return input.skip().map(|()| None);
        }
        input.str().map(|text| Some(text.into()))
    }
}

/// `#[cbor(with = "crate::value::texts")]` for `Vec<Str>`.
pub mod texts {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Str, Vec, Write, indefinite};

    /// Writes.
    ///
    /// # Errors
    /// Only those of the writer.
    pub fn encode<C, W: Write>(
        values: &Vec<Str>,
        out: &mut Encoder<W>,
        _context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        out.array(values.len() as u64)?;
        for value in values {
            out.str(value)?;
        }
        Ok(())
    }

    /// Reads.
    ///
    /// # Errors
    /// If the bytes are something else.
    pub fn decode<C>(input: &mut Decoder<'_>, _context: &mut C) -> Result<Vec<Str>, DecodeError> {
        let length = input.array()?.ok_or_else(indefinite)?;
        (0..length).map(|_| input.str().map(Str::from)).collect()
    }
}

/// `#[cbor(with = "crate::value::variables")]` for [`Variables`].
pub mod variables {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Str, Variables, Write, indefinite};

    /// Writes.
    ///
    /// # Errors
    /// Only those of the writer.
    pub fn encode<C, W: Write>(
        values: &Variables,
        out: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        out.map(values.len() as u64)?;
        for (name, value) in values {
            out.str(name)?;
            super::encode(value, out, context)?;
        }
        Ok(())
    }

    /// Reads.
    ///
    /// # Errors
    /// If the bytes are something else.
    pub fn decode<C>(input: &mut Decoder<'_>, context: &mut C) -> Result<Variables, DecodeError> {
        let length = input.map()?.ok_or_else(indefinite)?;
        let mut values = Variables::new();
        for _ in 0..length {
            let name: Str = input.str()?.into();
            values.insert(name, super::decode(input, context)?);
        }
        Ok(values)
    }
}

/// The variables as one context, in order of their names.
#[must_use]
pub fn to_context(variables: &Variables) -> Context {
    Context::new(variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The entries of a context as variables.
#[must_use]
pub fn from_context(context: &Context) -> Variables {
    context.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_their_byte_form() {
        let text = r#"{"a":[1,-2,true,null,"x",{"b":{}}],"n":12345678901234567890.25,"l":[]}"#;
        let value = feel::json::parse(text.as_bytes()).expect("JSON");
        let mut bytes = Vec::new();
        encode(&value, &mut Encoder::new(&mut bytes), &mut ()).expect("encodes");
        let back = decode(&mut Decoder::new(&bytes), &mut ()).expect("decodes");
        assert_eq!(back, value);
    }

    #[test]
    fn a_value_nested_too_deeply_is_refused() {
        let mut bytes = alloc::vec![0x81; 100_000];
        bytes.push(0xf6);
        assert!(decode(&mut Decoder::new(&bytes), &mut ()).is_err());
    }
}
