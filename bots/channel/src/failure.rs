//! What is known of an HTTP call that failed, and whether it may be made again.
//!
//! Free of any HTTP client: a channel says what its client reported.

use std::error::Error;
use std::time::Duration;

use zaki_envelope::{ChannelKind, ConversationId};

use crate::{ChannelError, Retry, Scope};

/// Before a call is made again: where no connection came about, or a rate limit does not say how
/// long it lasts.
const PAUSE_MS: u64 = 1000;

/// A client's own error, without URLs or anything else secret.
type Cause = Box<dyn Error + Send + Sync>;

/// Why a call failed, as far as it can be known.
#[derive(Debug)]
pub enum Failure {
    /// The platform refused; nothing was done.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The platform's own error code, where it has them.
        code: Option<u64>,
        /// Its words, fit for a log.
        why: String,
    },
    /// Too many calls; nothing was done.
    Limited {
        /// How long to wait.
        after_ms: u64,
        /// Which calls.
        scope: Scope,
    },
    /// The conversation goes on under another id; nothing was done.
    Moved {
        /// Which.
        to: ConversationId,
    },
    /// No connection was made; nothing was done.
    NotSent(Cause),
    /// The answer was lost.
    Unanswered(Cause),
    /// The server failed while at it, or somebody else answered.
    Unclear {
        /// The HTTP status.
        status: u16,
    },
}

impl Retry {
    /// What the HTTP status of a call that did not succeed says, where the platform itself says
    /// nothing more. `limit_ms` is how long a rate limit lasts.
    pub fn of_status(status: u16, limit_ms: u64) -> Self {
        match status {
            429 => Self::AfterMs(limit_ms),
            408 => Self::Unknown,
            300..=499 => Self::Never,
            // A 2xx whose body is not the platform's included.
            _ => Self::Unknown,
        }
    }

    /// The same of an answer in nobody's words to what posts a message: a 400 is what a server before
    /// the platform's says where the line broke in the middle of a request.
    pub fn wordless(status: u16, limit_ms: u64) -> Self {
        if status == 400 { Self::Unknown } else { Self::of_status(status, limit_ms) }
    }
}

impl Failure {
    /// A call answered with this status. `wait_ms` is how long the platform asks to wait, `code`
    /// and `why` are what it says of a refusal.
    pub fn answered(status: u16, wait_ms: Option<u64>, code: Option<u64>, why: String) -> Self {
        Self::of(Retry::of_status(status, wait_ms.unwrap_or(PAUSE_MS)), status, code, why)
    }

    /// A call answered with this status, in [nobody's words](Retry::wordless).
    pub fn wordless(status: u16) -> Self {
        Self::of(Retry::wordless(status, PAUSE_MS), status, None, String::new())
    }

    fn of(retry: Retry, status: u16, code: Option<u64>, why: String) -> Self {
        match retry {
            Retry::AfterMs(after_ms) => Self::Limited { after_ms, scope: Scope::default() },
            Retry::Never => Self::Refused { status, code, why },
            Retry::Unknown => Self::Unclear { status },
        }
    }

    /// Says how far a rate limit reaches; other failures stay as they are.
    #[must_use]
    pub fn of_scope(mut self, reach: Scope) -> Self {
        if let Self::Limited { scope, .. } = &mut self {
            *scope = reach;
        }
        self
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The platform's own code of a refusal.
    pub fn code(&self) -> Option<u64> {
        match self {
            Self::Refused { code, .. } => *code,
            _ => None,
        }
    }

    /// A refusal whose words contain `words`.
    pub fn says(&self, words: &str) -> bool {
        matches!(self, Self::Refused { why, .. } if why.contains(words))
    }

    /// How long the platform asks to wait.
    pub fn asks_to_wait(&self) -> Duration {
        match self {
            Self::Limited { after_ms, .. } => Duration::from_millis(*after_ms),
            _ => Duration::ZERO,
        }
    }

    /// Says whether the call may be made again. `doing` is the method or what it was for.
    pub fn into_error(self, channel: ChannelKind, doing: &str) -> ChannelError {
        let error =
            |what: &str, retry| ChannelError::new(channel, retry, format!("{doing}: {what}"));
        match self {
            Self::Refused { status, code: Some(code), why } => {
                error(&format!("{status} {why} ({code})"), Retry::Never)
            }
            Self::Refused { status, code: None, why } => {
                error(&format!("{status} {why}"), Retry::Never)
            }
            Self::Limited { after_ms, scope } => {
                error("too many requests", Retry::AfterMs(after_ms)).of_scope(scope)
            }
            Self::Moved { to } => {
                error("the conversation has another id now", Retry::Never).moved_to(to)
            }
            // It would fare no better elsewhere.
            Self::NotSent(cause) => error("no connection", Retry::AfterMs(PAUSE_MS))
                .of_scope(Scope::Account)
                .caused_by(cause),
            Self::Unanswered(cause) => error("no answer", Retry::Unknown).caused_by(cause),
            Self::Unclear { status } => error(&format!("answered {status}"), Retry::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(failure: Failure) -> ChannelError {
        failure.into_error(ChannelKind::Telegram, "posting")
    }

    #[test]
    fn the_table_of_statuses() {
        for (status, retry) in [
            (429, Retry::AfterMs(7)),
            (408, Retry::Unknown),
            (302, Retry::Never),
            (400, Retry::Never),
            (499, Retry::Never),
            (200, Retry::Unknown),
            (500, Retry::Unknown),
            (504, Retry::Unknown),
        ] {
            assert_eq!(Retry::of_status(status, 7), retry, "{status}");
            let failure = Failure::answered(status, Some(7), None, String::new());
            assert_eq!(error(failure).retry, retry, "{status}");
        }
        let failure = Failure::answered(429, None, None, String::new());
        assert_eq!(failure.asks_to_wait(), Duration::from_millis(PAUSE_MS));
    }

    #[test]
    fn what_was_not_sent_may_be_sent_and_what_may_have_been_may_not() {
        let cause = || Cause::from("the client's words");
        assert_eq!(error(Failure::NotSent(cause())).retry, Retry::AfterMs(PAUSE_MS));
        let lost = error(Failure::Unanswered(cause()));
        assert_eq!(lost.retry, Retry::Unknown);
        assert_eq!(lost.source.unwrap().to_string(), "the client's words");
    }

    #[test]
    fn a_refusal_keeps_its_code_and_words() {
        let failure = Failure::answered(403, None, Some(50_013), "Missing Permissions".to_owned());
        assert_eq!((failure.status(), failure.code()), (Some(403), Some(50_013)));
        assert!(failure.says("Missing") && !failure.says("missing"));
        let what = error(failure).what;
        assert_eq!(what, "posting: 403 Missing Permissions (50013)");
        let failure = Failure::answered(403, None, None, "Forbidden".to_owned());
        assert_eq!(error(failure).what, "posting: 403 Forbidden");
        assert_eq!(error(Failure::wordless(400)).retry, Retry::Unknown);
        assert_eq!(error(Failure::wordless(403)).retry, Retry::Never);
    }
}
