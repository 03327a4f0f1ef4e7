//! People: the same few on every platform, and how they write and read there.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};
use zaki_simulators::{Log, Sent, Simulator, discord, graph, slack, telegram};

use crate::{ChannelKind, SOON, World};

/// One person, known to every platform under other ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person(pub u8);

impl Person {
    /// The one who is there in every suite.
    pub const ADA: Self = Self(1);
    /// Somebody else.
    pub const BOB: Self = Self(2);

    /// On Telegram.
    pub fn telegram(self) -> telegram::User {
        telegram::User::new(71_000 + i64::from(self.0), &format!("Person{}", self.0))
    }

    /// On Discord.
    pub fn discord(self) -> discord::User {
        // Far enough apart that the simulator's private channels (user + 1) never meet a user.
        let id = 81_000_000_000_000_000 + u64::from(self.0) * 100;
        discord::User::new(id, &format!("person{}", self.0))
    }

    /// On WhatsApp.
    pub fn whatsapp(self) -> graph::Contact {
        let (number, id) = (format!("49151000000{:02}", self.0), format!("DE.person{:02}", self.0));
        graph::Contact::new(&number, &id, &format!("Person{}", self.0))
    }

    /// On Slack.
    pub fn slack(self) -> String {
        format!("U0PERSON{:02}", self.0)
    }

    /// What `zaki users` calls them on a channel: `channel:scope:id`'s parts.
    pub fn sender(self, world: &World, channel: ChannelKind) -> (String, String) {
        match channel {
            ChannelKind::Telegram => (String::new(), self.telegram().id.to_string()),
            ChannelKind::Discord => (String::new(), self.discord().id.to_string()),
            ChannelKind::WhatsApp => {
                let scope = world.whatsapp.config().waba_id.clone();
                (scope, self.whatsapp().user_id.unwrap_or_default())
            }
            ChannelKind::Slack => (world.slack.config().team_id.clone(), self.slack()),
            ChannelKind::Web => crate::no_bot(),
        }
    }
}

/// A file that somebody sends.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// Its type.
    pub mime: &'static str,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl Shown {
    /// A picture that no other is like, of this name.
    pub fn picture(name: &str) -> Self {
        let bytes = [&[0x89, b'P', b'N', b'G'], name.as_bytes()].concat();
        Self { name: name.to_owned(), mime: "image/png", bytes }
    }

    /// SHA-256 of its bytes, in hex.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }
}

/// Something that was said, so that it can be delivered again.
#[derive(Clone, Debug)]
pub enum Said {
    /// The update's id.
    Telegram(i64),
    /// The message.
    Discord(Box<discord::Said>),
    /// The wamid.
    WhatsApp(String),
    /// The message.
    Slack(Box<slack::Said>),
}

impl Said {
    /// The platform it was said on delivers it again.
    pub(crate) fn again(
        &self,
        telegram: &telegram::Telegram,
        discord: &discord::Discord,
        whatsapp: &graph::Graph,
        slack: &slack::Slack,
    ) {
        match self {
            Self::Telegram(update) => telegram.deliver_again(*update),
            Self::Discord(said) => discord.deliver_again(said),
            Self::WhatsApp(wamid) => whatsapp.deliver_again(wamid),
            Self::Slack(said) => slack.deliver_again(&said.event_id),
        }
    }
}

impl World {
    /// `who` writes to the bot in private.
    pub fn say(&self, channel: ChannelKind, who: Person, text: &str) -> Said {
        match channel {
            ChannelKind::Telegram => Said::Telegram(self.telegram.say(&who.telegram(), text)),
            ChannelKind::Discord => Said::Discord(self.discord.say(&who.discord(), text).into()),
            ChannelKind::WhatsApp => Said::WhatsApp(self.whatsapp.say(&who.whatsapp(), text)),
            ChannelKind::Slack => Said::Slack(self.slack.say(&who.slack(), text).into()),
            ChannelKind::Web => crate::no_bot(),
        }
    }

