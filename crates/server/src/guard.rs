//! Who may use the server: whoever has the token; without one, programs of this machine but not web pages. Clients of
//! AWS cannot send a token: where their requests must be signed, the AWS side asks for the signature instead.
//!
//! A server without a token listens on loopback only. A web page that rebinds its name to 127.0.0.1 still sends its
//! own name as Host, and a page that posts across origins sends its own Origin; both are refused.

use crate::failure::Failure;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sluice_types::Code;
use std::net::IpAddr;
use std::sync::Arc;

/// The token, if there is one.
#[derive(Clone)]
pub struct Guard {
    token: Option<Arc<str>>,
    /// Whether the AWS side asks for signatures.
    signed: bool,
}

/// Answers without a token, so that load balancers can ask.
const OPEN: &str = "/healthz";

impl Guard {
    /// A guard that asks for this token, or, without one, for Host and Origin of this machine. `signed` tells that AWS
    /// requests need no token, because they carry a signature that is checked later.
    pub fn new(token: Option<&str>, signed: bool) -> Self {
        Self { token: token.map(Arc::from), signed }
    }

    fn check(&self, path: &str, headers: &HeaderMap) -> Result<(), Failure> {
        match &self.token {
            Some(_) if path == OPEN => Ok(()),
            Some(_) if self.signed && sluice_aws::is_aws(path, headers) => Ok(()),
            Some(token) => check_token(token, headers),
            None => check_local(headers),
        }
    }
}

/// The middleware.
pub async fn watch(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.check(request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

fn check_token(token: &str, headers: &HeaderMap) -> Result<(), Failure> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked(7));
    let (message, fix) = match given {
        Some((scheme, given)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
            if same(given, token.as_bytes()) {
                return Ok(());
            }
            ("the token is wrong", "use the token that the server was started with")
        }
        _ => ("this server asks for a token", "send `Authorization: Bearer TOKEN` (--token, SLUICE_TOKEN)"),
    };
    Err(Failure::new(Code::UNAUTHORIZED, message, fix))
}

/// Compares in a time that does not tell how much of the token was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differing, (x, y)| differing | (x ^ y)) == 0
}

fn check_local(headers: &HeaderMap) -> Result<(), Failure> {
    let refuse = |what: &str, value: &str| {
        let fix = "use http://127.0.0.1 or http://localhost, or start the server with a token";
        Err(Failure::new(Code::FORBIDDEN_ORIGIN, format!("{what} `{value}` is not this server"), fix))
    };
    let host = text(headers, HOST);
    if !is_loopback(host) {
        return refuse("Host", host);
    }
    if headers.contains_key(ORIGIN) {
        let origin = text(headers, ORIGIN);
        if origin.strip_prefix("http://") != Some(host) {
            return refuse("Origin", origin);
        }
    }
    Ok(())
}

/// The value of a header; empty when it is absent or not ASCII.
fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    // AWS's clients put `sync-` before the name they are given; nobody owns a name that is a loopback one without it.
    let name = authority.host().trim_start_matches("sync-");
    let name = name.trim_start_matches('[').trim_end_matches(']');
    !host.contains('@')
        && (name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn without_a_token_only_this_machine_is_answered() {
        let guard = Guard::new(None, false);
        for host in
            ["127.0.0.1:7117", "localhost", "LocalHost:80", "[::1]:7117", "127.9.9.9", "sync-localhost:80"]
        {
            assert!(guard.check("/v1/apps", &headers(&[(HOST, host)])).is_ok(), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:7117",
            "127.0.0.1.evil.example",
            "sync-localhost.evil.example",
            "localhost@evil.example",
            "",
            "10.0.0.1",
        ] {
            assert!(guard.check("/v1/apps", &headers(&[(HOST, host)])).is_err(), "{host}");
        }
        assert!(guard.check("/v1/apps", &HeaderMap::new()).is_err());
    }

    #[test]
    fn without_a_token_only_the_own_origin_is_answered() {
        let guard = Guard::new(None, false);
        let with = |origin| headers(&[(HOST, "localhost:7117"), (ORIGIN, origin)]);
        assert!(guard.check("/", &with("http://localhost:7117")).is_ok());
        for origin in ["null", "http://localhost:3000", "https://evil.example", "http://127.0.0.1:7117"] {
            assert!(guard.check("/", &with(origin)).is_err(), "{origin}");
        }
    }

    #[test]
    fn a_token_is_asked_for_everywhere_but_at_the_health_check() {
        let guard = Guard::new(Some("s3cret"), false);
        let with = |value| headers(&[(HOST, "anything.example"), (AUTHORIZATION, value)]);
        assert!(guard.check("/v1/apps", &with("Bearer s3cret")).is_ok());
        assert!(guard.check("/v1/apps", &with("bearer s3cret")).is_ok());
        for value in ["Bearer s3cre", "Bearer s3cret ", "Basic s3cret", "s3cret", "", "Bearer "] {
            assert!(guard.check("/v1/apps", &with(value)).is_err(), "{value}");
        }
        assert!(guard.check("/healthz", &HeaderMap::new()).is_ok());
    }

    #[test]
    fn a_signature_takes_the_place_of_the_token_for_aws_alone() {
        let path = "/2015-03-31/functions";
        let signed = headers(&[(AUTHORIZATION, "AWS4-HMAC-SHA256 Credential=x")]);
        assert!(Guard::new(Some("s3cret"), true).check(path, &signed).is_ok());
        assert!(Guard::new(Some("s3cret"), true).check("/v1/apps", &signed).is_err());
        assert!(Guard::new(Some("s3cret"), false).check(path, &signed).is_err());
        assert!(Guard::new(None, true).check(path, &headers(&[(HOST, "evil.example")])).is_err());
    }
}
