//! By what a person is known in the ledger.

use zaki_envelope::{ChannelKind, ConversationId, Timestamp, ZakiUserId};
use zaki_identity::{Directory, DirectoryError, Home, Trace, Traces};
use zaki_ledger::{Place, SenderKey, Who};

use crate::accounts::Accounts;

/// A person, and those who have become that person.
pub(crate) async fn who(
    directory: &Directory,
    accounts: &Accounts,
    user: ZakiUserId,
) -> Result<Who, DirectoryError> {
    Ok(known_by(&directory.traces(user).await?, accounts))
}

/// The same of what identity has written down of somebody, who may be no more.
pub(crate) fn known_by(traces: &Traces, accounts: &Accounts) -> Who {
    let mut who = Who { users: traces.users.clone(), ..Who::default() };
    let homes = traces.homes.iter();
    who.places.extend(homes.map(|home| Place {
        since: theirs_since(home, &traces.senders),
        ..Place::of(&home.address())
    }));
    for trace in &traces.senders {
        add(&mut who, accounts, trace);
    }
    who
}

/// Where conversations are named like people, the place may have been somebody else's before.
fn theirs_since(home: &Home, senders: &[Trace]) -> Timestamp {
    let is_there = |trace: &&Trace| are_named_alike(home.channel) && trace.channel == home.channel;
    let there = senders.iter().filter(is_there);
    let by = |trace: &&Trace| {
        (trace.sender.as_str() == home.conversation.id.as_str(), trace.since.as_ms())
    };
    there.max_by_key(by).map_or(Timestamp::from_ms(0), |trace| trace.since)
}

/// Whether private conversations have the names of the people they are with.
const fn are_named_alike(channel: ChannelKind) -> bool {
    matches!(channel, ChannelKind::Telegram | ChannelKind::WhatsApp)
}

fn add(who: &mut Who, accounts: &Accounts, trace: &Trace) {
    let Trace { channel, scope, sender: id, since, until } = trace.clone();
    if are_named_alike(channel) {
        let bots = accounts.iter().filter(|account| account.kind == channel);
        who.places.extend(bots.map(|account| Place {
            channel,
            account: account.name.clone(),
            conversation: ConversationId::new(id.as_str()),
            since,
        }));
    }
    who.senders.push(SenderKey { channel, scope, id, since, until });
}
