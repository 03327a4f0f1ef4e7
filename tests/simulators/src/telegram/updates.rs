//! How updates reach the bot: long polling, or POSTs to its webhook with one queue per chat.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::Shared;
use super::methods::call;
use super::refusal::Refusal;
use super::world::{Pending, Webhook};
use crate::common::{Post, lock, unix_seconds};

/// The real server's LONG_POLL_MAX_TIMEOUT.
const MAX_POLL: u64 = 50;

/// New updates wait: wake the poller and the deliverer.
pub(super) fn announce(shared: &Arc<Shared>) {
    shared.news.send_modify(|n| *n += 1);
    pump(shared);
}

/// `getUpdates`: confirms everything below `offset`, then waits for what is left.
pub(super) async fn get_updates(
    shared: &Shared,
    offset: i64,
    limit: usize,
    timeout: u64,
) -> Result<Value, Refusal> {
    if lock(&shared.world).webhook.is_some() {
        return Err(Refusal::conflict(
            "can't use getUpdates method while webhook is active; use deleteWebhook to delete \
             the webhook first",
        ));
    }
    let mut polls = shared.polls.subscribe();
    shared.polls.send_modify(|n| *n += 1);
    polls.borrow_and_update();
    let mut news = shared.news.subscribe();
    let deadline = tokio::time::sleep(Duration::from_secs(timeout.min(MAX_POLL)));
    tokio::pin!(deadline);
    loop {
        news.borrow_and_update();
        let ready = confirm_and_read(shared, offset, limit);
        if !ready.is_empty() || timeout == 0 {
            return Ok(Value::Array(ready));
        }
        tokio::select! {
            () = &mut deadline => return Ok(json!([])),
            _ = news.changed() => {}
            _ = polls.changed() => return Err(Refusal::conflict(ended_by(shared))),
        }
    }
}

fn ended_by(shared: &Shared) -> &'static str {
    if lock(&shared.world).webhook.is_some() {
        "terminated by setWebhook request"
    } else {
        "terminated by other getUpdates request; make sure that only one bot instance is running"
    }
}

/// A negative offset counts from the end of the queue and forgets all before.
fn confirm_and_read(shared: &Shared, offset: i64, limit: usize) -> Vec<Value> {
    let mut world = lock(&shared.world);
    let first = if offset < 0 {
        let back = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
        let at = world.pending.len().saturating_sub(back);
        world.pending.get(at).map_or(0, |p| p.id)
    } else {
        offset
    };
    world.pending.retain(|p| p.id >= first);
    world.pending.iter().take(limit.clamp(1, 100)).map(|p| p.update.clone()).collect()
}

/// Sets or, with an empty URL, removes the webhook; a poll under way ends.
pub(super) fn set_webhook(
    shared: &Arc<Shared>,
    url: &str,
    secret: Option<String>,
    max_connections: usize,
) {
    let webhook = (!url.is_empty()).then(|| Webhook {
        url: url.to_owned(),
        secret,
        max_connections: max_connections.clamp(1, 100),
        last_error: None,
    });
    lock(&shared.world).webhook = webhook;
    shared.polls.send_modify(|n| *n += 1);
    pump(shared);
}

/// Starts a delivery for every chat that has an update waiting and none under way.
fn pump(shared: &Arc<Shared>) {
    loop {
        let mut world = lock(&shared.world);
        let Some(webhook) = world.webhook.clone() else {
            return;
        };
        if world.busy.len() >= webhook.max_connections {
            return;
        }
        let Some(next) = world.pending.iter().find(|p| !world.busy.contains(&p.chat)).cloned()
        else {
            return;
        };
        world.busy.insert(next.chat);
        drop(world);
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let stop = shared.stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = deliver(&shared, &next) => {}
            }
        });
    }
}

/// Delivers one update, again and again as the platform does; the chat waits behind it.
async fn deliver(shared: &Arc<Shared>, pending: &Pending) {
    let pauses = &shared.config.retry.pauses;
    let mut done = false;
    for number in 1.. {
        let Some(webhook) = lock(&shared.world).webhook.clone() else {
            break;
        };
        done = attempt(shared, &webhook, pending, number).await;
        let Some(pause) = pauses.get(number as usize - 1).filter(|_| !done) else {
            done = true;
            break;
        };
        tokio::time::sleep(*pause).await;
    }
    let mut world = lock(&shared.world);
    world.busy.remove(&pending.chat);
    if done && let Some(at) = world.pending.iter().position(|p| p.id == pending.id) {
        world.pending.remove(at);
    }
    drop(world);
    pump(shared);
}

async fn attempt(shared: &Shared, webhook: &Webhook, pending: &Pending, number: u32) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let secret = webhook.secret.as_deref().and_then(|s| HeaderValue::from_str(s).ok());
    if let Some(secret) = secret {
        headers.insert("x-telegram-bot-api-secret-token", secret);
    }
    let post = Post {
        url: webhook.url.clone(),
        headers,
        body: pending.update.to_string().into_bytes().into(),
    };
    let key = pending.id.to_string();
    let tried = shared.poster.post(&key, number, post, shared.config.retry.timeout).await;
    if tried.accepted() {
        answer_in_response(shared, &tried.answer);
        return true;
    }
    let why = tried.status.map_or_else(
        || "Connection failed".to_owned(),
        |status| format!("Wrong response from the webhook: {status}"),
    );
    if let Some(webhook) = &mut lock(&shared.world).webhook {
        webhook.last_error = Some((unix_seconds(), why));
    }
    false
}

/// A webhook's answer may carry one call, except those that only make sense with a result.
fn answer_in_response(shared: &Shared, answer: &Value) {
    let Some(method) = answer["method"].as_str().map(str::to_lowercase) else {
        return;
    };
    let barred = ["setwebhook", "deletewebhook", "close", "logout"];
    if !method.starts_with("get") && !barred.contains(&method.as_str()) {
        // Telegram tells nobody how it went.
        let _ = call(shared, &method, answer);
    }
}
