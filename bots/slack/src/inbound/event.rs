//! Events: messages, mentions, edits, deletions, reactions, and everything else by name.

use zaki_channel::{Arrival, Parsed};
use zaki_envelope::{
    Conversation, ConversationKind, DedupeKey, InboundKind, MediaKind, MediaRef, MessageId, Part,
    Sender, ThreadId,
};

use super::payload::{Event, File, Outer, first};
use super::seed::{Seed, Space, time};
use super::text::{Words, of_blocks, resolve};

/// Reads what an outer payload holds; nothing arrives for our own messages.
pub(super) fn event(
    outer: &Outer,
    event: &Event,
    bot_user: Option<&String>,
    seed: &Seed<'_>,
) -> Parsed {
    let view = View {
        outer,
        event,
        space: Space { team: &outer.team_id, enterprise: enterprise(outer) },
        bots: bots(outer, bot_user),
        seed,
    };
    Parsed { arrivals: view.arrival().into_iter().collect(), ..Parsed::default() }
}

fn enterprise(outer: &Outer) -> &str {
    let authorized = outer.authorizations.iter().map(|a| &a.enterprise_id);
    first([&outer.enterprise_id].into_iter().chain(authorized.take(1)))
}

/// The user ids that stand for this bot.
fn bots<'a>(outer: &'a Outer, bot_user: Option<&'a String>) -> Vec<&'a str> {
    let authorized = outer.authorizations.iter();
    let authorized = authorized.filter(|a| a.is_bot != Some(false));
    let ids = authorized.map(|a| &a.user_id).chain(&outer.authed_users);
    let ids = ids.chain(bot_user).map(String::as_str);
    ids.filter(|id| !id.is_empty()).collect()
}

struct View<'a> {
    outer: &'a Outer,
    event: &'a Event,
    space: Space<'a>,
    bots: Vec<&'a str>,
    seed: &'a Seed<'a>,
}

impl View<'_> {
    fn arrival(&self) -> Option<Arrival> {
        let event = self.event;
        match (event.kind.as_str(), event.subtype.as_str()) {
            ("message" | "app_mention", subtype) => match subtype {
                "message_changed" => self.changed(),
                "message_deleted" => self.deleted(),
                _ => self.message(subtype),
            },
            ("reaction_added" | "reaction_removed", _) if !event.item.ts.is_empty() => {
                Some(self.reaction())
            }
            ("member_joined_channel" | "member_left_channel", _) => {
                let change = event.kind.clone();
                Some(self.named(InboundKind::Membership { change }))
            }
            (kind, _) => {
                let name = if kind.is_empty() { &self.outer.kind } else { kind };
                let name = if name.is_empty() { "unknown" } else { name };
                Some(self.named(InboundKind::Other { name: name.to_owned() }))
            }
        }
    }

    fn message(&self, subtype: &str) -> Option<Arrival> {
        let event = self.event;
        if self.is_own(event) {
            return None;
        }
        let kind = match subtype {
            "" | "file_share" | "thread_broadcast" | "me_message" => InboundKind::Message,
            "channel_join" | "channel_leave" | "group_join" | "group_leave" => {
                InboundKind::Membership { change: subtype.to_owned() }
            }
            other => InboundKind::Other { name: format!("message.{other}") },
        };
        let mut place = self.place(event);
        let words = words(event);
        let is_addressed = self.is_addressed(event, &place, &words);
        if is_addressed && place.kind != ConversationKind::Direct && place.thread.is_none() {
            // A question put to the bot in front of others opens a thread, and is answered there.
            place.thread = (!event.ts.is_empty()).then(|| ThreadId::new(&event.ts));
        }
        let key = self.space.key(&[&event.channel, &event.ts]);
        let mut inbound = self.seed.inbound(key, place, self.sender(event), kind);
        inbound.sent_at = time(&event.ts);
        inbound.message = id(&event.ts);
        inbound.parts = parts(event, words.without_leading_mention(&self.bots));
        inbound.addressed = is_addressed;
        Some(inbound.into())
    }

    /// An edit by its author. Slack also reports unfurled links and thread counters this way.
    fn changed(&self) -> Option<Arrival> {
        let (event, none) = (self.event, Event::default());
        let message = event.message.as_deref().unwrap_or(&none);
        let previous = event.previous_message.as_deref().unwrap_or(&none);
        if self.is_own(message) {
            return None;
        }
        let ts = first([&message.ts, &previous.ts]);
        let edited_at = first([&message.edited.ts, &event.event_ts, &event.ts]);
        let is_edit = !message.edited.ts.is_empty() || message.text != previous.text;
        let kind = match id(ts) {
            Some(target) if is_edit => InboundKind::Edit { target },
            _ => InboundKind::Other { name: "message.message_changed".to_owned() },
        };
        let place = self.place(&Event { thread_ts: message.thread_ts.clone(), ..event.clone() });
        let words = words(message);
        let is_addressed = self.is_addressed(message, &place, &words);
        let key = self.space.key(&[&event.channel, ts, edited_at]);
        let mut inbound = self.seed.inbound(key, place, self.sender(message), kind);
        inbound.sent_at = time(edited_at);
        inbound.message = id(ts);
        inbound.parts = parts(message, words.without_leading_mention(&self.bots));
        inbound.addressed = is_addressed;
        Some(inbound.into())
    }

    fn deleted(&self) -> Option<Arrival> {
        let (event, none) = (self.event, Event::default());
        let previous = event.previous_message.as_deref().unwrap_or(&none);
        if self.is_own(previous) {
            return None;
        }
        let ts = first([&event.deleted_ts, &previous.ts]);
        let kind = match id(ts) {
            Some(target) => InboundKind::Delete { target },
            None => InboundKind::Other { name: "message.message_deleted".to_owned() },
        };
        let at = first([&event.event_ts, &event.ts]);
        let key = self.space.key(&[&event.channel, ts, at]);
        let place = self.place(event);
        let mut inbound = self.seed.inbound(key, place, self.sender(previous), kind);
        inbound.sent_at = time(at);
        inbound.message = id(ts);
        Some(inbound.into())
    }

    fn reaction(&self) -> Arrival {
        let event = self.event;
        let kind = InboundKind::Reaction {
            target: MessageId::new(&event.item.ts),
            emoji: event.reaction.clone(),
            removed: event.kind == "reaction_removed",
        };
        self.named(kind)
    }

    /// An event with an id of its own.
    fn named(&self, kind: InboundKind) -> Arrival {
        let event = self.event;
        let key = self.event_key();
        let mut inbound = self.seed.inbound(key, self.place(event), self.sender(event), kind);
        inbound.sent_at = time(&event.event_ts)
            .or_else(|| self.outer.event_time.and_then(|secs| time(&secs.to_string())));
        inbound.into()
    }

    fn event_key(&self) -> Option<DedupeKey> {
        self.space.key(&["event", &self.outer.event_id])
    }

    fn place(&self, event: &Event) -> Conversation {
        let team = &self.outer.team_id;
        let ids = [&event.channel, &event.item.channel, &event.channel_id];
        let id = first(ids.into_iter().chain([&event.user, team]));
        self.space.conversation(id, event.channel_type == "im", &event.thread_ts)
    }

    fn sender(&self, event: &Event) -> Sender {
        let known = first([&event.user, &event.bot_id]);
        let mut sender = self.space.sender(known);
        let profile = &event.user_profile;
        let bot = event.bot_profile.as_ref().map(|bot| &bot.name);
        let names = [&profile.display_name, &profile.real_name, &event.username];
        let name = first(names.into_iter().chain(bot));
        sender.display_name = (!name.is_empty()).then(|| name.to_owned());
        sender.handle = (!profile.name.is_empty()).then(|| profile.name.clone());
        let typed = !event.client_msg_id.is_empty();
        sender.is_bot |= is_bot(event) || (!typed && self.is_bot_user(known));
        sender
    }

    /// Whether the authorisations say that this user is the bot.
    fn is_bot_user(&self, user: &str) -> bool {
        let mut authorized = self.outer.authorizations.iter();
        authorized.any(|a| a.is_bot == Some(true) && a.user_id == user)
    }

    /// Our app's own message: known by its app, else by the bot's user id; or the old kind of bot
    /// message, which names no user at all.
    fn is_own(&self, event: &Event) -> bool {
        if event.subtype == "bot_message" {
            return true;
        }
        let profile = event.bot_profile.as_ref().map(|bot| &bot.app_id);
        match first([&event.app_id].into_iter().chain(profile)) {
            "" => is_bot(event) && self.bots.contains(&event.user.as_str()),
            app => is_bot(event) && app == self.outer.api_app_id,
        }
    }

    /// Direct messages, mentions, and answers in a thread that the bot began. A mention comes as
    /// `message` and as `app_mention`, in any order: both must say the same.
    fn is_addressed(&self, event: &Event, place: &Conversation, words: &Words) -> bool {
        place.kind == ConversationKind::Direct
            || self.event.kind == "app_mention"
            || words.names(&self.bots)
            || self.bots.contains(&event.parent_user_id.as_str())
    }
}

