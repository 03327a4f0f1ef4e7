//! Calls of Graph, and what a failed one means.

use std::time::Duration;

use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::USER_AGENT,
    multipart::{Form, Part},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;
use zaki_channel::{ChannelError, File, Retry, Scope};
use zaki_envelope::ChannelKind;

use crate::Config;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Before a call that never reached Graph is made again.
const RECONNECT_MS: u64 = 1_000;
/// Meta's media servers turn callers without a name away.
const AGENT: &str = "zaki";

/// One number's access to Graph.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    root: String,
    phone_number_id: String,
    token: SecretString,
}

impl Api {
    pub(crate) fn new(config: &Config, http: Client) -> Self {
        let base = config.api_base.trim_end_matches('/');
        Self {
            http,
            root: format!("{base}/{}", config.api_version),
            phone_number_id: config.phone_number_id.clone(),
            token: config.token.clone(),
        }
    }

    /// Posts to `/{phone_number_id}/messages`.
    pub(crate) async fn messages(&self, body: &Value) -> Result<Value, ChannelError> {
        let url = format!("{}/{}/messages", self.root, self.phone_number_id);
        let request = self.http.post(url).json(body);
        let response = self.call("messages", request).await?;
        let answer = response.bytes().await;
        let answer = answer.map_err(|cause| lost("messages", cause))?;
        serde_json::from_slice(&answer)
            .map_err(|_| error("messages", Retry::Unknown, "the answer is not JSON"))
    }

    /// Asks for the number itself: whether the token is any good, and good for this number. Returns
    /// how people see it, as far as Graph says.
    ///
    /// Only a token that Graph does not know is an error. A refusal of another kind may concern
    /// the right to ask, which sending does not need (Graph tells "no such number" and "not yours
    /// to read" by one code), so it is said and no more.
    pub(crate) async fn check(&self) -> Result<String, ChannelError> {
        let url = format!("{}/{}", self.root, self.phone_number_id);
        let request = self.http.get(url).query(&[("fields", "id,display_phone_number")]);
        let answer = match self.call("phone number", request).await {
            Err(error) if (error.retry, error.scope) == (Retry::Never, Scope::Conversation) => {
                let mend = "compare phone_number_id with WhatsApp -> API Setup";
                tracing::warn!(%error, "this token cannot read its phone number; {mend}");
                return Ok(String::new());
            }
            answer => answer?,
        };
        let answer = answer.bytes().await.map_err(|cause| lost("phone number", cause))?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let number = answer.get("display_phone_number").and_then(Value::as_str);
        Ok(number.unwrap_or_default().to_owned())
    }

    /// The present URL of a medium, good for five minutes.
    pub(crate) async fn media_url(&self, id: &str) -> Result<Url, ChannelError> {
        let response = self.call("media", self.http.get(format!("{}/{id}", self.root))).await?;
        let answer = response.bytes().await;
        let answer = answer.map_err(|cause| lost("media", cause))?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let url = answer.get("url").and_then(Value::as_str).unwrap_or_default();
        let url = Url::parse(url).ok().filter(|url| self.is_trusted(url));
        url.ok_or_else(|| error("media", Retry::Never, "no URL of Meta's"))
    }

    /// Gives Graph a medium of ours, to be named in a message; returns its id.
    pub(crate) async fn upload(&self, file: &File) -> Result<String, ChannelError> {
        let wrong = |cause: reqwest::Error| lost("upload", cause);
        let part = Part::bytes(file.bytes.to_vec()).file_name(file.name.clone());
        let part = part.mime_str(&file.mime).map_err(wrong)?;
        let form =
            Form::new().text("messaging_product", "whatsapp").text("type", file.mime.clone());
        let url = format!("{}/{}/media", self.root, self.phone_number_id);
        let request = self.http.post(url).multipart(form.part("file", part));
        let answer = self.call("upload", request).await?.bytes().await.map_err(wrong)?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let id = answer.get("id").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| error("upload", Retry::Unknown, "no id of a medium"))
    }

    /// Opens a medium.
    pub(crate) async fn download(&self, url: Url) -> Result<Response, ChannelError> {
        self.call("download", self.http.get(url)).await
    }

    /// Whether a URL leads to Meta, or to the configured server: no other is shown the token.
    fn is_trusted(&self, url: &Url) -> bool {
        let same = |root: Url| root.origin() == url.origin();
        let host = url.host_str().unwrap_or_default();
        let metas = ["fbsbx.com", "facebook.com", "fbcdn.net", "whatsapp.net"];
        let is_metas = metas.iter().any(|meta| {
            let sub = host.strip_suffix(meta);
            sub.is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
        });
        (url.scheme() == "https" && is_metas) || Url::parse(&self.root).is_ok_and(same)
    }

    async fn call(&self, what: &str, request: RequestBuilder) -> Result<Response, ChannelError> {
        let request = request
            .bearer_auth(self.token.expose_secret())
            .header(USER_AGENT, AGENT)
            .timeout(TIMEOUT);
        let response = request.send().await.map_err(|cause| lost(what, cause))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        // Meta says to go by the code; without one, the status is all there is.
        let answer = response.bytes().await.unwrap_or_default();
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let code = answer.pointer("/error/code").and_then(Value::as_i64);
        let why = match code {
            Some(code) => format!("error {code}, status {}", status.as_u16()),
            None => format!("status {}", status.as_u16()),
        };
        Err(refused(what, code, status, &why))
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
    error(what, retry, "no answer").of_scope(scope).caused_by(cause.without_url())
}

