//! What can go wrong before a function runs.

use sluice_types::{Failure, FailureKind};

/// Why a module or the engine is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host refuses what the engine needs; no Wasm function can run on this machine.
    #[error("the wasm engine cannot start: {0}")]
    Engine(String),
    /// The module cannot run here; another one might.
    #[error("{message}; {fix}")]
    Module {
        /// What is wrong, in a sentence.
        message: String,
        /// What to do about it.
        fix: String,
    },
}

impl Error {
    pub(crate) fn module(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Module { message: message.into(), fix: fix.into() }
    }

    /// The same, as the failure of an attempt that needed the module.
    pub fn failure(&self) -> Failure {
        Failure {
            kind: FailureKind::Unstartable,
            r#type: match self {
                Self::Engine(_) => "EngineError".into(),
                Self::Module { .. } => "ModuleError".into(),
            },
            message: self.to_string(),
            stack: String::new(),
        }
    }
}
