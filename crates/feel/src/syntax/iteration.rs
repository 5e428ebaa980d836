//! `for`, `some`, `every` and function literals: everything that introduces names.
//!
//! Boundary: grammar and scopes; how names are found is in `name`.
//! Read first: `Parser::for_loop`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::code::{Code, For, Lambda, Quantified, Source};
use crate::expression::Diagnostic;
use crate::function::Parameter;
use crate::syntax::lexer::Kind;
use crate::syntax::parser::{Frame, Parser};
use crate::types::Type;
use crate::value::Str;

/// The longest name that is introduced, in words and signs.
const NAME_TOKENS_MAX: usize = 32;

impl Parser<'_> {
    pub(super) fn for_loop(&mut self) -> Result<Code, Diagnostic> {
        self.advance();
        self.push_local(Some("partial".into()));
        let sources = self.sources()?;
        self.expect_word("return")?;
        let body = self.expression()?;
        for _ in 0..sources.len() {
            self.pop_local();
        }
        let uses_partial = self.pop_local();
        Ok(Code::For(Box::new(For { sources, body, uses_partial })))
    }

    pub(super) fn quantified(&mut self) -> Result<Code, Diagnostic> {
        let every = self.eat_word("every") || !self.eat_word("some");
        let sources = self.sources()?;
        self.expect_word("satisfies")?;
        let condition = self.expression()?;
        for _ in 0..sources.len() {
            self.pop_local();
        }
        Ok(Code::Quantified(Box::new(Quantified { every, sources, condition })))
    }

    /// `x in list, y in 1..3`; each name is a local for what follows.
    fn sources(&mut self) -> Result<Box<[Source]>, Diagnostic> {
        let mut sources = Vec::new();
        loop {
            let name = self.parameter_name()?;
            self.expect_word("in")?;
            let first = self.expression()?;
            let source = if self.eat(Kind::DotDot) {
                Source::Count(first, self.expression()?)
            } else {
                Source::Value(first)
            };
            sources.push(source);
            self.push_local(Some(name));
            if !self.eat(Kind::Comma) {
                return Ok(sources.into());
            }
            self.link()?;
        }
    }

    /// A name being introduced.
    pub(super) fn parameter_name(&mut self) -> Result<Str, Diagnostic> {
        let source = self.source();
        if let Some(name) = self.spaced_name() {
            return Ok(name);
        }
        let name = match self.kind() {
            Kind::Quoted => Str::from(&source[1..source.len() - 1]),
            Kind::Word if !super::name::is_reserved(source) => Str::from(source),
            _ => return Err(self.expected("a name")),
        };
        self.advance();
        Ok(name)
    }

    /// A name of several words or signs being introduced: what stands before `in`, `,`, `:` or
    /// `)`, when there is no other way to read it.
    fn spaced_name(&mut self) -> Option<Str> {
        use Kind::{CloseParen, Colon, Comma, Dot, Minus, Number, Plus, Slash, Star, Word};
        if self.kind() != Word || super::name::is_reserved(self.source()) {
            return None;
        }
        let count = (1..NAME_TOKENS_MAX).find(|distance| {
            let kind = self.kind_after(*distance);
            let ends = kind == Word && self.source_after(*distance) == "in";
            ends || !matches!(kind, Word | Number | Plus | Minus | Star | Slash | Dot)
        })?;
        let ends = matches!(self.kind_after(count), Comma | Colon | CloseParen | Word);
        if count < 2 || !ends {
            return None;
        }
        let name = self.words(count);
        self.at += count;
        Some(name.into())
    }

    /// `function(a, b: type) body`; `own_name` is what the function may call itself.
    pub(super) fn function(&mut self, own_name: Option<Str>) -> Result<Code, Diagnostic> {
        self.advance();
        self.expect(Kind::OpenParen, "`(` and parameters")?;
        let mut parameters: Vec<Parameter> = Vec::new();
        while self.kind() != Kind::CloseParen {
            let name = self.parameter_name()?;
            let kind = if self.eat(Kind::Colon) { self.parameter_type()? } else { Type::Any };
            parameters.push(Parameter { name, kind });
            if !self.eat(Kind::Comma) {
                break;
            }
        }
        self.expect(Kind::CloseParen, "`,` or `)`")?;
        if self.is_word("external") {
            return Err(self.expected("an expression (external functions are not supported)"));
        }
        self.frames.push(Frame { own_name, ..Frame::default() });
        for parameter in &parameters {
            self.push_local(Some(parameter.name.clone()));
        }
        let body = self.expression();
        let frame = self.frames.pop().unwrap_or_default();
        Ok(Code::Function(Arc::new(Lambda {
            parameters: parameters.into(),
            captures: frame.captures.into(),
            variables: frame.variables.into(),
            body: body?,
        })))
    }
}
