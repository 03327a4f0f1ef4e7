//! Whether Slack has a message whose answer was lost: each carries its delivery's id as metadata,
//! which the conversation's history shows again
//! (<https://docs.slack.dev/messaging/message-metadata>).

use serde_json::{Value, json};
use zaki_channel::{ChannelError, Evidence, Receipt, Retry, now};
use zaki_envelope::{Address, DeliveryId, MessageId, Timestamp};

use crate::api::{Api, error};

/// The name of our metadata.
const EVENT: &str = "zaki_delivery";
/// Our clock may be off by as much as Slack's signatures allow, and twice so.
const MARGIN_MS: i64 = 600_000;
/// For so long after an attempt Slack may still be at it.
const SETTLE_MS: i64 = 5_000;
/// How far back is read: as many pages as a busy channel fills in ten minutes, of a size that even
/// rate-limited apps may ask for in part.
const PAGES: usize = 5;
const PAGE: &str = "200";

/// What a message of the delivery `key` is marked with.
pub(crate) fn mark(key: DeliveryId) -> Value {
    json!({"event_type": EVENT, "event_payload": {"delivery": key}})
}

/// One delivery looked for.
pub(crate) struct Search<'a> {
    pub(crate) to: &'a Address,
    pub(crate) key: DeliveryId,
    /// When its last attempt began.
    pub(crate) since: Timestamp,
    /// Our id as a bot, once it is known.
    pub(crate) bot: Option<&'a str>,
}

/// What one page says.
enum Page {
    Found(MessageId),
    /// It is the last one.
    End,
    /// There is another.
    Next(String),
    /// It is not what Slack documents.
    Odd,
}

impl Search<'_> {
    /// Reads back to the attempt. "Not there" is only said of a range that was read whole, and not
    /// before Slack has had its time.
    pub(crate) async fn run(&self, api: &Api) -> Result<Evidence, ChannelError> {
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let page = match self.page(api, &cursor).await {
                // Such as a missing right to read here.
                Err(error) if error.retry == Retry::Never => return Ok(Evidence::CannotTell),
                page => page?,
            };
            match self.read(&page) {
                Page::Found(ts) => return Ok(Evidence::Sent(Receipt { message: Some(ts) })),
                Page::End => return self.not_there(now()),
                Page::Next(next) => cursor = next,
                Page::Odd => break,
            }
        }
        Ok(Evidence::CannotTell)
    }

    async fn page(&self, api: &Api, cursor: &str) -> Result<Value, ChannelError> {
        let oldest = format!("{}.000000", self.since.plus_ms(-MARGIN_MS).as_secs());
        let mut params = vec![
            ("channel", self.to.conversation.id.as_str()),
            ("oldest", &oldest),
            ("include_all_metadata", "true"),
            ("limit", PAGE),
        ];
        if !cursor.is_empty() {
            params.push(("cursor", cursor));
        }
        match &self.to.conversation.thread {
            Some(thread) => {
                params.push(("ts", thread.as_str()));
                api.ask("conversations.replies", &params).await
            }
            None => api.ask("conversations.history", &params).await,
        }
    }

    fn read(&self, page: &Value) -> Page {
        let Some(messages) = page.get("messages").and_then(Value::as_array) else {
            return Page::Odd;
        };
        if let Some(message) = messages.iter().find(|message| self.is_it(message)) {
            let ts = message.get("ts").and_then(Value::as_str);
            return ts.map_or(Page::Odd, |ts| Page::Found(MessageId::new(ts)));
        }
        let next = page.pointer("/response_metadata/next_cursor").and_then(Value::as_str);
        match (page.get("has_more").and_then(Value::as_bool), next) {
            (Some(false), _) => Page::End,
            (Some(true), Some(next)) if !next.is_empty() => Page::Next(next.to_owned()),
            _ => Page::Odd,
        }
    }

    /// A person cannot write metadata, but another app can.
    fn is_it(&self, message: &Value) -> bool {
        let by = message.get("bot_id").and_then(Value::as_str);
        let ours = by.is_some() && (self.bot.is_none() || self.bot == by);
        ours && message.get("metadata") == Some(&mark(self.key))
    }

    fn not_there(&self, now: Timestamp) -> Result<Evidence, ChannelError> {
        let left = SETTLE_MS.saturating_sub(now.since(self.since));
        match u64::try_from(left) {
            Ok(left) if left > 0 => {
                let why = "not there, and too early to say so";
                Err(error("conversations.history", Retry::AfterMs(left), why))
            }
            _ => Ok(Evidence::NotSent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zaki_envelope::{ChannelKind, Conversation, ConversationId, ConversationKind};

    const KEY: DeliveryId = DeliveryId::from_parts(Timestamp::from_secs(1_795_000_000), 7);

    fn address() -> Address {
        let id = ConversationId::new("C1");
        Address {
            channel: ChannelKind::Slack,
            account: "main".parse().unwrap(),
            conversation: Conversation::new(id, ConversationKind::Group),
            handle: None,
        }
    }

    fn with<T>(check: impl FnOnce(&Search<'_>) -> T) -> T {
        let to = address();
        check(&Search { to: &to, key: KEY, since: Timestamp::from_secs(1), bot: Some("B1") })
    }

    #[test]
    fn a_page_is_the_last_only_when_slack_says_so() {
        let read = |page: Value| with(|search| search.read(&page));
        assert!(matches!(read(json!({"messages": [], "has_more": false})), Page::End));
        for odd in [
            json!({"messages": []}),
            json!({"has_more": false}),
            json!({"messages": [], "has_more": true}),
            json!({"messages": [], "has_more": true, "response_metadata": {"next_cursor": ""}}),
        ] {
            assert!(matches!(read(odd.clone()), Page::Odd), "{odd}");
        }
    }

    #[test]
    fn another_apps_message_with_our_mark_is_not_ours() {
        let message = |bot: &str| json!({"ts": "1.2", "bot_id": bot, "metadata": mark(KEY)});
        assert!(with(|search| search.is_it(&message("B1"))));
        assert!(!with(|search| search.is_it(&message("B2"))));
        let person = json!({"ts": "1.2", "user": "U1", "metadata": mark(KEY)});
        assert!(!with(|search| search.is_it(&person)));
    }

    #[test]
    fn slack_is_given_its_time() {
        let at = |ms: i64| with(|search| search.not_there(Timestamp::from_ms(1000 + ms)));
        assert_eq!(at(1000).unwrap_err().retry, Retry::AfterMs(4000));
        assert_eq!(at(5000).unwrap(), Evidence::NotSent);
        // A clock that was put back: it is not known how long ago that was.
        assert_eq!(at(-2000).unwrap_err().retry, Retry::AfterMs(7000));
    }
}
