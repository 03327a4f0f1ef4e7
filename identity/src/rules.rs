//! What follows for a sender's ids, given what is known of them: no store, no clock, no chance.

use zaki_envelope::{Sender, SenderId, ZakiUserId};

use crate::{BindingKind, How, Linked};

/// A sender and what each of its ids is bound to.
pub(crate) struct Facts<'s> {
    sender: &'s Sender,
    found: Vec<Bound>,
}

/// One id that is bound.
pub(crate) struct Bound {
    pub(crate) id: SenderId,
    pub(crate) owner: Owner,
    /// Of an older one, the best id it was shown with last.
    pub(crate) best: Option<SenderId>,
}

/// Whose an id is, and how good a key.
pub(crate) type Owner = (ZakiUserId, BindingKind);

/// One thing to write, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// This id is theirs from now on.
    Bind(SenderId, Owner, How),
    /// This older id of theirs was shown with the best one.
    Beside(SenderId),
    /// An entry for those who look later.
    Note { act: &'static str, id: SenderId, user: ZakiUserId, was: Option<ZakiUserId> },
}

/// What follows from the facts.
pub(crate) struct Verdict<T> {
    pub(crate) answer: T,
    pub(crate) changes: Vec<Change>,
    /// Whether an id has been taken from somebody else.
    pub(crate) moved: bool,
}

/// The ids of a sender, each once, the best first.
pub(crate) fn ids(sender: &Sender) -> Vec<&SenderId> {
    let mut ids = vec![&sender.id];
    for alias in &sender.aliases {
        if !ids.contains(&alias) {
            ids.push(alias);
        }
    }
    ids
}

impl<'s> Facts<'s> {
    /// `found`: those ids of [`ids`] that are bound.
    pub(crate) const fn new(sender: &'s Sender, found: Vec<Bound>) -> Self {
        Self { sender, found }
    }

    fn find(&self, id: &SenderId) -> Option<Owner> {
        self.found.iter().find(|found| found.id == *id).map(|found| found.owner)
    }

    /// Whether an older id is known as one of this account of theirs.
    fn is_noted(&self, alias: &SenderId, user: ZakiUserId) -> bool {
        self.found.iter().any(|found| {
            found.id == *alias
                && found.owner == (user, BindingKind::Alias)
                && found.best.as_ref() == Some(&self.sender.id)
        })
    }

    fn aliases(&self) -> impl Iterator<Item = &'s SenderId> {
        ids(self.sender).into_iter().skip(1)
    }

    /// The person that the sender's best id is bound to.
    pub(crate) fn owner(&self) -> Option<ZakiUserId> {
        self.find(&self.sender.id).map(|(user, _)| user)
    }

    /// The person this is, who may be known by another id.
    pub(crate) fn holder(&self) -> Option<ZakiUserId> {
        self.owner().or_else(|| self.vouched_for())
    }

    /// The person, if all there is to know about this sender is known.
    pub(crate) fn settled(&self) -> Option<ZakiUserId> {
        let user = self.owner()?;
        self.aliases().all(|alias| self.is_noted(alias, user)).then_some(user)
    }

    /// A stranger who is known by an id that was the best one so far. An id that has become an
    /// alias does not count: its person is known by something better, so this is somebody else (a
    /// phone number with a new owner).
    fn vouched_for(&self) -> Option<ZakiUserId> {
        self.aliases().find_map(|alias| match self.find(alias)? {
            (user, BindingKind::Primary) => Some(user),
            (_, BindingKind::Alias) => None,
        })
    }

    /// Keeps what the platform shows of the [`holder`](Self::holder).
    pub(crate) fn meet(&self, user: ZakiUserId) -> Verdict<()> {
        let mut changes = Vec::new();
        if self.owner().is_none() {
            self.take("upgraded", (user, BindingKind::Primary), How::Upgrade, &mut changes);
        }
        let moved = self.adopt_aliases(user, &mut changes);
        Verdict { answer: (), changes, moved }
    }

    /// Makes the ids of a stranger a new person's.
    pub(crate) fn sign_up(&self, user: ZakiUserId, how: How) -> Verdict<()> {
        let mut changes = Vec::new();
        self.take("signed_up", (user, BindingKind::Primary), how, &mut changes);
        let moved = self.adopt_aliases(user, &mut changes);
        Verdict { answer: (), changes, moved }
    }

    fn take(&self, act: &'static str, owner: Owner, how: How, changes: &mut Vec<Change>) {
        let id = self.sender.id.clone();
        changes.push(Change::Bind(id.clone(), owner, how));
        changes.push(Change::Note { act, id, user: owner.0, was: None });
    }

    /// The platform shows these ids together now, which outweighs whatever was known of them.
    /// Returns whether one was somebody else's.
    fn adopt_aliases(&self, user: ZakiUserId, changes: &mut Vec<Change>) -> bool {
        let mut moved = false;
        for alias in self.aliases() {
            if self.is_noted(alias, user) {
                continue;
            }
            let found = self.find(alias);
            if found == Some((user, BindingKind::Alias)) {
                changes.push(Change::Beside(alias.clone()));
                continue;
            }
            changes.push(Change::Bind(alias.clone(), (user, BindingKind::Alias), How::Alias));
            changes.extend(note(alias, user, found));
            moved |= found.is_some_and(|(owner, _)| owner != user);
        }
        moved
    }

    /// Makes the sender this person's. Of whom it was taken, what is left is for the store to say.
    pub(crate) fn link(&self, user: ZakiUserId, how: How) -> Verdict<Linked> {
        let mut changes = Vec::new();
        let found = self.find(&self.sender.id);
        if found.is_none_or(|(owner, _)| owner != user) {
            let kind = found.map_or(BindingKind::Primary, |(_, kind)| kind);
            changes.push(Change::Bind(self.sender.id.clone(), (user, kind), how));
            changes.extend(note(&self.sender.id, user, found));
        }
        self.adopt_aliases(user, &mut changes);
        let answer = match found {
            None => Linked::Bound,
            Some((owner, _)) if owner == user => Linked::Already,
            Some((from, _)) => Linked::Moved { from, left: 0 },
        };
        Verdict { answer, changes, moved: true }
    }
}

/// An entry for an id that is `user`'s from now on; none when only its kind has changed.
fn note(id: &SenderId, user: ZakiUserId, before: Option<Owner>) -> Option<Change> {
    let entry = |act, was| Change::Note { act, id: id.clone(), user, was };
    match before {
        None => Some(entry("bound", None)),
        Some((owner, _)) if owner == user => None,
        Some((owner, _)) => Some(entry("moved", Some(owner))),
    }
}
