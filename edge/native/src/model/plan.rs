//! What the offline model does: told by directives in the last text, else it answers from the
//! conversation it was sent. It remembers nothing itself.
//!
//! `SAY:<text>` answers exactly that; `SLOW:<n>x<ms>` streams n words, one every ms milliseconds;
//! `TOOL:<name>:{json} ENDTOOL` calls a tool once and then quotes its result; `FAIL:<status>` fails;
//! `remind me in <n> seconds|minutes|hours to <words>` plans that in OpenClaw's own scheduler.

use std::time::Duration;

use serde_json::{Deserializer, Value, json};
use zaki_echo::{number, slow_words, status};
use zaki_edge_core::meter::Tokens;
use zaki_envelope::Timestamp;

use super::{ask::Ask, memory};

/// How the offline model's answers begin, so that nobody takes them for another's.
pub(crate) const MARK: &str = "[offline model]";
/// As much of a tool's result is quoted, in characters.
const QUOTED: usize = 300;
/// As many characters stream at once when there is no hurry.
const PIECE: usize = 24;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Answer in these pieces, this long apart.
    Say { pieces: Vec<String>, pause: Duration },
    /// Ask for a tool.
    Call { name: String, arguments: String },
    /// Fail with this status.
    Fail { status: u16 },
}

impl Plan {
    /// What the answer counts as: four bytes are about a token.
    pub(crate) fn tokens(&self, ask: &Ask) -> Tokens {
        let written = match self {
            Self::Say { pieces, .. } => pieces.iter().map(String::len).sum(),
            Self::Call { name, arguments } => name.len() + arguments.len(),
            Self::Fail { .. } => return Tokens::default(),
        };
        let tokens = |bytes: usize| bytes.div_ceil(4) as u64;
        Tokens { input: tokens(ask.size), output: tokens(written), ..Tokens::default() }
    }
}

/// Decides the answer to `ask`; the same request always gets the same answer.
pub(crate) fn plan(ask: &Ask) -> Plan {
    let text = ask.said.last().map_or("", String::as_str);
    let reminder = reminder(text);
    if let (Some(_), Some(result)) = (&reminder, &ask.tool_result) {
        let done = if result.contains("nextRunAtMs") { "I will." } else { "I could not note it." };
        return say(&format!("{MARK} {done}"));
    }
    if let Some(result) = &ask.tool_result {
        let quoted: String = result.chars().take(QUOTED).collect();
        return say(&format!("{MARK} The tool said: {quoted}"));
    }
    failure(text)
        .or_else(|| call(text))
        .or_else(|| reminder.map(|(wait_ms, what)| remind(ask.now.plus_ms(wait_ms), what)))
        .or_else(|| slow(text))
        .or_else(|| text.split_once("SAY:").map(|(_, said)| say(said)))
        .unwrap_or_else(|| say(&memory::reply(&ask.said)))
}

