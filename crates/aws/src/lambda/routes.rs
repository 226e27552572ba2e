//! Every operation, by method and path. AWS's paths begin with the date of the API in which the operation appeared.

use super::Lambda;
use super::failure::{Answer, Failure, Kind};
use super::limits::{PAGE_MAX, REQUEST_BYTES_MAX};
use super::reference::Reference;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// Dates with which the paths of operations begin.
const DATES: &[&str] = &["2015-03-31", "2016-08-19", "2017-03-31", "2017-10-31", "2019-09-30", "2020-06-30"];

/// Whether a path is one of AWS Lambda's.
pub fn is_lambda(path: &str) -> bool {
    path.strip_prefix('/').and_then(|path| path.split('/').next()).is_some_and(|date| DATES.contains(&date))
}

/// Every route.
pub fn router(lambda: Lambda) -> Router {
    let routes = DATES
        .iter()
        .fold(Router::new(), |router, date| router.route(&format!("/{date}/{{*rest}}"), any(answer)));
    routes.with_state(lambda)
}

async fn answer(State(lambda): State<Lambda>, request: Request) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    let mut response = match Asked::read(request).await {
        Ok(asked) => asked.answer(&lambda, &id).await.unwrap_or_else(IntoResponse::into_response),
        Err(failure) => failure.into_response(),
    };
    let id = HeaderValue::from_str(&id).expect("a UUID is ASCII");
    response.headers_mut().insert(HeaderName::from_static("x-amzn-requestid"), id);
    response
}

