//! How requests reach a server: over HTTP, or within this process.

use crate::embedded::Embedded;
use crate::exit::{Failure, Outcome};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response};
use sluice_types::{Code, limits};
use std::io;
use std::time::Duration;

/// How long a server may take to connect, and to answer beyond what it was asked to wait.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// A way to a server.
pub enum Transport {
    /// A server elsewhere.
    Remote(Remote),
    /// The node of this process.
    Local(Embedded),
}

/// A server elsewhere.
pub struct Remote {
    agent: ureq::Agent,
    base: String,
    token: Option<HeaderValue>,
}

/// What is asked.
pub struct Ask<'a> {
    pub method: Method,
    /// Path and query, percent-encoded.
    pub uri: &'a str,
    pub content_type: &'a str,
    pub body: Vec<u8>,
    /// How long the server was asked to wait.
    pub patience: Duration,
}

/// What was answered.
pub type Answer = Response<Vec<u8>>;

impl Transport {
    /// Asks, and reads the whole answer, whatever its status.
    pub fn ask(&self, ask: Ask<'_>) -> Outcome<Answer> {
        match self {
            Self::Remote(remote) => remote.ask(ask),
            Self::Local(embedded) => {
                let request = request(&ask, ask.uri, None)?;
                Ok(embedded.ask(request.map(|()| ask.body.into())).map(|body| body.to_vec()))
            }
        }
    }
}

impl Remote {
    /// Does not connect yet.
    pub fn new(url: &str, token: Option<&str>) -> Outcome<Self> {
        if !url.starts_with("http://") {
            let fix = "write --server http://HOST:PORT; for https, put a proxy on this machine in front";
            return Err(Failure::usage(format!("`{url}` is not the URL of a server"), fix));
        }
        let token = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}"))).transpose();
        let token = token
            .map_err(|_| Failure::usage("the token holds characters that HTTP cannot carry", "check it"))?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_MAX))
            .max_redirects(0)
            // A proxy set for the web would be asked for servers of this machine, too.
            .proxy(None)
            .build()
            .new_agent();
        Ok(Self { agent, base: url.trim_end_matches('/').to_owned(), token })
    }

    fn ask(&self, ask: Ask<'_>) -> Outcome<Answer> {
        let request = request(&ask, &format!("{}{}", self.base, ask.uri), self.token.as_ref())?;
        let request = self
            .agent
            .configure_request(request.map(|()| ask.body))
            .timeout_recv_response(Some(ask.patience + ANSWER_MAX))
            .build();
        let (head, mut body) = self.agent.run(request).map_err(|e| self.unreachable(&e))?.into_parts();
        let body = body.with_config().limit(u64::MAX).read_to_vec().map_err(|e| self.unreachable(&e))?;
        Ok(Response::from_parts(head, body))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let is_refused = |e: &io::Error| e.kind() == io::ErrorKind::ConnectionRefused;
        let fix = match error {
            ureq::Error::Io(e) if is_refused(e) => {
                "start one with `sluice server`, or name another with --server URL"
            }
            ureq::Error::BadUri(_) => "write --server http://HOST:PORT",
            _ => "check the address and the network; a request whose outcome is unknown can be repeated",
        };
        Failure::new(Code::SERVER_UNREACHABLE, format!("no server answers at {}: {error}", self.base), fix)
    }
}

fn request(ask: &Ask<'_>, uri: &str, token: Option<&HeaderValue>) -> Outcome<Request<()>> {
    if ask.body.len() > limits::REQUEST_BYTES_MAX {
        let message = format!(
            "{} bytes, of at most {} in one request (REQUEST_BYTES_MAX)",
            ask.body.len(),
            limits::REQUEST_BYTES_MAX
        );
        return Err(Failure::new(Code::LIMIT_EXCEEDED, message, "split the object"));
    }
    let mut request = Request::builder().method(ask.method.clone()).uri(uri);
    if !ask.content_type.is_empty() {
        request = request.header(CONTENT_TYPE, ask.content_type);
    }
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token);
    }
    request.body(()).map_err(|e| Failure::usage(format!("`{uri}` cannot be asked: {e}"), "check --server"))
}