/// A program wrote it, ours or another.
fn is_bot(event: &Event) -> bool {
    !event.bot_id.is_empty() || event.bot_profile.is_some() || event.user == "USLACKBOT"
}

fn id(ts: &str) -> Option<MessageId> {
    (!ts.is_empty()).then(|| MessageId::new(ts))
}

fn words(event: &Event) -> Words {
    if event.text.is_empty() { of_blocks(&event.blocks) } else { resolve(&event.text) }
}

/// The content; never empty for a message that shows anything.
fn parts(event: &Event, words: Words) -> Vec<Part> {
    let mut parts = Vec::new();
    if !words.text.is_empty() {
        parts.push(Part::Text { text: words.text, mentions: words.mentions });
    }
    parts.extend(event.files.iter().map(file));
    if parts.is_empty() && !event.attachments.is_empty() {
        parts.push(Part::unsupported("attachments"));
    } else if parts.is_empty() && !event.blocks.is_empty() {
        parts.push(Part::unsupported("blocks"));
    }
    parts
}

/// A file. Those of other workspaces come without a URL, which is asked for by id.
fn file(file: &File) -> Part {
    let url = first([&file.url_private_download, &file.url_private]);
    let reference =
        if url.is_empty() && file.file_access == "check_file_info" { &file.id } else { url };
    if reference.is_empty() {
        return Part::unsupported(format!("file.{}", file.mode));
    }
    Part::Media {
        kind: kind_of(file),
        reference: MediaRef::new(reference),
        mime: (!file.mimetype.is_empty()).then(|| file.mimetype.clone()),
        name: (!file.name.is_empty()).then(|| file.name.clone()),
        size: file.size,
    }
}

fn kind_of(file: &File) -> MediaKind {
    let family = file.mimetype.split('/').next().unwrap_or_default();
    match (file.subtype.as_str(), family) {
        ("slack_audio", _) => MediaKind::Voice,
        ("slack_video", _) | (_, "video") => MediaKind::Video,
        (_, "image") => MediaKind::Image,
        (_, "audio") => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}
