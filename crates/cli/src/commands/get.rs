//! `sluice get`

use super::connect;
use crate::arguments::Global;
use crate::exit::{Exit, Failure, Outcome};
use crate::show;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Get {
    /// A deployed app
    #[arg(value_name = "APP")]
    app: String,
    /// Which object
    #[arg(value_name = "BUCKET/KEY")]
    object: String,
    /// The run whose object it is; without it the app's
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Write the bytes to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Get {
    pub fn execute(&self, global: &Global) -> Outcome {
        let Some((bucket, key)) = self.object.split_once('/').filter(|(b, k)| !b.is_empty() && !k.is_empty())
        else {
            let message = format!("`{}` names no bucket and key", self.object);
            return Err(Failure::usage(message, "write BUCKET/KEY, for example output/total"));
        };
        let object = connect(global)?.object(&self.app, self.run.as_deref(), bucket, key)?;
        if let Some(path) = &self.out {
            std::fs::write(path, &object.bytes).map_err(|e| {
                Failure::usage(
                    format!("cannot write `{}`: {e}", path.display()),
                    "name another file with --out",
                )
            })?;
        }
        if global.json {
            let value = match &self.out {
                Some(path) => serde_json::value::to_raw_value(&serde_json::json!({ "path": path })),
                None => Ok(sluice_api::value::show(&object.content_type, &object.bytes)),
            };
            let value =
                value.map_err(|e| Failure::usage(format!("the path cannot be JSON: {e}"), "use UTF-8"))?;
            show::json(&Shown { bucket, key, content_type: &object.content_type, value: &value })?;
        } else if self.out.is_none() {
            show::bytes(&object.bytes)?;
        }
        Ok(Exit::Succeeded)
    }
}

#[derive(serde::Serialize)]
struct Shown<'a> {
    bucket: &'a str,
    key: &'a str,
    content_type: &'a str,
    value: &'a serde_json::value::RawValue,
}
