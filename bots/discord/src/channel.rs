//! The sending half: every [`Outbound`] as one call.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};
use serenity::builder::{
    CreateActionRow, CreateAllowedMentions, CreateCommand, CreateInteractionResponseFollowup,
    CreateMessage, EditInteractionResponse, EditMessage,
};
use serenity::model::channel::{MessageFlags, MessageReference, MessageReferenceKind, Nonce};
use serenity::model::id::{ChannelId, MessageId as SerenityMessageId};
use zaki_channel::{
    Capabilities, Channel, ChannelError, Dialect, Failure, File, FileLimit, Invitation, MediaBody,
    Pace, Rate, Receipt, Recourse, Retry, Support, TextLimit, Unit, now,
};
use zaki_envelope::{
    AccountName, Address, ChannelKind, ConversationKind, DeliveryId, MediaRef, MessageId, Outbound,
    Part, Presence, ReplyHandle, plain_text,
};

use crate::Config;
use crate::api::{Api, code, error, failed, is};
use crate::handle::{self, First, Live};
use crate::inbound::{ATTACHMENT, COMMAND};
use crate::widgets::{CHOICES, buttons, command};

/// "The default limit is 10 MiB": <https://discord.com/developers/docs/reference#uploading-files>.
/// Boosted guilds take more, and do not say so where it is needed.
const FILES: &[FileLimit] = &[FileLimit::any(10 * 1024 * 1024)];
/// How soon an interaction whose acknowledgement is still on its way may be answered.
const SETTLE_MS: u64 = 250;
/// Discord does not know the interaction (any more, or yet).
const UNKNOWN: [u64; 2] = [code::UNKNOWN_WEBHOOK, code::UNKNOWN_INTERACTION];
/// It does, but there is nothing left to be answered.
const OVER: [u64; 2] = [code::UNKNOWN_MESSAGE, code::INVALID_WEBHOOK_TOKEN];

/// Each channel has a bucket of its own, whose size Discord does not promise; it answers 5 in 5 s
/// in `X-RateLimit-Limit`. <https://discord.com/developers/docs/topics/rate-limits>
const CHANNEL: Rate = Rate::within(5, Duration::from_secs(5), 3);
/// Same page: "All bots can make up to 50 requests per second to our API."
const ALL: Rate = Rate::within(50, Duration::from_secs(1), 10);
/// A nonce is "checked for uniqueness in the past few minutes": fewer than two are no few.
/// <https://discord.com/developers/docs/resources/message#create-message>
const NONCE_LIVES: Duration = Duration::from_mins(2);

/// One bot on Discord. Nothing it says can ping anybody, and links are not unfolded.
///
/// A message to a channel carries a nonce made from the delivery's key: the same delivery sent
/// again within some minutes makes no second message. Answers to an interaction have no nonce;
/// the first of them (an edit of "thinking…") may be repeated, those after it not.
#[derive(Clone)]
pub struct Discord {
    account: AccountName,
    config: Config,
    api: Api,
}

impl Discord {
    /// The bot configured as `account`. No call is made.
    pub fn new(account: AccountName, config: Config) -> Result<Self, ChannelError> {
        let api = Api::new(&config)?;
        Ok(Self { account, config, api })
    }

    /// Makes `/zaki` and these further commands, each a name and what is shown of it, known to
    /// Discord, everywhere the application is installed. Safe to repeat; they replace the
    /// application's other global commands. Discord takes 100 of them, with descriptions of at most
    /// 100 characters, which longer ones are cut to.
    pub async fn register_commands(&self, further: &[(&str, String)]) -> Result<(), ChannelError> {
        let failed = |failure: Failure| failed(failure, "registering commands");
        let application = match &self.config.application_id {
            Some(id) => id.clone(),
            None => self.application().await.map_err(failed)?,
        };
        let ours = command(COMMAND, "Talk to your assistant", true);
        let further = further.iter().map(|(name, about)| command(name, about, false));
        let commands: Vec<CreateCommand> = std::iter::once(ours).chain(further).collect();
        let path = ["applications", &application, "commands"];
        self.api.send(Method::PUT, &path, &commands).await.map(drop).map_err(failed)
    }

    async fn application(&self) -> Result<String, Failure> {
        let me = self.api.call(Method::GET, &["applications", "@me"]).await?;
        if let Some(bot) = me.get("bot").and_then(id_of) {
            self.config.learn(bot.to_owned());
        }
        Ok(id_of(&me).unwrap_or_default().to_owned())
    }

