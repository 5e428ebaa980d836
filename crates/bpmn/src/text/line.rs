//! The parts of one element line, taken out one by one by the kind that the line is of.
//!
//! Boundary: knows the shape of a line, not what the kinds mean.
//! Read first: [`Line`], then [`Line::parse`].

use markup::Report;

use crate::source::Text;
use crate::text::lexer::Token;
use crate::text::unreadable_line;

/// A line whose parts have not all been asked for.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) kind: Text<'a>,
    id: Option<Text<'a>>,
    host: Option<Text<'a>>,
    /// Bare words and quoted texts, in order.
    words: Vec<Text<'a>>,
    pairs: Vec<(Text<'a>, Text<'a>)>,
    open: Option<u32>,
    pub(super) targets: Vec<Target<'a>>,
}

/// Where a flow leads.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) id: Text<'a>,
    /// FEEL, with `=` in front.
    pub(super) condition: Option<Text<'a>>,
    pub(super) is_default: bool,
}

/// What may come next after an arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Anything,
    Target,
    Condition,
}

impl<'a> Line<'a> {
    /// Sorts the tokens behind the kind; nothing comes back if they make no line.
    pub(super) fn parse(
        kind: Text<'a>,
        tokens: impl Iterator<Item = Token<'a>>,
        report: &mut Report<'_>,
    ) -> Option<Self> {
        let mut end = kind.at;
        let mut line = Self {
            kind,
            id: None,
            host: None,
            words: Vec::new(),
            pairs: Vec::new(),
            open: None,
            targets: Vec::new(),
        };
        let mut next = Next::Anything;
        for (position, token) in tokens.enumerate() {
            end = token.at();
            next = match (next, token) {
                (Next::Target, Token::Word(id) | Token::Quoted(id)) => {
                    line.targets.push(Target { id, condition: None, is_default: false });
                    Next::Anything
                }
                (Next::Condition, Token::Quoted(text) | Token::Word(text)) => {
                    if let Some(target) = line.targets.last_mut() {
                        target.condition = Some(condition(text));
                    }
                    Next::Anything
                }
                (Next::Anything, token) => line.take(token, position, report)?,
                (_, token) => {
                    let message = format!("`{}` is not expected here", token.shown());
                    let hint = match next {
                        Next::Target => "name the element that the flow leads to",
                        Next::Condition | Next::Anything => "write the condition in quotes",
                    };
                    unreadable_line(end, message, hint, report);
                    return None;
                }
            };
        }
        if next != Next::Anything {
            let message = "the line ends too early".to_owned();
            let hint = "name the element behind `->` or `,`, the condition behind `if`";
            unreadable_line(end, message, hint, report);
            return None;
        }
        Some(line)
    }

    /// One token where anything may stand.
    fn take(&mut self, token: Token<'a>, position: usize, report: &mut Report<'_>) -> Option<Next> {
        match token {
            Token::Arrow(_) => return Some(Next::Target),
            Token::Comma(_) if !self.targets.is_empty() => return Some(Next::Target),
            Token::Word(word) => {
                if let Some(target) = self.targets.last_mut() {
                    if &*word == "if" {
                        return Some(Next::Condition);
                    }
                    if &*word == "default" {
                        target.is_default = true;
                        return Some(Next::Anything);
                    }
                }
                if position == 0 {
                    self.id = Some(word);
                } else {
                    self.words.push(word);
                }
            }
            Token::Quoted(text) => self.words.push(text),
            Token::Pair(key, value) => self.pairs.push((key, value)),
            Token::Host(host) if self.host.is_none() => self.host = Some(host),
            Token::Open(at) if self.open.is_none() => self.open = Some(at),
            Token::Comma(_)
            | Token::Host(_)
            | Token::Open(_)
            | Token::Close(_)
            | Token::Equals(_) => {
                let message = format!("`{}` is not expected here", token.shown());
                let hint = "write `KIND ID KEY=VALUE -> ID`; quote a value that has spaces";
                unreadable_line(token.at(), message, hint, report);
                return None;
            }
        }
        Some(Next::Anything)
    }

    /// The id; without one, the kind.
    pub(super) fn id(&self) -> Text<'a> {
        self.id.clone().unwrap_or_else(|| self.kind.clone())
    }

    /// The activity behind `@`.
    pub(super) fn host(&mut self) -> Option<Text<'a>> {
        self.host.take()
    }

    /// The value of `key=`.
    pub(super) fn pair(&mut self, key: &str) -> Option<Text<'a>> {
        let position = self.pairs.iter().position(|(known, _)| &**known == key)?;
        Some(self.pairs.remove(position).1)
    }

    /// The next word or text that is no flag.
    pub(super) fn word(&mut self) -> Option<Text<'a>> {
        if self.words.is_empty() { None } else { Some(self.words.remove(0)) }
    }

    /// Whether the word `flag` stands in the line.
    pub(super) fn flag(&mut self, flag: &str) -> bool {
        let position = self.words.iter().position(|word| &**word == flag);
        if let Some(position) = position {
            self.words.remove(position);
        }
        position.is_some()
    }

    /// Whether the line ends with `{`.
    pub(super) fn take_open(&mut self) -> bool {
        self.open.take().is_some()
    }

    /// Reports whatever nobody asked for.
    pub(super) fn finish(self, usage: &str, report: &mut Report<'_>) {
        let hint = format!("a line like this is {usage}");
        let pairs = self.pairs.iter().map(|(key, _)| (key.at, format!("{}=", &**key)));
        let words = self.words.iter().map(|word| (word.at, word.to_string()));
        let host = self.host.iter().map(|host| (host.at, format!("@{}", &**host)));
        let open = self.open.iter().map(|at| (*at, "{".to_owned()));
        let targets =
            self.targets.iter().map(|target| (target.id.at, format!("-> {}", &*target.id)));
        for (at, shown) in pairs.chain(words).chain(host).chain(open).chain(targets) {
            let message = format!("`{shown}` means nothing for `{}`", &*self.kind);
            unreadable_line(at, message, &hint, report);
        }
    }
}

fn condition(text: Text<'_>) -> Text<'_> {
    if text.starts_with('=') { text } else { Text::new(format!("={}", &*text), text.at) }
}
