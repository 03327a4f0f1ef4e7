//! REST calls, and the one table that says what a failed call means.
//!
//! Not carried by twilight-http: version 0.18 repeats a 429 inside the call, at once where no rate
//! limiter is set or the limit is global (`response/future.rs`), so that `retry_after` is never
//! seen and every repeat counts towards Discord's ban of 10,000 invalid requests in 10 minutes.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use reqwest::{
    Method, RequestBuilder, StatusCode,
    multipart::{Form, Part},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use zaki_channel::{ChannelError, Failure, File, MediaBody, Retry, Scope};
use zaki_envelope::ChannelKind;

use crate::Config;

/// Connecting, the silence between two pieces of a file, and answering; a call that is cut off may
/// still have had its effect.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_mins(1);
const ANSWER: Duration = Duration::from_secs(30);
/// Sending a file and its answer; less than the hub waits for any call.
const UPLOAD: Duration = Duration::from_secs(80);
/// An idle connection is not used again after this: servers close theirs after a minute or so, and
/// a message written into a closing connection is one nobody knows the fate of.
const IDLE: Duration = Duration::from_secs(30);
/// Discord refuses others. <https://discord.com/developers/docs/reference#user-agent>
const USER_AGENT: &str = concat!("DiscordBot (zaki, ", env!("CARGO_PKG_VERSION"), ")");

/// Discord's own error codes we act on.
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>
pub(crate) mod code {
    pub(crate) const UNKNOWN_MESSAGE: u64 = 10_008;
    pub(crate) const UNKNOWN_WEBHOOK: u64 = 10_015;
    pub(crate) const UNKNOWN_INTERACTION: u64 = 10_062;
    pub(crate) const INVALID_WEBHOOK_TOKEN: u64 = 50_027;
}

/// One application's access to REST. Clones share the connections.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: Url,
    token: SecretString,
}

/// Who a call is made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum As {
    /// The bot, by its token.
    Bot,
    /// Whoever holds the token in the path.
    Bearer,
}

#[derive(Default, Deserialize)]
struct Complaint {
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: u64,
    #[serde(default)]
    retry_after: Option<f64>,
    #[serde(default)]
    global: bool,
}

impl Api {
    pub(crate) fn new(config: &Config) -> Result<Self, ChannelError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .pool_idle_timeout(IDLE)
            .user_agent(USER_AGENT)
            // A redirect would carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| error("no HTTP client", Retry::Never).caused_by(e.without_url()))?;
        let base = Url::parse(&config.api_base)
            .map_err(|_| error("api_base is not a URL", Retry::Never))?;
        Ok(Self { http, base, token: config.token.clone() })
    }

    /// Makes one attempt at a call of the bot's.
    pub(crate) async fn call(&self, method: Method, path: &[&str]) -> Result<Value, Failure> {
        self.perform(As::Bot, method, path, None::<&()>).await
    }

    /// As [`Api::call`], with a body.
    pub(crate) async fn send<B: Serialize + Sync>(
        &self,
        method: Method,
        path: &[&str],
        body: &B,
    ) -> Result<Value, Failure> {
        self.perform(As::Bot, method, path, Some(body)).await
    }

    /// Makes one attempt at a call whose path holds the right to make it.
    pub(crate) async fn send_by_token<B: Serialize + Sync>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&B>,
    ) -> Result<Value, Failure> {
        self.perform(As::Bearer, method, path, body).await
    }

    async fn perform<B: Serialize + Sync>(
        &self,
        caller: As,
        method: Method,
        path: &[&str],
        body: Option<&B>,
    ) -> Result<Value, Failure> {
        let mut request = self.http.request(method, self.url(path)).timeout(ANSWER);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.answer(caller, request).await
    }

    /// Makes one attempt at a call that brings a file along; with `as_bot`, as the bot, else by the
    /// right in the path. <https://discord.com/developers/docs/reference#uploading-files>
    pub(crate) async fn upload(
        &self,
        as_bot: bool,
        method: Method,
        path: &[&str],
        body: &Value,
        file: &File,
    ) -> Result<Value, Failure> {
        let part = Part::bytes(file.bytes.to_vec()).file_name(file.name.clone());
        let part = part.mime_str(&file.mime).map_err(lost)?;
        let form = Form::new().text("payload_json", body.to_string()).part("files[0]", part);
        let request = self.http.request(method, self.url(path)).multipart(form).timeout(UPLOAD);
        self.answer(if as_bot { As::Bot } else { As::Bearer }, request).await
    }

    async fn answer(&self, caller: As, mut request: RequestBuilder) -> Result<Value, Failure> {
        if caller == As::Bot {
            let token = format!("Bot {}", self.token.expose_secret());
            request = request.header(reqwest::header::AUTHORIZATION, token);
        }
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let limit = Limit::of(response.headers());
        let bytes =
            response.bytes().await.map_err(|e| Failure::Unanswered(e.without_url().into()))?;
        judge(status, &limit, &bytes)
    }

    /// Segments are escaped, so that no id can lead elsewhere.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Opens a file on Discord's content network; its URL carries a signature of its own.
    pub(crate) async fn download(&self, url: &str) -> Result<MediaBody, ChannelError> {
        let failed = |failure| failed(failure, "downloading a file");
        let response = self.http.get(url).send().await.map_err(|e| failed(lost(e)))?;
        let status = response.status();
        if !status.is_success() {
            return Err(failed(refusal(status, &Limit::default(), &Complaint::default())));
        }
        let chunks = response.bytes_stream();
        Ok(chunks.map_err(move |e| failed(lost(e))).boxed())
    }
}

