//! In which language the hub talks to whom: the one a person has chosen, else the one they use
//! their platform in, else English.

use std::hash::{BuildHasher, RandomState};

use dashmap::DashMap;
use zaki_envelope::{Address, ConversationKind, Inbound, ZakiUserId};
use zaki_words::{Lang, Voice};

use crate::hub::Hub;

/// So many conversations are remembered; when there are more, it begins anew.
const MOST: usize = 20_000;

/// What was last spoken where: for what is said without anybody having asked. Worth nothing after
/// a crash, and forgotten without harm. A conversation is known by a digest, since there are many;
/// should two ever share one, a notice is in the wrong language.
#[derive(Default)]
pub(crate) struct Tongues {
    spoken: DashMap<u64, Lang>,
    digest: RandomState,
}

impl Tongues {
    pub(crate) fn note(&self, to: &Address, lang: Lang) {
        if self.spoken.len() >= MOST {
            self.spoken.clear();
        }
        self.spoken.insert(self.place(to), lang);
    }

    fn known(&self, to: &Address) -> Option<Lang> {
        self.spoken.get(&self.place(to)).map(|lang| *lang)
    }

    fn place(&self, to: &Address) -> u64 {
        self.digest.hash_one((to.channel, &to.account, &to.conversation.id))
    }
}

/// How to talk to somebody about what they wrote; `chosen` is what they have set.
pub(crate) fn voice(chosen: Option<&str>, about: &Inbound) -> Voice {
    let lang = chosen.or(about.sender.locale.as_deref()).map_or(Lang::En, Lang::of);
    Voice::on(lang, about.channel)
}

impl Hub {
    /// How to talk about a message that this person's sandbox answers, to whoever wrote it.
    pub(crate) async fn voice(&self, user: ZakiUserId, about: &Inbound) -> Voice {
        // One try: no answer waits for the store only to be in the right language.
        let person = match self.speaker(user, about).await {
            Some(speaker) => self.directory.person(speaker).await.ok().flatten(),
            None => None,
        };
        let chosen = person.and_then(|person| person.lang);
        let voice = voice(chosen.as_deref(), about);
        self.tongues.note(&Address::of(about), voice.lang);
        voice
    }

    /// Who wrote a message that this person's sandbox answers: in a group that may be a guest.
    pub(crate) async fn speaker(&self, user: ZakiUserId, about: &Inbound) -> Option<ZakiUserId> {
        if about.conversation.kind == ConversationKind::Direct {
            return Some(user);
        }
        let (channel, sender) = (about.channel, &about.sender);
        self.directory.find(channel, &sender.scope, &sender.id).await.ok().flatten()
    }

    /// How to talk about a message as long as nobody has looked whose it is.
    pub(crate) fn voice_before(&self, about: &Inbound) -> Voice {
        let spoken = self.tongues.known(&Address::of(about));
        spoken.map_or_else(|| voice(None, about), |lang| Voice::on(lang, about.channel))
    }

    /// How to talk in a conversation about something that nobody there has asked for.
    pub(crate) fn voice_at(&self, to: &Address) -> Voice {
        Voice::on(self.tongues.known(to).unwrap_or(Lang::En), to.channel)
    }
}
