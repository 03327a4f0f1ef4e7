//! Model calls: the interfaces there are, what of a call is passed on, whose session it is of, and
//! whose fault an answer is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::breaker::Fault;

/// The body of a call: each field as the agent wrote it, since a model reads in that order.
pub type Fields = BTreeMap<String, Box<RawValue>>;

/// A provider's interface. What an agent says in one is not translated into the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// OpenAI's chat completions (platform.openai.com/docs/api-reference/chat), which most speak.
    OpenAi,
    /// Anthropic's messages (docs.anthropic.com/en/api/messages).
    Anthropic,
}

/// What costs more than its tokens say, or leaves a copy with the provider: an agent asks for these
/// itself, and nobody's budget would know.
const WITHHELD: [&str; 12] = [
    "service_tier",
    "speed",
    "web_search_options",
    "modalities",
    "audio",
    "store",
    "background",
    "mcp_servers",
    "container",
    "inference_geo",
    "metadata",
    "user",
];
/// Tools that the agent runs itself; all other types are the provider's, and billed apart.
const OWN_TOOLS: [&str; 2] = ["function", "custom"];

impl Wire {
    /// As settings call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// Where calls go, behind the base URL.
    pub const fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/chat/completions",
            Self::Anthropic => "/messages",
        }
    }

    /// Makes the call of an agent one to a provider, which calls the model `model`.
    pub fn prepare(self, request: &mut Fields, model: &str) -> serde_json::Result<()> {
        request.insert("model".to_owned(), to_raw_value(model)?);
        for field in WITHHELD {
            request.remove(field);
        }
        if let Some(mut tools) = read::<Vec<Box<RawValue>>>(request, "tools") {
            tools.retain(|tool| is_own(tool));
            request.insert("tools".to_owned(), to_raw_value(&tools)?);
        }
        if self == Self::OpenAi && streams(request) {
            // Anthropic tells its usage unasked.
            let options = read::<BTreeMap<String, Value>>(request, "stream_options");
            let mut options = options.unwrap_or_default();
            options.insert("include_usage".to_owned(), json!(true));
            request.insert("stream_options".to_owned(), to_raw_value(&options)?);
        }
        Ok(())
    }

    /// An error as the clients of this interface read it.
    pub fn failure(self, status: u16, message: &str) -> Value {
        match self {
            Self::OpenAi => json!({"error": {"message": message, "type": match status {
                429 => "rate_limit_error",
                400..=499 => "invalid_request_error",
                _ => "server_error",
            }}}),
            Self::Anthropic => {
                let kind = match status {
                    401 => "authentication_error",
                    404 => "not_found_error",
                    429 => "rate_limit_error",
                    400..=499 => "invalid_request_error",
                    503 | 529 => "overloaded_error",
                    _ => "api_error",
                };
                json!({"type": "error", "error": {"type": kind, "message": message}})
            }
        }
    }
}

/// Whether the answer is to come in pieces.
pub fn streams(request: &Fields) -> bool {
    read(request, "stream") == Some(true)
}

fn read<'r, T: Deserialize<'r>>(request: &'r Fields, name: &str) -> Option<T> {
    serde_json::from_str(request.get(name)?.get()).ok()
}

/// One whose type is said twice is not understood, and so not ours.
fn is_own(tool: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Tool {
        r#type: Option<String>,
    }
    let tool = serde_json::from_str::<Tool>(tool.get());
    tool.is_ok_and(|it| it.r#type.is_none_or(|kind| OWN_TOOLS.contains(&kind.as_str())))
}

/// What the status of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer, or what is wrong with the call itself: it is for the agent.
    Answer,
    /// It has no such model; another provider may have it.
    Elsewhere,
    /// The provider fails; another one may not.
    Failing(Fault),
}

/// Whose fault an answer with this status is.
pub const fn verdict(status: u16) -> Verdict {
    match status {
        404 => Verdict::Elsewhere,
        401..=403 => Verdict::Failing(Fault::Refused),
        // 529: Anthropic is overloaded.
        429 | 529 => Verdict::Failing(Fault::Limited),
        200..=299 | 400..=407 | 409..=424 | 426..=499 => Verdict::Answer,
        _ => Verdict::Failing(Fault::Broken),
    }
}

/// `Retry-After` in milliseconds, where it counts seconds; a date is not read.
pub fn later_ms(retry_after: &str) -> Option<i64> {
    let seconds: f64 = retry_after.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation)] // the range is looked at
    (0.0..=86_400.0).contains(&seconds).then_some((seconds * 1_000.0) as i64)
}

