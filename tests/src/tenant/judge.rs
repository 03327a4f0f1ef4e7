//! What was said and what was shown, compared. Pure: a doctored record shows that it sees what it
//! should.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{AccountNo, Answerer, PersonNo};
use crate::ChannelKind;

/// A message's number; unique in a run.
pub type MessageNo = u32;

/// Somewhere on a platform.
pub type Place = (ChannelKind, String);

/// A message, and what may become of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its number.
    pub message: MessageNo,
    /// Who said it.
    pub by: AccountNo,
    /// Where its answer may be shown: the conversation by all its names.
    pub places: Vec<Place>,
    /// Who may answer it: one, unless it raced with something. None: nobody may.
    pub answerers: Vec<Answerer>,
    /// Said among others: in the session of that place, whoever answers.
    pub shared: bool,
    /// Whether there must be an answer.
    pub must: bool,
    /// Of a picture, the SHA-256 of its bytes: the sandbox has to have got them, and to send them
    /// back.
    pub file: Option<String>,
}

/// What somebody was reminded of when they took up a session.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// How much had been shown before.
    pub since: usize,
    /// Where.
    pub places: Vec<Place>,
    /// Who they were.
    pub person: PersonNo,
}

/// All that is known of a run.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// Everything that was asked.
    pub asked: Vec<Asked>,
    /// What people were reminded of.
    pub recalled: Vec<Recalled>,
    /// Messages that were answered when the only person who may answer them was erased.
    pub erased: Vec<MessageNo>,
    /// Everything the bots showed.
    pub shown: Vec<(Place, String)>,
    /// The files they showed, by the SHA-256 of their bytes.
    pub files: Vec<(Place, String)>,
    /// Everything that is kept in the end.
    pub kept: BTreeSet<MessageNo>,
}

/// A wall between people that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// Answered from the sandbox of somebody else; whose it was, if anybody's.
    Foreign(MessageNo, String, Option<PersonNo>),
    /// Answered in another session than its person was in.
    OtherSession(MessageNo, String),
    /// Shown in a conversation that it was not said in.
    Misplaced(MessageNo, Place),
    /// Shown more than once.
    Twice(MessageNo),
    /// Not answered.
    Unanswered(MessageNo),
    /// Answered, though nobody may.
    Answered(MessageNo),
    /// Shown without a word of who answered.
    Anonymous(MessageNo),
    /// Answered by a sandbox that is somebody else's already; whose, and as whose message.
    Torn(MessageNo, PersonNo, PersonNo),
    /// Shown, but never asked.
    Invented(MessageNo),
    /// A sandbox answered without the bytes of the picture it was sent.
    Blind(MessageNo),
    /// A sandbox had the bytes of a picture that was not in what it answered.
    ForeignBytes(MessageNo),
    /// A file was shown that nobody had sent.
    Strange(Place, String),
    /// A picture did not come back, or more than once.
    NotBack(MessageNo, usize),
    /// Somebody was reminded of what was never theirs.
    Recalled(MessageNo, PersonNo),
    /// Kept, though its person was erased.
    Kept(MessageNo),
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// None in a good run.
    pub flaws: Vec<Flaw>,
    /// Whose sandbox is whose.
    pub users: BTreeMap<PersonNo, String>,
    /// Whose sandbox answered a message, where there was no choice.
    pub by: BTreeMap<MessageNo, String>,
    /// How many answers were seen.
    pub answers: usize,
    /// How many of them raced with a change of who somebody is.
    pub raced: usize,
}

/// How the hub begins when somebody takes up a session.
const RECALLS: &str = "We are in this conversation again";
/// What the hub says in place of a picture whose person was erased before it was sent.
const NOT_SENT: &str = "made a file that cannot be sent here";

/// Our words in a text.
pub fn words(text: &str) -> impl Iterator<Item = MessageNo> {
    let tokens = text.split(|c: char| !c.is_ascii_alphanumeric());
    tokens.filter_map(|token| token.strip_prefix('m')?.strip_suffix("w0z")?.parse().ok())
}

/// A message's word.
pub fn word(message: MessageNo) -> String {
    format!("m{message}w0z")
}

/// A message's text: its word, which begs the sandbox to say who it is.
pub(super) fn spelled(message: MessageNo) -> String {
    format!("{} WHO", word(message))
}