/// A call that Graph answers with an error.
fn refused(what: &str, code: Option<i64>, status: StatusCode, why: &str) -> ChannelError {
    let (retry, scope) = refusal(code, status);
    if (retry, scope) == (Retry::Never, Scope::Account) {
        let mend = "the token is not valid; make one for a system user in Business settings";
        return error(what, retry, &format!("{mend} ({why})")).of_scope(scope);
    }
    error(what, retry, why).of_scope(scope)
}

/// What a refusal means: the one table
/// (<https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>).
fn refusal(code: Option<i64>, status: StatusCode) -> (Retry, Scope) {
    let judge = if code.is_some() { Retry::of_status } else { Retry::wordless };
    match code {
        // Throughput: 80 messages a second.
        Some(130_429) => (Retry::AfterMs(2_000), Scope::Account),
        // One person: one message in 6 s.
        Some(131_056) => (Retry::AfterMs(6_000), Scope::Conversation),
        // The app's, the account's, the number's limit; maintenance of the account.
        Some(4 | 80_007 | 131_048 | 131_057) => (Retry::AfterMs(60_000), Scope::Account),
        // The number is being moved or registered.
        Some(133_004) => (Retry::AfterMs(30_000), Scope::Account),
        // The token.
        Some(0 | 190) => (Retry::Never, Scope::Account),
        // API unknown, API service, something went wrong, service unavailable.
        Some(1 | 2 | 131_000 | 131_016) if status != StatusCode::TOO_MANY_REQUESTS => {
            (Retry::Unknown, Scope::Conversation)
        }
        _ => match judge(status.as_u16(), 60_000) {
            Retry::Never if code.is_none() && status == StatusCode::UNAUTHORIZED => {
                (Retry::Never, Scope::Account)
            }
            retry @ Retry::AfterMs(_) => (retry, Scope::Account),
            // Never: among them 131047 (24 h have passed), 100 (a parameter).
            retry => (retry, Scope::Conversation),
        },
    }
}

pub(crate) fn error(what: &str, retry: Retry, why: &str) -> ChannelError {
    ChannelError::new(ChannelKind::WhatsApp, retry, format!("{what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_decides_and_not_the_status() {
        let bad = StatusCode::BAD_REQUEST;
        let (account, one) = (Scope::Account, Scope::Conversation);
        for (code, status, retry, scope) in [
            (Some(130_429), bad, Retry::AfterMs(2_000), account),
            (Some(131_056), bad, Retry::AfterMs(6_000), one),
            (Some(80_007), bad, Retry::AfterMs(60_000), account),
            (Some(131_047), bad, Retry::Never, one),
            (Some(190), StatusCode::UNAUTHORIZED, Retry::Never, account),
            (Some(2), StatusCode::SERVICE_UNAVAILABLE, Retry::Unknown, one),
            (Some(131_000), bad, Retry::Unknown, one),
            (None, StatusCode::BAD_GATEWAY, Retry::Unknown, one),
            (None, bad, Retry::Unknown, one),
            (Some(100), bad, Retry::Never, one),
            (None, StatusCode::TOO_MANY_REQUESTS, Retry::AfterMs(60_000), account),
            (None, StatusCode::NOT_FOUND, Retry::Never, one),
        ] {
            assert_eq!(refusal(code, status), (retry, scope), "{code:?} {status}");
        }
    }

    #[test]
    fn the_token_is_shown_to_meta_and_the_configured_server_alone() {
        let mut config = Config::new("t".into(), "1", "s".into(), "v".into());
        config.api_base = "http://127.0.0.1:4000/".to_owned();
        let api = Api::new(&config, Client::new());
        let trusted = |url: &str| api.is_trusted(&Url::parse(url).unwrap());
        assert!(trusted("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1"));
        assert!(trusted("http://127.0.0.1:4000/lookaside/1"));
        for url in [
            "http://lookaside.fbsbx.com/x",
            "https://evilfbsbx.com/x",
            "https://fbsbx.com.evil.org/x",
            "https://fbsbx.com@evil.org/x",
            "http://127.0.0.1:4001/x",
        ] {
            assert!(!trusted(url), "{url}");
        }
    }
}
