//! `for`, `some`, `every` and function literals: everything that introduces names.
//!
//! Boundary: grammar and scopes; how names are found is in `name`.
//! Read first: `Parser::for_loop`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::code::{Code, For, Lambda, Quantified, Source};
use crate::expression::Diagnostic;
use crate::syntax::lexer::Kind;
use crate::syntax::parser::{Frame, Parser};
use crate::value::Str;

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
        let name = match self.kind() {
            Kind::Quoted => Str::from(&source[1..source.len() - 1]),
            Kind::Word if !super::name::is_reserved(source) => Str::from(source),
            _ => return Err(self.expected("a name")),
        };
        self.advance();
        Ok(name)
    }

    /// `function(a, b: type) body`; `own_name` is what the function may call itself.
    pub(super) fn function(&mut self, own_name: Option<Str>) -> Result<Code, Diagnostic> {
        self.advance();
        self.expect(Kind::OpenParen, "`(` and parameters")?;
        let mut parameters: Vec<Str> = Vec::new();
        while self.kind() != Kind::CloseParen {
            parameters.push(self.parameter_name()?);
            if self.eat(Kind::Colon) {
                self.skip_type()?;
            }
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
            self.push_local(Some(parameter.clone()));
        }
        let body = self.expression();
        let captures = self.frames.pop().unwrap_or_default().captures;
        let lambda =
            Lambda { parameters: parameters.into(), captures: captures.into(), body: body? };
        Ok(Code::Function(Arc::new(lambda)))
    }

    /// The type of a parameter is read and not enforced.
    fn skip_type(&mut self) -> Result<(), Diagnostic> {
        let mut open = 0u32;
        loop {
            match self.kind() {
                Kind::Less => open += 1,
                Kind::Greater => open = open.saturating_sub(1),
                Kind::Comma | Kind::CloseParen if open == 0 => return Ok(()),
                Kind::Word | Kind::Comma | Kind::Colon | Kind::Arrow | Kind::Minus => {}
                _ => return Err(self.expected("a type")),
            }
            self.advance();
        }
    }
}
