//! Documents that front ends keep about apps.

use super::Shard;
use super::answers::Submitter;
use crate::api::{DocumentView, DocumentsRequest};
use crate::handle::Answer;
use crate::ports::Ports;
use bytes::Bytes;
use sluice_engine::InputKind;
use sluice_storage::log::Priority;
use sluice_types::{Code, Problem, limits};

impl<P: Ports> Shard<P> {
    pub(super) fn write_document(
        &mut self,
        app: &str,
        name: &str,
        bytes: Option<Bytes>,
        expected: Option<u64>,
        answer: Answer<u64>,
    ) {
        let submitted = self.app_named(app).and_then(|app| {
            check_size(bytes.as_ref())?;
            let kind = InputKind::Document { app, name: name.into(), bytes, expected };
            self.submit(kind, Priority::NewWork)
        });
        match submitted {
            Ok(lsn) => self.answers.expect(lsn, Submitter::Document(lsn.0, answer)),
            Err(problem) => self.refuse(answer, problem),
        }
    }

    /// Of all apps or one, by app and name.
    pub(super) fn documents(&self, request: &DocumentsRequest) -> Vec<DocumentView> {
        let named =
            |app: &&sluice_engine::app::App| request.app.as_ref().is_none_or(|of| **of == **app.name());
        let of_app = |app: &sluice_engine::app::App| {
            let documents = app.documents().filter(|(name, _)| name.starts_with(&request.prefix));
            let view =
                |(name, document): (&std::sync::Arc<str>, &sluice_engine::app::Document)| DocumentView {
                    app: app.name().clone(),
                    name: name.clone(),
                    revision: document.revision,
                    bytes: document.bytes.clone(),
                };
            documents.map(view).collect::<Vec<_>>()
        };
        self.durable.apps().filter(named).flat_map(of_app).collect()
    }
}

fn check_size(bytes: Option<&Bytes>) -> Result<(), Problem> {
    match bytes.map_or(0, Bytes::len) {
        0..=limits::DOCUMENT_BYTES_MAX => Ok(()),
        len => {
            let message =
                format!("a document has at most {} bytes, this one {len}", limits::DOCUMENT_BYTES_MAX);
            Err(Problem::new(Code::LIMIT_EXCEEDED, message, "make it smaller"))
        }
    }
}
