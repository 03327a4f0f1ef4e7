//! The model's door: a sandbox calls with its own token, the key is added here, what was used is
//! counted here.

use std::rc::Rc;

use futures::{StreamExt, stream};
use serde_json::Value;
use worker::{ByteStream, Fetch, Headers, Method, Response, Result};
use zaki_edge_core::{
    breaker::Fault,
    http::Answer,
    meter::{Price, Reader},
    model::{Fields, Verdict, Wire, begins_with_failure, later_ms, session_of, verdict, weight},
    sandbox::Generation,
    turn::why,
};
use zaki_envelope::{
    TurnId,
    wire::{ErrorCode, Usage},
};

use super::{object::Object, turn::Turn};
use crate::{
    breakers::{self, Leave},
    clock,
    config::{Config, Provider},
    convert, report,
};

/// How long a provider may take to begin an answer, in milliseconds.
const SILENCE: u64 = 60_000;
/// Why a turn ends whose model does not answer.
const NO_ANSWER: &str = "no provider of models answers";

/// What a provider has begun to answer.
struct Begun {
    status: u16,
    kind: String,
    first: Vec<u8>,
    rest: ByteStream,
}

impl Object {
    /// Which models there are.
    pub(super) fn models(&self) -> Result<Response> {
        let config = self.config()?;
        let names = [&config.model].into_iter().chain(&config.choices);
        let of = |name| serde_json::json!({"id": name, "object": "model", "owned_by": "zaki"});
        let data: Vec<Value> = names.map(of).collect();
        convert::whole(Answer::json(&serde_json::json!({"object": "list", "data": data})))
    }

    /// One call. `generation`: of the start whose token was shown.
    pub(super) async fn think(
        self: &Rc<Self>,
        wire: Wire,
        generation: Generation,
        body: &[u8],
    ) -> Result<Response> {
        if generation != self.generation() {
            return refuse(wire, 401, "this sandbox has been started anew");
        }
        let whole = serde_json::from_slice::<Value>(body);
        let (Ok(request), Ok(fields)) = (whole, serde_json::from_slice::<Fields>(body)) else {
            return refuse(wire, 400, "the body is no JSON object");
        };
        let config = self.config()?;
        let turn = self.turn_of(session_of(&request));
        let now = clock::now();
        if self.with(|life| life.left.is_some_and(|left| left.is_spent(now))) == Some(true) {
            if let Some(turn) = &turn {
                turn.change(|it| it.condemn((ErrorCode::Budget, why(ErrorCode::Budget))));
                self.abort(turn);
            }
            return refuse(wire, 400, "the edge takes no more model calls for now");
        }
        let named = match &turn {
            Some(turn) => turn.request.model.as_deref(),
            None => request.get("model").and_then(Value::as_str),
        };
        let model = named.filter(|name| config.offers(name)).unwrap_or(&config.model).to_owned();
        let size = weight(&request, body.len());
        self.ask(&config, wire, fields, &model, (turn, size)).await
    }

    /// The turn that a model call belongs to: the one of its session, or, when the call does not say
    /// which, the only one there is.
    fn turn_of(&self, session: Option<&str>) -> Option<Rc<Turn>> {
        let turns = self.turns.borrow();
        match session {
            Some(it) => turns.values().find(|turn| turn.request.session.as_str() == it).cloned(),
            None if turns.len() == 1 => turns.values().next().cloned(),
            None => None,
        }
    }

    /// Asks one provider after the other, as their breakers say.
    async fn ask(
        self: &Rc<Self>,
        config: &Config,
        wire: Wire,
        fields: Fields,
        model: &str,
        (turn, size): (Option<Rc<Turn>>, usize),
    ) -> Result<Response> {
        let Some(user) = self.with(|life| life.name.user()) else {
            return refuse(wire, 503, "not now; try again");
        };
        let able = config.providers.iter().filter(|provider| provider.wire() == wire);
        let mut may_pass = false;
        for provider in able.clone() {
            let Some(theirs) = provider.models.get(model) else { continue };
            let Some(leave) = Leave::of(&provider.name, user) else {
                may_pass |= breakers::fault(&provider.name) != Some(Fault::Refused);
                continue;
            };
            let mut call = fields.clone();
            if wire.prepare(&mut call, theirs).is_err() {
                return refuse(wire, 400, "the call cannot be passed on");
            }
            let body = serde_json::to_vec(&call).unwrap_or_default();
            let begun = attempt(provider, wire, &body, leave).await;
            self.tell_breakers();
            let begun = match begun {
                Ok(begun) => begun,
                Err(fault) => {
                    may_pass |= fault.is_some_and(|fault| fault != Fault::Refused);
                    continue;
                }
            };
            report::event(&self.env, "model.asked", &provider.name, f64::from(begun.status));
            let meter = Meter {
                object: self.clone(),
                turn: turn.as_ref().map(|turn| turn.id()),
                price: provider.price(),
                reader: Some(Reader::default()),
                size,
                counted: Usage::default(),
            };
            return begun.pass(meter);
        }
        report::event(&self.env, "model.unanswered", model, 1.0);
        if may_pass && !able.into_iter().all(|it| breakers::is_lost(&it.name)) {
            return refuse(wire, 503, NO_ANSWER);
        }
        // That is not over in the time somebody waits, and agents try again for a minute and a half
        // unless the status forbids it.
        if let Some(turn) = turn {
            turn.change(|it| it.condemn((ErrorCode::Agent, NO_ANSWER)));
            self.abort(&turn);
        }
        refuse(wire, 400, NO_ANSWER)
    }
}

