//! Updates into envelopes: pure, and tolerant of everything Telegram may add.
//!
//! One update is one logical message, so the dedupe key is `telegram:<bot id>:<update id>`; the
//! two kinds that tell of several things at once add which of them it is.

mod content;
mod rich;
mod text;
mod types;

use serde_json::Value;
use zaki_channel::{Arrival, Dead, Parse, ParseError, Parsed, Verified};
use zaki_envelope::{
    AccountName, ChannelKind, Conversation, ConversationId, ConversationKind, DedupeKey, GroupId,
    Inbound, InboundId, InboundKind, MessageId, Part, ReplyHandle, Sender, Timestamp, Version,
};

use crate::Config;
use types::{Chat, Object, Reaction, User, nameless};

/// A press can be answered for some minutes; Telegram does not document how long (measured by
/// others: a quarter of an hour).
const PRESS_LIVES_MS: i64 = 15 * 60_000;

/// Reads updates for one bot.
#[derive(Clone, Debug)]
pub struct Reader {
    account: AccountName,
    config: Config,
}

/// Who we are, so that we know when we are meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bot<'a> {
    id: i64,
    username: Option<&'a str>,
}

impl Bot<'_> {
    fn is_called(&self, name: &str) -> bool {
        self.username.is_some_and(|username| username.eq_ignore_ascii_case(name))
    }
}

/// One update on its way to an envelope.
struct Update<'a> {
    reader: &'a Reader,
    id: i64,
    received_at: Timestamp,
    bot: Bot<'a>,
}

impl Reader {
    /// A reader for the bot configured as `account`.
    pub fn new(account: AccountName, config: Config) -> Self {
        Self { account, config }
    }

    /// A reader that needs no bot, for `zaki inspect`.
    pub fn inspect() -> Self {
        let account = "inspect".parse().unwrap_or_else(|_| unreachable!("a sound name"));
        Self::new(account, Config::new("0:inspect".into()))
    }
}

impl Parse for Reader {
    fn parse(&self, bytes: Verified<'_>, received_at: Timestamp) -> Result<Parsed, ParseError> {
        let (id, mut fields) = update(bytes.body())?;
        let update = Update {
            reader: self,
            id,
            received_at,
            bot: Bot { id: self.config.bot_id(), username: self.config.username() },
        };
        fields.0.remove("update_id");
        let mut parsed = Parsed::default();
        // Telegram sends exactly one kind; were there ever more, none would be lost.
        for (name, value) in fields.0 {
            match update.read(&name, value) {
                Some(arrivals) => parsed.arrivals.extend(arrivals),
                None => parsed.dead.push(Dead {
                    reason: format!("a Telegram {name} without its chat or id"),
                    raw: bytes.body().to_vec(),
                }),
            }
        }
        Ok(parsed)
    }
}

fn update(body: &[u8]) -> Result<(i64, Object), ParseError> {
    let error = |reason: String| ParseError { what: "Telegram update", reason };
    // serde's own words may quote the bytes: line and column are all we say.
    let fields: Object = serde_json::from_slice(body)
        .map_err(|e| error(format!("no JSON object, line {} column {}", e.line(), e.column())))?;
    let id = fields.get("update_id").ok_or_else(|| error("no update_id".to_owned()))?;
    Ok((id, fields))
}

