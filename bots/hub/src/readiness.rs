//! What `/ready` says: for load balancers by its status, for people in lines, for programs as JSON.
//!
//! What is degraded takes no hub out of service: a bot whose token was revoked is no reason to answer
//! nobody.

use std::fmt::Write;

use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::{hub::Hub, troubles::Told};

/// How a hub stands.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Readiness {
    pub ready: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What does not work, whether it is ready or not.
    pub degraded: Vec<Told>,
}

impl Readiness {
    /// Asks it; none: this process has no hub that takes work.
    pub(crate) async fn of(hub: Option<&Hub>) -> Self {
        let (why, degraded) = match hub {
            Some(hub) => (hub.ready().await.err(), hub.troubles.told()),
            None => (Some("stopping, or waiting for a lease".to_owned()), Vec::new()),
        };
        Self { ready: why.is_none(), why, degraded }
    }

    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response {
        let status = if self.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        if wants_json(headers) {
            return (status, Json(self)).into_response();
        }
        (status, self.lines()).into_response()
    }

    fn lines(&self) -> String {
        let mut lines = match &self.why {
            Some(why) => format!("{why}\n"),
            None => "ready\n".to_owned(),
        };
        for Told { what, why, .. } in &self.degraded {
            // Into a text, which takes everything.
            let _ = writeln!(lines, "{what}: {why}");
        }
        lines
    }
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_degraded_is_no_reason_not_to_be_ready() {
        let told = Told { what: "slack/main".into(), why: "a token".into(), passes: true };
        let degraded = Readiness { ready: true, why: None, degraded: vec![told] };
        assert_eq!(degraded.lines(), "ready\nslack/main: a token\n");
        assert_eq!(degraded.answer(&HeaderMap::new()).status(), StatusCode::OK);
        let why = Some("no store".to_owned());
        let not = Readiness { ready: false, why, degraded: Vec::new() };
        assert_eq!(not.lines(), "no store\n");
        assert_eq!(not.answer(&HeaderMap::new()).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
