//! The parser: tokens in, resolved code out, in one pass.
//!
//! Boundary: the grammar is spread over the sibling files; this one holds its state and entry.
//! Invariants: PAR-1 every recursive rule goes through `nested`, which limits depth; links of a
//! chain that deepens to the left are counted.
//! Read first: [`compile`], then `Parser::expression`.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::code::{Code, Slot};
use crate::expression::Diagnostic;
use crate::names::{Dialect, Names};
use crate::syntax::lexer::{Kind, Token, tokenize};
use crate::value::Str;

/// How deep expressions may be nested.
const NEST_MAX: u32 = 100;
/// How many links all left-deep chains (filters of filters, comparisons of comparisons) may have.
const LINKS_MAX: u32 = 400;

/// What the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One expression.
    Expression,
    /// A cell of a decision table.
    UnaryTests,
}

/// The result of parsing.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) code: Code,
    /// Free variables by name, each once.
    pub(crate) variables: Vec<FreeName>,
    /// Calls of names that are no built-in function.
    pub(crate) unknown_functions: Vec<Diagnostic>,
}

/// Parses and resolves `text`.
pub(crate) fn compile<'t>(
    text: &'t str,
    form: Form,
    names: Option<&'t Names>,
) -> Result<Compiled, Diagnostic> {
    let mut parser = Parser {
        names,
        text,
        tokens: tokenize(text)?,
        at: 0,
        nest: 0,
        links: 0,
        frames: Vec::from([Frame::default()]),
        input_used: false,
        variables: Vec::new(),
        name_start: 0,
        unknown_functions: Vec::new(),
    };
    let code = match form {
        Form::Expression => parser.expression()?,
        Form::UnaryTests => Code::Tests(Box::new(parser.unary_tests()?)),
    };
    if parser.kind() != Kind::End {
        return Err(parser.expected("an operator or the end"));
    }
    let mut variables = parser.variables;
    variables.sort();
    variables.dedup_by(|later, first| later.name == first.name);
    Ok(Compiled { code, variables, unknown_functions: parser.unknown_functions })
}

/// A name that the text does not introduce itself.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FreeName {
    pub(crate) name: Str,
    /// Whether it may be an entry of a filtered item instead of a variable.
    pub(crate) perhaps_entry: bool,
    /// Where it is read.
    pub(crate) offset: usize,
}

/// The locals of one function body, or of the expression itself.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) locals: Vec<Local>,
    /// What the function takes along, as seen from the frame around it.
    pub(super) captures: Vec<Slot>,
    /// The variables of the scope that it reads.
    pub(super) variables: Vec<Str>,
    /// The name under which the function can call itself.
    pub(super) own_name: Option<Str>,
}

#[derive(Debug)]
pub(super) struct Local {
    pub(super) name: Option<Str>,
    /// What the name is written with if that is more than one word.
    pub(super) words: Vec<Str>,
    /// Whether it is the item of a filter, whose entries are names too.
    pub(super) item: bool,
    pub(super) used: bool,
}

pub(super) struct Parser<'t> {
    pub(super) names: Option<&'t Names>,
    pub(super) text: &'t str,
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    nest: u32,
    links: u32,
    pub(super) frames: Vec<Frame>,
    /// Whether `?` has been read since this was last cleared.
    pub(super) input_used: bool,
    pub(super) variables: Vec<FreeName>,
    /// Where the name that is being resolved starts.
    pub(super) name_start: usize,
    pub(super) unknown_functions: Vec<Diagnostic>,
}

impl<'t> Parser<'t> {
    pub(super) fn token(&self) -> Token {
        self.tokens[self.at]
    }

    pub(super) fn kind(&self) -> Kind {
        self.tokens[self.at].kind
    }

    pub(super) fn kind_after(&self, distance: usize) -> Kind {
        self.tokens.get(self.at + distance).map_or(Kind::End, |token| token.kind)
    }

    /// The source of the token so many places ahead.
    pub(super) fn source_after(&self, distance: usize) -> &'t str {
        self.tokens.get(self.at + distance).map_or("", |token| &self.text[token.start..token.end])
    }

    pub(super) fn source(&self) -> &'t str {
        self.source_after(0)
    }

    pub(super) fn advance(&mut self) {
        if self.kind() != Kind::End {
            self.at += 1;
        }
    }

    pub(super) fn eat(&mut self, kind: Kind) -> bool {
        let found = self.kind() == kind;
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind() == Kind::Word && self.source() == word
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect(&mut self, kind: Kind, shown: &str) -> Result<(), Diagnostic> {
        if self.eat(kind) { Ok(()) } else { Err(self.expected(shown)) }
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), Diagnostic> {
        if self.eat_word(word) { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    /// What was expected at the current token, and what stands there.
    pub(super) fn expected(&self, what: &str) -> Diagnostic {
        let token = self.token();
        let found = match token.kind {
            Kind::End => String::from("the end"),
            _ => format!("`{}`", shortened(&self.text[token.start..token.end])),
        };
        Diagnostic { offset: token.start, message: format!("expected {what}, found {found}") }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.names.map_or(Dialect::Camunda, |names| names.dialect)
    }

    /// Runs a rule one level deeper.
    pub(super) fn nested<T>(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Result<T, Diagnostic>,
    ) -> Result<T, Diagnostic> {
        if self.nest == NEST_MAX {
            let offset = self.token().start;
            let message = format!("nested deeper than {NEST_MAX} levels");
            return Err(Diagnostic { offset, message });
        }
        self.nest += 1;
        let result = rule(self);
        self.nest -= 1;
        result
    }

    /// Counts a link of a chain that deepens the tree.
    pub(super) fn link(&mut self) -> Result<(), Diagnostic> {
        self.links += 1;
        if self.links > LINKS_MAX {
            let message = format!("more than {LINKS_MAX} links in chains");
            return Err(Diagnostic { offset: self.token().start, message });
        }
        Ok(())
    }

    /// The rule that everything starts with.
    pub(super) fn expression(&mut self) -> Result<Code, Diagnostic> {
        self.nested(|parser| match parser.word() {
            "if" | "for" | "some" | "every" if parser.name_here().is_some() => parser.disjunction(),
            "if" => parser.conditional(),
            "for" => parser.for_loop(),
            "some" | "every" => parser.quantified(),
            _ => parser.disjunction(),
        })
    }

    /// The current token if it is a word.
    pub(super) fn word(&self) -> &'t str {
        if self.kind() == Kind::Word { self.source() } else { "" }
    }

    fn conditional(&mut self) -> Result<Code, Diagnostic> {
        self.advance();
        let condition = self.expression()?;
        self.expect_word("then")?;
        let then = self.expression()?;
        self.expect_word("else")?;
        let otherwise = self.expression()?;
        Ok(Code::If(Box::new([condition, then, otherwise])))
    }
}

/// At most 40 characters of a token, for a message.
pub(super) fn shortened(source: &str) -> &str {
    source.char_indices().nth(40).map_or(source, |(end, _)| &source[..end])
}
