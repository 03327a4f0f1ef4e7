//! What an agent says that no turn has asked for: a reminder that is due, the report of a job.
//!
//! Inside a sandbox `GET proactive` answers with the [`Proactive`] messages it holds, oldest first,
//! and waits a while for one if there is none; each is held, also over restarts, until
//! `POST proactive/{id}/ack`. The edge keeps it from then on, and hands it to the hub:
//! `POST /edge/outbound` with an [`OutboundRequest`], answered by [`Taken`]. Signed like all calls
//! between hub and edge ([`signature`](crate::signature)). It may be made again with the same id: the
//! person hears it once.
//!
//! 400, 401, 413, 503: as of the calls of [`web`](super::web).

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{PlaceId, ProactiveId, Timestamp, ZakiUserId};

/// The longest body of `POST /edge/outbound`, in bytes.
pub const LONGEST: usize = 256 * 1024;
/// The longest text of a message, in bytes; whoever makes one cuts it.
pub const LONGEST_TEXT: usize = 64 * 1024;
/// So long `GET proactive` waits for a message.
pub const WAIT: Duration = Duration::from_secs(10);

/// One message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proactive {
    /// Which; the idempotency key at every hop.
    pub id: ProactiveId,
    /// When the agent said it.
    pub at: Timestamp,
    /// Where it was asked for, as [`Origin`](super::Origin) called it; `None`: that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceId>,
    /// The agent of shared conversations has said it, and knows nothing private. What the other one
    /// says goes to its person alone.
    #[serde(default)]
    pub shared: bool,
    /// Nothing came of what was planned, and nothing will be tried again before its next time.
    /// `text` is the name it was given, then, and nothing the agent says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// Markdown; never empty.
    pub text: String,
}

/// Nobody's words stand in a log.
impl fmt::Debug for Proactive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proactive").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The answer to `GET proactive`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Some of those that wait, oldest first.
    pub messages: Vec<Proactive>,
}

/// `POST /edge/outbound`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundRequest {
    /// Whose agent says it.
    pub user: ZakiUserId,
    /// What it says.
    pub message: Proactive,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// It is durable where it is sent from: the edge may forget it.
    Kept,
    /// Their platform lets nobody write to them now. To be asked again, from time to time and when
    /// they write.
    Later,
    /// It goes to nobody: they are not served any more.
    Refused,
}

/// The answer to `POST /edge/outbound`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundAnswer {
    /// What becomes of it.
    pub taken: Taken,
}

/// As much of a text as a message may have.
pub fn cut(text: &str) -> &str {
    let end = (0..=LONGEST_TEXT.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_prints_no_words_and_reads_what_an_older_one_says() {
        let json = r#"{"id":"01jd7q0000000000000000000a","at":7,"text":"the secret tea"}"#;
        let message: Proactive = serde_json::from_str(json).unwrap();
        assert_eq!((message.place, message.shared), (None, false), "private until it says not");
        assert!(!message.failed && !serde_json::to_string(&message).unwrap().contains("failed"));
        assert!(!format!("{message:?}").contains("tea"));
        let request =
            OutboundRequest { user: ZakiUserId::from_parts(Timestamp::from_ms(1), 1), message };
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<OutboundRequest>(&json).unwrap(), request);
        assert!(!format!("{request:?}").contains("tea"));
        let kept = OutboundAnswer { taken: Taken::Kept };
        assert_eq!(serde_json::to_string(&kept).unwrap(), r#"{"taken":"kept"}"#);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("short é"), "short é");
        let long = "é".repeat(LONGEST_TEXT);
        assert_eq!(cut(&format!("x{long}")).len(), LONGEST_TEXT - 1);
        assert_eq!(cut(&long).len(), LONGEST_TEXT);
    }
}
