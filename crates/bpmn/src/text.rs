//! The compact text form of a process: one line is one element. For scenario files and tests.
//!
//! ```text
//! # A comment, to the end of the line.
//! model order name="Order" tag=1.2           optional first line
//!   start s -> charge
//!   task charge -> check type=charge retries=3
//!     in  amount = "=order.total"            in, out, header, property: for the element above
//!   timer late @charge PT30S interrupting -> done
//!   xor check -> body if "total > 100", done default
//!   sub body {
//!     start begin
//!   } -> done
//!   end done
//! ```
//!
//! A line is `KIND [ID] [@ACTIVITY] [WORD | "TEXT" | KEY=VALUE]* [-> ID [if "FEEL"] [default], …]`;
//! without an id, the kind is the id. What each kind takes stands in `text::element`. A value is a
//! bare word, `"text"` with `\"` and `\\`, or `'text'` as it is; where FEEL may stand, `=` starts
//! it. Every kind also takes `name=`, `lane=` and `server=` (a logical server). Flows are called
//! `source->target`.
//!
//! Boundary: writes the same [`Process`] as the XML reader; all checks are shared.
//! Read first: [`parse`], then `text::element`.

mod element;
mod lexer;
mod line;

use std::collections::BTreeMap;

use markup::{Report, Spot};

use crate::code;
use crate::source::{Entry, Extensions, Form, Node, Process, Text};
use crate::text::lexer::Token;
use crate::text::line::{Line, Target};

/// Subprocesses inside of each other.
const DEPTH_MAX: usize = 200;

/// Reads the text form.
pub(crate) fn parse<'a>(text: &'a str, report: &mut Report<'_>) -> Process<'a> {
    let mut reader = Reader {
        process: Process {
            at: 0,
            id: Text::new("process", 0),
            name: None,
            extensions: Extensions::default(),
            lane_servers: Vec::new(),
            nodes: Vec::new(),
            flows: Vec::new(),
        },
        open: Vec::new(),
        current: None,
    };
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let at = u32::try_from(start).unwrap_or(u32::MAX);
        start += line.len();
        match lexer::tokens(line.trim_end(), at) {
            Ok(tokens) if tokens.is_empty() => {}
            Ok(tokens) => reader.line(tokens, report),
            Err(unreadable) => {
                unreadable_line(unreadable.at, unreadable.message.to_owned(), "close it", report);
            }
        }
    }
    if let Some(open) = reader.open.last().and_then(|open| reader.process.nodes.get(*open)) {
        let message = format!("the `{{` of `{}` is not closed", &*open.id);
        unreadable_line(open.at, message, "add a line with `}`", report);
    }
    reader.process
}

/// Reports a line that does not follow the grammar.
fn unreadable_line(at: u32, message: String, hint: &str, report: &mut Report<'_>) {
    report.error(code::UNREADABLE_LINE, Spot::file(at), message, hint);
}

struct Reader<'a> {
    process: Process<'a>,
    /// The subprocesses that are open, as positions of nodes.
    open: Vec<usize>,
    /// The element that mapping lines belong to.
    current: Option<usize>,
}

impl<'a> Reader<'a> {
    fn line(&mut self, tokens: Vec<Token<'a>>, report: &mut Report<'_>) {
        let mut tokens = tokens.into_iter();
        match tokens.next() {
            Some(Token::Close(at)) => self.close(at, tokens, report),
            Some(Token::Word(word)) => match &*word {
                "model" => self.model(word.at, tokens, report),
                "in" | "out" | "header" | "property" => self.detail(&word, tokens, report),
                _ => self.element(word, tokens, report),
            },
            Some(other) => {
                let message = format!("a line cannot start with `{}`", other.shown());
                let hint = "start it with a kind of element such as `task`, or with `in`, `out`";
                unreadable_line(other.at(), message, hint, report);
            }
            None => {}
        }
    }

    fn model(&mut self, at: u32, tokens: impl Iterator<Item = Token<'a>>, report: &mut Report<'_>) {
        if !self.process.nodes.is_empty() || self.process.at != 0 {
            let message = "`model` stands only in the first line".to_owned();
            unreadable_line(at, message, "write one process per text", report);
            return;
        }
        let Some(mut line) = Line::parse(Text::new("model", at), tokens, report) else { return };
        self.process.at = at;
        self.process.id = line.id();
        self.process.name = line.pair("name");
        self.process.extensions.version_tag = line.pair("tag");
        self.process.extensions.logical_server = line.pair("server");
        line.finish("`model ID name=… tag=… server=…`", report);
    }

