//! Plays a script in a world, waits until everything is answered, and says what came of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::mem::discriminant;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::check::{Asked, Flaw, Records, State, Stored, Where, check};
use super::crowd::{Crowd, Spoken, canonical};
use super::script::{Line, Pause, Script, Talk, beginning};
use super::watch::Watch;
use crate::{ChannelKind, World};

/// How long somebody waits for an answer before they write on all the same.
const ATTENTION: Duration = Duration::from_secs(5);
/// More than any ledger of a test holds.
const ALL: &str = "10000000";

/// A crowd that talks, and everything known of it.
pub struct Stage {
    crowd: Crowd,
    /// What the platforms saw.
    pub watch: Watch,
    said: Mutex<Vec<Said>>,
    /// Whether a platform delivers its conversations one message after another.
    in_line: fn(ChannelKind) -> bool,
}

/// A line that was said.
#[derive(Clone)]
struct Said {
    talk: Arc<Talk>,
    line: Line,
    spoken: Spoken,
    at: SystemTime,
}

impl Said {
    fn place(&self) -> Where {
        (self.talk.channel, self.spoken.conversation.clone())
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Broken promises; none in a good run.
    pub flaws: Vec<Flaw>,
    /// How many messages and deliveries ended in which way, and the longest time to an answer.
    pub figures: Value,
    /// What there is about them.
    pub evidence: String,
}

impl Report {
    /// Fails when a promise was broken.
    pub fn verdict(&self) -> Result<()> {
        // Of each kind some: they stand in the order of their kinds.
        let kinds = self.flaws.chunk_by(|one, next| discriminant(one) == discriminant(next));
        let most: Vec<_> = kinds.flat_map(|kind| kind.iter().take(10)).collect();
        ensure!(
            self.flaws.is_empty(),
            "{} broken promises, such as {most:?}\n{self}\n{}",
            self.flaws.len(),
            self.evidence
        );
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.figures.fmt(f)
    }
}

impl Stage {
    /// A stage in a world whose hub is up.
    pub fn open(world: &World) -> Arc<Self> {
        let crowd = Crowd::of(world);
        let in_line = |channel| [ChannelKind::Telegram, ChannelKind::Discord].contains(&channel);
        Arc::new(Self { crowd, watch: Watch::on(world), said: Mutex::default(), in_line })
    }

    fn said(&self) -> MutexGuard<'_, Vec<Said>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything of a script is said; its conversations begin evenly over `span`.
    pub async fn play(self: &Arc<Self>, script: &Script, span: Duration) {
        let count = u32::try_from(script.talks.len()).unwrap_or(u32::MAX).max(1);
        let begun = tokio::time::Instant::now();
        let mut talks = tokio::task::JoinSet::new();
        for (n, talk) in (0..).zip(&script.talks) {
            tokio::time::sleep_until(begun + span * n / count).await;
            talks.spawn(Arc::clone(self).talk(Arc::new(talk.clone())));
        }
        talks.join_all().await;
    }

    async fn talk(self: Arc<Self>, talk: Arc<Talk>) {
        let mut last: Option<&Line> = None;
        for line in &talk.lines {
            match (line.pause, last) {
                (Pause::None, _) | (Pause::Answer, None) => {}
                (Pause::Millis(pause), _) => tokio::time::sleep(Duration::from_millis(pause)).await,
                (Pause::Answer, Some(last)) => self.hear(last).await,
            }
            self.say(&talk, line);
            last = Some(line);
        }
    }

    fn say(&self, talk: &Arc<Talk>, line: &Line) {
        let at = SystemTime::now();
        let spoken = self.crowd.say(talk, line);
        self.said().push(Said { talk: Arc::clone(talk), line: line.clone(), spoken, at });
    }

