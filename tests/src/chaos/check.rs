//! The hub's promises, checked over what was asked, what was shown and what the ledger says. Pure:
//! a doctored record shows that the check sees what it should.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::script::{MessageNo, words};
use crate::ChannelKind;

/// A conversation of one platform.
pub type Where = (ChannelKind, String);

/// Something that was said to the bot.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its number.
    pub message: MessageNo,
    /// How many words it has.
    pub words: u32,
    /// Who said it.
    pub speaker: u32,
    /// Where.
    pub place: Where,
    /// The thread there, which has an order of its own.
    pub thread: Option<String>,
    /// When it was said.
    pub said_at: SystemTime,
    /// When the hub acknowledged it, or a socket delivered it.
    pub acknowledged: Option<SystemTime>,
    /// The platform itself delivers a conversation's messages one after another.
    pub in_line: bool,
}

/// Something the bot wrote, in the order of the platform's own record.
#[derive(Clone, Debug)]
pub struct Shown {
    /// When.
    pub at: SystemTime,
    /// Where.
    pub place: Where,
    /// What.
    pub text: String,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not yet sent, or being sent.
    Open,
    /// The platform has it.
    Sent,
    /// The platform may have it.
    Unknown,
    /// It will not be sent.
    Dead,
}

/// A delivery as the ledger has it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Where to.
    pub place: Where,
    /// The turn it answers.
    pub turn: Option<String>,
    /// A word from the hub itself, not an answer.
    pub is_notice: bool,
    /// Where it stands.
    pub state: State,
    /// Since when, in milliseconds since 1970.
    pub changed_at: u64,
    /// Its text, with whatever is around it.
    pub text: String,
}

/// All that is known of a run.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// In the order in which it was said.
    pub asked: Vec<Asked>,
    /// In the order in which it was shown.
    pub shown: Vec<Shown>,
    /// The ledger's deliveries.
    pub stored: Vec<Stored>,
    /// Messages that the ledger has accepted and nobody has answered.
    pub waiting: usize,
    /// How many sends were under way whenever the hub was killed, together. Absent: sends were
    /// disturbed otherwise too, so there is no bound.
    pub in_flight: Option<usize>,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// Acknowledged, and no trace of an answer to this word.
    Lost(MessageNo, u32),
    /// The ledger says sent, the platform has never seen this word.
    NeverArrived(MessageNo, u32),
    /// People saw a word more than once.
    Twice(MessageNo, u32),
    /// Two deliveries hold the same word: a turn ran twice.
    AnsweredTwice(MessageNo, u32),
    /// Shown in another conversation than it was asked in.
    Misplaced(MessageNo),
    /// Words of one message, not in their order or with a gap.
    Jumbled(MessageNo),
    /// Answered before what the same person had said earlier in the conversation.
    Overtaken(MessageNo, MessageNo),
    /// Something else was shown between the parts of one answer.
    Interleaved(MessageNo),
    /// Shown, but never asked.
    Invented(MessageNo),
    /// The person was not told of a lost answer.
    Untold(MessageNo),
    /// Given up, though the platform refused nothing.
    GivenUp(MessageNo),
    /// More sends with an unknown outcome than there can be.
    TooManyUnknown(usize, usize),
    /// Deliveries that are still open, and messages that still wait.
    Unfinished(usize, usize),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Flaw {
    /// The message it is about.
    pub fn message(&self) -> Option<MessageNo> {
        match self {
            Self::Lost(message, _)
            | Self::NeverArrived(message, _)
            | Self::Twice(message, _)
            | Self::AnsweredTwice(message, _)
            | Self::Overtaken(_, message)
            | Self::Misplaced(message)
            | Self::Jumbled(message)
            | Self::Interleaved(message)
            | Self::Invented(message)
            | Self::Untold(message)
            | Self::GivenUp(message) => Some(*message),
            Self::TooManyUnknown(..) | Self::Unfinished(..) => None,
        }
    }

    /// Time alone may mend it. What the platform shows is noted beside the ledger, and perhaps later.
    pub fn may_pass(&self) -> bool {
        use Flaw::{Lost, NeverArrived, Unfinished, Untold};
        matches!(self, Lost(..) | NeverArrived(..) | Unfinished(..) | Untold(..))
    }
}

