//! From XML to a model: files and their imports, declarations, requirements, logic.
//!
//! Boundary: reports what cannot be read or is not consistent; nothing is evaluated.
//! Read first: [`read`], then [`Reader`].   Tests: `tests/diagnostics.rs`

mod boxed;
mod definitions;
mod names;
mod requirement;
mod table;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use feel::{Dialect, Entries, Str};
use markup::{Diagnostic, Report, Severity, Spot};
use roxmltree::{Document, Node};

use crate::code::{self, Code, FORMAT};
use crate::kind::TypeDefinition;
use crate::model::{Decision, Graph, InputElement, Knowledge, Model, Service, Target};
use crate::{Limits, Rigour, Source, xml};

/// Reads `main` and what it imports of `others`.
pub(crate) fn read<'s>(
    main: &Source<'_>,
    others: &[Source<'s>],
    limits: &Limits,
    rigour: Rigour,
) -> Result<Model, Vec<Diagnostic>> {
    let text = markup::decode(FORMAT, main.name, main.xml, limits.bytes_max)?;
    let mut report = Report::new(FORMAT, main.name, text);
    let Some(document) = markup::parse(text, &limits.bounds(), &mut report) else {
        return Err(report.finish());
    };
    if let Err(refused) = definitions::check_root(document.root_element()) {
        report.error(refused.0, refused.1, refused.2, refused.3);
        return Err(report.finish());
    }
    let decode =
        |other: &Source<'s>| markup::decode(FORMAT, other.name, other.xml, limits.bytes_max).ok();
    let texts: Vec<_> = others.iter().map(decode).collect();
    let imported = imported(&document, others, &texts, limits);
    let mut files = vec![File::new(&document)];
    let mut reports = vec![report];
    for (name, document) in &imported {
        files.push(File::new(document));
        reports.push(Report::new(FORMAT, name, document.input_text()));
    }
    let mut reader = Reader {
        files,
        reports,
        rigour,
        inputs: Vec::new(),
        decisions: Vec::new(),
        knowledge: Vec::new(),
        services: Vec::new(),
        types: Vec::new(),
        feel_types: Vec::new(),
        unread: Vec::new(),
    };
    reader.link_imports();
    types::read(&mut reader);
    definitions::read(&mut reader);
    requirement::read(&mut reader);
    definitions::read_logic(&mut reader);
    reader.finish()
}

/// One file while it is read.
pub(crate) struct File<'a> {
    pub(crate) namespace: Str,
    pub(crate) root: Node<'a, 'a>,
    pub(crate) imports: Vec<Import>,
    pub(crate) types: BTreeMap<Str, usize>,
    pub(crate) elements: BTreeMap<Str, Target>,
    pub(crate) dialect: Dialect,
    /// Names of several words or with operators that contexts of this file may have.
    pub(crate) entries: Arc<Entries>,
    /// The names of its types, by their first words.
    pub(crate) type_words: BTreeMap<Str, Vec<Str>>,
}

/// An import: the name under which a file is known in another one.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    pub(crate) name: Str,
    pub(crate) namespace: Str,
    pub(crate) file: Option<usize>,
    pub(crate) at: u32,
}

/// Everything that is known so far.
pub(crate) struct Reader<'a> {
    pub(crate) files: Vec<File<'a>>,
    pub(crate) reports: Vec<Report<'a>>,
    pub(crate) rigour: Rigour,
    pub(crate) inputs: Vec<InputElement>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) knowledge: Vec<Knowledge>,
    pub(crate) services: Vec<Service>,
    pub(crate) types: Vec<TypeDefinition>,
    /// What `feel` is told of each definition.
    pub(crate) feel_types: Vec<feel::Type>,
    /// Elements whose requirements and logic are still to be read.
    pub(crate) unread: Vec<(Target, usize, Node<'a, 'a>)>,
}

impl<'a> File<'a> {
    fn new(document: &'a Document<'a>) -> Self {
        let root = document.root_element();
        let imports = xml::children(root, "import").map(|node| Import {
            name: xml::name(node, "name").unwrap_or_default().into(),
            namespace: xml::attribute(node, "namespace").unwrap_or_default().into(),
            file: None,
            at: xml::offset(node),
        });
        Self {
            namespace: xml::attribute(root, "namespace").unwrap_or_default().into(),
            root,
            imports: imports.collect(),
            types: BTreeMap::new(),
            elements: BTreeMap::new(),
            dialect: definitions::dialect(root),
            entries: Arc::default(),
            type_words: BTreeMap::new(),
        }
    }
}

