//! Model calls of the sandboxes: proven by the sandbox's token, answered by the offline model or by
//! the real provider, whose key is added here and never enters a sandbox, and metered.

mod answer;
mod ask;
mod forward;
mod memory;
mod meter;
mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};
use zaki_edge_core::meter::{Price, session_of};
use zaki_envelope::{SandboxName, wire::ErrorCode};

use crate::{EdgeError, ModelConfig, clock, people, sandboxes, shared::Shared, turn::Turn};
use forward::Provider;
use meter::Meter;
pub(crate) use plan::{fails, slow_words};

/// Who answers.
enum Source {
    Offline,
    Provider(Provider),
}

/// The models as the sandboxes see them.
pub(crate) struct Model {
    /// The one that is used when nobody asks for another.
    default: String,
    /// The others a turn may ask for.
    choices: Vec<String>,
    prices: BTreeMap<String, Price>,
    source: Source,
}

impl Model {
    pub(crate) fn new(
        config: ModelConfig,
        choices: Vec<String>,
        prices: BTreeMap<String, Price>,
    ) -> Result<Self, EdgeError> {
        Ok(Self {
            default: config.name().to_owned(),
            choices,
            prices,
            source: match config {
                ModelConfig::Offline => Source::Offline,
                ModelConfig::Forward { base_url, api_key, .. } => {
                    Source::Provider(Provider::new(&base_url, api_key)?)
                }
            },
        })
    }

    /// Whether a turn may ask for it.
    pub(crate) fn offers(&self, name: &str) -> bool {
        name == self.default || self.choices.iter().any(|choice| choice == name)
    }

    /// `GET models`: those there are.
    pub(crate) fn list(&self) -> Response {
        let names = [&self.default].into_iter().chain(&self.choices);
        let model = |name| json!({"id": name, "object": "model", "owned_by": "zaki"});
        let models: Vec<Value> = names.map(model).collect();
        Json(json!({"object": "list", "data": models})).into_response()
    }

    /// The model of a call. In a turn it is the turn's, whatever the sandbox says: no sandbox uses
    /// a dearer one than its person has asked for.
    fn of_call<'n>(&'n self, asked: Option<&'n str>, turn: Option<&'n Turn>) -> &'n str {
        let named = match turn {
            Some(turn) => turn.request.model.as_deref(),
            None => asked,
        };
        named.filter(|name| self.offers(name)).unwrap_or(&self.default)
    }

    fn price(&self, name: &str) -> Price {
        self.prices.get(name).copied().unwrap_or_default()
    }
}

impl Shared {
    /// `POST chat/completions` of `sandbox`.
    pub(crate) async fn chat(self: &Arc<Self>, sandbox: SandboxName, body: Bytes) -> Response {
        let Ok(mut request) = serde_json::from_slice::<Value>(&body) else {
            return failure(StatusCode::BAD_REQUEST, "the body is not JSON");
        };
        let turn = self.accounts.turn_of(&sandbox, session_of(&request));
        if self.accounts.is_spent(sandbox.user(), clock::now()) {
            return refuse_spent(&sandbox, turn);
        }
        let asked = request.get("model").and_then(Value::as_str);
        let model = self.model.of_call(asked, turn.as_deref()).to_owned();
        let meter = Meter::new(self.clone(), sandbox, turn, self.model.price(&model), body.len());
        if let Some(fields) = request.as_object_mut() {
            fields.insert("model".to_owned(), json!(model));
        }
        match &self.model.source {
            Source::Offline => offline(&request, body.len(), meter),
            Source::Provider(provider) => provider.forward(request, meter).await,
        }
    }
}

/// Nothing is left to the person: their turn ends with that, as soon as its sandbox has let go
/// of it. The answer to the agent is one that it neither tries again nor remembers of the model.
fn refuse_spent(sandbox: &SandboxName, turn: Option<Arc<Turn>>) -> Response {
    tracing::info!(%sandbox, "model.budget_spent");
    if let Some(turn) = turn
        && turn.condemn(ErrorCode::Budget, people::why(ErrorCode::Budget))
        && let Some(link) = turn.link()
    {
        sandboxes::abort(link, turn);
    }
    failure(StatusCode::BAD_REQUEST, "the edge takes no more model calls for now")
}

fn offline(request: &Value, size: usize, mut meter: Meter) -> Response {
    let ask = ask::Ask::read(request, size);
    let plan = plan::plan(&ask);
    meter.told(plan.tokens(&ask));
    answer::answer(&ask, plan)
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
