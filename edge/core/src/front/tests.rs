use zaki_envelope::{
    ChannelKind, ConversationKind, Part, SandboxKind, SessionKey,
    signature::{KEY_HEADER, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER},
    wire::{ApprovalAnswer, Budget, Decision, Origin, RetireRequest, SteerRequest, TurnRequest},
};

use super::*;

fn user() -> ZakiUserId {
    ZakiUserId::from_parts(Timestamp::from_ms(1), 0xabcd_ef01_2345_6789)
}

fn turn() -> TurnId {
    TurnId::from_parts(Timestamp::from_ms(2), 8)
}

#[test]
fn every_route_is_read() {
    let (user, turn) = (user(), turn());
    let base = format!("/v1/users/{user}");
    let cases = [
        ("GET", "/health".to_owned(), None, Call::Health),
        ("POST", format!("{base}/turns"), None, Call::Turn { user }),
        ("POST", format!("{base}/wake"), None, Call::Wake { user }),
        ("POST", format!("{base}/turns/{turn}/abort"), None, Call::Abort { user, turn }),
        ("POST", format!("{base}/turns/{turn}/steer"), None, Call::Steer { user, turn }),
        ("GET", format!("{base}/turns/{turn}"), None, Call::Events { user, turn, after: 0 }),
        (
            "GET",
            format!("{base}/turns/{turn}"),
            Some("after=9"),
            Call::Events { user, turn, after: 9 },
        ),
        (
            "GET",
            format!("{base}/turns/{turn}"),
            Some("x=1&after=2"),
            Call::Events { user, turn, after: 2 },
        ),
        (
            "POST",
            format!("{base}/approvals/plugin:a-1_b.c"),
            None,
            Call::Approve { user, approval: "plugin:a-1_b.c".into() },
        ),
        ("GET", format!("{base}/usage"), None, Call::Usage { user }),
        ("POST", format!("{base}/retire"), None, Call::Retire { user }),
        ("POST", format!("{base}/reinstate"), None, Call::Reinstate { user }),
        ("DELETE", base.clone(), None, Call::Erase { user }),
        ("GET", "/v1/model".to_owned(), None, Call::Model),
        ("POST", "/model/v1/chat/completions".to_owned(), None, Call::Chat),
        ("POST", "/model/v1/messages".to_owned(), None, Call::Messages),
        ("GET", "/model/v1/models".to_owned(), None, Call::Models),
    ];
    for (method, path, query, call) in cases {
        assert_eq!(Call::of(method, &path, query), Ok(call.clone()), "{method} {path}");
        let other = if method == "GET" { "POST" } else { "GET" };
        let allow = call.method();
        assert_eq!(Call::of(other, &path, query), Err(Refusal::Method { allow }), "{other} {path}");
    }
}

#[test]
fn anything_else_is_not_found() {
    let (user, turn) = (user(), turn());
    let paths = [
        String::new(),
        "/".to_owned(),
        "health".to_owned(),
        "/health/".to_owned(),
        "/v1/users".to_owned(),
        "/v1/users//turns".to_owned(),
        "/v1/users/../turns".to_owned(),
        format!("/v1/users/{user}/"),
        format!("/v1/users/{user}/approvals"),
        format!("/v1/users/{user}/approvals/"),
        format!("/v1/users/{user}/approvals/.."),
        format!("/v1/users/{user}/approvals/a%2fb"),
        format!("/v1/users/{user}/approvals/{}", "a".repeat(129)),
        format!("/v1/users/{user}/approvals/a/b"),
        format!("/v1/users/{user}/usage/all"),
        format!("/v1/users/{user}/erase"),
        format!("/v1/users/{}/turns", user.to_string().to_uppercase()),
        format!("/v1/users/{user}/turns/"),
        format!("/v1/users/{user}/turns/x"),
        format!("/v1/users/{user}/turns/{turn}/abort/x"),
        format!("/v1/users/{user}/turns/{turn}/steal"),
        format!("/v1/users/{user}/wake/now"),
        "/model/v1".to_owned(),
        "/model/v1/models/x".to_owned(),
        "/model/v1/chat/completions/x".to_owned(),
        "/model/v2/models".to_owned(),
    ];
    for path in paths {
        for method in ["GET", "POST"] {
            assert_eq!(Call::of(method, &path, None), Err(Refusal::NotFound), "{path}");
        }
    }
    let events = format!("/v1/users/{user}/turns/{turn}");
    for query in ["after=", "after=-1", "after=x", "after=1.5"] {
        assert_eq!(Call::of("GET", &events, Some(query)), Err(Refusal::NotFound), "{query}");
    }
}

