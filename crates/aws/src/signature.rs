//! AWS Signature Version 4: whether a request was signed with the secret that belongs to its access key.
//!
//! As published by AWS ("Signing AWS API requests"). Requests are checked whole: the signature covers the hash of the
//! body; what the head of a request says is checked before anybody reads that. Signatures in the query (presigned URLs) are not taken.

use axum::http::{HeaderMap, HeaderName, Method};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use sluice_types::calendar::days_to;
use std::fmt::{self, Write};
use std::sync::Arc;

/// How far the time of a request may be off, in milliseconds.
pub const SKEW_MS_MAX: u64 = 15 * 60 * 1000;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What stays as it is in a path: unreserved characters and slashes.
pub(crate) const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// An access key and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Names the secret.
    pub access_key_id: Arc<str>,
    /// Never shown.
    pub secret_access_key: Arc<str>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no signature.
    #[error("Missing Authentication Token")]
    Missing,
    /// The `Authorization` header is not one of Signature Version 4.
    #[error(
        "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters, and a date."
    )]
    Incomplete,
    /// A header is not signed that must be.
    #[error(
        "'Host' and every header of AWS's, 'X-Amz-…', must be a 'SignedHeader' in the AWS Authorization."
    )]
    Unsigned,
    /// The access key is not known.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// It was signed too long ago, or will be.
    #[error("Signature expired, or the clocks differ by more than 15 minutes.")]
    Expired,
    /// It was signed with another secret, or changed since.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
         Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
}

impl Error {
    /// What AWS calls it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::Unsigned | Self::Expired | Self::Mismatch => "InvalidSignatureException",
        }
    }
}

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path as it was sent.
    pub path: &'a str,
    /// Its query as it was sent.
    pub query: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
}

/// A signature that may be right: everything but the body was looked at.
#[derive(Debug)]
pub struct Claimed<'a> {
    claim: Claim<'a>,
    time: &'a str,
    canonical: String,
}

impl<'a> Claimed<'a> {
    /// Checks the head of a request at a time, in milliseconds since the Unix epoch.
    pub fn by(credentials: &Credentials, request: Head<'a>, now_ms: u64) -> Result<Self, Error> {
        let given = header(request.headers, "authorization").ok_or(Error::Missing)?;
        let claim = Claim::parse(given).ok_or(Error::Incomplete)?;
        let time = header(request.headers, "x-amz-date").ok_or(Error::Incomplete)?;
        let signed_ms = parse_time(time).ok_or(Error::Incomplete)?;
        if claim.date != &time[..8] {
            return Err(Error::Incomplete);
        }
        let covers = |name: &str| claim.headers.split(';').any(|header| header == name);
        let mut of_aws = request.headers.keys().map(HeaderName::as_str).filter(|n| n.starts_with("x-amz-"));
        if !covers("host") || !of_aws.all(covers) {
            return Err(Error::Unsigned);
        }
        if claim.key_id != &*credentials.access_key_id {
            return Err(Error::UnknownKey);
        }
        if now_ms.abs_diff(signed_ms) > SKEW_MS_MAX {
            return Err(Error::Expired);
        }
        let canonical = canonical(request, claim.headers).ok_or(Error::Incomplete)?;
        Ok(Self { claim, time, canonical })
    }

    /// Checks the signature, now that the body is there.
    pub fn verify(mut self, credentials: &Credentials, body: &[u8]) -> Result<(), Error> {
        self.canonical.push_str(&hex(&Sha256::digest(body)));
        let Claim { date, region, service, signature, .. } = self.claim;
        let signature = unhex(signature).ok_or(Error::Incomplete)?;
        let right = mac(credentials, [date, region, service], self.time, &self.canonical);
        // Compares in a time that does not tell how much was right.
        right.verify_slice(&signature).map_err(|_| Error::Mismatch)
    }
}

/// The `Authorization` of a request of our own: `headers` are all that are signed, by name, in lower case and sorted;
/// the path and the query are encoded and sorted already. `time` is the `x-amz-date`.
pub fn authorization(
    credentials: &Credentials,
    [region, service]: [&str; 2],
    time: &str,
    (method, path, query): (&str, &str, &str),
    headers: &[(&str, &str)],
    body_hash: &str,
) -> String {
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut canonical = format!("{method}\n{path}\n{query}\n");
    for (name, value) in headers {
        let _ = writeln!(canonical, "{name}:{value}");
    }
    let _ = write!(canonical, "\n{names}\n{body_hash}");
    let date = time.get(..8).unwrap_or(time);
    let signature = hex(&mac(credentials, [date, region, service], time, &canonical).finalize().into_bytes());
    let id = &credentials.access_key_id;
    format!(
        "{ALGORITHM} Credential={id}/{date}/{region}/{service}/aws4_request, SignedHeaders={names}, Signature={signature}"
    )
}

/// The signature of a canonical request, for a date, region and service.
fn mac(credentials: &Credentials, scope: [&str; 3], time: &str, canonical: &str) -> Hmac<Sha256> {
    let [date, region, service] = scope;
    let hash = hex(&Sha256::digest(canonical));
    let to_sign = format!("{ALGORITHM}\n{time}\n{date}/{region}/{service}/aws4_request\n{hash}");
    let start = format!("AWS4{}", credentials.secret_access_key).into_bytes();
    let parts = [date, region, service, "aws4_request"];
    let key = parts.iter().fold(start, |key, part| keyed(&key, part).finalize().into_bytes().to_vec());
    keyed(&key, &to_sign)
}

