//! What one model call uses, read from what passes by.
//!
//! In memory it counts before the sandbox has the bytes that tell it, so that the end of a turn
//! finds it; in the store once the call is over.

use std::sync::Arc;

use bytes::BytesMut;
use serde_json::{Deserializer, Value};
use zaki_edge_core::meter::{Price, Tokens};
use zaki_envelope::{SandboxName, wire::Usage};

use crate::{clock, shared::Shared, turn::Turn};

/// Usage stands at the end of an answer; as much of the end is looked at, in bytes.
const TAIL: usize = 16 * 1024;
/// How providers tell it. Inside a text the quotes would be escaped.
const MARK: &[u8] = b"\"usage\":";
/// How a piece of a streamed answer begins.
const PIECE: &[u8] = b"data:";

/// The meter of one call. What it has when it is dropped is counted for good.
pub(super) struct Meter {
    shared: Arc<Shared>,
    sandbox: SandboxName,
    turn: Option<Arc<Turn>>,
    price: Price,
    /// Of the request, in bytes.
    size: usize,
    is_answered: bool,
    tail: BytesMut,
    pieces: u64,
    told: Option<Tokens>,
    /// As much of it is in the accounts.
    counted: Usage,
    /// As much of it no turn tells.
    unasked: Usage,
}

impl Meter {
    pub(super) fn new(
        shared: Arc<Shared>,
        sandbox: SandboxName,
        turn: Option<Arc<Turn>>,
        price: Price,
        size: usize,
    ) -> Self {
        Self {
            shared,
            sandbox,
            turn,
            price,
            size,
            is_answered: false,
            tail: BytesMut::new(),
            pieces: 0,
            told: None,
            counted: Usage::default(),
            unasked: Usage::default(),
        }
    }

    /// The provider does the call.
    pub(super) const fn answered(&mut self) {
        self.is_answered = true;
    }

    /// It has said what the call uses; the last word counts.
    pub(super) fn told(&mut self, tokens: Tokens) {
        self.told = Some(tokens);
        let all = tokens.usage(&self.price);
        let more = Usage {
            input_tokens: all.input_tokens.saturating_sub(self.counted.input_tokens),
            output_tokens: all.output_tokens.saturating_sub(self.counted.output_tokens),
            cost_micros: all.cost_micros.saturating_sub(self.counted.cost_micros),
        };
        self.counted += more;
        self.shared.accounts.spend(self.sandbox.user(), more);
        if !self.turn.as_ref().is_some_and(|turn| turn.spend(more)) {
            self.unasked += more;
        }
    }

    /// A piece of the answer is about to pass.
    pub(super) fn passed(&mut self, bytes: &[u8]) {
        // The mark may lie across two pieces.
        let from = self.tail.len().saturating_sub(MARK.len());
        self.tail.extend_from_slice(bytes);
        self.pieces += bytes.windows(PIECE.len()).filter(|window| *window == PIECE).count() as u64;
        let news = self.tail.get(from..).unwrap_or_default();
        if news.windows(MARK.len()).any(|window| window == MARK) {
            self.read();
        }
        if self.tail.len() > 2 * TAIL {
            let surplus = self.tail.len() - TAIL;
            drop(self.tail.split_to(surplus));
        }
    }

    fn read(&mut self) {
        if let Some(tokens) = tokens(&self.tail) {
            self.told(tokens);
        }
    }

    /// What a call has used that broke off before it said so: it is paid for all the same. Four
    /// bytes are about a token, and so is a piece of a stream.
    fn guess(&self) -> Tokens {
        let tokens = |bytes: usize| bytes.div_ceil(4) as u64;
        let output = if self.pieces > 0 { self.pieces } else { tokens(self.tail.len()) };
        Tokens { input: tokens(self.size), cached: 0, output }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.read();
        if self.told.is_none() && self.is_answered {
            self.told(self.guess());
        }
        let (state, sandbox) = (self.shared.state.clone(), self.sandbox.clone());
        let turn = self.turn.as_ref().map(|turn| turn.id());
        let (used, unasked) = (self.counted, self.unasked);
        self.shared.tasks.spawn(async move {
            if let Err(error) = state.count(sandbox, turn, used, unasked, clock::now()).await {
                tracing::warn!(%error, "usage.not_counted");
            }
        });
    }
}

/// The last usage in the bytes.
fn tokens(bytes: &[u8]) -> Option<Tokens> {
    let text = String::from_utf8_lossy(bytes);
    let places = text.rmatch_indices("\"usage\":");
    let mut found = places.filter_map(|(at, key)| {
        let value = text.get(at + key.len()..)?;
        let value = Deserializer::from_str(value).into_iter::<Value>().next()?.ok()?;
        let count = |name| value.get(name).and_then(Value::as_u64);
        let cached = value.pointer("/prompt_tokens_details/cached_tokens").and_then(Value::as_u64);
        Some(Tokens {
            input: count("prompt_tokens")?,
            cached: cached.unwrap_or_default(),
            output: count("completion_tokens")?,
        })
    });
    found.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_found_in_json_and_in_streams() {
        let told = Some(Tokens { input: 5, cached: 0, output: 7 });
        let json = br#"{"choices":[],"usage": {"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#;
        assert_eq!(tokens(json), told);
        let sse = b"data: {\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\ndata: [DONE]\n\n";
        assert_eq!(tokens(sse), told);
        let cached = br#"{"usage":{"prompt_tokens":5,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":4}}}"#;
        assert_eq!(tokens(cached).unwrap().cached, 4);
        let quoted = br#"{"content":"\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}"}"#;
        assert_eq!(tokens(quoted), None);
        assert_eq!(tokens(b"\xff\"usage\":{"), None);
    }
}
