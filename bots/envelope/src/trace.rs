//! One id from the webhook to the sandbox, by which the logs on the way belong together.

use crate::{Inbound, InboundId, TraceContext};

/// Where the trace's id is in a `traceparent`: `00-`, 32 hexadecimal digits, and what else there is.
const PLACE: std::ops::Range<usize> = 3..35;

impl TraceContext {
    /// The trace of a message that brought none: its own id, which all that comes of it has in common.
    pub fn of(message: InboundId) -> Self {
        let bits = message.bits();
        // Neither half may be zero.
        let (trace, span) = (bits.max(1), (bits & u128::from(u64::MAX)).max(1));
        Self::new(format!("00-{trace:032x}-{span:016x}-01"))
    }

    /// The trace's id, for logs; `None`: whoever sent this has written something else in its place,
    /// which is in no log.
    pub fn id(&self) -> Option<&str> {
        let id = self.as_str().strip_prefix("00-").and(self.as_str().get(PLACE))?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let ends = self.as_str().as_bytes().get(PLACE.end) == Some(&b'-');
        (ends && id.bytes().all(is_hex)).then_some(id)
    }
}

impl Inbound {
    /// The trace of all that comes of it.
    pub fn traced(&self) -> TraceContext {
        self.trace.clone().unwrap_or_else(|| TraceContext::of(self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn a_message_has_a_trace_of_its_own_and_other_words_are_none() {
        let message = InboundId::from_parts(Timestamp::from_ms(1_795_000_000_000), 77);
        let trace = TraceContext::of(message);
        assert_eq!(trace.as_str().len(), 55);
        assert_eq!(trace.id().unwrap(), format!("{:032x}", message.bits()));
        assert_eq!(trace, TraceContext::of(message));
        let other = InboundId::from_parts(Timestamp::from_ms(1_795_000_000_000), 78);
        assert_ne!(trace.id(), TraceContext::of(other).id());
        for text in ["", "00-", "hello there, this is what I said to my agent today"] {
            assert_eq!(TraceContext::new(text).id(), None, "{text}");
        }
        let shouted = trace.as_str().to_uppercase();
        assert_eq!(TraceContext::new(shouted).id(), None);
        assert_eq!(TraceContext::new(format!("00-{}é-01", "a".repeat(30))).id(), None);
    }
}
