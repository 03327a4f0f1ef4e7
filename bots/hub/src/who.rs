//! By what a person is known in the ledger.

use zaki_envelope::{ChannelKind, ConversationId, Timestamp, ZakiUserId};
use zaki_identity::{Directory, DirectoryError, Trace, Traces};
use zaki_ledger::{Place, SenderKey, Who};

use crate::accounts::Accounts;

/// A message comes in before it makes its sender somebody: they may have had to ask twice, or the
/// store to come back. No number has a new owner that soon.
const BEFORE_MS: i64 = 60 * 60 * 1000;

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
    who.places.extend(traces.homes.iter().map(|home| Place::of(&home.address())));
    for trace in &traces.senders {
        add(&mut who, accounts, trace);
    }
    who
}

fn add(who: &mut Who, accounts: &Accounts, trace: &Trace) {
    let (channel, scope, id) = (trace.channel, trace.scope.clone(), trace.sender.clone());
    let since = since(trace);
    // These name private conversations like the people they are with.
    if matches!(channel, ChannelKind::Telegram | ChannelKind::WhatsApp) {
        let bots = accounts.iter().filter(|account| account.kind == channel);
        who.places.extend(bots.map(|account| Place {
            channel,
            account: account.name.clone(),
            conversation: ConversationId::new(id.as_str()),
            since,
        }));
    }
    who.senders.push(SenderKey { channel, scope, id, since });
}

/// Since when what comes by this id is theirs.
fn since(trace: &Trace) -> Timestamp {
    Timestamp::from_ms(trace.since.as_ms().saturating_sub(BEFORE_MS).max(0))
}