/// Every broken promise in `records`.
pub fn check(records: &Records) -> Vec<Flaw> {
    let shown = visible(records);
    let fates = fates(records);
    let mut flaws = BTreeSet::new();
    for asked in &records.asked {
        let seen = shown.get(&asked.message).map_or(&[][..], Vec::as_slice);
        flaws.extend(in_one_piece(asked, seen));
        flaws.extend(answered(asked, seen, &fates));
    }
    flaws.extend(order(records, &shown));
    flaws.extend(interleaved(records));
    flaws.extend(invented(records, &shown));
    flaws.extend(twice_in_ledger(records));
    flaws.extend(told(records));
    flaws.extend(bounds(records));
    flaws.into_iter().collect()
}

/// A word where it was shown: the number of what showed it, the place, the word.
struct Seen<'a> {
    at: usize,
    place: &'a Where,
    word: u32,
}

fn visible(records: &Records) -> HashMap<MessageNo, Vec<Seen<'_>>> {
    let mut visible: HashMap<MessageNo, Vec<Seen<'_>>> = HashMap::new();
    for (at, shown) in records.shown.iter().enumerate() {
        for (message, word) in words(&shown.text) {
            visible.entry(message).or_default().push(Seen { at, place: &shown.place, word });
        }
    }
    visible
}

/// What became of every word the ledger has an answer for.
fn fates(records: &Records) -> HashMap<(MessageNo, u32), State> {
    let of = |stored: &Stored| {
        let state = stored.state;
        words(&stored.text).map(move |word| (word, state)).collect::<Vec<_>>()
    };
    records.stored.iter().filter(|stored| !stored.is_notice).flat_map(of).collect()
}

fn in_one_piece(asked: &Asked, seen: &[Seen<'_>]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if seen.iter().any(|seen| *seen.place != asked.place) {
        flaws.push(Flaw::Misplaced(asked.message));
    }
    let mut words = BTreeSet::new();
    let again = seen.iter().find(|seen| !words.insert(seen.word));
    match again {
        Some(again) => flaws.push(Flaw::Twice(asked.message, again.word)),
        None if !seen.iter().map(|seen| seen.word).eq(0..count(seen)) => {
            flaws.push(Flaw::Jumbled(asked.message));
        }
        None => {}
    }
    flaws
}

