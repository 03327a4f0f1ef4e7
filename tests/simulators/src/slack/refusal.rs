//! Slack's errors.

use axum::response::{IntoResponse, Response};
use serde_json::json;

/// `{"ok":false,"error":…}`, which Slack sends with status 200.
pub(super) struct Refusal(pub(super) &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        axum::Json(json!({"ok": false, "error": self.0})).into_response()
    }
}