impl Update<'_> {
    /// `None` for a kind we know but that lacks what makes it one.
    fn read(&self, name: &str, value: Value) -> Option<Vec<Arrival>> {
        let Value::Object(fields) = value else {
            return Some(vec![self.other(name, &Object::default()).into()]);
        };
        let fields = Object(fields);
        match name {
            "message"
            | "channel_post"
            | "business_message"
            | "guest_message"
            | "edited_message"
            | "edited_channel_post"
            | "edited_business_message" => self.message(name, &fields),
            "callback_query" => Some(vec![self.press(&fields)]),
            "message_reaction" => Some(self.reactions(&fields)),
            "my_chat_member" => Some(vec![self.membership(&fields).into()]),
            "deleted_business_messages" => self.deletions(&fields),
            _ => Some(vec![self.other(name, &fields).into()]),
        }
    }

    fn message(&self, name: &str, fields: &Object) -> Option<Vec<Arrival>> {
        let message: MessageId = fields.get("message_id").map(message_id)?;
        let chat: Chat = fields.get("chat")?;
        let from: Option<User> = fields.get("from");
        let via: Option<User> = fields.get("via_bot");
        let ours = |user: &Option<User>| user.as_ref().is_some_and(|user| user.id == self.bot.id);
        if ours(&from) || ours(&via) {
            return Some(Vec::new());
        }
        let author: Option<Chat> = fields.get("sender_chat");
        let named = author.is_none() && from.is_some();
        let sender = match author {
            Some(chat) => chat.into(),
            None => from.map_or_else(|| nameless(chat.id), Sender::from),
        };
        let content = content::read(fields, &self.bot);
        let answered = answered(fields);
        let to_bot = content.calls_bot || answered.as_ref().is_some_and(|it| it.by(self.bot.id));
        // Business and guest messages cannot be answered like others, and somebody who writes in
        // the name of a chat is nobody in particular.
        let meant = match chat.kind() {
            ConversationKind::Direct => true,
            ConversationKind::Group => to_bot,
            ConversationKind::Channel => false,
        };
        let addressed = meant && named && matches!(name, "message" | "edited_message");
        let inbound = Inbound {
            sent_at: time(fields, "edit_date").or_else(|| time(fields, "date")),
            kind: kind_of(name, fields, &message),
            message: Some(message),
            parts: content.parts,
            reply_to: answered.map(|it| it.id),
            group: fields.get("media_group_id").map(|id: String| GroupId::new(id)),
            addressed,
            ..self.envelope(chat.conversation(thread(fields)), sender, "")
        };
        Some(vec![inbound.into()])
    }

    /// A button under a message of ours.
    fn press(&self, fields: &Object) -> Arrival {
        let under: Option<Object> = fields.get("message");
        let chat: Option<Chat> = under.as_ref().and_then(|message| message.get("chat"));
        let (Some(under), Some(chat), Some(from)) = (under, chat, fields.get::<User>("from"))
        else {
            return self.other("callback_query", fields).into();
        };
        let data = fields.get("data").or_else(|| fields.get("game_short_name"));
        let data: String = data.unwrap_or_default();
        let inbound = Inbound {
            parts: vec![Part::text(data.clone())],
            kind: InboundKind::Button { data },
            reply_to: under.get("message_id").map(message_id),
            addressed: true,
            ..self.envelope(chat.conversation(thread(&under)), from.into(), "")
        };
        let handle = fields.get("id").map(|id: String| ReplyHandle {
            secret: id,
            expires_at: self.received_at.plus_ms(PRESS_LIVES_MS),
            uses_left: 1,
        });
        Arrival { inbound, handle }
    }

    /// What was added and what was taken away, one each.
    fn reactions(&self, fields: &Object) -> Vec<Arrival> {
        let list = |name| fields.get::<Vec<Reaction>>(name).unwrap_or_default();
        let (old, new) = (list("old_reaction"), list("new_reaction"));
        let target: Option<MessageId> = fields.get("message_id").map(message_id);
        let (Some(target), Some(chat)) = (target, fields.get::<Chat>("chat")) else {
            return vec![self.other("message_reaction", fields).into()];
        };
        let added = new.iter().filter(|it| !old.contains(it)).map(|it| (it, false));
        let taken = old.iter().filter(|it| !new.contains(it)).map(|it| (it, true));
        let changes: Vec<_> = added.chain(taken).collect();
        if changes.is_empty() {
            return vec![self.other("message_reaction", fields).into()];
        }
        let changes = changes.into_iter().enumerate().map(|(at, (reaction, removed))| {
            let which = if at == 0 { String::new() } else { format!(":{at}") };
            let inbound = Inbound {
                sent_at: time(fields, "date"),
                kind: InboundKind::Reaction {
                    target: target.clone(),
                    emoji: reaction.clone().name(),
                    removed,
                },
                ..self.envelope(chat.conversation(None), somebody(fields, &chat), &which)
            };
            inbound.into()
        });
        changes.collect()
    }

    /// The bot itself was added, removed, blocked or started.
    fn membership(&self, fields: &Object) -> Inbound {
        let now: Option<Object> = fields.get("new_chat_member");
        match now.and_then(|now| now.get("status")) {
            Some(change) => Inbound {
                kind: InboundKind::Membership { change },
                ..self.other("my_chat_member", fields)
            },
            None => self.other("my_chat_member", fields),
        }
    }

    fn deletions(&self, fields: &Object) -> Option<Vec<Arrival>> {
        let chat: Chat = fields.get("chat")?;
        let ids: Vec<Value> = fields.get("message_ids")?;
        let ids = ids.iter().filter_map(Value::as_i64);
        let arrivals = ids.map(|id| {
            let inbound = Inbound {
                kind: InboundKind::Delete { target: message_id(id) },
                ..self.envelope(chat.conversation(None), nameless(chat.id), &format!(":{id}"))
            };
            inbound.into()
        });
        Some(arrivals.collect())
    }

    /// A kind of no use yet, or not known yet, by its name. What it holds of a message is kept.
    fn other(&self, name: &str, fields: &Object) -> Inbound {
        let chat: Option<Chat> = fields.get("chat");
        let author = ["from", "user"].iter().find_map(|name| fields.get::<User>(name));
        let conversation = match (&chat, &author) {
            (Some(chat), _) => chat.conversation(thread(fields)),
            (None, author) => private(author.as_ref().map_or(0, |user| user.id)),
        };
        let fallback = || nameless(chat.as_ref().map_or(0, |chat| chat.id));
        let sender = author.map_or_else(fallback, Sender::from);
        let message: Option<MessageId> = fields.get("message_id").map(message_id);
        let is_message = message.is_some() && chat.is_some() && fields.has("date");
        Inbound {
            sent_at: time(fields, "date"),
            parts: if is_message { content::read(fields, &self.bot).parts } else { Vec::new() },
            message,
            kind: InboundKind::Other { name: name.to_owned() },
            ..self.envelope(conversation, sender, "")
        }
    }

    /// Everything common; `which` tells the several arrivals of one update apart.
    fn envelope(&self, conversation: Conversation, sender: Sender, which: &str) -> Inbound {
        let dedupe = DedupeKey::new(format!("telegram:{}:{}{which}", self.bot.id, self.id));
        Inbound {
            v: Version,
            id: InboundId::derive(self.received_at, &self.reader.account, &dedupe),
            channel: ChannelKind::Telegram,
            account: self.reader.account.clone(),
            dedupe,
            sent_at: None,
            received_at: self.received_at,
            conversation,
            sender,
            kind: InboundKind::Message,
            message: None,
            parts: Vec::new(),
            reply_to: None,
            group: None,
            addressed: false,
            trace: None,
        }
    }
}

