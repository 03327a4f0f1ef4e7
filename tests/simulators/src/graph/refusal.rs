//! Meta's errors. Clients switch on `error.code`, never on the HTTP status.
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use serde_json::{Value, json};

/// An `{"error": {...}}` answer.
pub(super) struct Refusal {
    status: u16,
    error: Value,
}

impl Refusal {
    /// (#100): a parameter is missing or wrong.
    pub(super) fn parameter(details: &str) -> Self {
        let error = json!({
            "message": format!("(#100) {details}"),
            "type": "OAuthException",
            "code": 100,
            "error_data": {"messaging_product": "whatsapp", "details": details},
        });
        Self { status: 400, error }
    }

    /// (#131009): a parameter's value is not allowed.
    pub(super) fn value(details: &str) -> Self {
        Self::whatsapp(400, 131_009, "Parameter value is not valid", details)
    }

    /// (#100) subcode 33: no such object, or no right to it.
    pub(super) fn no_such_object(verb: &str, id: &str) -> Self {
        let error = json!({
            "message": format!(
                "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be \
                 loaded due to missing permissions, or does not support this operation."
            ),
            "type": "GraphMethodException",
            "code": 100,
            "error_subcode": 33,
        });
        Self { status: 400, error }
    }

    /// (190): the token is missing or wrong.
    pub(super) fn token(message: &str) -> Self {
        let error = json!({"message": message, "type": "OAuthException", "code": 190});
        Self { status: 401, error }
    }

    /// (#130429): too many messages. Comes with HTTP 400.
    pub(super) fn throughput() -> Self {
        let details = "Message failed to send because there were too many messages sent from \
                       this phone number in a short period of time.";
        Self::whatsapp(400, 130_429, "Rate limit hit", details)
    }

    /// (#131000) or (#2): the server's own trouble.
    pub(super) fn server(status: StatusCode) -> Self {
        let error = json!({
            "message": "An unexpected error has occurred. Please retry your request later.",
            "type": "OAuthException",
            "is_transient": true,
            "code": 2,
        });
        Self { status: status.as_u16(), error }
    }

    fn whatsapp(status: u16, code: u32, title: &str, details: &str) -> Self {
        let error = json!({
            "message": format!("(#{code}) {title}"),
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": details},
        });
        Self { status, error }
    }
}

impl IntoResponse for Refusal {
    fn into_response(mut self) -> Response {
        self.error["fbtrace_id"] = json!("ASimulatedTraceId000000");
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let challenge = self.error["message"].as_str().map(str::to_owned);
        let mut response = (status, axum::Json(json!({"error": self.error}))).into_response();
        if status == StatusCode::UNAUTHORIZED
            && let Ok(value) = HeaderValue::from_str(&format!(
                "OAuth \"Facebook Platform\" \"invalid_token\" \"{}\"",
                challenge.unwrap_or_default()
            ))
        {
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        response
    }
}