/// Admits `call` with the given headers.
fn admit(
    call: &Call,
    headers: &[(&str, &str)],
    message: Message<'_>,
    now: i64,
) -> Result<Caller, Refusal> {
    let mut tokens = Tokens::default();
    let name = SandboxName::new(user(), &SandboxKind::Personal).unwrap();
    tokens.grant("sesame", name);
    let keys = Keyring::new([SigningKey::new("k", "secret")]);
    let front = Front { keys: &keys, tokens: &tokens };
    let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
    front.admit(call, header, message, Timestamp::from_secs(now))
}

#[test]
fn hub_calls_need_the_signature_and_nothing_else_will_do() {
    let path = format!("/v1/users/{}/turns", user());
    let message = Message { method: "POST", path_and_query: &path, body: b"{}" };
    let signed = SigningKey::new("k", "secret").sign(Timestamp::from_secs(1000), message);
    let headers = [
        (KEY_HEADER, signed.key.as_str()),
        (TIMESTAMP_HEADER, signed.timestamp.as_str()),
        (SIGNATURE_HEADER, signed.signature.as_str()),
    ];
    let call = Call::Turn { user: user() };
    assert_eq!(admit(&call, &headers, message, 1000), Ok(Caller::Hub));
    assert_eq!(admit(&call, &headers, message, 1301), Err(Refusal::Unauthorized));
    let tampered = Message { body: b"{} ", ..message };
    assert_eq!(admit(&call, &headers, tampered, 1000), Err(Refusal::Unauthorized));
    let user = user();
    let calls = [
        call,
        Call::Approve { user, approval: "a".into() },
        Call::Usage { user },
        Call::Retire { user },
        Call::Reinstate { user },
        Call::Erase { user },
    ];
    for call in calls {
        for weak in [&[][..], &[("authorization", "Bearer sesame")]] {
            assert_eq!(admit(&call, weak, message, 1000), Err(Refusal::Unauthorized), "{call:?}");
        }
    }
}

#[test]
fn model_calls_need_a_sandbox_token() {
    let message =
        Message { method: "POST", path_and_query: "/model/v1/chat/completions", body: b"{}" };
    let owner = SandboxName::new(user(), &SandboxKind::Personal).unwrap();
    for call in [Call::Chat, Call::Messages, Call::Models] {
        let with = |value| admit(&call, &[("authorization", value)], message, 0);
        assert_eq!(with("Bearer sesame"), Ok(Caller::Sandbox(owner.clone())));
        for wrong in ["Bearer sesam", "sesame", "Basic sesame", "Bearer "] {
            assert_eq!(with(wrong), Err(Refusal::Unauthorized), "{wrong}");
        }
        assert_eq!(admit(&call, &[], message, 0), Err(Refusal::Unauthorized));
    }
    assert_eq!(admit(&Call::Health, &[], message, 0), Ok(Caller::Anyone));
}

#[test]
fn turn_bodies_are_checked() {
    let request = TurnRequest {
        turn: turn(),
        sandbox: SandboxKind::Personal,
        session: SessionKey::direct(1),
        parts: vec![Part::text("hi")],
        origin: Origin::new(ChannelKind::Slack, ConversationKind::Direct),
        budget: Budget::default(),
        model: None,
        trace: None,
    };
    let parse = |request: &TurnRequest| parse_turn(user(), &serde_json::to_vec(request).unwrap());
    let (name, read) = parse(&request).unwrap();
    assert_eq!((name.as_str(), &read), (format!("openclaw-{}", user()).as_str(), &request));

    let outside = SandboxKind::Project { id: "../x".into() };
    assert!(parse(&TurnRequest { sandbox: outside, ..request.clone() }).is_err());
    assert!(parse(&TurnRequest { parts: vec![], ..request }).is_err());
    assert!(parse_turn(user(), b"{").is_err());

    let steer = zaki_envelope::InboundId::from_parts(Timestamp::from_ms(3), 9);
    let request = SteerRequest { steer, parts: vec![Part::text("and")] };
    assert_eq!(parse_steer(&serde_json::to_vec(&request).unwrap()), Ok(request.clone()));
    let empty = SteerRequest { parts: vec![], ..request };
    assert!(parse_steer(&serde_json::to_vec(&empty).unwrap()).is_err());
    assert!(parse_steer(b"{}").is_err());

    let answer = ApprovalAnswer { decision: Decision::AllowOnce };
    assert_eq!(parse_answer(br#"{"decision":"allow_once"}"#), Ok(answer));
    assert!(parse_answer(br#"{"decision":"allow"}"#).is_err());
    let until = Timestamp::from_ms(7);
    assert_eq!(parse_retire(br#"{"until":7}"#), Ok(RetireRequest { until }));
    assert!(parse_retire(b"{}").is_err());
}
