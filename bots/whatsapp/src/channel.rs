//! The sending half: every [`Outbound`] as one call of Graph.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use reqwest::Client;
use serde_json::{Value, json};
use zaki_channel::{
    Capabilities, Channel, ChannelError, ChoiceLimits, Dialect, File, FileLimit, Invitation,
    MediaBody, Pace, Rate, Receipt, Recourse, Retry, Support, TextLimit, Unit,
};
use zaki_envelope::{
    AccountName, Address, ChannelKind, Choice, ConversationKind, DeliveryId, MediaRef, MessageId,
    Outbound, Part, Presence, is_business_scoped, plain_text,
};

use crate::Config;
use crate::api::{Api, error};

/// One message in 6 s to the same person; up to 45 at once are borrowed from what follows.
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/overview#pair-rate-limits>
const PAIR: Rate = Rate { burst: 45, every: Duration::from_secs(6) };
/// 80 messages a second and number, both directions counted: half of it is for those we answer.
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/overview#throughput>
const NUMBER: Rate = Rate::within(40, Duration::from_secs(1), 8);
/// A status comes within seconds of the message; Meta repeats one that we missed for longer.
const STATUS_WITHIN: Duration = Duration::from_mins(5);

/// Three reply buttons, with a title of 20 and an id of 256 characters:
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/messages/interactive-reply-buttons-messages>.
const CHOICES: ChoiceLimits = ChoiceLimits {
    count: 3,
    label: TextLimit { max: 20, unit: Unit::Utf16 },
    data: TextLimit { max: 256, unit: Unit::Utf16 },
};
/// The customer service window, short of a minute for the way:
/// <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages#customer-service-windows>
const WINDOW: Duration = Duration::from_mins(24 * 60 - 1);
/// What Graph takes: <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media>.
const FILES: &[FileLimit] = &[
    FileLimit { mime: "image/jpeg", max: SMALL },
    FileLimit { mime: "image/png", max: SMALL },
    FileLimit { mime: "audio/aac", max: MEDIUM },
    FileLimit { mime: "audio/amr", max: MEDIUM },
    FileLimit { mime: "audio/mpeg", max: MEDIUM },
    FileLimit { mime: "audio/mp4", max: MEDIUM },
    FileLimit { mime: "audio/ogg", max: MEDIUM },
    FileLimit { mime: "video/mp4", max: MEDIUM },
    FileLimit { mime: "video/3gpp", max: MEDIUM },
    FileLimit { mime: "text/plain", max: LARGE },
    FileLimit { mime: "application/pdf", max: LARGE },
    FileLimit { mime: "application/msword", max: LARGE },
    FileLimit { mime: "application/vnd.ms-excel", max: LARGE },
    FileLimit { mime: "application/vnd.ms-powerpoint", max: LARGE },
    FileLimit { mime: "application/vnd.openxmlformats-officedocument", max: LARGE },
];
const SMALL: u64 = 5_000_000;
const MEDIUM: u64 = 16_000_000;
const LARGE: u64 = 100_000_000;
/// Of the page on reply buttons: what stands above them. A longer text goes without.
const ABOVE: TextLimit = TextLimit { max: 1024, unit: Unit::Utf16 };

/// One business number on WhatsApp. Text is taken as [`Dialect::WhatsApp`], as `fit` renders it.
///
/// Graph has no idempotency key. The delivery's id travels as `biz_opaque_callback_data` and comes
/// back in every status of the message, which tells whether a lost answer was a success.
#[derive(Clone)]
pub struct WhatsApp {
    account: AccountName,
    api: Api,
    /// Our number, once Graph has told it: digits only. Shared by clones.
    number: Arc<OnceLock<String>>,
}

impl WhatsApp {
    /// The number configured as `account`, calling through `http`.
    pub fn new(account: AccountName, config: &Config, http: Client) -> Self {
        Self { account, api: Api::new(config, http), number: Arc::default() }
    }

    /// Asks Graph whether the token is any good for this number, and which number that is. All
    /// clones then know it. One attempt; safe to repeat.
    pub async fn check(&self) -> Result<(), ChannelError> {
        let digits: String = self.api.check().await?.chars().filter(char::is_ascii_digit).collect();
        if !digits.is_empty() {
            // A second answer can only be the same one.
            let _ = self.number.set(digits);
        }
        Ok(())
    }

    async fn post(&self, to: &Address, content: Value) -> Result<Receipt, ChannelError> {
        let mut body = content;
        address(to, &mut body);
        let answer = self.api.messages(&body).await?;
        let id = answer.pointer("/messages/0/id").and_then(Value::as_str);
        Ok(Receipt { message: id.map(MessageId::new) })
    }
}

/// A text, with buttons where there are some and the text is short enough.
fn content(parts: &[Part]) -> Value {
    let text = plain_text(parts);
    let choices = parts.iter().find_map(|part| match part {
        Part::Choices { choices } => Some(choices),
        _ => None,
    });
    let Some(choices) = choices.filter(|_| ABOVE.allows(&text)) else {
        return json!({"type": "text", "text": {"body": text, "preview_url": false}});
    };
    let button =
        |it: &Choice| json!({"type": "reply", "reply": {"id": it.data, "title": it.label}});
    let buttons: Vec<Value> = choices.iter().map(button).collect();
    json!({
        "type": "interactive",
        "interactive": {"type": "button", "body": {"text": text}, "action": {"buttons": buttons}},
    })
}

