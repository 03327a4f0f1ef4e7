use zaki_envelope::{
    SandboxKind, ZakiUserId,
    signature::{KEY_HEADER, Keyring, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER},
    wire::ErrorCode,
};

use super::*;
use crate::front::{Pause, Seal};
use crate::model::Wire;
use crate::sandbox::Generation;

const NOW: Timestamp = Timestamp::from_secs(1_000);

fn user() -> ZakiUserId {
    ZakiUserId::from_parts(Timestamp::from_ms(1), 1)
}

fn key() -> SigningKey {
    SigningKey::new("hub", [7; 32])
}

/// Every step both shells take.
fn take(
    head: Head<'_>,
    headers: &[(&str, String)],
    body: &[u8],
    now: Timestamp,
) -> Result<Request, Refusal> {
    let (keys, seal) = (Keyring::new([key()]), Seal::new([9; 32]));
    let front = Front { keys: &keys, tokens: &seal };
    let find = |name: &str| headers.iter().find(|(it, _)| *it == name).map(|(_, v)| v.as_str());
    let intake = Intake::open(head, &front, find, now)?;
    intake.close(&front, find, body, now)
}

fn signed(head: Head<'_>, body: &[u8]) -> Vec<(&'static str, String)> {
    let message = Message { method: head.method, path_and_query: head.target, body };
    let signed = key().sign(NOW, message);
    vec![
        (KEY_HEADER, signed.key),
        (TIMESTAMP_HEADER, signed.timestamp),
        (SIGNATURE_HEADER, signed.signature),
    ]
}

fn ask(method: &str, target: &str, body: &[u8]) -> Result<Request, Refusal> {
    let head = Head { method, target };
    take(head, &signed(head, body), body, NOW)
}

#[test]
fn every_bad_request_has_its_status() {
    let turns = format!("/v1/users/{}/turns", user());
    let head = Head { method: "POST", target: &turns };
    let status = |result: Result<Request, Refusal>| Answer::from(result.unwrap_err()).status;
    let good = signed(head, b"{}");
    assert_eq!(status(ask("GET", "/nowhere", b"")), 404);
    assert_eq!(status(ask("GET", "/v1/users/somebody/usage", b"")), 404);
    assert_eq!(status(ask("GET", &turns, b"")), 405);
    assert_eq!(status(take(head, &[], b"{}", NOW)), 401, "not signed");
    assert_eq!(status(take(head, &good, b"{} ", NOW)), 401, "another body");
    let other = Head { method: "POST", target: &format!("{turns}?x") };
    assert_eq!(status(take(other, &good, b"{}", NOW)), 401, "another query");
    for late in [301, -301] {
        let now = NOW.plus_ms(late * 1_000);
        assert_eq!(status(take(head, &good, b"{}", now)), 401, "{late} s");
    }
    assert_eq!(status(take(head, &good, b"{}", NOW)), 400, "no turn");
    let long = vec![b' '; 1024 * 1024 + 1];
    assert_eq!(status(take(head, &signed(head, &long), &long, NOW)), 413);
    let announced = [("content-length", long.len().to_string())];
    assert_eq!(status(take(head, &announced, b"", NOW)), 413, "before it is read");
    let announced = [("content-length", u64::MAX.to_string())];
    assert_eq!(status(take(head, &announced, b"", NOW)), 413);
}

#[test]
fn a_refusal_says_when_to_come_again_and_how() {
    let headers = |refusal| Answer::from(refusal).headers;
    assert!(headers(Refusal::Unavailable).contains(&("retry-after", "1")));
    assert!(headers(Refusal::Method { allow: "POST" }).contains(&("allow", "POST")));
    let many = Answer::from(Refusal::TooMany { after: Pause::of_ms(1_001) });
    assert_eq!((many.status, many.headers.last()), (429, Some(&("retry-after", "10"))));
    assert_eq!(headers(Refusal::NotFound).len(), 1);
}

#[test]
fn a_sandbox_is_known_by_its_token_before_its_body_and_only_where_it_belongs() {
    let name = SandboxName::new(user(), &SandboxKind::Runtime).unwrap();
    let token = Seal::new([9; 32]).token(&name, Generation(1));
    let bearer = [("authorization", format!("Bearer {token}"))];
    let head = |target| Head { method: "POST", target };
    let think = |wire| Ok(Request::Think { sandbox: name.clone(), wire });
    assert_eq!(take(head("/model/v1/chat/completions"), &bearer, b"x", NOW), think(Wire::OpenAi));
    let key = [("x-api-key", token)];
    assert_eq!(take(head("/model/v1/messages"), &key, b"x", NOW), think(Wire::Anthropic));
    let (keys, seal) = (Keyring::default(), Seal::new([9; 32]));
    let front = Front { keys: &keys, tokens: &seal };
    let stranger = Intake::open(head("/model/v1/messages"), &front, |_| None, NOW);
    assert_eq!(stranger.unwrap_err(), Refusal::Unauthorized, "nothing is read of a stranger's");
    let long = |name: &str| (name == "content-length").then_some("4000000000");
    let stranger = Intake::open(head("/model/v1/messages"), &front, long, NOW);
    assert_eq!(stranger.unwrap_err(), Refusal::Unauthorized, "nor measured");
    let wake = format!("/v1/users/{}/wake", user());
    assert_eq!(take(head(&wake), &bearer, b"", NOW), Err(Refusal::Unauthorized));
    assert_eq!(ask("POST", "/model/v1/messages", b""), Err(Refusal::Unauthorized));
}

#[test]
fn what_is_asked_for_has_a_home() {
    let personal = SandboxName::new(user(), &SandboxKind::Personal).ok();
    for (method, rest) in
        [("POST", "/wake"), ("GET", "/usage"), ("POST", "/sandbox/start"), ("DELETE", "")]
    {
        let asked = ask(method, &format!("/v1/users/{}{rest}", user()), b"").unwrap();
        assert_eq!(asked.home(), personal, "{rest}");
    }
    assert_eq!(ask("GET", "/health", b"").unwrap().home(), None);
    let stop = ask("POST", &format!("/v1/users/{}/sandbox/stop", user()), br#"{"now":true}"#);
    let Ok(Request::Operate { order, .. }) = stop else { panic!("{stop:?}") };
    assert!(order == Order::Stop { now: true } && !order.may_wake());
}

#[test]
fn a_turn_that_may_not_begin_ends_at_once() {
    let text = barred(ErrorCode::Budget, "spent", 4);
    assert!(text.starts_with("id: 5\nevent: error\n") && text.ends_with("\n\n"), "{text}");
}