/// A request, taken apart.
struct Asked {
    method: Method,
    /// Parts of the path, decoded.
    path: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    async fn read(request: Request) -> Answer<Self> {
        let (parts, body) = request.into_parts();
        let decode = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded.map(String::from).map_err(|_| Failure::invalid("the path or query is not UTF-8"))
        };
        let path =
            parts.uri.path().split('/').filter(|part| !part.is_empty()).map(decode).collect::<Answer<_>>()?;
        let pairs = parts.uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty());
        let query = pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name)?, decode(&value.replace('+', " "))?))
            })
            .collect::<Answer<_>>()?;
        let body = to_bytes(body, REQUEST_BYTES_MAX).await.map_err(|_| {
            let message =
                format!("Request must be smaller than {REQUEST_BYTES_MAX} bytes for this operation");
            Failure::new(Kind::RequestEntityTooLarge, message)
        })?;
        Ok(Self { method: parts.method, path, query, headers: parts.headers, body })
    }

    async fn answer(self, lambda: &Lambda, request_id: &str) -> Answer<Response> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["2015-03-31", "functions", name, "invocations"] if self.method == Method::POST => {
                let reference = self.reference(name)?;
                lambda.invoke(&reference, &self.headers, self.body.clone(), request_id.to_owned()).await
            }
            ["2015-03-31", "functions"] => self.functions(lambda).await,
            ["2015-03-31", "functions", name, rest @ ..] => self.function(lambda, name, rest).await,
            ["2017-03-31", "tags", name] => self.tags(lambda, name).await,
            ["2016-08-19", "account-settings"] if self.method == Method::GET => {
                found(lambda.account_settings().await?)
            }
            [_, "functions", name, "concurrency"] => self.concurrency(lambda, name).await,
            ["2020-06-30", "functions", name, "code-signing-config"] if self.method == Method::GET => {
                let reference = self.reference(name)?;
                lambda.get_configuration(&reference).await?;
                found(json!({ "FunctionName": reference.name }))
            }
            _ => Err(self.unknown()),
        }
    }

    async fn functions(&self, lambda: &Lambda) -> Answer<Response> {
        match self.method {
            Method::POST => made(lambda.create_function(&self.body).await?),
            Method::GET => {
                let every_version = self.parameter("FunctionVersion") == Some("ALL");
                self.page("Functions", lambda.list_functions(every_version).await?)
            }
            _ => Err(self.unknown()),
        }
    }

    async fn function(&self, lambda: &Lambda, name: &str, rest: &[&str]) -> Answer<Response> {
        let (one, body) = (&self.reference(name)?, &self.body);
        let whole = || one.clone().unqualified();
        match (self.method.as_str(), rest) {
            ("GET", []) => {
                let host = self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
                found(lambda.get_function(one, host).await?)
            }
            ("DELETE", []) => gone(lambda.delete_function(one).await?),
            ("GET", ["configuration"]) => found(lambda.get_configuration(one).await?),
            ("PUT", ["configuration"]) => found(lambda.update_configuration(&whole()?, body).await?),
            ("PUT", ["code"]) => found(lambda.update_code(&whole()?, body).await?),
            ("POST", ["versions"]) => made(lambda.publish_version(&whole()?, body).await?),
            ("GET", ["versions"]) => self.page("Versions", lambda.list_versions(&whole()?).await?),
            ("POST", ["aliases"]) => made(lambda.create_alias(&whole()?, body).await?),
            ("GET", ["aliases"]) => {
                let of = self.parameter("FunctionVersion");
                self.page("Aliases", lambda.list_aliases(&whole()?, of).await?)
            }
            ("GET", ["aliases", alias]) => found(lambda.get_alias(&whole()?, alias).await?),
            ("PUT", ["aliases", alias]) => found(lambda.update_alias(&whole()?, alias, body).await?),
            ("DELETE", ["aliases", alias]) => gone(lambda.delete_alias(&whole()?, alias).await?),
            _ => Err(self.unknown()),
        }
    }

    async fn tags(&self, lambda: &Lambda, name: &str) -> Answer<Response> {
        let reference = Reference::parse(name)?.unqualified()?;
        match self.method {
            Method::GET => found(lambda.list_tags(&reference).await?),
            Method::POST => gone(lambda.tag(&reference, &self.body).await?),
            Method::DELETE => {
                let keys =
                    self.query.iter().filter(|(name, _)| name == "tagKeys").map(|(_, key)| key.clone());
                gone(lambda.untag(&reference, &keys.collect::<Vec<_>>()).await?)
            }
            _ => Err(self.unknown()),
        }
    }

    async fn concurrency(&self, lambda: &Lambda, name: &str) -> Answer<Response> {
        let reference = self.reference(name)?.unqualified()?;
        match self.method {
            Method::GET => found(lambda.get_concurrency(&reference).await?),
            Method::PUT => found(lambda.put_concurrency(&reference, &self.body).await?),
            Method::DELETE => gone(lambda.delete_concurrency(&reference).await?),
            _ => Err(self.unknown()),
        }
    }

    /// The function of the path, with the qualifier of the query.
    fn reference(&self, name: &str) -> Answer<Reference> {
        Reference::parse(name)?.qualified(self.parameter("Qualifier"))
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A part of a list. The marker is the number of items before the page.
    fn page(&self, name: &str, items: Vec<Value>) -> Answer<Response> {
        let number = |name: &str, default: usize| match self.parameter(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| Failure::invalid(format!("`{name}={text}` is not valid"))),
        };
        let (from, most) = (number("Marker", 0)?, number("MaxItems", PAGE_MAX)?.clamp(1, PAGE_MAX));
        let next = (from.saturating_add(most) < items.len()).then(|| (from + most).to_string());
        let page = items.into_iter().skip(from).take(most).collect();
        let mut body = Map::from_iter([(name.to_owned(), Value::Array(page))]);
        body.insert("NextMarker".to_owned(), next.into());
        found(Value::Object(body))
    }

    fn unknown(&self) -> Failure {
        let message = format!("{} /{} is not supported by this endpoint", self.method, self.path.join("/"));
        Failure::new(Kind::UnknownOperation, message)
    }
}

fn found(body: Value) -> Answer<Response> {
    Ok(Json(body).into_response())
}

fn made(body: Value) -> Answer<Response> {
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

fn gone(_: Value) -> Answer<Response> {
    Ok(StatusCode::NO_CONTENT.into_response())
}
