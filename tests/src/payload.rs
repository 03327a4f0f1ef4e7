//! Bodies as the platforms send them, for requests made by hand. `number` makes a message its own.

use serde_json::{Value, json};
use zaki_simulators::{discord, graph, telegram};

use crate::{ChannelKind, Person, Post, World, post};

/// What somebody is called on each platform.
#[derive(Clone, Debug)]
pub struct Names {
    /// On Telegram.
    pub telegram: telegram::User,
    /// On Discord.
    pub discord: discord::User,
    /// On WhatsApp.
    pub whatsapp: graph::Contact,
    /// On Slack.
    pub slack: String,
}

impl From<Person> for Names {
    fn from(who: Person) -> Self {
        Self {
            telegram: who.telegram(),
            discord: who.discord(),
            whatsapp: who.whatsapp(),
            slack: who.slack(),
        }
    }
}

/// A private text message, signed. On Discord it is the slash command `/zaki`.
pub fn message(
    world: &World,
    channel: ChannelKind,
    who: impl Into<Names>,
    number: u32,
    text: &str,
) -> Post {
    let who = who.into();
    let body = match channel {
        ChannelKind::Telegram => telegram(world, &who.telegram, number, text),
        ChannelKind::Discord => discord(world, &who.discord, number, text),
        ChannelKind::WhatsApp => {
            world.whatsapp.open_window(&who.whatsapp);
            whatsapp(world, &[whatsapp_text(who, number, text)])
        }
        ChannelKind::Slack => slack(world, &who.slack, number, text),
        ChannelKind::Web => crate::no_bot(),
    };
    Post::signed(world, channel, body.to_string())
}

fn telegram(world: &World, user: &telegram::User, number: u32, text: &str) -> Value {
    world.telegram.introduce(&telegram::Chat::private(user));
    json!({
        "update_id": 500_000_000 + number,
        "message": {
            "message_id": 1_000_000 + number,
            "date": post::now(),
            "from": {"id": user.id, "is_bot": false, "first_name": user.first_name},
            "chat": {"id": user.id, "type": "private", "first_name": user.first_name},
            "text": text,
        },
    })
}

fn discord(world: &World, user: &discord::User, number: u32, text: &str) -> Value {
    let channel = world.discord.direct(user);
    json!({
        "id": (1_400_000_000_000_000_000 + u64::from(number)).to_string(),
        "application_id": world.discord.config().application_id.to_string(),
        "type": 2,
        "token": format!("by-hand-{number}"),
        "version": 1,
        "channel_id": channel.id.to_string(),
        "channel": {"id": channel.id.to_string(), "type": 1},
        "context": 1,
        "user": {"id": user.id.to_string(), "username": user.username, "discriminator": "0"},
        "data": {
            "id": "1", "name": "zaki", "type": 1,
            "options": [{"type": 3, "name": "message", "value": text}],
        },
    })
}

/// One text in `messages`.
pub fn whatsapp_text(who: impl Into<Names>, number: u32, text: &str) -> Value {
    let contact = who.into().whatsapp;
    json!({
        "id": format!("wamid.BYHAND{number:08}"),
        "timestamp": post::now().to_string(),
        "from": contact.wa_id,
        "from_user_id": contact.user_id,
        "type": "text",
        "text": {"body": text},
    })
}

/// A request with these messages, in this order.
pub fn whatsapp(world: &World, messages: &[Value]) -> Value {
    let config = world.whatsapp.config();
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": config.display_phone_number,
            "phone_number_id": config.phone_number_id,
        },
        "contacts": [],
        "messages": messages,
    });
    json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": config.waba_id, "changes": [{"field": "messages", "value": value}]}],
    })
}

fn slack(world: &World, user: &str, number: u32, text: &str) -> Value {
    let config = world.slack.config();
    let ts = format!("{}.{number:06}", post::now());
    json!({
        "type": "event_callback",
        "team_id": config.team_id,
        "api_app_id": config.app_id,
        "event_id": format!("EvBYHAND{number}"),
        "event_time": post::now(),
        "authorizations": [{
            "enterprise_id": null, "team_id": config.team_id, "user_id": config.bot_user_id,
            "is_bot": true, "is_enterprise_install": false,
        }],
        "event": {
            "type": "message", "channel_type": "im", "team": config.team_id,
            "channel": world.slack.direct_channel(user), "user": user,
            "text": text, "ts": ts, "event_ts": ts,
        },
    })
}
