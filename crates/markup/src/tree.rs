//! From text to a tree.
//!
//! Boundary: what is expensive to read has been refused by [`scan`] before; no entities.
//! Read first: [`parse`].

use roxmltree::{Document, ParsingOptions};

use crate::scan::{malformed, scan};
use crate::{Bounds, Place, Report};

/// Parses `text`; nothing comes back if it is no XML or past the bounds, which is reported then.
pub fn parse<'t>(text: &'t str, bounds: &Bounds, report: &mut Report<'_>) -> Option<Document<'t>> {
    if !scan(text, bounds, report) {
        return None;
    }
    // One more than the scan counts: the document itself is a node of the tree.
    let nodes_limit = u32::try_from(bounds.nodes_max).unwrap_or(u32::MAX).saturating_add(1);
    let options = ParsingOptions { allow_dtd: false, nodes_limit, ..ParsingOptions::default() };
    match Document::parse_with_options(text, options) {
        Ok(document) => Some(document),
        Err(error) => {
            not_well_formed(&error, report);
            None
        }
    }
}

fn not_well_formed(error: &roxmltree::Error, report: &mut Report<'_>) {
    let position = error.pos();
    let at = match error {
        roxmltree::Error::UnclosedRootNode
        | roxmltree::Error::UnexpectedEndOfStream
        | roxmltree::Error::NoRootNode => u32::MAX,
        _ => report.offset(Place { line: position.row, column: position.col }),
    };
    let message = error.to_string().replace(&format!(" at {position}"), "").replace('\'', "`");
    malformed(at, message, report);
}
