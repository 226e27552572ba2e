//! From text to a path.

use super::filter::{Comparison, Filter, Operand, Pattern};
use super::function::{Argument, Function};
use super::{FILTER_NESTING_MAX, PATH_BYTES_MAX, Parts, Path, PathError, Root, Step};
use crate::Value;
use std::sync::Arc;

/// See [`Path::parse`].
pub(super) fn path(source: &str) -> Result<Path, PathError> {
    if source.len() > PATH_BYTES_MAX {
        let message = format!("the path is longer than {PATH_BYTES_MAX} bytes");
        return Err(PathError { message, position: PATH_BYTES_MAX });
    }
    let mut parser = Parser { source, at: 0, nesting: 0 };
    let path = parser.path(Ends::AtEnd)?;
    match parser.rest().is_empty() {
        true => Ok(path),
        false => Err(parser.expected("`.` or `[`")),
    }
}

/// See [`Path::parse_prefix`].
pub(super) fn prefix(text: &str) -> Result<(Path, usize), PathError> {
    let mut parser = Parser { source: text, at: 0, nesting: 0 };
    let path = parser.path(Ends::Within)?;
    Ok((path, parser.at))
}

/// What ends a path.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    /// The end of the text.
    AtEnd,
    /// White space or an operator: it stands in a filter or among arguments.
    Within,
}

