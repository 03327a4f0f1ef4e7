//! Reading back: `conversations.history` and `conversations.replies`, page by page.

use serde_json::{Value, json};

use super::Shared;
use super::refusal::Refusal;
use super::world::Channel;
use crate::common::lock;

/// What a page holds unless asked for, and at most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 999;

/// A reader's wishes.
struct Wanted {
    oldest: String,
    latest: String,
    inclusive: bool,
    metadata: bool,
    limit: usize,
    /// How many pages' messages come before this page.
    skip: usize,
}

impl Wanted {
    fn of(params: &Value) -> Result<Self, Refusal> {
        let flag = |name: &str| matches!(params[name].to_string().trim_matches('"'), "true" | "1");
        let limit = params["limit"].as_u64().or_else(|| text(params, "limit").parse().ok());
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE);
        let skip = match text(params, "cursor").as_str() {
            "" => 0,
            cursor => cursor
                .strip_prefix("after:")
                .and_then(|skip| skip.parse().ok())
                .ok_or(Refusal("invalid_cursor"))?,
        };
        Ok(Self {
            oldest: text(params, "oldest"),
            latest: text(params, "latest"),
            inclusive: flag("inclusive"),
            metadata: flag("include_all_metadata"),
            limit: limit.clamp(1, LARGEST_PAGE),
            skip,
        })
    }

    fn holds(&self, ts: &str) -> bool {
        let bound = |edge: &str| self.inclusive && ts == edge;
        (self.oldest.is_empty() || ts > self.oldest.as_str() || bound(&self.oldest))
            && (self.latest.is_empty() || ts < self.latest.as_str() || bound(&self.latest))
    }

    /// The page of `messages`; metadata only when asked for.
    fn page<'a>(&self, messages: impl Iterator<Item = &'a Value>) -> Value {
        let mut messages = messages.skip(self.skip).peekable();
        let mut page: Vec<Value> = messages.by_ref().take(self.limit).cloned().collect();
        for message in page.iter_mut().filter_map(Value::as_object_mut) {
            if !self.metadata {
                message.remove("metadata");
            }
        }
        let has_more = messages.peek().is_some();
        let mut answer = json!({"messages": page, "has_more": has_more});
        if has_more {
            let next = format!("after:{}", self.skip + self.limit);
            answer["response_metadata"] = json!({"next_cursor": next});
        }
        answer
    }
}

/// Newest first; `oldest`, `latest` and `inclusive` as documented. Replies in a thread are not in
/// the channel's history, its root is.
pub(super) fn history(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let wanted = Wanted::of(params)?;
    let world = lock(&shared.world);
    let channel = channel(&world.channels, params)?;
    let shown = channel.messages.iter().rev();
    let shown = shown.filter(|(ts, message)| wanted.holds(ts) && root_of(message) == ts.as_str());
    let mut answer = wanted.page(shown.map(|(_, message)| message));
    answer["pin_count"] = json!(0);
    Ok(answer)
}

/// A thread, oldest first, its root before all (whatever `oldest` says).
pub(super) fn replies(shared: &Shared, params: &Value) -> Result<Value, Refusal> {
    let wanted = Wanted::of(params)?;
    let world = lock(&shared.world);
    let channel = channel(&world.channels, params)?;
    let ts = text(params, "ts");
    let root = match channel.messages.get(&ts) {
        Some(message) => root_of(message).to_owned(),
        None => return Err(Refusal("thread_not_found")),
    };
    let shown = channel
        .messages
        .iter()
        .filter(|(ts, message)| root_of(message) == root && (**ts == root || wanted.holds(ts)));
    Ok(wanted.page(shown.map(|(_, message)| message)))
}

fn channel<'a>(
    channels: &'a std::collections::HashMap<String, Channel>,
    params: &Value,
) -> Result<&'a Channel, Refusal> {
    channels.get(&text(params, "channel")).ok_or(Refusal("channel_not_found"))
}

fn root_of(message: &Value) -> &str {
    message["thread_ts"].as_str().or_else(|| message["ts"].as_str()).unwrap_or_default()
}

fn text(params: &Value, name: &str) -> String {
    params[name].as_str().unwrap_or_default().to_owned()
}
