//! The sending half: every [`Outbound`] as one call of the Web API.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use zaki_channel::{
    Capabilities, Channel, ChannelError, ChoiceLimits, Dialect, Evidence, File, FileLimit,
    Invitation, MediaBody, Pace, Rate, Receipt, Recourse, Retry, Support, TextLimit, Unit, now,
};
use zaki_envelope::{
    AccountName, Address, ChannelKind, Choice, ConversationKind, DeliveryId, MediaRef, MessageId,
    Outbound, Part, Presence, Timestamp, plain_text,
};

use crate::api::{Api, error};
use crate::prove::{Search, mark};
use crate::{Config, emoji};

/// What is put under a message that is being answered.
const WORKING: &str = "eyes";

/// Shown to nobody but who asked
/// (<https://docs.slack.dev/interactivity/handling-user-interaction>).
const EPHEMERAL: &str = "ephemeral";

/// `chat.postMessage` "generally allows posting one message per second per channel, while also
/// maintaining a workspace-wide limit", which no page puts into a figure: a 429 tells.
/// <https://docs.slack.dev/apis/web-api/rate-limits>
const CHANNEL: Rate = Rate { burst: 1, every: Duration::from_secs(1) };

/// "Files of any type up to 1 GB": <https://slack.com/help/articles/201330736>.
const FILES: &[FileLimit] = &[FileLimit::any(1_000_000_000)];

/// Button texts have 75 characters, values 2,000:
/// <https://docs.slack.dev/reference/block-kit/block-elements/button-element>.
const CHOICES: ChoiceLimits = ChoiceLimits {
    count: 5,
    label: TextLimit { max: 75, unit: Unit::Utf16 },
    data: TextLimit { max: 2_000, unit: Unit::Utf16 },
};
/// The text of a section: <https://docs.slack.dev/reference/block-kit/blocks/section-block>. A longer
/// one goes without buttons.
const SECTION: TextLimit = TextLimit { max: 3_000, unit: Unit::Utf16 };

/// One app on Slack. Text is taken as [`Dialect::Slack`], as `fit` renders it.
///
/// Slack has no idempotency key. The delivery's id travels as message metadata, by which
/// `conversations.history` can tell whether a lost answer was a success. For that the app needs the
/// scopes `channels:history`, `groups:history`, `im:history` and `mpim:history`.
#[derive(Clone)]
pub struct Slack {
    account: AccountName,
    api: Api,
    app: Option<String>,
    /// Who we are, once Slack has told it; shared by clones.
    me: Arc<OnceLock<Me>>,
}

/// What `auth.test` says of a token.
#[derive(Default, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_field_names, reason = "as Slack calls them")]
struct Me {
    /// The bot as a program, by which its messages are told.
    #[serde(rename = "bot_id")]
    bot: Option<String>,
    /// The bot as somebody to write to.
    #[serde(rename = "user_id")]
    user: Option<String>,
    #[serde(rename = "team_id")]
    team: Option<String>,
}

impl Slack {
    /// The app configured as `account`, calling through `http`.
    pub fn new(account: AccountName, config: &Config, http: Client) -> Self {
        let (api, app) = (Api::new(config, http), config.app_id.clone());
        Self { account, api, app, me: Arc::default() }
    }

    /// Asks Slack whose token it is: whether it is any good, and which bot is ours. All clones then
    /// know it. One attempt; safe to repeat.
    pub async fn learn(&self) -> Result<(), ChannelError> {
        let me = self.api.call("auth.test", &json!({})).await?;
        // A second answer can only be the same one.
        let _ = self.me.set(serde_json::from_value(me).unwrap_or_default());
        Ok(())
    }

    /// Opens the conversation with the bot:
    /// <https://docs.slack.dev/interactivity/deep-linking>.
    fn url(&self) -> Option<String> {
        let Me { user, team, .. } = self.me.get()?;
        let team = team.as_ref()?;
        match (&self.app, user) {
            (Some(app), _) => Some(format!("https://slack.com/app_redirect?app={app}&team={team}")),
            (None, Some(bot)) => Some(format!("slack://user?team={team}&id={bot}")),
            (None, None) => None,
        }
    }

