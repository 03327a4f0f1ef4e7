//! Slash commands, presses, and other interactions by name.

use zaki_channel::{Arrival, Parsed};
use zaki_envelope::{Conversation, InboundKind, MessageId, Part, Sender};

use super::payload::{Action, Command, Interaction, first};
use super::seed::{Seed, Space, time};
use super::text::resolve;

/// A slash command; the bot is always meant.
pub(super) fn command(command: &Command, seed: &Seed<'_>) -> Parsed {
    let space = Space { team: &command.team_id, enterprise: &command.enterprise_id };
    let name = command.command.trim_start_matches('/').to_owned();
    let is_direct = command.channel_name == "directmessage";
    let place = space.conversation(
        first([&command.channel_id, &command.user_id, &command.team_id]),
        is_direct,
        "",
    );
    let mut sender = space.sender(&command.user_id);
    sender.handle = (!command.user_name.is_empty()).then(|| command.user_name.clone());
    let key = space.key(&["command", &command.trigger_id]);
    let mut inbound = seed.inbound(key, place, sender, InboundKind::Command { name });
    let words = resolve(&command.text);
    if !words.text.is_empty() {
        inbound.parts.push(Part::Text { text: words.text, mentions: words.mentions });
    }
    inbound.addressed = true;
    let handle = seed.handle(&command.response_url);
    Parsed { arrivals: vec![Arrival { inbound, handle }], ..Parsed::default() }
}

/// A press makes one arrival for each action; all else is kept by name.
pub(super) fn interaction(interaction: &Interaction, seed: &Seed<'_>) -> Parsed {
    let view = View {
        interaction,
        space: Space {
            team: first([&interaction.team.id, &interaction.user.team_id]),
            enterprise: first([&interaction.team.enterprise_id, &interaction.enterprise.id]),
        },
        seed,
    };
    let is_press = interaction.kind == "block_actions" && !interaction.actions.is_empty();
    let arrivals = if is_press {
        interaction.actions.iter().map(|a| view.press(a)).collect()
    } else {
        vec![view.other()]
    };
    Parsed { arrivals, ..Parsed::default() }
}

struct View<'a> {
    interaction: &'a Interaction,
    space: Space<'a>,
    seed: &'a Seed<'a>,
}

impl View<'_> {
    fn press(&self, action: &Action) -> Arrival {
        let choice = &action.selected_option;
        let data = first([&action.value, &choice.value, &action.action_id]);
        let label = first([&choice.text.text, &action.text.text]);
        let label = if label.is_empty() { data } else { label };
        let user = &self.interaction.user.id;
        let at = &action.action_ts;
        let key = self.space.key(&["action", at, user, &action.action_id]);
        let kind = InboundKind::Button { data: data.to_owned() };
        let mut inbound = self.seed.inbound(key, self.place(), self.sender(), kind);
        inbound.sent_at = time(at);
        inbound.message = self.message();
        if !label.is_empty() {
            inbound.parts.push(Part::text(label));
        }
        inbound.addressed = true;
        Arrival { inbound, handle: self.seed.handle(&self.interaction.response_url) }
    }

    fn other(&self) -> Arrival {
        let interaction = self.interaction;
        let name = match interaction.kind.as_str() {
            "" => "unknown",
            name => name,
        };
        let once = first([&interaction.trigger_id, &interaction.action_ts]);
        let key = self.space.key(&["interaction", name, once]);
        let kind = InboundKind::Other { name: name.to_owned() };
        let mut inbound = self.seed.inbound(key, self.place(), self.sender(), kind);
        inbound.message = self.message();
        inbound.into()
    }

    /// Where the button is; a form in a window belongs to the person alone.
    fn place(&self) -> Conversation {
        let interaction = self.interaction;
        let channel = first([&interaction.channel.id, &interaction.container.channel_id]);
        let threads = [&interaction.message.thread_ts, &interaction.container.thread_ts];
        if channel.is_empty() {
            let id = first([&interaction.user.id, &interaction.team.id]);
            return self.space.conversation(id, true, "");
        }
        self.space.conversation(channel, false, first(threads))
    }

    fn sender(&self) -> Sender {
        let user = &self.interaction.user;
        let mut sender = self.space.sender(&user.id);
        let handle = first([&user.username, &user.name]);
        sender.handle = (!handle.is_empty()).then(|| handle.to_owned());
        sender
    }

    fn message(&self) -> Option<MessageId> {
        let interaction = self.interaction;
        let ts = first([&interaction.message.ts, &interaction.container.message_ts]);
        (!ts.is_empty()).then(|| MessageId::new(ts))
    }
}
