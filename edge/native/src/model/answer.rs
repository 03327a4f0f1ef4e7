//! The offline model's answers on OpenAI's chat-completions wire, whole or streamed.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use rand::Rng;
use serde_json::{Value, json};
use zaki_edge_core::{meter::Tokens, model::Wire};

use super::{ask::Ask, failure, plan::Plan};

/// Carries the plan out.
pub(crate) fn answer(ask: &Ask, plan: Plan) -> Response {
    let tokens = plan.tokens(ask);
    let id = format!("{:016x}", rand::rng().random::<u64>());
    let head = Head { id, model: ask.model.clone() };
    match plan {
        Plan::Fail { status } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            failure(Wire::OpenAi, status, "the offline model was told to fail")
        }
        plan if ask.stream => stream_of(&head, plan, tokens),
        plan => whole(&head, plan, tokens),
    }
}

/// What every object of one answer repeats.
struct Head {
    id: String,
    model: String,
}

impl Head {
    fn object(&self, kind: &str, rest: &Value) -> Value {
        let mut object = json!({
            "id": format!("chatcmpl-{}", self.id),
            "object": kind,
            "created": 1,
            "model": self.model,
        });
        if let (Some(object), Some(rest)) = (object.as_object_mut(), rest.as_object()) {
            object.extend(rest.clone());
        }
        object
    }

    fn call(&self, name: &str, arguments: &str) -> Value {
        let function = json!({"name": name, "arguments": arguments});
        json!({"index": 0, "id": format!("call_{}", self.id), "type": "function", "function": function})
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>) -> Value {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        self.object("chat.completion.chunk", &json!({"choices": [choice]}))
    }
}

fn counted(tokens: Tokens) -> Value {
    json!({
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
    })
}

fn whole(head: &Head, plan: Plan, tokens: Tokens) -> Response {
    let (message, finish) = match plan {
        Plan::Call { name, arguments } => {
            let calls = [head.call(&name, &arguments)];
            (json!({"role": "assistant", "content": null, "tool_calls": calls}), "tool_calls")
        }
        Plan::Say { pieces, .. } => {
            (json!({"role": "assistant", "content": pieces.concat()}), "stop")
        }
        Plan::Fail { .. } => (Value::Null, "stop"),
    };
    let choice = json!({"index": 0, "message": message, "finish_reason": finish});
    let rest = json!({"choices": [choice], "usage": counted(tokens)});
    Json(head.object("chat.completion", &rest)).into_response()
}

fn stream_of(head: &Head, plan: Plan, tokens: Tokens) -> Response {
    let (deltas, pause, finish): (Vec<Value>, _, _) = match plan {
        Plan::Call { name, arguments } => {
            let calls = json!({"tool_calls": [head.call(&name, &arguments)]});
            (vec![calls], Duration::ZERO, "tool_calls")
        }
        Plan::Say { pieces, pause } => {
            let deltas = pieces.iter().map(|piece| json!({"content": piece}));
            (deltas.collect(), pause, "stop")
        }
        Plan::Fail { .. } => (Vec::new(), Duration::ZERO, "stop"),
    };
    let first = head.chunk(&json!({"role": "assistant", "content": ""}), None);
    let tail = [
        head.chunk(&json!({}), Some(finish)),
        head.object("chat.completion.chunk", &json!({"choices": [], "usage": counted(tokens)})),
    ];
    let deltas: Vec<Value> = deltas.iter().map(|delta| head.chunk(delta, None)).collect();
    let events = stream::iter([first])
        .chain(paced(deltas, pause))
        .chain(stream::iter(tail))
        .map(|chunk| format!("data: {chunk}\n\n"))
        .chain(stream::iter(["data: [DONE]\n\n".to_owned()]));
    let bytes = events.map(|event| Ok::<_, Infallible>(Bytes::from(event)));
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(bytes)).into_response()
}

fn paced(chunks: Vec<Value>, pause: Duration) -> impl Stream<Item = Value> + Send {
    stream::iter(chunks).then(move |chunk| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        chunk
    })
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    fn ask(stream: bool) -> Ask {
        let model = "offline".to_owned();
        Ask { model, stream, said: vec![], tool_result: None, size: 40, now: <_>::default() }
    }

    async fn body(response: Response) -> String {
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn say(pause: Duration) -> Plan {
        let pieces = vec!["one ".into(), "two".into()];
        Plan::Say { pieces, pause }
    }

    fn call() -> Plan {
        Plan::Call { name: "read".into(), arguments: "{}".into() }
    }

    #[tokio::test]
    async fn a_whole_answer_is_one_object() {
        let response: Value =
            serde_json::from_str(&body(answer(&ask(false), say(Duration::ZERO))).await).unwrap();
        assert_eq!(response["choices"][0]["message"]["content"], "one two");
        assert_eq!(response["choices"][0]["finish_reason"], "stop");
        assert_eq!(response["usage"]["total_tokens"], 12);
        let called: Value = serde_json::from_str(&body(answer(&ask(false), call())).await).unwrap();
        assert_eq!(called["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "read");
    }

    #[tokio::test]
    async fn a_streamed_answer_comes_in_pieces_and_ends() {
        let text = body(answer(&ask(true), say(Duration::from_millis(1)))).await;
        let events: Vec<&str> = text
            .split_terminator("\n\n")
            .map(|line| line.strip_prefix("data: ").unwrap())
            .collect();
        assert_eq!(events.last(), Some(&"[DONE]"));
        let chunks: Vec<Value> = events[..events.len() - 1]
            .iter()
            .map(|event| serde_json::from_str(event).unwrap())
            .collect();
        let said: String = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
            .collect();
        assert_eq!(said, "one two");
        assert_eq!(chunks[3]["choices"][0]["finish_reason"], "stop");
        assert_eq!(chunks[4]["usage"]["completion_tokens"], 2);
    }

    #[tokio::test]
    async fn a_streamed_tool_call_and_a_failure() {
        let text = body(answer(&ask(true), call())).await;
        assert!(
            text.contains(r#""tool_calls":[{"#) && text.contains(r#""finish_reason":"tool_calls""#)
        );
        let failed = answer(&ask(true), Plan::Fail { status: 429 });
        assert_eq!(failed.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(body(failed).await.contains("rate_limit_error"));
    }
}
