use axum::{body::Body, http::StatusCode};
use tokio::sync::watch;
use tower::ServiceExt;
use zaki_edge_native::{HubClient, HubError, Reach};
use zaki_envelope::{
    CallId,
    signature::{KEY_HEADER, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER},
    wire::web::Want,
};

use super::*;

const SECRET: &str = "a secret of the tests that is long enough";
const ISSUER: &str = "https://id.example.org";

fn key() -> SigningKey {
    SigningKey::new("edge", SECRET)
}

/// The routes, while no hub serves: whatever is proven and can be read is answered 503.
fn desk() -> Router {
    let door = watch::Sender::new(None).subscribe();
    router(Desk { door, keys: Keyring::new([key()]), issuers: [ISSUER.to_owned()].into() })
}

/// A call as its parts, so that each can be made wrong.
struct Call {
    method: &'static str,
    path: &'static str,
    signed_path: &'static str,
    body: Vec<u8>,
    signed_body: Vec<u8>,
    key: SigningKey,
    at: Timestamp,
}

fn resolve(body: impl Into<Vec<u8>>) -> Call {
    let body = body.into();
    let path = "/edge/resolve";
    let signed_body = body.clone();
    Call {
        method: "POST",
        path,
        signed_path: path,
        body,
        signed_body,
        key: key(),
        at: clock::now(),
    }
}

fn ada() -> Vec<u8> {
    serde_json::to_vec(&ResolveRequest { who: WebIdentity::new(ISSUER, "ada") }).unwrap()
}

async fn status(call: Call) -> u16 {
    let Call { method, signed_path, signed_body, .. } = &call;
    let message = Message { method, path_and_query: signed_path, body: signed_body };
    let signed = call.key.sign(call.at, message);
    let request = Request::builder()
        .method(call.method)
        .uri(call.path)
        .header(KEY_HEADER, signed.key)
        .header(TIMESTAMP_HEADER, signed.timestamp)
        .header(SIGNATURE_HEADER, signed.signature)
        .body(Body::from(call.body))
        .unwrap();
    desk().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn only_the_edge_is_heard_and_only_for_a_while() {
    assert_eq!(status(resolve(ada())).await, 503, "proven; but no hub serves");
    let other = SigningKey::new("edge", "a secret of somebody else that is long enough");
    let hub = SigningKey::new("hub", SECRET);
    let now = clock::now();
    let wrong = [
        ("forged", Call { key: other, ..resolve(ada()) }),
        ("a hub's own", Call { key: hub, ..resolve(ada()) }),
        ("of other bytes", Call { signed_body: b"{}".to_vec(), ..resolve(ada()) }),
        ("of another path", Call { signed_path: "/edge/link", ..resolve(ada()) }),
        ("of another query", Call { path: "/edge/resolve?a=1", ..resolve(ada()) }),
        ("old", Call { at: now.plus_ms(-301_000), ..resolve(ada()) }),
        ("from the future", Call { at: now.plus_ms(310_000), ..resolve(ada()) }),
    ];
    for (what, call) in wrong {
        assert_eq!(status(call).await, 401, "{what}");
    }
    let bare = Request::post("/edge/resolve").body(Body::from(ada())).unwrap();
    assert_eq!(desk().oneshot(bare).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_not_proven_is_not_even_read() {
    let garbage = || resolve("no JSON");
    assert_eq!(status(Call { signed_body: Vec::new(), ..garbage() }).await, 401);
    assert_eq!(status(garbage()).await, 400);
}

#[tokio::test]
async fn calls_have_a_form() {
    for body in [
        String::new(),
        "{}".to_owned(),
        r#"{"who":{"issuer":"i"}}"#.to_owned(),
        r#"{"who":{"issuer":"i","subject":""}}"#.to_owned(),
        r#"{"who":{"issuer":"i","subject":"a\u0000b"}}"#.to_owned(),
        format!(r#"{{"who":{{"issuer":"i","subject":"{}"}}}}"#, "x".repeat(256)),
    ] {
        assert_eq!(status(resolve(body.clone())).await, 400, "{body}");
    }
    assert_eq!(status(resolve(vec![b' '; LONGEST + 1])).await, 413);
    for path in ["/", "/edge", "/edge/", "/edge/resolve/", "/edge/other", "/health"] {
        assert_eq!(status(Call { path, signed_path: path, ..resolve(ada()) }).await, 404, "{path}");
    }
    assert_eq!(status(Call { method: "PUT", ..resolve(ada()) }).await, 405);
}

#[tokio::test]
async fn the_edge_s_client_speaks_so() {
    let client = |key| HubClient::new(Reach::InProcess(desk()), key);
    let ada = WebIdentity::new(ISSUER, "ada");
    for said in [
        client(key()).resolve(&ada).await.map(drop),
        client(key()).link(&ada, Want::Offer).await.map(drop),
    ] {
        assert!(matches!(said, Err(HubError::Busy(503))), "{said:?}");
    }
    let refused = client(SigningKey::new("edge", "guess")).link(&ada, Want::Offer).await;
    assert!(matches!(refused, Err(HubError::Refused(401))), "{refused:?}");
}

#[test]
fn what_is_said_of_a_guest_is_in_their_language_and_not_in_a_log() {
    let who = WebIdentity {
        locale: Some("de-AT".into()),
        name: Some("Ada".into()),
        email: Some("ada@example.org".into()),
        ..WebIdentity::new(ISSUER, "ada")
    };
    let guest = Guest::of(&who).unwrap();
    assert_eq!(guest.visitor.email, None, "nobody vouches for it");
    let now = Timestamp::from_ms(1_790_000_000_000);
    let refused = guest.refused(&zaki_identity::Refusal::Closed, now);
    assert_eq!(refused.reason, WebRefusal::Closed);
    assert!(!refused.says.expose().is_empty());
    let english = Guest::of(&WebIdentity { locale: None, ..who.clone() }).unwrap();
    assert_ne!(english.refused(&zaki_identity::Refusal::Closed, now), refused);
    let blocked = guest.refused(&zaki_identity::Refusal::Blocked, now);
    assert_eq!((blocked.reason, blocked.says.expose()), (WebRefusal::Blocked, ""));
    let call = CallId::from_parts(now, 1);
    let printed = format!("{:?}", LinkRequest { call, who, want: Want::Offer });
    assert!(!printed.contains("ada"), "{printed}");
}