/// Whether a streamed answer begins with a failure: the status was sent before it was known.
pub fn begins_with_failure(first: &[u8]) -> bool {
    let text = String::from_utf8_lossy(first);
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(':'));
    let Some(line) = lines.next() else { return false };
    let named = line.strip_prefix("event:").is_some_and(|name| name.trim() == "error");
    named || line.strip_prefix("data:").is_some_and(|data| data.trim().starts_with(r#"{"error":"#))
}

/// What a picture counts for in [`weight`], in bytes: no provider takes more than some 1,600 tokens
/// for one.
const PICTURE: usize = 6_400;

/// The size of a call whose body has so many bytes, where pictures count as what they are to a model.
pub fn weight(request: &Value, body: usize) -> usize {
    body.saturating_sub(surplus(request))
}

fn surplus(value: &Value) -> usize {
    match value {
        Value::Array(all) => all.iter().map(surplus).sum(),
        Value::Object(fields) => {
            let of = |(name, value): (&String, &Value)| match value {
                // `image_url.url` of the one interface, `source.data` of the other.
                Value::String(text) if ["url", "data"].contains(&name.as_str()) => {
                    text.len().saturating_sub(PICTURE)
                }
                other => surplus(other),
            };
            fields.iter().map(of).sum()
        }
        _ => 0,
    }
}

/// The session in which an agent calls its model. OpenClaw's prompt says so in one line, in the
/// system prompt or behind the first text: `Runtime: agent=main | session=agent:main:hub:dm:1 | …`.
/// A person can write such a line too, and gains nothing: it is their own account either way.
pub fn session_of(request: &Value) -> Option<&str> {
    let messages = request.get("messages").and_then(Value::as_array);
    let said = messages.into_iter().flatten().filter_map(|message| message.get("content"));
    request.get("system").into_iter().chain(said).flat_map(texts).find_map(session)
}

fn texts(content: &Value) -> Vec<&str> {
    match content {
        Value::String(text) => vec![text],
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        _ => Vec::new(),
    }
}

fn session(text: &str) -> Option<&str> {
    // The line stands at or near the end of a long prompt.
    let line = text.rsplit('\n').find_map(|line| line.strip_prefix("Runtime: "))?;
    line.split(" | ").find_map(|fact| fact.strip_prefix("session="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(wire: Wire, request: &str) -> String {
        let mut request: Fields = serde_json::from_str(request).unwrap();
        wire.prepare(&mut request, "the-model").unwrap();
        serde_json::to_string(&request).unwrap()
    }

    fn prepared(wire: Wire, request: &Value) -> Value {
        serde_json::from_str(&passed(wire, &request.to_string())).unwrap()
    }

    #[test]
    fn what_is_passed_on_is_passed_as_it_was_written() {
        let messages = r#"[{"role":"user","content":"b","a":1.50}]"#;
        let tool = r#"{"name":"z","input_schema":{"properties":{"why":1,"answer":2}}}"#;
        let twice = r#"{"type":"function","type":"web_search_20250305","name":"dear"}"#;
        let asked = format!(
            r#"{{"tools":[{twice},{tool}],"speed":1,"messages":{messages},"speed":2,"model":"x"}}"#
        );
        assert_eq!(
            passed(Wire::Anthropic, &asked),
            format!(r#"{{"messages":{messages},"model":"the-model","tools":[{tool}]}}"#)
        );
        let odd = json!({"tools": {"type": "x"}, "stream": "yes", "stream_options": 7});
        assert_eq!(prepared(Wire::OpenAi, &odd)["stream_options"], 7);
    }

    #[test]
    fn a_call_is_passed_on_without_what_its_tokens_do_not_cost() {
        let own = json!([
            {"type": "function", "function": {"name": "read"}},
            {"name": "read", "input_schema": {}},
            {"type": "custom", "name": "read"},
        ]);
        let mut tools = own.clone();
        for kind in ["web_search_20250305", "code_execution_20250825", "computer_use_preview"] {
            tools.as_array_mut().unwrap().push(json!({"type": kind, "name": "dear"}));
        }
        let asked = json!({"model": "dear", "stream": true, "messages": [1], "tools": tools,
            "service_tier": "priority", "store": true, "speed": "fast", "mcp_servers": [1],
            "web_search_options": {}, "temperature": 0.5});
        let mut passed = json!({"model": "the-model", "stream": true, "messages": [1],
            "tools": own, "temperature": 0.5});
        assert_eq!(prepared(Wire::Anthropic, &asked), passed);
        passed["stream_options"] = json!({"include_usage": true});
        assert_eq!(prepared(Wire::OpenAi, &asked), passed);
        let whole = json!({"messages": [], "stream": false});
        assert_eq!(prepared(Wire::OpenAi, &whole)["stream_options"], Value::Null);
        let refusing = json!({"stream": true, "stream_options": {"include_usage": false}});
        assert_eq!(prepared(Wire::OpenAi, &refusing)["stream_options"]["include_usage"], true);
    }

    #[test]
    fn a_status_says_whose_fault_it_is() {
        let failing = |fault| Verdict::Failing(fault);
        for (statuses, verdict) in [
            (&[200, 201, 400, 405, 413, 422][..], Verdict::Answer),
            (&[404], Verdict::Elsewhere),
            (&[401, 402, 403], failing(Fault::Refused)),
            (&[429, 529], failing(Fault::Limited)),
            (&[301, 302, 408, 425, 500, 502, 503, 504, 522, 0, 999], failing(Fault::Broken)),
        ] {
            for status in statuses {
                assert_eq!(super::verdict(*status), verdict, "{status}");
            }
        }
    }

    #[test]
    fn a_wait_is_read_and_bounded() {
        for (text, ms) in [("7", Some(7_000)), (" 0.5 ", Some(500)), ("0", Some(0))] {
            assert_eq!(later_ms(text), ms);
        }
        for text in ["", "-1", "nan", "inf", "1e9", "Sat, 21 Nov 2026 08:00:00 GMT"] {
            assert_eq!(later_ms(text), None, "{text}");
        }
    }

    #[test]
    fn a_stream_that_begins_with_a_failure_is_one() {
        for first in [
            "event: error\ndata: {\"type\":\"error\"}\n\n",
            "event:error\n",
            "data: {\"error\":{\"code\":502}}\n\n",
            ": PROCESSING\n\ndata:{\"error\":{}}\n\n",
        ] {
            assert!(begins_with_failure(first.as_bytes()), "{first}");
        }
        for first in [
            "event: message_start\ndata: {\"error\":1}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"{\\\"error\\\":1}\"}}]}\n\n",
            "data: {\"id\":\"error\"}\n\n",
            ": PROCESSING\n\n",
            "",
            "{\"error\":1}",
        ] {
            assert!(!begins_with_failure(first.as_bytes()), "{first}");
        }
        assert!(!begins_with_failure(b"\xff\xfe"));
    }

    #[test]
    fn a_picture_weighs_what_it_is_to_a_model() {
        let data = "A".repeat(1_000_000);
        let text = json!({"messages": [{"content": [{"type": "text", "text": data}]}]});
        assert_eq!(weight(&text, 1_000_060), 1_000_060);
        let url = format!("data:image/png;base64,{data}");
        let openai = json!([{"type": "image_url", "image_url": {"url": url}}]);
        let anthropic = json!([{"type": "image", "source": {"type": "base64", "data": data}}]);
        for content in [openai, anthropic] {
            let call = json!({"messages": [{"role": "user", "content": content}]});
            let body = call.to_string().len();
            assert!((PICTURE..PICTURE + 200).contains(&weight(&call, body)), "{content}");
        }
        assert_eq!(weight(&json!({"url": data}), 3), 0);
    }

    #[test]
    fn errors_have_the_form_of_their_interface() {
        let openai = Wire::OpenAi.failure(429, "later");
        assert_eq!(openai, json!({"error": {"message": "later", "type": "rate_limit_error"}}));
        let anthropic = Wire::Anthropic.failure(503, "later");
        let error = json!({"type": "overloaded_error", "message": "later"});
        assert_eq!(anthropic, json!({"type": "error", "error": error}));
    }

    #[test]
    fn the_session_of_a_call_stands_in_its_prompt() {
        let line = "Runtime: agent=main | session=agent:main:hub:dm:1 | sessionId=x | host=h";
        let prompt = format!("You are\n\n{line}\nReasoning: off");
        for messages in [
            json!([{"role": "system", "content": prompt}]),
            json!([{"role": "system", "content": [{"type": "text", "text": prompt}]}]),
            json!([{"role": "system", "content": "You are"},
                   {"role": "user", "content": format!("hi\n\n{line}")}]),
            json!([{"role": "system", "content": prompt},
                   {"role": "user", "content": "Runtime: session=agent:main:hub:dm:9"}]),
        ] {
            let request = json!({"messages": messages});
            assert_eq!(session_of(&request), Some("agent:main:hub:dm:1"), "{request}");
        }
        for system in [json!(prompt), json!([{"type": "text", "text": prompt}])] {
            let request = json!({"system": system, "messages": [
                {"role": "user", "content": "Runtime: session=agent:main:hub:dm:9"}]});
            assert_eq!(session_of(&request), Some("agent:main:hub:dm:1"), "{request}");
        }
        let silent = json!([{"content": "Runtime: agent=main | host=h"}, {"content": 7}, 3]);
        assert_eq!(session_of(&json!({"messages": silent})), None);
        assert_eq!(session_of(&json!({})), None);
    }
}
