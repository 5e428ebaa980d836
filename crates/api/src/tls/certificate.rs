//! When a certificate ends: the one field of X.509 that we need and rustls does not tell.
//!
//! Boundary: walks DER to that field and checks nothing else; rustls checks certificates.
//! Read first: [`ends_ms`].

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Milliseconds since 1970 UTC at which the certificate ends; none if it is damaged.
pub(super) fn ends_ms(der: &[u8]) -> Option<i64> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (signed, _) = element(certificate, SEQUENCE)?;
    let behind_version = match element(signed, VERSION) {
        Some((_, rest)) => rest,
        None => signed,
    };
    // Serial number, algorithm and issuer are of no interest.
    let rest = (0..3).try_fold(behind_version, |rest, _| any(rest).map(|(_, _, rest)| rest))?;
    let (validity, _) = element(rest, SEQUENCE)?;
    let (_, _, end) = any(validity)?;
    let (tag, time, _) = any(end)?;
    moment(tag, std::str::from_utf8(time).ok()?)
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`, as RFC 5280 wants them.
fn moment(tag: u8, text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    let two = |at: usize| text.get(at..at + 2)?.parse::<i8>().ok();
    let (year, at) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let year = i16::from(two(0)?);
            (if year < 50 { 2000 + year } else { 1900 + year }, 2)
        }
        (GENERALIZED_TIME, 14) => (text.get(..4)?.parse().ok()?, 4),
        _ => return None,
    };
    let date = jiff::civil::Date::new(year, two(at)?, two(at + 2)?).ok()?;
    let time = jiff::civil::Time::new(two(at + 4)?, two(at + 6)?, two(at + 8)?, 0).ok()?;
    let moment = date.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(moment.timestamp().as_millisecond())
}

/// The content of the first element, if it has this tag, and what follows it.
fn element(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    any(der).filter(|(tag, _, _)| *tag == wanted).map(|(_, content, rest)| (content, rest))
}

/// Tag and content of the first element, and what follows it.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::{GENERALIZED_TIME, UTC_TIME, ends_ms, moment};

    #[test]
    fn both_forms_of_time_are_read() {
        assert_eq!(moment(UTC_TIME, "491231235959Z"), Some(2_524_607_999_000));
        assert_eq!(moment(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(moment(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000_000));
        for (tag, wrong) in [
            (UTC_TIME, ""),
            (UTC_TIME, "491331235959Z"),
            (UTC_TIME, "4912312359Z"),
            (UTC_TIME, "+91231235959Z"),
            (GENERALIZED_TIME, "20500101000000"),
            (GENERALIZED_TIME, "500101000000Z"),
            (4, "491231235959Z"),
        ] {
            assert_eq!(moment(tag, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_end_is_found_and_damage_is_no_panic() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut wanted = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        wanted.not_after = rcgen::date_time_ymd(2051, 2, 3);
        let made = wanted.self_signed(&key).unwrap();
        let der = made.der().as_ref();
        assert_eq!(ends_ms(der), Some(2_558_995_200_000));
        for length in 0..der.len().min(200) {
            assert_eq!(ends_ms(&der[..length]), None, "{length}");
        }
        for at in 0..der.len().min(200) {
            let mut damaged = der.to_vec();
            damaged[at] ^= 0xFF;
            let _ = ends_ms(&damaged);
        }
    }
}