/// Writes whom a message is for. A business-scoped id goes into `recipient`: in `to` it would be
/// taken for a phone number, accepted and never delivered
/// (<https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids>).
fn address(to: &Address, body: &mut Value) {
    let id = to.conversation.id.as_str();
    let (kind, field) = match to.conversation.kind {
        ConversationKind::Direct if is_business_scoped(id) => ("individual", "recipient"),
        ConversationKind::Direct => ("individual", "to"),
        ConversationKind::Group | ConversationKind::Channel => ("group", "to"),
    };
    body["messaging_product"] = json!("whatsapp");
    body["recipient_type"] = json!(kind);
    body[field] = json!(id);
}

#[async_trait]
impl Channel for WhatsApp {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }

    fn capabilities(&self, conversation: ConversationKind) -> Capabilities {
        let direct = conversation == ConversationKind::Direct;
        Capabilities {
            text: TextLimit { max: 4_096, unit: Unit::Utf16 },
            dialect: Dialect::WhatsApp,
            edit: Support::Fallback,
            retract: Support::Dropped,
            react: Support::Full,
            reply: Support::Full,
            typing: if direct { Support::Full } else { Support::Dropped },
            // Gone after 25 s: /whatsapp/cloud-api/typing-indicators.
            typing_refresh: Duration::from_secs(20),
            media: Support::Full,
            files: FILES,
            choices: Some(CHOICES),
            window: Some(WINDOW),
            pace: Pace { conversation: &[PAIR], account: &[NUMBER] },
            recourse: Recourse::Callback { within: STATUS_WITHIN },
        }
    }

    /// A text that stands in the chat already, for the person to send:
    /// <https://faq.whatsapp.com/5913398998672934>.
    fn invitation(&self, code: &str) -> Option<Invitation> {
        let text = format!("/link {code}");
        let query: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let query = query.replace('+', "%20");
        let url = self.number.get().map(|number| format!("https://wa.me/{number}?text={query}"));
        Some(Invitation::prefilled(text, url))
    }

    async fn send(
        &self,
        to: &Address,
        outbound: &Outbound,
        key: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        match outbound {
            Outbound::Post { parts, reply_to } => {
                let mut body = content(parts);
                body["biz_opaque_callback_data"] = json!(key);
                if let Some(message) = reply_to {
                    body["context"] = json!({"message_id": message});
                }
                self.post(to, body).await
            }
            Outbound::React { target, emoji } => {
                let emoji = emoji.as_deref().unwrap_or_default();
                let reaction = json!({"message_id": target, "emoji": emoji});
                let body = json!({
                    "type": "reaction",
                    "reaction": reaction,
                    "biz_opaque_callback_data": key,
                });
                self.post(to, body).await.map(|_| Receipt::default())
            }
            Outbound::Presence { presence: Presence::Typing, about: Some(message) } => {
                let body = json!({
                    "messaging_product": "whatsapp",
                    "status": "read",
                    "message_id": message,
                    "typing_indicator": {"type": "text"},
                });
                self.api.messages(&body).await.map(|_| Receipt::default())
            }
            // Nothing to show it by, or it goes by itself; and a press needs no answer here.
            Outbound::Presence { .. } | Outbound::Answer { .. } => Ok(Receipt::default()),
            Outbound::Edit { .. } | Outbound::Retract { .. } => {
                let why = "WhatsApp changes no message once it is sent";
                Err(error("messages", Retry::Never, why))
            }
        }
    }

    async fn upload(
        &self,
        to: &Address,
        file: &File,
        reply_to: Option<&MessageId>,
        key: DeliveryId,
    ) -> Result<Receipt, ChannelError> {
        // Nobody sees it before the message: a lost answer loses nothing but the bytes.
        let id = self.api.upload(file).await.map_err(ChannelError::before_sending)?;
        let kind = file.mime.split('/').next();
        let kind = kind.filter(|kind| matches!(*kind, "image" | "audio" | "video"));
        let kind = kind.unwrap_or("document");
        let mut medium = json!({"id": id});
        if kind == "document" {
            medium["filename"] = json!(file.name);
        }
        let mut body = json!({"type": kind, "biz_opaque_callback_data": key});
        body[kind] = medium;
        if let Some(message) = reply_to {
            body["context"] = json!({"message_id": message});
        }
        self.post(to, body).await
    }

    async fn fetch(&self, media: &MediaRef) -> Result<MediaBody, ChannelError> {
        let id = media.as_str();
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(error("media", Retry::Never, "not an id of a medium"));
        }
        let url = self.api.media_url(id).await?;
        let response = self.api.download(url).await?;
        let lost = |cause: reqwest::Error| {
            error("download", Retry::AfterMs(1_000), "cut short").caused_by(cause.without_url())
        };
        Ok(response.bytes_stream().map_err(lost).boxed())
    }
}

impl fmt::Debug for WhatsApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhatsApp").field("account", &self.account).finish_non_exhaustive()
    }
}
