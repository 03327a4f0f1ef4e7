//! The Bot API's errors, worded as `tdlib/telegram-bot-api` does.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

/// An answer with `ok: false`.
pub(super) struct Refusal {
    code: u16,
    description: String,
}

impl Refusal {
    pub(super) fn bad_request(why: &str) -> Self {
        Self { code: 400, description: format!("Bad Request: {why}") }
    }

    pub(super) fn conflict(why: &str) -> Self {
        Self { code: 409, description: format!("Conflict: {why}") }
    }

    pub(super) fn forbidden(why: &str) -> Self {
        Self { code: 403, description: format!("Forbidden: {why}") }
    }

    pub(super) fn other(code: u16, description: &str) -> Self {
        Self { code, description: description.to_owned() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({"ok": false, "error_code": self.code, "description": self.description});
        (status, axum::Json(body)).into_response()
    }
}