fn say(text: &str) -> Plan {
    let mut pieces = vec![String::new()];
    for (n, c) in text.chars().enumerate() {
        if n > 0 && n % PIECE == 0 {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    let pause = Duration::ZERO;
    Plan::Say { pieces, pause }
}

fn failure(text: &str) -> Option<Plan> {
    status(text).map(|status| Plan::Fail { status })
}

fn call(text: &str) -> Option<Plan> {
    let (_, rest) = text.split_once("TOOL:")?;
    let (name, rest) = rest.split_once(':')?;
    let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let mut values = Deserializer::from_str(rest).into_iter::<Value>();
    let arguments = values.next()?.ok().filter(Value::is_object)?;
    fits.then(|| Plan::Call { name: name.to_owned(), arguments: arguments.to_string() })
}

/// After how many milliseconds somebody wants to be reminded, and of what.
fn reminder(text: &str) -> Option<(i64, &str)> {
    let opening = "remind me in ";
    let (begin, rest) = text.trim().split_at_checked(opening.len())?;
    let (count, rest) = number(rest)?;
    let (unit, what) = rest.trim_start().split_once(" to ")?;
    let unit_ms = match unit.strip_suffix('s').unwrap_or(unit) {
        "second" => 1_000,
        "minute" => 60_000,
        "hour" => 3_600_000,
        _ => return None,
    };
    let wait = i64::try_from(count).ok()?.checked_mul(unit_ms)?;
    begin.eq_ignore_ascii_case(opening).then_some((wait, what.trim()))
}

fn remind(at: Timestamp, what: &str) -> Plan {
    let message = format!("SAY:{MARK} Reminder: {what}");
    let job = json!({"name": "Reminder", "schedule": {"kind": "at", "atMs": at.as_ms()},
                     "payload": {"kind": "agentTurn", "message": message}});
    let arguments = json!({"action": "add", "job": job}).to_string();
    Plan::Call { name: "automations".to_owned(), arguments }
}

fn slow(text: &str) -> Option<Plan> {
    let (pieces, pause) = slow_words(text)?;
    Some(Plan::Say { pieces, pause })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str, tool_result: Option<&str>) -> Ask {
        Ask {
            model: "offline".into(),
            stream: false,
            said: vec![text.to_owned()],
            tool_result: tool_result.map(str::to_owned),
            size: 9,
            now: Timestamp::from_ms(1_000),
        }
    }

    fn text(plan: &Plan) -> String {
        match plan {
            Plan::Say { pieces, .. } => pieces.concat(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn directives_say_what_to_do() {
        let plan = |text| plan(&asked(text, None));
        assert_eq!(text(&plan("x SAY: exactly\nthis ")), " exactly\nthis ");
        assert_eq!(plan("FAIL:500"), Plan::Fail { status: 500 });
        assert_eq!(plan("now FAIL:429 please"), Plan::Fail { status: 429 });
        let call = Plan::Call { name: "read".into(), arguments: r#"{"path":"a} b"}"#.into() };
        assert_eq!(plan(r#"TOOL:read:{"path": "a} b"} ENDTOOL rest"#), call);
        let slow = Plan::Say {
            pieces: vec!["word0 ".into(), "word1 ".into()],
            pause: Duration::from_millis(30),
        };
        assert_eq!(plan("SLOW:2x30 go"), slow);
    }

    #[test]
    fn half_a_directive_is_only_text() {
        for words in [
            "FAIL:abc",
            "FAIL:200",
            "FAIL:5é",
            "TOOL:read:nothing",
            "TOOL:read",
            "TOOL:a b:{}",
            "TOOL:x:[1]",
            "SLOW:x1",
            "SLOW:3",
            "SLOW:99999999999999999999x1",
        ] {
            let said = text(&plan(&asked(words, None)));
            assert!(said.starts_with(MARK) && said.contains(words), "{said}");
        }
    }

    #[test]
    fn slow_answers_are_bounded() {
        let Plan::Say { pieces, pause } = plan(&asked("SLOW:99999999x99999999", None)) else {
            panic!("no answer")
        };
        assert_eq!((pieces.len(), pause.as_secs()), (10_000, 60));
    }

    #[test]
    fn a_tool_is_called_once() {
        let answer = plan(&asked("TOOL:read:{}", Some(&"é".repeat(400))));
        assert_eq!(text(&answer), format!("{MARK} The tool said: {}", "é".repeat(300)));
    }

    #[test]
    fn a_reminder_is_planned_by_the_scheduler() {
        let planned = plan(&asked("Remind me in 20 seconds to drink tea", None));
        let Plan::Call { name, arguments } = planned else { panic!("{planned:?}") };
        let arguments: Value = serde_json::from_str(&arguments).unwrap();
        assert_eq!(
            (name.as_str(), &arguments["job"]["schedule"]["atMs"]),
            ("automations", &json!(21_000))
        );
        assert_eq!(
            arguments["job"]["payload"]["message"],
            "SAY:[offline model] Reminder: drink tea"
        );
        let said = |result| text(&plan(&asked("remind me in 1 hour to go", Some(result))));
        assert!(said(r#"{"nextRunAtMs": 1}"#).ends_with("I will."));
        assert!(said("error").ends_with("could not note it."));
        for words in [
            "remind me in 2 years to x",
            "remind me in a to b",
            "remind me in 99999999999999999 hours to x",
        ] {
            assert!(text(&plan(&asked(words, None))).contains(words));
        }
    }

    #[test]
    fn pieces_never_cut_a_character() {
        let long = "دردشة 😀 ".repeat(20);
        let plan = plan(&asked(&format!("SAY:{long}"), None));
        assert_eq!(text(&plan), long);
        assert!(matches!(plan, Plan::Say { ref pieces, .. } if pieces.len() > 5));
    }

    #[test]
    fn tokens_count_both_ways() {
        let ask = asked("SAY:12345", None);
        let tokens = plan(&ask).tokens(&ask);
        assert_eq!((tokens.input, tokens.output), (3, 2));
        assert_eq!(Plan::Fail { status: 500 }.tokens(&ask), Tokens::default());
    }
}
