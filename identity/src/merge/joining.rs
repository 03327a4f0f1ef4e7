//! Two people who have linked and are to become one: what each of them has said. Pure.

use sha2::{Digest, Sha256};
use zaki_envelope::{Timestamp, ZakiUserId};

/// How long both have to say so, in milliseconds.
pub const JOINING_MS: i64 = 60 * 60_000;

/// The question that both are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joining {
    /// Whose identity stays.
    pub(super) into: ZakiUserId,
    /// Who would become that person.
    pub(super) from: ZakiUserId,
    pub(super) asked_at: Timestamp,
    pub(super) into_said: bool,
    pub(super) from_said: bool,
}

/// What a person's yes leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Yes {
    /// Nobody has asked them, or too long ago.
    Nothing,
    /// The other one has not said so yet.
    Waiting(Joining),
    /// Both have.
    Both,
}

impl Joining {
    pub(super) const fn asked(into: ZakiUserId, from: ZakiUserId, now: Timestamp) -> Self {
        Self { into, from, asked_at: now, into_said: false, from_said: false }
    }

    /// What names it among all questions.
    pub(super) fn id(&self) -> String {
        let text = format!("{} {} {}", self.into, self.from, self.asked_at.as_ms());
        let digest = Sha256::digest(text);
        hex::encode(digest.iter().take(8).copied().collect::<Vec<_>>())
    }

    pub(super) const fn is_open(&self, now: Timestamp) -> bool {
        now.since(self.asked_at) < JOINING_MS
    }

    /// Whether a new question to two people may take this one's place: an open one stays, so that
    /// a yes to it is never taken for a yes to another.
    pub(super) fn gives_way(&self, into: ZakiUserId, from: ZakiUserId, now: Timestamp) -> bool {
        let same = [self.into, self.from].contains(&into) && [self.into, self.from].contains(&from);
        same || !self.is_open(now)
    }

    pub(super) fn other(&self, user: ZakiUserId) -> ZakiUserId {
        if user == self.into { self.from } else { self.into }
    }

    pub(super) fn agree(mut self, user: ZakiUserId, now: Timestamp) -> Yes {
        if !self.is_open(now) || ![self.into, self.from].contains(&user) {
            return Yes::Nothing;
        }
        self.into_said |= user == self.into;
        self.from_said |= user == self.from;
        if self.into_said && self.from_said { Yes::Both } else { Yes::Waiting(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u128) -> ZakiUserId {
        ZakiUserId::from_parts(at(0), n)
    }

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_790_000_000_000 + ms)
    }

    #[test]
    fn it_takes_two() {
        let (ann, bob, eve) = (user(1), user(2), user(3));
        let asked = Joining::asked(ann, bob, at(0));
        for (first, second) in [(ann, bob), (bob, ann)] {
            let Yes::Waiting(half) = asked.agree(first, at(1)) else { panic!("one is not two") };
            assert_eq!(half.other(first), second);
            let Yes::Waiting(still) = half.agree(first, at(2)) else { panic!("twice one neither") };
            assert_eq!(still.agree(eve, at(3)), Yes::Nothing);
            assert_eq!(still.agree(second, at(JOINING_MS)), Yes::Nothing, "too late");
            assert_eq!(still.agree(second, at(JOINING_MS - 1)), Yes::Both);
        }
    }

    #[test]
    fn an_open_question_is_not_replaced_by_one_about_somebody_else() {
        let (ann, bob, eve) = (user(1), user(2), user(3));
        let asked = Joining::asked(ann, bob, at(0));
        assert!(!asked.gives_way(ann, eve, at(1)));
        assert!(!asked.gives_way(eve, bob, at(1)));
        assert!(asked.gives_way(ann, bob, at(1)));
        assert!(asked.gives_way(bob, ann, at(1)), "the same two, the other way round");
        assert!(asked.gives_way(ann, eve, at(JOINING_MS)));
    }
}