fn count(seen: &[Seen<'_>]) -> u32 {
    u32::try_from(seen.len()).unwrap_or(u32::MAX)
}

/// Whoever was acknowledged is answered to the last word, or the ledger knows why not.
fn answered(
    asked: &Asked,
    seen: &[Seen<'_>],
    fates: &HashMap<(MessageNo, u32), State>,
) -> Option<Flaw> {
    let was_heard = asked.acknowledged.is_some() || !seen.is_empty();
    let missing = (0..asked.words).find(|word| seen.iter().all(|seen| seen.word != *word))?;
    if !was_heard {
        return None;
    }
    match fates.get(&(asked.message, missing)) {
        Some(State::Unknown | State::Dead) => None,
        Some(State::Sent) => Some(Flaw::NeverArrived(asked.message, missing)),
        Some(State::Open) | None => Some(Flaw::Lost(asked.message, missing)),
    }
}

/// For each person in each conversation: what was certainly heard first is answered first.
fn order(records: &Records, shown: &HashMap<MessageNo, Vec<Seen<'_>>>) -> Vec<Flaw> {
    let mut lines: BTreeMap<_, Vec<&Asked>> = BTreeMap::new();
    for asked in &records.asked {
        let line = (&asked.place, asked.thread.as_ref(), asked.speaker);
        lines.entry(line).or_default().push(asked);
    }
    let first = |asked: &Asked| shown.get(&asked.message)?.first().map(|seen| seen.at);
    let mut flaws = Vec::new();
    for line in lines.values() {
        for (n, later) in line.iter().enumerate() {
            for earlier in line.iter().take(n).filter(|earlier| heard_before(earlier, later)) {
                if let (Some(one), Some(two)) = (first(earlier), first(later))
                    && one > two
                {
                    flaws.push(Flaw::Overtaken(earlier.message, later.message));
                }
            }
        }
    }
    flaws
}

fn heard_before(earlier: &Asked, later: &Asked) -> bool {
    (earlier.in_line && later.in_line)
        || earlier.acknowledged.is_some_and(|heard| heard < later.said_at)
}

/// In each conversation every message's words are shown in one go.
fn interleaved(records: &Records) -> Vec<Flaw> {
    let mut runs: HashMap<&Where, Vec<MessageNo>> = HashMap::new();
    for shown in &records.shown {
        let run = runs.entry(&shown.place).or_default();
        for (message, _) in words(&shown.text) {
            if run.last() != Some(&message) {
                run.push(message);
            }
        }
    }
    let again = |run: Vec<MessageNo>| {
        let mut known = BTreeSet::new();
        run.into_iter().filter(move |message| !known.insert(*message)).map(Flaw::Interleaved)
    };
    runs.into_values().flat_map(again).collect()
}

fn invented(records: &Records, shown: &HashMap<MessageNo, Vec<Seen<'_>>>) -> Vec<Flaw> {
    let asked: BTreeSet<MessageNo> = records.asked.iter().map(|asked| asked.message).collect();
    shown.keys().filter(|message| !asked.contains(message)).copied().map(Flaw::Invented).collect()
}

fn twice_in_ledger(records: &Records) -> Vec<Flaw> {
    let mut known = BTreeSet::new();
    let all = records.stored.iter().filter(|stored| !stored.is_notice);
    let all = all.flat_map(|stored| words(&stored.text));
    all.filter(|word| !known.insert(*word))
        .map(|(message, word)| Flaw::AnsweredTwice(message, word))
        .collect()
}

/// Every lost answer was followed by a word from the hub in its conversation; and only what may
/// have arrived is lost, with what belonged after it.
fn told(records: &Records) -> Vec<Flaw> {
    let lost = |state: State| matches!(state, State::Unknown | State::Dead);
    let unknown = |stored: &&Stored| stored.state == State::Unknown;
    let uncertain: BTreeSet<&String> =
        records.stored.iter().filter(unknown).filter_map(|stored| stored.turn.as_ref()).collect();
    let mut notices: HashMap<&Where, u64> = HashMap::new();
    for shown in records.shown.iter().filter(|shown| words(&shown.text).next().is_none()) {
        let latest = notices.entry(&shown.place).or_default();
        *latest = (*latest).max(millis(shown.at));
    }
    let mut flaws = Vec::new();
    for stored in records.stored.iter().filter(|one| !one.is_notice && lost(one.state)) {
        let message = words(&stored.text).next().map_or(0, |(message, _)| message);
        if notices.get(&stored.place).is_none_or(|told| *told < stored.changed_at) {
            flaws.push(Flaw::Untold(message));
        }
        let excused = stored.turn.as_ref().is_some_and(|turn| uncertain.contains(turn));
        if stored.state == State::Dead && !excused {
            flaws.push(Flaw::GivenUp(message));
        }
    }
    flaws
}

fn bounds(records: &Records) -> Vec<Flaw> {
    let count = |state| records.stored.iter().filter(|one| one.state == state).count();
    let (open, unknown) = (count(State::Open), count(State::Unknown));
    let mut flaws = Vec::new();
    if let Some(most) = records.in_flight
        && unknown > most
    {
        flaws.push(Flaw::TooManyUnknown(unknown, most));
    }
    if open + records.waiting > 0 {
        flaws.push(Flaw::Unfinished(open, records.waiting));
    }
    flaws
}

fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