/// What the headers say of a rate limit.
/// <https://discord.com/developers/docs/topics/rate-limits#header-format>
#[derive(Default)]
struct Limit {
    /// Seconds.
    wait: Option<f64>,
    /// The bot's limit, and not that of a route (`user`) or a channel (`shared`).
    global: bool,
}

impl Limit {
    fn of(headers: &reqwest::header::HeaderMap) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let wait = text("retry-after").and_then(|secs| secs.parse().ok());
        let global = text("x-ratelimit-global") == Some("true")
            || text("x-ratelimit-scope") == Some("global");
        Self { wait, global }
    }
}

/// What an answer means. Pure: the table of the reference, row by row.
fn judge(status: StatusCode, limit: &Limit, bytes: &[u8]) -> Result<Value, Failure> {
    if status.is_success() {
        // The call has succeeded, whatever its result looks like.
        return Ok(serde_json::from_slice(bytes).unwrap_or_default());
    }
    Err(match serde_json::from_slice(bytes) {
        Err(_) if status == StatusCode::BAD_REQUEST => Failure::wordless(status.as_u16()),
        complaint => refusal(status, limit, &complaint.unwrap_or_default()),
    })
}

fn refusal(status: StatusCode, limit: &Limit, complaint: &Complaint) -> Failure {
    let wait = complaint.retry_after.or(limit.wait).and_then(millis);
    // Discord's words alone: `errors` beside them may quote the message.
    let why = complaint.message.chars().take(100).collect();
    let failure = Failure::answered(status.as_u16(), wait, Some(complaint.code), why);
    if complaint.global || limit.global { failure.of_scope(Scope::Account) } else { failure }
}

/// Rounded up: a millisecond too early is one more invalid request.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded to a day before"
)]
fn millis(secs: f64) -> Option<u64> {
    secs.is_finite().then(|| (secs.clamp(0.0, 86_400.0) * 1000.0).ceil() as u64)
}

/// What is known of a call without an answer.
fn lost(cause: reqwest::Error) -> Failure {
    let cause = cause.without_url();
    if cause.is_connect() || cause.is_builder() {
        Failure::NotSent(cause.into())
    } else {
        Failure::Unanswered(cause.into())
    }
}

/// A refusal with one of these codes of Discord's.
pub(crate) fn is(failure: &Failure, codes: &[u64]) -> bool {
    failure.code().is_some_and(|code| codes.contains(&code))
}

/// The bot itself is refused.
fn is_bad_token(failure: &Failure) -> bool {
    failure.status() == Some(401) && !is(failure, &[code::INVALID_WEBHOOK_TOKEN])
}

