//! How much people may use: asked before a message gets a turn, and of what is left to that turn.

mod spending;
#[cfg(test)]
mod tests;
mod unasked;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use zaki_envelope::{Inbound, Timestamp, ZakiUserId, wire::Usage};
use zaki_identity::{Counts, Limits, Person, Quota, Totals, Verdict, judge};
use zaki_lane::{
    minute::{self, Minutes},
    once::Once,
};
use zaki_ledger::SettleReason;
use zaki_words::{Limit, Say, What};

pub(crate) use spending::Spending;
pub(crate) use unasked::{Unasked, count_unasked};

use crate::{clock, hub::Hub, notice};

/// So many people are remembered who have written in this minute, or been told of a limit.
const MOST: usize = 20_000;
/// Whoever is stopped for longer hears why again after this.
const DAY_MS: i64 = 24 * 3_600_000;

/// What the people of each tier may use, and what each of them has.
pub(crate) struct Allowance {
    tiers: BTreeMap<String, Limits>,
    /// Of whoever has no tier of their own, or one that is not configured any more.
    default: String,
    /// Whether anybody is limited in anything.
    pub(crate) is_limited: bool,
    began: Instant,
    minutes: Mutex<Minutes<ZakiUserId>>,
    told: Mutex<Once<Told>>,
    pub(crate) spending: Spending,
    pub(crate) unasked: Unasked,
}

/// What has been told: to whom, whose limit it is, which, and what of it.
type Told = (ZakiUserId, ZakiUserId, Quota, Stage);

/// What of a limit has been told.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Near,
    Over,
}

/// What is left of tokens and of money; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub tokens: Option<u64>,
    pub cost_micros: Option<u64>,
}

impl Allowance {
    /// `shared`: other replicas count, too.
    pub(crate) fn new(tiers: BTreeMap<String, Limits>, default: String, shared: bool) -> Self {
        let is_limited = tiers.values().any(|limits| *limits != Limits::default());
        Self {
            tiers,
            default,
            is_limited,
            began: Instant::now(),
            minutes: Mutex::new(Minutes::new(MOST)),
            told: Mutex::new(Once::new(MOST)),
            spending: Spending::new(shared),
            unasked: Unasked::default(),
        }
    }

    fn of(&self, tier: Option<&str>) -> Limits {
        let own = tier.and_then(|tier| self.tiers.get(tier));
        own.or_else(|| self.tiers.get(&self.default)).copied().unwrap_or_default()
    }

    /// What a message of somebody meets who writes too many of them in a minute.
    fn minute(&self, user: ZakiUserId, limits: &Limits, now: Timestamp) -> Said {
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let here = self.began.elapsed();
        let at = |then: std::time::Duration| {
            let wait = then.saturating_sub(here).as_millis();
            now.plus_ms(i64::try_from(wait).unwrap_or(i64::MAX))
        };
        let what = What::MessagesPerMinute;
        match minutes.ask(&user, limits.messages_per_minute, here) {
            minute::Verdict::Pass { near: None } => Said::Nothing,
            minute::Verdict::Pass { near: Some(near) } => Said::Pass(Limit::Near {
                what,
                left: near.left.into(),
                resets_at: at(near.full_at),
                now,
            }),
            minute::Verdict::Over { until, tell } => {
                let over = Limit::Over { what, resets_at: at(until), now };
                Said::Stop(tell.then_some(over))
            }
        }
    }

    /// What comes of all limits together, and what whoever writes is told: one thing, and that
    /// alone counts as told. What stops a message outweighs what is near.
    fn said(&self, speaker: ZakiUserId, minute: Said, found: &[Found], now: Timestamp) -> Said {
        let first = |whose, what, stage, until| {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.first((speaker, whose, what, stage), until, now)
        };
        for (whose, verdict) in found {
            if let Verdict::Over { what, resets_at } = *verdict {
                let over = over(*whose == speaker, what, resets_at, now);
                let until = resets_at.min(now.plus_ms(DAY_MS));
                return Said::Stop(first(*whose, what, Stage::Over, until).then_some(over));
            }
        }
        if !matches!(minute, Said::Nothing) {
            return minute;
        }
        for (whose, verdict) in found {
            // How near a host is to theirs is not for their guests.
            if let Verdict::Near { what, left, resets_at } = *verdict
                && *whose == speaker
                && first(*whose, what, Stage::Near, resets_at)
            {
                return Said::Pass(Limit::Near { what: spoken(what), left, resets_at, now });
            }
        }
        Said::Nothing
    }
}

