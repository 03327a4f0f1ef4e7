//! In which language the hub talks to whom: the one a person has chosen, else the one they use
//! their platform in, else English.

use dashmap::DashMap;
use zaki_envelope::{AccountName, Address, ChannelKind, ConversationId, Inbound, ZakiUserId};
use zaki_words::{Lang, Voice};

use crate::hub::Hub;

/// So many conversations are remembered; when there are more, it begins anew.
const MOST: usize = 20_000;

type Place = (ChannelKind, AccountName, ConversationId);

/// What was last spoken where: for what is said without anybody having asked. Worth nothing after
/// a crash, and forgotten without harm.
#[derive(Default)]
pub(crate) struct Tongues(DashMap<Place, Lang>);

impl Tongues {
    pub(crate) fn note(&self, to: &Address, lang: Lang) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(place(to), lang);
    }

    fn at(&self, to: &Address) -> Lang {
        self.0.get(&place(to)).map_or(Lang::En, |lang| *lang)
    }
}

fn place(to: &Address) -> Place {
    (to.channel, to.account.clone(), to.conversation.id.clone())
}

/// How to talk to somebody about what they wrote; `chosen` is what they have set.
pub(crate) fn voice(chosen: Option<&str>, about: &Inbound) -> Voice {
    let lang = chosen.or(about.sender.locale.as_deref()).map_or(Lang::En, Lang::of);
    Voice::on(lang, about.channel)
}

impl Hub {
    /// How to talk to a person about one of their messages.
    pub(crate) async fn voice(&self, user: ZakiUserId, about: &Inbound) -> Voice {
        // One try: no answer waits for the store only to be in the right language.
        let person = self.directory.person(user).await.ok().flatten();
        let chosen = person.and_then(|person| person.lang);
        let voice = voice(chosen.as_deref(), about);
        self.tongues.note(&Address::of(about), voice.lang);
        voice
    }

    /// How to talk in a conversation about something that nobody there has asked for.
    pub(crate) fn voice_at(&self, to: &Address) -> Voice {
        Voice::on(self.tongues.at(to), to.channel)
    }
}
