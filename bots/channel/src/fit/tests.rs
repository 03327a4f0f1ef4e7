//! What is asked of every dialect and limit, and each rule of degrading once.

use std::time::Duration;

use zaki_envelope::{Choice, MediaKind, MediaRef, MessageId, Outbound, Part, Presence, plain_text};

use super::fit;
use crate::{
    Capabilities, ChoiceLimits, Dialect, FileLimit, Pace, Recourse, Support, TextLimit, Unit,
};

const FULL: Capabilities = Capabilities {
    text: TextLimit { max: 4096, unit: Unit::Utf16 },
    dialect: Dialect::TelegramHtml,
    edit: Support::Full,
    retract: Support::Full,
    react: Support::Full,
    reply: Support::Full,
    typing: Support::Full,
    typing_refresh: Duration::from_secs(4),
    media: Support::Full,
    files: &[FileLimit { mime: "image/", max: 10 }, FileLimit { mime: "", max: 5 }],
    choices: Some(ChoiceLimits {
        count: 2,
        label: TextLimit { max: 5, unit: Unit::CodePoints },
        data: TextLimit { max: 8, unit: Unit::Bytes },
    }),
    window: None,
    pace: Pace { conversation: &[], account: &[] },
    recourse: Recourse::None,
};

fn texts(outbounds: &[Outbound]) -> Vec<String> {
    let text = |outbound: &Outbound| match outbound {
        Outbound::Post { parts, .. } | Outbound::Edit { parts, .. } => plain_text(parts),
        other => panic!("{other:?} holds no text"),
    };
    outbounds.iter().map(text).collect()
}

fn limited(max: usize, dialect: Dialect) -> Capabilities {
    let unit = Unit::CodePoints;
    Capabilities { text: TextLimit { max, unit }, dialect, ..FULL }
}

fn pieces(markdown: &str, max: usize, dialect: Dialect) -> Vec<String> {
    texts(&fit(Outbound::post(markdown), &limited(max, dialect)))
}

#[test]
fn every_dialect_and_unit_passes_the_testkit() {
    use Dialect::{Discord, Plain, Slack, TelegramHtml, WhatsApp};
    for dialect in [Plain, TelegramHtml, Discord, Slack, WhatsApp] {
        for (max, unit) in [(1000, Unit::Utf16), (4096, Unit::CodePoints)] {
            let text = TextLimit { max, unit };
            crate::testkit::capable(&Capabilities { text, dialect, ..FULL });
        }
    }
    let text = TextLimit { max: 4096, unit: Unit::Bytes };
    crate::testkit::capable(&Capabilities { text, ..FULL });
}

#[test]
fn a_long_text_is_split_at_the_best_place() {
    let text = "First one. Second one here.\nThird line\n\nA new paragraph that goes on.";
    assert_eq!(
        pieces(text, 45, Dialect::Plain),
        ["First one. Second one here.\nThird line", "A new paragraph that goes on."]
    );
    assert_eq!(
        pieces(text, 35, Dialect::Plain),
        ["First one. Second one here.", "Third line", "A new paragraph that goes on."]
    );
    assert_eq!(
        pieces("One two three. Four five six seven", 20, Dialect::Plain),
        ["One two three.", "Four five six seven"]
    );
    assert_eq!(pieces("One two three four", 10, Dialect::Plain), ["One two", "three four"]);
    assert_eq!(pieces("一二三。四五六七", 5, Dialect::Plain), ["一二三。", "四五六七"]);
}

#[test]
fn no_border_falls_inside_a_letter_as_people_see_it() {
    let family = "👩‍👩‍👧‍👦";
    let pieces = pieces(&family.repeat(10), 20, Dialect::Plain);
    assert!(pieces.iter().all(|piece| piece.replace(family, "").is_empty()));
    let zalgo = format!("e{}", "\u{301}".repeat(100));
    let split = self::pieces(&zalgo, 20, Dialect::Plain);
    assert_eq!(split.concat(), zalgo);
    assert!(split.iter().all(|piece| piece.chars().count() <= 20));
}