/// What comes of limits, and what is said about it.
#[derive(Clone, Copy)]
enum Said {
    Nothing,
    Pass(Limit),
    Stop(Option<Limit>),
}

/// What whoever is stopped by a limit hears, of their own or of their host's.
const fn over(own: bool, what: Quota, resets_at: Timestamp, now: Timestamp) -> Limit {
    if own {
        Limit::Over { what: spoken(what), resets_at, now }
    } else {
        Limit::Host { resets_at, now }
    }
}

/// How somebody's quotas judge a message.
type Found = (ZakiUserId, Verdict);

const fn spoken(what: Quota) -> What {
    match what {
        Quota::MessagesPerDay => What::MessagesPerDay,
        Quota::TokensPerDay => What::TokensPerDay,
        Quota::TokensPerMonth => What::TokensPerMonth,
        Quota::CostPerDay => What::CostPerDay,
        Quota::CostPerMonth => What::CostPerMonth,
    }
}

/// What of the limits bounds what a person writes.
const fn of_messages(limits: &Limits) -> Limits {
    Limits {
        messages_per_day: limits.messages_per_day,
        concurrent_turns: 0,
        messages_per_minute: 0,
        tokens_per_day: 0,
        tokens_per_month: 0,
        cost_per_day_micros: 0,
        cost_per_month_micros: 0,
    }
}

/// What of them bounds what a person's sandbox uses.
const fn of_usage(limits: &Limits) -> Limits {
    Limits { messages_per_day: 0, messages_per_minute: 0, concurrent_turns: 0, ..*limits }
}

/// Whether anything is counted over a day or a month.
fn counts(limits: &Limits) -> bool {
    let uncounted = Limits { messages_per_minute: 0, concurrent_turns: 0, ..*limits };
    uncounted != Limits::default()
}

impl Hub {
    /// What somebody of this tier may use.
    pub(crate) fn limits_of(&self, tier: Option<&str>) -> Limits {
        self.allowance.of(tier)
    }

    /// What somebody may use.
    pub(crate) fn limits(&self, person: Option<&Person>) -> Limits {
        self.allowance.of(person.and_then(|person| person.tier.as_deref()))
    }

    /// Whether a message may get a turn: counts it, or settles it and says when more may come.
    /// `host`: whose sandbox is to answer, who need not be the speaker. `None`: the hub stops.
    pub(crate) async fn allows(
        self: &Arc<Self>,
        speaker: ZakiUserId,
        host: &Person,
        inbound: &Inbound,
    ) -> Option<bool> {
        let now = clock::now();
        match self.judged_all(speaker, host, now).await? {
            Said::Stop(told) => {
                if let Some(over) = told {
                    let text = over.say(self.voice(speaker, inbound).await);
                    notice::tell(self, inbound, text).await;
                }
                self.settle(inbound, SettleReason::Limited).await;
                return Some(false);
            }
            Said::Pass(near) => {
                let text = near.say(self.voice(speaker, inbound).await);
                notice::remark(self, inbound, text).await;
            }
            Said::Nothing => {}
        }
        self.allowance.spending.add(speaker, one_message(), now);
        Some(true)
    }

