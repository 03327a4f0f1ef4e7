//! Model calls of the sandboxes: proven by the sandbox's token, answered by the offline model or by
//! the real provider, whose key is added here and never enters a sandbox.

use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;
use zaki_envelope::SandboxName;

use crate::{EdgeError, ModelConfig, shared::Shared};

pub(crate) struct Model {
    config: ModelConfig,
}

impl Model {
    pub(crate) fn new(config: ModelConfig) -> Result<Self, EdgeError> {
        Ok(Self { config })
    }

    pub(crate) fn list(&self) -> Response {
        let model = json!({"id": self.config.name(), "object": "model", "owned_by": "zaki"});
        Json(json!({"object": "list", "data": [model]})).into_response()
    }
}

impl Shared {
    pub(crate) async fn chat(&self, _sandbox: SandboxName, _body: Bytes) -> Response {
        axum::http::StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
}
