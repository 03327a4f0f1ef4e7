use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use zaki_envelope::wire::{SseDecoder, TurnEvent, TurnEventKind};

use super::*;
use crate::{
    fake_gateway::{FakeGateway, SESSION},
    gate::Door,
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
        let reminders = crate::reminders::tests::plans(&link, dir.path());
        let app = Arc::new(App {
            token: TOKEN.to_owned().into(),
            rest: Rest::new(Arc::clone(&link), Arc::clone(&reminders)),
            reminders,
            link,
            turns: Turns::open(dir.path()).unwrap().0,
            choices: Arc::new(Choices::open(&dir.path().join("models.json")).unwrap()),
            layout: crate::layout::Layout::create(&dir.path().join("state")).unwrap(),
            settings: Settings::of_test(&dir.path().join("state"), &dir.path().join("node")),
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

fn routes() -> [(Method, String); 14] {
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
        (Method::POST, "/v1/exec".to_owned()),
        (Method::GET, "/v1/logs".to_owned()),
        (Method::GET, "/v1/config".to_owned()),
        (Method::PATCH, "/v1/config".to_owned()),
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
async fn who_knows_the_state_hears_of_the_next_one() {
    let server = Server::start().await;
    let health = |path: &str| {
        let asked = server.ask(Method::GET, path).bearer_auth(TOKEN).send();
        async { asked.await.unwrap().json::<Value>().await.unwrap()["state"].clone() }
    };
    assert_eq!(health("/v1/health?after=empty").await, "starting", "it is another one already");
    let change = async {
        tokio::task::yield_now().await;
        server.app.link.set(GatewayState::Failed("broken".to_owned()));
    };
    let (seen, ()) = tokio::join!(health("/v1/health?after=starting"), change);
    assert_eq!(seen, "failed");
    assert_eq!(health("/v1/health").await, "failed");
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
        (None, StatusCode::NO_CONTENT),
    ] {
        let serving = async {
            let mut resolve = peer.expect("exec.approval.resolve").await;
            let params = serde_json::json!({"id": "a1", "decision": "allow-once"});
            for _ in 0..2 {
                assert_eq!(resolve["params"], params);
                peer.refuse(&resolve, busy.clone()).await;
                resolve = peer.expect("exec.approval.resolve").await;
            }
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

impl Server {
    async fn exec(&self, script: &str) -> reqwest::Response {
        let command = ["/bin/sh", "-c", script];
        let asked = self.ask(Method::POST, "/v1/exec").bearer_auth(TOKEN);
        asked.json(&serde_json::json!({ "command": command })).send().await.unwrap()
    }

    async fn patch(&self, seen: Option<&str>, patch: serde_json::Value) -> (StatusCode, String) {
        let mut asked = self.ask(Method::PATCH, "/v1/config").bearer_auth(TOKEN);
        if let Some(seen) = seen {
            asked = asked.header("if-match", format!("\"{seen}\""));
        }
        let answer = asked.json(&patch).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn one_program_at_a_time_runs_and_never_beside_a_copy() {
    let server = Server::start().await;
    let occupied = server.app.gate.occupy();
    assert_eq!(server.exec("touch ran").await.status(), StatusCode::CONFLICT);
    drop(occupied);
    let output: zaki_envelope::wire::ExecOutput =
        server.exec("ls; exit 4").await.json().await.unwrap();
    assert_eq!((output.code, output.stdout.as_str()), (4, ""));
    let asked = server.ask(Method::POST, "/v1/exec").bearer_auth(TOKEN).body("{}");
    assert_eq!(asked.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    let none = serde_json::json!({"command": ["/nowhere/program"]});
    let asked = server.ask(Method::POST, "/v1/exec").bearer_auth(TOKEN).json(&none);
    assert_eq!(asked.send().await.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
}

/// OpenClaw's part is a script: it takes what does not mention poison.
#[tokio::test]
async fn a_patch_is_for_what_was_seen_and_open_and_for_what_openclaw_takes() {
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start().await;
    let node = &server.app.settings.node;
    let script = "#!/bin/sh\ngrep -q poison $OPENCLAW_CONFIG_PATH \
        && echo '{\"valid\":false,\"issues\":[{\"path\":\"messages\",\"message\":\"no\"}]}' \
        || echo '{\"valid\":true}'";
    std::fs::write(node, script).unwrap();
    std::fs::set_permissions(node, std::fs::Permissions::from_mode(0o755)).unwrap();
    let get = async || -> zaki_envelope::wire::AgentConfig {
        let asked = server.ask(Method::GET, "/v1/config").bearer_auth(TOKEN);
        asked.send().await.unwrap().json().await.unwrap()
    };
    let seen = get().await;
    assert_eq!((&seen.patch, &seen.config["gateway"]["bind"]), (&json!({}), &json!("loopback")));
    let say = |text: &str| json!({"messages": {"responsePrefix": text}});
    for (etag, patch, status) in [
        (None, say("a"), StatusCode::PRECONDITION_REQUIRED),
        (Some("other"), say("a"), StatusCode::PRECONDITION_FAILED),
        (Some(seen.etag.as_str()), json!({"gateway": {}}), StatusCode::UNPROCESSABLE_ENTITY),
        (Some(&seen.etag), say("poison"), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let (answered, said) = server.patch(etag, patch.clone()).await;
        assert_eq!(answered, status, "{patch}: {said}");
        assert_eq!(get().await, seen, "nothing has changed");
    }
    let gateway = FakeGateway::new(&server.app.link).await;
    let running = server.app.gate.enter().await;
    let answering = async {
        server.app.gate.closed().await;
        drop(running);
        let entered = server.app.gate.enter().await;
        server.app.link.count_gateway();
        (entered, gateway.connect().await)
    };
    let ((status, said), _gateway) =
        tokio::join!(server.patch(Some(&seen.etag), say("a")), answering);
    assert_eq!(status, StatusCode::OK, "{said}");
    let now = get().await;
    assert_eq!((&now.patch, &now.config["messages"]), (&say("a"), &say("a")["messages"]));
    assert_ne!(now.etag, seen.etag);
    assert_eq!(server.patch(Some(&seen.etag), say("b")).await.0, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn an_archive_that_breaks_off_on_its_way_is_not_called_broken() {
    let server = Server::start().await;
    let cut = || zstd::encode_all(vec![7; 1_000].as_slice(), 3).unwrap()[..10].to_vec();
    let sent = async |pieces: Vec<std::io::Result<Vec<u8>>>| {
        let body = axum::body::Body::from_stream(futures::stream::iter(pieces));
        let request = axum::extract::Request::new(body);
        let taken = memory::restore(State(Arc::clone(&server.app)), request).await;
        taken.unwrap_err().into_response().status()
    };
    let lost = std::io::Error::other("the store is away");
    assert_eq!(sent(vec![Ok(cut()), Err(lost)]).await, StatusCode::BAD_REQUEST);
    assert_eq!(sent(vec![Ok(cut())]).await, StatusCode::UNPROCESSABLE_ENTITY);
}
