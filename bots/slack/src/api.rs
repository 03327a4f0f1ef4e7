//! Calls of the Web API, and what a failed one means.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;
use zaki_channel::{ChannelError, File, Retry, Scope};
use zaki_envelope::ChannelKind;

use crate::Config;

/// Longest wait for an answer; Slack's own is far below.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Before a call that never reached Slack is made again.
const RECONNECT_MS: u64 = 1_000;
/// Where a rate limit does not say how long it lasts.
const RATE_LIMIT_MS: u64 = 30_000;

/// One app's access to the Web API.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    base: String,
    token: SecretString,
}

impl Api {
    pub(crate) fn new(config: &Config, http: Client) -> Self {
        Self {
            http,
            base: config.api_base.trim_end_matches('/').to_owned(),
            token: config.token.clone(),
        }
    }

    /// Calls a method that writes, with JSON; the answer is one with `ok: true`.
    pub(crate) async fn call(&self, method: &str, params: &Value) -> Result<Value, ChannelError> {
        let request = self.http.post(format!("{}/{method}", self.base));
        self.answer(method, request.json(params)).await
    }

    /// Calls a method that reads; those take no JSON.
    pub(crate) async fn ask(
        &self,
        method: &str,
        params: &[(&str, &str)],
    ) -> Result<Value, ChannelError> {
        let request = self.http.get(format!("{}/{method}", self.base));
        self.answer(method, request.query(params)).await
    }

    async fn answer(&self, method: &str, request: RequestBuilder) -> Result<Value, ChannelError> {
        let response = self.outcome(method, self.signed(request)).await?;
        // What Slack refuses it answers with 200 and `ok: false`.
        checked(method, &response, Retry::wordless)?;
        let wait = retry_after(&response);
        let answer = response.bytes().await;
        // Slack has carried the call out, or refused it: without the answer nobody knows.
        let answer = answer.map_err(|cause| lost(method, cause))?;
        let answer: Value = serde_json::from_slice(&answer)
            .map_err(|_| error(method, Retry::Unknown, "the answer is not JSON"))?;
        if answer.get("ok") == Some(&Value::Bool(true)) {
            return Ok(answer);
        }
        let Some(code) = answer.get("error").and_then(Value::as_str) else {
            return Err(error(method, Retry::Unknown, "an answer that is not Slack's"));
        };
        Err(refused(method, code, wait))
    }

    /// Posts to a `response_url`, which holds its own right. `None` where it is used up or expired.
    pub(crate) async fn respond(
        &self,
        url: &Url,
        body: &Value,
    ) -> Result<Option<()>, ChannelError> {
        let request = self.http.post(url.clone()).json(body);
        let response = self.outcome("response_url", request).await?;
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ => checked("response_url", &response, Retry::of_status).map(Some),
        }
    }

    /// Brings the bytes of a file, which nobody sees yet; returns its id.
    pub(crate) async fn put(&self, file: &File) -> Result<String, ChannelError> {
        let length = file.bytes.len().to_string();
        let params = [("filename", file.name.as_str()), ("length", length.as_str())];
        let place = self.ask("files.getUploadURLExternal", &params).await?;
        let text = |name: &str| place.get(name).and_then(Value::as_str).unwrap_or_default();
        let (id, url) = (text("file_id").to_owned(), Url::parse(text("upload_url")).ok());
        let Some(url) = url.filter(|url| self.is_trusted(url) && !id.is_empty()) else {
            return Err(error("upload", Retry::Never, "no place to upload to"));
        };
        // The address holds the right to use it.
        let request = self.http.post(url).header(CONTENT_TYPE, &file.mime).body(file.bytes.clone());
        self.send("upload", request).await?;
        Ok(id)
    }

    /// Opens a file with the bot's token. Slack leads a bot without the right to it to the login
    /// page, which must not pass for the file.
    pub(crate) async fn download(&self, url: Url) -> Result<Response, ChannelError> {
        let request = self.signed(self.http.get(url.clone()));
        let response = self.send("file", request).await?;
        let kind = response.headers().get(CONTENT_TYPE);
        let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if is_page && *response.url() != url {
            return Err(error("file", Retry::Never, "not permitted; the app needs files:read"));
        }
        Ok(response)
    }

    /// Whether a URL leads to Slack, or to the configured server: no other is shown a secret.
    pub(crate) fn is_trusted(&self, url: &Url) -> bool {
        let same = |base: Url| base.origin() == url.origin();
        let host = url.host_str().unwrap_or_default();
        let slack = host == "slack.com" || host.ends_with(".slack.com");
        (url.scheme() == "https" && slack) || Url::parse(&self.base).is_ok_and(same)
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(self.token.expose_secret())
    }

    async fn send(&self, what: &str, request: RequestBuilder) -> Result<Response, ChannelError> {
        let response = self.outcome(what, request).await?;
        checked(what, &response, Retry::of_status)?;
        Ok(response)
    }

    async fn outcome(&self, what: &str, request: RequestBuilder) -> Result<Response, ChannelError> {
        let sent = request.timeout(TIMEOUT).send().await;
        sent.map_err(|cause| lost(what, cause))
    }
}

