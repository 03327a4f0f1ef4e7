//! The HTTP face: the core decides which call it is and who makes it, this answers.

mod memory;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header, request};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::{Stream, stream};
use serde_json::json;
use zaki_edge_core::front::{
    Call, Caller, Refusal, parse_answer, parse_restore, parse_retire, parse_steer, parse_turn,
};
use zaki_edge_core::sandbox::Event;
use zaki_envelope::{
    SandboxKind, SandboxName, TurnId, ZakiUserId,
    signature::Message as Signed,
    wire::{
        SIGN_OF_LIFE, SteerRequest, TurnEvent, TurnEventKind, TurnRequest, Usage, WakeAnswer,
        encode_sse,
    },
};

use crate::{
    actor::Message,
    clock,
    edge::Running,
    people::Leaving,
    steer,
    turn::{Found, Reader},
    turns::Opened,
};

/// As much of a stream goes out at once, in bytes, when there is more to tell.
const CHUNK: usize = 64 * 1024;

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// The routes, for a socket or for calls in the same process.
pub(crate) fn router(edge: Arc<Running>) -> Router {
    Router::new().fallback(answer).with_state(edge)
}

async fn answer(State(edge): State<Arc<Running>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    respond(&edge, &head, body).await.unwrap_or_else(refuse)
}

async fn respond(
    edge: &Arc<Running>,
    head: &request::Parts,
    body: Body,
) -> Result<Response, Refusal> {
    let call = Call::of(head.method.as_str(), head.uri.path(), head.uri.query())?;
    let known = if call.signs_its_body() { None } else { Some(prove(edge, &call, head, &[])?) };
    let body = tokio::time::timeout(BODY_PATIENCE, read(&call, &head.headers, body));
    let body = body.await.map_err(|_| Refusal::Malformed("the body did not arrive in time"))??;
    let caller = known.map_or_else(|| prove(edge, &call, head, &body), Ok)?;
    match (call, caller) {
        (Call::Health, _) => Ok(Json(json!({"ok": true})).into_response()),
        (Call::Turn { user }, Caller::Hub) => {
            let (sandbox, request) = parse_turn(user, &body)?;
            let turn = request.turn;
            events(edge, user, turn, Some((sandbox, request)), 0).await
        }
        (Call::Events { user, turn, after }, Caller::Hub) => {
            events(edge, user, turn, None, after).await
        }
        (Call::Abort { user, turn }, Caller::Hub) => abort(edge, user, turn).await,
        (Call::Steer { user, turn }, Caller::Hub) => {
            steered(edge, user, turn, &parse_steer(&body)?).await
        }
        (Call::Wake { user }, Caller::Hub) => wake(edge, user).await,
        (Call::Approve { user, approval }, Caller::Hub) => {
            edge.shared.approve(user, approval, parse_answer(&body)?).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        (Call::Usage { user }, Caller::Hub) => usage(edge, user).await,
        (Call::Retire { user }, Caller::Hub) => {
            Ok(left(edge.retire(user, parse_retire(&body)?.until).await?))
        }
        (Call::Reinstate { user }, Caller::Hub) => {
            edge.reinstate(user).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        (Call::Erase { user }, Caller::Hub) => Ok(left(edge.erase(user).await?)),
        (Call::Metrics, _) => Ok(edge.shared.backups.metrics().into_response()),
        (Call::Sandboxes, Caller::Hub) => memory::list(edge).await,
        (Call::Sandbox { user }, Caller::Hub) => memory::show(edge, user).await,
        (Call::Backup { user }, Caller::Hub) => memory::back_up(edge, user).await,
        (Call::Restore { user }, Caller::Hub) => {
            memory::bring_back(edge, user, parse_restore(&body)?).await
        }
        (Call::Archive { user, id }, Caller::Hub) => memory::archive(edge, user, id).await,
        (Call::Chat, Caller::Sandbox(sandbox)) => Ok(edge.shared.chat(sandbox, body).await),
        (Call::Models, Caller::Sandbox(_)) => Ok(edge.shared.model.list()),
        _ => Err(Refusal::Unauthorized),
    }
}

async fn read(call: &Call, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let limit = call.body_limit();
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Refusal::TooLarge { limit });
    }
    // The other failure is a body that broke off, and nobody is left to be answered.
    let whole = to_bytes(body, limit).await;
    whole.map_err(|_| Refusal::TooLarge { limit })
}

