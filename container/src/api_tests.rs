use reqwest::{Client, Method, StatusCode};
use zaki_envelope::wire::{SseDecoder, TurnEvent, TurnEventKind};

use super::*;
use crate::{
    fake_gateway::{FakeGateway, SESSION},
    gateway::State as GatewayState,
    turn::tests::request,
};

const TOKEN: &str = "0123456789abcdef";

struct Server {
    app: Arc<App>,
    base: String,
    client: Client,
    dir: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let link = Link::new();
        let app = Arc::new(App {
            token: TOKEN.to_owned().into(),
            rest: Rest::new(Arc::clone(&link)),
            link,
            turns: Turns::open(dir.path()).unwrap().0,
            choices: Arc::new(Choices::open(&dir.path().join("models.json")).unwrap()),
            layout: crate::layout::Layout::create(&dir.path().join("state")).unwrap(),
            gate: Arc::new(Gate::new(Door::Open)),
            stopping: CancellationToken::new(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = router(Arc::clone(&app));
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { app, base, client: Client::new(), dir }
    }

    fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    async fn status(&self, method: Method, path: &str) -> StatusCode {
        let request = self.ask(method, path).bearer_auth(TOKEN);
        request.send().await.unwrap().status()
    }

    async fn approve(&self, approval: &str, decision: &str) -> StatusCode {
        let body = serde_json::json!({ "decision": decision });
        let request = self.ask(Method::POST, &format!("/v1/approvals/{approval}")).json(&body);
        request.bearer_auth(TOKEN).send().await.unwrap().status()
    }

    async fn post(&self, n: u128) -> reqwest::Response {
        let request = self.ask(Method::POST, "/v1/turns").json(&request(n));
        request.bearer_auth(TOKEN).send().await.unwrap()
    }
}

async fn read(response: reqwest::Response) -> Vec<TurnEvent> {
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let bytes = response.bytes().await.unwrap();
    SseDecoder::default().push(&bytes).unwrap()
}

fn routes() -> [(Method, String); 10] {
    let turn = request(1).turn;
    [
        (Method::GET, "/v1/health".to_owned()),
        (Method::POST, "/v1/turns".to_owned()),
        (Method::GET, format!("/v1/turns/{turn}")),
        (Method::POST, format!("/v1/turns/{turn}/abort")),
        (Method::POST, format!("/v1/turns/{turn}/steer")),
        (Method::POST, format!("/v1/turns/{turn}/ack?seq=1")),
        (Method::POST, "/v1/approvals/a1".to_owned()),
        (Method::POST, "/v1/suspend".to_owned()),
        (Method::POST, "/v1/resume".to_owned()),
        (Method::GET, "/v1/reminders".to_owned()),
    ]
}

#[tokio::test]
async fn nothing_answers_without_the_token() {
    let server = Server::start().await;
    for (method, path) in routes() {
        for shown in ["", "0123456789abcdeF", "0123456789abcdef0", "0123456789abcde"] {
            let request = server.ask(method.clone(), &path).bearer_auth(shown);
            let status = request.send().await.unwrap().status();
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} {shown:?}");
        }
        let bare = server.ask(method.clone(), &path).send().await.unwrap();
        assert_eq!(bare.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

#[tokio::test]
async fn unknown_turns_and_strange_bodies_are_refused_without_an_echo() {
    let server = Server::start().await;
    for (method, path) in &routes()[2..6] {
        assert_eq!(server.status(method.clone(), path).await, StatusCode::NOT_FOUND);
    }
    assert_eq!(server.approve("a1", "deny").await, StatusCode::NOT_FOUND);
    assert_eq!(server.approve("a1", "perhaps").await, StatusCode::BAD_REQUEST);
    assert_eq!(server.status(Method::GET, "/v1/turns/..").await, StatusCode::NOT_FOUND);
    let body = r#"{"turn":"my secret"}"#;
    let request = server.ask(Method::POST, "/v1/turns").bearer_auth(TOKEN);
    let response = request.body(body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(!response.text().await.unwrap().contains("secret"));
}

#[tokio::test]
async fn health_says_how_the_gateway_is() {
    let server = Server::start().await;
    let health = async || -> serde_json::Value {
        let request = server.ask(Method::GET, "/v1/health").bearer_auth(TOKEN);
        request.send().await.unwrap().json().await.unwrap()
    };
    let starting =
        serde_json::json!({"state": "starting", "agent": null, "running": 0, "error": null});
    assert_eq!(health().await, starting);
    server.app.link.set(GatewayState::Failed("no disk".into()));
    let failed = health().await;
    assert_eq!((&failed["state"], &failed["error"]), (&"failed".into(), &"no disk".into()));
}

#[tokio::test]
async fn a_turn_is_run_once_resumed_and_acknowledged() {
    let server = Server::start().await;
    let response = server.post(1).await;
    server.app.link.set(GatewayState::Failed("no disk".into()));
    let events = read(response).await;
    let [TurnEvent { seq: 1, kind: TurnEventKind::Error { message, .. } }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(message, "no disk");
    assert_eq!(read(server.post(1).await).await, events);
    let path = format!("/v1/turns/{}", request(1).turn);
    let resumed = server.ask(Method::GET, &format!("{path}?after=1"));
    let resumed = resumed.bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(read(resumed).await, []);
    let ack = server.status(Method::POST, &format!("{path}/ack?seq=1")).await;
    assert_eq!(ack, StatusCode::NO_CONTENT);
    assert_eq!(read(server.post(1).await).await, events);
}

#[tokio::test]
async fn a_sandbox_that_stops_takes_nothing_new_and_still_tells_what_it_knows() {
    let server = Server::start().await;
    server.app.link.set(GatewayState::Failed("no disk".into()));
    let events = read(server.post(1).await).await;
    server.app.stopping.cancel();
    assert_eq!(server.post(2).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(read(server.post(1).await).await, events);
}

#[tokio::test]
async fn an_abort_reaches_a_turn_that_waits() {
    let server = Server::start().await;
    let response = server.post(1).await;
    let path = format!("/v1/turns/{}/abort", request(1).turn);
    assert_eq!(server.status(Method::POST, &path).await, StatusCode::ACCEPTED);
    let events = read(response).await;
    assert!(matches!(events[0].kind, TurnEventKind::Final { aborted: true, .. }));
}

/// What the gateway says is the answer; what nobody asks does not get that far.
#[tokio::test]
async fn an_answer_reaches_the_gateway_and_its_word_the_caller() {
    let server = Server::start().await;
    let _events = server.post(1).await;
    let gateway = FakeGateway::new(&server.app.link).await;
    let mut peer = gateway.connect().await;
    let send = peer.expect("chat.send").await;
    peer.answer(&send, serde_json::json!({"status": "started"})).await;
    let turn = request(1).turn.to_string();
    let subject = serde_json::json!({"command": "ls", "sessionKey": SESSION, "runId": turn});
    let asked = serde_json::json!({"id": "a1", "request": subject});
    peer.event("exec.approval.requested", asked).await;
    let found = server.app.turns.get(request(1).turn).unwrap();
    while !found.has_asked("a1") {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.approve("a", "allow_once").await, StatusCode::NOT_FOUND, "half an id");

    let refused = |reason: &str| serde_json::json!({"code": "INVALID_REQUEST", "details": {"reason": reason}});
    let busy = serde_json::json!({"code": "UNAVAILABLE", "retryable": true});
    for (error, status) in [
        (None, StatusCode::NO_CONTENT),
        (Some(refused("APPROVAL_NOT_FOUND")), StatusCode::NOT_FOUND),
        (Some(refused("APPROVAL_ALREADY_RESOLVED")), StatusCode::CONFLICT),
        (Some(refused("APPROVAL_ALLOW_ALWAYS_UNAVAILABLE")), StatusCode::CONFLICT),
        (Some(busy), StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let serving = async {
            let resolve = peer.expect("exec.approval.resolve").await;
            let params = serde_json::json!({"id": "a1", "decision": "allow-once"});
            assert_eq!(resolve["params"], params);
            match error {
                Some(error) => peer.refuse(&resolve, error).await,
                None => peer.answer(&resolve, serde_json::json!({"ok": true})).await,
            }
        };
        let (answered, ()) = tokio::join!(server.approve("a1", "allow_once"), serving);
        assert_eq!(answered, status);
    }
    peer.chat(&turn, "final", "done").await;
    while found.end().is_none() {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.approve("a1", "allow_once").await, StatusCode::NOT_FOUND, "it has ended");
}

#[tokio::test]
async fn a_steered_message_is_taken_once_and_refused_after_the_end() {
    let server = Server::start().await;
    let response = server.post(1).await;
    let path = format!("/v1/turns/{}/steer", request(1).turn);
    let steer = async |n: u128| {
        let steer = zaki_envelope::InboundId::from_parts(zaki_envelope::Timestamp::from_ms(1), n);
        let said = SteerRequest { steer, parts: request(1).parts };
        let asked = server.ask(Method::POST, &path).json(&said).bearer_auth(TOKEN);
        asked.send().await.unwrap().status()
    };
    assert_eq!(steer(1).await, StatusCode::ACCEPTED);
    assert_eq!(server.status(Method::POST, &path).await, StatusCode::BAD_REQUEST);
    server.app.link.set(GatewayState::Failed("no disk".into()));
    let events = read(response).await;
    let kinds: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["steered", "error"]);
    assert_eq!(steer(1).await, StatusCode::ACCEPTED);
    assert_eq!(steer(2).await, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_stop_leaves_turns_that_wait_to_the_next_start() {
    let server = Server::start().await;
    let _reading = server.post(1).await;
    server.app.drain(Duration::from_secs(10)).await;
    let turn = server.app.turns.get(request(1).turn).unwrap();
    assert!(turn.end().is_none());
    let (_, interrupted) = Turns::open(server.dir.path()).unwrap();
    assert_eq!(interrupted.len(), 1);
}