    /// What comes of all limits together, with this message: whoever writes is bound by how much
    /// they write, and whoever answers by what that costs.
    async fn judged_all(
        &self,
        speaker: ZakiUserId,
        person: &Person,
        now: Timestamp,
    ) -> Option<Said> {
        if !self.allowance.is_limited {
            return Some(Said::Nothing);
        }
        let (host, answers) = (person.user, self.limits(Some(person)));
        let writes = if host == speaker {
            answers
        } else {
            self.limits(self.profile(speaker).await?.as_deref())
        };
        let minute = self.allowance.minute(speaker, &writes, now);
        let mut found = Vec::with_capacity(2);
        if matches!(minute, Said::Stop(_)) {
            // Nothing else matters.
        } else if host == speaker {
            found.push((speaker, self.judged(speaker, &answers, now).await?));
        } else {
            found.push((speaker, self.judged(speaker, &of_messages(&writes), now).await?));
            found.push((host, self.judged(host, &of_usage(&answers), now).await?));
        }
        let is_fine = found.iter().all(|(_, verdict)| *verdict == Verdict::Fine);
        if is_fine && matches!(minute, Said::Nothing) {
            return Some(Said::Nothing);
        }
        Some(self.allowance.said(speaker, minute, &found, now))
    }

    async fn judged(&self, user: ZakiUserId, limits: &Limits, now: Timestamp) -> Option<Verdict> {
        if !counts(limits) {
            return Some(Verdict::Fine);
        }
        let totals = self.totals(user, now).await?;
        Some(match judge(limits, &totals) {
            over @ Verdict::Over { .. } => over,
            // With this one, the last may be near: it is taken all the same.
            _ => match judge(limits, &with(&totals, one_message())) {
                Verdict::Over { .. } => Verdict::Fine,
                verdict => verdict,
            },
        })
    }

    /// What a person has spent, as far as this replica knows.
    async fn totals(&self, user: ZakiUserId, now: Timestamp) -> Option<Totals> {
        if let Some(totals) = self.allowance.spending.totals(user, now) {
            return Some(totals);
        }
        self.allowance.unasked.note(user);
        let read = || self.directory.totals(user, now);
        let totals = self.persist("read what a person has spent", read).await?;
        Some(self.allowance.spending.load(user, totals))
    }

    /// What is left to a person for a turn. `None`: the hub stops.
    pub(crate) async fn left(&self, user: ZakiUserId, limits: &Limits) -> Option<Left> {
        let limits = of_usage(limits);
        if !counts(&limits) {
            return Some(Left::default());
        }
        Some(left(&limits, &self.totals(user, clock::now()).await?))
    }

    /// What a turn has cost.
    pub(crate) fn spent(&self, user: ZakiUserId, usage: Usage) {
        self.allowance.unasked.note(user);
        if !usage.is_nothing() {
            self.allowance.spending.add(user, counted(usage), clock::now());
        }
    }

    /// What to say of a turn that used up what was left; `about`: to whoever wrote this.
    pub(crate) async fn used_up(
        &self,
        user: ZakiUserId,
        usage: Usage,
        about: Option<&Inbound>,
    ) -> Option<Limit> {
        let limits = of_usage(&self.limits(self.profile(user).await?.as_deref()));
        let now = clock::now();
        let totals = self.totals(user, now).await?;
        match judge(&limits, &with(&totals, counted(usage))) {
            Verdict::Over { what, resets_at } => {
                let speaker = match about {
                    Some(about) => self.speaker(user, about).await,
                    None => Some(user),
                };
                Some(over(speaker == Some(user), what, resets_at, now))
            }
            _ => None,
        }
    }
}

fn one_message() -> Counts {
    Counts { messages: 1, ..Counts::default() }
}

fn counted(usage: Usage) -> Counts {
    let Usage { input_tokens, output_tokens, cost_micros } = usage;
    Counts { messages: 0, input_tokens, output_tokens, cost_micros }
}

fn with(totals: &Totals, added: Counts) -> Totals {
    Totals { day: totals.day.plus(added), month: totals.month.plus(added), ..*totals }
}

fn left(limits: &Limits, totals: &Totals) -> Left {
    let left = |limit: u64, used: u64| (limit > 0).then(|| limit.saturating_sub(used));
    let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
    let Totals { day, month, .. } = totals;
    Left {
        tokens: least(
            left(limits.tokens_per_day, day.tokens()),
            left(limits.tokens_per_month, month.tokens()),
        ),
        cost_micros: least(
            left(limits.cost_per_day_micros, day.cost_micros),
            left(limits.cost_per_month_micros, month.cost_micros),
        ),
    }
}
