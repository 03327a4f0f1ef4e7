//! What one model call uses, read from its answer as it passes, whole or streamed, in the words of
//! either interface.

use serde_json::{Deserializer, Value};

use super::Tokens;

/// Usage stands at the end of an answer, or at its beginning too; as many bytes are looked at.
const TAIL: usize = 16 * 1024;
/// How providers tell it. Inside a text the quotes would be escaped.
const MARK: &str = "\"usage\":";
/// How a piece of a streamed answer begins.
const PIECE: &[u8] = b"data:";
/// In a stream of Anthropic's the first usage tells what was read, and one at the end what was
/// written.
const BEGIN: &str = "\"message_start\"";
const END: &str = "\"message_delta\"";

/// Reads one answer.
#[derive(Debug, Default)]
pub struct Reader {
    tail: Vec<u8>,
    /// A mark was seen whose value is not whole yet.
    is_open: bool,
    told: Told,
    has_begun: bool,
    has_ended: bool,
    pieces: u64,
    size: usize,
}

/// Each is the most that was told of it: providers repeat themselves, and count up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    fresh: Option<u64>,
    cached: u64,
    stored: u64,
    output: Option<u64>,
}

impl Reader {
    /// A piece of the answer passes. What the call uses, when that tells something new.
    pub fn passed(&mut self, bytes: &[u8]) -> Option<Tokens> {
        let before = self.tail.len();
        self.tail.extend_from_slice(bytes);
        self.size = self.size.saturating_add(bytes.len());
        self.pieces += self.count(PIECE, before) as u64;
        let is_marked = self.count(MARK.as_bytes(), before) > 0;
        let before = self.told;
        if is_marked || self.is_open {
            self.read();
        }
        if self.tail.len() > 2 * TAIL {
            self.tail.drain(..self.tail.len() - TAIL);
        }
        self.tokens().filter(|_| self.told != before)
    }

    /// How often `what` stands in what came behind `before`; it may have begun before that.
    fn count(&self, what: &[u8], before: usize) -> usize {
        let from = (before + 1).saturating_sub(what.len());
        let news = self.tail.get(from..).unwrap_or_default();
        news.windows(what.len()).filter(|window| *window == what).count()
    }

    fn read(&mut self) {
        let text = String::from_utf8_lossy(&self.tail).into_owned();
        self.has_begun |= text.contains(BEGIN);
        self.has_ended |= text.contains(END);
        self.is_open = false;
        for (at, mark) in text.match_indices(MARK) {
            let value = text.get(at + mark.len()..).unwrap_or_default();
            match Deserializer::from_str(value).into_iter::<Value>().next() {
                Some(Ok(usage)) => self.told.add(&usage),
                Some(Err(error)) if error.is_eof() => self.is_open = true,
                None => self.is_open = true,
                Some(Err(_)) => {}
            }
        }
    }

    /// What has been told.
    fn tokens(&self) -> Option<Tokens> {
        let Told { fresh, cached, stored, output } = self.told;
        let input = fresh?.saturating_add(cached).saturating_add(stored);
        Some(Tokens { input, cached, stored, output: output? })
    }

    /// What a call of `request` bytes has used whose answer is over, whole or not: one that broke
    /// off is paid for all the same. Four bytes are about a token, and so is a piece of a stream.
    pub fn ended(&self, request: usize) -> Tokens {
        let tokens = |bytes: usize| bytes.div_ceil(4) as u64;
        let guess = if self.pieces > 0 { self.pieces } else { tokens(self.size) };
        match self.tokens() {
            Some(told) if self.has_begun && !self.has_ended => {
                Tokens { output: told.output.max(guess), ..told }
            }
            Some(told) => told,
            None => Tokens { input: tokens(request), output: guess, ..Tokens::default() },
        }
    }
}