    async fn post(
        &self,
        to: &Address,
        parts: &[Part],
        reply_to: Option<&MessageId>,
        key: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        let text = text(parts)?;
        if let Some(live) = live(to.handle.as_ref()) {
            match self.answer_with(&live, &text, buttons(parts)).await {
                Ok(message) => return Ok(receipt(&message)),
                Err(failure) => over(&live, failure)?,
            }
        }
        let channel = to.conversation.id.as_str();
        let mut message = CreateMessage::new()
            .content(text)
            .allowed_mentions(nobody())
            .flags(MessageFlags::SUPPRESS_EMBEDS)
            .components(buttons(parts))
            .nonce(Nonce::String(nonce(key)))
            .enforce_nonce(true);
        if let Some(id) = reply_to {
            message = message.reference_message(reference(channel, id)?);
        }
        let path = ["channels", channel, "messages"];
        let sent = self.api.send(Method::POST, &path, &message).await;
        Ok(receipt(&sent.map_err(|failure| failed(failure, "posting"))?))
    }

    /// By the interaction's token: in place of "thinking…", or as one more message.
    async fn answer_with(
        &self,
        live: &Live<'_>,
        text: &str,
        buttons: Vec<CreateActionRow>,
    ) -> Result<Value, Failure> {
        let Live { application, token, first, .. } = *live;
        let flags = MessageFlags::SUPPRESS_EMBEDS;
        match first {
            First::FillsIn => {
                let body = EditInteractionResponse::new()
                    .content(text)
                    .allowed_mentions(nobody())
                    .components(buttons)
                    .flags(flags);
                let path = ["webhooks", application, token, "messages", "@original"];
                self.api.send_by_token(Method::PATCH, &path, Some(&body)).await
            }
            First::Follows => {
                let body = CreateInteractionResponseFollowup::new()
                    .content(text)
                    .allowed_mentions(nobody())
                    .components(buttons)
                    .flags(flags);
                let path = ["webhooks", application, token];
                self.api.send_by_token(Method::POST, &path, Some(&body)).await
            }
        }
    }

    /// By the interaction's token while it lives, since the bot may not see the channel.
    async fn edit(
        &self,
        to: &Address,
        target: &MessageId,
        parts: &[Part],
    ) -> Result<Receipt, ChannelError> {
        let body = EditMessage::new()
            .content(text(parts)?)
            .allowed_mentions(nobody())
            .flags(MessageFlags::SUPPRESS_EMBEDS);
        let receipt = Receipt { message: Some(target.clone()) };
        if let Some(live) = live(to.handle.as_ref()) {
            let path = ["webhooks", live.application, live.token, "messages", target.as_str()];
            match self.api.send_by_token(Method::PATCH, &path, Some(&body)).await {
                Ok(_) => return Ok(receipt),
                Err(failure) => over(&live, failure)?,
            }
        }
        let path = message_path(to, target);
        let answer = self.api.send(Method::PATCH, &path, &body).await;
        answer.map(|_| receipt).map_err(|failure| failed(failure, "editing"))
    }

    async fn retract(&self, to: &Address, target: &MessageId) -> Result<(), ChannelError> {
        match self.api.call(Method::DELETE, &message_path(to, target)).await {
            Err(failure) if is(&failure, &[code::UNKNOWN_MESSAGE]) => Ok(()),
            answer => answer.map(drop).map_err(|failure| failed(failure, "deleting")),
        }
    }

    async fn react(
        &self,
        to: &Address,
        target: &MessageId,
        emoji: Option<&String>,
    ) -> Result<(), ChannelError> {
        let (method, emojis) = match emoji {
            Some(emoji) => (Method::PUT, vec![emoji.clone()]),
            None => (Method::DELETE, self.own_reactions(to, target).await?),
        };
        for emoji in emojis {
            let mut path = message_path(to, target).to_vec();
            path.extend(["reactions", &emoji, "@me"]);
            let answer = self.api.call(method.clone(), &path).await;
            answer.map_err(|failure| failed(failure, "reacting"))?;
        }
        Ok(())
    }

    /// Discord takes back one emoji at a time, and by name.
    async fn own_reactions(
        &self,
        to: &Address,
        target: &MessageId,
    ) -> Result<Vec<String>, ChannelError> {
        let message = self.api.call(Method::GET, &message_path(to, target)).await;
        let message = message.map_err(|failure| failed(failure, "reading a message"))?;
        let reactions = message.get("reactions").and_then(Value::as_array);
        let own = reactions.into_iter().flatten().filter(|it| it.get("me") == Some(&true.into()));
        Ok(own.filter_map(|it| emoji_name(it.get("emoji")?)).collect())
    }

