//! The providers behind the model proxy: who is asked, what they get, what comes of their failures.

mod wires;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use zaki_edge_native::{Edge, ForwardConfig, ModelConfig, Price, ProviderConfig, Wire};
use zaki_envelope::wire::{ErrorCode, ModelReport, TurnEventKind, Usage, UsageReport};

use crate::client::*;
use crate::provider::*;
use crate::sandboxes::*;

/// An edge with one sandbox and its token.
struct Bench {
    edge: Edge,
    token: String,
    dir: Directory,
}

impl Bench {
    async fn new(wire: Wire, providers: Vec<ProviderConfig>) -> Self {
        let dir = directory();
        let mut config = config(dir.path(), idle_runtime(dir.path()));
        let mut forward = ForwardConfig::new(wire, "the-model", providers);
        forward.patience = Duration::from_millis(300);
        config.model = ModelConfig::Forward(forward);
        config.choices = vec!["big".to_owned()];
        let price = |factor| Price::per_million(factor, 2.0 * factor, Some(factor / 10.0)).unwrap();
        let prices = [("the-model", price(1.0)), ("other/model", price(100.0))];
        config.prices = prices.map(|(name, price)| (name.to_owned(), price)).into();
        let edge = Edge::start(config).await.unwrap();
        let wake = signed("POST", &format!("/v1/users/{}/wake", user(1)), vec![]);
        call(&edge.router(), wake).await;
        let found = until("a container", || containers(dir.path()).pop()).await;
        let token = until("its token", || found.variable("ZAKI_SANDBOX_TOKEN")).await;
        Self { edge, token, dir }
    }

