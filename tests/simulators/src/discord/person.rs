//! People and places, as Discord shows them.

use serde_json::{Value, json};

/// A person or bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// A snowflake.
    pub id: u64,
    /// May change; never an identity.
    pub username: String,
    /// A bot.
    pub bot: bool,
}

impl User {
    /// A person.
    pub fn new(id: u64, username: &str) -> Self {
        Self { id, username: username.to_owned(), bot: false }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "username": self.username,
            "discriminator": "0",
            "global_name": self.username,
            "avatar": null,
            "bot": self.bot,
            "public_flags": 0,
        })
    }
}

/// A member without their user.
pub(super) fn member_json() -> Value {
    json!({
        "roles": [], "joined_at": "2026-01-01T00:00:00.000000+00:00", "deaf": false,
        "mute": false, "nick": null, "avatar": null, "premium_since": null, "flags": 0,
        "pending": false, "communication_disabled_until": null,
    })
}

/// Where messages are written: a private channel, or a text channel of a guild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// A snowflake.
    pub id: u64,
    /// Absent for a private channel.
    pub guild: Option<u64>,
    /// The other side of a private channel.
    pub(super) with: Option<User>,
    pub(super) name: String,
}

impl Channel {
    /// A text channel of a guild.
    pub fn in_guild(guild: u64, id: u64, name: &str) -> Self {
        Self { id, guild: Some(guild), with: None, name: name.to_owned() }
    }

    pub(super) fn to_json(&self) -> Value {
        match &self.with {
            Some(user) => json!({
                "id": self.id.to_string(), "type": 1, "flags": 0, "last_message_id": null,
                "recipients": [user.to_json()],
            }),
            None => json!({
                "id": self.id.to_string(), "type": 0, "flags": 0, "last_message_id": null,
                "guild_id": self.guild.map(|g| g.to_string()), "name": self.name, "position": 0,
                "parent_id": null, "topic": null, "nsfw": false, "rate_limit_per_user": 0,
                "permission_overwrites": [],
            }),
        }
    }
}

/// A guild as GUILD_CREATE tells of it.
pub(super) fn guild_json(guild: u64, channels: &[Channel], bot: &User) -> Value {
    let id = guild.to_string();
    let mut member = member_json();
    member["user"] = bot.to_json();
    let mut guild = guild_settings();
    let living = json!({
        "id": id, "members": [member], "roles": [everyone(&id)],
        "channels": channels.iter().map(Channel::to_json).collect::<Vec<_>>(),
        "joined_at": "2026-01-01T00:00:00.000000+00:00", "large": false, "unavailable": false,
        "member_count": 2, "voice_states": [], "threads": [], "presences": [],
        "stage_instances": [], "guild_scheduled_events": [], "soundboard_sounds": [],
    });
    if let (Value::Object(guild), Value::Object(living)) = (&mut guild, living) {
        guild.extend(living);
    }
    guild
}

fn guild_settings() -> Value {
    json!({
        "name": "Simulated", "icon": null, "splash": null, "discovery_splash": null,
        "owner_id": "1", "afk_channel_id": null, "afk_timeout": 300, "verification_level": 0,
        "default_message_notifications": 0, "explicit_content_filter": 0, "emojis": [],
        "features": [], "mfa_level": 0, "application_id": null, "system_channel_id": null,
        "system_channel_flags": 0, "rules_channel_id": null, "vanity_url_code": null,
        "description": null, "banner": null, "premium_tier": 0, "premium_subscription_count": 0,
        "preferred_locale": "en-US", "public_updates_channel_id": null, "nsfw_level": 0,
        "premium_progress_bar_enabled": false, "safety_alerts_channel_id": null, "stickers": [],
    })
}

fn everyone(guild: &str) -> Value {
    json!({
        "id": guild, "name": "@everyone", "color": 0, "hoist": false, "icon": null,
        "unicode_emoji": null, "position": 0, "permissions": "2248473465835073",
        "managed": false, "mentionable": false, "flags": 0,
        "colors": {"primary_color": 0, "secondary_color": null, "tertiary_color": null},
    })
}
