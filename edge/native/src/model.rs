//! Model calls of the sandboxes: proven by the sandbox's token, answered by the offline model or by
//! the first of the real providers that does not fail, whose key is added here and never enters a
//! sandbox, and metered.

mod answer;
mod ask;
mod chain;
mod config;
mod memory;
mod meter;
mod offline;
mod plan;
mod provider;
mod seats;
mod tally;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};
use zaki_edge_core::model::{Fields, Wire, session_of, weight};
use zaki_edge_core::{front::Refusal, meter::Price, turn::why};
use zaki_envelope::{
    SandboxName, ZakiUserId,
    wire::{ErrorCode, ModelReport},
};

use crate::{EdgeError, clock, sandboxes, shared::Shared, turn::Turn};
use chain::{Chain, Nobody};
pub use config::{ForwardConfig, ModelConfig, ProviderConfig};
use meter::Meter;
pub use offline::offline_provider;
pub(crate) use seats::Seat;
use seats::Seats;

/// Why a turn ends whose model does not answer.
const NO_ANSWER: &str = "no provider of models answers";

/// Who answers.
enum Source {
    Offline,
    Providers(Chain),
}

/// The models as the sandboxes see them.
pub(crate) struct Model {
    /// The one that is used when nobody asks for another.
    default: String,
    /// The others a turn may ask for.
    choices: Vec<String>,
    prices: BTreeMap<String, Price>,
    source: Source,
    seats: Arc<Seats>,
    /// Calls that nobody was asked for, because nothing was left to their person.
    spent: AtomicU64,
    /// Calls that nobody answered.
    unanswered: AtomicU64,
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
                ModelConfig::Forward(config) => Source::Providers(Chain::new(config)?),
            },
            seats: Arc::default(),
            spent: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
        })
    }

    /// Whether a turn may ask for it.
    pub(crate) fn offers(&self, name: &str) -> bool {
        name == self.default || self.choices.iter().any(|choice| choice == name)
    }

    /// Room for one more call of `user`.
    pub(crate) async fn seat(&self, user: ZakiUserId) -> Result<Seat, Refusal> {
        self.seats.take(user).await.ok_or(Refusal::Unavailable)
    }

    /// `GET models`: those there are.
    pub(crate) fn list(&self) -> Response {
        let names = [&self.default].into_iter().chain(&self.choices);
        let model = |name| json!({"id": name, "object": "model", "owned_by": "zaki"});
        let models: Vec<Value> = names.map(model).collect();
        Json(json!({"object": "list", "data": models})).into_response()
    }

    /// `GET /v1/model`: how the providers stand.
    pub(crate) fn report(&self) -> ModelReport {
        let providers = match &self.source {
            Source::Offline => Vec::new(),
            Source::Providers(chain) => chain.report(),
        };
        ModelReport { providers, ..ModelReport::default() }
    }

    /// For `/metrics`.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::from("# TYPE zaki_model_calls_total counter\n");
        if let Source::Providers(chain) = &self.source {
            chain.providers.iter().for_each(|it| it.tally.render(&it.label, &mut text));
        }
        text.push_str("# TYPE zaki_model_provider_asked gauge\n");
        let mut failing = String::from("# TYPE zaki_model_provider_failing gauge\n");
        for it in self.report().providers {
            let (provider, asked) = (it.provider, u8::from(it.is_asked));
            let _ = writeln!(text, "zaki_model_provider_asked{{provider=\"{provider}\"}} {asked}");
            if let Some(fault) = it.fault {
                let _ = writeln!(
                    failing,
                    "zaki_model_provider_failing{{provider=\"{provider}\",fault=\"{fault}\"}} 1"
                );
            }
        }
        text.push_str(&failing);
        for (name, count) in [
            ("zaki_model_calls_over_budget_total", &self.spent),
            ("zaki_model_calls_unanswered_total", &self.unanswered),
        ] {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(text, "# TYPE {name} counter\n{name} {count}");
        }
        text
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
    /// `POST chat/completions` and `POST messages` of `sandbox`.
    pub(crate) async fn think(
        self: &Arc<Self>,
        sandbox: SandboxName,
        wire: Wire,
        body: Bytes,
        seat: Option<Seat>,
    ) -> Response {
        let whole = serde_json::from_slice::<Value>(&body);
        let (Ok(request), Ok(fields)) = (whole, serde_json::from_slice::<Fields>(&body)) else {
            return failure(wire, StatusCode::BAD_REQUEST, "the body is no JSON object");
        };
        let turn = self.accounts.turn_of(&sandbox, session_of(&request));
        let size = weight(&request, body.len());
        if self.accounts.is_spent(sandbox.user(), clock::now()) {
            self.model.spent.fetch_add(1, Ordering::Relaxed);
            tracing::info!(%sandbox, "model.budget_spent");
            end(turn, ErrorCode::Budget, why(ErrorCode::Budget));
            let why = "the edge takes no more model calls for now";
            return failure(wire, StatusCode::BAD_REQUEST, why);
        }
        let asked = request.get("model").and_then(Value::as_str);
        let model = self.model.of_call(asked, turn.as_deref()).to_owned();
        let meter = Meter::new(self.clone(), sandbox, turn.clone(), size, seat);
        match &self.model.source {
            Source::Offline if wire == Wire::OpenAi => {
                offline(request, body.len(), &model, self.model.price(&model), meter)
            }
            Source::Providers(chain) if chain.wire == wire => {
                self.forward(chain, fields, &model, turn, meter).await
            }
            _ => failure(wire, StatusCode::NOT_FOUND, "no provider here has this interface"),
        }
    }

    async fn forward(
        &self,
        chain: &Chain,
        request: Fields,
        model: &str,
        turn: Option<Arc<Turn>>,
        mut meter: Meter,
    ) -> Response {
        // A model without a price costs what it stands in for.
        let price = |theirs: &str| {
            let known = self.model.prices.get(theirs).copied();
            known.unwrap_or_else(|| self.model.price(model))
        };
        match chain.call(request, model, &mut meter, price).await {
            Ok(called) => called.pass(meter),
            Err(nobody) => {
                self.model.unanswered.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(?nobody, "model.unanswered");
                if nobody.is_lost {
                    end(turn, ErrorCode::Agent, NO_ANSWER);
                }
                unanswered(chain.wire, nobody)
            }
        }
    }
}