/// No later attempt with this token at this address will fare better.
pub(crate) fn is_hopeless(failure: &Failure) -> bool {
    is_bad_token(failure) || failure.status() == Some(404)
}

/// Says whether the call may be made again. `doing` is what it was for.
pub(crate) fn failed(failure: Failure, doing: &str) -> ChannelError {
    if is_bad_token(&failure) {
        let mend = "the bot token is not valid; reset it in the developer portal, page Bot";
        return error(&format!("{doing}: {mend}"), Retry::Never).of_scope(Scope::Account);
    }
    failure.into_error(ChannelKind::Discord, doing)
}

pub(crate) fn error(what: &str, retry: Retry) -> ChannelError {
    ChannelError::new(ChannelKind::Discord, retry, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(status: u16, body: &str) -> Retry {
        let status = StatusCode::from_u16(status).unwrap();
        failed(judge(status, &Limit::default(), body.as_bytes()).unwrap_err(), "posting").retry
    }

    #[test]
    fn the_table_of_outcomes() {
        let limited =
            r#"{"message":"You are being rate limited.","retry_after":0.2501,"global":false}"#;
        assert_eq!(retry(429, limited), Retry::AfterMs(251));
        assert_eq!(retry(429, "<html>"), Retry::AfterMs(1000));
        assert_eq!(retry(429, r#"{"retry_after":-3}"#), Retry::AfterMs(0));
        for status in [302, 400, 401, 403, 404] {
            assert_eq!(retry(status, r#"{"message":"x","code":1}"#), Retry::Never, "{status}");
        }
        for status in [408, 500, 502, 504] {
            assert_eq!(retry(status, "<html>"), Retry::Unknown, "{status}");
        }
        assert!(judge(StatusCode::NO_CONTENT, &Limit::default(), b"").is_ok());
    }

    #[test]
    fn the_header_says_how_long_to_wait_where_the_body_does_not() {
        let limit = Limit { wait: Some(2.0), global: false };
        let failure = judge(StatusCode::TOO_MANY_REQUESTS, &limit, b"").unwrap_err();
        assert_eq!(failed(failure, "x").retry, Retry::AfterMs(2000));
    }

    #[test]
    fn a_global_limit_holds_up_the_bot_and_another_the_channel_alone() {
        let scope = |headers: &[(&'static str, &'static str)], body: &str| {
            let headers = headers.iter().map(|(name, value)| {
                (name.parse().unwrap(), reqwest::header::HeaderValue::from_static(value))
            });
            let limit = Limit::of(&headers.collect());
            let failure = judge(StatusCode::TOO_MANY_REQUESTS, &limit, body.as_bytes());
            failed(failure.unwrap_err(), "x").scope
        };
        assert_eq!(scope(&[("x-ratelimit-global", "true")], ""), Scope::Account);
        assert_eq!(scope(&[("x-ratelimit-scope", "global")], ""), Scope::Account);
        assert_eq!(scope(&[], r#"{"retry_after":1,"global":true}"#), Scope::Account);
        let own = r#"{"retry_after":1,"global":false}"#;
        for of in ["user", "shared"] {
            assert_eq!(scope(&[("x-ratelimit-scope", of)], own), Scope::Conversation, "{of}");
        }
    }

    #[test]
    fn an_expired_interaction_is_no_bad_token() {
        let bad = br#"{"message":"401: Unauthorized","code":0}"#;
        assert!(is_bad_token(
            &judge(StatusCode::UNAUTHORIZED, &Limit::default(), bad).unwrap_err()
        ));
        let expired = br#"{"message":"Invalid Webhook Token","code":50027}"#;
        assert!(!is_bad_token(
            &judge(StatusCode::UNAUTHORIZED, &Limit::default(), expired).unwrap_err()
        ));
    }

    #[test]
    fn ids_cannot_lead_elsewhere() {
        let mut config = Config::new("t".into());
        config.api_base = "http://127.0.0.1:9/api/v10/".to_owned();
        let url = Api::new(&config).unwrap().url(&["channels", "../../x?y", "messages"]);
        assert_eq!(url.as_str(), "http://127.0.0.1:9/api/v10/channels/..%2F..%2Fx%3Fy/messages");
    }
}
