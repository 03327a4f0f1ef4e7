//! Webhook requests made by hand, for what no platform would send.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use reqwest::Method;
use zaki_simulators::{Attempt, signature};

use crate::world::{ACCOUNT, TELEGRAM_SECRET};
use crate::{ChannelKind, SOON, World};

/// A request to a webhook.
#[derive(Clone, Debug)]
pub struct Post {
    /// POST, unless changed.
    pub method: Method,
    /// From the hub's root.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The exact bytes.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Post {
    /// A request as the platform would sign it now.
    pub fn signed(world: &World, channel: ChannelKind, body: impl Into<Vec<u8>>) -> Self {
        Self::signed_at(world, channel, body, now())
    }

    /// A request as the platform would have signed it at `seconds` since 1970.
    pub fn signed_at(
        world: &World,
        channel: ChannelKind,
        body: impl Into<Vec<u8>>,
        seconds: u64,
    ) -> Self {
        let body = body.into();
        let time = seconds.to_string();
        let headers = match channel {
            ChannelKind::Telegram => {
                vec![("x-telegram-bot-api-secret-token", TELEGRAM_SECRET.to_owned())]
            }
            ChannelKind::Discord => {
                let seed = &world.discord.config().signing_seed;
                let signed = signature::discord(seed, &time, &body);
                vec![("x-signature-ed25519", signed), ("x-signature-timestamp", time)]
            }
            ChannelKind::WhatsApp => {
                let secret = &world.whatsapp.config().app_secret;
                vec![("x-hub-signature-256", signature::meta(secret, &body))]
            }
            ChannelKind::Slack => {
                let secret = &world.slack.config().signing_secret;
                let signed = signature::slack(secret, seconds, &body);
                vec![("x-slack-signature", signed), ("x-slack-request-timestamp", time)]
            }
            ChannelKind::Web => crate::no_bot(),
        };
        let mut post =
            Self { method: Method::POST, path: path(channel), headers: Vec::new(), body };
        for (name, value) in headers {
            post = post.header(name, &value);
        }
        post.header("content-type", "application/json")
    }

    /// Exactly what a simulator has sent before.
    pub fn again(channel: ChannelKind, attempt: &Attempt) -> Self {
        let headers = attempt.headers.iter();
        let text = |value: &reqwest::header::HeaderValue| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
        Self { method: Method::POST, path: path(channel), headers, body: attempt.body.to_vec() }
    }

    /// With this header instead of the one of the same name.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        let mut post = self.without(name);
        post.headers.push((name.to_owned(), value.to_owned()));
        post
    }

    /// Without this header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(there, _)| there != name);
        self
    }

    /// To another path.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Sends it to the hub.
    pub async fn send(self, world: &World) -> Result<Answer> {
        self.send_to(&world.http, &world.url("")).await
    }

    /// Sends it to whatever listens at this base URL.
    pub async fn send_to(self, http: &reqwest::Client, base: &str) -> Result<Answer> {
        let mut request = http.request(self.method, format!("{base}{}", self.path)).body(self.body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let answer = request.timeout(SOON).send().await?;
        Ok(Answer { status: answer.status().as_u16(), body: answer.text().await? })
    }

    /// Sends it; an answer other than `status` is a failure.
    pub async fn expect(self, world: &World, status: u16) -> Result<Answer> {
        let shown = format!("{} {}", self.method, self.path);
        let answer = self.send(world).await?;
        if answer.status != status {
            bail!("{shown}: {status} was expected, {answer:?} came\n{}", world.log());
        }
        Ok(answer)
    }
}

/// The header that carries the proof.
pub fn proof(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Telegram => "x-telegram-bot-api-secret-token",
        ChannelKind::Discord => "x-signature-ed25519",
        ChannelKind::WhatsApp => "x-hub-signature-256",
        ChannelKind::Slack => "x-slack-signature",
        ChannelKind::Web => crate::no_bot(),
    }
}

/// Where the platform posts messages to.
fn path(channel: ChannelKind) -> String {
    let route = if channel == ChannelKind::Slack { "/events" } else { "" };
    format!("/webhooks/{channel}/{ACCOUNT}{route}")
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
