//! Types: after `instance of`, and of a function's parameters.
//!
//! Boundary: grammar and names; what a type means is in `types`.
//! Read first: `Parser::type_name`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::expression::Diagnostic;
use crate::names::Dialect;
use crate::syntax::lexer::Kind;
use crate::syntax::parser::Parser;
use crate::types::{FunctionType, Type};
use crate::value::Str;

impl Parser<'_> {
    /// A type after `instance of`.
    pub(super) fn type_name(&mut self) -> Result<Type, Diagnostic> {
        if let Some((kind, count)) =
            self.names.and_then(|names| names.type_at(|distance| self.source_after(distance)))
        {
            self.at += count;
            return Ok(kind.clone());
        }
        let Some((count, name)) = self.type_words() else {
            return Err(self.expected("a type"));
        };
        self.at += count;
        let kind = Type::named(name).unwrap_or_default();
        if !self.eat(Kind::Less) {
            return Ok(kind);
        }
        let kind = match kind {
            Type::List(_) => Type::list(self.nested(Self::type_name)?),
            Type::Range(_) => Type::Range(Arc::new(self.nested(Self::type_name)?)),
            Type::Context(_) => Type::context(self.type_entries()?),
            Type::Function(_) => return self.function_type(),
            _ => return Err(self.expected("no parameters for this type")),
        };
        self.expect(Kind::Greater, "`>` to end the parameters of the type")?;
        Ok(kind)
    }

    fn type_entries(&mut self) -> Result<Vec<(Str, Type)>, Diagnostic> {
        let mut entries = Vec::new();
        loop {
            let name = self.parameter_name()?;
            self.expect(Kind::Colon, "`:` and a type")?;
            entries.push((name, self.nested(Self::type_name)?));
            if !self.eat(Kind::Comma) {
                return Ok(entries);
            }
        }
    }

    /// `number, string> -> boolean`, after `function<`.
    fn function_type(&mut self) -> Result<Type, Diagnostic> {
        let mut parameters = Vec::new();
        while self.kind() != Kind::Greater {
            parameters.push(self.nested(Self::type_name)?);
            if !self.eat(Kind::Comma) {
                break;
            }
        }
        self.expect(Kind::Greater, "`>` to end the parameters of the type")?;
        let result = if self.eat(Kind::Arrow) { self.nested(Self::type_name)? } else { Type::Any };
        Ok(Type::Function(Some(Arc::new(FunctionType { parameters, result }))))
    }

    /// How many words name a built-in type here, and that name.
    fn type_words(&self) -> Option<(usize, &'static str)> {
        const NAMES: [(&[&str], &str); 17] = [
            (&["years", "and", "months", "duration"], "years and months duration"),
            (&["days", "and", "time", "duration"], "days and time duration"),
            (&["year", "-", "month", "-", "duration"], "years and months duration"),
            (&["day", "-", "time", "-", "duration"], "days and time duration"),
            (&["date", "and", "time"], "date and time"),
            (&["date", "time"], "date and time"),
            (&["date"], "date"),
            (&["time"], "time"),
            (&["number"], "number"),
            (&["string"], "string"),
            (&["boolean"], "boolean"),
            (&["list"], "list"),
            (&["context"], "context"),
            (&["range"], "range"),
            (&["function"], "function"),
            (&["Any"], "Any"),
            (&["Null"], "Null"),
        ];
        let matches = |words: &[&str]| {
            words.iter().enumerate().all(|(distance, word)| {
                self.source_after(distance) == *word
                    && matches!(self.kind_after(distance), Kind::Word | Kind::Minus)
            })
        };
        NAMES.iter().find(|(words, _)| matches(words)).map(|(words, name)| (words.len(), *name))
    }

    /// The type of a parameter: enforced by the standard, read and ignored by Camunda.
    pub(super) fn parameter_type(&mut self) -> Result<Type, Diagnostic> {
        if self.dialect() == Dialect::Standard {
            return self.nested(Self::type_name);
        }
        let mut open = 0u32;
        loop {
            match self.kind() {
                Kind::Less => open += 1,
                Kind::Greater => open = open.saturating_sub(1),
                Kind::Comma | Kind::CloseParen if open == 0 => return Ok(Type::Any),
                Kind::Word | Kind::Comma | Kind::Colon | Kind::Arrow | Kind::Minus | Kind::Dot => {}
                _ => return Err(self.expected("a type")),
            }
            self.advance();
        }
    }
}
