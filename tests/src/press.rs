//! Buttons, on whichever platform: what stands behind them, and somebody who presses one.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use zaki_simulators::graph::Said;
use zaki_simulators::{Call, Sent, telegram};

use crate::{ChannelKind, Person, SOON, World, no_bot};

/// The data behind the buttons of a call that sent some.
pub fn buttons(channel: ChannelKind, sent: &Value) -> Vec<String> {
    let (list, data) = match channel {
        ChannelKind::Telegram => ("/reply_markup/inline_keyboard/0", "/callback_data"),
        ChannelKind::Discord => ("/components/0/components", "/custom_id"),
        ChannelKind::WhatsApp => ("/interactive/action/buttons", "/reply/id"),
        ChannelKind::Slack => ("/blocks/1/elements", "/value"),
        ChannelKind::Web => no_bot(),
    };
    let found = sent.pointer(list).and_then(Value::as_array).cloned().unwrap_or_default();
    found.iter().filter_map(|it| Some(it.pointer(data)?.as_str()?.to_owned())).collect()
}

impl World {
    /// The data behind the buttons under the `count`-th message that had some, from 1.
    pub async fn buttons(&self, channel: ChannelKind, count: usize) -> Result<Vec<String>> {
        let has = |call: &Call| !buttons(channel, &call.body).is_empty();
        let calls = self.platform(channel).calls().wait_for_count(count, has, SOON).await;
        let calls = calls.with_context(|| format!("{channel}: no buttons\n{}", self.log()))?;
        Ok(calls.get(count - 1).map(|call| buttons(channel, &call.body)).unwrap_or_default())
    }

    /// `who` presses a button under a message of their private conversation.
    pub async fn press(
        &self,
        channel: ChannelKind,
        who: Person,
        under: &Sent,
        data: &str,
    ) -> Result<()> {
        match channel {
            ChannelKind::Telegram => {
                let (user, message) = (who.telegram(), under.message.parse()?);
                self.telegram.press(&telegram::Chat::private(&user), &user, message, data);
            }
            ChannelKind::Discord => {
                let (user, message) = (who.discord(), under.message.parse()?);
                self.discord.press(&self.discord.direct(&user), &user, message, data).await;
            }
            ChannelKind::WhatsApp => {
                let reply = json!({"id": data, "title": "a label"});
                let pressed = json!({"type": "interactive", "context": {"id": under.message},
                    "interactive": {"type": "button_reply", "button_reply": reply}});
                self.whatsapp.say_all(&[Said::any(&who.whatsapp(), pressed)]);
            }
            ChannelKind::Slack => {
                let url = self.url("/webhooks/slack/main/interactivity");
                let action = json!({"type": "button", "action_id": "choice-0", "value": data,
                    "action_ts": "1795000000.1", "text": {"type": "plain_text", "text": "a label"}});
                let direct = self.slack.direct_channel(&who.slack());
                self.slack.press(&url, &who.slack(), &direct, &under.message, action).await;
            }
            ChannelKind::Web => no_bot(),
        }
        Ok(())
    }
}
