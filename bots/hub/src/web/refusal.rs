//! Why a call of the edge goes no further.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use zaki_identity::DirectoryError;

use crate::http::{Unread, unavailable};

/// Why a call goes no further.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotFound,
    Method,
    /// It proves nothing. Says no more on purpose.
    Unauthorized,
    Unread(Unread),
    Malformed(&'static str),
    /// It has been made before.
    Again,
    /// No hub serves now, or the store does not answer.
    Unavailable,
}

impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        Self::Unread(unread)
    }
}

impl From<DirectoryError> for Refusal {
    fn from(error: DirectoryError) -> Self {
        tracing::error!(%error, "somebody who signs in on the web must try again");
        Self::Unavailable
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::Method => {
                let allow = (header::ALLOW, HeaderValue::from_static("POST"));
                (StatusCode::METHOD_NOT_ALLOWED, [allow]).into_response()
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED.into_response(),
            Self::Unread(unread) => unread.status().into_response(),
            Self::Malformed(rule) => (StatusCode::BAD_REQUEST, rule).into_response(),
            Self::Again => StatusCode::CONFLICT.into_response(),
            Self::Unavailable => unavailable(),
        }
    }
}
