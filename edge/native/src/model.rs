//! Model calls of the sandboxes: proven by the sandbox's token, answered by the offline model or by
//! the real provider, whose key is added here and never enters a sandbox.

mod answer;
mod ask;
mod forward;
mod memory;
mod plan;

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};
use zaki_envelope::{SandboxName, wire::Usage};

use crate::{EdgeError, ModelConfig, clock, shared::Shared};
use forward::Provider;
pub(crate) use plan::{fails, slow_words};

/// Who answers.
enum Source {
    Offline,
    Provider(Provider),
}

/// The model as the sandboxes see it.
pub(crate) struct Model {
    name: String,
    source: Source,
}

impl Model {
    pub(crate) fn new(config: ModelConfig) -> Result<Self, EdgeError> {
        Ok(Self {
            name: config.name().to_owned(),
            source: match config {
                ModelConfig::Offline => Source::Offline,
                ModelConfig::Forward { base_url, api_key, model } => {
                    Source::Provider(Provider::new(&base_url, api_key, model)?)
                }
            },
        })
    }

    /// `GET models`: the one there is.
    pub(crate) fn list(&self) -> Response {
        let model = json!({"id": self.name, "object": "model", "owned_by": "zaki"});
        Json(json!({"object": "list", "data": [model]})).into_response()
    }
}

impl Shared {
    /// `POST chat/completions` of `sandbox`.
    pub(crate) async fn chat(self: &Arc<Self>, sandbox: SandboxName, body: Bytes) -> Response {
        let Ok(request) = serde_json::from_slice::<Value>(&body) else {
            return failure(StatusCode::BAD_REQUEST, "the body is not JSON");
        };
        let meter = Meter { shared: self.clone(), sandbox };
        match &self.model.source {
            Source::Offline => offline(&request, body.len(), &meter),
            Source::Provider(provider) => provider.forward(request, meter).await,
        }
    }
}

fn offline(request: &Value, size: usize, meter: &Meter) -> Response {
    let ask = ask::Ask::read(request, size);
    let plan = plan::plan(&ask);
    meter.count(plan.usage(&ask));
    answer::answer(&ask, plan)
}

/// Notes what a call of one sandbox used.
struct Meter {
    shared: Arc<Shared>,
    sandbox: SandboxName,
}

impl Meter {
    fn count(&self, usage: Usage) {
        let (state, sandbox) = (self.shared.state.clone(), self.sandbox.clone());
        self.shared.tasks.spawn(async move {
            if let Err(error) = state.count(sandbox, usage, clock::now()).await {
                tracing::warn!(%error, "usage.not_counted");
            }
        });
    }
}

/// An error in the shape OpenAI's clients read.
fn failure(status: StatusCode, message: &str) -> Response {
    let kind = match status.as_u16() {
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    };
    let error = json!({"error": {"message": message, "type": kind}});
    (status, Json(error)).into_response()
}
