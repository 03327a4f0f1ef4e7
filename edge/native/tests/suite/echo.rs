//! Everything about the wire that needs no real sandbox.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use zaki_edge_native::{Edge, EdgeConfig, Load, ModelConfig, RuntimeChoice};
use zaki_envelope::Part;
use zaki_envelope::wire::{
    Budget, ErrorCode, SteerRequest, TurnEvent, TurnEventKind, TurnRequest, WakeAnswer,
};

use crate::client::*;
use crate::sandboxes::until;

async fn edge(dir: &tempfile::TempDir) -> Edge {
    let config = EdgeConfig::new(dir.path(), keys(), RuntimeChoice::Echo, ModelConfig::Offline);
    Edge::start(config).await.unwrap()
}

#[tokio::test]
async fn a_turn_is_answered_and_can_be_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    let events = run(&router, user(1), &request(turn(1), "hello")).await;
    assert_eq!(answer(&events), "echo: hello");
    let told: Vec<_> = events.iter().filter(|e| e.seq > 0).collect();
    assert_eq!(told.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2]);
    assert!(matches!(&told[0].kind, TurnEventKind::Started { agent } if agent.name == "echo"));

    let again = resume(&router, user(1), turn(1), 0).await;
    assert_eq!(again.iter().collect::<Vec<_>>(), told);
    assert_eq!(resume(&router, user(1), turn(1), 1).await, again[1..]);
    assert_eq!(resume(&router, user(1), turn(1), 2).await, []);
    edge.shutdown().await;
}

async fn steer(router: &axum::Router, n: u128, steer: u128, text: &str) -> StatusCode {
    let path = format!("/v1/users/{}/turns/{}/steer", user(1), turn(n));
    let said = SteerRequest { steer: inbound(steer), parts: vec![Part::text(text)] };
    let body = serde_json::to_vec(&said).unwrap();
    call(router, signed("POST", &path, body)).await.0
}

#[tokio::test]
async fn what_is_steered_in_is_answered_once_and_in_the_same_turn() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    let body = serde_json::to_vec(&request(turn(1), "SLOW:20x50")).unwrap();
    let asked = signed("POST", &format!("/v1/users/{}/turns", user(1)), body);
    events_until(&router, asked, |event| event.seq >= 2).await;
    for _ in 0..2 {
        assert_eq!(steer(&router, 1, 1, "and this").await, StatusCode::ACCEPTED);
    }
    let events = resume(&router, user(1), turn(1), 0).await;
    let said = answer(&events);
    assert!(said.starts_with("word0 word1 ") && said.contains("word19"), "{said}");
    assert_eq!(said.matches("echo: and this").count(), 1, "{said}");
    let told = |event: &&TurnEvent| event.kind == TurnEventKind::Steered { steer: inbound(1) };
    assert_eq!(events.iter().filter(told).count(), 1);

    // After the end: what was taken stays taken, and nothing else is.
    let after = async |steered, text| steer(&router, 1, steered, text).await;
    assert_eq!(after(1, "and this").await, StatusCode::ACCEPTED);
    assert_eq!(after(2, "late").await, StatusCode::CONFLICT);
    assert_eq!(steer(&router, 7, 1, "no such turn").await, StatusCode::NOT_FOUND);
    edge.shutdown().await;

    let edge = self::edge(&dir).await;
    assert_eq!(steer(&edge.router(), 1, 1, "and this").await, StatusCode::ACCEPTED);
    assert_eq!(steer(&edge.router(), 1, 2, "late").await, StatusCode::CONFLICT);
    edge.shutdown().await;
}

#[tokio::test]
async fn a_slow_turn_can_be_stopped_and_keeps_what_was_steered_in() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    let body = serde_json::to_vec(&request(turn(1), "SLOW:1000x50")).unwrap();
    let asked = signed("POST", &format!("/v1/users/{}/turns", user(1)), body);
    events_until(&router, asked, |event| event.seq >= 2).await;
    assert_eq!(steer(&router, 1, 1, "and this").await, StatusCode::ACCEPTED);
    let path = format!("/v1/users/{}/turns/{}/abort", user(1), turn(1));
    assert_eq!(call(&router, signed("POST", &path, vec![])).await.0, StatusCode::ACCEPTED);
    let events = resume(&router, user(1), turn(1), 0).await;
    let TurnEventKind::Final { text, aborted: true, .. } = &events.last().unwrap().kind else {
        panic!("{events:?}")
    };
    assert!(text.contains("echo: and this"), "{text}");
    edge.shutdown().await;
}

