//! Published versions: numbered, and never changed.

use super::failure::{Answer, Failure, Kind};
use super::fields::Fields;
use super::limits::VERSIONS_MAX;
use super::record::{Configuration, Function, Qualified};
use super::reference::Reference;
use super::store::check_revision;
use super::{Lambda, views};
use crate::signature::unhex;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;

impl Lambda {
    /// `PublishVersion`
    pub(super) async fn publish_version(&self, reference: &Reference, body: &[u8]) -> Answer<Value> {
        let mut fields = Fields::parse(body)?;
        let sha256 = fields.take::<String>("CodeSha256")?;
        let description = fields.take::<String>("Description")?;
        let revision = fields.take::<String>("RevisionId")?;
        fields.finish()?;
        let _alone = self.changes.lock().await;
        let mut stored = self.read(&reference.name).await?;
        let function = stored.record.function.as_mut().ok_or_else(|| reference.not_found(&self.account))?;
        check_revision(revision.as_deref(), &function.latest.revision)?;
        let actual = BASE64_STANDARD.encode(unhex(&function.latest.code_sha256).unwrap_or_default());
        if let Some(given) = sha256.filter(|given| *given != actual) {
            let message = format!(
                "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({actual}). Please try again with the CodeSHA256 in $LATEST."
            );
            return Err(Failure::invalid(message));
        }
        let files = self.files(&reference.name, &function.latest).await?;
        let mut source = function.clone();
        if let Some(description) = description {
            source.latest.description = description;
        }
        let published = self.publish(&mut stored.record.last_version, &mut source, files).await?;
        function.versions = source.versions;
        self.write(&reference.name, &stored).await?;
        Ok(views::configuration(&self.account, &reference.name, &published, true))
    }

    /// Publishes `$LATEST`, unless the last version that was published is the same.
    pub(super) async fn publish(
        &self,
        last_version: &mut u64,
        function: &mut Function,
        files: BTreeMap<String, Bytes>,
    ) -> Answer<Configuration> {
        let newest = function.versions.values().next_back();
        if let Some(newest) = newest.filter(|newest| newest.same_code(&function.latest)) {
            return Ok(newest.clone());
        }
        if function.versions.len() >= VERSIONS_MAX {
            let message = format!("a function has at most {VERSIONS_MAX} published versions");
            return Err(Failure::new(Kind::CodeStorageExceeded, message));
        }
        let version = *last_version + 1;
        let mut published = Configuration { version: version.to_string(), ..function.latest.clone() };
        published.revision = uuid::Uuid::new_v4().to_string();
        self.deploy(&function.name, Qualified::Version(version), &published, files).await?;
        *last_version = version;
        function.versions.insert(version, published.clone());
        Ok(published)
    }

    /// `ListVersionsByFunction`
    pub(super) async fn list_versions(&self, reference: &Reference) -> Answer<Vec<Value>> {
        let function = self.find(reference).await?;
        let all = [&function.latest].into_iter().chain(function.versions.values());
        Ok(all.map(|of| views::configuration(&self.account, &function.name, of, true)).collect())
    }
}