impl Told {
    fn add(&mut self, usage: &Value) {
        let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
        let most = |known: &mut Option<u64>, told: Option<u64>| *known = (*known).max(told);
        if let Some(prompt) = count("/prompt_tokens") {
            let cached = count("/prompt_tokens_details/cached_tokens").unwrap_or(0).min(prompt);
            self.cached = self.cached.max(cached);
            most(&mut self.fresh, Some(prompt - cached));
            most(&mut self.output, count("/completion_tokens"));
        } else {
            self.cached = self.cached.max(count("/cache_read_input_tokens").unwrap_or(0));
            self.stored = self.stored.max(count("/cache_creation_input_tokens").unwrap_or(0));
            most(&mut self.fresh, count("/input_tokens"));
            most(&mut self.output, count("/output_tokens"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is told in all, and what was told last, of bytes that come in pieces of `size`.
    fn read(bytes: &[u8], size: usize) -> (Tokens, Option<Tokens>) {
        let mut reader = Reader::default();
        let mut last = None;
        for piece in bytes.chunks(size.max(1)) {
            last = reader.passed(piece).or(last);
        }
        (reader.ended(400), last)
    }

    const OPENAI: &str = "data: {\"usage\":null,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":50,\"completion_tokens\":7,\
        \"prompt_tokens_details\":{\"cached_tokens\":40}}}\n\ndata: [DONE]\n\n";
    const ANTHROPIC: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":\
        {\"content\":[],\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":100,\
        \"cache_read_input_tokens\":1000,\"output_tokens\":1}}}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":\
        {\"type\":\"text_delta\",\"text\":\"\\\"usage\\\":{\\\"output_tokens\\\":9999}\"}}\n\n\
        event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\
        \"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    #[test]
    fn both_interfaces_tell_their_usage_whole_and_streamed() {
        let openai = Tokens { input: 50, cached: 40, output: 7, ..Tokens::default() };
        assert_eq!(read(OPENAI.as_bytes(), 9), (openai, Some(openai)));
        let anthropic = Tokens { input: 1125, cached: 1000, stored: 100, output: 15 };
        assert_eq!(read(ANTHROPIC.as_bytes(), 9), (anthropic, Some(anthropic)));
        let whole = br#"{"choices":[],"usage": {"prompt_tokens":5,"completion_tokens":7}}"#;
        assert_eq!(read(whole, 999).0, Tokens { input: 5, output: 7, ..Tokens::default() });
        let whole = br#"{"type":"message","usage":{"input_tokens":5,"output_tokens":7}}"#;
        assert_eq!(read(whole, 999).0, Tokens { input: 5, output: 7, ..Tokens::default() });
    }

    #[test]
    fn an_answer_that_breaks_off_is_paid_for() {
        let cut = ANTHROPIC.find("event: message_delta").unwrap();
        let mut broken = ANTHROPIC[..cut].to_owned();
        broken.push_str(&"data: {\"type\":\"content_block_delta\"}\n\n".repeat(50));
        let (ended, told) = read(broken.as_bytes(), 30);
        assert_eq!((ended.input, ended.output), (1125, 52), "by its pieces");
        assert_eq!(told.unwrap().output, 1);
        let silent = "data: {\"choices\":[]}\n\n".repeat(5);
        assert_eq!(read(silent.as_bytes(), 7).0.output, 5);
        assert_eq!(
            read(&vec![b'x'; 100_000], 1_000).0,
            Tokens { input: 100, output: 25_000, ..Tokens::default() }
        );
        assert_eq!(read(b"", 1).0.input, 100);
    }

    #[test]
    fn what_a_text_says_is_not_usage_and_what_is_told_only_grows() {
        let quoted = br#"{"content":"\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}"}"#;
        assert_eq!(read(quoted, 5).1, None);
        assert_eq!(read(b"\xff\"usage\":{", 3).1, None);
        let lower = format!(
            "{OPENAI}data: {{\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":1}}}}\n\n"
        );
        assert_eq!(read(lower.as_bytes(), 50).0, read(OPENAI.as_bytes(), 50).0);
    }

    proptest! {
        /// However an answer is cut into pieces, and whatever stands between, it tells the same.
        #[test]
        fn pieces_tell_what_the_whole_tells(size in 1_usize..200, between in 0_usize..400) {
            let text = format!("data: {{\"delta\":\"é{}\"}}\n\n", "x".repeat(150)).repeat(between);
            for answer in [OPENAI, ANTHROPIC] {
                let at = answer.find("\n\n").unwrap() + 2;
                let long = [&answer[..at], &text, &answer[at..]].concat();
                prop_assert_eq!(read(long.as_bytes(), size).0, read(answer.as_bytes(), 1 << 20).0);
            }
        }
    }
}