/// Asks one; an error: another one may do. `None`: this one does not have it.
async fn attempt(
    provider: &Provider,
    wire: Wire,
    body: &[u8],
    leave: Leave,
) -> std::result::Result<Begun, Option<Fault>> {
    let sent = clock::timeout(SILENCE, send(provider, wire, body)).await;
    let mut answer = match sent {
        Some(Ok(answer)) => answer,
        Some(Err(_)) => {
            leave.failed(Fault::Unreachable, None);
            return Err(Some(Fault::Unreachable));
        }
        None => {
            leave.failed(Fault::Silent, None);
            return Err(Some(Fault::Silent));
        }
    };
    let status = answer.status_code();
    match verdict(status) {
        Verdict::Answer => {}
        Verdict::Elsewhere => {
            leave.answered();
            return Err(None);
        }
        Verdict::Failing(fault) => {
            let later = answer.headers().get("retry-after").ok().flatten();
            leave.failed(fault, later.as_deref().and_then(later_ms));
            return Err(Some(fault));
        }
    }
    let kind = answer.headers().get("content-type").ok().flatten().unwrap_or_default();
    // Dropped without a word, the leave is let go.
    let mut rest = answer.stream().map_err(|_| Some(Fault::Broken))?;
    let first = match clock::timeout(SILENCE, rest.next()).await {
        Some(Some(Ok(first))) => first,
        Some(None) => Vec::new(),
        Some(Some(Err(_))) | None => {
            leave.failed(Fault::Silent, None);
            return Err(Some(Fault::Silent));
        }
    };
    if begins_with_failure(&first) {
        leave.failed(Fault::Broken, None);
        return Err(Some(Fault::Broken));
    }
    leave.answered();
    Ok(Begun { status, kind, first, rest })
}

async fn send(provider: &Provider, wire: Wire, body: &[u8]) -> Result<Response> {
    let key = provider.key.as_deref().unwrap_or_default();
    let bearer = format!("Bearer {key}");
    let mut headers = vec![("content-type", "application/json")];
    match wire {
        Wire::OpenAi => headers.push(("authorization", &bearer)),
        Wire::Anthropic => {
            headers.extend([("x-api-key", key), ("anthropic-version", "2023-06-01")]);
        }
    }
    let url = format!("{}{}", provider.url, wire.path());
    Fetch::Request(convert::call(&url, Method::Post, &headers, Some(body))?).send().await
}

/// Counts what passes, and what a call has used that broke off.
struct Meter {
    object: Rc<Object>,
    turn: Option<TurnId>,
    price: Price,
    reader: Option<Reader>,
    size: usize,
    counted: Usage,
}

impl Meter {
    fn pass(&mut self, bytes: &[u8]) {
        if let Some(tokens) = self.reader.as_mut().and_then(|reader| reader.passed(bytes)) {
            let used = tokens.usage(&self.price);
            self.count(used);
        }
    }

    /// Counts what is new of it.
    fn count(&mut self, used: Usage) {
        let more = Usage {
            input_tokens: used.input_tokens.saturating_sub(self.counted.input_tokens),
            output_tokens: used.output_tokens.saturating_sub(self.counted.output_tokens),
            cost_micros: used.cost_micros.saturating_sub(self.counted.cost_micros),
        };
        if more.is_nothing() {
            return;
        }
        self.counted += more;
        let live = self.turn.and_then(|turn| self.object.live(turn));
        let told = live.filter(|turn| turn.change(|progress| progress.spend(more)));
        let turn = told.map(|turn| turn.id());
        self.object.with(|life| life.left.as_mut().map(|left| left.spend(more)));
        let kept = self.object.store().and_then(|it| it.count(turn, more, clock::now()));
        if let Err(error) = kept {
            report::failure("usage.not_counted", &error);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            let used = reader.ended(self.size).usage(&self.price);
            self.count(used);
        }
    }
}

impl Begun {
    fn pass(self, mut meter: Meter) -> Result<Response> {
        let headers = Headers::new();
        headers.set("content-type", &self.kind)?;
        meter.pass(&self.first);
        let rest = self.rest.map(move |piece| {
            if let Ok(bytes) = &piece {
                meter.pass(bytes);
            }
            piece
        });
        let pieces = stream::iter([Ok(self.first)]).chain(rest);
        Response::builder().with_status(self.status).with_headers(headers).from_stream(pieces)
    }
}

fn refuse(wire: Wire, status: u16, message: &str) -> Result<Response> {
    convert::whole(Answer::with(status, &wire.failure(status, message)))
}
