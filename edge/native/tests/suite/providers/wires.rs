//! Either interface, by way of Cloudflare too, with the one token that works there.

use super::*;

/// As `config/examples/cloudflare-ai-gateway.toml` has it: no key of a provider at all.
#[tokio::test]
async fn cloudflares_gateway_bills_for_all_of_them() {
    let gateway = Stand::start(Manner::Answer(openai("through the gateway"))).await;
    let header = |name: &str, value: &str| (name.to_owned(), value.into());
    let at = |path: &str, headers| {
        let mut config = ProviderConfig::new(format!("{}{path}", gateway.origin), None);
        config.names = [("the-model".to_owned(), "anthropic/claude-sonnet-4-5".to_owned())].into();
        config.headers = headers;
        config
    };
    let first = at(
        "/v1/account/gateway/compat",
        vec![
            header("cf-aig-authorization", &format!("Bearer {KEY}")),
            header("cf-aig-collect-log-payload", "false"),
            header("cf-aig-skip-cache", "true"),
        ],
    );
    let second = at(
        "/client/v4/accounts/account/ai/v1",
        vec![
            header("authorization", &format!("Bearer {KEY}")),
            header("cf-aig-gateway-id", "gateway"),
        ],
    );
    let bench = Bench::new(Wire::OpenAi, vec![first, second]).await;
    assert!(bench.ask(9).await.1.contains("through the gateway"));
    let seen = gateway.seen().pop().unwrap();
    assert_eq!(seen.path, "/v1/account/gateway/compat/chat/completions");
    assert_eq!(seen.header("cf-aig-authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(seen.header("cf-aig-collect-log-payload"), Some("false"));
    assert_eq!((seen.header("authorization"), seen.header("x-from-sandbox")), (None, None));
    assert_eq!(seen.body["model"], "anthropic/claude-sonnet-4-5");

    gateway.behave(Manner::Status(402, None));
    assert_eq!(bench.ask(9).await.0, 400, "nothing is left on the account");
    let asked = gateway.seen();
    assert_eq!(asked[1].path, "/client/v4/accounts/account/ai/v1/chat/completions");
    assert_eq!(asked[1].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(asked[1].header("cf-aig-gateway-id"), Some("gateway"));
    bench.edge.shutdown().await;
}

#[tokio::test]
async fn anthropics_interface_is_metered_and_keeps_its_key_too() {
    let only = Stand::start(Manner::Answer(anthropic("from claude"))).await;
    let bench = Bench::new(Wire::Anthropic, vec![only.config()]).await;
    let line = "Runtime: agent=main | session=agent:main:hub:dm:9 | host=h";
    let body = json!({"model": "dear", "stream": true, "max_tokens": 100, "system": [
        {"type": "text", "text": format!("You are\n\n{line}")}],
        "messages": [{"role": "user", "content": "hi"}], "service_tier": "auto",
        "tools": [{"name": "read", "input_schema": {}},
                  {"type": "web_search_20250305", "name": "web_search"}]});
    let headers =
        [("x-api-key", bench.token.as_str()), ("anthropic-beta", "context-1m-2025-08-07")];
    let answer = bench.send("/model/v1/messages", &headers, &body).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), anthropic("from claude"), "as it came");
    let seen = only.seen().pop().unwrap();
    assert_eq!(seen.path, "/v1/messages");
    assert_eq!((seen.header("x-api-key"), seen.header("authorization")), (Some(KEY), None));
    assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(seen.header("anthropic-beta"), None, "it may cost more");
    assert_eq!(seen.body["model"], "the-model");
    assert_eq!(seen.body["tools"].as_array().unwrap().len(), 1, "the provider's own cost extra");
    assert_eq!(
        (&seen.body["service_tier"], &seen.body["stream_options"]),
        (&Value::Null, &Value::Null)
    );
    // 5 fresh and 100 stored at 1, 900 cached at a tenth, 3 written at 2 a million.
    let usage = Usage { input_tokens: 1_005, output_tokens: 3, cost_micros: 105 + 90 + 6 };
    bench.used(usage).await;
    let (status, answer) = bench.ask(9).await;
    assert_eq!(status, 404, "nothing is translated: {answer}");
    only.behave(Manner::Status(529, None));
    let answer = bench.send("/model/v1/messages", &headers, &body).await;
    assert_eq!(answer.status(), 429);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["type"], &answer["error"]["type"]),
        (&json!("error"), &json!("rate_limit_error"))
    );
    bench.edge.shutdown().await;
}

