//! How often somebody may try.

use zaki_envelope::Timestamp;
use zaki_store::{Row, Sql, params};

use crate::DirectoryError;

/// So many tries in so long a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Tries.
    pub most: u32,
    /// Milliseconds, from the first of them.
    pub within_ms: i64,
}

const MINUTE_MS: i64 = 60_000;
const WRONG_MS: i64 = 24 * 60 * MINUTE_MS;

/// Codes that one sender may try.
pub const PER_SENDER: Rule = Rule { most: 5, within_ms: 10 * MINUTE_MS };
/// Wrong codes at one bot of all senders together who had not tried any in their ten minutes. Many,
/// since nobody adds more than one to them: whoever wants to shut honest newcomers out needs as many
/// accounts as that each minute, and ten times as many to go on with it.
pub const FIRST_WRONG: Rule = Rule { most: 240, within_ms: MINUTE_MS };
/// Wrong codes at one bot of all who had tried one already.
pub const MORE_WRONG: Rule = Rule { most: 60, within_ms: MINUTE_MS };
/// Codes that one person may ask for.
pub const OFFERS: Rule = Rule { most: 10, within_ms: 10 * MINUTE_MS };

/// The most wrong codes that are looked up at one bot in any stretch of so many milliseconds, whoever
/// types them. Right ones are not counted: who has one need not guess.
pub const fn most_wrong_in(ms: i64) -> u64 {
    FIRST_WRONG.most_in(ms) + MORE_WRONG.most_in(ms)
}

/// The tries of somebody since the first that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) since: Timestamp,
    pub(crate) tries: u32,
}

impl Rule {
    /// The window with one try more, or when to come again. A try that is turned away does not
    /// count, so that nobody who keeps trying is shut out for good.
    pub(crate) fn admit(self, window: Option<Window>, now: Timestamp) -> Result<Window, Timestamp> {
        match window.filter(|window| self.is_open(*window, now)) {
            None => Ok(Window { since: now, tries: 1 }),
            Some(window) if window.tries >= self.most => Err(window.since.plus_ms(self.within_ms)),
            Some(window) => Ok(Window { tries: window.tries + 1, ..window }),
        }
    }

    /// Replicas' clocks differ: one that is behind must not open a window anew. One from days ahead
    /// was opened by a clock that was wrong.
    const fn is_open(self, window: Window, now: Timestamp) -> bool {
        let age = now.since(window.since);
        age < self.within_ms && age > -WRONG_MS
    }

    /// The most tries that fit into any stretch of time: it touches one window more than it holds.
    pub const fn most_in(self, ms: i64) -> u64 {
        (ms.div_euclid(self.within_ms).unsigned_abs() + 1) * self.most as u64
    }
}

/// Whoever tries, as a keyed hash, and how often they may.
pub(crate) type Try<'a> = (&'a str, Rule);

/// Counts a try, unless it is one too many: then this says when to come again. To be called by one
/// at a time ([`crate::locks::acts`]).
pub(crate) async fn admit<S: Sql>(
    tx: &S,
    (who, rule): Try<'_>,
    now: Timestamp,
) -> Result<Option<Timestamp>, DirectoryError> {
    match rule.admit(window(tx, who).await?, now) {
        Ok(window) => keep(tx, who, window).await.map(|()| None),
        Err(until) => Ok(Some(until)),
    }
}

/// As what the tries of a sender at a bot are counted: keyed hashes.
#[derive(Clone)]
pub(crate) struct Counted {
    /// All of the sender's.
    pub(crate) sender: String,
    /// The wrong ones at the bot of those who had tried none before.
    pub(crate) first: String,
    /// Those of all others.
    pub(crate) more: String,
}

/// As what a try is to be counted that turns out to be wrong.
pub(crate) struct Wrong<'a> {
    who: &'a str,
    window: Window,
}

impl Counted {
    /// Counts a try of the sender, or says when to come again: then nothing is counted. To be called
    /// by one at a time ([`crate::locks::acts`]).
    pub(crate) async fn admit<S: Sql>(
        &self,
        tx: &S,
        now: Timestamp,
    ) -> Result<Result<Wrong<'_>, Timestamp>, DirectoryError> {
        let (mine, wrong) = match self.ask(tx, now).await? {
            Ok(both) => both,
            Err(until) => return Ok(Err(until)),
        };
        keep(tx, &self.sender, mine).await?;
        Ok(Ok(wrong))
    }

    /// The same without counting: who is turned away by this need not stand in line for it.
    pub(crate) async fn shut_until<S: Sql>(
        &self,
        tx: &S,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, DirectoryError> {
        Ok(self.ask(tx, now).await?.err())
    }

    async fn ask<S: Sql>(
        &self,
        tx: &S,
        now: Timestamp,
    ) -> Result<Result<(Window, Wrong<'_>), Timestamp>, DirectoryError> {
        let mine = match PER_SENDER.admit(window(tx, &self.sender).await?, now) {
            Ok(mine) => mine,
            Err(until) => return Ok(Err(until)),
        };
        let is_first = mine.tries == 1;
        let (who, rule) =
            if is_first { (&self.first, FIRST_WRONG) } else { (&self.more, MORE_WRONG) };
        let wrong = rule.admit(window(tx, who).await?, now);
        Ok(wrong.map(|window| (mine, Wrong { who, window })))
    }
}

