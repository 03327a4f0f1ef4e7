//! What the edge tells of its own work, and the id by which a log of a sandbox belongs to its own.

use axum::{body::Body, http::Request};
use zaki_edge_native::{Edge, Isolation, RuntimeChoice};
use zaki_envelope::{TraceContext, wire::Logs};

use crate::client::*;
use crate::sandboxes::{config, directory};
use crate::scripted::scripted_runtime;

/// What stands on the line of that name and labels.
fn figure<'t>(text: &'t str, name: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}\n{text}"))
}

#[tokio::test]
async fn requests_turns_starts_gateways_and_backups_are_counted_and_a_trace_is_handed_on() {
    let dir = directory();
    let mut config = config(dir.path(), scripted_runtime(dir.path()));
    if let RuntimeChoice::Process(process) = &mut config.runtime {
        process.isolation = Isolation::Off;
    }
    (config.freeze_after, config.stop_after) = (None, None);
    let edge = Edge::start(config).await.unwrap();
    let router = edge.router();
    let trace = TraceContext::of(inbound(7));
    let request_of =
        |n: u128, trace| zaki_envelope::wire::TurnRequest { trace, ..request(turn(n), "one") };
    let secret = TraceContext::new(format!("00-{:<32}-{:016x}-01", "what I said to it", 1));
    answer(&run(&router, user(1), &request_of(1, Some(trace.clone()))).await);
    answer(&run(&router, user(1), &request_of(2, Some(secret))).await);
    let back_up = format!("/v1/users/{}/backup", user(1));
    let body = br#"{"sandbox":{"type":"personal"}}"#.to_vec();
    call(&router, signed("POST", &back_up, body)).await;
    let nowhere = Request::get("/no/such/thing").body(Body::empty()).unwrap();
    call(&router, nowhere).await;

    let asked = || Request::get("/metrics").body(Body::empty()).unwrap();
    let text = String::from_utf8(call(&router, asked()).await.1).unwrap();
    for (name, count) in [
        ("zaki_edge_request_seconds_count{call=\"turn\",status=\"200\"}", "2"),
        ("zaki_edge_request_seconds_count{call=\"unknown\",status=\"404\"}", "1"),
        ("zaki_turn_seconds_count{end=\"final\"}", "2"),
        ("zaki_sandbox_start_seconds_count", "1"),
        ("zaki_edge_event_streams", "0"),
        ("zaki_gateways", "1"),
        ("zaki_gateway_websocket_connections", "2"),
        ("zaki_backup_oldest_change_seconds", "0"),
    ] {
        assert_eq!(figure(&text, name), count, "{name}\n{text}");
    }
    for name in
        ["zaki_sandbox_start_seconds_sum", "zaki_gateway_memory_bytes", "zaki_backups_stored_bytes"]
    {
        assert_ne!(figure(&text, name), "0", "{name}\n{text}");
    }
    assert!(!text.contains(&user(1).to_string()), "somebody is named\n{text}");

    let logs = format!("/v1/users/{}/sandbox/logs?lines=1000", user(1));
    let logs = call(&router, signed("GET", &logs, vec![])).await.1;
    let logs: Logs = serde_json::from_slice(&logs).unwrap();
    let log = serde_json::to_string(&logs).unwrap();
    let begins = log.split("\\n").find(|it| it.contains("turn.running")).unwrap();
    assert!(begins.contains(trace.id().unwrap()), "{begins}");
    assert!(!log.contains("what I said"), "that is no trace");
    edge.shutdown().await;
}
