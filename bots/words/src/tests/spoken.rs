//! Everything said in every language, and read as each platform shows it.

use std::collections::BTreeMap;

use zaki_channel::{Dialect, Rich};
use zaki_envelope::ChannelKind;

use super::{
    samples::{self, CODE, COUNTS, NOW, URL, at},
    voices,
};
use crate::{
    Access, Audience, Button, Erase, Export, Help, Lang, Linking, Loss, Lost, Mode, Modes,
    Pairings, Say, Sessions, Turn, Voice, Way, direction::is_bidi_mark,
};

const DIALECTS: [Dialect; 5] =
    [Dialect::Plain, Dialect::TelegramHtml, Dialect::Discord, Dialect::Slack, Dialect::WhatsApp];

const AR: Voice = Voice::new(Lang::Ar);

/// What is left where a variable was missing or a phrase was not found.
fn is_broken(text: &str) -> bool {
    text.contains("{$") || text.contains("{ ") || text.contains("-failed-") || text.is_empty()
}

#[test]
fn everything_can_be_said_in_every_language() {
    for voice in voices() {
        for sample in samples::all() {
            let said = sample.say(voice);
            assert!(!is_broken(&said), "{voice:?}: {said}");
            assert_eq!(said, said.trim(), "{voice:?}");
            assert!(!said.contains("\n\n\n"), "{voice:?}: {said}");
        }
    }
}

#[test]
fn no_two_languages_say_the_same() {
    for sample in samples::all() {
        let said = voices().map(|voice| sample.say(voice));
        for (n, one) in said.iter().enumerate() {
            assert!(!said[n + 1..].contains(one), "{one}");
        }
    }
}

#[test]
fn every_dialect_shows_what_was_said_and_no_markdown() {
    for voice in voices() {
        for sample in samples::all() {
            let rich = Rich::parse(&sample.say(voice));
            for dialect in DIALECTS {
                assert!(!rich.render(dialect).is_empty());
            }
            let plain = rich.render(Dialect::Plain);
            // What a label or an excerpt had of its own stays to be seen.
            let harmless = ["*البطل*", "[x](https://evil.example)", "`الطقس`", "*Berlin*", "gpt*"]
                .iter()
                .fold(plain.clone(), |text, of_theirs| text.replace(of_theirs, ""))
                .replace("`hi`\n```", "");
            for mark in ["`", "**", "](", "\\"] {
                let shown = harmless.replace("\\u{202e}", "");
                assert!(!shown.contains(mark), "{voice:?}: {mark} in {plain}");
            }
        }
    }
}

