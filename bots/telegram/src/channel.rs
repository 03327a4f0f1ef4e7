//! The sending half: every [`Outbound`] as one call.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use teloxide::payloads::{
    AnswerCallbackQuery, DeleteMessage, EditMessageText, SendChatAction, SendMessage,
    SetMessageReaction,
};
use teloxide::types::{
    CallbackQueryId, ChatAction, ChatId, InlineKeyboardButton, LinkPreviewOptions,
    MessageId as TeloxideMessageId, ParseMode, ReactionType, Recipient, ReplyMarkup,
    ReplyParameters, ThreadId,
};
use zaki_channel::{
    Capabilities, Channel, ChannelError, ChoiceLimits, Dialect, Failure, File, FileLimit,
    Invitation, MediaBody, Pace, Rate, Receipt, Recourse, Retry, Support, TextLimit, Unit,
};
use zaki_envelope::{
    AccountName, Address, ChannelKind, Choice, ConversationKind, DeliveryId, MediaRef, MessageId,
    Outbound, Part, Presence, plain_text,
};

use crate::Config;
use crate::api::{Api, error, failed};

/// Every kind of update of Bot API 10.3 by name: three of them come only when asked for, and an
/// empty list would leave them out.
pub(crate) const ALLOWED_UPDATES: &[&str] = &[
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
    "subscription",
];

/// <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>: "In a single
/// chat, avoid sending more than one message per second."
const CHAT: Rate = Rate { burst: 1, every: Duration::from_secs(1) };
/// Same page: "In a group, bots are not able to send more than 20 messages per minute."
const GROUP: Rate = Rate::within(20, Duration::from_mins(1), 5);
/// Same page: "bots are not able to broadcast more than about 30 messages per second".
const ALL: Rate = Rate::within(30, Duration::from_secs(1), 5);

/// "Bots can currently send files of any type of up to 50 MB": /bots/api#senddocument.
const FILES: &[FileLimit] = &[FileLimit::any(50_000_000)];
/// "The photo must be at most 10 MB in size": /bots/api#sendphoto. Larger ones go as documents.
const LARGEST_PHOTO: usize = 10_000_000;

/// `callback_data` is "1-64 bytes" (/bots/api#inlinekeyboardbutton). Labels have no limit, but one
/// row holds no more.
const CHOICES: ChoiceLimits = ChoiceLimits {
    count: 4,
    label: TextLimit { max: 40, unit: Unit::CodePoints },
    data: TextLimit { max: 64, unit: Unit::Bytes },
};

/// One bot on Telegram. Text is taken as [`Dialect::TelegramHtml`], as `fit` renders it.
///
/// The API has no idempotency key: a lost answer is [`Retry::Unknown`], and the delivery's key is
/// of no use here.
#[derive(Clone)]
pub struct Telegram {
    account: AccountName,
    config: Config,
    api: Api,
}

impl Telegram {
    /// The bot configured as `account`. No call is made.
    pub fn new(account: AccountName, config: Config) -> Result<Self, ChannelError> {
        let api = Api::new(&config)?;
        Ok(Self { account, config, api })
    }

    /// Asks Telegram for the bot's @name, by which groups call it, unless it is known already.
    /// All clones of the [`Config`] then know it. One attempt; the caller repeats it.
    pub async fn learn(&self) -> Result<(), ChannelError> {
        learn(&self.api, &self.config).await.map_err(|failure| failed(failure, "getMe"))
    }

    /// Makes commands, each a name and what is shown of it, known to Telegram's clients, which offer
    /// them. Safe to repeat. <https://core.telegram.org/bots/api#setmycommands>
    pub async fn register_commands(&self, commands: &[(&str, String)]) -> Result<(), ChannelError> {
        let command = |(name, about): &(&str, String)| {
            let about: String = about.chars().take(256).collect();
            json!({"command": name, "description": about})
        };
        let commands: Vec<Value> = commands.iter().map(command).collect();
        let body = json!({"commands": commands});
        done("setMyCommands", self.api.call("setMyCommands", &body).await)
    }

    /// Has Telegram call `url` with every update, and learns the bot's name. Safe to repeat.
    pub async fn set_webhook(&self, url: &str) -> Result<(), ChannelError> {
        self.learn().await?;
        let body = json!({
            "url": url,
            "secret_token": self.config.secret(),
            "allowed_updates": ALLOWED_UPDATES,
            // Parallel over chats; within one chat Telegram waits for our answer.
            "max_connections": 100,
        });
        done("setWebhook", self.api.call("setWebhook", &body).await)
    }