    fn element(
        &mut self,
        kind: Text<'a>,
        tokens: impl Iterator<Item = Token<'a>>,
        report: &mut Report<'_>,
    ) {
        self.current = None;
        let at = kind.at;
        let Some(mut line) = Line::parse(kind, tokens, report) else { return };
        let mut extensions = Extensions::default();
        let Some((form, usage)) = element::form(&mut line, &mut extensions, report) else { return };
        let position = self.process.nodes.len();
        let id = line.id();
        extensions.logical_server = line.pair("server");
        let mut node = Node {
            at,
            id: id.clone(),
            name: line.pair("name"),
            scope: self.open.last().copied(),
            lane: line.pair("lane"),
            lane_server: None,
            form,
            default: None,
            extensions,
        };
        node.default = self.flows(&id, std::mem::take(&mut line.targets));
        if matches!(node.form, Form::SubProcess) {
            if self.open.len() >= DEPTH_MAX {
                let message = format!("more than {DEPTH_MAX} subprocesses inside of each other");
                unreadable_line(at, message, "call another process instead", report);
                return;
            }
            if line.take_open() {
                self.open.push(position);
            }
        }
        line.finish(usage, report);
        self.process.nodes.push(node);
        self.current = Some(position);
    }

    fn close(&mut self, at: u32, tokens: impl Iterator<Item = Token<'a>>, report: &mut Report<'_>) {
        let Some(position) = self.open.pop() else {
            let message = "this `}` closes nothing".to_owned();
            unreadable_line(at, message, "remove it, or open a `sub` before", report);
            return;
        };
        self.current = Some(position);
        let Some(mut line) = Line::parse(Text::new("}", at), tokens, report) else { return };
        let Some(id) = self.process.nodes.get(position).map(|node| node.id.clone()) else { return };
        let default = self.flows(&id, std::mem::take(&mut line.targets));
        if let Some(node) = self.process.nodes.get_mut(position) {
            node.default = node.default.take().or(default);
        }
        line.finish("`} -> ID`", report);
    }

    /// `in`, `out`, `header`, `property`: NAME = VALUE, for the element above.
    fn detail(
        &mut self,
        word: &Text<'a>,
        tokens: impl Iterator<Item = Token<'a>>,
        report: &mut Report<'_>,
    ) {
        let mut tokens = tokens;
        let pair = match (tokens.next(), tokens.next(), tokens.next(), tokens.next()) {
            (Some(Token::Pair(name, value)), None, None, None) => Some((name, value)),
            (
                Some(Token::Word(name) | Token::Quoted(name)),
                Some(Token::Equals(_)),
                Some(Token::Word(value) | Token::Quoted(value)),
                None,
            ) => Some((name, value)),
            _ => None,
        };
        let Some((name, value)) = pair else {
            let message = format!("`{}` needs a name, `=` and a value", &**word);
            let hint = "write it like `in amount = \"=order.total\"`";
            unreadable_line(word.at, message, hint, report);
            return;
        };
        let Some(node) = self.current.and_then(|current| self.process.nodes.get_mut(current))
        else {
            if &**word == "property" && self.process.nodes.is_empty() {
                self.process.extensions.properties.push((name, value));
                return;
            }
            let message = format!("`{}` belongs to no element", &**word);
            unreadable_line(word.at, message, "write it below the line of an element", report);
            return;
        };
        let extensions = &mut node.extensions;
        let entries = match &**word {
            "in" => &mut extensions.inputs,
            "out" => &mut extensions.outputs,
            "header" => &mut extensions.headers,
            _ => {
                extensions.properties.push((name, value));
                return;
            }
        };
        entries.push(Entry { at: word.at, name: Some(name), value: Some(value) });
    }

    /// Adds the flows from `source`; the id of the default one comes back.
    fn flows(&mut self, source: &Text<'a>, targets: Vec<Target<'a>>) -> Option<Text<'a>> {
        let mut default = None;
        let mut parallel = BTreeMap::new();
        for target in targets {
            let mut id = format!("{}->{}", &**source, &*target.id);
            let earlier = parallel.entry(target.id.to_string()).or_insert(0);
            *earlier += 1;
            if *earlier > 1 {
                id = format!("{id}#{earlier}");
            }
            let id = Text::new(id, target.id.at);
            if target.is_default {
                default = Some(id.clone());
            }
            self.process.flows.push(crate::source::Flow {
                at: target.id.at,
                id,
                source: Some(source.clone()),
                target: Some(target.id),
                condition: target.condition,
            });
        }
        default
    }
}
