//! Literals, names, calls, lists, contexts and ranges.
//!
//! Boundary: grammar; which functions exist is asked of `builtin`.
//! Read first: `Parser::primary`.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::builtin::{self, Builtin};
use crate::code::{Code, Comparison, Invoke, RangeCode};
use crate::expression::Diagnostic;
use crate::names::Dialect;
use crate::syntax::lexer::{Kind, unescape};
use crate::syntax::name::is_reserved;
use crate::syntax::operator::comparison;
use crate::syntax::parser::Parser;
use crate::temporal::parse_temporal;
use crate::value::{Number, Str, Value};

/// The longest name of a function, in words.
const WORDS_MAX: usize = 6;
/// The longest name of an argument, in words and signs.
const TOKENS_MAX: usize = 32;

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Result<Code, Diagnostic> {
        self.name_start = self.token().start;
        let source = self.source();
        let code = match self.kind() {
            Kind::Number => match Number::parse(source) {
                Some(number) => Code::Constant(Value::Number(number)),
                None => return Err(self.expected("a smaller number")),
            },
            Kind::String => Code::Constant(Value::from(unescape(source))),
            Kind::Question => {
                self.input_used = true;
                Code::Input
            }
            Kind::At => {
                self.advance();
                if self.kind() != Kind::String {
                    return Err(self.expected("a string after `@`"));
                }
                Code::Constant(parse_temporal(&unescape(self.source())).unwrap_or_default())
            }
            Kind::Quoted => {
                let name = &source[1..source.len() - 1];
                self.advance();
                if self.kind() == Kind::OpenParen {
                    return self.call_by_name(name);
                }
                return Ok(self.resolve(name));
            }
            Kind::Word => return self.word_primary(),
            Kind::OpenParen => return self.parenthesised(),
            Kind::OpenBracket => return self.list(),
            Kind::CloseBracket => return self.reversed_range(),
            Kind::OpenBrace => return self.context(),
            kind => match comparison(kind) {
                Some(operator) => return self.half_range(operator),
                None => return Err(self.expected("an expression")),
            },
        };
        self.advance();
        Ok(code)
    }

    fn word_primary(&mut self) -> Result<Code, Diagnostic> {
        let word = self.source();
        if let Some((name, count)) = self.name_here()
            && self.builtin_here().is_none_or(|(_, words)| words <= count)
        {
            self.at += count;
            return match self.kind() {
                Kind::OpenParen => self.call_by_name(&name),
                _ => Ok(self.resolve(&name)),
            };
        }
        let constant = match word {
            "null" => Some(Value::Null),
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => None,
        };
        if let Some(value) = constant {
            self.advance();
            return Ok(Code::Constant(value));
        }
        if word == "function" {
            return self.function(None);
        }
        if let Some((builtin, words)) = self.builtin_here() {
            self.at += words;
            return self.builtin_call(builtin);
        }
        if matches!(word, "if" | "for" | "some" | "every") {
            return self.expression();
        }
        if is_reserved(word) {
            return Err(self.expected("an expression"));
        }
        self.advance();
        if self.kind() == Kind::OpenParen {
            return self.call_by_name(word);
        }
        Ok(self.resolve(word))
    }

    /// The built-in function whose name and `(` stand here, and the words of its name.
    fn builtin_here(&self) -> Option<(&'static Builtin, usize)> {
        let words = (0..=WORDS_MAX).find(|distance| self.kind_after(*distance) != Kind::Word)?;
        if words == 0 || self.kind_after(words) != Kind::OpenParen {
            return None;
        }
        if words == 1 {
            let name = self.source();
            return (!self.is_local(name)).then(|| builtin::find(name)).flatten().zip(Some(1));
        }
        let name = self.words(words);
        builtin::find(&name).zip(Some(words))
    }

    pub(super) fn words(&self, count: usize) -> String {
        let mut name = String::new();
        for distance in 0..count {
            if distance > 0 {
                name.push(' ');
            }
            name.push_str(self.source_after(distance));
        }
        name
    }

    fn builtin_call(&mut self, builtin: &'static Builtin) -> Result<Code, Diagnostic> {
        let start = self.token().start;
        let arguments = self.nested(Self::arguments)?;
        Ok(builtin::bind(builtin, arguments, self.dialect()).unwrap_or_else(|message| {
            self.unknown_functions.push(Diagnostic { offset: start, message });
            let callee = Code::Variable(builtin.name.into());
            Code::Invoke(Box::new(Invoke { callee, arguments: [].into() }))
        }))
    }

    /// A call of something that is not built in.
    fn call_by_name(&mut self, name: &str) -> Result<Code, Diagnostic> {
        if !self.is_local(name) {
            let offset = self.tokens[self.at.saturating_sub(1)].start;
            let message = match builtin::nearest(name) {
                Some(known) => format!("there is no function `{name}`; the nearest is `{known}`"),
                None => format!("there is no function `{name}`"),
            };
            self.unknown_functions.push(Diagnostic { offset, message });
        }
        let callee = self.resolve(name);
        self.invocation(callee)
    }

    pub(super) fn invocation(&mut self, callee: Code) -> Result<Code, Diagnostic> {
        let arguments = self.nested(Self::arguments)?;
        Ok(Code::Invoke(Box::new(Invoke { callee, arguments: arguments.into() })))
    }

    /// Arguments in parentheses, each with its name if it has one.
    fn arguments(&mut self) -> Result<Vec<(Option<Str>, Code)>, Diagnostic> {
        self.expect(Kind::OpenParen, "`(`")?;
        let mut arguments = Vec::new();
        while self.kind() != Kind::CloseParen {
            let name = self.argument_name();
            arguments.push((name, self.expression()?));
            if !self.eat(Kind::Comma) {
                break;
            }
        }
        self.expect(Kind::CloseParen, "`,` or `)`")?;
        Ok(arguments)
    }

    /// The name before a `:`, with its words one space apart.
    fn argument_name(&mut self) -> Option<Str> {
        let is_part = |kind| {
            use Kind::{Dot, Minus, Number, Plus, Quoted, Slash, Star, Word};
            matches!(kind, Word | Quoted | Number | Plus | Minus | Star | Slash | Dot)
        };
        let count = (0..=TOKENS_MAX).find(|distance| !is_part(self.kind_after(*distance)))?;
        if count == 0 || self.kind_after(count) != Kind::Colon {
            return None;
        }
        let name = self.words(count);
        self.at += count + 1;
        Some(name.trim_matches('`').into())
    }

    fn parenthesised(&mut self) -> Result<Code, Diagnostic> {
        self.advance();
        let inner = self.expression()?;
        if self.eat(Kind::DotDot) {
            return self.range_end(inner, false);
        }
        self.expect(Kind::CloseParen, "`)`")?;
        Ok(inner)
    }

    fn range_end(&mut self, start: Code, start_included: bool) -> Result<Code, Diagnostic> {
        let end = self.expression()?;
        let end_included = self.kind() == Kind::CloseBracket;
        if !matches!(self.kind(), Kind::CloseBracket | Kind::CloseParen | Kind::OpenBracket) {
            return Err(self.expected("`]` or `)` to end the range"));
        }
        self.advance();
        Ok(Code::range(RangeCode { start, start_included, end, end_included }))
    }

    /// `]1..10]`: open at the start.
    fn reversed_range(&mut self) -> Result<Code, Diagnostic> {
        self.advance();
        let start = self.expression()?;
        self.expect(Kind::DotDot, "`..`")?;
        self.range_end(start, false)
    }

    /// Whether the `[` here ends a range that is open at its end, as in `[1..10[`.
    pub(super) fn reversed_end(&self) -> bool {
        matches!(
            self.kind_after(1),
            Kind::End | Kind::CloseParen | Kind::CloseBracket | Kind::Comma | Kind::Dot
        )
    }

    /// `< 10` as a value.
    fn half_range(&mut self, operator: Comparison) -> Result<Code, Diagnostic> {
        self.advance();
        let end = self.nested(Self::sum)?;
        let nothing = Code::Constant(Value::Null);
        let (below, included) = match operator {
            Comparison::Less => (true, false),
            Comparison::LessOrEqual => (true, true),
            Comparison::Greater => (false, false),
            Comparison::GreaterOrEqual => (false, true),
            Comparison::Equal => return Ok(end),
            Comparison::NotEqual => return Err(self.expected("another comparison")),
        };
        let range = if below {
            RangeCode { start: nothing, start_included: false, end, end_included: included }
        } else {
            RangeCode { start: end, start_included: included, end: nothing, end_included: false }
        };
        Ok(Code::range(range))
    }

    fn list(&mut self) -> Result<Code, Diagnostic> {
        self.advance();
        let mut items = Vec::new();
        while self.kind() != Kind::CloseBracket {
            let item = self.expression()?;
            if items.is_empty() && self.eat(Kind::DotDot) {
                return self.range_end(item, true);
            }
            items.push(item);
            if !self.eat(Kind::Comma) {
                break;
            }
        }
        self.expect(Kind::CloseBracket, "`,` or `]`")?;
        Ok(Code::list(items))
    }

    fn context(&mut self) -> Result<Code, Diagnostic> {
        self.advance();
        let mut entries: Vec<(Str, Code)> = Vec::new();
        let mut result = Ok(());
        while self.kind() != Kind::CloseBrace {
            let entry = self.key().and_then(|name| {
                let value = if self.is_word("function") && self.kind_after(1) == Kind::OpenParen {
                    self.nested(|parser| parser.function(Some(name.clone())))
                } else {
                    self.expression()
                };
                Ok((name, value?))
            });
            match entry {
                Ok((name, value)) => {
                    self.push_local(Some(name.clone()));
                    entries.push((name, value));
                }
                Err(diagnostic) => {
                    result = Err(diagnostic);
                    break;
                }
            }
            if !self.eat(Kind::Comma) {
                break;
            }
        }
        for _ in &entries {
            self.pop_local();
        }
        result?;
        self.expect(Kind::CloseBrace, "`,` or `}`")?;
        Ok(Code::Context(entries.into()))
    }

    /// The name of an entry: a string, a quoted name, or words as they are written.
    fn key(&mut self) -> Result<Str, Diagnostic> {
        let source = self.source();
        let name: Str = match self.kind() {
            Kind::String => unescape(source).into(),
            Kind::Quoted => source[1..source.len() - 1].into(),
            Kind::Word if self.kind_after(1) == Kind::Colon && is_reserved(source) => {
                return Err(self.expected("a name that is no keyword"));
            }
            Kind::Word => {
                let start = self.token().start;
                let mut end = self.token().end;
                while let Kind::Word
                | Kind::Number
                | Kind::Plus
                | Kind::Minus
                | Kind::Star
                | Kind::Slash
                | Kind::Dot = self.kind_after(1)
                {
                    self.advance();
                    end = self.token().end;
                }
                let name = &self.text[start..end];
                match self.dialect() {
                    Dialect::Standard => one_space(name),
                    Dialect::Camunda => name.into(),
                }
            }
            _ => return Err(self.expected("the name of an entry")),
        };
        self.advance();
        self.expect(Kind::Colon, "`:` and a value")?;
        Ok(name)
    }
}

/// A name with one space where it has more.
fn one_space(name: &str) -> Str {
    let mut parts = name.split_whitespace();
    let mut out = String::from(parts.next().unwrap_or_default());
    for part in parts {
        out.push(' ');
        out.push_str(part);
    }
    out.into()
}