    async fn send(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> reqwest::Response {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut call = client.post(format!("http://{}{path}", self.edge.local_addr())).json(body);
        for (name, value) in headers {
            call = call.header(*name, *value);
        }
        call.send().await.unwrap()
    }

    /// Asks by OpenAI's interface, in session `n`.
    async fn ask(&self, n: u32) -> (u16, String) {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("x-from-sandbox", "1")];
        let answer = self.send("/model/v1/chat/completions", &headers, &prompt(n)).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn report(&self) -> ModelReport {
        let (_, body) = call(&self.edge.router(), signed("GET", "/v1/model", vec![])).await;
        serde_json::from_slice(&body).unwrap()
    }

    async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.edge.local_addr());
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }

    async fn used(&self, all: Usage) {
        let path = format!("/v1/users/{}/usage", user(1));
        let mut day = Usage::default();
        for _ in 0..250 {
            let (_, body) = call(&self.edge.router(), signed("GET", &path, vec![])).await;
            day = serde_json::from_slice::<UsageReport>(&body).unwrap().day;
            if day == all {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{day:?} is not {all:?}");
    }
}

fn prompt(session: u32) -> Value {
    let line = format!("Runtime: agent=main | session=agent:main:hub:dm:{session} | host=h");
    json!({"model": "the-model", "stream": true, "messages": [
        {"role": "system", "content": format!("You are\n\n{line}")}]})
}

fn count(metrics: &str, outcome: &str) -> usize {
    let line = format!("zaki_model_calls_total{{provider=\"127.0.0.1\",outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|it| it.strip_prefix(&line)).map_or(0, |n| n.parse().unwrap())
}

#[tokio::test]
async fn the_next_provider_answers_whatever_the_first_one_does() {
    let (first, second) = (
        Stand::start(Manner::Silent).await,
        Stand::start(Manner::Answer(openai("from the second"))).await,
    );
    let mut other = second.config();
    other.otherwise = Some("other/model".to_owned());
    let bench = Bench::new(Wire::OpenAi, vec![first.config(), other]).await;
    let error = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n".to_owned();
    let manners = [
        ("silent", Manner::Silent),
        ("broken", Manner::Status(500, None)),
        ("limited", Manner::Status(429, None)),
        ("refused", Manner::Status(401, None)),
        ("elsewhere", Manner::Status(404, None)),
        ("broken", Manner::Answer(String::new())),
        ("broken", Manner::Answer(error)),
        ("broken", Manner::BreaksOff(String::new())),
    ];
    let all = manners.len();
    for (outcome, manner) in manners {
        // It works in between, so that it is asked again.
        first.behave(Manner::Answer(openai("from the first")));
        for _ in 0..3 {
            assert!(bench.ask(9).await.1.contains("from the first"));
        }
        first.behave(manner);
        let before = count(&bench.metrics().await, outcome);
        let (status, answer) = bench.ask(9).await;
        assert_eq!(status, 200, "{outcome}: {answer}");
        assert!(answer.contains("from the second") && !answer.contains(KEY), "{answer}");
        assert_eq!(count(&bench.metrics().await, outcome), before + 1, "{outcome}");
    }
    assert_eq!(first.seen().len(), 4 * all);
    let second = second.seen();
    assert_eq!(second.len(), all);
    assert!(second.iter().all(|it| it.body["model"] == "other/model"), "as it calls it");
    let n = u64::try_from(all).unwrap();
    let usage = Usage {
        input_tokens: 4 * n * 11,
        output_tokens: 4 * n * 3,
        cost_micros: 3 * n * 17 + n * 1_700,
    };
    bench.used(usage).await;
    bench.edge.shutdown().await;
}

#[tokio::test]
async fn a_provider_that_fails_is_left_alone_until_it_works_again() {
    let (first, second) = (
        Stand::start(Manner::Status(503, None)).await,
        Stand::start(Manner::Answer(openai("from the second"))).await,
    );
    let bench = Bench::new(Wire::OpenAi, vec![first.config(), second.config()]).await;
    assert!(bench.report().await.providers.iter().all(|it| it.is_asked && it.fault.is_none()));
    for _ in 0..8 {
        assert_eq!(bench.ask(9).await.0, 200);
    }
    assert_eq!(first.seen().len(), 5, "the others are spared the wait");
    assert_eq!(second.seen().len(), 8);
    let report = bench.report().await;
    assert!(report.answers() && !report.providers[0].is_asked && report.providers[1].is_asked);
    assert_eq!(report.providers[0].fault.as_deref(), Some("broken"));
    let metrics = bench.metrics().await;
    assert!(metrics.contains("zaki_model_provider_asked{provider=\"127.0.0.1\"} 0"), "{metrics}");
    assert!(metrics.contains("zaki_model_provider_asked{provider=\"127.0.0.1#2\"} 1"), "{metrics}");
    let failing = "zaki_model_provider_failing{provider=\"127.0.0.1\",fault=\"broken\"} 1";
    assert!(metrics.contains(failing), "{metrics}");
    first.behave(Manner::Answer(openai("from the first")));
    // The first pause is two seconds.
    while !bench.ask(9).await.1.contains("from the first") {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let report = bench.report().await.providers;
    assert!(report[0].is_asked && report[0].fault.is_none(), "{report:?}");
    assert_eq!(first.seen().len(), 1, "one tried it");
    bench.edge.shutdown().await;
}

#[tokio::test]
async fn without_another_provider_an_agent_is_told_when_to_try_again() {
    let only = Stand::start(Manner::Status(429, Some("7"))).await;
    let bench = Bench::new(Wire::OpenAi, vec![only.config()]).await;
    let bearer = format!("Bearer {}", bench.token);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let headers = [("authorization", bearer.as_str())];
        let answer = bench.send("/model/v1/chat/completions", &headers, &prompt(9)).await;
        let after = answer.headers().get("retry-after").map(|it| it.to_str().unwrap().to_owned());
        statuses.push((answer.status().as_u16(), after));
        assert!(!answer.text().await.unwrap().contains(KEY), "what it says stays here");
    }
    assert_eq!(only.seen().len(), 5);
    assert_eq!(statuses[..4], vec![(429, None); 4]);
    for (status, after) in &statuses[5..] {
        let after: u64 = after.as_ref().unwrap().parse().unwrap();
        assert!(*status == 503 && (1..=8).contains(&after), "{statuses:?}");
    }
    assert!(!bench.report().await.answers());
    assert!(bench.metrics().await.contains("zaki_model_calls_unanswered_total 7"));
    bench.edge.shutdown().await;
}

#[tokio::test]
async fn a_key_that_is_not_taken_ends_the_turn_at_once() {
    let only = Stand::start(Manner::Status(401, None)).await;
    let bench = Bench::new(Wire::OpenAi, vec![only.config()]).await;
    let body = serde_json::to_vec(&request(turn(1), "hello")).unwrap();
    let asked = signed("POST", &format!("/v1/users/{}/turns", user(1)), body);
    events_until(&bench.edge.router(), asked, |_| true).await;
    let (status, answer) = bench.ask(1).await;
    assert_eq!(status, 400, "agents do not try that again: {answer}");
    assert!(!answer.contains(KEY));
    let path = format!("/v1/users/{}/turns/{}", user(1), turn(1));
    let router = bench.edge.router();
    call(&router, signed("POST", &format!("{path}/abort"), vec![])).await;
    let end = resume(&router, user(1), turn(1), 0).await.pop().unwrap().kind;
    assert!(matches!(end, TurnEventKind::Error { code: ErrorCode::Agent, .. }), "{end:?}");
    for _ in 0..5 {
        assert_eq!(bench.ask(9).await.0, 400, "nor when nobody is asked any more");
    }
    assert_eq!(only.seen().len(), 5);
    only.behave(Manner::Status(500, None));
    while bench.ask(9).await.0 == 400 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(only.seen().len(), 1, "that may pass");
    bench.edge.shutdown().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_for_the_agent() {
    let only = Stand::start(Manner::Status(400, None)).await;
    let bench = Bench::new(Wire::OpenAi, vec![only.config()]).await;
    for _ in 0..20 {
        let (status, answer) = bench.ask(9).await;
        assert_eq!((status, answer), (400, format!("no: {KEY}")), "as it was said");
    }
    assert_eq!(only.seen().len(), 20, "that is no failure of the provider");
    bench.used(Usage::default()).await;
    bench.edge.shutdown().await;
}

#[tokio::test]
async fn a_provider_whose_answers_break_off_is_left_alone_too() {
    let half = openai("half").split_once("data: {\"choices\":[],").unwrap().0.to_owned();
    let (first, second) = (
        Stand::start(Manner::BreaksOff(half)).await,
        Stand::start(Manner::Answer(openai("whole"))).await,
    );
    let bench = Bench::new(Wire::OpenAi, vec![first.config(), second.config()]).await;
    let bearer = format!("Bearer {}", bench.token);
    let headers = [("authorization", bearer.as_str())];
    let mut broken = 0;
    loop {
        let answer = bench.send("/model/v1/chat/completions", &headers, &prompt(9)).await;
        match answer.text().await {
            // The agent hears that it is not all, and asks again by itself.
            Err(_) => broken += 1,
            Ok(text) => {
                assert!(text.contains("whole"), "half an answer passes for one: {text}");
                break;
            }
        }
    }
    assert_eq!((broken, count(&bench.metrics().await, "broke_off")), (5, 5));
    bench.edge.shutdown().await;
}

#[tokio::test]
async fn whoever_hangs_up_has_the_call_paid_for() {
    let only = Stand::start(Manner::Silent).await;
    let bench = Bench::new(Wire::OpenAi, vec![only.config()]).await;
    let bearer = format!("Bearer {}", bench.token);
    let headers = [("authorization", bearer.as_str())];
    let body = prompt(9);
    let asking = bench.send("/model/v1/chat/completions", &headers, &body);
    let has_it = async {
        while only.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        answer = asking => panic!("{answer:?}"),
        () = has_it => {}
    }
    let read = u64::try_from(body.to_string().len().div_ceil(4)).unwrap();
    bench.used(Usage { input_tokens: read, output_tokens: 0, cost_micros: read }).await;
    bench.edge.shutdown().await;
}

#[tokio::test]
async fn whose_calls_alone_fail_shuts_nobody_else_out() {
    let only = Stand::start(Manner::Status(500, None)).await;
    let bench = Bench::new(Wire::OpenAi, vec![only.config()]).await;
    let wake = signed("POST", &format!("/v1/users/{}/wake", user(2)), vec![]);
    call(&bench.edge.router(), wake).await;
    let found = until("a second", || {
        let all = containers(bench.dir.path());
        let mut tokens = all.iter().filter_map(|it| it.variable("ZAKI_SANDBOX_TOKEN"));
        tokens.rfind(|token| *token != bench.token)
    });
    let bearer = format!("Bearer {}", found.await);
    for _ in 0..5 {
        assert_eq!(bench.ask(9).await.0, 502);
    }
    assert_eq!(bench.ask(9).await.0, 503);
    only.behave(Manner::Answer(openai("for the other")));
    let headers = [("authorization", bearer.as_str())];
    let answer = bench.send("/model/v1/chat/completions", &headers, &prompt(9)).await;
    assert_eq!(answer.status(), 200);
    assert!(bench.report().await.answers());
    bench.edge.shutdown().await;
}

#[tokio::test]
async fn an_answer_passes_as_it_comes() {
    let gate = Arc::new(Semaphore::new(0));
    let said = openai("word by word");
    let pieces: Vec<String> = said.split_inclusive("\n\n").map(str::to_owned).collect();
    let only = Stand::start(Manner::Paced(pieces.clone(), gate.clone())).await;
    let bench = Bench::new(Wire::OpenAi, vec![only.config()]).await;
    gate.add_permits(1);
    let bearer = format!("Bearer {}", bench.token);
    let headers = [("authorization", bearer.as_str())];
    let answer = bench.send("/model/v1/chat/completions", &headers, &prompt(9)).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut stream = answer.bytes_stream();
    for piece in &pieces {
        // The next one is given only when this one is here.
        assert_eq!(stream.next().await.unwrap().unwrap(), piece.as_bytes());
        gate.add_permits(1);
    }
    assert!(stream.next().await.is_none());
    bench.edge.shutdown().await;
}
