//! Tokens as texts: how they are made, and the digest under which they are known.
//!
//! Boundary: randomness comes from the provider of cryptography that TLS uses.
//! Read first: [`mint`].   Tests: at the end of this file.

use sha2::{Digest, Sha256};

use crate::tls;

/// What every token of ours begins with, so that programs which look for lost secrets find it.
const PREFIX: &str = "pm_";
/// Random bytes of a token.
const RANDOM_BYTES: usize = 32;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A secret that people choose themselves has at least so many bytes.
pub const SECRET_BYTES_MIN: usize = 32;

/// A new token.
///
/// # Errors
/// The system has no randomness to give.
pub(crate) fn mint() -> Result<String, node::Error> {
    let mut random = [0; RANDOM_BYTES];
    tls::provider().secure_random.fill(&mut random).map_err(|_| node::Error::Internal {
        detail: "the system gives no random bytes".to_owned(),
    })?;
    Ok(written(&random))
}

/// Base64 for addresses (RFC 4648), without padding.
fn written(bytes: &[u8]) -> String {
    let mut out = PREFIX.to_owned();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            let digit = bits >> (18 - 6 * place) & 0x3F;
            out.push(char::from(ALPHABET[digit as usize]));
        }
    }
    out
}

/// The sha256 of a token, under which it is looked up. Comparing digests tells an attacker
/// nothing: nobody can choose a token by the digest it will have.
#[must_use]
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A digest in lower-case hexadecimal.
pub(crate) fn hexadecimal(digest: &[u8; 32]) -> String {
    use std::fmt::Write;
    digest.iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a text cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The digest that a row has in lower-case hexadecimal; none if it is something else.
pub(crate) fn from_hexadecimal(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::{digest, from_hexadecimal, hexadecimal, mint, written};

    #[test]
    fn tokens_are_random_and_fit_into_a_header() {
        let (one, two) = (mint().unwrap(), mint().unwrap());
        assert_ne!(one, two);
        for token in [one, two] {
            assert_eq!(token.len(), 46);
            assert!(token.starts_with("pm_"), "{token}");
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        }
    }

    #[test]
    fn bytes_are_written_as_rfc_4648_says() {
        for (bytes, text) in [
            (&b""[..], "pm_"),
            (b"f", "pm_Zg"),
            (b"fo", "pm_Zm8"),
            (b"foobar", "pm_Zm9vYmFy"),
            (b"\xFB\xFF", "pm_-_8"),
        ] {
            assert_eq!(written(bytes), text);
        }
    }

    #[test]
    fn digests_are_read_as_they_are_written() {
        let shown = hexadecimal(&digest("abc"));
        assert_eq!(shown, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(from_hexadecimal(&shown), Some(digest("abc")));
        for wrong in ["", "zz", &shown[1..], &"+f".repeat(32), &"ü".repeat(32)] {
            assert_eq!(from_hexadecimal(wrong), None, "{wrong}");
        }
    }
}
