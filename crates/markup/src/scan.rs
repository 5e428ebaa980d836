//! A first pass over the bytes that refuses what would be expensive to read into a tree.
//!
//! Boundary: cost is linear in the size of the file.
//! Invariants: SCN-1 what passes has bounded depth, nodes, attributes per element and namespaces
//! in scope, and no document type declaration, hence no entities of its own.
//! Read first: [`scan`].

use quick_xml::Reader;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesStart, Event};

use crate::{Bounds, Code, Format, Report, Spot};

/// Namespace declarations that are in scope at one element. The tree copies them at each element
/// that declares another one.
const NAMESPACES_MAX: usize = 32;

/// Whether `text` is within `bounds`; what is not is reported.
pub(crate) fn scan(text: &str, bounds: &Bounds, report: &mut Report<'_>) -> bool {
    let format = report.format();
    let mut scanner = Scanner { format, bounds, nodes: 0, namespaces: Vec::new(), in_scope: 0 };
    let mut reader = Reader::from_str(text);
    loop {
        let at = u32::try_from(reader.buffer_position()).unwrap_or(u32::MAX);
        let refused = match reader.read_event() {
            Ok(Event::Eof) => return true,
            Ok(event) => scanner.event(&event),
            Err(error) => {
                let at = u32::try_from(reader.error_position()).unwrap_or(u32::MAX);
                let message = error.to_string().replace('\'', "`");
                malformed(at, message, report);
                return false;
            }
        };
        if let Err(refusal) = refused {
            report.error(refusal.code, Spot::file(at), refusal.message, &refusal.hint);
            return false;
        }
    }
}

/// Reports XML that is not well formed.
pub(crate) fn malformed(at: u32, message: String, report: &mut Report<'_>) {
    let hint = "correct the XML at this place, or save the file again with a modeler";
    report.error(report.format().codes.not_well_formed, Spot::file(at), message, hint);
}

fn malformed_attribute(error: &AttrError, format: &Format) -> Refusal {
    let message = match error {
        AttrError::ExpectedEq(_) | AttrError::ExpectedValue(_) => "an attribute has no value",
        AttrError::UnquotedValue(_) => "the value of an attribute is not in quotes",
        AttrError::ExpectedQuote(..) => "the value of an attribute has no closing quote",
        AttrError::Duplicated(..) => "an attribute stands twice",
    };
    let hint = "correct the attributes of this element".to_owned();
    Refusal { code: format.codes.not_well_formed, message: message.to_owned(), hint }
}

struct Scanner<'b> {
    format: &'static Format,
    bounds: &'b Bounds,
    nodes: usize,
    /// Namespaces declared by each open element.
    namespaces: Vec<usize>,
    in_scope: usize,
}

struct Refusal {
    code: Code,
    message: String,
    hint: String,
}

impl Scanner<'_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Refusal> {
        match event {
            Event::Start(start) => {
                self.count_node()?;
                self.open(start)
            }
            Event::Empty(start) => {
                self.count_node()?;
                self.open(start)?;
                self.close();
                Ok(())
            }
            Event::End(_) => {
                self.close();
                Ok(())
            }
            Event::DocType(_) => Err(Refusal {
                code: self.format.codes.document_type,
                message: "the file has a document type declaration".to_owned(),
                hint: format!(
                    "remove the `<!DOCTYPE …>`: {} needs none, and entities are not expanded",
                    self.format.name
                ),
            }),
            Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::GeneralRef(_) => self.count_node(),
            Event::Eof => Ok(()),
        }
    }

    fn count_node(&mut self) -> Result<(), Refusal> {
        self.nodes += 1;
        let max = self.bounds.nodes_max;
        if self.nodes <= max {
            return Ok(());
        }
        let message = format!("the file has more than {max} nodes");
        let hint = self.format.split.to_owned();
        Err(Refusal { code: self.format.codes.too_many_nodes, message, hint })
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Refusal> {
        let depth_max = self.bounds.depth_max;
        if self.namespaces.len() >= depth_max {
            let message = format!("elements are nested more than {depth_max} deep");
            let hint = self.format.flatten.to_owned();
            return Err(Refusal { code: self.format.codes.too_deep, message, hint });
        }
        let mut attributes = 0;
        let mut declared = 0;
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| malformed_attribute(&error, self.format))?;
            attributes += 1;
            let key = attribute.key.as_ref();
            if key == "xmlns" || key.starts_with("xmlns:") {
                declared += 1;
            }
        }
        let attributes_max = self.bounds.attributes_max;
        if attributes > attributes_max {
            let message = format!(
                "an element has {attributes} attributes, at most {attributes_max} are read"
            );
            let hint = "remove what no modeler has written".to_owned();
            return Err(Refusal { code: self.format.codes.too_many_attributes, message, hint });
        }
        self.namespaces.push(declared);
        self.in_scope += declared;
        if self.in_scope > NAMESPACES_MAX {
            let message = format!("more than {NAMESPACES_MAX} namespaces are declared");
            let hint = "declare each namespace once, at the root".to_owned();
            return Err(Refusal { code: self.format.codes.too_many_namespaces, message, hint });
        }
        Ok(())
    }

    fn close(&mut self) {
        self.in_scope -= self.namespaces.pop().unwrap_or(0);
    }
}
