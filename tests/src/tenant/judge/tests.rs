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
        file: None,
    }
}

fn answer(message: MessageNo, at: &str, user: &str, n: u32) -> (Place, String) {
    let session = format!("agent:main:hub:dm:{n}");
    let text = format!("echo: {}\n\nanswered by openclaw-{user} in {session}", spelled(message));
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
        files: Vec::new(),
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
    assert!(foreign.contains(&Flaw::Foreign(4, "two".into(), Some(PersonNo(2)))), "{foreign:?}");
    let raced = flaws(|it| it.shown[2] = answer(3, "b", "one", 1));
    assert_eq!(raced, [Flaw::Foreign(3, "one".into(), Some(PersonNo(1)))]);
    let shared = flaws(|it| it.shown[1] = answer(2, "b", "one", 1));
    assert!(shared.contains(&Flaw::Torn(2, PersonNo(1), PersonNo(2))), "{shared:?}");
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
fn bytes_in_the_wrong_place_are_seen() {
    let picture = |it: &mut Records| {
        it.asked.push(Asked { file: Some("f5".into()), ..asked(5, "a", &[1]) });
        it.asked.push(Asked { file: Some("f6".into()), ..asked(6, "b", &[2]) });
        let with = |(place, text): (Place, String), file: &str| {
            (place, text.replace("\n\nanswered", &format!("\n[bytes {file}]\n\nanswered")))
        };
        it.shown.push(with(answer(5, "a", "one", 1), "f5"));
        it.shown.push(with(answer(6, "b", "two", 1), "f6"));
        it.files = vec![(place("a"), "f5".into()), (place("b"), "f6".into())];
    };
    let with = |change: fn(&mut Records)| {
        flaws(|it| {
            picture(it);
            change(it);
        })
    };
    assert_eq!(with(|_| {}), []);
    assert_eq!(with(|it| it.files[0].0 = place("b")), [Flaw::Misplaced(5, place("b"))]);
    assert_eq!(with(|it| drop(it.files.remove(0))), [Flaw::NotBack(5, 0)]);
    assert_eq!(with(|it| it.files.push(it.files[0].clone())), [Flaw::NotBack(5, 2)]);
    let strange = with(|it| it.files.push((place("a"), "f9".into())));
    assert_eq!(strange, [Flaw::Strange(place("a"), "f9".into())]);
    let blind = with(|it| it.shown[5].1 = answer(5, "a", "one", 1).1);
    assert_eq!(blind, [Flaw::Blind(5)]);
    let foreign = with(|it| it.shown[5].1 += " [bytes f6]");
    assert_eq!(foreign, [Flaw::ForeignBytes(6)]);
    let refused = with(|it| it.asked[4].answerers.clear());
    assert!(refused.contains(&Flaw::Answered(5)), "{refused:?}");
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

#[test]
fn a_picture_that_is_withheld_is_told_of_where_it_would_have_been() {
    let told = |at: &str| {
        let text = format!("(Your assistant {NOT_SENT}: {}.png)", word(2));
        flaws(|records| {
            records.asked[1].must = false;
            records.asked[1].file = Some("abc".into());
            records.shown[1].1.push_str(" [bytes abc]");
            records.shown.push((place(at), text));
        })
    };
    assert_eq!(told("b"), []);
    assert_eq!(told("a"), [Flaw::Misplaced(2, place("a"))]);
}
