//! How a breaker stands, for operators and for whoever would wait in vain.

use serde::{Deserialize, Serialize};
use zaki_envelope::{Timestamp, ZakiUserId, wire::ProviderReport};

use super::{Breaker, Fault, Standing, State, TRIAL_MS, is_over};

/// So long what was said of a breaker is believed, in milliseconds: whoever said it may be gone,
/// and with them what they had learned.
pub const BELIEVED_MS: i64 = 600_000;

/// What is watched over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// A provider of models: an agent can make calls that it fails of.
    Provider,
    /// What the edge itself asks, and asks for everybody alike.
    Part,
}

/// What one of many breakers says of what all of them watch over. In JSON it is its report with one
/// field more: in a roll-out those read each other who know of that field and who do not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// How it stands.
    #[serde(flatten)]
    pub stands: ProviderReport,
    /// The only one whose calls failed, where that may be because of what they asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub culprit: Option<ZakiUserId>,
}

/// A word, and who says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Whose breaker it is.
    pub isolate: String,
    /// By the name it had when it was a report.
    #[serde(rename = "stands")]
    pub word: Word,
}

impl Word {
    /// Whether there is nothing to say.
    pub const fn is_well(&self) -> bool {
        self.stands.is_asked
    }

    /// Whether it says what `before`, the one told last, does not. What fails now and then and is asked
    /// all the same is no news: each call would be.
    pub fn is_news(&self, before: Option<&Self>) -> bool {
        match before {
            Some(before) if self.is_well() => !before.is_well(),
            Some(before) => self != before,
            None => !self.is_well(),
        }
    }
}

impl Breaker {
    /// What it says of `name`, beside others that watch over the same.
    pub fn word(&self, name: &str) -> Word {
        // No call is such that nobody is reached by it, or that a key is not taken.
        let is_for_all = matches!(self.fault, Some(Fault::Unreachable | Fault::Refused));
        Word { stands: self.told(name), culprit: self.culprit.filter(|_| !is_for_all) }
    }

    /// How it stands under that name.
    pub fn told(&self, name: &str) -> ProviderReport {
        let (is_asked, until) = match self.standing() {
            Standing::Closed => (true, None),
            Standing::Open { until } => (false, Some(until)),
            Standing::Trial => (false, None),
        };
        let failing = self.failing();
        ProviderReport {
            provider: name.to_owned(),
            is_asked,
            until,
            fault: failing.map(|(fault, _)| fault.as_str().to_owned()),
            since: failing.map(|(_, since)| since),
        }
    }

    /// Until when `user` is kept from asking; `None`: they may ask, or try.
    pub fn kept_from(&self, user: ZakiUserId, now: Timestamp) -> Option<Timestamp> {
        if self.is_closed_for(user) {
            return None;
        }
        let (since, ms) = match self.state {
            State::Closed => return None,
            State::Open { since, pause_ms } => (since, pause_ms),
            State::Trial { since } => (since, TRIAL_MS),
        };
        (!is_over(since, ms, now)).then(|| since.plus_ms(ms))
    }
}

