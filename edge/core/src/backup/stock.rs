//! What there is to restore, in which order it is tried, and what an operator hears of it.

use std::cmp::Reverse;

use zaki_envelope::{
    BackupId,
    wire::{Backup, BackupOutcome},
};

/// Why one that is there is passed over without a try.
pub const UNREAD: &str = "its note cannot be read: a newer release wrote it, or it is damaged";

/// What a store says of a sandbox's backups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// All whole ones, in no order.
    pub kept: Vec<Backup>,
    /// The versions of others, whose notes nobody here can read: they are damaged, or a newer release
    /// wrote them.
    pub unread: Vec<String>,
}

impl Stock {
    /// The order in which a restore comes to them: the newest first, and one with a memory before all
    /// that have none. The one that an operator wishes for comes before all others; should it not be
    /// whole, or gone, they have the next best one, and not nothing. One that cannot be read has its
    /// turn as if it had a memory.
    pub fn in_turn(self, wish: Option<BackupId>) -> Vec<Result<Backup, String>> {
        let Self { kept, unread } = self;
        let mut all: Vec<_> = kept.into_iter().map(Ok).chain(unread.into_iter().map(Err)).collect();
        all.sort_by_key(|one: &Result<Backup, String>| {
            let (id, is_empty) = match one {
                Ok(backup) => (Some(backup.id), backup.summary.is_empty()),
                Err(version) => (version.parse().ok(), false),
            };
            (wish.is_none() || id != wish, is_empty, Reverse(id))
        });
        all
    }

    /// Whether there is that one, or any.
    pub fn has(&self, wish: Option<BackupId>) -> bool {
        let Some(id) = wish else { return !self.kept.is_empty() || !self.unread.is_empty() };
        self.kept.iter().any(|it| it.id == id) || self.unread.contains(&id.to_string())
    }

    /// Which one a restore is about: the one that is asked for. Of a sandbox that is up it is otherwise
    /// the best of these: what it has now is backed up before, and is not what is meant. `None`: the
    /// best there is.
    pub fn meant(&self, asked: Option<BackupId>, is_up: bool) -> Result<Option<BackupId>, String> {
        if asked.is_some() || !is_up {
            return Ok(asked);
        }
        match self.clone().in_turn(None).into_iter().next() {
            Some(Err(version)) => Err(format!("{version}: {UNREAD}; say which other one")),
            best => Ok(best.and_then(Result::ok).map(|it| it.id)),
        }
    }
}

/// What an operator hears of a restore: of the one they wished for, or of the best. `restored`: what
/// the sandbox has now; `why`: what was passed over for it, or why there is nothing.
pub fn told(
    kept: Vec<Backup>,
    wish: Option<BackupId>,
    restored: Option<BackupId>,
    why: Option<String>,
) -> BackupOutcome {
    let is_it = |it: &Backup| restored == Some(it.id) && wish.is_none_or(|id| id == it.id);
    if let Some(backup) = kept.into_iter().find(is_it) {
        let passed_over = why.into_iter().collect();
        return BackupOutcome::Done { backup: Box::new(backup), passed_over };
    }
    let otherwise = || match restored {
        Some(id) => format!("another one was restored: {id}"),
        None => "nothing was restored".to_owned(),
    };
    BackupOutcome::Failed { why: why.unwrap_or_else(otherwise) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::backup;
    use super::*;

    fn of(kept: &[&Backup], unread: &[BackupId]) -> Stock {
        let unread = unread.iter().map(ToString::to_string).collect();
        Stock { kept: kept.iter().copied().cloned().collect(), unread }
    }

    #[test]
    fn a_wish_comes_first_and_all_others_behind_it() {
        let [old, wished, new] = [1, 2, 3].map(|ms| backup(ms, "a", 2));
        let stock = of(&[&wished, &old, &new], &[]);
        let tried = stock.clone().in_turn(Some(wished.id));
        assert_eq!(tried, [&wished, &new, &old].map(|it| Ok(it.clone())));
        let gone = backup(4, "a", 2).id;
        assert_eq!(stock.in_turn(Some(gone)), [new, wished, old].map(Ok));
    }

    #[test]
    fn what_cannot_be_read_has_its_turn() {
        let [old, unread, new] = [1, 2, 3].map(|ms| backup(ms, "a", 2));
        let empty = backup(4, "a", 0);
        let missed = Err(unread.id.to_string());
        let stock = of(&[&old, &empty, &new], &[unread.id]);
        let in_turn = [Ok(new.clone()), missed.clone(), Ok(old.clone()), Ok(empty.clone())];
        assert_eq!(stock.clone().in_turn(None), in_turn);
        assert_eq!(stock.clone().in_turn(Some(unread.id)).first(), Some(&missed));
        assert_eq!(stock.in_turn(Some(empty.id)).first(), Some(&Ok(empty.clone())));
        assert_eq!(of(&[&old], &[unread.id]).in_turn(None), [missed.clone(), Ok(old)]);
        let strange = Stock { unread: vec!["no version".to_owned()], ..of(&[&new], &[]) };
        assert_eq!(strange.in_turn(None).first(), Some(&Ok(new)));
    }

    #[test]
    fn what_is_meant_is_what_was_there_when_it_was_asked_for() {
        let [old, new] = [1, 2].map(|ms| backup(ms, "a", 2));
        let stock = of(&[&old, &new], &[]);
        assert_eq!(stock.meant(None, true), Ok(Some(new.id)));
        assert_eq!(stock.meant(None, false), Ok(None), "nothing is made before it starts");
        for is_up in [true, false] {
            assert_eq!(stock.meant(Some(old.id), is_up), Ok(Some(old.id)));
        }
        let unread = of(&[&old], &[new.id]);
        assert!(unread.meant(None, true).is_err_and(|why| why.contains(&new.id.to_string())));
        assert!(unread.has(None) && unread.has(Some(new.id)) && unread.has(Some(old.id)));
        assert!(of(&[], &[new.id]).has(None) && !of(&[], &[]).has(None));
        assert!(!of(&[&old], &[]).has(Some(new.id)));
    }

    #[test]
    fn a_restore_is_done_when_the_sandbox_has_what_was_wished_for() {
        let [old, new] = [1, 2].map(|ms| backup(ms, "a", 2));
        let told = |wish, restored, why: Option<&str>| {
            told(vec![new.clone(), old.clone()], wish, restored, why.map(str::to_owned))
        };
        let done = |of: &Backup, passed_over: Vec<String>| BackupOutcome::Done {
            backup: Box::new(of.clone()),
            passed_over,
        };
        let failed = |why: &str| BackupOutcome::Failed { why: why.to_owned() };
        let (one, two) = (Some(old.id), Some(new.id));
        assert_eq!(told(one, one, None), done(&old, vec![]));
        assert_eq!(told(None, one, Some("new: half")), done(&old, vec!["new: half".to_owned()]));
        assert_eq!(told(one, two, Some("old: half")), failed("old: half"));
        assert_eq!(told(one, two, None), failed(&format!("another one was restored: {}", new.id)));
        for wish in [None, one] {
            assert_eq!(told(wish, None, None), failed("nothing was restored"));
            assert_eq!(told(wish, None, Some("none is whole")), failed("none is whole"));
        }
    }
}
