//! What the platforms would not like: messages faster than they allow, and the same text twice.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use super::{Sent, lock};

/// A limit the platform publishes: at most `count` messages in any stretch of `per`.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Whose messages count together.
    pub whose: Whose,
    /// How many.
    pub count: usize,
    /// In what time.
    pub per: Duration,
}

/// Whose messages a limit counts together.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    /// All of the bot's.
    Bot,
    /// Those to one conversation.
    Conversation,
    /// Those to one conversation whose id begins so.
    Named(&'static str),
}

/// A limit that was overrun.
#[derive(Clone, Debug, Serialize)]
pub struct Excess {
    /// Where; empty: over all conversations.
    pub conversation: String,
    /// The limit's count: one more came …
    pub count: usize,
    /// … in this time, at its shortest …
    pub took: Duration,
    /// … while the platform asks for this.
    pub per: Duration,
    /// When the last of them came.
    pub at: SystemTime,
}

/// A text that stands more than once in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repeat {
    /// Where.
    pub conversation: String,
    /// What.
    pub text: String,
    /// The messages.
    pub messages: Vec<String>,
}

/// Counts messages as they come. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    limits: &'static [Limit],
    runs: Arc<Mutex<HashMap<(usize, String), Run>>>,
}

/// The newest messages under one limit, and the shortest time one too many came in.
#[derive(Debug, Default)]
struct Run {
    times: VecDeque<Instant>,
    tightest: Option<(Duration, SystemTime)>,
}

impl Meter {
    pub(crate) fn new(limits: &'static [Limit]) -> Self {
        Self { limits, runs: Arc::default() }
    }

    pub(crate) fn count(&self, conversation: &str) {
        let mut runs = lock(&self.runs);
        // Under the lock, so that times rise.
        let now = Instant::now();
        for (number, limit) in self.limits.iter().enumerate() {
            let whose = match limit.whose {
                Whose::Bot => "",
                Whose::Conversation => conversation,
                Whose::Named(start) if conversation.starts_with(start) => conversation,
                Whose::Named(_) => continue,
            };
            runs.entry((number, whose.to_owned())).or_default().count(limit.count, now);
        }
    }

    pub(crate) fn excesses(&self, share: f64) -> Vec<Excess> {
        let runs = lock(&self.runs);
        let excess = |((number, conversation), run): (&(usize, String), &Run)| {
            let limit = self.limits.get(*number)?;
            let (took, at) = run.tightest.filter(|(took, _)| *took < limit.per.mul_f64(share))?;
            let conversation = conversation.clone();
            Some(Excess { conversation, count: limit.count, took, per: limit.per, at })
        };
        let mut excesses: Vec<Excess> = runs.iter().filter_map(excess).collect();
        excesses.sort_by_key(|excess| excess.at);
        excesses
    }
}

impl Run {
    fn count(&mut self, count: usize, now: Instant) {
        self.times.push_back(now);
        if self.times.len() <= count {
            return;
        }
        let Some(first) = self.times.pop_front() else {
            return;
        };
        let took = now.duration_since(first);
        if self.tightest.is_none_or(|(tightest, _)| took < tightest) {
            self.tightest = Some((took, SystemTime::now()));
        }
    }
}

/// The repeats among `posts`, in the order of their first.
pub(crate) fn repeats(posts: &[Sent]) -> Vec<Repeat> {
    let mut seen: HashMap<(&str, &str), Vec<&Sent>> = HashMap::new();
    for post in posts {
        seen.entry((&post.conversation, &post.text)).or_default().push(post);
    }
    let mut repeats: Vec<Vec<&Sent>> = seen.into_values().filter(|all| all.len() > 1).collect();
    repeats.sort_by_key(|all| all.first().map(|first| first.at));
    let repeat = |all: Vec<&Sent>| {
        let first = all.first()?;
        Some(Repeat {
            conversation: first.conversation.clone(),
            text: first.text.clone(),
            messages: all.iter().map(|sent| sent.message.clone()).collect(),
        })
    };
    repeats.into_iter().filter_map(repeat).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::Act;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn one_more_than_allowed_is_an_excess_where_it_counts() {
        const LIMITS: &[Limit] = &[
            Limit { whose: Whose::Conversation, count: 2, per: HOUR },
            Limit { whose: Whose::Named("-"), count: 1, per: HOUR },
            Limit { whose: Whose::Bot, count: 5, per: HOUR },
        ];
        let meter = Meter::new(LIMITS);
        let over = |meter: &Meter| {
            let mut over: Vec<(String, usize)> =
                meter.excesses(1.0).into_iter().map(|e| (e.conversation, e.count)).collect();
            over.sort();
            over
        };
        for conversation in ["a", "a", "b", "-g", "b"] {
            meter.count(conversation);
        }
        assert_eq!(over(&meter), []);
        meter.count("-g");
        assert_eq!(over(&meter), [(String::new(), 5), ("-g".to_owned(), 1)]);
        meter.count("a");
        assert_eq!(over(&meter).last().unwrap(), &("a".to_owned(), 2));
        assert!(meter.excesses(0.0).is_empty());
    }

    #[test]
    fn the_shortest_time_counts_and_not_the_last() {
        let mut run = Run::default();
        let start = Instant::now();
        for secs in [0, 10, 11, 20] {
            run.count(1, start + Duration::from_secs(secs));
        }
        assert_eq!(run.tightest.unwrap().0, Duration::from_secs(1));
    }

    #[test]
    fn the_same_text_twice_in_one_conversation_is_a_repeat() {
        let post = |place: &str, id: &str, text: &str| Sent::new(Act::Post, place, id, text);
        let posts = [post("a", "1", "x"), post("b", "1", "x"), post("a", "2", "y")];
        assert_eq!(repeats(&posts), []);
        let posts = [posts.as_slice(), &[post("a", "3", "x")]].concat();
        let messages = vec!["1".to_owned(), "3".to_owned()];
        let (conversation, text) = ("a".to_owned(), "x".to_owned());
        assert_eq!(repeats(&posts), [Repeat { conversation, text, messages }]);
    }
}