    /// Sends the bot a file, with words under it.
    pub fn show(&self, channel: ChannelKind, who: Person, caption: &str, file: &Shown) {
        let Shown { name, mime, bytes } = file.clone();
        let size = bytes.len();
        match channel {
            ChannelKind::Telegram => {
                self.telegram.put_file(&name, &format!("documents/{name}"), bytes);
                let document = json!({
                    "file_id": name, "file_unique_id": format!("u{name}"), "file_name": name,
                    "mime_type": mime, "file_size": size,
                });
                let extra = json!({"caption": caption, "document": document});
                let user = who.telegram();
                self.telegram.say_in(&telegram::Chat::private(&user), &user, "", extra);
            }
            ChannelKind::Discord => {
                let extra =
                    json!({"attachments": [self.discord.put_attachment(&name, mime, bytes)]});
                let user = who.discord();
                self.discord.say_in(&self.discord.direct(&user), &user, caption, extra);
            }
            ChannelKind::WhatsApp => {
                let id = self.whatsapp.put_media(mime, bytes);
                let document =
                    json!({"id": id, "filename": name, "caption": caption, "mime_type": mime});
                let content = json!({"type": "document", "document": document});
                self.whatsapp.say_all(&[graph::Said::any(&who.whatsapp(), content)]);
            }
            ChannelKind::Slack => {
                let file = self.slack.put_file(&name, mime, bytes);
                let extra = json!({"subtype": "file_share", "files": [file]});
                let user = who.slack();
                self.slack.say_in(&self.slack.direct_channel(&user), &user, caption, extra);
            }
            ChannelKind::Web => crate::no_bot(),
        }
    }

    /// The platform delivers the same again.
    pub fn say_again(&self, said: &Said) {
        said.again(&self.telegram, &self.discord, &self.whatsapp, &self.slack);
    }

    /// The simulator of a channel.
    pub fn platform(&self, channel: ChannelKind) -> &dyn Simulator {
        match channel {
            ChannelKind::Telegram => &self.telegram,
            ChannelKind::Discord => &self.discord,
            ChannelKind::WhatsApp => &self.whatsapp,
            ChannelKind::Slack => &self.slack,
            ChannelKind::Web => crate::no_bot(),
        }
    }

    fn sent(&self, channel: ChannelKind) -> &Log<Sent> {
        self.platform(channel).sent()
    }

    /// Whether a sent message shows text in the private conversation with `who`.
    fn is_for(&self, channel: ChannelKind, who: Person) -> impl Fn(&Sent) -> bool + use<> {
        let places = match channel {
            ChannelKind::Telegram => vec![who.telegram().id.to_string()],
            ChannelKind::Discord => vec![self.discord.direct(&who.discord()).id.to_string()],
            ChannelKind::WhatsApp => {
                let contact = who.whatsapp();
                contact.wa_id.into_iter().chain(contact.user_id).collect()
            }
            ChannelKind::Slack => vec![self.slack.direct_channel(&who.slack())],
            ChannelKind::Web => crate::no_bot(),
        };
        move |sent| sent.has_text() && places.contains(&sent.conversation)
    }

    /// Everything the bot wrote to `who` in private.
    pub fn answers(&self, channel: ChannelKind, who: Person) -> Vec<String> {
        let found = self.sent(channel).matching(self.is_for(channel, who));
        found.into_iter().map(|sent| sent.text).collect()
    }

    /// Waits until the bot has written `count` times to `who` in private.
    pub async fn expect(
        &self,
        channel: ChannelKind,
        who: Person,
        count: usize,
        within: Duration,
    ) -> Result<Vec<String>> {
        let is_for = self.is_for(channel, who);
        let seen = self.sent(channel).wait_for_count(count, is_for, within).await;
        let seen = seen.map_err(|error| {
            let there = self.answers(channel, who);
            anyhow!(
                "{channel}: {count} messages were expected, {there:?} came: {error}\n{}",
                self.log()
            )
        });
        Ok(seen?.into_iter().map(|sent| sent.text).collect())
    }

    /// `who` writes, and waits for the next message from the bot.
    pub async fn ask(&self, channel: ChannelKind, who: Person, text: &str) -> Result<String> {
        self.ask_within(channel, who, text, SOON).await
    }

    /// The same with an agent that may take its time.
    pub async fn ask_within(
        &self,
        channel: ChannelKind,
        who: Person,
        text: &str,
        within: Duration,
    ) -> Result<String> {
        let before = self.answers(channel, who).len();
        self.say(channel, who, text);
        let answers = self.expect(channel, who, before + 1, within).await?;
        answers.into_iter().nth(before).context("the log lost an answer")
    }

    /// `who`, whom nobody knows there, uses a code and says yes; the answer to that.
    pub async fn join(&self, channel: ChannelKind, who: Person, code: &str) -> Result<String> {
        let asked = self.ask(channel, who, &format!("/link {code}")).await?;
        ensure!(asked.contains("/link yes"), "they are not asked: {asked}");
        self.ask(channel, who, "/link yes").await
    }

    /// Waits for something the bot does on a channel.
    pub async fn expect_sent(
        &self,
        channel: ChannelKind,
        wanted: impl Fn(&Sent) -> bool,
    ) -> Result<Sent> {
        let seen = self.sent(channel).wait_for(wanted, SOON).await;
        seen.map_err(|error| {
            let there = self.sent(channel).all();
            anyhow!("{channel}: {error}; the bot did {there:#?}\n{}", self.log())
        })
    }
}
