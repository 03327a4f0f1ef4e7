//! Calls of the Bot API, and the one table that says what a failed call means.
//!
//! The requests are teloxide's payloads. They are not sent by its `Bot`, which would wait 10 s
//! inside the call on a 5xx, drop the status that tells "refused" from "unknown", and report a
//! message as failed that has been sent but is newer than its model (`teloxide-core` 0.13,
//! `net/request.rs`).

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use reqwest::{
    StatusCode,
    multipart::{Form, Part},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use teloxide::requests::Payload;
use zaki_channel::{ChannelError, Failure, File, MediaBody, Retry, Scope};
use zaki_envelope::{ChannelKind, ConversationId};

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

/// One bot's access to its server. Clones share the connections.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: String,
    token: SecretString,
}

/// Every answer: <https://core.telegram.org/bots/api#making-requests>.
#[derive(Deserialize)]
struct Reply<'a> {
    ok: bool,
    #[serde(default, borrow)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error_code: Option<u16>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    retry_after: Option<u64>,
    #[serde(default)]
    migrate_to_chat_id: Option<i64>,
}

impl Api {
    pub(crate) fn new(config: &Config) -> Result<Self, ChannelError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .pool_idle_timeout(IDLE)
            // A redirect would carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| error("no HTTP client", Retry::Never).caused_by(e.without_url()))?;
        Ok(Self {
            http,
            base: config.api_base.trim_end_matches('/').to_owned(),
            token: config.token.clone(),
        })
    }

    /// Makes one attempt at a call modelled by teloxide.
    pub(crate) async fn perform<P>(&self, payload: &P) -> Result<Value, Failure>
    where
        P: Payload + Serialize + Sync,
    {
        // teloxide writes `SendMessage`; Telegram takes either.
        let mut name = P::NAME.to_owned();
        name[..1].make_ascii_lowercase();
        self.call(&name, payload).await
    }

    /// Makes one attempt at any call.
    pub(crate) async fn call<B>(&self, method: &str, body: &B) -> Result<Value, Failure>
    where
        B: Serialize + Sync + ?Sized,
    {
        let result = self.raw(method, body, ANSWER).await?;
        // The call has succeeded, whatever its result looks like.
        Ok(serde_json::from_str(result.get()).unwrap_or_default())
    }

    /// As [`Api::call`], with the result as it came.
    pub(crate) async fn raw<B>(
        &self,
        method: &str,
        body: &B,
        patience: Duration,
    ) -> Result<Box<RawValue>, Failure>
    where
        B: Serialize + Sync + ?Sized,
    {
        let url = format!("{}/bot{}/{method}", self.base, self.token.expose_secret());
        let request = self.http.post(url).json(body).timeout(patience);
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let bytes =
            response.bytes().await.map_err(|e| Failure::Unanswered(e.without_url().into()))?;
        judge(status, &bytes)
    }

    /// Makes one attempt at a call that brings a file along, in `field`.
    pub(crate) async fn upload(
        &self,
        method: &str,
        fields: &[(&'static str, String)],
        field: &'static str,
        file: &File,
    ) -> Result<Value, Failure> {
        let part = Part::bytes(file.bytes.to_vec()).file_name(file.name.clone());
        let part = part.mime_str(&file.mime).map_err(lost)?;
        let form =
            fields.iter().fold(Form::new(), |form, (name, value)| form.text(*name, value.clone()));
        let url = format!("{}/bot{}/{method}", self.base, self.token.expose_secret());
        let request = self.http.post(url).multipart(form.part(field, part)).timeout(UPLOAD);
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let bytes =
            response.bytes().await.map_err(|e| Failure::Unanswered(e.without_url().into()))?;
        judge(status, &bytes).map(|result| serde_json::from_str(result.get()).unwrap_or_default())
    }

    /// Opens a file named by `getFile`. Its URL holds the token, so it stays in here.
    pub(crate) async fn download(&self, path: &str) -> Result<MediaBody, ChannelError> {
        let url = format!("{}/file/bot{}/{path}", self.base, self.token.expose_secret());
        let failed = |failure| failed(failure, "downloading a file");
        let response = self.http.get(url).send().await.map_err(|e| failed(lost(e)))?;
        let status = response.status();
        if !status.is_success() {
            return Err(failed(refusal(status.as_u16(), None)));
        }
        let chunks = response.bytes_stream();
        Ok(chunks.map_err(move |e| failed(lost(e))).boxed())
    }
}

/// What an answer means. Pure: the table of the reference, row by row.
fn judge(status: StatusCode, bytes: &[u8]) -> Result<Box<RawValue>, Failure> {
    match serde_json::from_slice::<Reply<'_>>(bytes) {
        Ok(Reply { ok: true, result, .. }) => Ok(result.map(ToOwned::to_owned).unwrap_or_default()),
        Ok(reply) => {
            let status = reply.error_code.unwrap_or(status.as_u16());
            Err(match reply.parameters {
                Parameters { retry_after: Some(secs), .. } => {
                    // It does not say whether the chat or the bot has written too much.
                    let after_ms = secs.saturating_mul(1000);
                    Failure::Limited { after_ms, scope: Scope::Conversation }
                }
                Parameters { migrate_to_chat_id: Some(id), .. } => {
                    Failure::Moved { to: ConversationId::new(id.to_string()) }
                }
                Parameters { .. } => refusal(status, reply.description.as_deref()),
            })
        }
        // Not the Bot API's words: a proxy in between, or another server altogether.
        Err(_) => Err(Failure::wordless(status.as_u16())),
    }
}