    async fn typing(&self, to: &Address) -> Result<(), ChannelError> {
        let path = ["channels", to.conversation.id.as_str(), "typing"];
        let answer = self.api.call(Method::POST, &path).await;
        answer.map(drop).map_err(|failure| failed(failure, "typing"))
    }

    /// Ends "thinking…": with a note, or without a trace. A button needs no more than it got.
    async fn answer(&self, to: &Address, text: Option<&String>) -> Result<(), ChannelError> {
        let Some(live) = live(to.handle.as_ref()) else {
            return Ok(());
        };
        let answer = match (text, live.first) {
            (Some(text), _) => self.answer_with(&live, text, Vec::new()).await,
            (None, First::Follows) => return Ok(()),
            (None, First::FillsIn) => {
                let path = ["webhooks", live.application, live.token, "messages", "@original"];
                self.api.send_by_token(Method::DELETE, &path, None::<&()>).await
            }
        };
        answer.map(drop).or_else(|failure| over(&live, failure))
    }
}

#[async_trait]
impl Channel for Discord {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Discord
    }

    fn capabilities(&self, _conversation: ConversationKind) -> Capabilities {
        Capabilities {
            text: TextLimit { max: 2000, unit: Unit::CodePoints },
            dialect: Dialect::Discord,
            edit: Support::Full,
            retract: Support::Full,
            react: Support::Full,
            reply: Support::Full,
            typing: Support::Full,
            // Shown for 10 s: /resources/channel#trigger-typing-indicator.
            typing_refresh: Duration::from_secs(8),
            media: Support::Full,
            files: FILES,
            choices: Some(CHOICES),
            window: None,
            pace: Pace { conversation: &[CHANNEL], account: &[ALL] },
            recourse: Recourse::Repeat { within: NONCE_LIVES },
        }
    }

    /// The first answer to a command fills in what is there, so it may be made twice, as long as it
    /// is sure to find its interaction alive: it would become an ordinary message after that.
    fn recourse(&self, to: &Address, outbound: &Outbound) -> Recourse {
        let at = now().plus_ms(i64::try_from(NONCE_LIVES.as_millis()).unwrap_or(i64::MAX));
        let first = to.handle.as_ref().and_then(|handle| handle::live(handle, at));
        let fills_in = first.is_some_and(|live| live.first == First::FillsIn);
        match outbound {
            Outbound::Post { .. } | Outbound::Answer { .. } if fills_in => {
                Recourse::Repeat { within: NONCE_LIVES }
            }
            _ => self.capabilities(to.conversation.kind).recourse.of(to, outbound),
        }
    }

    /// Discord documents no address that brings words along; this one shows the bot, with the
    /// button that writes to it.
    fn invitation(&self, code: &str) -> Option<Invitation> {
        let url = self.config.bot_id().map(|id| format!("https://discord.com/users/{id}"));
        Some(Invitation::to_write(format!("/{COMMAND} link {code}"), url))
    }

    async fn send(
        &self,
        to: &Address,
        outbound: &Outbound,
        key: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        if to.account != self.account {
            return Err(error("an address of another bot", Retry::Never));
        }
        match outbound {
            Outbound::Post { parts, reply_to } => {
                return self.post(to, parts, reply_to.as_ref(), key).await;
            }
            Outbound::Edit { target, parts } => return self.edit(to, target, parts).await,
            Outbound::Retract { target } => self.retract(to, target).await?,
            Outbound::React { target, emoji } => self.react(to, target, emoji.as_ref()).await?,
            Outbound::Presence { presence: Presence::Typing, .. } => self.typing(to).await?,
            // It goes by itself.
            Outbound::Presence { presence: Presence::Done, .. } => {}
            Outbound::Answer { text } => self.answer(to, text.as_ref()).await?,
        }
        Ok(Receipt::default())
    }

    /// By the interaction's token while it lives, as words are.
    async fn upload(
        &self,
        to: &Address,
        file: &File,
        reply_to: Option<&MessageId>,
        key: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        if to.account != self.account {
            return Err(error("an address of another bot", Retry::Never));
        }
        if let Some(live) = live(to.handle.as_ref()) {
            let body = json!({"allowed_mentions": {"parse": []}});
            let (method, path) = match live.first {
                First::FillsIn => (
                    Method::PATCH,
                    vec!["webhooks", live.application, live.token, "messages", "@original"],
                ),
                First::Follows => (Method::POST, vec!["webhooks", live.application, live.token]),
            };
            match self.api.upload(false, method, &path, &body, file).await {
                Ok(message) => return Ok(receipt(&message)),
                Err(failure) => over(&live, failure)?,
            }
        }
        let channel = to.conversation.id.as_str();
        let mut body = json!({
            "allowed_mentions": {"parse": []},
            "nonce": nonce(key),
            "enforce_nonce": true,
        });
        if let Some(id) = reply_to {
            let gone =
                json!({"message_id": id, "channel_id": channel, "fail_if_not_exists": false});
            body["message_reference"] = gone;
        }
        let path = ["channels", channel, "messages"];
        let sent = self.api.upload(true, Method::POST, &path, &body, file).await;
        Ok(receipt(&sent.map_err(|failure| failed(failure, "sending a file"))?))
    }

    /// A file's URL goes stale within a day, so it is asked for anew.
    async fn fetch(&self, media: &MediaRef) -> Result<MediaBody, ChannelError> {
        let gone = || error("the file cannot be had", Retry::Never);
        let mut ids = media.as_str().split('/');
        let (Some(ATTACHMENT), Some(channel), Some(message), Some(id)) =
            (ids.next(), ids.next(), ids.next(), ids.next())
        else {
            return Err(gone());
        };
        let message = self.api.call(Method::GET, &["channels", channel, "messages", message]).await;
        let message = message.map_err(|failure| failed(failure, "reading a message"))?;
        let files = message.get("attachments").and_then(Value::as_array);
        let file = files.into_iter().flatten().find(|file| id_of(file) == Some(id));
        let url = file.and_then(|file| file.get("url")?.as_str());
        self.api.download(url.ok_or_else(gone)?).await
    }
}

