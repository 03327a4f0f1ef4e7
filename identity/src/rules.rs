//! What is decided about a sender, given what is known of its ids: no store, no clock, no chance.

use zaki_envelope::{Sender, SenderId, ZakiUserId};

use crate::{BindingKind, DirectoryError, Linked, Policy, Refusal, Resolution};

/// A sender and what each of its ids is bound to.
pub(crate) struct Facts<'s> {
    sender: &'s Sender,
    found: Vec<(SenderId, Owner)>,
}

/// Whose an id is, and how good a key.
pub(crate) type Owner = (ZakiUserId, BindingKind);

/// One thing to write. In order: a person comes before what is bound to them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A new person.
    SignUp(ZakiUserId),
    /// This id is theirs from now on.
    Bind(SenderId, Owner),
    /// An entry for those who look later.
    Audit { change: &'static str, id: SenderId, user: ZakiUserId, was: Option<String> },
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
    pub(crate) const fn new(sender: &'s Sender, found: Vec<(SenderId, Owner)>) -> Self {
        Self { sender, found }
    }

    fn find(&self, id: &SenderId) -> Option<Owner> {
        self.found.iter().find(|(found, _)| found == id).map(|(_, owner)| *owner)
    }

    fn aliases(&self) -> impl Iterator<Item = &'s SenderId> {
        ids(self.sender).into_iter().skip(1)
    }

    /// The person that the sender's best id is bound to.
    pub(crate) fn owner(&self) -> Option<ZakiUserId> {
        self.find(&self.sender.id).map(|(user, _)| user)
    }

    /// The person, if all there is to know about this sender is known.
    pub(crate) fn settled(&self) -> Option<ZakiUserId> {
        let user = self.owner()?;
        let known = |alias| self.find(alias) == Some((user, BindingKind::Alias));
        self.aliases().all(known).then_some(user)
    }

    /// Who it is. `mint` makes the id of somebody new.
    pub(crate) fn resolve(
        &self,
        policy: Policy,
        mint: impl FnOnce() -> Result<ZakiUserId, DirectoryError>,
    ) -> Result<Verdict<Resolution>, DirectoryError> {
        let mut changes = Vec::new();
        let answer = match (self.owner(), self.vouched_for(), policy) {
            (Some(user), _, _) => Resolution::Known { user },
            (None, Some((user, alias)), _) => {
                self.upgrade(user, alias, &mut changes);
                Resolution::Known { user }
            }
            (None, None, Policy::Open) => {
                let user = mint()?;
                self.sign_up(user, &mut changes);
                Resolution::Created { user }
            }
            (None, None, Policy::Closed) => Resolution::Refused { reason: Refusal::Closed },
        };
        let moved = answer.user().is_some_and(|user| self.adopt_aliases(user, &mut changes));
        Ok(Verdict { answer, changes, moved })
    }

    /// A stranger who is known by an id that was the best one so far. An id that has become an
    /// alias does not count: its person is known by something better, so this is somebody else (a
    /// phone number with a new owner).
    fn vouched_for(&self) -> Option<(ZakiUserId, &'s SenderId)> {
        self.aliases().find_map(|alias| match self.find(alias)? {
            (user, BindingKind::Primary) => Some((user, alias)),
            (_, BindingKind::Alias) => None,
        })
    }

    fn upgrade(&self, user: ZakiUserId, alias: &SenderId, changes: &mut Vec<Change>) {
        let id = self.sender.id.clone();
        changes.push(Change::Bind(id.clone(), (user, BindingKind::Primary)));
        let was = Some(alias.as_str().to_owned());
        changes.push(Change::Audit { change: "upgraded", id, user, was });
    }

    fn sign_up(&self, user: ZakiUserId, changes: &mut Vec<Change>) {
        let id = self.sender.id.clone();
        changes.push(Change::SignUp(user));
        changes.push(Change::Bind(id.clone(), (user, BindingKind::Primary)));
        changes.push(Change::Audit { change: "bound", id, user, was: None });
    }

    /// The platform shows these ids together now, which outweighs whatever was known of them.
    /// Returns whether one was somebody else's.
    fn adopt_aliases(&self, user: ZakiUserId, changes: &mut Vec<Change>) -> bool {
        let mut moved = false;
        for alias in self.aliases() {
            let found = self.find(alias);
            if found == Some((user, BindingKind::Alias)) {
                continue;
            }
            changes.push(Change::Bind(alias.clone(), (user, BindingKind::Alias)));
            changes.extend(audit_change(alias, user, found));
            moved |= found.is_some_and(|(owner, _)| owner != user);
        }
        moved
    }

    /// Makes the sender this person's. Of whom it was taken, what is left is for the store to say.
    pub(crate) fn link(&self, user: ZakiUserId) -> Verdict<Linked> {
        let mut changes = Vec::new();
        let found = self.find(&self.sender.id);
        if found.is_none_or(|(owner, _)| owner != user) {
            let kind = found.map_or(BindingKind::Primary, |(_, kind)| kind);
            changes.push(Change::Bind(self.sender.id.clone(), (user, kind)));
            changes.extend(audit_change(&self.sender.id, user, found));
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
fn audit_change(id: &SenderId, user: ZakiUserId, before: Option<Owner>) -> Option<Change> {
    let entry = |change, was| Change::Audit { change, id: id.clone(), user, was };
    match before {
        None => Some(entry("bound", None)),
        Some((owner, _)) if owner == user => None,
        Some((owner, _)) => Some(entry("moved", Some(owner.to_string()))),
    }
}
