//! A hub in miniature.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use futures::StreamExt;
use tower::ServiceExt;
use zaki_envelope::signature::{
    KEY_HEADER, Keyring, Message, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER,
};
use zaki_envelope::wire::{Budget, Origin, SseDecoder, TurnEvent, TurnEventKind, TurnRequest};
use zaki_envelope::{
    ChannelKind, ConversationKind, InboundId, Part, SandboxKind, SessionKey, Timestamp, TurnId,
    ZakiUserId,
};

/// How long any single stream may take; reached only by a defect.
const PATIENCE: Duration = Duration::from_mins(4);

pub(crate) fn key() -> SigningKey {
    SigningKey::new("hub", "a secret of the tests, long enough")
}

pub(crate) fn keys() -> Keyring {
    Keyring::new([key()])
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap())
}

pub(crate) fn user(n: u128) -> ZakiUserId {
    ZakiUserId::from_parts(Timestamp::from_ms(1_795_000_000_000), n)
}

pub(crate) fn turn(n: u128) -> TurnId {
    TurnId::from_parts(Timestamp::from_ms(1_795_000_000_000), n)
}

pub(crate) fn inbound(n: u128) -> InboundId {
    InboundId::from_parts(Timestamp::from_ms(1_795_000_000_000), n)
}

pub(crate) fn request(turn: TurnId, text: &str) -> TurnRequest {
    TurnRequest {
        turn,
        sandbox: SandboxKind::Personal,
        session: SessionKey::direct(1),
        parts: vec![Part::text(text)],
        origin: Origin::new(ChannelKind::Telegram, ConversationKind::Direct),
        budget: Budget::default(),
        model: None,
        trace: None,
    }
}

/// A request as the hub signs it.
pub(crate) fn signed(method: &str, path: &str, body: Vec<u8>) -> Request<Body> {
    let message = Message { method, path_and_query: path, body: &body };
    let signed = key().sign(now(), message);
    Request::builder()
        .method(method)
        .uri(path)
        .header(KEY_HEADER, signed.key)
        .header(TIMESTAMP_HEADER, signed.timestamp)
        .header(SIGNATURE_HEADER, signed.signature)
        .body(Body::from(body))
        .unwrap()
}

/// The whole answer.
pub(crate) async fn call(router: &Router, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, body.to_vec())
}

/// The events of an answer, until the stream ends or `enough` has been seen.
pub(crate) async fn events_until(
    router: &Router,
    request: Request<Body>,
    enough: impl Fn(&TurnEvent) -> bool,
) -> Vec<TurnEvent> {
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body().into_data_stream();
    let (mut decoder, mut events) = (SseDecoder::default(), Vec::new());
    let read = async {
        while let Some(bytes) = body.next().await {
            for event in decoder.push(&bytes.unwrap()).unwrap() {
                let stop = enough(&event);
                events.push(event);
                if stop {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the stream goes on and on");
    events
}

/// Runs a turn to its end.
pub(crate) async fn run(
    router: &Router,
    user: ZakiUserId,
    request: &TurnRequest,
) -> Vec<TurnEvent> {
    let body = serde_json::to_vec(request).unwrap();
    let request = signed("POST", &format!("/v1/users/{user}/turns"), body);
    events_until(router, request, |_| false).await
}

/// Its events after `after`.
pub(crate) async fn resume(
    router: &Router,
    user: ZakiUserId,
    turn: TurnId,
    after: u64,
) -> Vec<TurnEvent> {
    let path = format!("/v1/users/{user}/turns/{turn}?after={after}");
    events_until(router, signed("GET", &path, vec![]), |_| false).await
}

/// The text a turn ended with.
pub(crate) fn answer(events: &[TurnEvent]) -> &str {
    match events.last().map(|event| &event.kind) {
        Some(TurnEventKind::Final { text, .. }) => text,
        other => panic!("no final: {other:?}"),
    }
}
