//! What a gateway asks of a model, as far as the offline model looks at it. Tolerant: whatever else
//! the request holds is ignored. Seen from openclaw 2026.9.6, provider api `openai-completions`.

use serde_json::Value;
use zaki_envelope::Timestamp;

/// OpenClaw's own notes to the model, sent as if a user had said them.
const INTERNAL: [&str; 2] = ["<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>", "[System] "];
/// How OpenClaw hands over what a job of its scheduler is to do: `[cron:<id> <name>] `, what was said
/// lately if the job is of a conversation, the words of the job, and then this.
const JOB: &str = "[cron:";
const LATELY: &str = "Recent conversation:";
const JOB_END: &str = "\nCurrent time: ";
/// What OpenClaw appends to the first text of a session.
const RUNTIME_LINE: &str = "\n\nRuntime: agent=";

/// One request, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// As the client named it; the answer repeats it.
    pub(crate) model: String,
    /// Server-Sent Events wanted.
    pub(crate) stream: bool,
    /// What the person has said in this session, oldest first.
    pub(crate) said: Vec<String>,
    /// What a tool answered since the last of them.
    pub(crate) tool_result: Option<String>,
    /// Size of the request in bytes.
    pub(crate) size: usize,
    /// When it came.
    pub(crate) now: Timestamp,
}

impl Ask {
    /// Reads the body of a `chat/completions` call of `size` bytes.
    pub(crate) fn read(request: &Value, size: usize) -> Self {
        let mut ask = Self {
            model: text_at(request, "model").unwrap_or("offline").to_owned(),
            stream: request.get("stream").and_then(Value::as_bool).unwrap_or(false),
            said: Vec::new(),
            tool_result: None,
            size,
            now: Timestamp::default(),
        };
        let messages = request.get("messages").and_then(Value::as_array);
        for message in messages.into_iter().flatten() {
            ask.hear(message);
        }
        ask
    }

    fn hear(&mut self, message: &Value) {
        let content = content(message);
        match text_at(message, "role") {
            Some("user") => {
                if let Some(text) = spoken(&content) {
                    self.said.push(text.to_owned());
                    self.tool_result = None;
                }
            }
            Some("tool") => self.tool_result = Some(content),
            _ => {}
        }
    }
}

fn text_at<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

/// The text of a message, whose content is a string or a list of parts.
fn content(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<_> = parts.iter().filter_map(|part| text_at(part, "text")).collect();
            texts.join(" ")
        }
        _ => String::new(),
    }
}

/// What the person said, without what OpenClaw puts around it; `None`: nobody said it.
fn spoken(content: &str) -> Option<&str> {
    let text = match content.rsplit_once(RUNTIME_LINE) {
        Some((text, line)) if !line.contains('\n') => text,
        _ => content,
    };
    let text = without_job(without_time(text)).trim();
    let internal = INTERNAL.iter().any(|mark| text.starts_with(mark));
    (!internal).then_some(text)
}

/// The words of a job, without what is put around them.
fn without_job(text: &str) -> &str {
    let Some((_, rest)) = text.strip_prefix(JOB).and_then(|rest| rest.split_once("] ")) else {
        return text;
    };
    let words = rest.rsplit_once(JOB_END).map_or(rest, |(words, _)| words);
    match words.strip_prefix(LATELY).and_then(|lately| lately.rsplit_once("\n\n")) {
        Some((_, words)) => words,
        None => words,
    }
}

/// Drops the time OpenClaw writes before a text, `[Sat 2026-11-21 08:01 UTC] `, and nothing else
/// that stands in brackets.
fn without_time(text: &str) -> &str {
    let stamped = text.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match stamped {
        Some((stamp, rest)) if is_time(stamp) => rest,
        _ => text,
    }
}

fn is_time(stamp: &str) -> bool {
    let shape = |word: &str, shape: &str| {
        word.len() == shape.len()
            && word.bytes().zip(shape.bytes()).all(|(byte, kind)| match kind {
                b'0' => byte.is_ascii_digit(),
                b'a' => byte.is_ascii_alphabetic(),
                mark => byte == mark,
            })
    };
    let mut words = stamp.split(' ');
    words.next().is_some_and(|day| shape(day, "aaa"))
        && words.next().is_some_and(|date| shape(date, "0000-00-00"))
        && words.next().is_some_and(|time| shape(time, "00:00"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(messages: &Value) -> Vec<String> {
        Ask::read(&json!({"messages": messages}), 0).said
    }

    #[test]
    fn only_what_the_person_said_is_heard() {
        let heard = said(&json!([
            {"role": "system", "content": "You are"},
            {"role": "user", "content": "[Sat 2026-11-21 08:01 UTC] my name is Layla\n\nRuntime: agent=main | shell=bash"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": "[Sat 2026-11-21 08:02 GMT+1] two\nlines"},
            {"role": "user", "content": [{"type": "text", "text": "in parts"}, {"type": "image_url"}]},
            {"role": "user", "content": "[System] Your previous turn was interrupted"},
            {"role": "user", "content": [{"type": "text", "text": "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>\nx"}]},
        ]));
        assert_eq!(heard, ["my name is Layla", "two\nlines", "in parts"]);
    }

    #[test]
    fn brackets_of_the_person_stay() {
        for text in ["[image: x.png] look", "[Sat] x", "[Sat 2026-11-21] x", "[", "[] x"] {
            assert_eq!(said(&json!([{"role": "user", "content": text}])), [text]);
        }
        let own = "a\n\nRuntime: agent= is what I saw\nyesterday";
        assert_eq!(said(&json!([{"role": "user", "content": own}])), [own]);
    }

    /// As captured of openclaw 2026.9.6, shortened.
    #[test]
    fn of_a_job_only_its_own_words_are_heard() {
        let end = "\nCurrent time: Sunday, November 22nd, 2026 - 12:06 AM (UTC)\nReference UTC: \
                   2026-11-22 00:06 UTC\n\nThis is an unattended scheduled run. Nobody is";
        let lately =
            "Recent conversation:\n- User: TOOL:automations:{} ENDTOOL\n- Assistant: ok\n\n";
        for before in ["", lately] {
            let job = format!("[cron:6f6b82cd-09a7 tea] {before}SAY:the tea is ready{end}");
            assert_eq!(said(&json!([{"role": "user", "content": job}])), ["SAY:the tea is ready"]);
        }
        assert_eq!(said(&json!([{"role": "user", "content": "[cron: what is that?"}])).len(), 1);
    }

    #[test]
    fn a_tool_result_belongs_to_the_text_before_it() {
        let call = json!([
            {"role": "user", "content": "use it"},
            {"role": "assistant", "content": null, "tool_calls": []},
            {"role": "tool", "content": "done"},
            {"role": "user", "content": "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>"},
        ]);
        let mut request = json!({"messages": call, "model": "m", "stream": true});
        let ask = Ask::read(&request, 7);
        assert_eq!(ask.tool_result.as_deref(), Some("done"));
        assert_eq!((ask.model.as_str(), ask.stream, ask.size), ("m", true, 7));
        if let Some(list) = request["messages"].as_array_mut() {
            list.push(json!({"role": "user", "content": "next"}));
        }
        assert_eq!(Ask::read(&request, 0).tool_result, None);
    }

    #[test]
    fn garbage_is_an_empty_conversation() {
        for request in [
            json!(null),
            json!([1]),
            json!({"messages": 3}),
            json!({"messages": [1, {}, {"role": "user"}]}),
        ] {
            let ask = Ask::read(&request, 0);
            assert!(ask.said.iter().all(String::is_empty), "{request}");
        }
    }
}
