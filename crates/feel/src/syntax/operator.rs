//! Operators by precedence: or, and, comparison, sum, product, power, sign, and what follows a
//! primary.
//!
//! Boundary: grammar only; meaning lives in `machine`.
//! Read first: `Parser::disjunction`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::code::{Code, Comparison, Operator, Test, Tests};
use crate::expression::Diagnostic;
use crate::syntax::lexer::Kind;
use crate::syntax::parser::Parser;
use crate::value::{Str, Value};

type Rule<'t> = fn(&mut Parser<'t>) -> Result<Code, Diagnostic>;

impl<'t> Parser<'t> {
    pub(super) fn disjunction(&mut self) -> Result<Code, Diagnostic> {
        self.logic("or", Self::conjunction, Code::Or)
    }

    fn conjunction(&mut self) -> Result<Code, Diagnostic> {
        self.logic("and", Self::comparison, Code::And)
    }

    fn logic(
        &mut self,
        word: &str,
        operand: Rule<'t>,
        make: fn(Box<[Code]>) -> Code,
    ) -> Result<Code, Diagnostic> {
        let first = operand(self)?;
        if !self.is_word(word) {
            return Ok(first);
        }
        let mut operands = Vec::from([first]);
        while self.eat_word(word) {
            operands.push(operand(self)?);
        }
        Ok(make(operands.into()))
    }

    pub(super) fn comparison(&mut self) -> Result<Code, Diagnostic> {
        let mut left = self.sum()?;
        let mut first = true;
        loop {
            if !(comparison(self.kind()).is_some()
                || matches!(self.word(), "between" | "in" | "instance"))
            {
                return Ok(left);
            }
            if !core::mem::take(&mut first) {
                self.link()?;
            }
            left = if let Some(operator) = comparison(self.kind()) {
                self.advance();
                Code::Compare(Box::new((operator, left, self.sum()?)))
            } else if self.eat_word("between") {
                let low = self.sum()?;
                self.expect_word("and")?;
                Code::Between(Box::new([left, low, self.sum()?]))
            } else if self.eat_word("in") {
                Code::In(Box::new((left, self.in_tests()?)))
            } else {
                self.advance();
                self.expect_word("of")?;
                Code::InstanceOf(Box::new((left, self.nested(Self::type_name)?)))
            };
        }
    }

    /// What may follow `in`: one test, or several in parentheses.
    fn in_tests(&mut self) -> Result<Tests, Diagnostic> {
        if self.kind() == Kind::OpenParen && self.holds_tests() {
            self.advance();
            let alternatives = self.nested(Self::tests)?;
            self.expect(Kind::CloseParen, "`,` or `)`")?;
            return Ok(Tests { whole: false, negated: false, alternatives });
        }
        let outer = core::mem::take(&mut self.input_used);
        let test = if let Some(operator) = comparison(self.kind()) {
            self.advance();
            Test::Compare(operator, self.sum()?)
        } else {
            let mut code = self.sum()?;
            if self.input_used
                && let Some(operator) = comparison(self.kind())
            {
                self.advance();
                code = Code::Compare(Box::new((operator, code, self.sum()?)));
            }
            if self.input_used { Test::Condition(code) } else { Test::Value(code) }
        };
        self.input_used = outer;
        Ok(Tests { whole: false, negated: false, alternatives: [test].into() })
    }

