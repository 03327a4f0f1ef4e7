//! The hub's listener: webhooks in, health out. Acknowledges only what the ledger has committed.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Path, Request as HttpRequest, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use zaki_channel::{Answer, Batch, Dead, Parsed, Refusal, Request, Webhook};
use zaki_envelope::ChannelKind;

use crate::{
    accounts::Account,
    clock,
    counters::{Counters, Outcome},
    export,
    hub::Hub,
    readiness::Readiness,
    replica::Door,
};

/// How long a slow client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// What the routes work on.
struct Listener {
    door: Door,
    counters: Arc<Counters>,
}

/// All routes.
pub(crate) fn router(door: Door, counters: Arc<Counters>) -> Router {
    Router::new()
        .route("/webhooks/{channel}/{account}", any(webhook))
        .route("/webhooks/{channel}/{account}/{*route}", any(webhook))
        .route("/export/{token}", any(export))
        .route("/health", get(async || "ok"))
        .route("/ready", get(ready))
        .route("/metrics", get(async |State(at): Serving| at.counters.render()))
        .with_state(Arc::new(Listener { door, counters }))
}

type Serving = State<Arc<Listener>>;

impl Listener {
    fn hub(&self) -> Option<Arc<Hub>> {
        serving(&self.door)
    }
}

/// The hub that may take work now.
pub(crate) fn serving(door: &Door) -> Option<Arc<Hub>> {
    door.borrow().clone().filter(|hub| !hub.closing.is_cancelled())
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    TooLarge,
    TooSlow,
}

impl Unread {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// A whole body, which may have so many bytes.
pub(crate) async fn read(body: Body, most: usize) -> Result<Bytes, Unread> {
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, most)).await;
    read.map_err(|_| Unread::TooSlow)?.map_err(|_| Unread::TooLarge)
}

async fn ready(State(at): Serving, headers: HeaderMap) -> Response {
    Readiness::of(at.hub().as_deref()).await.answer(&headers)
}

/// A look at the headers is no download, and must not use the address up.
async fn export(
    State(at): Serving,
    method: Method,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    match at.hub() {
        _ if method != Method::GET => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        Some(hub) => export::download(&hub, &token, &headers).await,
        None => unavailable(),
    }
}

type Segments = Path<Vec<(String, String)>>;

async fn webhook(State(at): Serving, Path(path): Segments, request: HttpRequest) -> Response {
    let Some(hub) = at.hub() else { return unavailable() };
    let segment = |name| path.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let (Some(channel), Some(name)) = (segment("channel"), segment("account")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let route = segment("route").map(|rest| format!("/{rest}")).unwrap_or_default();
    let found = channel.parse::<ChannelKind>().ok().and_then(|kind| hub.accounts.find(kind, name));
    let Some((account, hook)) =
        found.and_then(|account| Some((account, account.webhook.as_deref()?)))
    else {
        let said = format!("no account `{name}` of `{channel}` takes webhooks here\n");
        return (StatusCode::NOT_FOUND, said).into_response();
    };
    let (outcome, response) = receive(&hub, account, hook, &route, request).await;
    hub.counters.count(account.label(), outcome);
    response
}

/// Reads, proves, parses and stores one request; returns the outcome for the counters.
async fn receive(
    hub: &Arc<Hub>,
    account: &Account,
    hook: &dyn Webhook,
    route: &str,
    request: HttpRequest,
) -> (Outcome, Response) {
    let (parts, body) = request.into_parts();
    let body = match read(body, hook.max_body()).await {
        Ok(body) => body,
        Err(unread) => {
            let outcome = match unread {
                Unread::TooLarge => Outcome::TooLarge,
                Unread::TooSlow => Outcome::TooSlow,
            };
            return (outcome, unread.status().into_response());
        }
    };
    let request = Request {
        method: &parts.method,
        route,
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: &body,
    };
    if let Some(answer) = hook.greet(&request) {
        return (Outcome::Greeted, respond(&answer));
    }
    let received_at = clock::now();
    let verified = match request.verify(&hook.proof(), received_at) {
        Ok(verified) => verified,
        Err(refusal) => return (Outcome::Refused, refuse(account, refusal)),
    };
    if !hook.is_ready() {
        return (Outcome::Unavailable, unavailable());
    }
    let parsed = hook.parse(verified, received_at).unwrap_or_else(|error| {
        tracing::warn!(account = account.label(), %error, "kept as a dead letter");
        Parsed {
            dead: vec![Dead { reason: error.to_string(), raw: body.to_vec() }],
            ..Parsed::default()
        }
    });
    let answer = parsed.answer.clone();
    let batch = Batch { raw: body.to_vec(), received_at, parsed, cursor: None };
    match hub.accept(account, batch).await {
        Ok(()) => (Outcome::Accepted, respond(&answer)),
        Err(error) => {
            tracing::error!(account = account.label(), %error, "not stored, so not acknowledged");
            (Outcome::Unavailable, unavailable())
        }
    }
}

fn refuse(account: &Account, refusal: Refusal) -> Response {
    tracing::warn!(account = account.label(), %refusal, "webhook refused");
    StatusCode::UNAUTHORIZED.into_response()
}

/// To be asked again soon.
pub(crate) fn unavailable() -> Response {
    let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn respond(answer: &Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let content_type: (HeaderName, &str) = (header::CONTENT_TYPE, answer.content_type);
    (status, [content_type], Body::from(answer.body.clone())).into_response()
}