#[tokio::test]
async fn a_turn_can_be_told_to_fail() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let events = run(&edge.router(), user(1), &request(turn(1), "FAIL:500")).await;
    let end = &events.last().unwrap().kind;
    assert!(matches!(end, TurnEventKind::Error { code: ErrorCode::Agent, .. }), "{end:?}");
    edge.shutdown().await;
}

#[tokio::test]
async fn a_turn_that_may_not_run_says_why_and_is_kept_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    let asked = request(turn(1), "hello");
    let spent = Budget { cost_micros: Some(0), ..Budget::default() };
    for (barred, why) in [
        (TurnRequest { model: Some("dear".into()), ..asked.clone() }, ErrorCode::Model),
        (TurnRequest { budget: spent, ..asked.clone() }, ErrorCode::Budget),
    ] {
        let events = run(&router, user(1), &barred).await;
        let [TurnEvent { seq: 1, kind: TurnEventKind::Error { code, .. } }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(*code, why);
        let path = format!("/v1/users/{}/turns/{}", user(1), turn(1));
        assert_eq!(call(&router, signed("GET", &path, vec![])).await.0, StatusCode::NOT_FOUND);
    }
    let budget = Budget { tokens: Some(1), ..Budget::default() };
    let model = Some("offline".to_owned());
    let may = TurnRequest { budget, model, ..asked };
    assert_eq!(answer(&run(&router, user(1), &may).await), "echo: hello");
    let barred = TurnRequest { model: Some("dear".into()), ..may };
    assert_eq!(answer(&run(&router, user(1), &barred).await), "echo: hello", "it has run");
    edge.shutdown().await;
}

#[tokio::test]
async fn the_same_turn_never_runs_twice_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = edge(&dir).await;
    let events = run(&first.router(), user(1), &request(turn(1), "first")).await;
    first.shutdown().await;

    let second = edge(&dir).await;
    let again = run(&second.router(), user(1), &request(turn(1), "another text")).await;
    assert_eq!(answer(&again), answer(&events), "the turn that ran is the one that answers");
    second.shutdown().await;
}

/// Whoever runs beside this test may take the port meanwhile, but not every time.
#[tokio::test]
async fn the_port_of_the_last_time_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut ports = Vec::new();
    for _ in 0..6 {
        let edge = edge(&dir).await;
        ports.push(edge.local_addr().port());
        edge.shutdown().await;
    }
    assert!(ports.windows(2).any(|pair| pair[0] == pair[1]), "{ports:?}");
}

#[tokio::test]
async fn people_who_are_done_leave_nothing_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    for n in 0..500 {
        run(&router, user(n), &request(turn(n), "hello")).await;
    }
    let nothing = Load { turns: 0, sandboxes: 0 };
    until("the record of every turn", || (edge.load() == nothing).then_some(())).await;
    assert_eq!(answer(&resume(&router, user(7), turn(7), 0).await), "echo: hello");
    until("nothing again", || (edge.load() == nothing).then_some(())).await;
    edge.shutdown().await;
}

#[tokio::test]
async fn nobody_reaches_another_persons_turn() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    run(&router, user(1), &request(turn(1), "mine")).await;
    let path = format!("/v1/users/{}/turns/{}", user(2), turn(1));
    assert_eq!(call(&router, signed("GET", &path, vec![])).await.0, StatusCode::NOT_FOUND);
    let abort = signed("POST", &format!("{path}/abort"), vec![]);
    assert_eq!(call(&router, abort).await.0, StatusCode::NOT_FOUND);
    let said = SteerRequest { steer: inbound(1), parts: vec![Part::text("x")] };
    let said = serde_json::to_vec(&said).unwrap();
    let steer = signed("POST", &format!("{path}/steer"), said);
    assert_eq!(call(&router, steer).await.0, StatusCode::NOT_FOUND);
    // The same id of another person is another turn.
    let events = run(&router, user(2), &request(turn(1), "yours")).await;
    assert_eq!(answer(&events), "echo: yours");
    edge.shutdown().await;
}

