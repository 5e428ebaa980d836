//! Document types: JSON Schemas that say what a document of a type looks like.
//!
//! Boundary: no network and no files; a reference leads to another schema of the same package.
//! Patterns run on a linear-time engine, so no document can make validation slow.
//! Read first: [`DocumentType`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ReferencingError, Retrieve, Uri, ValidationError, Validator};

use crate::diagnostic::{self, Diagnostic, Place};
use crate::package::manifest::is_name;

/// Where the schemas of a package stand for each other; never fetched.
const BASE: &str = "package:///documents/";
/// The most violations that are reported of one document.
const VIOLATIONS_MAX: usize = 20;

/// One document type of a package.
#[derive(Debug)]
pub struct DocumentType {
    /// Unique within the package; the file's name without its ending.
    pub name: String,
    /// The JSON Schema.
    pub schema: serde_json::Value,
    validator: Validator,
}

/// One thing that a document has wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer to what is wrong; empty for the document itself.
    pub pointer: String,
    /// What is wrong, without the document's values.
    pub message: String,
}

impl DocumentType {
    /// Whether `document` is of this type.
    ///
    /// # Errors
    /// What is wrong, at most twenty things.
    pub fn validate_json(&self, document: &serde_json::Value) -> Result<(), Vec<Violation>> {
        if self.validator.is_valid(document) {
            return Ok(());
        }
        let violation = |error: jsonschema::ValidationError<'_>| Violation {
            pointer: error.instance_path().as_str().to_owned(),
            message: error.masked().to_string(),
        };
        Err(self.validator.iter_errors(document).take(VIOLATIONS_MAX).map(violation).collect())
    }

    /// As [`Self::validate_json`], for a value that is at hand; costs a conversion.
    ///
    /// # Errors
    /// What is wrong, at most twenty things.
    pub fn validate(&self, document: &feel::Value) -> Result<(), Vec<Violation>> {
        let mut text = String::new();
        feel::json::write(document, &mut text);
        match serde_json::from_str(&text) {
            Ok(document) => self.validate_json(&document),
            Err(error) => {
                let message = format!("the value has no JSON form: {error}");
                Err(vec![Violation { pointer: String::new(), message }])
            }
        }
    }
}

/// Compiles `documents/*.json`.
pub(super) fn compile(
    files: &BTreeMap<String, Vec<u8>>,
    found: &mut Vec<Diagnostic>,
) -> Vec<DocumentType> {
    let schemas = read(files, found);
    let by_uri = schemas.iter().map(|schema| (schema.uri.clone(), schema.content.clone()));
    let siblings = Siblings(Arc::new(by_uri.collect()));
    let mut types = Vec::new();
    for schema in schemas {
        let options = jsonschema::options()
            .with_base_uri(schema.uri)
            .with_retriever(siblings.clone())
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true);
        match options.build(&schema.content) {
            Ok(validator) => {
                types.push(DocumentType { name: schema.name, schema: schema.content, validator });
            }
            Err(error) => {
                found.push(refused(&schema.file, &error));
            }
        }
    }
    types
}

/// Answers references with the other schemas of the package, and with nothing else.
#[derive(Clone)]
struct Siblings(Arc<BTreeMap<String, serde_json::Value>>);

impl Retrieve for Siblings {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<serde_json::Value, Box<dyn std::error::Error + Send + Sync>> {
        let known = self.0.get(uri.as_str());
        known.cloned().ok_or_else(|| "only schemas of the same package can be referenced".into())
    }
}

struct Schema {
    name: String,
    file: String,
    uri: String,
    content: serde_json::Value,
}

fn read(files: &BTreeMap<String, Vec<u8>>, found: &mut Vec<Diagnostic>) -> Vec<Schema> {
    let mut schemas = Vec::new();
    for (path, bytes) in files {
        let Some(file_name) = path.strip_prefix("documents/") else { continue };
        let Some(name) = file_name.strip_suffix(".json") else { continue };
        if !is_name(name) {
            let message = format!("`{name}` cannot name a document type");
            let hint = "use `a`-`z`, `0`-`9` and `-`, a letter first, and no folders";
            found.push(Diagnostic::error(diagnostic::BAD_VALUE, path, message, hint));
            continue;
        }
        match serde_json::from_slice(bytes) {
            Ok(content) => schemas.push(Schema {
                name: name.to_owned(),
                file: path.clone(),
                uri: format!("{BASE}{file_name}"),
                content,
            }),
            Err(error) => {
                let place = Place {
                    line: u32::try_from(error.line()).unwrap_or(u32::MAX),
                    column: u32::try_from(error.column()).unwrap_or(u32::MAX),
                };
                let reason = format!("not JSON: {error}");
                found.push(bad_schema(path, &reason, "correct the JSON").at(place));
            }
        }
    }
    schemas
}

fn refused(file: &str, error: &ValidationError<'_>) -> Diagnostic {
    if let ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, .. }) =
        error.kind()
    {
        let uri = uri.strip_prefix(BASE).unwrap_or(uri);
        let hint = "references lead to other files of `documents/`, such as `address.json`";
        return bad_schema(file, &format!("the package has no schema `{uri}`"), hint);
    }
    let pointer = error.instance_path().as_str();
    let problem = bad_schema(file, &error.to_string(), "see https://json-schema.org");
    if pointer.is_empty() { problem } else { problem.about(pointer) }
}

fn bad_schema(file: &str, reason: &str, hint: &str) -> Diagnostic {
    let message = format!("no valid JSON Schema: {reason}");
    Diagnostic::error(diagnostic::BAD_SCHEMA, file, message, hint)
}