    async fn hear(&self, line: &Line) {
        let deadline = Instant::now() + ATTENTION;
        while !self.is_answered(line) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn is_answered(&self, line: &Line) -> bool {
        self.watch.answer(line.message).is_some_and(|(words, _)| words >= line.words)
    }

    /// Waits until every promise is kept, or nothing has happened for `calm`. Whoever lost an
    /// answer writes once more: with the next working send they are to be told.
    pub async fn settle(
        self: &Arc<Self>,
        world: &World,
        in_flight: Option<usize>,
        calm: Duration,
    ) -> Result<Report> {
        let mut consoled = BTreeSet::new();
        let (mut progress, mut since) = (self.watch.progress(), Instant::now());
        loop {
            let begun = Instant::now();
            let records = self.records(world, in_flight).await?;
            let flaws = check(&records);
            let wrote = self.console(&records, &mut consoled);
            if wrote == 0 && flaws.is_empty() && is_heard(&records) {
                return self.report(world, &records, flaws).await;
            }
            let now = self.watch.progress();
            if now != progress {
                (progress, since) = (now, Instant::now());
            }
            if since.elapsed() > calm || !flaws.iter().all(Flaw::may_pass) {
                return self.report(world, &records, flaws).await;
            }
            // A long ledger is not read all the time.
            tokio::time::sleep(Duration::from_millis(300) + 3 * begun.elapsed()).await;
        }
    }

    /// Writes once more wherever an answer was lost. How many wrote.
    fn console(&self, records: &Records, consoled: &mut BTreeSet<Where>) -> usize {
        let lost = |one: &&Stored| matches!(one.state, State::Unknown | State::Dead);
        let lost: BTreeSet<Where> =
            records.stored.iter().filter(lost).map(|one| one.place.clone()).collect();
        let fresh: Vec<Where> = lost.difference(consoled).cloned().collect();
        let said = self.said().clone();
        for place in &fresh {
            let there = said.iter().rfind(|said| said.place() == *place);
            if let Some(Said { talk, line, .. }) = there {
                let message = 1_000_000_000 + u32::try_from(self.said().len()).unwrap_or_default();
                self.say(talk, &Line { message, words: 1, ..line.clone() });
            }
        }
        consoled.extend(fresh.iter().cloned());
        fresh.len()
    }

    /// Both sides of the story.
    pub async fn records(&self, world: &World, in_flight: Option<usize>) -> Result<Records> {
        ensure!(!self.watch.overflowed(), "the platforms' records overflowed");
        let inbox = world.list(&["inbox", "list", "--limit", ALL]).await?;
        let stored = world.list(&["deliveries", "list", "--limit", ALL]).await?;
        let waits = |line: &&Value| line["state"] == "accepted";
        let asked = self.said().iter().map(|said| self.asked(said)).collect();
        Ok(Records {
            asked,
            shown: self.watch.shown(),
            stored: stored.iter().map(read).collect(),
            waiting: inbox.iter().filter(waits).count(),
            in_flight,
        })
    }

    fn asked(&self, said: &Said) -> Asked {
        let channel = said.talk.channel;
        let is_socket = said.spoken.keys.is_empty();
        let heard = if is_socket {
            Some(said.at)
        } else {
            self.watch.acknowledged(channel, &said.spoken.keys)
        };
        Asked {
            message: said.line.message,
            words: said.line.words,
            speaker: said.line.speaker,
            place: said.place(),
            thread: said.spoken.thread.clone(),
            said_at: said.at,
            acknowledged: heard,
            in_line: (self.in_line)(channel),
        }
    }

    async fn report(&self, world: &World, records: &Records, flaws: Vec<Flaw>) -> Result<Report> {
        let figures = self.figures(records, flaws.len());
        let evidence = evidence(world, records, &flaws).await?;
        Ok(Report { flaws, figures, evidence })
    }

    fn figures(&self, records: &Records, flaws: usize) -> Value {
        let state = |wanted| records.stored.iter().filter(|one| one.state == wanted).count();
        let heard = records.asked.iter().filter(|asked| asked.acknowledged.is_some()).count();
        let places: BTreeSet<&Where> = records.asked.iter().map(|asked| &asked.place).collect();
        json!({
            "conversations": places.len(),
            "messages": records.asked.len(),
            "acknowledged": heard,
            "deliveries": records.stored.len(),
            "notices": records.stored.iter().filter(|one| one.is_notice).count(),
            "sent": state(State::Sent),
            "unknown": state(State::Unknown),
            "dead": state(State::Dead),
            "in_flight_at_kills": records.in_flight,
            "longest_to_answer_ms": self.longest(),
            "flaws": flaws,
        })
    }

    /// The longest time from a message's first delivery to the last word of its answer, by channel.
    pub fn longest(&self) -> BTreeMap<String, u128> {
        let mut longest = BTreeMap::new();
        for said in self.said().iter() {
            let channel = said.talk.channel;
            let begun = self.watch.tried(channel, &said.spoken.keys).unwrap_or(said.at);
            if let Some((_, at)) = self.watch.answer(said.line.message) {
                let took = at.duration_since(begun).unwrap_or_default().as_millis();
                let most = longest.entry(channel.to_string()).or_insert(0);
                *most = took.max(*most);
            }
        }
        longest
    }
}

/// All there is about one message for each kind of flaw.
async fn evidence(world: &World, records: &Records, flaws: &[Flaw]) -> Result<String> {
    let mut kinds = HashSet::new();
    let first = |flaw: &&Flaw| kinds.insert(discriminant(*flaw));
    let about: BTreeSet<_> = flaws.iter().filter(first).filter_map(Flaw::message).collect();
    let mut said = String::new();
    if about.is_empty() {
        return Ok(said);
    }
    if let Some(kept) = std::env::var_os("ZAKI_KEEP").map(std::path::PathBuf::from) {
        // For looking into it at leisure, where the ledger is a file.
        let _ = std::fs::copy(world.data().join("hub/ledger.db"), kept.join("ledger.db"));
        let _ = std::fs::copy(world.data().join("hub/ledger.db-wal"), kept.join("ledger.db-wal"));
        let _ = std::fs::write(kept.join("zaki.log"), world.whole_log());
    }
    let inbox = world.list(&["inbox", "list", "--limit", ALL]).await?;
    let stored = world.list(&["deliveries", "list", "--limit", ALL]).await?;
    for message in about {
        let begins = beginning(message);
        let is_about = |text: &String| text.contains(&begins);
        let asked = records.asked.iter().filter(|asked| asked.message == message);
        let asked = asked.map(|asked| format!("asked: {asked:?}"));
        let shown = records.shown.iter().map(|shown| format!("shown: {shown:?}")).filter(is_about);
        let lines = inbox.iter().chain(&stored).map(Value::to_string).filter(is_about);
        said.extend(asked.chain(lines).chain(shown).map(|line| format!("{line:.1500}\n")));
    }
    Ok(said)
}

/// Every message that anybody will still deliver has been acknowledged.
fn is_heard(records: &Records) -> bool {
    records.asked.iter().all(|asked| asked.acknowledged.is_some())
}

/// A line of `zaki deliveries list --json`.
fn read(line: &Value) -> Stored {
    let channel = line["address"]["channel"].as_str().and_then(|name| name.parse().ok());
    let channel = channel.unwrap_or(ChannelKind::Telegram);
    let id = line["address"]["conversation"]["id"].as_str().unwrap_or_default();
    Stored {
        place: (channel, canonical(channel, id)),
        turn: line["turn"].as_str().map(str::to_owned),
        is_notice: line["kind"] == "notice",
        state: match line["state"].as_str() {
            Some("sent") => State::Sent,
            Some("unknown") => State::Unknown,
            Some("dead") => State::Dead,
            _ => State::Open,
        },
        changed_at: line["changed_at"].as_u64().unwrap_or_default(),
        text: texts(&line["outbound"]),
    }
}

/// All texts in a value; written as JSON, a line's end would run into the next word.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text} "),
        Value::Array(all) => all.iter().map(texts).collect(),
        Value::Object(all) => all.values().map(texts).collect(),
        _ => String::new(),
    }
}