    /// Stops the webhook; the updates not yet delivered wait for polling.
    pub async fn delete_webhook(&self) -> Result<(), ChannelError> {
        let answer = delete_webhook(&self.api).await;
        answer.map_err(|failure| failed(failure, "deleteWebhook"))
    }

    async fn post(
        &self,
        to: &Address,
        parts: &[Part],
        reply_to: Option<&MessageId>,
    ) -> Result<Receipt, ChannelError> {
        let mut message = SendMessage::new(chat(to)?, text(parts)?);
        message.parse_mode = Some(ParseMode::Html);
        message.link_preview_options = Some(no_preview());
        message.message_thread_id = thread(to)?;
        let reply_to = reply_to.map(message_id).transpose()?;
        message.reply_parameters =
            reply_to.map(|id| ReplyParameters::new(id).allow_sending_without_reply());
        message.reply_markup = keyboard(parts);
        let sent = self.api.perform(&message).await;
        let sent = sent.map_err(|failure| failed(failure, "sendMessage"))?;
        Ok(receipt(&sent))
    }

    async fn edit(
        &self,
        to: &Address,
        target: &MessageId,
        parts: &[Part],
    ) -> Result<Receipt, ChannelError> {
        let mut edit = EditMessageText::new(chat(to)?, message_id(target)?, text(parts)?);
        edit.parse_mode = Some(ParseMode::Html);
        edit.link_preview_options = Some(no_preview());
        match self.api.perform(&edit).await {
            // It says what it should say.
            Err(failure) if failure.says("message is not modified") => {}
            Err(failure) => return Err(failed(failure, "editMessageText")),
            Ok(_) => {}
        }
        Ok(Receipt { message: Some(target.clone()) })
    }

    async fn retract(&self, to: &Address, target: &MessageId) -> Result<(), ChannelError> {
        let call = DeleteMessage::new(chat(to)?, message_id(target)?);
        match self.api.perform(&call).await {
            Err(failure) if failure.says("message to delete not found") => Ok(()),
            answer => done("deleteMessage", answer),
        }
    }

    async fn react(
        &self,
        to: &Address,
        target: &MessageId,
        emoji: Option<&String>,
    ) -> Result<(), ChannelError> {
        let mut call = SetMessageReaction::new(chat(to)?, message_id(target)?);
        let reactions = emoji.map(|emoji| ReactionType::Emoji { emoji: emoji.clone() });
        call.reaction = Some(reactions.into_iter().collect());
        done("setMessageReaction", self.api.perform(&call).await)
    }

    async fn typing(&self, to: &Address) -> Result<(), ChannelError> {
        let mut call = SendChatAction::new(chat(to)?, ChatAction::Typing);
        call.message_thread_id = thread(to)?;
        done("sendChatAction", self.api.perform(&call).await)
    }

    /// Ends the spinner on a pressed button. Without a press there is nothing to end.
    async fn answer(&self, to: &Address, text: Option<&String>) -> Result<(), ChannelError> {
        let Some(handle) = &to.handle else {
            return Ok(());
        };
        let mut call = AnswerCallbackQuery::new(CallbackQueryId(handle.secret.clone()));
        // 0 to 200 characters.
        call.text = text.map(|text| text.chars().take(200).collect());
        done("answerCallbackQuery", self.api.perform(&call).await)
    }
}

