//! From text to an intrinsic call.

use super::{Argument, Call, Function, INTRINSIC_BYTES_MAX, INTRINSIC_NESTING_MAX, IntrinsicError};
use sluice_expression::Value;
use sluice_expression::path::Path;
use sluice_types::did_you_mean;

/// See [`super::Intrinsic::parse`].
pub(super) fn call(source: &str) -> Result<Call, IntrinsicError> {
    if source.len() > INTRINSIC_BYTES_MAX {
        return Err(IntrinsicError(format!("the call is longer than {INTRINSIC_BYTES_MAX} bytes")));
    }
    let mut parser = Parser { rest: source, nesting: 0 };
    let call = parser.call()?;
    match parser.rest.trim_end() {
        "" => Ok(call),
        rest => Err(IntrinsicError(format!("`{rest}` follows the call"))),
    }
}

struct Parser<'a> {
    rest: &'a str,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expected<T>(&self, what: &str) -> Result<T, IntrinsicError> {
        let found = self.rest.chars().next().map_or("the end".to_owned(), |c| format!("`{c}`"));
        Err(IntrinsicError(format!("expected {what}, found {found}")))
    }

    fn call(&mut self) -> Result<Call, IntrinsicError> {
        self.nesting += 1;
        if self.nesting > INTRINSIC_NESTING_MAX {
            return Err(IntrinsicError(format!("calls nest deeper than {INTRINSIC_NESTING_MAX}")));
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let Some((name, function, least, most)) = Function::ALL.iter().find(|row| row.0 == name) else {
            let hint = did_you_mean(name, Function::ALL.iter().map(|row| row.0)).unwrap_or_default();
            return Err(IntrinsicError(format!("there is no intrinsic function `{name}`; {hint}")));
        };
        self.rest = rest;
        let arguments = self.arguments()?;
        if !(*least..=*most).contains(&arguments.len()) {
            let takes = match (least, most) {
                (least, most) if least == most => format!("{least}"),
                (least, &usize::MAX) => format!("at least {least}"),
                (least, most) => format!("{least} to {most}"),
            };
            return Err(IntrinsicError(format!("{name} takes {takes} arguments, not {}", arguments.len())));
        }
        self.nesting -= 1;
        let within = arguments.iter().map(|argument| match argument {
            Argument::Call(call) => call.nesting,
            _ => 0,
        });
        let nesting = 1 + within.max().unwrap_or_default();
        Ok(Call { function: *function, nesting, arguments })
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, IntrinsicError> {
        if !self.eat("(") {
            return self.expected("`(`");
        }
        let mut arguments = Vec::new();
        self.space();
        while !self.eat(")") {
            if !arguments.is_empty() && !self.eat(",") {
                return self.expected("`,` or `)`");
            }
            self.space();
            arguments.push(self.argument()?);
            self.space();
        }
        Ok(arguments)
    }

    fn argument(&mut self) -> Result<Argument, IntrinsicError> {
        match self.rest.chars().next() {
            Some('\'') => self.text(),
            Some('$') => {
                let (path, length) =
                    Path::parse_prefix(self.rest).map_err(|error| IntrinsicError(error.to_string()))?;
                self.rest = &self.rest[length..];
                Ok(Argument::Path(path))
            }
            Some('S') => Ok(Argument::Call(self.call()?)),
            _ => self.literal(),
        }
    }

    fn text(&mut self) -> Result<Argument, IntrinsicError> {
        let mut escaped = false;
        let end = self.rest[1..].find(|c| {
            let ends = c == '\'' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(end) = end else {
            return Err(IntrinsicError("a text in single quotes does not end".into()));
        };
        let text = &self.rest[1..=end];
        self.rest = &self.rest[end + 2..];
        Ok(Argument::Text(text.into()))
    }

    fn literal(&mut self) -> Result<Argument, IntrinsicError> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        match Value::parse(&self.rest.as_bytes()[..end]) {
            Ok(value) => {
                self.rest = &self.rest[end..];
                Ok(Argument::Fixed(value))
            }
            Err(_) => self.expected("a path, a text in single quotes, a number or a call"),
        }
    }
}
