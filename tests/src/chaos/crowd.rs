//! Thousands of people, the same number on every platform, and what their platforms call them.

use serde_json::json;
use zaki_simulators::{discord, graph, telegram};

use super::script::{Line, Place, Talk};
use crate::world::GUILD;
use crate::{ChannelKind, World};

/// How people of a script write on the platforms of a world.
#[derive(Clone)]
pub struct Crowd {
    telegram: telegram::Telegram,
    discord: discord::Discord,
    whatsapp: graph::Graph,
    slack: zaki_simulators::slack::Slack,
}

/// How a platform will know what was said again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// The conversation, as [`zaki_simulators::Sent::conversation`] or [`canonical`] names it.
    pub conversation: String,
    /// Where the platform's answers go into a thread of the message's own.
    pub thread: Option<String>,
    /// Keys of its [`zaki_simulators::Attempt`]s: acknowledged with any of them. None where it
    /// goes through a socket.
    pub keys: Vec<String>,
}

impl Crowd {
    /// The people of a world.
    pub fn of(world: &World) -> Self {
        Self {
            telegram: world.telegram.clone(),
            discord: world.discord.clone(),
            whatsapp: world.whatsapp.clone(),
            slack: world.slack.clone(),
        }
    }

    /// Somebody says a line of a talk.
    pub fn say(&self, talk: &Talk, line: &Line) -> Spoken {
        match talk.channel {
            ChannelKind::Telegram => self.on_telegram(talk, line),
            ChannelKind::Discord => self.on_discord(talk, line),
            ChannelKind::WhatsApp => {
                let contact = contact(line.speaker);
                let key = self.whatsapp.say(&contact, &line.text());
                Spoken { conversation: line.speaker.to_string(), keys: vec![key], thread: None }
            }
            ChannelKind::Slack => self.on_slack(talk, line),
            ChannelKind::Web => crate::no_bot(),
        }
    }

    fn on_telegram(&self, talk: &Talk, line: &Line) -> Spoken {
        let user = telegram::User::new(1_000_000 + i64::from(line.speaker), "Somebody");
        let (chat, text) = match talk.place {
            Place::Direct => (telegram::Chat::private(&user), line.text()),
            Place::Group => {
                let id = -1_001_000_000_000 - i64::from(talk.number);
                let name = self.telegram.bot().username.unwrap_or_default();
                (telegram::Chat::group(id, "Some group"), format!("@{name} {}", line.text()))
            }
        };
        let key = self.telegram.say_in(&chat, &user, &text, json!({}));
        Spoken { conversation: chat.id.to_string(), keys: vec![key.to_string()], thread: None }
    }

    fn on_discord(&self, talk: &Talk, line: &Line) -> Spoken {
        // Far apart: the ids are also ages.
        let id = 200_000_000_000_000_000 + u64::from(line.speaker) * 1000;
        let user = discord::User::new(id, "somebody");
        let said = match talk.place {
            Place::Direct => self.discord.say(&user, &line.text()),
            Place::Group => {
                let id = 92_000_000_000_000_000 + u64::from(talk.number);
                let channel = discord::Channel::in_guild(GUILD.0, id, "some-channel");
                let text = format!("@zaki {}", line.text());
                self.discord.say_in(&channel, &user, &text, json!({}))
            }
        };
        Spoken { conversation: said.channel.id.to_string(), keys: Vec::new(), thread: None }
    }

    fn on_slack(&self, talk: &Talk, line: &Line) -> Spoken {
        let user = format!("U0CROWD{:06}", line.speaker);
        match talk.place {
            Place::Direct => {
                let said = self.slack.say(&user, &line.text());
                Spoken { conversation: said.channel, keys: vec![said.event_id], thread: None }
            }
            Place::Group => {
                let channel = format!("C0GROUP{:06}", talk.number);
                let (said, mention) = self.slack.mention(&channel, &user, &line.text(), json!({}));
                let keys = vec![said.event_id, mention.event_id];
                Spoken { conversation: channel, keys, thread: Some(said.ts) }
            }
        }
    }
}

/// WhatsApp's two names of a person are one conversation.
pub(super) fn canonical(channel: ChannelKind, conversation: &str) -> String {
    if channel != ChannelKind::WhatsApp {
        return conversation.to_owned();
    }
    let number = conversation.strip_prefix("49160").or(conversation.strip_prefix("DE.crowd"));
    let number = number.and_then(|digits| digits.parse::<u32>().ok());
    number.map_or_else(|| conversation.to_owned(), |number| number.to_string())
}

fn contact(speaker: u32) -> graph::Contact {
    graph::Contact::new(&format!("49160{speaker:08}"), &format!("DE.crowd{speaker:08}"), "Somebody")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_a_person_are_one_conversation() {
        let contact = contact(42);
        for id in [contact.wa_id, contact.user_id].into_iter().flatten() {
            assert_eq!(canonical(ChannelKind::WhatsApp, &id), "42");
        }
        assert_eq!(canonical(ChannelKind::Slack, "D0CROWD000042"), "D0CROWD000042");
    }
}
