//! Where functions are kept: a document of the app that `$LATEST` is, changed by one request at a time.

use super::Lambda;
use super::app::app_name;
use super::failure::{Answer, Failure};
use super::record::{DOCUMENT, Function, Qualified, Record};
use super::reference::Reference;
use sluice_runtime::api::DocumentsRequest;

/// A record as it was read.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// Its revision; 0 if there is none yet.
    revision: u64,
}

impl Lambda {
    /// What is known of a function name.
    pub(super) async fn read(&self, function: &str) -> Answer<Stored> {
        let app = Some(app_name(function, Qualified::Latest));
        let request = DocumentsRequest { app, prefix: DOCUMENT.to_owned() };
        match self.node.documents(request).await?.pop() {
            None => Ok(Stored::default()),
            Some(found) => Ok(Stored { record: Record::from_bytes(&found.bytes)?, revision: found.revision }),
        }
    }

    /// A function that is there.
    pub(super) async fn find(&self, reference: &Reference) -> Answer<Function> {
        let stored = self.read(&reference.name).await?;
        stored.record.function.ok_or_else(|| reference.not_found(&self.account))
    }

    /// Writes what was read and changed. Nobody else has written in between: writers hold [`Lambda::changes`].
    pub(super) async fn write(&self, function: &str, stored: &Stored) -> Answer<()> {
        let app = app_name(function, Qualified::Latest);
        let bytes = Some(stored.record.to_bytes().into());
        self.node.set_document(&app, DOCUMENT, bytes, Some(stored.revision)).await?;
        Ok(())
    }

    /// Changes a function and keeps the change, unless `change` refuses.
    pub(super) async fn change<T>(
        &self,
        reference: &Reference,
        change: impl FnOnce(&mut Function) -> Answer<T>,
    ) -> Answer<T> {
        let _alone = self.changes.lock().await;
        let mut stored = self.read(&reference.name).await?;
        let function = stored.record.function.as_mut().ok_or_else(|| reference.not_found(&self.account))?;
        let answer = change(function)?;
        self.write(&reference.name, &stored).await?;
        Ok(answer)
    }

    /// Every function, by name.
    pub(super) async fn all(&self) -> Answer<Vec<Function>> {
        let request = DocumentsRequest { app: None, prefix: DOCUMENT.to_owned() };
        let found = self.node.documents(request).await?;
        let mut functions = Vec::with_capacity(found.len());
        for document in found {
            functions.extend(Record::from_bytes(&document.bytes)?.function);
        }
        functions.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(functions)
    }
}

/// Fails unless a given revision is the current one.
pub(super) fn check_revision(given: Option<&str>, current: &str) -> Answer<()> {
    match given {
        Some(given) if given != current => Err(Failure::new(
            super::failure::Kind::PreconditionFailed,
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API \
             to retrieve the latest Revision Id",
        )),
        _ => Ok(()),
    }
}
