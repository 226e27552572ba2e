//! Every route, in one table.

use crate::failure::Failure;
use crate::front::Front;
use crate::{apps, events, health, metrics, objects, questions, runs, stream};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, on};
use sluice_runtime::NodeHandle;
use sluice_types::{Code, limits};
use tokio::sync::watch;

/// The description of the API. A test holds it against [`table`].
pub const OPENAPI: &str = include_str!("openapi.json");

/// One route.
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, as OpenAPI writes it, except that `{*key}` may hold slashes.
    pub path: &'static str,
    handler: MethodRouter<Front>,
}

/// Every route there is.
pub fn table() -> Vec<Route> {
    fn route<H: Handler<T, Front>, T: 'static>(method: Method, path: &'static str, handler: H) -> Route {
        let filter = MethodFilter::try_from(method.clone()).expect("only common methods are used");
        Route { method, path, handler: on(filter, handler) }
    }
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    vec![
        route(GET, "/v1/apps", apps::list),
        route(GET, "/v1/apps/{app}", apps::show),
        route(POST, "/v1/apps/{app}", apps::deploy),
        route(POST, "/v1/apps/{app}/runs", runs::start),
        route(GET, "/v1/apps/{app}/buckets/{bucket}/{*key}", objects::get),
        route(PUT, "/v1/apps/{app}/buckets/{bucket}/{*key}", objects::put),
        route(GET, "/v1/runs", runs::list),
        route(GET, "/v1/runs/{id}", runs::show),
        route(POST, "/v1/runs/{id}/seal", runs::seal),
        route(POST, "/v1/runs/{id}/cancel", runs::cancel),
        route(POST, "/v1/runs/{id}/retry", runs::retry),
        route(POST, "/v1/runs/{id}/fork", runs::fork),
        route(POST, "/v1/runs/{id}/move", runs::go_on),
        route(POST, "/v1/runs/{id}/queries/{name}", questions::query),
        route(POST, "/v1/runs/{id}/updates/{name}", questions::update),
        route(GET, "/v1/runs/{id}/history", runs::history),
        route(GET, "/v1/runs/{id}/logs", runs::logs),
        route(GET, "/v1/runs/{id}/events", stream::run),
        route(POST, "/v1/events", events::receive),
        route(POST, "/events", events::receive),
        route(GET, "/metrics", metrics::show),
        route(GET, "/healthz", health::check),
        route(GET, "/openapi.json", openapi),
    ]
}

/// The API without a socket: for embedding, and for tests. To be called within a tokio runtime.
pub fn router(node: NodeHandle, aws: &sluice_aws::Settings) -> Router {
    let (_, never) = watch::channel(false);
    with_front(Front::new(node, never), aws)
}

pub(crate) fn with_front(front: Front, aws: &sluice_aws::Settings) -> Router {
    let aws = sluice_aws::router(front.node.clone(), aws);
    let routes = table().into_iter().fold(Router::new(), |router, r| router.route(r.path, r.handler));
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(limits::REQUEST_BYTES_MAX))
        .with_state(front)
        .merge(aws)
}

async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], OPENAPI)
}

async fn no_route(uri: Uri) -> Failure {
    Failure::new(
        Code::NO_ROUTE,
        format!("there is no `{}`", uri.path()),
        "see /openapi.json for what there is",
    )
}

async fn no_method(method: Method, uri: Uri) -> Failure {
    let message = format!("`{}` cannot be asked with {method}", uri.path());
    Failure::new(Code::NO_ROUTE, message, "see /openapi.json for what there is")
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}