/// What an `Authorization` header says.
#[derive(Debug, PartialEq, Eq)]
struct Claim<'a> {
    key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix(ALGORITHM)?;
        let field = |name: &str| {
            let mut found =
                fields.split(',').filter_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            found.next()
        };
        let mut scope = field("Credential")?.rsplitn(5, '/');
        let ("aws4_request", service, region, date, key_id) =
            (scope.next()?, scope.next()?, scope.next()?, scope.next()?, scope.next()?)
        else {
            return None;
        };
        let (headers, signature) = (field("SignedHeaders")?, field("Signature")?);
        Some(Self { key_id, date, region, service, headers, signature })
    }
}

/// A request in its canonical form, up to the hash of its body.
fn canonical(request: Head<'_>, signed_headers: &str) -> Option<String> {
    let Head { method, path, query, headers } = request;
    let mut text = format!("{method}\n{}\n", utf8_percent_encode(path, PATH));
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    text.push_str(&pairs.join("&"));
    text.push('\n');
    for name in signed_headers.split(';') {
        let values: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().map(|value| value.split_whitespace().collect::<Vec<_>>().join(" ")))
            .collect::<Result<_, _>>()
            .ok()?;
        if values.is_empty() {
            return None;
        }
        let _ = writeln!(text, "{name}:{}", values.join(","));
    }
    let _ = write!(text, "\n{signed_headers}\n");
    Some(text)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn keyed(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(text.as_bytes());
    mac
}

/// `20261121T130000Z` in milliseconds since the Unix epoch.
fn parse_time(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok().map(i64::from);
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = ((days_to(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    u64::try_from(seconds * 1000).ok()
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes from hexadecimal.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    /// The example of AWS's documentation: listing users of IAM.
    fn example(authorization: &'static str) -> HeaderMap {
        let pairs = [
            ("authorization", authorization),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        pairs
            .into_iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    const SIGNED_MS: u64 = 1_440_938_160_000;

    fn checked(
        headers: &HeaderMap,
        secret: &str,
        query: &str,
        body: &[u8],
        now_ms: u64,
    ) -> Result<(), Error> {
        let credentials =
            Credentials { access_key_id: "AKIDEXAMPLE".into(), secret_access_key: secret.into() };
        let head = Head { method: &Method::GET, path: "/", query, headers };
        Claimed::by(&credentials, head, now_ms)?.verify(&credentials, body)
    }

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const QUERY: &str = "Version=2010-05-08&Action=ListUsers";

    #[test]
    fn the_published_example_is_taken() {
        let headers = example(AUTHORIZATION);
        assert_eq!(checked(&headers, SECRET, QUERY, b"", SIGNED_MS), Ok(()));
        assert_eq!(checked(&headers, SECRET, QUERY, b"", SIGNED_MS + SKEW_MS_MAX), Ok(()));
    }

    #[test]
    fn the_published_example_is_signed_so() {
        let credentials =
            Credentials { access_key_id: "AKIDEXAMPLE".into(), secret_access_key: SECRET.into() };
        let headers = [
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        let request = ("GET", "/", "Action=ListUsers&Version=2010-05-08");
        let empty = hex(&Sha256::digest(""));
        let signed =
            authorization(&credentials, ["us-east-1", "iam"], headers[2].1, request, &headers, &empty);
        assert_eq!(signed, AUTHORIZATION);
    }

    #[test]
    fn whatever_was_changed_is_found() {
        let headers = example(AUTHORIZATION);
        assert_eq!(checked(&headers, "another", QUERY, b"", SIGNED_MS), Err(Error::Mismatch));
        assert_eq!(
            checked(&headers, SECRET, "Action=DeleteUser&Version=2010-05-08", b"", SIGNED_MS),
            Err(Error::Mismatch)
        );
        assert_eq!(checked(&headers, SECRET, QUERY, b"x", SIGNED_MS), Err(Error::Mismatch));
        assert_eq!(checked(&headers, SECRET, QUERY, b"", SIGNED_MS + SKEW_MS_MAX + 1), Err(Error::Expired));
        let mut changed = headers.clone();
        changed.insert("content-type", HeaderValue::from_static("application/json"));
        assert_eq!(checked(&changed, SECRET, QUERY, b"", SIGNED_MS), Err(Error::Mismatch));
    }

    #[test]
    fn what_is_not_signed_is_refused() {
        assert_eq!(checked(&HeaderMap::new(), SECRET, QUERY, b"", SIGNED_MS), Err(Error::Missing));
        for broken in ["Bearer x", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE", ""] {
            assert_eq!(
                checked(&example(broken), SECRET, QUERY, b"", SIGNED_MS),
                Err(Error::Incomplete),
                "{broken}"
            );
        }
        let other = AUTHORIZATION.replace("AKIDEXAMPLE", "AKIDOTHER");
        assert_eq!(checked(&example(other.leak()), SECRET, QUERY, b"", SIGNED_MS), Err(Error::UnknownKey));
        let bare = AUTHORIZATION.replace("content-type;host;x-amz-date", "content-type;x-amz-date");
        assert_eq!(checked(&example(bare.leak()), SECRET, QUERY, b"", SIGNED_MS), Err(Error::Unsigned));
        let mut headers = example(AUTHORIZATION);
        headers.insert("x-amzn-trace-id", HeaderValue::from_static("Root=1"));
        assert_eq!(checked(&headers, SECRET, QUERY, b"", SIGNED_MS), Ok(()));
        headers.insert("x-amz-target", HeaderValue::from_static("AWSStepFunctions.DeleteStateMachine"));
        assert_eq!(checked(&headers, SECRET, QUERY, b"", SIGNED_MS), Err(Error::Unsigned));
    }
}
