//! The HTTP face. Which call it is, who makes it and how it is answered is the core's; what is done
//! is done here.

mod memory;
mod operator;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use zaki_edge_core::{
    front::{Call, Refusal},
    http::{ALIVE, Answer, CHUNK, EVENTS, Head, Intake, Request as Asked, barred, ended, write},
    sandbox::Event,
};
use zaki_envelope::{
    SandboxName, TurnId, ZakiUserId,
    wire::{SIGN_OF_LIFE, SteerRequest, TurnRequest},
};

use crate::{
    actor::Message,
    clock,
    edge::Running,
    figures::Open,
    people::Leaving,
    shared::Shared,
    steer,
    turn::{Found, Reader},
    turns::Opened,
};

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// The routes, for a socket or for calls in the same process.
pub(crate) fn router(edge: Arc<Running>) -> Router {
    Router::new().fallback(answer).with_state(edge)
}

/// The routes of sandboxes alone: nothing else is behind the socket that they get.
pub(crate) fn model_router(edge: Arc<Running>) -> Router {
    Router::new().fallback(answer_sandbox).with_state(edge)
}

async fn answer_sandbox(edge: State<Arc<Running>>, request: Request) -> Response {
    let (method, uri) = (request.method().as_str(), request.uri());
    match Call::of(method, uri.path(), uri.query()) {
        Ok(call) if call.is_of_sandboxes() => answer(edge, request).await,
        _ => whole(Refusal::NotFound.into()),
    }
}

async fn answer(State(edge): State<Arc<Running>>, request: Request) -> Response {
    let began = Instant::now();
    let (head, body) = request.into_parts();
    let call = Call::of(head.method.as_str(), head.uri.path(), head.uri.query()).ok();
    let answer = respond(&edge, &head, body).await.unwrap_or_else(|refusal| whole(refusal.into()));
    let call = call.as_ref().map(Call::name);
    edge.shared.figures.answered(call, answer.status().as_u16(), began.elapsed());
    answer
}

async fn respond(
    edge: &Arc<Running>,
    parts: &request::Parts,
    body: Body,
) -> Result<Response, Refusal> {
    let Shared { model, .. } = &*edge.shared;
    let target = parts.uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    let head = Head { method: parts.method.as_str(), target };
    let header = |name: &str| header(&parts.headers, name);
    let intake = edge.shared.front(|front| Intake::open(head, front, header, clock::now()))?;
    // A whole conversation is in memory as long as it is asked about.
    let seat = match intake.thinker() {
        Some(sandbox) => Some(model.seat(sandbox.user()).await?),
        None => None,
    };
    let limit = intake.limit();
    // The other failure is a body that broke off, and nobody is left to be answered.
    let body = tokio::time::timeout(BODY_PATIENCE, to_bytes(body, limit)).await;
    let body = body.map_err(|_| Refusal::Malformed("the body did not arrive in time"))?;
    let body = body.map_err(|_| Refusal::TooLarge { limit })?;
    let asked = edge.shared.front(|front| intake.close(front, header, &body, clock::now()))?;
    if let Asked::Think { sandbox, wire } = asked {
        return Ok(edge.shared.think(sandbox, wire, body, seat).await);
    }
    if let Asked::Keep { user, hash } = asked {
        edge.shared.keep_medium(user, hash, body).await?;
        return Ok(whole(Answer::done()));
    }
    act(edge, asked).await
}

