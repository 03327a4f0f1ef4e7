//! Server-Sent Events, as far as turns use them: `id`, `event`, one `data` line, comments.
//! Format: WHATWG HTML, section 9.2.

use super::{TurnEvent, TurnEventKind};

/// The longest event a reader accepts, in bytes; OpenClaw's own frames end at 25 MiB.
const MAX_EVENT: usize = 26_214_400;

/// Why a stream cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum SseError {
    /// An event that is not ours.
    #[error("an event of the turn stream cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// More bytes without an end of event than any event has.
    #[error("an event of the turn stream is longer than {MAX_EVENT} bytes")]
    TooLong,
}

/// One event in SSE form. JSON holds no raw line break, so one `data` line is enough.
pub fn encode_sse(event: &TurnEvent) -> Result<String, SseError> {
    let json = serde_json::to_string(event)?;
    Ok(format!("id: {}\nevent: {}\ndata: {json}\n\n", event.seq, event.kind.name()))
}

/// Reads events from bytes that arrive in any pieces.
#[derive(Default)]
pub struct SseDecoder {
    buffer: Vec<u8>,
}

impl SseDecoder {
    /// Takes more bytes and returns the events they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<TurnEvent>, SseError> {
        // Only the new bytes (and one before) can complete an event: no rescanning of what waits.
        let mut from = self.buffer.len().saturating_sub(1);
        self.buffer.extend_from_slice(bytes);
        let (mut events, mut start) = (Vec::new(), 0);
        while let Some(gap) = self.buffer.get(from..).and_then(|rest| find(rest, b"\n\n")) {
            let end = from + gap;
            events.extend(event(self.buffer.get(start..end).unwrap_or_default())?);
            start = end + 2;
            from = start;
        }
        self.buffer.drain(..start);
        if self.buffer.len() > MAX_EVENT { Err(SseError::TooLong) } else { Ok(events) }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn event(block: &[u8]) -> Result<Option<TurnEvent>, SseError> {
    let field =
        |name: &[u8]| block.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name));
    let is_known = |name: &[u8]| {
        TurnEventKind::NAMES.iter().any(|known| known.as_bytes() == name.trim_ascii())
    };
    if field(b"event:").is_some_and(|name| !is_known(name)) {
        return Ok(None);
    }
    Ok(field(b"data:").map(serde_json::from_slice).transpose()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{AgentInfo, Decision, ErrorCode, Usage, WakeStage};
    use crate::{InboundId, Timestamp};

    fn delta(seq: u64, text: &str) -> TurnEvent {
        TurnEvent { seq, kind: TurnEventKind::Delta { text: text.into(), replace: false } }
    }

    #[test]
    fn events_survive_any_cut() {
        let events = vec![delta(1, "a\n\nb"), delta(2, "دردشة 😀"), delta(3, "")];
        let mut bytes = b": keep-alive\n\n".to_vec();
        bytes.extend(b"id: 1\nevent: of_a_newer_release\ndata: {\"x\":1}\n\n");
        for event in &events {
            bytes.extend(encode_sse(event).unwrap().bytes());
        }
        for size in 1..bytes.len() {
            let mut decoder = SseDecoder::default();
            let read: Vec<TurnEvent> =
                bytes.chunks(size).flat_map(|chunk| decoder.push(chunk).unwrap()).collect();
            assert_eq!(read, events, "in pieces of {size}");
        }
    }

    #[test]
    fn every_kind_is_read_back() {
        let steer = InboundId::from_parts(Timestamp::from_ms(1), 1);
        let agent = AgentInfo { name: "echo".into(), version: "1".into() };
        let kinds = [
            TurnEventKind::Waking { stage: WakeStage::Queued, ahead: Some(3) },
            TurnEventKind::Started { agent },
            delta(1, "a").kind,
            TurnEventKind::Tool { name: "t".into(), phase: "start".into() },
            TurnEventKind::Approval {
                id: "a".into(),
                command: "c".into(),
                decisions: vec![Decision::AllowOnce, Decision::Deny],
                expires_at: Some(Timestamp::from_ms(7)),
            },
            TurnEventKind::Media {
                sha256: "00".into(),
                mime: "a/b".into(),
                name: "n".into(),
                size: Some(2),
            },
            TurnEventKind::Steered { steer },
            TurnEventKind::Final { text: "x".into(), usage: Usage::default(), aborted: false },
            TurnEventKind::Error {
                code: ErrorCode::Agent,
                message: "m".into(),
                usage: Usage { input_tokens: 1, output_tokens: 2, cost_micros: 3 },
            },
        ];
        assert_eq!(kinds.each_ref().map(TurnEventKind::name), TurnEventKind::NAMES);
        for kind in kinds {
            let event = TurnEvent { seq: 7, kind };
            let bytes = encode_sse(&event).unwrap();
            assert_eq!(SseDecoder::default().push(bytes.as_bytes()).unwrap(), [event]);
        }
    }

    #[test]
    fn what_an_older_or_newer_release_says_is_read() {
        let read = |data: &str| {
            let bytes = format!("data: {data}\n\n");
            SseDecoder::default().push(bytes.as_bytes()).unwrap().remove(0).kind
        };
        let newer = read(r#"{"seq":1,"type":"error","code":"of_a_newer_release","message":"m"}"#);
        assert!(matches!(newer, TurnEventKind::Error { code: ErrorCode::Internal, .. }));
        let older = read(r#"{"seq":1,"type":"approval","id":"a","command":"c"}"#);
        assert!(matches!(older, TurnEventKind::Approval { expires_at: None, .. }));
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(SseDecoder::default().push(b"data: {\"seq\":true}\n\n").is_err());
    }
}