impl Reader<'_> {
    fn link_imports(&mut self) {
        let namespaces: Vec<Str> = self.files.iter().map(|file| file.namespace.clone()).collect();
        for (file, report) in self.files.iter_mut().zip(&mut self.reports) {
            for import in &mut file.imports {
                import.file = namespaces.iter().position(|known| *known == import.namespace);
                let is_model = import.file.is_none()
                    && !import.namespace.contains("www.omg.org/spec/")
                    && !import.namespace.contains("www.w3.org/");
                if is_model {
                    let message = format!(
                        "no file has the namespace `{}` that is imported as `{}`",
                        import.namespace, import.name
                    );
                    let hint = "put the imported file beside this one, or remove the import";
                    report.error(code::IMPORT, Spot::file(import.at), message, hint);
                }
            }
        }
    }

    pub(crate) fn error(&mut self, file: usize, at: (Code, Spot<'_>), message: String, hint: &str) {
        self.reports[file].error(at.0, at.1, message, hint);
    }

    pub(crate) fn warning(
        &mut self,
        file: usize,
        at: (Code, Spot<'_>),
        message: String,
        hint: &str,
    ) {
        self.reports[file].warning(at.0, at.1, message, hint);
    }

    /// An error for which a tolerant reader has a way out.
    pub(crate) fn tolerable(
        &mut self,
        file: usize,
        at: (Code, Spot<'_>),
        message: String,
        hint: &str,
    ) {
        match self.rigour {
            Rigour::Strict => self.error(file, at, message, hint),
            Rigour::Tolerant => self.warning(file, at, message, hint),
        }
    }

    fn finish(self) -> Result<Model, Vec<Diagnostic>> {
        let errors: usize = self.reports.iter().map(Report::errors).sum();
        let found: Vec<Diagnostic> = self.reports.into_iter().flat_map(Report::finish).collect();
        let Some(main) = self.files.first().filter(|_| errors == 0) else { return Err(found) };
        debug_assert!(found.iter().all(|problem| problem.severity == Severity::Warning));
        Ok(Model(Arc::new(Graph {
            id: xml::id(main.root).into(),
            name: xml::name(main.root, "name").unwrap_or_default().into(),
            namespace: main.namespace.clone(),
            dialect: main.dialect,
            inputs: self.inputs,
            decisions: self.decisions,
            knowledge: self.knowledge,
            services: self.services,
            types: self.types,
            warnings: found,
        })))
    }
}

/// Those of the others that `main` imports, also indirectly. A file that cannot be read is passed
/// over; if it is the one that is imported, its import finds nothing.
fn imported<'s>(
    main: &Document<'_>,
    others: &[Source<'s>],
    texts: &[Option<&'s str>],
    limits: &Limits,
) -> Vec<(&'s str, Document<'s>)> {
    let wants = |document: &Document<'_>| -> Vec<String> {
        let imports = xml::children(document.root_element(), "import");
        imports.filter_map(|node| Some(xml::attribute(node, "namespace")?.to_owned())).collect()
    };
    let mut wanted = wants(main);
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut parsed: Vec<_> = others
        .iter()
        .zip(texts)
        .filter_map(|(other, text)| {
            let mut report = Report::new(FORMAT, other.name, (*text)?);
            Some((other.name, markup::parse((*text)?, &limits.bounds(), &mut report)?))
        })
        .collect();
    let mut found: Vec<(&str, Document<'_>)> = Vec::new();
    let own = xml::attribute(main.root_element(), "namespace").map(str::to_owned);
    while let Some(namespace) = wanted.pop() {
        let has = |document: &Document<'_>| {
            let root = document.root_element();
            xml::dmn_name(root) == Some("definitions")
                && xml::attribute(root, "namespace") == Some(namespace.as_str())
        };
        if own.as_deref() == Some(namespace.as_str()) {
            continue;
        }
        if let Some(position) = parsed.iter().position(|(_, document)| has(document)) {
            let file = parsed.swap_remove(position);
            wanted.extend(wants(&file.1));
            found.push(file);
        }
    }
    found
}