#[tokio::test]
async fn what_is_not_signed_or_not_right_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    let path = format!("/v1/users/{}/turns", user(1));
    let body = serde_json::to_vec(&request(turn(1), "x")).unwrap();
    let mut tampered = signed("POST", &path, body.clone());
    *tampered.body_mut() = Body::from([body.as_slice(), b" "].concat());
    let unsigned = |path: &str| Request::post(path).body(Body::from(body.clone())).unwrap();
    let large = vec![b' '; 1024 * 1024 + 1];
    let mut announced = unsigned("/model/v1/chat/completions");
    announced.headers_mut().insert("content-length", "4000000000".parse().unwrap());
    let cases = [
        (unsigned(&path), StatusCode::UNAUTHORIZED),
        (tampered, StatusCode::UNAUTHORIZED),
        (unsigned("/model/v1/chat/completions"), StatusCode::UNAUTHORIZED),
        // A stranger is turned away before the body is so much as measured.
        (announced, StatusCode::UNAUTHORIZED),
        (signed("POST", "/model/v1/chat/completions", vec![]), StatusCode::UNAUTHORIZED),
        (signed("POST", &path, b"{".to_vec()), StatusCode::BAD_REQUEST),
        (signed("POST", &path, large), StatusCode::PAYLOAD_TOO_LARGE),
        (signed("GET", &path, vec![]), StatusCode::METHOD_NOT_ALLOWED),
        (signed("POST", "/v1/users/../turns", vec![]), StatusCode::NOT_FOUND),
        (signed("POST", "/v1/users/x/turns", body.clone()), StatusCode::NOT_FOUND),
    ];
    for (request, status) in cases {
        let what = format!("{} {}", request.method(), request.uri());
        assert_eq!(call(&router, request).await.0, status, "{what}");
    }
    let unknown = format!("/v1/users/{}/turns/{}", user(1), turn(1));
    let unknown = signed("GET", &unknown, vec![]);
    assert_eq!(call(&router, unknown).await.0, StatusCode::NOT_FOUND, "nothing ran");
    edge.shutdown().await;
}

#[tokio::test]
async fn waking_and_health_answer() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    let health = Request::get("/health").body(Body::empty()).unwrap();
    assert_eq!(call(&router, health).await.0, StatusCode::OK);
    let wake = || signed("POST", &format!("/v1/users/{}/wake", user(1)), vec![]);
    let (status, body) = call(&router, wake()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let _: WakeAnswer = serde_json::from_slice(&body).unwrap();
    run(&router, user(1), &request(turn(1), "x")).await;
    let (_, body) = call(&router, wake()).await;
    assert!(serde_json::from_slice::<WakeAnswer>(&body).unwrap().ready);
    edge.shutdown().await;
}

#[tokio::test]
async fn the_socket_serves_the_same_routes() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let url = format!("http://{}", edge.local_addr());
    let path = format!("/v1/users/{}/turns", user(1));
    let body = serde_json::to_vec(&request(turn(1), "over a socket")).unwrap();
    let (head, _) = signed("POST", &path, body.clone()).into_parts();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = client.post(format!("{url}{path}")).headers(head.headers).body(body);
    let text = post.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("echo: over a socket"), "{text}");
    edge.shutdown().await;
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = EdgeConfig::new(dir.path(), keys(), RuntimeChoice::Echo, ModelConfig::Offline);
    config.listen = taken.local_addr().unwrap();
    let error = Edge::start(config).await.err().unwrap().to_string();
    assert!(error.contains(&config_address(&taken)) && error.contains("edge.listen"), "{error}");
}

fn config_address(listener: &std::net::TcpListener) -> String {
    listener.local_addr().unwrap().to_string()
}

/// Not a test: prints what a turn through the edge costs. `--release -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn how_long_a_turn_takes() {
    let dir = tempfile::tempdir().unwrap();
    let edge = edge(&dir).await;
    let router = edge.router();
    let mut times = Vec::new();
    for n in 0..1_000 {
        let began = std::time::Instant::now();
        run(&router, user(1), &request(turn(n), "hello")).await;
        times.push(began.elapsed());
    }
    times.sort();
    println!("median {:?}, p90 {:?}, p99 {:?}", times[500], times[900], times[990]);
    edge.shutdown().await;
}
