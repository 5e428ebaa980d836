//! Unary tests: the cells of decision tables, and the right-hand side of `in`.
//!
//! Boundary: grammar only.
//! Read first: `Parser::unary_tests`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::code::{Test, Tests};
use crate::expression::Diagnostic;
use crate::syntax::lexer::Kind;
use crate::syntax::operator::comparison;
use crate::syntax::parser::Parser;

impl Parser<'_> {
    /// A whole cell: `-`, `not(tests)` or tests.
    pub(super) fn unary_tests(&mut self) -> Result<Tests, Diagnostic> {
        if self.kind() == Kind::Minus && self.kind_after(1) == Kind::End {
            self.advance();
            return Ok(Tests {
                whole: true,
                negated: false,
                alternatives: [Test::Anything].into(),
            });
        }
        if self.is_word("not") && self.kind_after(1) == Kind::OpenParen && self.closes_at_end() {
            self.at += 2;
            let alternatives = self.tests()?;
            self.expect(Kind::CloseParen, "`,` or `)`")?;
            return Ok(Tests { whole: true, negated: true, alternatives });
        }
        Ok(Tests { whole: true, negated: false, alternatives: self.tests()? })
    }

    /// Whether the parenthesis after the current word is closed by the last token.
    fn closes_at_end(&self) -> bool {
        let mut open = 0u32;
        for (distance, token) in self.tokens[self.at + 1..].iter().enumerate() {
            match token.kind {
                Kind::OpenParen => open += 1,
                Kind::CloseParen => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        return self.kind_after(distance + 2) == Kind::End;
                    }
                }
                _ => {}
            }
        }
        false
    }

    /// Tests separated by commas.
    pub(super) fn tests(&mut self) -> Result<Box<[Test]>, Diagnostic> {
        let mut tests = Vec::from([self.test()?]);
        while self.eat(Kind::Comma) {
            tests.push(self.test()?);
        }
        Ok(tests.into())
    }

    fn test(&mut self) -> Result<Test, Diagnostic> {
        let outer = core::mem::take(&mut self.input_used);
        let test = if let Some(operator) = comparison(self.kind()) {
            self.advance();
            Test::Compare(operator, self.sum()?)
        } else {
            let code = self.expression()?;
            if self.input_used { Test::Condition(code) } else { Test::Value(code) }
        };
        self.input_used = outer;
        Ok(test)
    }
}