    async fn post(
        &self,
        to: &Address,
        parts: &[Part],
        key: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        let text = &plain_text(parts);
        if self.respond(to, text, audience(to)).await? {
            return Ok(Receipt::default());
        }
        let mut params = json!({
            "channel": to.conversation.id,
            "text": text,
            "mrkdwn": true,
            "unfurl_links": false,
            "unfurl_media": false,
            "metadata": mark(key),
        });
        if let Some(thread) = &to.conversation.thread {
            params["thread_ts"] = json!(thread);
        }
        if let Some(blocks) = blocks(text, parts) {
            params["blocks"] = blocks;
        }
        let answer = self.api.call("chat.postMessage", &params).await?;
        let ts = answer.get("ts").and_then(Value::as_str);
        Ok(Receipt { message: ts.map(MessageId::new) })
    }

    /// Answers at a live `response_url`; false where there is none, and an ordinary message must
    /// serve.
    async fn respond(
        &self,
        to: &Address,
        text: &str,
        response_type: &str,
    ) -> Result<bool, ChannelError> {
        let live = to.handle.as_ref().filter(|handle| handle.is_live(now()));
        let url = live.and_then(|handle| Url::parse(&handle.secret).ok());
        let Some(url) = url.filter(|url| self.api.is_trusted(url)) else {
            return Ok(false);
        };
        let mut body = json!({
            "text": text,
            "response_type": response_type,
            "replace_original": false,
            "unfurl_links": false,
            "unfurl_media": false,
        });
        if let Some(thread) = &to.conversation.thread {
            body["thread_ts"] = json!(thread);
        }
        Ok(self.api.respond(&url, &body).await?.is_some())
    }

    async fn react(
        &self,
        to: &Address,
        target: &MessageId,
        emoji: Option<&str>,
    ) -> Result<Receipt, ChannelError> {
        let name = emoji.and_then(emoji::name);
        let name = name.ok_or_else(|| error("reactions.add", Retry::Never, "no such emoji"))?;
        let params = json!({
            "channel": to.conversation.id,
            "timestamp": target,
            "name": name,
        });
        self.done("reactions.add", &params, "already_reacted").await
    }

    /// That somebody reads the message, and is about to answer it.
    async fn show(
        &self,
        to: &Address,
        presence: Presence,
        message: &MessageId,
    ) -> Result<Receipt, ChannelError> {
        let (method, already) = match presence {
            Presence::Typing => ("reactions.add", "already_reacted"),
            Presence::Done => ("reactions.remove", "no_reaction"),
        };
        let channel = &to.conversation.id;
        let params = json!({ "channel": channel, "timestamp": message, "name": WORKING });
        self.done(method, &params, already).await
    }

    /// A call that `already` shows to have been made before.
    async fn done(
        &self,
        method: &str,
        params: &Value,
        already: &str,
    ) -> Result<Receipt, ChannelError> {
        match self.api.call(method, params).await {
            Err(error) if !error.what.ends_with(&format!(": {already}")) => Err(error),
            _ => Ok(Receipt::default()),
        }
    }

    async fn url_of(&self, media: &MediaRef) -> Result<Url, ChannelError> {
        let wrong = || error("file", Retry::Never, "not a file of Slack");
        let url = if media.as_str().contains("://") {
            Url::parse(media.as_str()).map_err(|_| wrong())?
        } else {
            let params = [("file", media.as_str())];
            let info = self.api.ask("files.info", &params).await?;
            let url = info.pointer("/file/url_private").and_then(Value::as_str);
            Url::parse(url.unwrap_or_default()).map_err(|_| wrong())?
        };
        if self.api.is_trusted(&url) { Ok(url) } else { Err(wrong()) }
    }
}

/// The text with buttons under it, where there are some.
fn blocks(text: &str, parts: &[Part]) -> Option<Value> {
    let choices = parts.iter().find_map(|part| match part {
        Part::Choices { choices } => Some(choices),
        _ => None,
    });
    let choices = choices.filter(|_| SECTION.allows(text))?;
    let button = |(n, it): (usize, &Choice)| {
        json!({
            "type": "button",
            "text": {"type": "plain_text", "text": it.label},
            "value": it.data,
            "action_id": format!("choice-{n}"),
        })
    };
    let buttons: Vec<Value> = choices.iter().enumerate().map(button).collect();
    Some(json!([
        {"type": "section", "text": {"type": "mrkdwn", "text": text}},
        {"type": "actions", "elements": buttons},
    ]))
}

/// Who sees what is posted at a `response_url`.
///
/// A command or press in a direct conversation may come from one between two people: Slack names
/// it the same way as the one with the bot, and `response_url` writes where the bot is no member.
/// The answer draws on the asker's private session, which the other person must not read.
fn audience(to: &Address) -> &'static str {
    match to.conversation.kind {
        ConversationKind::Direct => EPHEMERAL,
        ConversationKind::Group | ConversationKind::Channel => "in_channel",
    }
}