    /// Whether the parentheses here hold unary tests rather than one expression.
    fn holds_tests(&self) -> bool {
        if comparison(self.kind_after(1)).is_some() {
            return true;
        }
        let mut open = 0u32;
        for token in &self.tokens[self.at..] {
            match token.kind {
                Kind::OpenParen | Kind::OpenBracket | Kind::OpenBrace => open += 1,
                Kind::CloseParen | Kind::CloseBracket | Kind::CloseBrace => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        return false;
                    }
                }
                Kind::Comma if open == 1 => return true,
                _ => {}
            }
        }
        false
    }

    pub(super) fn sum(&mut self) -> Result<Code, Diagnostic> {
        self.chain(Self::product, |kind| match kind {
            Kind::Plus => Some(Operator::Add),
            Kind::Minus => Some(Operator::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Result<Code, Diagnostic> {
        self.chain(Self::power, |kind| match kind {
            Kind::Star => Some(Operator::Multiply),
            Kind::Slash => Some(Operator::Divide),
            _ => None,
        })
    }

    fn power(&mut self) -> Result<Code, Diagnostic> {
        self.chain(Self::signed, |kind| (kind == Kind::StarStar).then_some(Operator::Power))
    }

    fn chain(
        &mut self,
        operand: Rule<'t>,
        operator: fn(Kind) -> Option<Operator>,
    ) -> Result<Code, Diagnostic> {
        let first = operand(self)?;
        if operator(self.kind()).is_none() {
            return Ok(first);
        }
        let mut rest = Vec::new();
        while let Some(operator) = operator(self.kind()) {
            self.advance();
            rest.push((operator, operand(self)?));
        }
        Ok(Code::Arithmetic(Box::new((first, rest.into()))))
    }

    fn signed(&mut self) -> Result<Code, Diagnostic> {
        let mut minus = 0u32;
        while self.eat(Kind::Minus) {
            minus += 1;
        }
        let code = self.postfix()?;
        Ok(match (minus, code) {
            (0, code) => code,
            (1.., Code::Constant(Value::Number(number))) => {
                Code::Constant(Value::Number(if minus % 2 == 1 {
                    number.negated()
                } else {
                    number
                }))
            }
            (_, code) if minus % 2 == 1 => Code::Negate(Box::new(code)),
            // Twice negated is the same number, but still only for numbers.
            (_, code) => Code::Negate(Box::new(Code::Negate(Box::new(code)))),
        })
    }

    fn postfix(&mut self) -> Result<Code, Diagnostic> {
        let mut code = self.primary()?;
        let mut first = true;
        loop {
            let kind = self.kind();
            if !matches!(kind, Kind::Dot | Kind::OpenBracket | Kind::OpenParen)
                || (kind == Kind::OpenBracket && self.reversed_end())
            {
                return Ok(code);
            }
            if !core::mem::take(&mut first) {
                self.link()?;
            }
            code = match kind {
                Kind::Dot => {
                    let mut names: Vec<Str> = Vec::new();
                    while self.eat(Kind::Dot) {
                        let name = match self.entry_here(&code, &names) {
                            Some((name, count)) => {
                                self.at += count;
                                name
                            }
                            None => self.property()?,
                        };
                        names.push(name);
                    }
                    Code::Path(Box::new((code, names.into())))
                }
                Kind::OpenBracket => self.filter(code)?,
                _ => self.invocation(code)?,
            };
        }
    }

    /// The name after a dot; a few have spaces.
    fn property(&mut self) -> Result<Str, Diagnostic> {
        let source = self.source();
        let name = match self.kind() {
            Kind::Quoted => Str::from(&source[1..source.len() - 1]),
            Kind::Word if !matches!(source, "null" | "true" | "false") => {
                let joined = match (source, self.source_after(1)) {
                    ("time", "offset") => Some("time offset"),
                    ("start", "included") => Some("start included"),
                    ("end", "included") => Some("end included"),
                    _ => None,
                };
                if joined.is_some() {
                    self.advance();
                }
                joined.unwrap_or(source).into()
            }
            _ => return Err(self.expected("a name after `.`")),
        };
        self.advance();
        Ok(name)
    }

    fn filter(&mut self, list: Code) -> Result<Code, Diagnostic> {
        self.advance();
        self.push_item();
        let condition = self.nested(|parser| {
            if comparison(parser.kind()).is_some() {
                let item = parser.resolve("item");
                let alternatives = parser.tests()?;
                return Ok(Code::In(Box::new((
                    item,
                    Tests { whole: false, negated: false, alternatives },
                ))));
            }
            parser.expression()
        });
        self.pop_local();
        let condition = condition?;
        self.expect(Kind::CloseBracket, "`]` to end the filter")?;
        Ok(Code::Filter(Box::new((list, condition))))
    }
}

/// The comparison that a token stands for.
pub(super) fn comparison(kind: Kind) -> Option<Comparison> {
    match kind {
        Kind::Equal => Some(Comparison::Equal),
        Kind::NotEqual => Some(Comparison::NotEqual),
        Kind::Less => Some(Comparison::Less),
        Kind::LessOrEqual => Some(Comparison::LessOrEqual),
        Kind::Greater => Some(Comparison::Greater),
        Kind::GreaterOrEqual => Some(Comparison::GreaterOrEqual),
        _ => None,
    }
}
