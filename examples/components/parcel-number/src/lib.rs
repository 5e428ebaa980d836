//! A service as a component: gives an order's id a check digit, so that a mistyped parcel number
//! is noticed.
//!
//! Boundary: text in, text out; it reaches nothing but the log.
//! Read first: [`ParcelNumber`].

use serde::{Deserialize, Serialize};

wit_bindgen::generate!({ path: "../../../crates/host/wit", world: "service" });

use exports::pointsman::service::handler::{Context, Failure, Guest};
use pointsman::service::log::{Level, write};
use pointsman::service::types::BpmnError;

struct ParcelNumber;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    parcel_number: String,
}

impl Guest for ParcelNumber {
    fn handle(_: Context, input: String) -> Result<String, Failure> {
        let input: Input = serde_json::from_str(&input)
            .map_err(|error| Failure::Permanent(format!("`text` is missing: {error}")))?;
        let Some(digit) = check_digit(&input.text) else {
            let message = "there is no digit to check".to_owned();
            return Err(Failure::Error(BpmnError { code: "NO_DIGITS".to_owned(), message }));
        };
        let output = Output { parcel_number: format!("{}-{digit}", input.text) };
        write(Level::Info, &format!("{} has the check digit {digit}", input.text));
        serde_json::to_string(&output).map_err(|error| Failure::Permanent(error.to_string()))
    }
}

/// By Luhn: from the last digit to the first, every other one counts twice.
fn check_digit(text: &str) -> Option<u32> {
    let digits = text.chars().rev().filter_map(|c| c.to_digit(10));
    let counted = digits.enumerate().map(|(position, digit)| match position % 2 {
        0 if digit > 4 => digit * 2 - 9,
        0 => digit * 2,
        _ => digit,
    });
    let (count, sum) = counted.fold((0, 0), |(count, sum), digit| (count + 1, sum + digit));
    (count > 0).then_some((10 - sum % 10) % 10)
}

export!(ParcelNumber);
