//! By what a person is known in the ledger.

use zaki_envelope::{ChannelKind, ConversationId, Timestamp, ZakiUserId};
use zaki_identity::{Binding, Directory, DirectoryError, Person};
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
    let mut who = Who { users: directory.family(user).await?, ..Who::default() };
    for user in who.users.clone() {
        if let Some(person) = directory.person(user).await? {
            add(&mut who, accounts, &person);
        }
    }
    Ok(who)
}

fn add(who: &mut Who, accounts: &Accounts, person: &Person) {
    who.places.extend(person.home.as_ref().map(|home| Place::of(&home.address())));
    for binding in &person.bindings {
        let (channel, scope, id) = (binding.channel, binding.scope.clone(), binding.sender.clone());
        let since = since(binding);
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
}

/// Since when what comes by this id is theirs.
fn since(binding: &Binding) -> Timestamp {
    Timestamp::from_ms(binding.bound_at.as_ms().saturating_sub(BEFORE_MS).max(0))
}