async fn act(edge: &Arc<Running>, asked: Asked) -> Result<Response, Refusal> {
    Ok(whole(match asked {
        Asked::Turn { user, sandbox, request } => {
            let turn = request.turn;
            return events(edge, user, turn, Some((sandbox, *request)), 0).await;
        }
        Asked::Events { user, turn, after } => return events(edge, user, turn, None, after).await,
        Asked::Backup { sandbox } => return memory::back_up(edge, sandbox).await,
        Asked::Restore { sandbox, request } => {
            return memory::bring_back(edge, sandbox, request).await;
        }
        Asked::Operate { sandbox, order } => return operator::operate(edge, sandbox, order).await,
        Asked::Archive { sandbox, id } => return memory::archive(edge, &sandbox, id).await,
        Asked::Models { .. } => return Ok(edge.shared.model.list()),
        // Asked with its body; see above.
        Asked::Think { .. } | Asked::Keep { .. } => return Err(Refusal::Unauthorized),
        Asked::Media { user, hash } => {
            let bytes = edge.shared.medium(user, hash).await?;
            let kind =
                [("content-type", "application/octet-stream"), ("cache-control", "no-store")];
            return Ok((kind, bytes).into_response());
        }
        Asked::Health => Answer::health(),
        Asked::Abort { user, turn } => abort(edge, user, turn).await?,
        Asked::Steer { user, turn, said } => steered(edge, user, turn, &said).await?,
        Asked::Wake { sandbox } => wake(edge, &sandbox).await?,
        Asked::Approve { user, approval, answer } => {
            edge.shared.approve(user, approval, answer).await?;
            Answer::done()
        }
        Asked::Usage { user } => usage(edge, user).await?,
        Asked::Retire { user, until } => left(edge.retire(user, until).await?),
        Asked::Reinstate { user } => {
            edge.reinstate(user).await?;
            Answer::done()
        }
        Asked::Erase { user } => left(edge.erase(user).await?),
        Asked::Metrics => {
            let Shared { backups, model, .. } = &*edge.shared;
            let text = backups.metrics() + &model.metrics() + &edge.counts().await;
            Answer::metrics(text + &edge.figures().await)
        }
        Asked::Sandboxes => memory::list(edge).await?,
        Asked::Sandbox { sandbox } => Answer::json(&edge.report(&sandbox, true).await),
        Asked::Model => Answer::json(&edge.shared.model.report()),
    }))
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn events(
    edge: &Running,
    user: ZakiUserId,
    turn: TurnId,
    asked: Option<(SandboxName, TurnRequest)>,
    after: u64,
) -> Result<Response, Refusal> {
    Ok(match edge.open(user, turn, asked).await? {
        Opened::Live(turn) => {
            let open = edge.shared.figures.open();
            sse(lines(Reader::new(turn, after), open))
        }
        Opened::Ended(log) => whole(Answer::events(ended(&log, after))),
        Opened::Barred(code, why) => whole(Answer::events(barred(code, why, after))),
    })
}

async fn steered(
    edge: &Running,
    user: ZakiUserId,
    turn: TurnId,
    said: &SteerRequest,
) -> Result<Answer, Refusal> {
    match edge.open(user, turn, None).await {
        Ok(Opened::Live(turn)) => steer::steer(&edge.shared, &turn, said).await?,
        Ok(Opened::Ended(log)) if log.has(said.steer) => {}
        Ok(Opened::Ended(_) | Opened::Barred(..)) | Err(Refusal::Gone) => {
            return Err(Refusal::Ended);
        }
        Err(refusal) => return Err(refusal),
    }
    Ok(Answer::accepted())
}

async fn abort(edge: &Running, user: ZakiUserId, turn: TurnId) -> Result<Answer, Refusal> {
    if let Opened::Live(turn) = edge.open(user, turn, None).await? {
        let sandbox = turn.sandbox.clone();
        edge.sandboxes.tell(&sandbox, Message::Abort(turn));
    }
    Ok(Answer::accepted())
}

async fn wake(edge: &Running, name: &SandboxName) -> Result<Answer, Refusal> {
    let held = edge.shared.people.hold(name.user()).await;
    if held.standing.refusal().is_some() {
        return Err(Refusal::Gone);
    }
    Ok(Answer::woken(edge.sandboxes.tell(name, Message::Event(Event::Wake))))
}

async fn usage(edge: &Running, user: ZakiUserId) -> Result<Answer, Refusal> {
    match edge.shared.state.used(user, clock::now()).await {
        Ok(report) => Ok(Answer::json(&report)),
        Err(error) => {
            tracing::error!(%user, %error, "usage.unreadable");
            Err(Refusal::Unavailable)
        }
    }
}

fn left(leaving: Leaving) -> Answer {
    Answer::left(leaving == Leaving::Done)
}

/// An answer of the core as axum's.
fn whole(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body).into_response();
    response.headers_mut().clear();
    for (name, value) in answer.headers {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        response.headers_mut().insert(name, value);
    }
    response
}

/// Events as a response that stays open until the turn's end.
fn sse(chunks: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    (EVENTS, Body::from_stream(chunks)).into_response()
}

/// What there is goes out together; when there is nothing for a while, a sign of life does.
fn lines(reader: Reader, open: Open) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::unfold((reader, open), |(mut reader, open)| async {
        let mut chunk = String::new();
        match tokio::time::timeout(SIGN_OF_LIFE, reader.next()).await {
            Ok(event) => write(&mut chunk, event?.as_ref()),
            Err(_) => chunk.push_str(ALIVE),
        }
        while chunk.len() < CHUNK
            && let Found::Event(event) = reader.take()
        {
            write(&mut chunk, &event);
        }
        Some((Ok(chunk.into()), (reader, open)))
    })
}