/// A call without an answer: harmless where no connection came about, else of unknown effect.
fn lost(what: &str, cause: reqwest::Error) -> ChannelError {
    let (retry, scope) = if cause.is_builder() {
        (Retry::Never, Scope::Conversation)
    } else if cause.is_connect() {
        (Retry::AfterMs(RECONNECT_MS), Scope::Account)
    } else {
        (Retry::Unknown, Scope::Conversation)
    };
    // A `response_url` is a secret.
    error(what, retry, "no answer").of_scope(scope).caused_by(cause.without_url())
}

fn checked(
    what: &str,
    response: &Response,
    judge: fn(u16, u64) -> Retry,
) -> Result<(), ChannelError> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let limit = retry_after(response).unwrap_or(RATE_LIMIT_MS);
    let retry = judge(status.as_u16(), limit);
    // A limit holds for the method and the workspace, whatever the channel
    // (<https://docs.slack.dev/apis/web-api/rate-limits>).
    let scope = match retry {
        Retry::AfterMs(_) => Scope::Account,
        Retry::Never | Retry::Unknown => Scope::Conversation,
    };
    Err(error(what, retry, status.as_str()).of_scope(scope))
}

/// `Retry-After` in milliseconds; Slack writes whole seconds.
fn retry_after(response: &Response) -> Option<u64> {
    let header = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(header.trim().parse::<u64>().ok()?.saturating_mul(1000))
}

/// A call that Slack answers with an error code.
fn refused(method: &str, code: &str, wait: Option<u64>) -> ChannelError {
    let (retry, scope) = refusal(code, wait);
    if (retry, scope) == (Retry::Never, Scope::Account) {
        let mend = "the bot token is not valid; copy it again from OAuth & Permissions";
        return error(method, retry, &format!("{mend} ({code})")).of_scope(scope);
    }
    error(method, retry, code).of_scope(scope)
}

/// What an error code means: the one table
/// (<https://docs.slack.dev/reference/methods/chat.postMessage#errors>).
fn refusal(code: &str, wait: Option<u64>) -> (Retry, Scope) {
    match code {
        // The workspace's own limit, an outage, a workspace on its way into an organisation.
        "ratelimited" | "rate_limited" | "service_unavailable" | "team_added_to_org" => {
            (Retry::AfterMs(wait.unwrap_or(RATE_LIMIT_MS)), Scope::Account)
        }
        // "The POST data was either missing or truncated."
        "request_timeout" => (Retry::AfterMs(RECONNECT_MS), Scope::Conversation),
        // "It's possible some aspect of the operation succeeded before the error was raised."
        "internal_error" | "fatal_error" => (Retry::Unknown, Scope::Conversation),
        // No call with this token will fare better.
        "invalid_auth" | "not_authed" | "account_inactive" | "token_expired" | "token_revoked" => {
            (Retry::Never, Scope::Account)
        }
        _ => (Retry::Never, Scope::Conversation),
    }
}

pub(crate) fn error(what: &str, retry: Retry, why: &str) -> ChannelError {
    ChannelError::new(ChannelKind::Slack, retry, format!("{what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_whether_to_call_again() {
        let wait = Retry::AfterMs(7_000);
        for (code, retry, scope) in [
            ("channel_not_found", Retry::Never, Scope::Conversation),
            ("invalid_auth", Retry::Never, Scope::Account),
            ("msg_too_long", Retry::Never, Scope::Conversation),
            ("ratelimited", wait, Scope::Account),
            ("service_unavailable", wait, Scope::Account),
            ("request_timeout", Retry::AfterMs(RECONNECT_MS), Scope::Conversation),
            ("internal_error", Retry::Unknown, Scope::Conversation),
            ("fatal_error", Retry::Unknown, Scope::Conversation),
        ] {
            assert_eq!(refusal(code, Some(7_000)), (retry, scope), "{code}");
        }
        assert_eq!(refusal("ratelimited", None).0, Retry::AfterMs(RATE_LIMIT_MS));
    }

    #[test]
    fn secrets_are_shown_to_slack_and_the_configured_server_alone() {
        let mut config = Config::new("xoxb".into(), "s".into());
        config.api_base = "http://127.0.0.1:4000/api/".to_owned();
        let api = Api::new(&config, Client::new());
        let trusted = |url: &str| api.is_trusted(&Url::parse(url).unwrap());
        assert!(trusted("https://files.slack.com/files-pri/T1-F1/a.png"));
        assert!(trusted("https://hooks.slack.com/commands/T1/1/x"));
        assert!(trusted("http://127.0.0.1:4000/response/T1/1"));
        for url in [
            "http://files.slack.com/a",
            "https://slack.com.evil.org/a",
            "https://evilslack.com/a",
            "https://evil.org/?slack.com",
            "http://127.0.0.1:4001/x",
            "https://slack.com@evil.org/",
        ] {
            assert!(!trusted(url), "{url}");
        }
    }
}
