//! Trouble on demand, the same on all four platforms.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zaki_simulators::telegram::User;
use zaki_simulators::{Fault, Simulator, Simulators};

use crate::SOON;

/// A request each platform accepts, and the method it is recorded under.
fn harmless(all: &Simulators, name: &str) -> (reqwest::RequestBuilder, &'static str) {
    let client = reqwest::Client::builder().user_agent("DiscordBot (x, 1)").build().unwrap();
    let url = all.named(name).unwrap().url().to_owned();
    match name {
        "telegram" => (client.get(format!("{url}/bot{}/getMe", all.telegram.token())), "getMe"),
        "discord" => {
            let token = format!("Bot {}", all.discord.token());
            let request = client.get(format!("{url}/api/v10/users/@me"));
            (request.header("authorization", token), "get_current_user")
        }
        "whatsapp" => {
            let id = &all.whatsapp.config().phone_number_id;
            (
                client.get(format!("{url}/v23.0/{id}")).bearer_auth(all.whatsapp.token()),
                "phone_number",
            )
        }
        _ => {
            let request = client.post(format!("{url}/api/auth.test"));
            (request.bearer_auth(all.slack.token()), "auth.test")
        }
    }
}

const NAMES: [&str; 4] = ["telegram", "discord", "whatsapp", "slack"];

#[tokio::test]
async fn each_refuses_in_its_own_shape_and_then_recovers() {
    let all = Simulators::start().await.unwrap();
    for name in NAMES {
        let simulator = all.named(name).unwrap();
        let (request, method) = harmless(&all, name);
        simulator.fail(Some(method), 1, Fault::rate_limited(Duration::from_millis(1500)));
        simulator.fail(None, 1, Fault::Status { code: 503 });
        let limited = request.try_clone().unwrap().send().await.unwrap();
        let (status, headers) = (limited.status().as_u16(), limited.headers().clone());
        let body: Value = limited.json().await.unwrap();
        let retry_after = headers.get("retry-after").map(|v| v.to_str().unwrap());
        match name {
            "telegram" => {
                assert_eq!((status, retry_after), (429, Some("2")));
                assert_eq!(body["parameters"]["retry_after"], 2);
            }
            "discord" => {
                assert_eq!((status, retry_after), (429, Some("2")));
                assert_eq!((&body["retry_after"], &body["global"]), (&json!(1.5), &json!(false)));
                assert_eq!(headers["x-ratelimit-remaining"], "0");
            }
            "whatsapp" => {
                assert_eq!((status, retry_after), (400, None));
                assert_eq!(body["error"]["code"], 130_429);
            }
            _ => {
                assert_eq!((status, retry_after), (429, Some("2")));
                assert_eq!(body, json!({"ok": false, "error": "ratelimited"}));
            }
        }
        let broken = request.try_clone().unwrap().send().await.unwrap();
        assert_eq!(broken.status(), 503, "{name}");
        assert_eq!(request.send().await.unwrap().status(), 200, "{name}");
        let statuses: Vec<u16> = simulator.calls().all().iter().map(|c| c.status).collect();
        assert_eq!(statuses, [status, 503, 200], "{name}");
        assert!(simulator.calls().all().iter().all(|c| c.method == method), "{name}");
    }
}

#[tokio::test]
async fn each_can_hang_up_or_take_its_time() {
    let all = Simulators::start().await.unwrap();
    for name in NAMES {
        let (request, method) = harmless(&all, name);
        let simulator = all.named(name).unwrap();
        simulator.fail(Some(method), 1, Fault::Drop);
        assert!(request.try_clone().unwrap().send().await.is_err(), "{name}");
        simulator.fail(Some(method), 1, Fault::Delay { ms: 50 });
        let begun = Instant::now();
        assert_eq!(request.send().await.unwrap().status(), 200, "{name}");
        assert!(begun.elapsed() >= Duration::from_millis(50), "{name}");
    }
}

#[tokio::test]
async fn a_lost_answer_was_done_and_a_dropped_call_was_not() {
    let all = Simulators::start().await.unwrap();
    all.telegram.say(&User::new(7, "Ada"), "hi");
    let url = format!("{}/bot{}/sendMessage", all.telegram.url(), all.telegram.token());
    let post = |text: &str| {
        let body = json!({"chat_id": 7, "text": text});
        reqwest::Client::new().post(&url).json(&body).send()
    };
    all.telegram.fail(None, 1, Fault::Drop);
    assert!(post("dropped").await.is_err());
    all.telegram.fail(None, 1, Fault::LoseAnswer);
    assert!(post("lost").await.is_err());
    let sent: Vec<String> = all.telegram.sent().all().into_iter().map(|s| s.text).collect();
    assert_eq!(sent, ["lost"]);
}

#[tokio::test]
async fn a_simulator_that_was_stopped_or_dropped_serves_nobody() {
    let all = Simulators::start().await.unwrap();
    let (request, _) = harmless(&all, "telegram");
    all.telegram.stop();
    let (other, _) = harmless(&all, "slack");
    drop(all);
    for request in [request, other] {
        let gone = async {
            while request.try_clone().unwrap().send().await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, gone).await.unwrap();
    }
}
