//! The Bot API's errors, worded as `tdlib/telegram-bot-api` does.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

/// An answer with `ok: false`.
pub(super) struct Refusal {
    code: u16,
    description: String,
    parameters: Value,
}

impl Refusal {
    pub(super) fn bad_request(why: &str) -> Self {
        Self::other(400, &format!("Bad Request: {why}"))
    }

    pub(super) fn conflict(why: &str) -> Self {
        Self::other(409, &format!("Conflict: {why}"))
    }

    pub(super) fn forbidden(why: &str) -> Self {
        Self::other(403, &format!("Forbidden: {why}"))
    }

    /// A group that is a supergroup by now, under another id.
    pub(super) fn moved(to: i64) -> Self {
        let parameters = json!({"migrate_to_chat_id": to});
        let why = "group chat was upgraded to a supergroup chat";
        Self { parameters, ..Self::bad_request(why) }
    }

    pub(super) fn other(code: u16, description: &str) -> Self {
        Self { code, description: description.to_owned(), parameters: Value::Null }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body =
            json!({"ok": false, "error_code": self.code, "description": self.description});
        if !self.parameters.is_null() {
            body["parameters"] = self.parameters;
        }
        (status, axum::Json(body)).into_response()
    }
}
