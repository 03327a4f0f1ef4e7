//! How accounts write on the platforms of a world.

mod twin;

use serde_json::json;
use zaki_simulators::{discord, graph, slack, telegram};

use super::account::Account;
use super::judge::Place;
use crate::world::{ACCOUNT, GUILD};
use crate::{ChannelKind, Said, Shown, World};

/// Everybody's hands.
#[derive(Clone)]
pub struct Cast {
    telegram: telegram::Telegram,
    discord: discord::Discord,
    whatsapp: graph::Graph,
    slack: slack::Slack,
    http: reqwest::Client,
    events: String,
}

impl Cast {
    /// Those of a world.
    pub fn of(world: &World) -> Self {
        Self {
            telegram: world.telegram.clone(),
            discord: world.discord.clone(),
            whatsapp: world.whatsapp.clone(),
            slack: world.slack.clone(),
            http: world.http.clone(),
            events: format!("{}/webhooks/slack/{ACCOUNT}/events", world.front),
        }
    }

    /// An account's private conversation with the bot, by all its names.
    pub fn places(&self, account: &Account) -> Vec<Place> {
        let ids = match account.channel {
            ChannelKind::Telegram => vec![account.id.to_string()],
            ChannelKind::Discord => vec![self.discord.direct(&account.discord()).id.to_string()],
            ChannelKind::WhatsApp => account.ids(),
            ChannelKind::Slack if account.twin => vec![twin::direct(account)],
            ChannelKind::Slack => vec![self.slack.direct_channel(&account.slack())],
            ChannelKind::Web => crate::no_bot(),
        };
        ids.into_iter().map(|id| (account.channel, id)).collect()
    }

    /// The account writes to the bot in private. What can be delivered again comes back.
    pub fn say(&self, account: &Account, text: &str) -> Option<Said> {
        Some(match account.channel {
            ChannelKind::Telegram => Said::Telegram(self.telegram.say(&account.telegram(), text)),
            ChannelKind::Discord => {
                Said::Discord(self.discord.say(&account.discord(), text).into())
            }
            ChannelKind::WhatsApp => Said::WhatsApp(self.whatsapp.say(&account.contact(), text)),
            ChannelKind::Slack if account.twin => {
                self.say_in_twin_team(account, text, &json!({}));
                return None;
            }
            ChannelKind::Slack => Said::Slack(self.slack.say(&account.slack(), text).into()),
            ChannelKind::Web => crate::no_bot(),
        })
    }

    /// The platform delivers the same again.
    pub fn say_again(&self, said: &Said) {
        said.again(&self.telegram, &self.discord, &self.whatsapp, &self.slack);
    }

    /// The account sends the bot a picture, with words under it.
    pub fn show(&self, account: &Account, caption: &str, picture: &Shown) {
        let Shown { name, mime, bytes } = picture;
        match account.channel {
            ChannelKind::Telegram => {
                let user = account.telegram();
                self.telegram.put_file(name, &format!("documents/{name}"), bytes.clone());
                let document = json!({
                    "file_id": name, "file_unique_id": format!("u{name}"), "file_name": name,
                    "mime_type": mime, "file_size": bytes.len(),
                });
                let extra = json!({"caption": caption, "document": document});
                self.telegram.say_in(&telegram::Chat::private(&user), &user, "", extra);
            }
            ChannelKind::Discord => {
                let file = self.discord.put_attachment(name, mime, bytes.clone());
                let user = account.discord();
                let extra = json!({"attachments": [file]});
                self.discord.say_in(&self.discord.direct(&user), &user, caption, extra);
            }
            ChannelKind::WhatsApp => {
                let id = self.whatsapp.put_media(mime, bytes.clone());
                let document = json!({
                    "id": id, "filename": name, "caption": caption, "mime_type": mime,
                });
                let content = json!({"type": "document", "document": document});
                self.whatsapp.say_all(&[graph::Said::any(&account.contact(), content)]);
            }
            ChannelKind::Slack => {
                let file = self.slack.put_file(name, mime, bytes.clone());
                let extra = json!({"subtype": "file_share", "files": [file]});
                if account.twin {
                    return self.say_in_twin_team(account, caption, &extra);
                }
                let user = account.slack();
                self.slack.say_in(&self.slack.direct_channel(&user), &user, caption, extra);
            }
            ChannelKind::Web => crate::no_bot(),
        }
    }

    /// The account presses a button with this data in its own conversation, whoever was shown it;
    /// where that takes more than the data, it types the words behind it.
    pub fn press(&self, account: &Account, data: &str) {
        match account.channel {
            ChannelKind::Telegram => {
                let (user, chat) =
                    (account.telegram(), telegram::Chat::private(&account.telegram()));
                // They may have written in groups alone.
                self.telegram.introduce(&chat);
                self.telegram.press(&chat, &user, 1, data);
            }
            ChannelKind::WhatsApp => {
                let reply = json!({"id": data, "title": "Yes"});
                let pressed = json!({"type": "interactive",
                    "interactive": {"type": "button_reply", "button_reply": reply}});
                self.whatsapp.say_all(&[graph::Said::any(&account.contact(), pressed)]);
            }
            ChannelKind::Discord | ChannelKind::Slack => {
                let command = data.trim_start_matches("zaki:").trim_start_matches('/');
                self.say(account, &format!("/{command}"));
            }
            ChannelKind::Web => crate::no_bot(),
        }
    }

    /// Where a group is.
    pub fn group(channel: ChannelKind, group: u32) -> Option<Place> {
        let id = match channel {
            ChannelKind::Telegram => (-1_002_000_000_000 - i64::from(group)).to_string(),
            ChannelKind::Discord => (93_000_000_000_000_000 + u64::from(group)).to_string(),
            ChannelKind::Slack => format!("C0TENANT{group:06}"),
            ChannelKind::WhatsApp | ChannelKind::Web => return None,
        };
        Some((channel, id))
    }

    /// The team a group on Slack is of; elsewhere none.
    pub fn scope(&self, channel: ChannelKind) -> String {
        match channel {
            ChannelKind::Slack => self.slack.config().team_id.clone(),
            _ => String::new(),
        }
    }

    /// The account writes to the bot among others.
    pub fn say_in(&self, (channel, id): &Place, account: &Account, text: &str) {
        match channel {
            ChannelKind::Telegram => {
                let chat = telegram::Chat::group(id.parse().unwrap_or_default(), "Some group");
                let name = self.telegram.bot().username.unwrap_or_default();
                let text = format!("@{name} {text}");
                self.telegram.say_in(&chat, &account.telegram(), &text, json!({}));
            }
            ChannelKind::Discord => {
                let id = id.parse().unwrap_or_default();
                let channel = discord::Channel::in_guild(GUILD.0, id, "some-channel");
                let text = format!("@zaki {text}");
                self.discord.say_in(&channel, &account.discord(), &text, json!({}));
            }
            ChannelKind::Slack => {
                self.slack.mention(id, &account.slack(), text, json!({}));
            }
            ChannelKind::WhatsApp | ChannelKind::Web => {}
        }
    }
}
