//! How a request names a function: a name, a part of an ARN or an ARN, each perhaps with a version or alias.

use super::failure::{Answer, Failure, Kind};
use super::limits::{ALIAS_BYTES_MAX, NAME_BYTES_MAX};
use crate::account::Account;
use std::fmt;

/// A function and which of its versions is meant.
///
/// Functions are found by name: region and account of an ARN are read and not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The function's name.
    pub name: String,
    /// The version or alias, if one was named.
    pub qualifier: Option<Qualifier>,
}

/// A version or alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// What is not published.
    Latest,
    /// A published version.
    Version(u64),
    /// An alias.
    Alias(String),
}

/// What `$LATEST` is called.
pub const LATEST: &str = "$LATEST";

impl Reference {
    /// Reads a function name as every operation takes it.
    pub fn parse(text: &str) -> Answer<Self> {
        let refused = || {
            let pattern = "Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";
            Failure::constraint("functionName", text, pattern)
        };
        let bare = strip_arn(text).ok_or_else(refused)?;
        let (name, qualifier) = match bare.split_once(':') {
            Some((name, qualifier)) => (name, Some(Qualifier::parse(qualifier)?)),
            None => (bare, None),
        };
        if !is_name(name) {
            return Err(refused());
        }
        if name.len() > NAME_BYTES_MAX {
            let constraint = format!("Member must have length less than or equal to {NAME_BYTES_MAX}");
            return Err(Failure::constraint("functionName", name, &constraint));
        }
        Ok(Self { name: name.to_owned(), qualifier })
    }

    /// The same function with the qualifier of the query, which must not contradict the one in the name.
    pub fn qualified(mut self, query: Option<&str>) -> Answer<Self> {
        let Some(query) = query.filter(|query| !query.is_empty()).map(Qualifier::parse).transpose()? else {
            return Ok(self);
        };
        if self.qualifier.as_ref().is_some_and(|named| *named != query) {
            let message =
                "The derived qualifier from the function name does not match the specified qualifier.";
            return Err(Failure::invalid(message));
        }
        self.qualifier = Some(query);
        Ok(self)
    }

    /// The same, unless it names a version or alias: for operations on the whole function.
    pub fn unqualified(self) -> Answer<Self> {
        match &self.qualifier {
            None | Some(Qualifier::Latest) => Ok(Self { qualifier: None, ..self }),
            Some(_) => Err(Failure::invalid(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this \
                 operation. Please specify either a function name or an unqualified function ARN.",
            )),
        }
    }

    /// Its ARN, qualified as the reference is.
    pub fn arn(&self, account: &Account) -> String {
        match &self.qualifier {
            None => arn(account, &self.name),
            Some(qualifier) => format!("{}:{qualifier}", arn(account, &self.name)),
        }
    }

    /// What is answered when there is no such function or version.
    pub fn not_found(&self, account: &Account) -> Failure {
        Failure::new(Kind::ResourceNotFound, format!("Function not found: {}", self.arn(account)))
    }
}

impl Qualifier {
    /// Reads a version or the name of an alias.
    pub fn parse(text: &str) -> Answer<Self> {
        if text == LATEST {
            return Ok(Self::Latest);
        }
        if !is_name(text) || text.len() > ALIAS_BYTES_MAX {
            let pattern = "Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)";
            return Err(Failure::constraint("qualifier", text, pattern));
        }
        Ok(match text.bytes().all(|byte| byte.is_ascii_digit()) {
            // A version that no counter reaches is like one that is not there.
            true => Self::Version(text.parse().unwrap_or(u64::MAX)),
            false => Self::Alias(text.to_owned()),
        })
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str(LATEST),
            Self::Version(version) => write!(f, "{version}"),
            Self::Alias(name) => f.write_str(name),
        }
    }
}

/// The ARN of a function, not qualified.
pub fn arn(account: &Account, name: &str) -> String {
    account.arn("lambda", format_args!("function:{name}"))
}

/// What follows `function:` in an ARN or a part of one; the whole of a plain name. `None` if the ARN is malformed.
fn strip_arn(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix("arn:") {
        let mut parts = rest.splitn(5, ':');
        let (_partition, service, _region, account) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        return parts
            .next()?
            .strip_prefix("function:")
            .filter(|_| service == "lambda" && is_account(account));
    }
    match text.split_once(":function:") {
        Some((account, rest)) => is_account(account).then_some(rest),
        None => Some(text.strip_prefix("function:").unwrap_or(text)),
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Letters, digits, hyphens and underscores; at least one.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_function_is_understood() {
        for (text, qualifier) in [
            ("f", None),
            ("f:3", Some(Qualifier::Version(3))),
            ("function:f", None),
            ("123456789012:function:f:live", Some(Qualifier::Alias("live".into()))),
            ("arn:aws:lambda:us-east-1:123456789012:function:f", None),
            ("arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST", Some(Qualifier::Latest)),
        ] {
            assert_eq!(Reference::parse(text), Ok(Reference { name: "f".into(), qualifier }), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "x".repeat(65);
        for text in [
            "",
            "a b",
            "ü",
            "f:",
            "f:a b",
            "a:b:c",
            "../f",
            "f/g",
            &long,
            "arn:aws:states:us-east-1:123456789012:function:f",
            "arn:aws:lambda:us-east-1:1234:function:f",
            "arn:aws:lambda:us-east-1:123456789012:layer:f",
        ] {
            assert_eq!(Reference::parse(text).map_err(|e| e.kind), Err(Kind::Validation), "{text}");
        }
    }

    #[test]
    fn a_qualifier_of_the_query_must_not_contradict_the_name() {
        let parse = |text| Reference::parse(text).unwrap();
        assert_eq!(parse("f").qualified(Some("1")), Ok(parse("f:1")));
        assert_eq!(parse("f:1").qualified(None), Ok(parse("f:1")));
        assert_eq!(parse("f:1").qualified(Some("1")), Ok(parse("f:1")));
        assert!(parse("f:1").qualified(Some("2")).is_err());
        assert_eq!(parse("f:$LATEST").unqualified(), Ok(parse("f")));
        assert!(parse("f:1").unqualified().is_err() && parse("f:live").unqualified().is_err());
    }
}