#[test]
fn styles_and_fences_go_on_over_a_split() {
    assert_eq!(pieces("**one two three**", 12, Dialect::Discord), ["**one two**", "**three**"]);
    assert_eq!(
        pieces("```rs\nlet a = 1;\n  let b;\n```", 22, Dialect::Discord),
        ["```rs\nlet a = 1;\n```", "```rs\n  let b;\n```"]
    );
    assert_eq!(
        pieces("> ab cd", 29, Dialect::TelegramHtml),
        ["<blockquote>ab</blockquote>", "<blockquote>cd</blockquote>"]
    );
}

#[test]
fn what_the_rendering_adds_is_counted() {
    let pieces = pieces(&"& ".repeat(100), 20, Dialect::TelegramHtml);
    assert!(pieces.iter().all(|piece| piece.len() <= 20), "{pieces:?}");
    assert_eq!(pieces.join(" "), vec!["&amp;"; 100].join(" "));
}

#[test]
fn a_reply_answers_with_its_first_piece_and_an_edit_changes_with_it() {
    let small = limited(12, Dialect::Plain);
    let parts = || vec![Part::text("one two three four")];
    let target = MessageId::new("7");
    let posted = fit(Outbound::Post { parts: parts(), reply_to: Some(target.clone()) }, &small);
    let replies: Vec<bool> = posted
        .iter()
        .map(|outbound| matches!(outbound, Outbound::Post { reply_to: Some(_), .. }))
        .collect();
    assert_eq!(replies, [true, false]);
    let edited = fit(Outbound::Edit { target, parts: parts() }, &small);
    assert!(matches!(edited[0], Outbound::Edit { .. }));
    assert!(matches!(edited[1], Outbound::Post { reply_to: None, .. }));
    assert_eq!(texts(&posted), texts(&edited));
}

#[test]
fn what_is_lacking_is_degraded_by_its_level() {
    let target = MessageId::new("7");
    let with = |level: Support| Capabilities {
        edit: level,
        retract: level,
        react: level,
        reply: level,
        typing: level,
        media: level,
        ..FULL
    };
    let edit = Outbound::Edit { target: target.clone(), parts: vec![Part::text("new")] };
    let post = [Outbound::post("new")];
    assert_eq!(fit(edit.clone(), &with(Support::Fallback)), post);
    assert_eq!(fit(edit.clone(), &with(Support::Dropped)), post);
    assert_eq!(fit(edit, &with(Support::Rejected)), []);
    let reply = Outbound::Post { parts: vec![Part::text("new")], reply_to: Some(target.clone()) };
    assert_eq!(fit(reply, &with(Support::Dropped)), post);
    let react = Outbound::React { target: target.clone(), emoji: Some("👍".to_owned()) };
    let typing = Outbound::Presence { presence: Presence::Typing, about: None };
    assert_eq!(fit(typing.clone(), &with(Support::Fallback)), std::slice::from_ref(&typing));
    for small in [react, typing, Outbound::Retract { target }] {
        assert_eq!(fit(small.clone(), &FULL), std::slice::from_ref(&small));
        assert_eq!(fit(small, &with(Support::Dropped)), []);
    }
}

#[test]
fn files_places_and_people_become_lines_where_they_must() {
    let photo = Part::Media {
        kind: MediaKind::Image,
        reference: MediaRef::new("r"),
        mime: None,
        name: Some("cat_*.png".to_owned()),
        size: None,
    };
    let place = Part::Location { latitude: 1.5, longitude: -2.0, name: None };
    let card = Part::Contact { name: "Ann".to_owned(), phones: vec!["+1".to_owned()] };
    let post = |parts: Vec<Part>| Outbound::Post { parts, reply_to: None };
    let all = post(vec![Part::text("See:"), photo.clone(), place, card]);
    let media = |media: Support| Capabilities { media, ..FULL };
    assert_eq!(
        texts(&fit(all.clone(), &media(Support::Fallback))),
        ["See:\n\n[image: cat_*.png]\n\n1.5, -2\n\nAnn, +1"]
    );
    assert_eq!(texts(&fit(all.clone(), &media(Support::Dropped))), ["See:\n\n1.5, -2\n\nAnn, +1"]);
    assert_eq!(fit(all.clone(), &media(Support::Rejected)), []);
    assert_eq!(
        fit(all, &FULL),
        [Outbound::post("See:"), post(vec![photo]), Outbound::post("1.5, -2\n\nAnn, +1")]
    );
}

