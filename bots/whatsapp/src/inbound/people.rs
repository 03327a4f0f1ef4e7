//! Who wrote: the business-scoped id where there is one, the phone number beside it.

use zaki_envelope::{Sender, SenderId, SenderScope, is_business_scoped};

use super::payload::Contact;

/// The contacts of a change, and the scope their ids are unique in.
#[derive(Clone, Copy)]
pub(super) struct People<'a> {
    pub(super) scope: &'a str,
    pub(super) contacts: &'a [Contact],
}

impl People<'_> {
    /// The person with these ids; either may be empty, not both.
    ///
    /// `number` is what stands in `from` or `recipient_id`: a phone number, or the business-scoped
    /// id in its place. Names and further ids are taken from a contact only if it has one of the
    /// ids, or if it is the only one and there is no id at all.
    pub(super) fn person(&self, user_id: &str, number: &str) -> Option<Sender> {
        let contact = self.contact(user_id, number);
        let in_contact = |field: fn(&Contact) -> &String| contact.map_or("", |c| field(c));
        let scoped = [user_id, number, in_contact(|c| &c.user_id)];
        let numbers = [number, in_contact(|c| &c.wa_id)];
        let user_id = scoped.into_iter().find(|id| is_business_scoped(id));
        let number = numbers.into_iter().find(|id| !id.is_empty() && !is_business_scoped(id));
        let mut sender = self.sender(user_id.or(number).or(non_empty(scoped[0]))?);
        if let (Some(_), Some(number)) = (user_id, number) {
            sender.aliases.push(SenderId::new(number));
        }
        if let Some(contact) = contact {
            sender.display_name = non_empty(&contact.profile.name).map(str::to_owned);
            sender.handle = non_empty(&contact.profile.username).map(str::to_owned);
        }
        Some(sender)
    }

    /// Meta itself, which is no person.
    pub(super) fn nobody(&self) -> Sender {
        let mut sender = self.sender("whatsapp");
        sender.is_bot = true;
        sender
    }

    fn sender(&self, id: &str) -> Sender {
        Sender::new(SenderScope::new(self.scope), SenderId::new(id))
    }

    fn contact(&self, user_id: &str, number: &str) -> Option<&Contact> {
        let same = |one: &str, other: &str| !one.is_empty() && one == other;
        let known = |contact: &&Contact| {
            same(&contact.user_id, user_id)
                || same(&contact.user_id, number)
                || (same(&contact.wa_id, number)
                    && (user_id.is_empty() || contact.user_id.is_empty()))
        };
        match self.contacts {
            [only] if user_id.is_empty() && number.is_empty() => Some(only),
            contacts => contacts.iter().find(known),
        }
    }
}

fn non_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