/// What is to be said of `name` where many breakers watch over it, each of what passes it alone:
/// nobody is told that it is asked while one of them leaves it alone, unless it is a provider of models
/// and all that failed were the calls of one person, who can make such calls on purpose.
pub fn gather(what: Watched, name: &str, said: impl IntoIterator<Item = Word>) -> ProviderReport {
    let ill = said.into_iter().filter(|word| word.stands.provider == name && !word.is_well());
    let ill: Vec<Word> = ill.collect();
    let mut all = Breaker::default().told(name);
    let first = ill.first().and_then(|word| word.culprit);
    let is_blamed = what == Watched::Provider && first.is_some();
    if is_blamed && ill.iter().all(|word| word.culprit == first) {
        return all;
    }
    for one in ill.into_iter().map(|word| word.stands) {
        all.is_asked = false;
        all.until = all.until.max(one.until);
        if one.since.is_some_and(|since| all.since.is_none_or(|known| since < known)) {
            (all.fault, all.since) = (one.fault, one.since);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::{FIRST_PAUSE_MS, Fault, TOO_MANY};
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_000_000 + ms)
    }

    fn user(n: u128) -> ZakiUserId {
        ZakiUserId::from_parts(Timestamp::from_ms(1), n)
    }

    /// Of which the calls of so many people have failed, one after another.
    fn failed(people: u128, ms: i64) -> Breaker {
        failed_by(Fault::Silent, people, ms)
    }

    fn of_parts(name: &str, said: impl IntoIterator<Item = Word>) -> ProviderReport {
        gather(Watched::Part, name, said)
    }

    fn of_providers(said: impl IntoIterator<Item = Word>) -> ProviderReport {
        gather(Watched::Provider, "main", said)
    }

    fn failed_by(fault: Fault, people: u128, ms: i64) -> Breaker {
        let mut breaker = Breaker::default();
        for n in 0..TOO_MANY as u128 {
            let ticket = breaker.admit(user(n % people), at(ms)).unwrap();
            breaker.failed(ticket, fault, None, at(ms));
        }
        breaker
    }

    #[test]
    fn who_is_kept_from_asking_and_until_when() {
        let mut breaker = failed(2, 0);
        let until = at(FIRST_PAUSE_MS);
        assert_eq!(breaker.kept_from(user(7), at(1)), Some(until));
        assert_eq!(breaker.kept_from(user(7), until), None, "they may try");
        assert!(breaker.admit(user(7), until).is_some());
        let trial = Some(until.plus_ms(TRIAL_MS));
        assert_eq!(breaker.kept_from(user(8), until), trial, "somebody does");
        let of_one = failed(1, 0);
        assert_eq!(of_one.kept_from(user(0), at(1)), Some(until));
        assert_eq!(of_one.kept_from(user(7), at(1)), None);
        assert_eq!(Breaker::default().kept_from(user(0), at(1)), None);
    }

    #[test]
    fn one_that_leaves_it_alone_is_heard_among_many() {
        let (early, late) = (failed(2, 0).word("hub"), failed(2, 500).word("hub"));
        let fine = Breaker::default().word("hub");
        let other = failed(2, -900).word("bucket");
        let all = of_parts("hub", [fine.clone(), late, other, early.clone()]);
        assert_eq!((all.is_asked, all.until), (false, Some(at(FIRST_PAUSE_MS + 500))));
        assert_eq!((all.fault.as_deref(), all.since), (Some("silent"), Some(at(0))));
        assert_eq!(of_parts("hub", [early.clone()]), early.stands);
        assert_eq!(of_parts("hub", [fine.clone()]), fine.stands);
        assert_eq!(of_parts("hub", []), fine.stands, "nobody has said anything");
    }

    #[test]
    fn a_call_that_fails_now_and_then_is_no_news() {
        let (mut breaker, mut told) = (Breaker::default(), None::<Word>);
        let mut news = 0;
        for n in 0..100_u8 {
            let mut ticket = breaker.admit(user(n.into()), at(n.into())).unwrap();
            if n % 3 == 0 {
                breaker.failed(ticket, Fault::Broken, None, at(n.into()));
            } else {
                breaker.answered(&mut ticket, at(n.into()));
            }
            let word = breaker.word("main");
            news += usize::from(word.is_news(told.as_ref()));
            told = Some(word);
        }
        assert_eq!(news, 0, "it was asked all the time");
        let (open, fine) = (failed(2, 0).word("main"), Breaker::default().word("main"));
        assert!(open.is_news(None) && open.is_news(told.as_ref()) && !open.is_news(Some(&open)));
        assert!(failed(2, 9).word("main").is_news(Some(&open)), "it is open for longer");
        assert!(fine.is_news(Some(&open)) && !fine.is_news(None) && !fine.is_news(Some(&fine)));
    }

    #[test]
    fn of_one_persons_calls_alone_nobody_is_told() {
        let (mine, fine) = (failed(1, 0).word("main"), Breaker::default().told("main"));
        assert!(mine.culprit == Some(user(0)) && !mine.is_well());
        // Wherever they were made.
        let elsewhere = failed(1, 700).word("main");
        assert_eq!(of_providers([mine.clone(), elsewhere]), fine);
        let theirs = Word { culprit: Some(user(9)), ..mine.clone() };
        for other in [theirs, failed(2, 0).word("main")] {
            assert!(!of_providers([mine.clone(), other]).is_asked, "it fails two of them");
        }
        for fault in [Fault::Unreachable, Fault::Refused] {
            let of_all = failed_by(fault, 1, 0).word("main");
            assert!(!of_providers([of_all]).is_asked, "no call can be blamed for it");
        }
    }

    #[test]
    fn what_the_edge_itself_asks_is_told_whoever_uses_it() {
        for name in ["bucket", "containers", "hub"] {
            let of_one = failed(1, 0).word(name);
            assert!(of_one.culprit.is_some());
            assert_eq!(of_parts(name, [of_one.clone()]), of_one.stands);
        }
    }

    #[test]
    fn words_and_the_reports_they_were_before_read_each_other() {
        /// As it was when nobody was named.
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Before {
            isolate: String,
            stands: ProviderReport,
        }
        let isolate = "a1".to_owned();
        for breaker in [failed(1, 0), failed(2, 0), Breaker::default()] {
            let word = breaker.word("main");
            let (report, text) = (word.stands.clone(), serde_json::to_string(&word).unwrap());
            assert_eq!(serde_json::from_str::<Word>(&text).unwrap(), word);
            assert_eq!(serde_json::from_str::<ProviderReport>(&text).unwrap(), report);
            let old = serde_json::to_string(&report).unwrap();
            let unnamed = Word { culprit: None, ..word.clone() };
            assert_eq!(serde_json::from_str::<Word>(&old).unwrap(), unnamed);

            let said = Said { isolate: isolate.clone(), word };
            let before = Before { isolate: isolate.clone(), stands: report };
            let text = serde_json::to_string(&said).unwrap();
            assert_eq!(serde_json::from_str::<Said>(&text).unwrap(), said);
            assert_eq!(serde_json::from_str::<Before>(&text).unwrap(), before);
            let old = serde_json::to_string(&before).unwrap();
            let unnamed = Said { isolate: isolate.clone(), word: unnamed };
            assert_eq!(serde_json::from_str::<Said>(&old).unwrap(), unnamed);
        }
    }
}