/// Lines of what was said, as WhatsApp shows it: without any markup but its own.
fn shown(said: &impl Say, voice: Voice) -> Vec<String> {
    let text = Rich::parse(&said.say(voice)).render(Dialect::WhatsApp);
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn codes_and_addresses_stand_alone_and_bare() {
    let ways = &[Way { channel: ChannelKind::Telegram, text: "", url: Some(URL), prefilled: true }];
    let (until, now) = (at(600_000), NOW);
    for voice in voices() {
        let lines = shown(&Linking::Code { code: CODE, expires_at: until, now, ways }, voice);
        assert!(lines.contains(&format!("`{CODE}`")), "{lines:?}");
        assert!(lines.contains(&URL.to_owned()), "{lines:?}");
        let lines = shown(&Access::Pairing { code: CODE, until, now }, voice);
        assert!(lines.contains(&format!("`{CODE}`")), "{lines:?}");
        let who = "علي";
        let asked = Pairings::Asked { code: CODE, who, channel: ChannelKind::Slack };
        assert!(shown(&asked, voice).contains(&format!("`{CODE}`")), "{voice:?}");
        let lines = shown(&Export::Ready { url: URL, until, now }, voice);
        assert!(lines.contains(&URL.to_owned()), "{lines:?}");
        let lines = shown(&Erase::Asked { code: CODE, until, now }, voice);
        assert!(lines.contains(&format!("`/erase {CODE}`")), "{lines:?}");
    }
}

#[test]
fn what_is_copied_has_no_mark_inside_it_nor_does_an_address_touch_one() {
    for voice in voices() {
        for sample in samples::all() {
            let said = sample.say(voice);
            let telegram = Rich::parse(&said).render(Dialect::TelegramHtml);
            for code in telegram.split("<code>").skip(1) {
                let code = code.split("</code>").next().unwrap();
                assert!(!code.contains(is_bidi_mark), "{code:?} in {said}");
            }
            for line in telegram.lines().filter(|line| line.contains("href")) {
                assert!(!line.contains(is_bidi_mark), "{line}");
                assert!(line.starts_with("<a ") && line.ends_with("</a>"), "{line}");
            }
        }
    }
}

#[test]
fn marks_come_in_pairs_on_one_line_and_only_where_two_directions_meet() {
    for voice in voices() {
        for sample in samples::all() {
            for line in sample.say(voice).lines() {
                let depths = line.chars().scan(0_i32, |depth, c| {
                    *depth += i32::from(c == '\u{2068}') - i32::from(c == '\u{2069}');
                    Some(*depth)
                });
                let depths: Vec<_> = depths.collect();
                assert!(depths.iter().all(|depth| (0..=1).contains(depth)), "{line:?}");
                assert_eq!(depths.last().unwrap_or(&0), &0, "{line:?}");
                let has_arabic = line.chars().any(|c| ('\u{600}'..='\u{6ff}').contains(&c));
                let may = has_arabic || voice.lang.is_rtl();
                assert!(may || !line.contains(is_bidi_mark), "{line:?}");
            }
        }
    }
}

#[test]
fn in_arabic_everything_foreign_is_set_apart_and_lines_begin_on_the_right() {
    for sample in samples::all() {
        let said = Rich::parse(&sample.say(AR)).render(Dialect::Plain);
        for line in said.lines().filter(|line| line.contains("ال")) {
            let mut isolated = false;
            let outside: String = line
                .chars()
                .filter(|c| {
                    isolated = (isolated || *c == '\u{2068}') && *c != '\u{2069}';
                    !isolated
                })
                .collect();
            let foreign = outside.chars().any(|c| c.is_ascii_alphabetic());
            let theirs = line.contains("So far") || line.contains("echo");
            assert!(!foreign || theirs, "{line:?}");
            let first = line.chars().find(|c| c.is_alphabetic() || *c == '\u{200f}');
            assert!(first.is_none_or(|c| !c.is_ascii_alphabetic()), "{line:?}");
        }
    }
}

#[test]
fn a_command_is_shown_as_it_is_typed_there() {
    let on = |channel| Turn::Idle.say(Voice::on(Lang::En, channel));
    assert!(!on(ChannelKind::Slack).contains("/zaki"));
    let new = |channel| Sessions::New { name: None }.say(Voice::on(Lang::Ar, channel));
    for channel in [ChannelKind::Telegram, ChannelKind::WhatsApp] {
        assert!(new(channel).contains("\u{2068}`/session`\u{2069}"), "{}", new(channel));
    }
    for channel in [ChannelKind::Slack, ChannelKind::Discord] {
        assert!(new(channel).contains("\u{2068}`/zaki /session`\u{2069}"), "{}", new(channel));
        // What is typed elsewhere, and what the agent wrote, is not changed.
        let voice = Voice::on(Lang::En, channel);
        let way =
            Way { channel: ChannelKind::WhatsApp, text: "/link A", url: None, prefilled: false };
        let code = Linking::Code { code: CODE, expires_at: NOW, now: NOW, ways: &[way] };
        assert!(code.say(voice).contains("\n`/link A`"), "{}", code.say(voice));
        let partial = "Use `/x`";
        assert!(Turn::Halted { partial }.say(voice).starts_with("Use `/x`\n\n("));
    }
}

#[test]
fn help_has_a_line_for_each_command_of_its_audience() {
    const ALL: [&str; 17] = [
        "help", "new", "stop", "status", "link", "links", "unlink", "session", "model", "usage",
        "mode", "approve", "deny", "lang", "export", "erase", "feedback",
    ];
    for voice in voices() {
        let direct = Help(Audience::Direct).say(voice);
        let group = Help(Audience::Group).say(voice);
        for command in ALL {
            let shown = [format!("`/{command}`"), format!("`/{command} …`")];
            assert!(shown.iter().any(|it| direct.contains(it)), "{command}: {direct}");
            let private = ["new", "link", "session", "erase", "export", "model", "usage"];
            let in_group = shown.iter().any(|it| group.contains(it));
            assert!(!in_group || !private.contains(&command), "{command}: {group}");
        }
        assert_eq!(direct.matches("\n- ").count(), ALL.len());
        assert!(Help(Audience::Owner).say(voice).starts_with(&direct));
    }
}

#[test]
fn every_number_has_its_own_words() {
    for voice in voices() {
        let mut said = BTreeMap::new();
        for n in COUNTS {
            let text = Turn::Queued { ahead: n }.say(voice);
            assert_eq!(said.insert(text, n), None, "{voice:?}: {n}");
        }
    }
    let arabic = |n| Turn::Stopped { partial: "", cleared: n }.say(AR);
    for (n, word) in [(1, "رسالة"), (2, "رسالتان"), (3, "رسائل"), (11, "رسالة"), (100, "رسالة")]
    {
        assert!(arabic(n).contains(word), "{n}: {}", arabic(n));
    }
}

#[test]
fn the_words_of_earlier_releases_are_kept() {
    let english = Voice::new(Lang::En);
    let stopped = Turn::Stopped { partial: "So", cleared: 2 }.say(english);
    assert_eq!(
        stopped,
        "So\n\n(Stopped. 2 messages of yours that were waiting were set aside, too.)"
    );
    let lost = |answers, minutes: i64| Some(Lost { answers, first: at(-minutes * 60_000) });
    let said = Loss { unknown: lost(1, 1), dead: lost(2, 2000), now: NOW }.say(english);
    assert!(said.starts_with("An answer of mine from 1 minute ago may not"), "{said}");
    assert!(said.contains("2 of my answers, the first from 1 day ago, could not"), "{said}");
    let said = Loss { unknown: None, dead: lost(1, 0), now: NOW }.say(english);
    assert!(said.starts_with("An answer of mine could not be delivered"), "{said}");
    let help = Modes::Help { now: Mode::Steer }.say(english);
    for mode in ["queue", "steer", "interrupt"] {
        assert!(help.contains(&format!("\n- `/mode {mode}`: ")), "{help}");
    }
}

#[test]
fn labels_of_buttons_are_short_and_plain() {
    for voice in voices() {
        for label in Button::ALL.map(|button| button.say(voice)) {
            assert!(label.chars().count() <= 20, "{label}");
            let plain = |c: char| c.is_alphabetic() || " ,،\u{64b}".contains(c);
            assert!(label.chars().all(plain), "{label:?}");
        }
    }
}
