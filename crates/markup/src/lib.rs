//! XML on its way in: scanned against limits, then a tree; and the report of what is wrong with
//! it, each problem with its place.
//!
//! Boundary: pure; knows XML, but no kind of it: what BPMN and DMN have of their own comes as a
//! [`Format`]. What the elements mean is up to `bpmn` and `dmn`.
//! Invariants: MKU-1 no input makes it panic; cost is linear in the input.
//! Read first: [`Format`], then [`parse`], then [`Report`].

mod decode;
mod diagnostic;
mod place;
mod report;
mod scan;
mod tree;

pub use decode::decode;
pub use diagnostic::{Diagnostic, Place, Severity};
pub use report::{Report, SHOWN_MAX, Spot, short};
pub use tree::parse;

/// A stable diagnostic code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub &'static str);

/// What a kind of XML file has of its own.
#[derive(Debug)]
pub struct Format {
    /// What it is called.
    pub name: &'static str,
    /// What to do about a file that is too large or has too many nodes.
    pub split: &'static str,
    /// What to do about elements that are nested too deeply.
    pub flatten: &'static str,
    /// What its problems are called.
    pub codes: Codes,
}

/// The codes of what can be wrong with any XML file.
#[derive(Debug)]
pub struct Codes {
    /// The file is too large.
    pub too_large: Code,
    /// The file is not UTF-8 text.
    pub not_utf8: Code,
    /// The XML is not well formed.
    pub not_well_formed: Code,
    /// The file has a document type declaration.
    pub document_type: Code,
    /// Elements are nested too deeply.
    pub too_deep: Code,
    /// An element has too many attributes.
    pub too_many_attributes: Code,
    /// The file has too many nodes.
    pub too_many_nodes: Code,
    /// Too many namespaces are declared around an element.
    pub too_many_namespaces: Code,
    /// There are more problems than are listed.
    pub more_problems: Code,
}

/// Bounds on what becomes a tree; all are inclusive.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Depth of nested elements.
    pub depth_max: usize,
    /// Attributes of one element.
    pub attributes_max: usize,
    /// Nodes of one file.
    pub nodes_max: usize,
}