fn refusal(status: u16, why: Option<&str>) -> Failure {
    Failure::answered(status, None, None, why.map(shown).unwrap_or_default())
}

/// `Bad Request: can't parse entities: …`: what follows may quote the message.
fn shown(description: &str) -> String {
    description.splitn(3, ':').take(2).collect::<Vec<_>>().join(":")
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

/// No later attempt with this token at this address will fare better.
pub(crate) fn is_hopeless(failure: &Failure) -> bool {
    matches!(failure.status(), Some(401 | 404))
}

/// Says whether the call may be made again. `doing` is the method or what it was for.
///
/// A text that Telegram cannot parse is `Retry::Never` with "can't parse entities" in `what`:
/// sending it again as plain text is a new message.
pub(crate) fn failed(failure: Failure, doing: &str) -> ChannelError {
    if failure.status() == Some(401) {
        let mend = "the bot token is not valid; copy it again from @BotFather";
        return error(&format!("{doing}: {mend}"), Retry::Never).of_scope(Scope::Account);
    }
    failure.into_error(ChannelKind::Telegram, doing)
}

pub(crate) fn error(what: &str, retry: Retry) -> ChannelError {
    ChannelError::new(ChannelKind::Telegram, retry, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(status: u16, body: &str) -> Retry {
        let status = StatusCode::from_u16(status).unwrap();
        failed(judge(status, body.as_bytes()).unwrap_err(), "sendMessage").retry
    }

    #[test]
    fn the_table_of_outcomes() {
        let limited = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7","parameters":{"retry_after":7}}"#;
        assert_eq!(retry(429, limited), Retry::AfterMs(7000));
        assert_eq!(retry(429, "<html>"), Retry::AfterMs(1000));
        for status in [400, 401, 403, 404, 409, 302] {
            let body = format!(r#"{{"ok":false,"error_code":{status},"description":"No: x"}}"#);
            assert_eq!(retry(status, &body), Retry::Never, "{status}");
            // Half of a request is refused by whatever reads it first.
            let theirs = if status == 400 { Retry::Unknown } else { Retry::Never };
            assert_eq!(retry(status, "<html>"), theirs, "{status}");
        }
        for status in [408, 500, 502, 504] {
            let body =
                format!(r#"{{"ok":false,"error_code":{status},"description":"Bad Gateway"}}"#);
            assert_eq!(retry(status, &body), Retry::Unknown, "{status}");
            assert_eq!(retry(status, "<html>"), Retry::Unknown, "{status}");
        }
        assert_eq!(retry(200, "<html>"), Retry::Unknown);
    }

    #[test]
    fn ok_is_sent_whatever_the_result() {
        for result in ["true", r#"{"message_id":9,"hologram":{}}"#, "null"] {
            let body = format!(r#"{{"ok":true,"result":{result}}}"#);
            assert!(judge(StatusCode::OK, body.as_bytes()).is_ok(), "{result}");
        }
    }

    #[test]
    fn errors_do_not_quote_messages() {
        let body = r#"{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities: Unsupported start tag \"secret\" at byte offset 3"}"#;
        let failure = judge(StatusCode::BAD_REQUEST, body.as_bytes()).unwrap_err();
        assert!(failure.says("can't parse entities"));
        assert!(!failed(failure, "sendMessage").to_string().contains("secret"));
    }

    #[test]
    fn a_moved_group_is_named() {
        let body = r#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001}}"#;
        let failure = judge(StatusCode::BAD_REQUEST, body.as_bytes()).unwrap_err();
        let error = failed(failure, "sendMessage");
        assert_eq!(error.retry, Retry::Never);
        assert_eq!(error.moved, Some(ConversationId::new("-1001")));
    }
}