fn prove(
    edge: &Running,
    call: &Call,
    head: &request::Parts,
    body: &[u8],
) -> Result<Caller, Refusal> {
    let target = head.uri.path_and_query();
    let message = Signed {
        method: head.method.as_str(),
        path_and_query: target.map_or("/", axum::http::uri::PathAndQuery::as_str),
        body,
    };
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    edge.shared.admit(call, header, message)
}

async fn events(
    edge: &Running,
    user: ZakiUserId,
    turn: TurnId,
    asked: Option<(SandboxName, TurnRequest)>,
    after: u64,
) -> Result<Response, Refusal> {
    Ok(match edge.open(user, turn, asked).await? {
        Opened::Live(turn) => sse(lines(Reader::new(turn, after))),
        Opened::Ended(log) => {
            let mut chunk = String::new();
            log.after(after).iter().for_each(|event| write(&mut chunk, event));
            sse(stream::iter((!chunk.is_empty()).then(|| Ok(chunk.into()))))
        }
        Opened::Barred(code, why) => {
            let (message, usage) = (why.to_owned(), Usage::default());
            let kind = TurnEventKind::Error { code, message, usage };
            let mut chunk = String::new();
            write(&mut chunk, &TurnEvent { seq: after.saturating_add(1), kind });
            sse(stream::iter([Ok(chunk.into())]))
        }
    })
}

async fn steered(
    edge: &Running,
    user: ZakiUserId,
    turn: TurnId,
    said: &SteerRequest,
) -> Result<Response, Refusal> {
    match edge.open(user, turn, None).await {
        Ok(Opened::Live(turn)) => steer::steer(&turn, said).await?,
        Ok(Opened::Ended(log)) if log.has(said.steer) => {}
        Ok(Opened::Ended(_) | Opened::Barred(..)) | Err(Refusal::Gone) => {
            return Err(Refusal::Ended);
        }
        Err(refusal) => return Err(refusal),
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn abort(edge: &Running, user: ZakiUserId, turn: TurnId) -> Result<Response, Refusal> {
    if let Opened::Live(turn) = edge.open(user, turn, None).await? {
        let sandbox = turn.sandbox.clone();
        edge.sandboxes.tell(&sandbox, Message::Abort(turn));
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn wake(edge: &Running, user: ZakiUserId) -> Result<Response, Refusal> {
    let name = SandboxName::new(user, &SandboxKind::Personal);
    let name = name.map_err(|_| Refusal::Malformed("the sandbox has no valid name"))?;
    let held = edge.shared.people.hold(user).await;
    if held.standing.refusal().is_some() {
        return Err(Refusal::Gone);
    }
    let ready = edge.sandboxes.tell(&name, Message::Event(Event::Wake));
    Ok((StatusCode::ACCEPTED, Json(WakeAnswer { ready })).into_response())
}

async fn usage(edge: &Running, user: ZakiUserId) -> Result<Response, Refusal> {
    match edge.shared.state.used(user, clock::now()).await {
        Ok(report) => Ok(Json(report).into_response()),
        Err(error) => {
            tracing::error!(%user, %error, "usage.unreadable");
            Err(Refusal::Unavailable)
        }
    }
}

fn left(leaving: Leaving) -> Response {
    match leaving {
        Leaving::Done => StatusCode::NO_CONTENT,
        Leaving::UnderWay => StatusCode::ACCEPTED,
    }
    .into_response()
}

fn refuse(refusal: Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(json!({"error": refusal.to_string()}))).into_response();
    if let Refusal::Method { allow } = refusal {
        let allow = header::HeaderValue::from_static(allow);
        response.headers_mut().insert(header::ALLOW, allow);
    }
    if refusal == Refusal::Unavailable {
        let second = header::HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, second);
    }
    response
}

/// Events as a response that stays open until the turn's end.
fn sse(chunks: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(chunks)).into_response()
}

/// What there is goes out together; when there is nothing for a while, a sign of life does.
fn lines(reader: Reader) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::unfold(reader, |mut reader| async {
        let mut chunk = String::new();
        match tokio::time::timeout(SIGN_OF_LIFE, reader.next()).await {
            Ok(event) => write(&mut chunk, event?.as_ref()),
            Err(_) => chunk.push_str(": keep-alive\n\n"),
        }
        while chunk.len() < CHUNK
            && let Found::Event(event) = reader.take()
        {
            write(&mut chunk, &event);
        }
        Some((Ok(chunk.into()), reader))
    })
}

fn write(chunk: &mut String, event: &TurnEvent) {
    // Our own types always have a JSON form.
    if let Ok(text) = encode_sse(event) {
        chunk.push_str(&text);
    }
}