struct Parser<'a> {
    source: &'a str,
    at: usize,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    fn need(&mut self, text: &str) -> Result<(), PathError> {
        if self.eat(text) { Ok(()) } else { Err(self.expected(&format!("`{text}`"))) }
    }

    fn space(&mut self) {
        self.at = self.source.len() - self.rest().trim_start().len();
    }

    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !accepts(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, PathError> {
        Err(PathError { message: message.into(), position: self.at })
    }

    fn expected(&self, what: &str) -> PathError {
        let found = self.peek().map_or("the end".to_owned(), |c| format!("`{c}`"));
        PathError { message: format!("expected {what}, found {found}"), position: self.at }
    }

    /// `$…` or `@…`.
    fn path(&mut self, ends: Ends) -> Result<Path, PathError> {
        let from = self.at;
        let root = self.root()?;
        let mut steps = Vec::new();
        let mut function = None;
        while function.is_none() {
            match self.peek() {
                Some('.') if self.rest().starts_with("..") => {
                    self.at += 2;
                    steps.push(Step::Descent);
                    if self.peek() != Some('[') {
                        function = self.dotted(&mut steps, ends)?;
                    }
                }
                Some('.') => {
                    self.at += 1;
                    function = self.dotted(&mut steps, ends)?;
                }
                Some('[') => steps.push(self.bracket()?),
                _ => break,
            }
        }
        let definite = is_definite(&steps);
        let source = self.source[from..self.at].into();
        Ok(Path { parts: Arc::new(Parts { source, root, steps, function, definite }) })
    }

    fn root(&mut self) -> Result<Root, PathError> {
        if self.eat("@") {
            return Ok(Root::Data);
        }
        if !self.eat("$") {
            return Err(self.expected("`$`"));
        }
        if self.eat("$") {
            return Ok(Root::Context);
        }
        match self.take_while(|c| c.is_alphanumeric() || c == '_') {
            "" => Ok(Root::Data),
            name => Ok(Root::Variable(name.into())),
        }
    }

    /// A name, `*` or a function after a dot.
    fn dotted(&mut self, steps: &mut Vec<Step>, ends: Ends) -> Result<Option<Function>, PathError> {
        if self.eat("*") {
            steps.push(Step::Wildcard);
            return Ok(None);
        }
        let start = self.at;
        let name = self.take_while(|c| !is_end_of_name(c, ends));
        if name.is_empty() {
            return Err(self.expected("a field name or `*`"));
        }
        if self.eat("(") {
            let arguments = self.arguments()?;
            let function = Function::named(name, arguments);
            return function.map(Some).map_err(|message| PathError { message, position: start });
        }
        if ends == Ends::AtEnd && self.peek().is_some_and(char::is_whitespace) {
            return self.error("a field name with a blank is written in brackets: ['my field']");
        }
        steps.push(Step::Child(name.into()));
        Ok(None)
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, PathError> {
        let mut arguments = Vec::new();
        self.space();
        while !self.eat(")") {
            if !arguments.is_empty() {
                self.need(",")?;
                self.space();
            }
            arguments.push(match self.peek() {
                Some('$' | '@') => Argument::Path(self.nested(|parser| parser.path(Ends::Within))?),
                _ => Argument::Fixed(self.literal()?),
            });
            self.space();
        }
        Ok(arguments)
    }

    /// `[…]`
    fn bracket(&mut self) -> Result<Step, PathError> {
        self.need("[")?;
        self.space();
        let step = match self.peek() {
            Some('*') => {
                self.at += 1;
                Step::Wildcard
            }
            Some('\'' | '"') => self.names()?,
            Some('?') => {
                self.at += 1;
                self.space();
                self.need("(")?;
                let filter = self.filter()?;
                self.need(")")?;
                Step::Filter(filter)
            }
            Some('-' | ':' | '0'..='9') => self.indices()?,
            _ => return Err(self.expected("a quoted name, an index, `*` or `?(`")),
        };
        self.space();
        self.need("]")?;
        Ok(step)
    }

    fn names(&mut self) -> Result<Step, PathError> {
        let mut names: Vec<Arc<str>> = vec![self.quoted()?.into()];
        self.space();
        while self.eat(",") {
            self.space();
            names.push(self.quoted()?.into());
            self.space();
        }
        Ok(if names.len() == 1 { Step::Child(names.remove(0)) } else { Step::Children(names) })
    }

    fn quoted(&mut self) -> Result<String, PathError> {
        let quote = match self.peek() {
            Some(quote @ ('\'' | '"')) => quote,
            _ => return Err(self.expected("a quoted name")),
        };
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = characters.next() {
            match c {
                '\\' => text.extend(characters.next().map(|(_, escaped)| escaped)),
                c if c == quote => {
                    self.at += offset + c.len_utf8();
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        self.error("a quote is not closed")
    }

    fn indices(&mut self) -> Result<Step, PathError> {
        let first = self.integer()?;
        self.space();
        if self.eat(":") {
            self.space();
            let to = self.integer()?;
            self.space();
            return match self.peek() {
                Some(':') => self.error("a slice has no step"),
                _ => Ok(Step::Slice(first, to)),
            };
        }
        let Some(first) = first else { return Err(self.expected("an index")) };
        let mut indices = vec![first];
        while self.eat(",") {
            self.space();
            match self.integer()? {
                Some(index) => indices.push(index),
                None => return Err(self.expected("an index")),
            }
            self.space();
        }
        Ok(if indices.len() == 1 { Step::Index(first) } else { Step::Indices(indices) })
    }

    fn integer(&mut self) -> Result<Option<i64>, PathError> {
        let start = self.at;
        self.eat("-");
        self.take_while(|c| c.is_ascii_digit());
        match &self.source[start..self.at] {
            "" => Ok(None),
            digits => digits
                .parse()
                .map(Some)
                .map_err(|_| PathError { message: format!("`{digits}` is not an index"), position: start }),
        }
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, PathError>) -> Result<T, PathError> {
        self.nesting += 1;
        if self.nesting > FILTER_NESTING_MAX {
            return self.error(format!("filters nest deeper than {FILTER_NESTING_MAX}"));
        }
        let parsed = parse(self)?;
        self.nesting -= 1;
        Ok(parsed)
    }

    fn filter(&mut self) -> Result<Filter, PathError> {
        let mut any = vec![self.conjunction()?];
        while self.eat("||") {
            any.push(self.conjunction()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Filter::Any(any) })
    }

    fn conjunction(&mut self) -> Result<Filter, PathError> {
        let mut all = vec![self.condition()?];
        while self.eat("&&") {
            all.push(self.condition()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Filter::All(all) })
    }

    fn condition(&mut self) -> Result<Filter, PathError> {
        self.space();
        let filter = if self.eat("!") {
            Filter::Not(Box::new(self.nested(Self::condition)?))
        } else if self.eat("(") {
            let filter = self.nested(Self::filter)?;
            self.need(")")?;
            filter
        } else {
            self.comparison()?
        };
        self.space();
        Ok(filter)
    }

    fn comparison(&mut self) -> Result<Filter, PathError> {
        let left = self.operand()?;
        self.space();
        let is_operator = |(text, _): &&(&str, Comparison)| {
            let after = self.rest().strip_prefix(text);
            after.is_some_and(|after| {
                !text.ends_with(char::is_alphabetic) || !after.starts_with(char::is_alphanumeric)
            })
        };
        let Some((text, comparison)) = Comparison::ALL.iter().find(is_operator) else {
            return match left {
                Operand::Current(_) | Operand::Root(_) => Ok(Filter::Exists(left)),
                _ => Err(self.expected("an operator such as `==`")),
            };
        };
        self.at += text.len();
        self.space();
        Ok(Filter::Compare(left, *comparison, self.operand()?))
    }

    fn operand(&mut self) -> Result<Operand, PathError> {
        match self.peek() {
            Some('@') => Ok(Operand::Current(self.nested(|parser| parser.path(Ends::Within))?)),
            Some('$') => Ok(Operand::Root(self.nested(|parser| parser.path(Ends::Within))?)),
            Some('/') => self.pattern(),
            _ => Ok(Operand::Fixed(self.literal()?)),
        }
    }

    /// `/…/` with the flags `i`, `m`, `s`, `x`.
    fn pattern(&mut self) -> Result<Operand, PathError> {
        let start = self.at;
        self.need("/")?;
        let mut escaped = false;
        let end = self.rest().find(|c| {
            let ends = c == '/' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(end) = end else { return self.error("a regular expression is not closed") };
        let text = self.rest()[..end].replace("\\/", "/");
        self.at += end + 1;
        let flags = self.take_while(|c| matches!(c, 'i' | 'm' | 's' | 'x'));
        let flags = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
        match regex::Regex::new(&format!("{flags}^(?:{text})$")) {
            Ok(regex) => Ok(Operand::Pattern(Pattern(regex))),
            Err(error) => Err(PathError { message: error.to_string(), position: start }),
        }
    }

    /// A string in either quotes, a number, `true`, `false`, `null`, or a list of these.
    fn literal(&mut self) -> Result<Value, PathError> {
        match self.peek() {
            Some('\'' | '"') => Ok(Value::string(self.quoted()?)),
            Some('[') => self.nested(Self::list),
            _ => {
                let start = self.at;
                let word =
                    self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_'));
                let value = Value::parse(word.as_bytes());
                value.map_err(|_| {
                    self.at = start;
                    self.expected("a path, a number, a quoted string, `true`, `false` or `null`")
                })
            }
        }
    }

    fn list(&mut self) -> Result<Value, PathError> {
        self.need("[")?;
        let mut items = Vec::new();
        self.space();
        while !self.eat("]") {
            if !items.is_empty() {
                self.need(",")?;
                self.space();
            }
            items.push(self.literal()?);
            self.space();
        }
        Ok(Value::array(items))
    }
}

fn is_end_of_name(c: char, ends: Ends) -> bool {
    let always = matches!(c, '.' | '[' | '(') || c.is_whitespace();
    always || (ends == Ends::Within && matches!(c, ')' | ']' | ',' | '=' | '<' | '>' | '!' | '&' | '|'))
}

/// Every step names at most one value; several names do so at the end only, where they make one object.
fn is_definite(steps: &[Step]) -> bool {
    steps.iter().enumerate().all(|(position, step)| match step {
        Step::Child(_) | Step::Index(_) => true,
        Step::Children(_) => position + 1 == steps.len(),
        _ => false,
    })
}
