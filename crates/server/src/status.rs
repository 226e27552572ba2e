//! Which HTTP status a code has.

use axum::http::StatusCode;
use sluice_types::Code;

/// The status of an answer with this code. Codes of failed runs never travel as the error of a request, and codes not
/// in this table are the server's fault.
pub fn of(code: Code) -> StatusCode {
    match code {
        Code::APP_SYNTAX
        | Code::APP_INVALID
        | Code::CYCLE_OF_JOINS
        | Code::BAD_REQUEST
        | Code::EXPRESSION_INVALID
        | Code::EVENT_INVALID
        | Code::USAGE => StatusCode::BAD_REQUEST,
        Code::UNAUTHORIZED => StatusCode::UNAUTHORIZED,
        Code::FORBIDDEN_ORIGIN => StatusCode::FORBIDDEN,
        Code::UNKNOWN_NAME | Code::UNKNOWN_RUN | Code::UNKNOWN_OBJECT | Code::NO_ROUTE => {
            StatusCode::NOT_FOUND
        }
        Code::RUN_ID_CONFLICT
        | Code::RUN_SEALED
        | Code::RUN_ENDED
        | Code::WORKFLOW_DIVERGED
        | Code::FORK_REFUSED
        | Code::OBJECT_CONFLICT
        | Code::TRIGGER_STATE_WOULD_BE_LOST => StatusCode::CONFLICT,
        Code::OBJECT_RELEASED => StatusCode::GONE,
        Code::LIMIT_EXCEEDED => StatusCode::PAYLOAD_TOO_LARGE,
        Code::FILE_NOT_FOUND | Code::PROGRAM_MISSING | Code::HOST_LACKS => StatusCode::UNPROCESSABLE_ENTITY,
        Code::OVERLOADED => StatusCode::TOO_MANY_REQUESTS,
        Code::DISK_FULL => StatusCode::INSUFFICIENT_STORAGE,
        Code::OUTCOME_UNKNOWN | Code::SHUTTING_DOWN | Code::SERVER_UNREACHABLE => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
