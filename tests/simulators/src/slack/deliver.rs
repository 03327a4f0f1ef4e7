//! Signed POSTs to the app: `url_verification`, events with their retries, commands, buttons.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::{Shared, Slash};
use crate::common::{Attempt, Post, WebhookRefused, lock, signature, unix_seconds};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The app must answer with the challenge: as JSON, as a form or as plain text.
pub(super) async fn verify_url(shared: &Shared, url: &str) -> Result<(), WebhookRefused> {
    let challenge = format!("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkv{}", unix_seconds());
    let body = json!({"token": "deprecated", "challenge": challenge, "type": "url_verification"});
    let post = signed(shared, url, JSON, body.to_string().into());
    let request = shared.poster.client().post(post.url).headers(post.headers).body(post.body);
    let refused = |why: reqwest::Error| WebhookRefused(why.to_string());
    let response = request.timeout(shared.config.retry.timeout).send().await.map_err(refused)?;
    let status = response.status();
    if !status.is_success() {
        return Err(WebhookRefused(format!("answered {status} to url_verification")));
    }
    let answer = response.text().await.map_err(refused)?;
    if answer.contains(&challenge) {
        Ok(())
    } else {
        Err(WebhookRefused("did not answer with the challenge".to_owned()))
    }
}

/// Delivers an event in the background, and again as Slack does.
pub(super) fn event(shared: &Arc<Shared>, event_id: &str, event: &Value) {
    let config = &shared.config;
    let body = json!({
        "token": "deprecated",
        "team_id": config.team_id,
        "api_app_id": config.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": unix_seconds(),
        "authorizations": [{
            "enterprise_id": null,
            "team_id": config.team_id,
            "user_id": config.bot_user_id,
            "is_bot": true,
            "is_enterprise_install": false,
        }],
        "is_ext_shared_channel": false,
        "event_context": format!("4-{event_id}"),
    });
    lock(&shared.world).events.insert(event_id, body.clone());
    deliver(shared, event_id, &body, None);
}

pub(super) fn again(shared: &Arc<Shared>, event_id: &str) {
    let body = lock(&shared.world).events.get(event_id).cloned();
    if let Some(body) = body {
        deliver(shared, event_id, &body, Some("http_timeout"));
    }
}

/// `reason` marks even the first POST as a retry.
fn deliver(shared: &Arc<Shared>, id: &str, body: &Value, reason: Option<&'static str>) {
    let Some(url) = lock(&shared.world).events_url.clone() else {
        return;
    };
    let body = Bytes::from(body.to_string());
    let shared = Arc::clone(shared);
    let id = id.to_owned();
    tokio::spawn(async move {
        let make = |number: u32, last: Option<&Attempt>| {
            if last.is_some_and(|l| l.answer_headers.contains_key("x-slack-no-retry")) {
                return None;
            }
            let mut post = signed(&shared, &url, JSON, body.clone());
            let reason = last.map(why).or(reason);
            if let Some(reason) = reason {
                let number = HeaderValue::from(number.saturating_sub(1).max(1));
                post.headers.insert("x-slack-retry-num", number);
                post.headers.insert("x-slack-retry-reason", HeaderValue::from_static(reason));
            }
            Some(post)
        };
        tokio::select! {
            () = shared.stop.cancelled() => {}
            _ = shared.poster.deliver(&id, &shared.config.retry, make) => {}
        }
    });
}

/// Slack's word for why a try failed.
fn why(attempt: &Attempt) -> &'static str {
    match attempt.status {
        Some(_) => "http_error",
        None => attempt.failure.unwrap_or("unknown_error"),
    }
}

/// A slash command is a form, and comes once.
pub(super) async fn command(shared: &Shared, url: &str, slash: &Slash<'_>) -> Attempt {
    let config = &shared.config;
    let name = lock(&shared.world).known(slash.user, slash.channel);
    let (response_url, trigger) = handles(shared, slash.channel);
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("token", "deprecated")
        .append_pair("team_id", &config.team_id)
        .append_pair("team_domain", "zaki-sim")
        .append_pair("channel_id", slash.channel)
        .append_pair("channel_name", "directmessage")
        .append_pair("user_id", slash.user)
        .append_pair("user_name", &name)
        .append_pair("command", slash.command)
        .append_pair("text", slash.text)
        .append_pair("api_app_id", &config.app_id)
        .append_pair("is_enterprise_install", "false")
        .append_pair("response_url", &response_url)
        .append_pair("trigger_id", &trigger)
        .finish();
    once(shared, &trigger, signed(shared, url, FORM, body.into())).await
}

/// An interaction is a form with the JSON in `payload`, and comes once.
pub(super) async fn press(
    shared: &Shared,
    url: &str,
    user: &str,
    channel: &str,
    message_ts: &str,
    action: Value,
) -> Attempt {
    let config = &shared.config;
    let message = lock(&shared.world).message(channel, message_ts);
    let (response_url, trigger) = handles(shared, channel);
    let payload = json!({
        "type": "block_actions",
        "user": {"id": user, "username": user, "team_id": config.team_id},
        "api_app_id": config.app_id,
        "token": "deprecated",
        "container": {
            "type": "message", "message_ts": message_ts, "channel_id": channel,
            "is_ephemeral": false,
        },
        "trigger_id": trigger,
        "team": {"id": config.team_id, "domain": "zaki-sim"},
        "channel": {"id": channel, "name": "directmessage"},
        "message": message,
        "response_url": response_url,
        "actions": [action],
    });
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", &payload.to_string())
        .finish();
    once(shared, &trigger, signed(shared, url, FORM, body.into())).await
}

/// A fresh `response_url` and `trigger_id`.
fn handles(shared: &Shared, channel: &str) -> (String, String) {
    let mut world = lock(&shared.world);
    let response_url = format!("{}{}", shared.url, world.response_url(channel));
    (response_url, format!("{}.{}.simulated", unix_seconds(), world.unique()))
}

/// Commands and interactions have 3 s and no second try.
async fn once(shared: &Shared, key: &str, post: Post) -> Attempt {
    let timeout = shared.config.retry.timeout.min(Duration::from_secs(3));
    shared.poster.post(key, 1, post, timeout).await
}

fn signed(shared: &Shared, url: &str, kind: &'static str, body: Bytes) -> Post {
    let now = unix_seconds();
    let signature = signature::slack(&shared.config.signing_secret, now, &body);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(
        "user-agent",
        HeaderValue::from_static("Slackbot 1.0 (+https://api.slack.com/robots)"),
    );
    headers.insert("x-slack-request-timestamp", HeaderValue::from(now));
    if let Ok(signature) = HeaderValue::from_str(&signature) {
        headers.insert("x-slack-signature", signature);
    }
    Post { url: url.to_owned(), headers, body }
}
