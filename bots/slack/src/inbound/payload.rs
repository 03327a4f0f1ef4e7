//! The fields we read, by Slack's names. Everything may be missing or of another type
//! (<https://docs.slack.dev/reference/events>).

#![allow(clippy::struct_field_names, reason = "the names are Slack's")]

use serde_json::Value;
use zaki_channel::payload;

payload! {
    /// What is around an event.
    struct Outer {
        #[serde(rename = "type")]
        kind: String,
        challenge: String,
        team_id: String,
        enterprise_id: String,
        api_app_id: String,
        event_id: String,
        event_time: Option<i64>,
        authorizations: Vec<Authorization>,
        /// The older form of `authorizations`.
        authed_users: Vec<String>,
    }

    struct Authorization {
        enterprise_id: String,
        user_id: String,
        is_bot: Option<bool>,
    }

    /// An event, or the message inside one.
    struct Event {
        #[serde(rename = "type")]
        kind: String,
        subtype: String,
        user: String,
        username: String,
        /// Made by the app a person types in.
        client_msg_id: String,
        text: String,
        ts: String,
        event_ts: String,
        deleted_ts: String,
        thread_ts: String,
        parent_user_id: String,
        channel: String,
        channel_id: String,
        channel_type: String,
        bot_id: String,
        app_id: String,
        bot_profile: Option<BotProfile>,
        user_profile: Profile,
        files: Vec<File>,
        blocks: Vec<Value>,
        attachments: Vec<Value>,
        message: Option<Box<Event>>,
        previous_message: Option<Box<Event>>,
        edited: Edited,
        reaction: String,
        item: Item,
    }

    struct BotProfile {
        app_id: String,
        name: String,
    }

    struct Profile {
        display_name: String,
        real_name: String,
        name: String,
    }

    struct Edited {
        ts: String,
    }

    /// What a reaction is about.
    struct Item {
        channel: String,
        ts: String,
    }

    struct File {
        id: String,
        name: String,
        mimetype: String,
        subtype: String,
        size: Option<u64>,
        mode: String,
        url_private: String,
        url_private_download: String,
        file_access: String,
    }

    /// A slash command.
    struct Command {
        team_id: String,
        enterprise_id: String,
        channel_id: String,
        channel_name: String,
        user_id: String,
        user_name: String,
        command: String,
        text: String,
        response_url: String,
        trigger_id: String,
    }

    /// A press, a submitted form, a shortcut.
    struct Interaction {
        #[serde(rename = "type")]
        kind: String,
        team: Team,
        enterprise: Id,
        user: User,
        channel: Id,
        container: Container,
        message: Event,
        actions: Vec<Action>,
        action_ts: String,
        trigger_id: String,
        response_url: String,
    }

    struct Team {
        id: String,
        enterprise_id: String,
    }

    struct Id {
        id: String,
    }

    struct User {
        id: String,
        username: String,
        name: String,
        team_id: String,
    }

    struct Container {
        channel_id: String,
        message_ts: String,
        thread_ts: String,
    }

    struct Action {
        action_id: String,
        action_ts: String,
        value: String,
        selected_option: Choice,
        text: Label,
    }

    struct Choice {
        value: String,
        text: Label,
    }

    struct Label {
        text: String,
    }
}

/// The first of `texts` that is not empty.
pub(super) fn first<'a>(texts: impl IntoIterator<Item = &'a String>) -> &'a str {
    texts.into_iter().find(|text| !text.is_empty()).map_or("", String::as_str)
}