#[async_trait]
impl Channel for Telegram {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Telegram
    }

    fn capabilities(&self, conversation: ConversationKind) -> Capabilities {
        let direct = conversation == ConversationKind::Direct;
        let shared = conversation == ConversationKind::Channel;
        Capabilities {
            text: TextLimit { max: 4096, unit: Unit::Utf16 },
            dialect: Dialect::TelegramHtml,
            edit: Support::Full,
            retract: Support::Full,
            react: Support::Full,
            reply: Support::Full,
            // Nobody sees a channel being written to.
            typing: if shared { Support::Dropped } else { Support::Full },
            // "The status is set for 5 seconds or less": /bots/api#sendchataction.
            typing_refresh: Duration::from_secs(4),
            media: Support::Full,
            files: FILES,
            choices: Some(CHOICES),
            window: None,
            pace: Pace {
                conversation: if direct { &[CHAT] } else { &[CHAT, GROUP] },
                account: &[ALL],
            },
            recourse: Recourse::None,
        }
    }

    /// `/start CODE`, sent by the button that the link opens the chat with:
    /// <https://core.telegram.org/bots/features#deep-linking>.
    fn invitation(&self, code: &str) -> Option<Invitation> {
        let fits = (1..=64).contains(&code.len()) && code.bytes().all(is_payload_byte);
        let name = self.config.username().filter(|_| fits);
        let url = name.map(|name| format!("https://t.me/{name}?start={code}"));
        Some(Invitation::prefilled(format!("/link {code}"), url))
    }

    async fn send(
        &self,
        to: &Address,
        outbound: &Outbound,
        _key: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        if to.account != self.account {
            return Err(error("an address of another bot", Retry::Never));
        }
        match outbound {
            Outbound::Post { parts, reply_to } => {
                return self.post(to, parts, reply_to.as_ref()).await;
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

    async fn upload(
        &self,
        to: &Address,
        file: &File,
        reply_to: Option<&MessageId>,
        _key: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        if to.account != self.account {
            return Err(error("an address of another bot", Retry::Never));
        }
        let (method, field) = method_for(file);
        let mut fields = vec![("chat_id", to.conversation.id.to_string())];
        if let Some(thread) = &to.conversation.thread {
            fields.push(("message_thread_id", thread.to_string()));
        }
        if let Some(id) = reply_to {
            let id = message_id(id)?.0;
            let reply = json!({"message_id": id, "allow_sending_without_reply": true});
            fields.push(("reply_parameters", reply.to_string()));
        }
        let sent = self.api.upload(method, &fields, field, file).await;
        Ok(receipt(&sent.map_err(|failure| failed(failure, method))?))
    }

    async fn fetch(&self, media: &MediaRef) -> Result<MediaBody, ChannelError> {
        let file = self.api.call("getFile", &json!({"file_id": media.as_str()})).await;
        let file = file.map_err(|failure| failed(failure, "getFile"))?;
        let path = file.get("file_path").and_then(Value::as_str);
        let path = path.ok_or_else(|| error("getFile: the file cannot be had", Retry::Never))?;
        self.api.download(path).await
    }
}

pub(crate) async fn learn(api: &Api, config: &Config) -> Result<(), Failure> {
    if config.username().is_some() {
        return Ok(());
    }
    let me = api.call("getMe", &json!({})).await?;
    if let Some(username) = me.get("username").and_then(Value::as_str) {
        config.learn(username.to_owned());
    }
    Ok(())
}

pub(crate) async fn delete_webhook(api: &Api) -> Result<(), Failure> {
    api.call("deleteWebhook", &json!({"drop_pending_updates": false})).await.map(drop)
}

/// "A-Z, a-z, 0-9, _ and - are allowed", says the same page.
fn is_payload_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn done(method: &str, answer: Result<Value, Failure>) -> Result<(), ChannelError> {
    answer.map(drop).map_err(|failure| failed(failure, method))
}

fn chat(to: &Address) -> Result<Recipient, ChannelError> {
    let id = to.conversation.id.as_str().parse().map_err(|_| no("chat"))?;
    Ok(Recipient::Id(ChatId(id)))
}

fn message_id(id: &MessageId) -> Result<TeloxideMessageId, ChannelError> {
    Ok(TeloxideMessageId(id.as_str().parse().map_err(|_| no("message"))?))
}

fn thread(to: &Address) -> Result<Option<ThreadId>, ChannelError> {
    let thread = to.conversation.thread.as_ref();
    let id = thread.map(|thread| thread.as_str().parse().map_err(|_| no("topic")));
    Ok(id.transpose()?.map(|id| ThreadId(TeloxideMessageId(id))))
}

fn no(what: &str) -> ChannelError {
    error(&format!("an address that is no {what} of Telegram's"), Retry::Never)
}

/// How a file is sent, and in which field: as what Telegram shows it as, where that is sure to take
/// it (/bots/api#sendphoto and those that follow), else as a document.
fn method_for(file: &File) -> (&'static str, &'static str) {
    match file.mime.as_str() {
        "image/jpeg" | "image/png" if file.bytes.len() <= LARGEST_PHOTO => ("sendPhoto", "photo"),
        "image/gif" => ("sendAnimation", "animation"),
        "video/mp4" => ("sendVideo", "video"),
        "audio/mpeg" | "audio/mp4" => ("sendAudio", "audio"),
        "audio/ogg" => ("sendVoice", "voice"),
        _ => ("sendDocument", "document"),
    }
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

/// One row of buttons.
fn keyboard(parts: &[Part]) -> Option<ReplyMarkup> {
    let choices = parts.iter().find_map(|part| match part {
        Part::Choices { choices } => Some(choices),
        _ => None,
    })?;
    let button = |it: &Choice| InlineKeyboardButton::callback(it.label.clone(), it.data.clone());
    Some(ReplyMarkup::inline_kb([choices.iter().map(button).collect::<Vec<_>>()]))
}

fn receipt(sent: &Value) -> Receipt {
    let id = sent.get("message_id").and_then(Value::as_i64);
    Receipt { message: id.map(|id| MessageId::new(id.to_string())) }
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}
