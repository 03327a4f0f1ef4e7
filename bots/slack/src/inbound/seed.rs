//! What every envelope of a request has in common, and how ids are made.

use sha2::{Digest, Sha256};
use zaki_envelope::{
    AccountName, ChannelKind, Conversation, ConversationId, ConversationKind, DedupeKey, Inbound,
    InboundId, InboundKind, ReplyHandle, Sender, SenderId, SenderScope, SpaceId, ThreadId,
    Timestamp, Version,
};

/// A `response_url` lives 30 minutes and takes 5 answers
/// (<https://docs.slack.dev/interactivity/handling-user-interaction>).
const HANDLE_MS: i64 = 30 * 60 * 1000;
const HANDLE_USES: u32 = 5;

/// The request.
#[derive(Clone, Copy)]
pub(super) struct Seed<'a> {
    pub(super) account: &'a AccountName,
    pub(super) received_at: Timestamp,
    pub(super) body: &'a [u8],
}

/// The workspace a payload speaks of.
#[derive(Clone, Copy)]
pub(super) struct Space<'a> {
    pub(super) team: &'a str,
    pub(super) enterprise: &'a str,
}

impl Space<'_> {
    /// Where user ids are unique: the organisation, else the workspace.
    pub(super) fn scope(&self) -> SenderScope {
        SenderScope::new(if self.enterprise.is_empty() { self.team } else { self.enterprise })
    }

    /// A conversation in it; ids of direct ones start with `D`.
    pub(super) fn conversation(&self, id: &str, is_direct: bool, thread: &str) -> Conversation {
        let direct = is_direct || id.starts_with('D');
        Conversation {
            id: ConversationId::new(id),
            kind: if direct { ConversationKind::Direct } else { ConversationKind::Group },
            thread: (!thread.is_empty()).then(|| ThreadId::new(thread)),
            space: (!self.team.is_empty()).then(|| SpaceId::new(self.team)),
        }
    }

    /// A dedupe key; ids that must not be empty are given one by one.
    pub(super) fn key(&self, ids: &[&str]) -> Option<DedupeKey> {
        if ids.iter().any(|id| id.is_empty()) {
            return None;
        }
        let team = if self.team.is_empty() { self.enterprise } else { self.team };
        Some(DedupeKey::new(format!("slack:{team}:{}", ids.join(":"))))
    }

    /// A person; without an id, Slack itself speaks, which is no person.
    pub(super) fn sender(&self, id: &str) -> Sender {
        if !id.is_empty() {
            return Sender::new(self.scope(), SenderId::new(id));
        }
        Sender { is_bot: true, ..Sender::new(self.scope(), SenderId::new("slack")) }
    }
}

impl Seed<'_> {
    /// An envelope without content. Without a key of its own, the bytes are the key.
    pub(super) fn inbound(
        &self,
        key: Option<DedupeKey>,
        conversation: Conversation,
        sender: Sender,
        kind: InboundKind,
    ) -> Inbound {
        let dedupe = key.unwrap_or_else(|| self.key_of_bytes());
        Inbound {
            v: Version,
            id: InboundId::derive(self.received_at, self.account, &dedupe),
            channel: ChannelKind::Slack,
            account: self.account.clone(),
            dedupe,
            sent_at: None,
            received_at: self.received_at,
            conversation,
            sender,
            kind,
            message: None,
            parts: Vec::new(),
            reply_to: None,
            group: None,
            addressed: false,
            trace: None,
        }
    }

    fn key_of_bytes(&self) -> DedupeKey {
        let digest = hex::encode(Sha256::digest(self.body));
        DedupeKey::new(format!("slack:bytes:{digest}"))
    }

    /// The right to answer at `response_url`.
    pub(super) fn handle(&self, response_url: &str) -> Option<ReplyHandle> {
        (!response_url.is_empty()).then(|| ReplyHandle {
            secret: response_url.to_owned(),
            expires_at: self.received_at.plus_ms(HANDLE_MS),
            uses_left: HANDLE_USES,
        })
    }
}

/// The time in a message id such as `1595926230.009600`.
pub(super) fn time(ts: &str) -> Option<Timestamp> {
    let (secs, micros) = ts.split_once('.').unwrap_or((ts, "0"));
    let secs: i64 = secs.parse().ok().filter(|secs| *secs > 0)?;
    let millis: i64 = micros.get(..3).unwrap_or("0").parse().ok()?;
    Some(Timestamp::from_secs(secs).plus_ms(millis))
}
