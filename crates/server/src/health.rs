//! `/healthz`: whether the node makes progress, not only whether it listens.

use crate::failure::{Answer, Failure};
use crate::front::Front;
use crate::limits;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sluice_types::Code;

/// `GET /healthz`
pub async fn check(State(front): State<Front>) -> Answer<Json<serde_json::Value>> {
    let stats = match tokio::time::timeout(limits::HEALTH_PATIENCE, front.node.stats()).await {
        Ok(stats) => stats?,
        Err(_) => {
            let waited = limits::HEALTH_PATIENCE.as_millis();
            return Err(unhealthy(Code::OVERLOADED, format!("the shard did not answer within {waited} ms")));
        }
    };
    if stats.stalled_ms > limits::STALLED_MS_MAX {
        return Err(unhealthy(
            Code::OVERLOADED,
            format!("the shard has been stuck for {} ms", stats.stalled_ms),
        ));
    }
    if stats.refusing {
        return Err(unhealthy(Code::DISK_FULL, "the log refuses new work".into()));
    }
    Ok(Json(serde_json::json!({ "status": "ok", "stalled_ms": stats.stalled_ms })))
}

fn unhealthy(code: Code, message: String) -> Failure {
    let fix = "look at the server's log and its disk; restart it if it does not recover";
    Failure::new(code, message, fix).with_status(StatusCode::SERVICE_UNAVAILABLE)
}
