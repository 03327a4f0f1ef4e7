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
    /// One person had two sandboxes, or two had one.
    Torn(PersonNo, String),
    /// Shown, but never asked.
    Invented(MessageNo),
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
        for message in words(&shown.1) {
            seen.entry(message).or_default().push(shown);
        }
    }
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
        if *people.entry(user).or_insert(person) != person {
            flaws.insert(Flaw::Torn(person, (*user).to_owned()));
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
mod tests {
    use super::*;

    fn place(id: &str) -> Place {
        (ChannelKind::Telegram, id.to_owned())
    }

    fn asked(message: MessageNo, at: &str, people: &[u32]) -> Asked {
        let answerers = people.iter().map(|person| (PersonNo(*person), 1)).collect();
        Asked {
            message,
            by: message,
            places: vec![place(at)],
            answerers,
            shared: false,
            must: true,
        }
    }

    fn answer(message: MessageNo, at: &str, user: &str, n: u32) -> (Place, String) {
        let session = format!("agent:main:hub:dm:{n}");
        let text =
            format!("echo: {}\n\nanswered by openclaw-{user} in {session}", spelled(message));
        (place(at), text)
    }

    fn good() -> Records {
        Records {
            asked: vec![
                asked(1, "a", &[1]),
                asked(2, "b", &[2]),
                asked(3, "b", &[2, 3]),
                asked(4, "a", &[1]),
            ],
            recalled: vec![
                Recalled { since: 3, places: vec![place("a")], person: PersonNo(1) },
                Recalled { since: 9, places: vec![place("a")], person: PersonNo(2) },
            ],
            erased: vec![2],
            kept: BTreeSet::from([1, 3, 4]),
            shown: vec![
                answer(1, "a", "one", 1),
                answer(2, "b", "two", 1),
                answer(3, "b", "three", 1),
                answer(4, "a", "one", 1),
                (place("a"), format!("{RECALLS}: x\nYou: {}", spelled(1))),
            ],
        }
    }

    fn flaws(change: impl FnOnce(&mut Records)) -> Vec<Flaw> {
        let mut records = good();
        change(&mut records);
        judge(&records).flaws
    }

    #[test]
    fn nothing_is_wrong_with_walls_that_hold() {
        let verdict = judge(&good());
        assert_eq!(verdict.flaws, []);
        assert_eq!((verdict.answers, verdict.raced), (4, 1));
        assert_eq!(verdict.users[&PersonNo(3)], "three", "whoever wins a race is who it was");
    }

    #[test]
    fn every_breach_is_seen() {
        let foreign = flaws(|it| it.shown[3] = answer(4, "a", "two", 1));
        assert!(
            foreign.contains(&Flaw::Foreign(4, "two".into(), Some(PersonNo(2)))),
            "{foreign:?}"
        );
        let raced = flaws(|it| it.shown[2] = answer(3, "b", "one", 1));
        assert_eq!(raced, [Flaw::Foreign(3, "one".into(), Some(PersonNo(1)))]);
        let shared = flaws(|it| it.shown[1] = answer(2, "b", "one", 1));
        assert!(shared.contains(&Flaw::Torn(PersonNo(2), "one".into())), "{shared:?}");
        let session = flaws(|it| it.shown[3] = answer(4, "a", "one", 2));
        assert_eq!(session, [Flaw::OtherSession(4, "agent:main:hub:dm:2".into())]);
        let misplaced = flaws(|it| it.shown[3] = answer(4, "b", "one", 1));
        assert_eq!(misplaced, [Flaw::Misplaced(4, place("b"))]);
        assert_eq!(flaws(|it| drop(it.shown.remove(3))), [Flaw::Unanswered(4)]);
        assert_eq!(flaws(|it| it.shown.push(answer(4, "a", "one", 1))), [Flaw::Twice(4)]);
        assert_eq!(flaws(|it| it.shown.push(answer(9, "a", "one", 1))), [Flaw::Invented(9)]);
        let blocked = flaws(|it| it.asked[3].answerers.clear());
        assert!(blocked.contains(&Flaw::Answered(4)), "{blocked:?}");
        let reminded = flaws(|it| it.shown[4].1 += &[" ", &spelled(2)].concat());
        assert_eq!(reminded, [Flaw::Recalled(2, PersonNo(1))]);
        let before = flaws(|it| it.recalled[0].since = 5);
        assert_eq!(before, [Flaw::Recalled(1, PersonNo(u32::MAX))]);
        let kept = flaws(|it| it.kept.extend([2]));
        assert_eq!(kept, [Flaw::Kept(2)]);
        let silent = flaws(|it| it.shown[3].1 = spelled(4));
        assert_eq!(silent, [Flaw::Anonymous(4)]);
    }

    #[test]
    fn a_group_has_a_session_of_its_own() {
        let mut group = asked(5, "-100", &[1]);
        group.shared = true;
        let shown = |session: &str| {
            let text = format!("{}\nanswered by openclaw-one in {session}", spelled(5));
            (place("-100"), text)
        };
        let with = |session: &str| {
            flaws(|it| {
                it.asked.push(group.clone());
                it.shown.push(shown(session));
            })
        };
        assert_eq!(with("agent:group:hub:telegram:-:-100"), []);
        assert!(!with("agent:main:hub:dm:1").is_empty());
        assert!(!with("agent:group:hub:telegram:-:-200").is_empty());
    }
}