impl Wrong<'_> {
    /// It was.
    pub(crate) async fn count<S: Sql>(self, tx: &S) -> Result<(), DirectoryError> {
        keep(tx, self.who, self.window).await
    }
}

async fn window<S: Sql>(tx: &S, who: &str) -> Result<Option<Window>, DirectoryError> {
    let row = tx.one(FIND, params![who]).await?;
    let window = |row: Row| {
        let since = Timestamp::from_ms(row.get(0)?);
        Ok(Window { since, tries: row.get(1)? })
    };
    row.map(window).transpose()
}

async fn keep<S: Sql>(tx: &S, who: &str, window: Window) -> Result<(), DirectoryError> {
    tx.execute(KEEP, params![who, window.since.as_ms(), window.tries]).await?;
    Ok(())
}

const FIND: &str = "SELECT since, tries FROM attempt WHERE who = $1";

const KEEP: &str = "INSERT INTO attempt (who, since, tries) VALUES ($1, $2, $3)
    ON CONFLICT (who) DO UPDATE SET since = excluded.since, tries = excluded.tries";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::{CODES, LIFE_MS};

    const RULE: Rule = Rule { most: 2, within_ms: 100 };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_790_000_000_000 + ms)
    }

    #[test]
    fn a_window_admits_so_many_and_then_says_when() {
        let one = RULE.admit(None, at(0)).unwrap();
        let two = RULE.admit(Some(one), at(50)).unwrap();
        assert_eq!(two, Window { since: at(0), tries: 2 });
        assert_eq!(RULE.admit(Some(two), at(99)), Err(at(100)));
        assert_eq!(RULE.admit(Some(two), at(100)), Ok(Window { since: at(100), tries: 1 }));
        let wrong_clock = Window { since: at(WRONG_MS), tries: 2 };
        assert_eq!(RULE.admit(Some(wrong_clock), at(0)), Ok(Window { since: at(0), tries: 1 }));
        let ahead = Window { since: at(1_000), tries: 2 };
        assert_eq!(RULE.admit(Some(ahead), at(0)), Err(at(1_100)));
    }

    /// Whatever the order of tries, no stretch of time sees more than is promised.
    #[test]
    fn no_stretch_of_time_sees_more_tries_than_promised() {
        let mut window = None;
        let mut admitted = Vec::new();
        for ms in 0..2_000 {
            if let Ok(next) = RULE.admit(window, at(ms)) {
                window = Some(next);
                admitted.push(ms);
            }
        }
        for length in [1, 99, 100, 150, 350, 1000] {
            let most = (0..2_000).map(|start| {
                admitted.iter().filter(|ms| (start..start + length).contains(*ms)).count()
            });
            let most = most.max().unwrap() as u64;
            assert!(most <= RULE.most_in(length), "{most} in {length} ms");
        }
    }

    /// What brute force at full speed can hope for. Without the limits, 40 bits would not do.
    #[test]
    fn the_odds_of_guessing_are_long() {
        let tries = most_wrong_in(LIFE_MS);
        #[expect(clippy::cast_precision_loss, reason = "odds are no exact science")]
        let odds = |open: u64, bots: u64| (tries * open * bots) as f64 / CODES as f64;
        for (open, bots) in [(1, 1), (5, 4), (1_000, 4)] {
            println!(
                "{open} open code(s), {bots} bot(s): {} tries in the life of a code, of {CODES} \
                 codes; one in {:.0} to hit any",
                tries * bots,
                1.0 / odds(open, bots)
            );
        }
        println!("one sender alone: {} tries", PER_SENDER.most_in(LIFE_MS));
        let year = most_wrong_in(365 * 24 * 60 * MINUTE_MS);
        println!(
            "an invitation that is open for a year, one bot: {year} tries, one in {}",
            CODES / year
        );
        assert!(odds(1, 1) < 1e-8);
        assert!(odds(1_000, 4) < 2e-5);
        assert!(PER_SENDER.most_in(LIFE_MS) <= 10);
    }
}