#[tokio::test]
async fn the_token_of_a_sandbox_works_nowhere_else_and_not_after_it() {
    let only = Stand::start(Manner::Answer(openai("hello"))).await;
    let bench = Bench::new(Wire::OpenAi, vec![only.config()]).await;
    let bearer = format!("Bearer {}", bench.token);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let (me, other) = (user(1), user(2));
    for (method, path) in [
        ("GET", "/v1/model".to_owned()),
        ("GET", "/v1/sandboxes".to_owned()),
        ("POST", format!("/v1/users/{me}/wake")),
        ("GET", format!("/v1/users/{me}/usage")),
        ("GET", format!("/v1/users/{me}/sandbox")),
        ("POST", format!("/v1/users/{me}/turns")),
        ("GET", format!("/v1/users/{other}/usage")),
        ("DELETE", format!("/v1/users/{other}")),
    ] {
        let url = format!("http://{}{path}", bench.edge.local_addr());
        let call = client.request(method.parse().unwrap(), url);
        let call = call.header("authorization", &bearer).header("x-api-key", &bench.token);
        assert_eq!(call.send().await.unwrap().status(), 401, "{method} {path}");
    }
    let elsewhere = Bench::new(Wire::OpenAi, vec![only.config()]).await;
    let headers = [("authorization", bearer.as_str())];
    let path = "/model/v1/chat/completions";
    assert_eq!(elsewhere.send(path, &headers, &prompt(9)).await.status(), 401, "another edge");
    elsewhere.edge.shutdown().await;

    assert_eq!(bench.ask(9).await.0, 200);
    let erase = signed("DELETE", &format!("/v1/users/{me}"), vec![]);
    call(&bench.edge.router(), erase).await;
    until("its end", || containers(bench.dir.path()).is_empty().then_some(())).await;
    assert_eq!(bench.ask(9).await.0, 401, "it has stopped");
    assert_eq!(only.seen().len(), 1);
    bench.edge.shutdown().await;
}

/// Through a real OpenClaw, with a first provider that is overloaded.
#[tokio::test]
async fn openclaw_asks_by_anthropics_interface_and_is_answered_by_the_second_provider() {
    let dir = directory();
    let Some(runtime) = runtime() else { return };
    let (first, second) = (
        Stand::start(Manner::Status(529, None)).await,
        Stand::start(Manner::Answer(anthropic("from the second claude"))).await,
    );
    let mut config = config(dir.path(), runtime);
    let providers = vec![first.config(), second.config()];
    config.model = ModelConfig::Forward(ForwardConfig::new(Wire::Anthropic, "claude", providers));
    let price = Price::per_million(1.0, 2.0, Some(0.1)).unwrap();
    config.prices = [("claude".to_owned(), price)].into();
    let edge = Edge::start(config).await.unwrap();
    let events = run(&edge.router(), user(1), &request(turn(1), "who are you?")).await;
    let Some(TurnEventKind::Final { text, usage, .. }) = events.last().map(|it| &it.kind) else {
        panic!("{events:?}")
    };
    assert_eq!(text, "from the second claude");
    assert!(!first.seen().is_empty());
    let asked = second.seen();
    let calls = u64::try_from(asked.len()).unwrap();
    assert_eq!(usage.input_tokens, calls * 1_005, "each call belongs to the turn");
    assert_eq!(usage.cost_micros, calls * 201);
    let body = &asked[0].body;
    assert!(body.to_string().contains("who are you?"));
    assert_eq!((&body["model"], &body["stream"]), (&json!("claude"), &json!(true)));
    assert!(
        body["system"].to_string().contains("cache_control"),
        "the prompt is kept for the next call"
    );
    edge.shutdown().await;
}