/// Whose sandbox answered, in which session.
fn answerer(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.rsplit_once("answered by openclaw-")?;
    let (user, session) = rest.split_once(" in ")?;
    Some((user, session.split_whitespace().next()?))
}

/// Every wall that did not hold.
pub fn judge(records: &Records) -> Verdict {
    let asked: BTreeMap<MessageNo, &Asked> =
        records.asked.iter().map(|asked| (asked.message, asked)).collect();
    let mut verdict = Verdict::default();
    let mut flaws = BTreeSet::new();
    let mut seen: BTreeMap<MessageNo, Vec<&(Place, String)>> = BTreeMap::new();
    for (at, shown) in records.shown.iter().enumerate() {
        if shown.1.contains(RECALLS) {
            flaws.extend(recalled(records, &asked, at, shown));
            continue;
        }
        if shown.1.contains(NOT_SENT) {
            flaws.extend(withheld(&asked, shown));
            continue;
        }
        for message in words(&shown.1) {
            seen.entry(message).or_default().push(shown);
        }
    }
    flaws.extend(pictures(records, &asked));
    let invented = seen.keys().filter(|message| !asked.contains_key(message));
    flaws.extend(invented.map(|message| Flaw::Invented(*message)));
    for asked in asked.values() {
        let seen = seen.get(&asked.message).map_or(&[][..], Vec::as_slice);
        flaws.extend(shown(asked, seen));
    }
    let kept = records.erased.iter().filter(|message| records.kept.contains(message));
    flaws.extend(kept.map(|message| Flaw::Kept(*message)));
    owners(&asked, &seen, &mut verdict, &mut flaws);
    verdict.flaws = flaws.into_iter().collect();
    verdict
}

/// The bytes that a sandbox says it has got.
fn bytes(text: &str) -> impl Iterator<Item = &str> {
    text.split("[bytes ").skip(1).filter_map(|rest| Some(rest.split_once(']')?.0))
}

/// What can be said of pictures: whose bytes were where.
fn pictures(records: &Records, asked: &BTreeMap<MessageNo, &Asked>) -> Vec<Flaw> {
    let of_file: BTreeMap<&str, &Asked> =
        asked.values().filter_map(|asked| Some((asked.file.as_deref()?, *asked))).collect();
    let mut flaws = Vec::new();
    for (_, text) in &records.shown {
        let named: Vec<MessageNo> = words(text).collect();
        let got: Vec<&str> = bytes(text).collect();
        // Of what somebody is reminded of, and of what is withheld, the bytes are not told.
        if text.contains(RECALLS) || text.contains(NOT_SENT) {
            continue;
        }
        let foreign = got.iter().filter_map(|hash| of_file.get(hash));
        let foreign = foreign.filter(|picture| !named.contains(&picture.message));
        flaws.extend(foreign.map(|picture| Flaw::ForeignBytes(picture.message)));
        let blind = named
            .iter()
            .filter_map(|message| asked.get(message))
            .filter(|picture| picture.file.as_deref().is_some_and(|file| !got.contains(&file)));
        flaws.extend(blind.map(|picture| Flaw::Blind(picture.message)));
    }
    let mut back: BTreeMap<MessageNo, usize> = BTreeMap::new();
    for (place, hash) in &records.files {
        match of_file.get(hash.as_str()) {
            None => flaws.push(Flaw::Strange(place.clone(), hash.clone())),
            Some(picture) => {
                *back.entry(picture.message).or_default() += 1;
                if !picture.places.contains(place) {
                    flaws.push(Flaw::Misplaced(picture.message, place.clone()));
                }
                if picture.answerers.is_empty() {
                    flaws.push(Flaw::Answered(picture.message));
                }
            }
        }
    }
    for picture in of_file.values() {
        let times = back.get(&picture.message).copied().unwrap_or_default();
        if times > 1 || picture.must && times == 0 {
            flaws.push(Flaw::NotBack(picture.message, times));
        }
    }
    flaws
}

/// What can be said of one message by itself.
fn shown(asked: &Asked, seen: &[&(Place, String)]) -> Vec<Flaw> {
    let message = asked.message;
    let mut flaws = Vec::new();
    if asked.answerers.is_empty() && !seen.is_empty() {
        flaws.push(Flaw::Answered(message));
    }
    if asked.must && seen.is_empty() {
        flaws.push(Flaw::Unanswered(message));
    }
    if seen.len() > 1 {
        flaws.push(Flaw::Twice(message));
    }
    for (place, text) in seen {
        if !asked.places.contains(place) {
            flaws.push(Flaw::Misplaced(message, place.clone()));
        }
        match answerer(text) {
            None => flaws.push(Flaw::Anonymous(message)),
            Some((_, session)) if !fits(asked, session) => {
                flaws.push(Flaw::OtherSession(message, session.to_owned()));
            }
            Some(_) => {}
        }
    }
    flaws
}

