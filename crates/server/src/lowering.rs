//! From the definition in a deploy to a trigger program, and from a program to words.

use crate::failure::{Answer, Failure};
use serde_json::value::RawValue;
use sluice_api::Value;
use sluice_frontend::{Definition, Diagnostic, lower as lower_definition};
use sluice_types::{Code, Program, Runtime};
use std::collections::BTreeMap;

/// Does work that grows with a definition on a thread where it may take its time: meanwhile others are served.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    let gone = |_| {
        Failure::new(Code::INTERNAL, "the definition could not be read", "report it with the server's log")
    };
    tokio::task::spawn_blocking(work).await.map_err(gone)?
}

/// Lowers a definition, or says everything that is wrong with it.
pub fn lower(definition: &RawValue) -> Answer<Program> {
    let definition = Definition::from_json(definition.get()).map_err(refused)?;
    lower_definition(&definition).map_err(refused)
}

fn refused(findings: Vec<Diagnostic>) -> Failure {
    Failure::all(findings.iter().map(Diagnostic::problem).collect())
}

/// The files that functions name must be in the bundle.
pub fn check_files(program: &Program, files: &BTreeMap<String, Value>) -> Answer<()> {
    for function in &program.functions {
        let (Runtime::Python { module: file, .. }
        | Runtime::Workflow { module: file, .. }
        | Runtime::Wasm { module: file, .. }) = &function.runtime
        else {
            continue;
        };
        if !files.contains_key(file) {
            let message =
                format!("function `{}` is in `{file}`, which is not among the files", function.name);
            return Err(Failure::new(
                Code::FILE_NOT_FOUND,
                message,
                "send the file under that path in `files`",
            ));
        }
    }
    Ok(())
}