/// Whether an interaction that refuses an answer is over, so that an ordinary way is to be gone:
/// its token is expired or void, or what it pointed at is deleted. Nothing was done with it.
fn over(live: &Live<'_>, failure: Failure) -> Result<(), ChannelError> {
    if live.is_settling && is(&failure, &UNKNOWN) {
        let what = "the interaction is not acknowledged yet";
        Err(error(what, Retry::AfterMs(SETTLE_MS)))
    } else if is(&failure, &UNKNOWN) || is(&failure, &OVER) {
        Ok(())
    } else {
        Err(failed(failure, "answering an interaction"))
    }
}

fn live(handle: Option<&ReplyHandle>) -> Option<Live<'_>> {
    handle::live(handle?, now())
}

/// No ping, whatever the text says.
fn nobody() -> CreateAllowedMentions {
    CreateAllowedMentions::new()
}

/// At most 25 characters: the ULID without its first, which is 0 until the year 3084.
fn nonce(key: DeliveryId) -> String {
    key.to_string().split_off(1)
}

fn reference(channel: &str, message: &MessageId) -> Result<MessageReference, ChannelError> {
    let none = || error("a reply to what is no message of Discord's", Retry::Never);
    // serenity panics over an id that is 0.
    let number = |id: &str| id.parse().ok().filter(|id| *id != 0).ok_or_else(none);
    let (channel, message) = (number(channel)?, number(message.as_str())?);
    Ok(MessageReference::new(MessageReferenceKind::Default, ChannelId::new(channel))
        .message_id(SerenityMessageId::new(message))
        .fail_if_not_exists(false))
}

fn message_path<'a>(to: &'a Address, target: &'a MessageId) -> [&'a str; 4] {
    ["channels", to.conversation.id.as_str(), "messages", target.as_str()]
}

/// All the words; `fit` has put everything else into words.
fn text(parts: &[Part]) -> Result<String, ChannelError> {
    let text = plain_text(parts);
    if parts.iter().any(|part| matches!(part, Part::Media { .. })) {
        return Err(error("a file without its bytes", Retry::Never));
    }
    if text.is_empty() {
        return Err(error("a message without text", Retry::Never));
    }
    Ok(text)
}

fn receipt(message: &Value) -> Receipt {
    Receipt { message: id_of(message).map(MessageId::new) }
}

fn id_of(object: &Value) -> Option<&str> {
    object.get("id")?.as_str()
}

/// As reactions are named in paths: the emoji itself, or `name:id`.
fn emoji_name(emoji: &Value) -> Option<String> {
    let name = emoji.get("name")?.as_str()?;
    Some(id_of(emoji).map_or_else(|| name.to_owned(), |id| format!("{name}:{id}")))
}

#[cfg(test)]
mod tests;