#[async_trait]
impl Channel for Slack {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Slack
    }

    fn capabilities(&self, _conversation: ConversationKind) -> Capabilities {
        Capabilities {
            // What `chat.update` takes and `chat.postMessage` recommends.
            text: TextLimit { max: 4_000, unit: Unit::Utf16 },
            dialect: Dialect::Slack,
            edit: Support::Full,
            retract: Support::Full,
            react: Support::Full,
            // Slack quotes nothing; the thread carries the context.
            reply: Support::Dropped,
            // Bots have no such sign outside of assistants' threads: a reaction, which stays.
            typing: Support::Fallback,
            typing_refresh: Duration::MAX,
            media: Support::Full,
            files: FILES,
            choices: Some(CHOICES),
            window: None,
            pace: Pace { conversation: &[CHANNEL], account: &[] },
            recourse: Recourse::Prove,
        }
    }

    /// As our command, since Slack's clients send no other text that begins with a slash. No
    /// address of Slack's brings words along.
    fn invitation(&self, code: &str) -> Option<Invitation> {
        Some(Invitation::to_write(format!("/zaki link {code}"), self.url()))
    }

    async fn send(
        &self,
        to: &Address,
        outbound: &Outbound,
        key: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        let channel = &to.conversation.id;
        match outbound {
            Outbound::Post { parts, .. } => self.post(to, parts, key).await,
            Outbound::Edit { target, parts } => {
                let text = plain_text(parts);
                let params = json!({"channel": channel, "ts": target, "text": text});
                self.api.call("chat.update", &params).await?;
                Ok(Receipt { message: Some(target.clone()) })
            }
            Outbound::Retract { target } => {
                let params = json!({"channel": channel, "ts": target});
                self.done("chat.delete", &params, "message_not_found").await
            }
            Outbound::React { target, emoji } => self.react(to, target, emoji.as_deref()).await,
            Outbound::Answer { text: Some(text) } => {
                self.respond(to, text, EPHEMERAL).await?;
                Ok(Receipt::default())
            }
            Outbound::Presence { presence, about: Some(message) } => {
                self.show(to, *presence, message).await
            }
            // The webhook's own answer has closed the press.
            Outbound::Presence { about: None, .. } | Outbound::Answer { text: None } => {
                Ok(Receipt::default())
            }
        }
    }

    /// A file carries no metadata by which it could be known again.
    fn recourse(&self, to: &Address, outbound: &Outbound) -> Recourse {
        let is_file = |part: &Part| matches!(part, Part::Media { .. });
        match outbound {
            Outbound::Post { parts, .. } if parts.iter().any(is_file) => Recourse::None,
            _ => self.capabilities(to.conversation.kind).recourse.of(to, outbound),
        }
    }

    /// In three steps, of which people see the last:
    /// <https://docs.slack.dev/messaging/working-with-files#upload>. The app needs files:write.
    async fn upload(
        &self,
        to: &Address,
        file: &File,
        _reply_to: Option<&MessageId>,
        _key: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        let id = self.api.put(file).await.map_err(ChannelError::before_sending)?;
        let mut params = json!({
            "files": [{"id": id, "title": file.name}],
            "channel_id": to.conversation.id,
        });
        if let Some(thread) = &to.conversation.thread {
            params["thread_ts"] = json!(thread);
        }
        self.api.call("files.completeUploadExternal", &params).await?;
        // Slack does not say which message it has made of it.
        Ok(Receipt::default())
    }

    async fn prove(
        &self,
        to: &Address,
        key: DeliveryId,
        since: Timestamp,
    ) -> Result<Evidence, ChannelError> {
        let bot = self.me.get().and_then(|me| me.bot.as_deref());
        Search { to, key, since, bot }.run(&self.api).await
    }

    async fn fetch(&self, media: &MediaRef) -> Result<MediaBody, ChannelError> {
        let url = self.url_of(media).await?;
        let response = self.api.download(url).await?;
        let lost = |cause: reqwest::Error| {
            error("file", Retry::AfterMs(1_000), "cut short").caused_by(cause.without_url())
        };
        Ok(response.bytes_stream().map_err(lost).boxed())
    }
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slack").field("account", &self.account).finish_non_exhaustive()
    }
}
