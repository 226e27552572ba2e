//! Code as a request brings it.

use super::archive;
use super::failure::{Answer, Failure, Kind};
use super::fields::Fields;
use super::record::Configuration;
use crate::signature::hex;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A zip that nobody has looked into yet.
#[derive(Debug)]
pub struct Code(Bytes);

/// A zip and what is in it.
#[derive(Debug)]
pub struct Unpacked {
    /// The zip.
    pub zip: Bytes,
    /// Its files by their paths.
    pub files: BTreeMap<String, Bytes>,
    sha256: String,
}

impl Code {
    /// A zip that was kept.
    pub fn of(zip: Bytes) -> Self {
        Self(zip)
    }

    /// Reads where the code is; `None` if the request does not say.
    pub fn read(fields: &mut Fields) -> Answer<Option<Self>> {
        for elsewhere in ["S3Bucket", "S3Key", "S3ObjectVersion", "S3ObjectStorageMode", "ImageUri"] {
            if fields.take::<Value>(elsewhere)?.is_some() {
                let message =
                    format!("`{elsewhere}` is not supported by this endpoint; send the code as ZipFile");
                return Err(Failure::invalid(message));
            }
        }
        let Some(text) = fields.take::<String>("ZipFile")? else { return Ok(None) };
        let zip = BASE64_STANDARD.decode(text).map_err(|error| {
            let message = format!("Could not parse request body into json: `ZipFile`: {error}");
            Failure::new(Kind::InvalidRequestContent, message)
        })?;
        Ok(Some(Self(zip.into())))
    }

    /// Unpacks it, on a thread where that may take its time.
    pub async fn unpack(self) -> Answer<Unpacked> {
        let work = move || {
            let files = archive::unpack(&self.0)?;
            Ok(Unpacked { sha256: hex(&Sha256::digest(&self.0)), zip: self.0, files })
        };
        let gone = |_| Failure::new(Kind::Service, "the code could not be unpacked");
        tokio::task::spawn_blocking(work).await.map_err(gone)?
    }
}

impl Unpacked {
    /// Notes in a configuration which code it has.
    pub fn describe(&self, configuration: &mut Configuration) {
        configuration.code_sha256.clone_from(&self.sha256);
        configuration.code_bytes = self.zip.len() as u64;
    }
}
