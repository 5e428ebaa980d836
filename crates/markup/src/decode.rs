//! From bytes to text.
//!
//! Boundary: UTF-8 only, whatever an XML declaration says.
//! Read first: [`decode`].

use crate::{Diagnostic, Format, Report, Spot};

/// The text of a file that has at most `bytes_max` bytes and is UTF-8; `file` is its name, which
/// may be empty.
///
/// # Errors
/// The one problem that it has.
pub fn decode<'a>(
    format: &'static Format,
    file: &str,
    bytes: &'a [u8],
    bytes_max: usize,
) -> Result<&'a str, Vec<Diagnostic>> {
    if bytes.len() > bytes_max {
        let mut report = Report::new(format, file, "");
        let message = format!("the file has {} bytes, at most {bytes_max} are read", bytes.len());
        report.error(format.codes.too_large, Spot::file(0), message, format.split);
        return Err(report.finish());
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let valid = String::from_utf8_lossy(valid);
        let mut report = Report::new(format, file, &valid);
        let message = format!("the byte at offset {} is not UTF-8", error.valid_up_to());
        let hint = "save the file with the encoding UTF-8";
        report.error(format.codes.not_utf8, Spot::file(u32::MAX), message, hint);
        report.finish()
    })
}
