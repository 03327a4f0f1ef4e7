//! By what a person is known in the ledger.

use zaki_envelope::{ChannelKind, ConversationId, ZakiUserId};
use zaki_identity::{Directory, DirectoryError, Person};
use zaki_ledger::{Place, SenderKey, Who};

use crate::accounts::Accounts;

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
        // These name private conversations like the people they are with.
        if matches!(channel, ChannelKind::Telegram | ChannelKind::WhatsApp) {
            let bots = accounts.iter().filter(|account| account.kind == channel);
            who.places.extend(bots.map(|account| Place {
                channel,
                account: account.name.clone(),
                conversation: ConversationId::new(id.as_str()),
            }));
        }
        who.senders.push(SenderKey { channel, scope, id });
    }
}
