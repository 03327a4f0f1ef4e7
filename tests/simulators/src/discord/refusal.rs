//! Discord's errors. <https://discord.com/developers/docs/topics/opcodes-and-status-codes>

use std::time::Duration;

use axum::extract::{FromRequestParts, Path};
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// An error with Discord's own code.
pub(super) struct Refusal {
    status: StatusCode,
    body: Value,
}

impl Refusal {
    fn new(status: StatusCode, code: u32, message: &str) -> Self {
        Self { status, body: json!({"message": message, "code": code}) }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 0, "401: Unauthorized")
    }

    /// What a missing or foreign `User-Agent` gets.
    pub(super) fn bad_user_agent() -> Self {
        Self::new(StatusCode::FORBIDDEN, 40_333, "internal network error")
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, 0, "404: Not Found")
    }

    pub(super) fn unknown_channel() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_003, "Unknown Channel")
    }

    pub(super) fn unknown_message() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_008, "Unknown Message")
    }

    pub(super) fn unknown_user() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_013, "Unknown User")
    }

    pub(super) fn unknown_interaction() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10_062, "Unknown interaction")
    }

    pub(super) fn already_acknowledged() -> Self {
        let message = "Interaction has already been acknowledged.";
        Self::new(StatusCode::BAD_REQUEST, 40_060, message)
    }

    pub(super) fn bad_webhook_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 50_027, "Invalid Webhook Token")
    }

    pub(super) fn empty_message() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 50_006, "Cannot send an empty message")
    }

    pub(super) fn not_the_author() -> Self {
        let message = "Cannot edit a message authored by another user";
        Self::new(StatusCode::FORBIDDEN, 50_005, message)
    }

    /// 50035 with one error at one field.
    pub(super) fn form(field: &str, code: &str, message: &str) -> Self {
        let errors = json!({field: {"_errors": [{"code": code, "message": message}]}});
        let mut refusal = Self::new(StatusCode::BAD_REQUEST, 50_035, "Invalid Form Body");
        refusal.body["errors"] = errors;
        refusal
    }

    pub(super) fn too_long(field: &str, max: usize) -> Self {
        let message = format!("Must be {max} or fewer in length.");
        Self::form(field, "BASE_TYPE_MAX_LENGTH", &message)
    }

    pub(super) fn server(status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or("Internal Server Error");
        Self::new(status, 0, &format!("{}: {reason}", status.as_u16()))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, axum::Json(self.body)).into_response()
    }
}

/// What a path names. An id that is none is refused in Discord's words.
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::from_request_parts(parts, state).await;
        let no_id = |_| Refusal::form("id", "NUMBER_TYPE_COERCE", "Value is not snowflake.");
        path.map(|Path(at)| Self(at)).map_err(no_id)
    }
}

/// 429 of a route's own bucket.
pub(super) fn rate_limited(after: Duration) -> Response {
    let body = json!({
        "message": "You are being rate limited.", "retry_after": after.as_secs_f64(),
        "global": false,
    });
    let mut response = (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    bucket(headers, "simulated", 0, after);
    headers.insert("x-ratelimit-scope", HeaderValue::from_static("user"));
    let seconds = u64::try_from(after.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

/// The headers of a route's bucket.
pub(super) fn bucket(headers: &mut HeaderMap, name: &str, remaining: u32, reset_after: Duration) {
    let reset = (crate::common::since_epoch() + reset_after).as_secs_f64();
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    put("x-ratelimit-limit", "50".to_owned());
    put("x-ratelimit-remaining", remaining.to_string());
    put("x-ratelimit-reset", format!("{reset:.3}"));
    put("x-ratelimit-reset-after", format!("{:.3}", reset_after.as_secs_f64()));
    put("x-ratelimit-bucket", name.to_owned());
}
