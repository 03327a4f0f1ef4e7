//! What everybody says, where and when: made from a seed. Every word is one of a kind, so that it
//! can be found again in whatever answer it ends up in.

use super::seed::{Chance, Seed};
use crate::ChannelKind;

/// A message's number; unique in a run.
pub(super) type MessageNo = u32;

/// Everything that is going to be said.
#[derive(Clone, Debug)]
pub struct Script {
    /// All conversations, in the order in which they begin.
    pub talks: Vec<Talk>,
}

/// One conversation.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Its number.
    pub number: u32,
    /// On which platform.
    pub channel: ChannelKind,
    /// In private, or among others.
    pub place: Place,
    /// What is said, in this order.
    pub lines: Vec<Line>,
}

/// Where a conversation is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One person and the bot.
    Direct,
    /// Several people and the bot, who mention it.
    Group,
}

/// Something said.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its number.
    pub message: MessageNo,
    /// Who says it.
    pub speaker: u32,
    /// How many words.
    pub words: u32,
    /// What comes before it.
    pub pause: Pause,
}

/// What somebody does before they say the next thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Nothing.
    None,
    /// Waits so many milliseconds.
    Millis(u64),
    /// Waits for the answer to what was said before, though not for ever.
    Answer,
}

impl Line {
    /// The text: words of its own.
    pub fn text(&self) -> String {
        let words: Vec<String> = (0..self.words).map(|word| spelled(self.message, word)).collect();
        words.join(" ")
    }
}

/// The word `word` of a message: digits end at letters, so no word is the beginning of another.
pub(super) fn spelled(message: MessageNo, word: u32) -> String {
    format!("m{message}w{word}z")
}

/// How every word of a message begins.
pub(super) fn beginning(message: MessageNo) -> String {
    format!("m{message}w")
}

/// The words of ours in a text, in its order.
pub(super) fn words(text: &str) -> impl Iterator<Item = (MessageNo, u32)> {
    let tokens = text.split(|c: char| !c.is_ascii_alphanumeric());
    tokens.filter_map(|token| {
        let (message, word) = token.strip_prefix('m')?.strip_suffix('z')?.split_once('w')?;
        Some((message.parse().ok()?, word.parse().ok()?))
    })
}

impl Script {
    /// So many conversations, on these channels in turn.
    pub fn new(seed: Seed, talks: u32, channels: &[ChannelKind]) -> Self {
        let mut chance = seed.chance(1);
        let mut next = 0;
        let channels = channels.iter().copied().cycle();
        let talks = (0..talks).zip(channels);
        Self {
            talks: talks
                .map(|(number, channel)| talk(&mut chance, number, channel, &mut next))
                .collect(),
        }
    }

    /// So many people who each say a few words once, in private.
    pub fn brief(seed: Seed, talks: u32, channels: &[ChannelKind]) -> Self {
        let mut script = Self::new(seed, talks, channels);
        for talk in &mut script.talks {
            talk.place = Place::Direct;
            talk.lines.truncate(1);
            for line in &mut talk.lines {
                line.words = line.words.min(5);
            }
        }
        script
    }

    /// The same people say as much again: `round` tells the words of one time from another's.
    #[must_use]
    pub fn again(mut self, round: u32) -> Self {
        let lines = self.talks.iter_mut().flat_map(|talk| &mut talk.lines);
        lines.for_each(|line| line.message += round * 100_000);
        self
    }

    /// How many messages.
    pub fn len(&self) -> usize {
        self.talks.iter().map(|talk| talk.lines.len()).sum()
    }

    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn talk(chance: &mut Chance, number: u32, channel: ChannelKind, next: &mut MessageNo) -> Talk {
    // WhatsApp's business API has no groups.
    let group = channel != ChannelKind::WhatsApp && chance.percent(12);
    let place = if group { Place::Group } else { Place::Direct };
    let speakers = if group { 3 } else { 1 };
    let count = chance.among(if group { 3..7 } else { 1..5 });
    let burst = chance.percent(25);
    let lines = (0..count).map(|n| {
        *next += 1;
        let speaker = number * 4 + u32::try_from(chance.among(0..speakers)).unwrap_or_default();
        let words = if chance.percent(6) { long(channel) } else { short(chance) };
        let pause = if n == 0 || burst { Pause::None } else { pause(chance) };
        Line { message: *next, speaker, words, pause }
    });
    Talk { number, channel, place, lines: lines.collect() }
}

fn short(chance: &mut Chance) -> u32 {
    u32::try_from(chance.among(1..6)).unwrap_or(1)
}

/// More than one message of the platform can hold: the answer comes in parts.
fn long(channel: ChannelKind) -> u32 {
    if channel == ChannelKind::Discord { 260 } else { 480 }
}

fn pause(chance: &mut Chance) -> Pause {
    match chance.among(0..3) {
        0 => Pause::Answer,
        1 => Pause::Millis(chance.among(0..50)),
        _ => Pause::Millis(chance.among(50..1500)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_depends_on_its_seed_alone_and_holds_every_kind_of_talk() {
        let script = Script::new(Seed(3), 400, &ChannelKind::ALL);
        let again = Script::new(Seed(3), 400, &ChannelKind::ALL);
        assert_eq!(format!("{script:?}"), format!("{again:?}"));
        let other = Script::new(Seed(4), 400, &ChannelKind::ALL);
        assert_ne!(format!("{script:?}"), format!("{other:?}"));
        let lines = || script.talks.iter().flat_map(|talk| &talk.lines);
        assert!(lines().any(|line| line.words > 200) && lines().any(|l| l.pause == Pause::Answer));
        assert!(script.talks.iter().any(|talk| talk.place == Place::Group));
        let numbers: std::collections::BTreeSet<_> = lines().map(|line| line.message).collect();
        assert_eq!(numbers.len(), script.len(), "every message has a number of its own");
    }

    #[test]
    fn words_are_found_in_any_text() {
        let line = Line { message: 12, speaker: 0, words: 3, pause: Pause::None };
        let answer = format!("echo: @zaki {}\n(1/2) m1w2 mail", line.text());
        assert_eq!(words(&answer).collect::<Vec<_>>(), [(12, 0), (12, 1), (12, 2)]);
    }
}
