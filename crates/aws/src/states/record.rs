//! What is kept of a state machine beside its definitions: one document of its app.

use super::arn::app_of;
use super::fault::Fault;
use super::versions;
use crate::account::Account;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_runtime::NodeHandle;
use sluice_runtime::api::DocumentsRequest;
use std::collections::{BTreeMap, BTreeSet};

/// Name of the document.
pub const DOCUMENT: &str = "state-machine";

/// Revisions kept beside those that are published; executions of older ones are shown with the current role and
/// configuration.
const REVISIONS_MAX: usize = 1_000;

/// A state machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Whether it was deleted. Its executions stay as long as any.
    pub deleted: bool,
    /// `STANDARD` or `EXPRESS`.
    pub r#type: String,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Whether and how version 1 was published along with its creation.
    pub publication: Option<Publication>,
    /// The definitions it had since it was created, by version of the app; the last is the current one.
    pub revisions: BTreeMap<u32, Revision>,
    /// Published versions, by number.
    pub versions: BTreeMap<u64, Published>,
    /// The number of the version published last.
    pub last_version: u64,
    /// Aliases, by name.
    pub aliases: BTreeMap<String, Alias>,
    /// Tags, by key.
    pub tags: BTreeMap<String, String>,
}

/// A definition and what was configured with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Revision {
    /// As the API shows it: `INITIAL` for the first.
    pub id: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub updated_ms: u64,
    /// `roleArn`.
    pub role: String,
    /// `loggingConfiguration`, as given.
    pub logging: Value,
    /// `tracingConfiguration`, as given.
    pub tracing: Value,
    /// `encryptionConfiguration`, as given.
    pub encryption: Value,
}

/// That a version is to be published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// `versionDescription`.
    pub description: Option<String>,
}

/// A published version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The version of the app, and so the revision.
    pub app_version: u32,
    /// When it was published, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// `description`.
    pub description: Option<String>,
}

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// `description`.
    pub description: Option<String>,
    /// Version numbers and their weights in percent, which add up to 100.
    pub routes: Vec<(u64, u32)>,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// When it was changed last, in milliseconds since the Unix epoch.
    pub updated_ms: u64,
}

/// A record as it was read, and what must still be so when it is written.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What it says.
    pub record: Record,
    revision: u64,
}

impl Revision {
    /// Id of the first revision, which the API does not show.
    pub const INITIAL: &'static str = "INITIAL";

    /// Its id, if the API shows it.
    pub fn shown_id(&self) -> Option<&str> {
        Some(&*self.id).filter(|id| *id != Self::INITIAL)
    }

    /// Whether another one has the same configuration; roles do not count.
    pub fn is_configured_as(&self, other: &Self) -> bool {
        (&self.logging, &self.tracing, &self.encryption)
            == (&other.logging, &other.tracing, &other.encryption)
    }
}

impl Record {
    /// The current revision and the app version that it is.
    pub fn current(&self) -> (u32, &Revision) {
        let (version, revision) = self.revisions.last_key_value().expect("a state machine has a revision");
        (*version, revision)
    }

    /// Makes a revision the current one. The oldest that nothing needs is forgotten beyond [`REVISIONS_MAX`].
    pub fn revise(&mut self, app_version: u32, revision: Revision) {
        self.revisions.insert(app_version, revision);
        let published: BTreeSet<u32> = self.versions.values().map(|version| version.app_version).collect();
        let mut others = self.revisions.keys().filter(|version| !published.contains(version));
        if let Some(oldest) = others.clone().nth(REVISIONS_MAX).and_then(|_| others.next().copied()) {
            self.revisions.remove(&oldest);
        }
    }

    /// What an execution of this version or alias, or of neither, is of: the revision and its app version, and the
    /// qualifier as executions keep it, `ALIAS:VERSION` or `VERSION`. `None` if there is no such version or alias.
    pub fn target(&self, qualifier: Option<&str>, random: u64) -> Option<(u32, String)> {
        let Some(qualifier) = qualifier else { return Some((self.current().0, String::new())) };
        let number = versions::route(self, qualifier, random)?;
        let asked = if self.aliases.contains_key(qualifier) {
            format!("{qualifier}:{number}")
        } else {
            number.to_string()
        };
        Some((self.versions.get(&number)?.app_version, asked))
    }

    /// Whether its executions are express.
    pub fn is_express(&self) -> bool {
        self.r#type == "EXPRESS"
    }
}

/// The state machine of a name, deleted or not.
pub async fn find(node: &NodeHandle, name: &str) -> Result<Option<Kept>, Fault> {
    let request = DocumentsRequest { app: Some(app_of(name)), prefix: DOCUMENT.into() };
    let found = node.documents(request).await?;
    found.first().map(|document| read(document.revision, &document.bytes)).transpose()
}

/// The state machine of a name.
pub async fn existing(node: &NodeHandle, account: &Account, name: &str) -> Result<Kept, Fault> {
    let found = find(node, name).await?.filter(|kept| !kept.record.deleted);
    found.ok_or_else(|| does_not_exist(&account.machine(name)))
}

/// All state machines that were not deleted.
pub async fn all(node: &NodeHandle) -> Result<Vec<Record>, Fault> {
    let documents = node.documents(DocumentsRequest { app: None, prefix: DOCUMENT.into() }).await?;
    let mut records = Vec::new();
    for document in documents {
        let record = read(document.revision, &document.bytes)?.record;
        if !record.deleted {
            records.push(record);
        }
    }
    Ok(records)
}

/// Writes a record, unless somebody else wrote it in between.
pub async fn write(node: &NodeHandle, kept: &Kept) -> Result<(), Fault> {
    let bytes = serde_json::to_vec(&kept.record).expect("records are plain data");
    node.set_document(&app_of(&kept.record.name), DOCUMENT, Some(Bytes::from(bytes)), Some(kept.revision))
        .await?;
    Ok(())
}

/// A record that takes the place of another, or of none.
pub fn replacing(before: Option<Kept>, record: Record) -> Kept {
    Kept { record, revision: before.map_or(0, |kept| kept.revision) }
}

/// No state machine of that ARN.
pub fn does_not_exist(arn: &str) -> Fault {
    Fault::new("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
}

fn read(revision: u64, bytes: &[u8]) -> Result<Kept, Fault> {
    match serde_json::from_slice(bytes) {
        Ok(record) => Ok(Kept { record, revision }),
        Err(error) => Err(Fault {
            status: 500,
            ..Fault::new(
                "InternalServerError",
                format!("the description of a state machine is damaged: {error}"),
            )
        }),
    }
}