fn kind_of(name: &str, fields: &Object, message: &MessageId) -> InboundKind {
    if name.starts_with("edited_") {
        InboundKind::Edit { target: message.clone() }
    } else if let Some(change) = content::membership(fields) {
        InboundKind::Membership { change: change.to_owned() }
    } else if let Some(event) = content::event(fields) {
        InboundKind::Other { name: event.to_owned() }
    } else {
        InboundKind::Message
    }
}

/// The message a message answers.
struct Answered {
    id: MessageId,
    by: Option<i64>,
}

impl Answered {
    fn by(&self, user: i64) -> bool {
        self.by == Some(user)
    }
}

/// In a topic every message points at the one that opened it; that is no answer.
fn answered(fields: &Object) -> Option<Answered> {
    let to: Object = fields.get("reply_to_message")?;
    if to.has("forum_topic_created") {
        return None;
    }
    let id = to.get("message_id").map(message_id)?;
    Some(Answered { id, by: to.get("from").map(|user: User| user.id) })
}

/// `message_thread_id` also counts the replies in an ordinary group; only topics are threads.
fn thread(fields: &Object) -> Option<i64> {
    let thread = fields.get("message_thread_id")?;
    fields.is_true("is_topic_message").then_some(thread)
}

/// Who reacted; it may be a chat, and Telegram may say neither.
fn somebody(fields: &Object, chat: &Chat) -> Sender {
    let user = fields.get::<User>("user").map(Sender::from);
    let actor = || fields.get::<Chat>("actor_chat").map(Sender::from);
    user.or_else(actor).unwrap_or_else(|| nameless(chat.id))
}

fn private(id: i64) -> Conversation {
    Conversation::new(ConversationId::new(id.to_string()), ConversationKind::Direct)
}

/// Message ids are unique within their chat.
fn message_id(id: i64) -> MessageId {
    MessageId::new(id.to_string())
}

fn time(fields: &Object, name: &str) -> Option<Timestamp> {
    // An inaccessible message has the date 0.
    let secs: i64 = fields.get(name).filter(|secs| *secs > 0)?;
    Some(Timestamp::from_secs(secs))
}
