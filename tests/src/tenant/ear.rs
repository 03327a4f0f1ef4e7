//! Hears everything the bots show, as it comes, and who waits for what.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;
use zaki_simulators::{Act, Follow, Sent};

use super::judge::{MessageNo, Place, words};
use crate::{ChannelKind, World};

const EVERY: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Heard {
    all: Vec<(Place, String)>,
    by_place: HashMap<Place, Vec<usize>>,
    /// The data behind the buttons that were shown last in a place.
    buttons: HashMap<Place, Vec<String>>,
    words: HashSet<MessageNo>,
    /// SHA-256 of the files that were shown, and where.
    files: Vec<(Place, String)>,
    missed: usize,
}

/// A background listener; ends when dropped.
pub struct Ear {
    heard: Arc<Mutex<Heard>>,
    listener: JoinHandle<()>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Ear {
    /// Listens to all platforms of a world from now on.
    pub fn on(world: &World) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let tails =
            ChannelKind::ALL.map(|channel| (channel, world.platform(channel).sent().follow()));
        let listener = tokio::spawn(listen(tails, Arc::clone(&heard)));
        Self { heard, listener }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that was shown, and how much was gone before it was read.
    pub fn all(&self) -> (Vec<(Place, String)>, usize) {
        let heard = self.heard();
        (heard.all.clone(), heard.missed)
    }

    /// How much was shown so far.
    pub fn len(&self) -> usize {
        self.heard().all.len()
    }

    /// Nothing was shown so far.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a message's word was shown anywhere.
    pub fn has(&self, message: MessageNo) -> bool {
        self.heard().words.contains(&message)
    }

    /// The files that were shown: where, and the SHA-256 of each.
    pub fn files(&self) -> Vec<(Place, String)> {
        self.heard().files.clone()
    }

    /// Waits for a file of this hash; whether it came.
    pub async fn wait_for_file(&self, hash: &str, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while !self.heard().files.iter().any(|(_, file)| file == hash) {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(EVERY).await;
        }
        true
    }

    /// Waits for it; whether it came.
    pub async fn wait(&self, message: MessageNo, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while !self.has(message) {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(EVERY).await;
        }
        true
    }

    /// Waits for a text in one of these places with any of these in it, among what is shown after
    /// the first `since` texts of all.
    pub async fn expect(
        &self,
        places: &[Place],
        since: usize,
        wanted: &[&str],
        within: Duration,
    ) -> Option<String> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(text) = self.find(places, since, wanted) {
                return Some(text);
            }
            if Instant::now() > deadline {
                return None;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn find(&self, places: &[Place], since: usize, wanted: &[&str]) -> Option<String> {
        let heard = self.heard();
        let there = places.iter().filter_map(|place| heard.by_place.get(place)).flatten();
        let texts = there.filter(|n| **n >= since).filter_map(|n| heard.all.get(*n));
        let mut texts = texts.map(|(_, text)| text);
        texts.find(|text| wanted.iter().any(|wanted| text.contains(wanted))).cloned()
    }

    /// Waits for buttons in these places with this in the data behind them, unless other buttons
    /// have been shown there since: that data.
    pub async fn buttons(&self, places: &[Place], wanted: &str, within: Duration) -> Vec<String> {
        let deadline = Instant::now() + within;
        loop {
            let found = self.pressable(places, wanted);
            if !found.is_empty() || Instant::now() > deadline {
                return found;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn pressable(&self, places: &[Place], wanted: &str) -> Vec<String> {
        let heard = self.heard();
        let there = places.iter().filter_map(|place| heard.buttons.get(place)).flatten();
        there.filter(|data| data.contains(wanted)).cloned().collect()
    }

    /// Where else than in these places a text was shown, after the first `since` texts of all.
    pub fn elsewhere(&self, text: &str, since: usize, places: &[Place]) -> Vec<Place> {
        let heard = self.heard();
        let shown = heard.all.iter().skip(since).filter(|(_, shown)| shown.contains(text));
        shown.map(|(place, _)| place.clone()).filter(|place| !places.contains(place)).collect()
    }

    /// The end of what was shown in a place, for whoever looks into it.
    pub fn tail(&self, places: &[Place]) -> Vec<String> {
        let heard = self.heard();
        let there = places.iter().filter_map(|place| heard.by_place.get(place)).flatten();
        let texts: Vec<_> = there.filter_map(|n| heard.all.get(*n)).collect();
        texts.iter().rev().take(4).map(|(_, text)| text.clone()).collect()
    }
}

async fn listen(mut tails: [(ChannelKind, Follow<Sent>); 4], heard: Arc<Mutex<Heard>>) {
    loop {
        for (channel, tail) in &mut tails {
            let news = tail.take();
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.missed += tail.missed();
            for sent in news {
                let place = (*channel, sent.conversation.clone());
                let files = sent.files.iter().map(|file| (place.clone(), file.clone()));
                heard.files.extend(files);
                if !is_shown(&sent) {
                    continue;
                }
                heard.hear((*channel, sent.conversation), sent.text, buttons(&sent.raw));
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// A new message; typing, reactions and edits are none.
fn is_shown(sent: &Sent) -> bool {
    matches!(sent.act, Act::Post | Act::Answer) && !sent.text.is_empty()
}

/// What the hub has put behind buttons, wherever a platform keeps that.
fn buttons(call: &Value) -> Vec<String> {
    match call {
        Value::String(text) if text.starts_with("zaki:") => vec![text.clone()],
        // Slack's blocks, and whatever else travels as JSON in a string.
        Value::String(text) if text.contains("\"zaki:") => {
            serde_json::from_str(text).map(|inner| buttons(&inner)).unwrap_or_default()
        }
        Value::Array(all) => all.iter().flat_map(buttons).collect(),
        Value::Object(all) => all.values().flat_map(buttons).collect(),
        _ => Vec::new(),
    }
}

impl Heard {
    fn hear(&mut self, place: Place, text: String, buttons: Vec<String>) {
        if !buttons.is_empty() {
            self.buttons.insert(place.clone(), buttons);
        }
        self.words.extend(words(&text));
        self.by_place.entry(place.clone()).or_default().push(self.all.len());
        self.all.push((place, text));
    }
}
