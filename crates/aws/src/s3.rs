//! Amazon S3, or what speaks like it: objects are read, written and listed.
//!
//! Where it is and with which key say the variables that AWS's own programs read. It is addressed by path
//! (`ENDPOINT/BUCKET/KEY`). An `https://` endpoint is trusted by Mozilla's roots, or by those of `AWS_CA_BUNDLE`.

use crate::signature::{Credentials, PATH, authorization, hex};
use percent_encoding::{AsciiSet, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::time::Duration;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Largest object that is read, in bytes.
pub const OBJECT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most objects of one listing.
pub const OBJECTS_LISTED_MAX: usize = 100_000;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What stays as it is in a query.
const QUERY: &AsciiSet = &PATH.add(b'/');

/// Where objects are, and the key that opens it.
#[derive(Debug)]
pub struct S3 {
    endpoint: String,
    /// What requests to it name as their host.
    host: String,
    region: String,
    credentials: Option<(Credentials, Option<String>)>,
    agent: ureq::Agent,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint is no address.
    #[error("the S3 endpoint {0} cannot be used: it has to begin with https:// or http://")]
    Endpoint(String),
    /// The roots that are to be trusted cannot be read.
    #[error("the certificates in {path} (AWS_CA_BUNDLE) cannot be used: {reason}")]
    Roots {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It could not be reached.
    #[error("{0}")]
    Transport(Box<ureq::Error>),
    /// It refused.
    #[error("{message} (Service: Amazon S3; Status Code: {status}; Error Code: {code})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// For example `NoSuchKey`.
        code: String,
        /// What happened.
        message: String,
    },
    /// A listing is too long.
    #[error("there are more than {OBJECTS_LISTED_MAX} objects under the prefix")]
    TooMany,
    /// It answered what cannot be read.
    #[error("S3 answered what is no listing: {0}")]
    Unreadable(String),
}

/// An object of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// As S3 words it, in quotation marks.
    pub etag: String,
    /// RFC 3339.
    pub last_modified: String,
    /// For example `STANDARD`.
    pub storage_class: String,
}

impl S3 {
    /// As the environment says; the region of `own` where it names none.
    pub fn from_environment(own: &str) -> Result<Self, Error> {
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let region = text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")).unwrap_or_else(|| own.into());
        let endpoint = text("AWS_ENDPOINT_URL_S3").or_else(|| text("AWS_ENDPOINT_URL"));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let Some((_, host)) =
            endpoint.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))
        else {
            return Err(Error::Endpoint(endpoint));
        };
        let host = host.split('/').next().unwrap_or_default().to_owned();
        let key = text("AWS_ACCESS_KEY_ID").zip(text("AWS_SECRET_ACCESS_KEY"));
        let credentials = key.map(|(id, secret)| {
            let credentials = Credentials { access_key_id: id.into(), secret_access_key: secret.into() };
            (credentials, text("AWS_SESSION_TOKEN"))
        });
        let roots = text("AWS_CA_BUNDLE").map_or(Ok(RootCerts::WebPki), |path| roots(&path))?;
        let tls = TlsConfig::builder().root_certs(roots).build();
        let config = ureq::Agent::config_builder().http_status_as_error(false).tls_config(tls);
        let agent = config.timeout_global(Some(PATIENCE)).build().into();
        Ok(Self { endpoint, host, region, credentials, agent })
    }

    /// The bytes of an object.
    pub fn get(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Vec<u8>, Error> {
        let version = version.map(|version| ("versionId", version.to_owned()));
        self.ask("GET", &format!("/{bucket}/{key}"), &version.into_iter().collect::<Vec<_>>(), None)
    }

    /// Writes an object.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) -> Result<(), Error> {
        self.ask("PUT", &format!("/{bucket}/{key}"), &[], Some(bytes)).map(drop)
    }

    /// Objects under a prefix, by key, at most so many.
    pub fn list(&self, bucket: &str, prefix: &str, most: usize) -> Result<Vec<Listed>, Error> {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut query: Vec<(&str, String)> = Vec::new();
            token.into_iter().for_each(|token| query.push(("continuation-token", token)));
            query.extend([("list-type", "2".to_owned()), ("prefix", prefix.to_owned())]);
            let page = self.ask("GET", &format!("/{bucket}"), &query, None)?;
            let (objects, next) = listing(&String::from_utf8_lossy(&page))?;
            found.extend(objects);
            token = next;
            if found.len().min(most) > OBJECTS_LISTED_MAX {
                return Err(Error::TooMany);
            }
            if found.len() >= most || token.is_none() {
                found.truncate(most);
                return Ok(found);
            }
        }
    }

    /// `query` is sorted by name.
    fn ask(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, String)],
        body: Option<&[u8]>,
    ) -> Result<Vec<u8>, Error> {
        let path = utf8_percent_encode(path, PATH).to_string();
        let pairs: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY)))
            .collect();
        let query = pairs.join("&");
        let url = match query.is_empty() {
            true => format!("{}{path}", self.endpoint),
            false => format!("{}{path}?{query}", self.endpoint),
        };
        let headers = self.headers(method, &path, &query, body.unwrap_or_default());
        let answer = match body {
            None => with(self.agent.get(&url), &headers).call(),
            Some(body) => with(self.agent.put(&url), &headers).send(body),
        };
        let mut answer = answer.map_err(|error| Error::Transport(Box::new(error)))?;
        let bytes = answer.body_mut().with_config().limit(OBJECT_BYTES_MAX).read_to_vec();
        let bytes = bytes.map_err(|error| Error::Transport(Box::new(error)))?;
        match answer.status().is_success() {
            true => Ok(bytes),
            false => Err(refusal(answer.status().as_u16(), &String::from_utf8_lossy(&bytes))),
        }
    }

    fn headers(&self, method: &str, path: &str, query: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        let Some((credentials, token)) = &self.credentials else { return Vec::new() };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let time = sluice_types::calendar::rfc3339(now.map_or(0, |now| now.as_millis() as u64));
        let time: String = time[..19].chars().filter(|c| !"-:".contains(*c)).chain(['Z']).collect();
        let hash = hex(&Sha256::digest(body));
        let mut signed =
            vec![("host", &*self.host), ("x-amz-content-sha256", &*hash), ("x-amz-date", &*time)];
        signed.extend(token.as_deref().map(|token| ("x-amz-security-token", token)));
        let authorization =
            authorization(credentials, [&self.region, "s3"], &time, (method, path, query), &signed, &hash);
        let mut headers = vec![
            ("authorization", authorization),
            ("x-amz-content-sha256", hash.clone()),
            ("x-amz-date", time.clone()),
        ];
        headers.extend(token.clone().map(|token| ("x-amz-security-token", token)));
        headers
    }
}

