//! One restore: backups in their turn, why each was passed over, and whether a sandbox may begin anew
//! where none was taken.

use std::vec::IntoIter;

use zaki_envelope::{BackupId, wire::Backup};

use super::{Stock, UNREAD};

/// Why a backup that is there is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The store has not what was put there: nobody will ever have it again.
    Broken(String),
    /// The store has what was put there, and it cannot be taken here or now: a newer release wrote
    /// it, say, or its key is not given. Whose memory that is does not begin anew.
    Unfit(String),
}

impl Flaw {
    /// Of one that was not taken because of `why`. That is no word of what is broken: only what the
    /// store has is. `found`: its size and SHA-256 as they are now.
    pub fn of(backup: &Backup, found: &(u64, String), why: String) -> Self {
        if *found == (backup.size, backup.sha256.clone()) {
            Self::Unfit(why)
        } else {
            Self::Broken("its archive is not what was stored".to_owned())
        }
    }
}

/// None was taken, and not all are broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no backup can be restored, though not all are broken, so it does not begin anew: {0}. Nothing \
     is lost: put that right and try again. To begin anew all the same: zaki sandbox restore --anew"
)]
pub struct Withheld(String);

/// The backups that are left to try.
#[derive(Debug)]
pub struct Trial {
    left: IntoIter<Result<Backup, String>>,
    wish: Option<BackupId>,
    passed_over: Vec<String>,
    /// A memory is there and was not had.
    is_withheld: bool,
}

impl Stock {
    /// Tries them in turn.
    pub fn trial(self, wish: Option<BackupId>) -> Trial {
        let left = self.in_turn(wish).into_iter();
        Trial { left, wish, passed_over: Vec::new(), is_withheld: false }
    }
}

impl Trial {
    /// The next to be given to the sandbox. What is known to have no memory does not stand in for one
    /// that was not had, unless it is wished for.
    pub fn proceed(&mut self) -> Option<Backup> {
        loop {
            match self.left.next()? {
                Err(version) => self.withhold(format!("{version}: {UNREAD}")),
                Ok(one)
                    if self.is_withheld && one.summary.is_empty() && self.wish != Some(one.id) => {}
                Ok(one) => return Some(one),
            }
        }
    }

    /// It was not taken.
    pub fn pass_over(&mut self, backup: &Backup, flaw: Flaw) {
        let id = backup.id;
        match flaw {
            Flaw::Unfit(why) if !backup.summary.is_empty() => self.withhold(format!("{id}: {why}")),
            Flaw::Unfit(why) | Flaw::Broken(why) => self.passed_over.push(format!("{id}: {why}")),
        }
    }

    fn withhold(&mut self, why: String) {
        self.is_withheld = true;
        self.passed_over.push(why);
    }

    /// What was passed over so far, and why.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// None was taken: it may begin anew, unless a memory is there.
    pub fn end(self) -> Result<Vec<String>, Withheld> {
        if self.is_withheld {
            Err(Withheld(self.passed_over.join("; ")))
        } else {
            Ok(self.passed_over)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::backup;
    use super::*;

    fn unfit() -> Flaw {
        Flaw::Unfit("no key".to_owned())
    }

    fn broken() -> Flaw {
        Flaw::Broken("half".to_owned())
    }

    /// What comes of it when each that is tried has the flaw that `of` says; and what was tried.
    fn tried(
        stock: Stock,
        wish: Option<BackupId>,
        of: impl Fn(&Backup) -> Flaw,
    ) -> (Result<Vec<String>, Withheld>, Vec<BackupId>) {
        let (mut trial, mut tried) = (stock.trial(wish), Vec::new());
        while let Some(one) = trial.proceed() {
            tried.push(one.id);
            trial.pass_over(&one, of(&one));
        }
        (trial.end(), tried)
    }

    #[test]
    fn only_what_the_store_has_no_more_is_broken() {
        let backup = Backup { sha256: "aa".to_owned(), ..backup(1, "a", 2) };
        let flaw =
            |size, sha256: &str| Flaw::of(&backup, &(size, sha256.to_owned()), "no".to_owned());
        assert_eq!(flaw(backup.size, "aa"), Flaw::Unfit("no".to_owned()));
        for flaw in [flaw(backup.size, "ab"), flaw(backup.size - 1, "aa"), flaw(0, "")] {
            assert!(matches!(flaw, Flaw::Broken(why) if why.contains("not what was stored")));
        }
    }

    #[test]
    fn where_all_are_broken_it_begins_anew_and_where_one_is_not_it_does_not() {
        let [old, new] = [1, 2].map(|ms| backup(ms, "a", 2));
        let stock = Stock { kept: vec![old.clone(), new.clone()], unread: Vec::new() };
        let (end, all) = tried(stock.clone(), None, |_| broken());
        assert_eq!(end, Ok([&new, &old].map(|it| format!("{}: half", it.id)).to_vec()));
        assert_eq!(all, [new.id, old.id]);
        for one in [&old, &new] {
            let (end, all) =
                tried(stock.clone(), None, |it| if it.id == one.id { unfit() } else { broken() });
            let why = end.unwrap_err().to_string();
            assert!(why.contains(&format!("{}: no key", one.id)), "{why}");
            assert!(why.contains("Nothing is lost") && why.contains("--anew"), "{why}");
            assert_eq!(all.len(), 2, "the other one may be whole");
        }
        assert_eq!(Stock::default().trial(None).end(), Ok(Vec::new()));
    }

    #[test]
    fn what_has_no_memory_stands_in_for_none_that_was_not_had() {
        let (full, empty) = (backup(1, "a", 2), backup(2, "a", 0));
        let stock = Stock { kept: vec![full.clone(), empty.clone()], unread: Vec::new() };
        let (end, all) = tried(stock.clone(), None, |_| unfit());
        assert!(end.is_err() && all == [full.id]);
        let (end, all) = tried(stock.clone(), Some(empty.id), |_| unfit());
        assert!(end.is_err() && all == [empty.id, full.id], "it was wished for");
        let (end, all) = tried(stock, None, |it| if it.id == full.id { broken() } else { unfit() });
        assert!(end.is_ok() && all == [full.id, empty.id], "nothing is lost with it");
        let unread = Stock { kept: vec![empty], unread: vec![full.id.to_string()] };
        let (end, all) = tried(unread, None, |_| broken());
        assert!(end.is_err() && all.is_empty());
    }
}
