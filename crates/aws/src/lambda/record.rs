//! What is known of a function beside its code: configurations, versions, aliases, tags. Stored as one JSON document.
//!
//! Invariants: numbers of versions only grow, also across deleting and making a function of the same name; an alias
//! points to versions that exist, or to what is not published.

use super::failure::{Answer, Failure, Kind};
use super::reference::{LATEST, Qualifier};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Name of the document, which belongs to the app that `$LATEST` is.
pub const DOCUMENT: &str = "aws.lambda.function";

/// Everything known of a function name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The last version that was published under this name; 0 for none.
    pub last_version: u64,
    /// The function, unless it is deleted.
    pub function: Option<Function>,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// `$LATEST`.
    pub latest: Configuration,
    /// What was published.
    pub versions: BTreeMap<u64, Configuration>,
    /// The aliases by name.
    pub aliases: BTreeMap<String, Alias>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// Most invocations at once, if that is bounded; 0 refuses all.
    pub reserved_concurrency: Option<u32>,
}

/// One version of a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// `$LATEST` or a number.
    pub version: String,
    /// AWS's name of the runtime, for example `python3.13`.
    pub runtime: String,
    /// `MODULE.FUNCTION`.
    pub handler: String,
    /// Kept and shown; nothing is asked of it.
    pub role: String,
    /// Free text.
    pub description: String,
    /// Longest time of an invocation, in seconds.
    pub timeout_s: u64,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// Variables of the environment.
    pub environment: BTreeMap<String, String>,
    /// Parts of the configuration that are kept and shown, and have no effect here.
    pub shown: Map<String, Value>,
    /// SHA-256 of the zip in hexadecimal; the key of the zip among the app's objects.
    pub code_sha256: String,
    /// Length of the zip, in bytes.
    pub code_bytes: u64,
    /// When it was changed, in milliseconds since the Unix epoch.
    pub modified_ms: u64,
    /// Changes with every change.
    pub revision: String,
}

/// A name for a version, or for two of which one gets a part of the invocations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// The version.
    pub version: Qualified,
    /// Another version and its share, between 0 and 1.
    pub shifted: Option<(u64, f64)>,
    /// Free text.
    pub description: String,
    /// Changes with every change.
    pub revision: String,
}

/// What an alias may point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Qualified {
    /// What is not published.
    Latest,
    /// A published version.
    Version(u64),
}

impl Record {
    /// Reads what [`Record::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Answer<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Failure::new(Kind::Service, format!("a stored function cannot be read: {error}"))
        })
    }

    /// As it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("every part has a JSON form")
    }
}

impl Function {
    /// A new function.
    pub fn new(name: &str, latest: Configuration, tags: BTreeMap<String, String>) -> Self {
        let (versions, aliases) = (BTreeMap::new(), BTreeMap::new());
        Self { name: name.to_owned(), latest, versions, aliases, tags, reserved_concurrency: None }
    }

    /// The version that an invocation of a qualifier executes. Of an alias with two, `draw`, evenly drawn from 0 to 1,
    /// decides.
    pub fn resolve(&self, qualifier: Option<&Qualifier>, draw: f64) -> Option<Qualified> {
        let found = match qualifier {
            None | Some(Qualifier::Latest) => Qualified::Latest,
            Some(Qualifier::Version(version)) => Qualified::Version(*version),
            Some(Qualifier::Alias(name)) => {
                let alias = self.aliases.get(name)?;
                match alias.shifted {
                    Some((version, share)) if draw < share => Qualified::Version(version),
                    _ => alias.version,
                }
            }
        };
        self.configuration(found).map(|_| found)
    }

    /// One version.
    pub fn configuration(&self, version: Qualified) -> Option<&Configuration> {
        match version {
            Qualified::Latest => Some(&self.latest),
            Qualified::Version(version) => self.versions.get(&version),
        }
    }
}

impl Configuration {
    /// Whether both execute the same code in the same way.
    pub fn same_code(&self, other: &Self) -> bool {
        let neutral = |of: &Self| Self {
            version: String::new(),
            modified_ms: 0,
            revision: String::new(),
            description: String::new(),
            ..of.clone()
        };
        neutral(self) == neutral(other)
    }
}

impl Qualified {
    /// As AWS writes it.
    pub fn text(self) -> String {
        match self {
            Self::Latest => LATEST.to_owned(),
            Self::Version(version) => version.to_string(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A configuration with nothing special.
    pub(crate) fn configuration(version: &str) -> Configuration {
        Configuration {
            version: version.into(),
            runtime: "python3.13".into(),
            handler: "app.handler".into(),
            role: "arn:aws:iam::123456789012:role/r".into(),
            description: String::new(),
            timeout_s: 3,
            memory_mib: 128,
            environment: BTreeMap::new(),
            shown: Map::new(),
            code_sha256: "00".into(),
            code_bytes: 1,
            modified_ms: 0,
            revision: "r".into(),
        }
    }

    #[test]
    fn an_alias_sends_its_share_to_the_other_version() {
        let mut function = Function::new("f", configuration(LATEST), BTreeMap::new());
        function.versions = (1..=2).map(|version| (version, configuration(&version.to_string()))).collect();
        let alias = Alias {
            version: Qualified::Version(1),
            shifted: Some((2, 0.25)),
            description: String::new(),
            revision: String::new(),
        };
        function.aliases.insert("live".into(), alias);
        let live = Qualifier::Alias("live".into());
        assert_eq!(function.resolve(Some(&live), 0.1), Some(Qualified::Version(2)));
        assert_eq!(function.resolve(Some(&live), 0.25), Some(Qualified::Version(1)));
        assert_eq!(function.resolve(None, 0.0), Some(Qualified::Latest));
        assert_eq!(function.resolve(Some(&Qualifier::Version(3)), 0.0), None);
        assert_eq!(function.resolve(Some(&Qualifier::Alias("gone".into())), 0.0), None);
        let record = Record { last_version: 2, function: Some(function) };
        assert_eq!(Record::from_bytes(&record.to_bytes()), Ok(record));
    }
}