fn fits(asked: &Asked, session: &str) -> bool {
    if asked.shared {
        let is_there = |(channel, id): &Place| {
            session.starts_with(&format!("agent:group:hub:{channel}:"))
                && session.contains(&id.to_ascii_lowercase())
        };
        return asked.places.iter().any(is_there);
    }
    asked.answerers.iter().any(|(_, n)| session == format!("agent:main:hub:dm:{n}"))
}

/// Whose sandbox is whose, by the messages that leave no choice; then whether the others keep to it.
fn owners(
    asked: &BTreeMap<MessageNo, &Asked>,
    seen: &BTreeMap<MessageNo, Vec<&(Place, String)>>,
    verdict: &mut Verdict,
    flaws: &mut BTreeSet<Flaw>,
) {
    let mut people: BTreeMap<&str, PersonNo> = BTreeMap::new();
    let answers = asked.values().flat_map(|asked| {
        let seen = seen.get(&asked.message).into_iter().flatten();
        seen.filter_map(|shown| Some((*asked, answerer(&shown.1)?.0)))
    });
    let (sure, open): (Vec<_>, Vec<_>) = answers.partition(|(asked, _)| asked.answerers.len() == 1);
    verdict.answers = sure.len() + open.len();
    verdict.raced = open.len();
    for (asked, user) in &sure {
        let [(person, _)] = asked.answerers[..] else { continue };
        verdict.by.insert(asked.message, (*user).to_owned());
        let known = verdict.users.entry(person).or_insert_with(|| (*user).to_owned());
        if known != user {
            flaws.insert(Flaw::Foreign(
                asked.message,
                (*user).to_owned(),
                people.get(user).copied(),
            ));
        }
        let first = *people.entry(user).or_insert(person);
        if first != person {
            flaws.insert(Flaw::Torn(asked.message, first, person));
        }
    }
    for (asked, user) in open {
        let known = people.get(user).copied();
        let may = |person: PersonNo| asked.answerers.iter().any(|(one, _)| *one == person);
        let fresh = || {
            let mut open = asked.answerers.iter().map(|(person, _)| *person);
            open.find(|person| !verdict.users.contains_key(person))
        };
        match known {
            Some(person) if may(person) => {}
            Some(person) => {
                flaws.insert(Flaw::Foreign(asked.message, user.to_owned(), Some(person)));
            }
            None => match fresh() {
                Some(person) => {
                    people.insert(user, person);
                    verdict.users.insert(person, user.to_owned());
                }
                None => {
                    flaws.insert(Flaw::Foreign(asked.message, user.to_owned(), None));
                }
            },
        }
    }
}

/// The name of a picture that is not sent is told where the picture would have been; that one had
/// to come is seen by its not coming.
fn withheld(asked: &BTreeMap<MessageNo, &Asked>, (place, text): &(Place, String)) -> Vec<Flaw> {
    let is_there =
        |message: &MessageNo| asked.get(message).is_some_and(|asked| asked.places.contains(place));
    let elsewhere = words(text).filter(|message| !is_there(message));
    elsewhere.map(|message| Flaw::Misplaced(message, place.clone())).collect()
}

fn recalled(
    records: &Records,
    asked: &BTreeMap<MessageNo, &Asked>,
    at: usize,
    (place, text): &(Place, String),
) -> Vec<Flaw> {
    // Whoever was there last: a number may have had another owner before.
    let here = records.recalled.iter();
    let here = here.filter(|recalled| recalled.since <= at && recalled.places.contains(place));
    let person = here.max_by_key(|recalled| recalled.since).map(|recalled| recalled.person);
    let mut flaws = Vec::new();
    for message in words(text) {
        let answers = |asked: &&Asked| asked.answerers.iter().any(|(one, _)| Some(*one) == person);
        if !asked.get(&message).is_some_and(answers) {
            flaws.push(Flaw::Recalled(message, person.unwrap_or(PersonNo(u32::MAX))));
        }
    }
    flaws
}

#[cfg(test)]
mod tests;