/// The certificates of a file.
fn roots(path: &str) -> Result<RootCerts, Error> {
    let wrong = |reason: String| Error::Roots { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let items: Result<Vec<PemItem<'_>>, _> = parse_pem(&pem).collect();
    let items = items.map_err(|error| wrong(error.to_string()))?;
    let found: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    Ok(found.into())
}

fn with<B>(request: ureq::RequestBuilder<B>, headers: &[(&'static str, String)]) -> ureq::RequestBuilder<B> {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
}

fn refusal(status: u16, body: &str) -> Error {
    let document = roxmltree::Document::parse(body).ok();
    let field = |name: &str| {
        let nodes = document.as_ref()?.descendants().find(|node| node.has_tag_name(name))?;
        nodes.text().map(str::to_owned)
    };
    let code = field("Code").unwrap_or_else(|| "Unknown".into());
    let message = field("Message").unwrap_or_else(|| format!("S3 answered with status {status}"));
    Error::Refused { status, code, message }
}

/// The objects of one page of `ListObjectsV2`, and how to ask for the next.
fn listing(page: &str) -> Result<(Vec<Listed>, Option<String>), Error> {
    let document = roxmltree::Document::parse(page).map_err(|error| Error::Unreadable(error.to_string()))?;
    let root = document.root_element();
    let text = |node: &roxmltree::Node<'_, '_>, name: &str| {
        let child = node.children().find(|child| child.tag_name().name() == name);
        child.and_then(|child| child.text()).unwrap_or_default().to_owned()
    };
    let objects = root.children().filter(|node| node.tag_name().name() == "Contents");
    let objects = objects.map(|node| Listed {
        key: text(&node, "Key"),
        size: text(&node, "Size").parse().unwrap_or_default(),
        etag: text(&node, "ETag"),
        last_modified: text(&node, "LastModified"),
        storage_class: text(&node, "StorageClass"),
    });
    let next = Some(text(&root, "NextContinuationToken")).filter(|token| !token.is_empty());
    Ok((objects.collect(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_and_refusals_are_read() {
        let page = r#"<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Contents><Key>a&amp;b</Key><Size>3</Size><ETag>"e"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified>
            <StorageClass>STANDARD</StorageClass></Contents><NextContinuationToken>t</NextContinuationToken>
            </ListBucketResult>"#;
        let (objects, next) = listing(page).expect("a listing");
        assert_eq!((&*objects[0].key, objects[0].size, next.as_deref()), ("a&b", 3, Some("t")));
        assert!(listing("nonsense").is_err());
        let error = refusal(404, "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>");
        assert_eq!(error.to_string(), "gone (Service: Amazon S3; Status Code: 404; Error Code: NoSuchKey)");
    }
}