#[test]
fn nothing_to_say_sends_nothing() {
    for nothing in ["", " \n ", "\u{a0}", "**", "```\n```"] {
        let sent = texts(&fit(Outbound::post(nothing), &FULL));
        assert!(sent.iter().all(|text| !text.trim().is_empty()), "{nothing:?}: {sent:?}");
    }
    assert_eq!(fit(Outbound::post(""), &FULL), []);
}
#[test]
fn however_small_the_limit_no_piece_is_longer_and_no_letter_is_lost() {
    let text =
        "(**x**y **long** *a***b**c & `d` ~~e~~) [f](https://e.org)\n> q & r\n```\ns\n\nt\n```";
    // Nine letters fit, since in mid-word no marks are written; cut at the space, they are: 16.
    let longer_when_shorter = pieces("***<<xxxx y***cdddddddd", 15, Dialect::Slack);
    assert!(longer_when_shorter.iter().all(|piece| piece.len() <= 15), "{longer_when_shorter:?}");
    let letters = |text: &str| text.replace(|c: char| !c.is_ascii_lowercase(), "");
    for max in 5..60 {
        let dialects = [Dialect::TelegramHtml, Dialect::Discord, Dialect::Slack, Dialect::Plain];
        for dialect in dialects {
            let pieces = pieces(text, max, dialect);
            for piece in &pieces {
                assert!(piece.chars().count() <= max, "{dialect:?} {max}: {piece:?}");
            }
            if dialect == Dialect::Plain {
                let seen = letters(&pieces.concat()).replace("httpseorg", "");
                assert_eq!(seen, "xylongabcdefqrst", "{max}: {pieces:?}");
            }
        }
    }
}

fn ask(choices: &[(&str, &str)]) -> Outbound {
    let choice = |(label, data): &(&str, &str)| Choice {
        label: (*label).to_owned(),
        data: (*data).to_owned(),
    };
    let choices = Part::Choices { choices: choices.iter().map(choice).collect() };
    Outbound::Post { parts: vec![Part::text("Go on?"), choices], reply_to: None }
}

fn shown(outbounds: &[Outbound]) -> Vec<usize> {
    let count = |outbound: &Outbound| match outbound {
        Outbound::Post { parts, .. } => match parts.last() {
            Some(Part::Choices { choices }) => choices.len(),
            _ => 0,
        },
        other => panic!("{other:?} is no post"),
    };
    outbounds.iter().map(count).collect()
}

#[test]
fn buttons_stand_under_the_last_words_or_nowhere() {
    let two = [("yes", "y"), ("no", "n")];
    assert_eq!(shown(&fit(ask(&two), &FULL)), [2]);
    assert_eq!(shown(&fit(ask(&two), &Capabilities { choices: None, ..FULL })), [0]);
    for odd in [
        &[("yes", "y"), ("no", "n"), ("maybe", "m")][..],
        &[("rather", "y")],
        &[("yes", "ÿÿÿÿÿ")],
        &[("", "y")],
        &[("yes", "")],
        &[],
    ] {
        let fitted = fit(ask(odd), &FULL);
        assert_eq!(shown(&fitted), [0], "{odd:?}");
        assert_eq!(texts(&fitted), ["Go on?"], "the words are said all the same");
    }
    let Outbound::Post { mut parts, .. } = ask(&two) else { unreachable!() };
    parts[0] = Part::text("a word ".repeat(30));
    let long = fit(Outbound::Post { parts, reply_to: None }, &limited(100, Dialect::Plain));
    assert_eq!(shown(&long).last(), Some(&2));
    assert!(shown(&long).len() > 1 && shown(&long)[..long.len() - 1].iter().all(|n| *n == 0));
}