/// The turn of a call that is not answered ends with that, as soon as its sandbox has let go of it.
fn end(turn: Option<Arc<Turn>>, code: ErrorCode, why: &'static str) {
    if let Some(turn) = turn
        && turn.condemn(code, why)
        && let Some(link) = turn.link()
    {
        sandboxes::abort(link, turn);
    }
}

fn offline(
    mut request: Value,
    size: usize,
    model: &str,
    price: Price,
    mut meter: Meter,
) -> Response {
    if let Some(fields) = request.as_object_mut() {
        fields.insert("model".to_owned(), json!(model));
    }
    let mut ask = ask::Ask::read(&request, size);
    ask.now = clock::now();
    let plan = plan::plan(&ask);
    meter.used(plan.tokens(&ask), price);
    answer::answer(&ask, plan)
}

/// What providers say of their failures is the operator's, and may hold a piece of the key. Agents
/// try again for a minute and a half unless the status forbids it.
fn unanswered(wire: Wire, nobody: Nobody) -> Response {
    let status = if nobody.is_lost { 400 } else { nobody.status };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = failure(wire, status, NO_ANSWER);
    if let Some(after) = nobody.after.filter(|_| !nobody.is_lost) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after));
    }
    response
}

/// An error in the shape the clients of `wire` read.
fn failure(wire: Wire, status: StatusCode, message: &str) -> Response {
    (status, Json(wire.failure(status.as_u16(), message))).into_response()
}
