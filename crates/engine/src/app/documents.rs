//! Documents: what front ends keep about an app, beside its program: configurations, aliases, tags.
//!
//! The engine does not read them. A revision is the position of the record that wrote it, so none is used twice.

use super::{App, AppCx};
use crate::effect::Reply;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluice_types::{Code, Problem, limits};
use std::sync::Arc;

/// One document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Changes with every write; never 0.
    pub revision: u64,
    /// What it says.
    pub bytes: Bytes,
}

impl App {
    /// Writes or removes a document whose revision is still the expected one.
    pub(crate) fn document_written(
        &mut self,
        cx: &mut AppCx<'_>,
        name: Arc<str>,
        bytes: Option<Bytes>,
        expected: Option<u64>,
    ) -> Reply {
        let found = self.documents.get(&name).map_or(0, |document| document.revision);
        if expected.is_some_and(|expected| expected != found) {
            let message = format!("document {name:?} is at revision {found}, not at the expected one");
            let fix = "read it again and repeat the change";
            return Reply::Rejected(Box::new(Problem::new(Code::DOCUMENT_CONFLICT, message, fix)));
        }
        match bytes {
            Some(_) if found == 0 && self.documents.len() >= limits::APP_DOCUMENTS_MAX => {
                let message = format!("an app has at most {} documents", limits::APP_DOCUMENTS_MAX);
                let problem = Problem::new(Code::LIMIT_EXCEEDED, message, "remove documents of the app");
                return Reply::Rejected(Box::new(problem));
            }
            Some(bytes) => drop(self.documents.insert(name, Document { revision: cx.lsn.0, bytes })),
            None => drop(self.documents.remove(&name)),
        }
        Reply::Accepted
    }

    /// A document.
    pub fn document(&self, name: &str) -> Option<&Document> {
        self.documents.get(name)
    }

    /// All documents, by name.
    pub fn documents(&self) -> impl Iterator<Item = (&Arc<str>, &Document)> {
        self.documents.iter()
    }
}
