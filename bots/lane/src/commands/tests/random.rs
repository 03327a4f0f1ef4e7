//! Whatever somebody may write.

use proptest::prelude::*;

use super::*;
use crate::commands::args::is_blank;

/// A text with nothing around it, as a command keeps it.
fn any_text() -> impl Strategy<Value = String> {
    "\\PC{1,40}|[a-z :/@\n]{1,20}".prop_filter_map("blank", |text| {
        let text = text.trim_matches(is_blank);
        (!text.is_empty()).then(|| text.to_owned())
    })
}

fn any_code() -> impl Strategy<Value = Code> {
    prop_oneof![
        8 => "[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}|[2-9a-hj-np-z]{8}".prop_map(|it| given(&it)),
        1 => "x[a-z0-9_-]{3,36}z".prop_map(|it| given(&it)),
        1 => Just(Code::Redacted),
    ]
}

fn maybe<T: std::fmt::Debug + Clone>(
    some: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    prop::option::of(some)
}

fn any_command() -> impl Strategy<Value = Command> {
    use Command as C;
    let mode = prop::sample::select(Mode::ALL.to_vec());
    let group_mode = prop::sample::select(GroupMode::ALL.to_vec());
    let name = prop::sample::select(TABLE.iter().map(|row| row.name).collect::<Vec<_>>());
    let decision = prop::sample::select(vec![Decision::Once, Decision::Always]);
    let plain = vec![
        C::Stop,
        C::Status,
        C::Links,
        C::Usage,
        C::Export,
        C::Link(Link::Offer),
        C::Session(Session::List),
        C::Session(Session::Here),
        C::Erase(Erase::Ask),
        C::Erase(Erase::Cancel),
        C::Misused(Name::Unlink),
        C::Misused(Name::Session),
    ];
    prop_oneof![
        prop::sample::select(plain),
        maybe(name).prop_map(C::Help),
        maybe(any_text()).prop_map(C::New),
        any_code().prop_map(|code| C::Link(Link::Redeem(code))),
        maybe("[0-9a-f]{16}").prop_map(|it| C::Link(Link::Confirm(it))),
        maybe("[0-9a-f]{16}").prop_map(|it| C::Link(Link::Cancel(it))),
        maybe(1..u32::MAX).prop_map(C::Unlink),
        (1..u32::MAX).prop_map(|n| C::Session(Session::Switch(n))),
        any_text().prop_map(|name| C::Session(Session::Name(name))),
        maybe("[a-zA-Z0-9./:_-]{1,20}".prop_map(String::from)).prop_map(C::Model),
        maybe(mode).prop_map(C::Mode),
        maybe(group_mode).prop_map(C::GroupMode),
        (maybe(any_code()), decision).prop_map(|(what, how)| C::Approve { what, how }),
        maybe(any_code()).prop_map(C::Deny),
        maybe("[a-z]{2}(-[A-Z]{2})?".prop_map(String::from)).prop_map(C::Lang),
        maybe(any_code()).prop_map(|code| C::Erase(Erase::Confirm(code))),
        maybe(any_text()).prop_map(C::Feedback),
        maybe(any_code()).prop_map(C::Start),
    ]
}

/// Where a command means what it is.
fn place(command: &Command) -> &'static str {
    if matches!(command, Command::GroupMode(_)) { "group" } else { "direct" }
}

fn kind_of(name: &str) -> String {
    format!(r#"{{"type":"command","name":"{name}"}}"#)
}

/// The ways to give a command.
fn ways(command: &Command) -> Vec<Inbound> {
    let (spoken, place) = (command.spoken(), place(command));
    let name = command.name().as_str();
    let rest = spoken.strip_prefix('/').unwrap().strip_prefix(name).unwrap();
    let mut button = inbound(MESSAGE, place, "A label");
    button.kind = zaki_envelope::InboundKind::Button { data: command.button() };
    vec![
        inbound(MESSAGE, place, &spoken),
        inbound(MESSAGE, place, &format!(" \u{200f}{spoken} \u{200e}")),
        inbound(MESSAGE, place, &format!("/{}@bot{rest}", name.to_uppercase())),
        inbound(MESSAGE, place, &format!("/zaki {spoken}")),
        inbound(ZAKI, place, &spoken),
        inbound(&kind_of(name), place, rest),
        inbound(&kind_of(&format!("/{name}")), place, rest),
        button,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_spoken_is_understood_whichever_way(command in any_command()) {
        for way in ways(&command) {
            let understood = Command::of(&way);
            prop_assert_eq!(understood.as_ref(), Some(&command), "{:?}", way);
        }
    }

    #[test]
    fn no_text_without_a_slash_is_a_command(text in "\\PC{0,60}|[a-z/ ]{0,30}|(stop|link|new).*") {
        prop_assume!(!text.trim_start_matches(is_blank).starts_with('/'));
        prop_assert_eq!(said(&text), None);
        let mut message = inbound(MESSAGE, "direct", &text);
        prop_assert_eq!(redact(&mut message), None);
        prop_assert_eq!(message, inbound(MESSAGE, "direct", &text));
    }

    #[test]
    fn no_other_command_is_ours(name in "[a-z_-]{1,12}|\\PC{0,12}", rest in "\\PC{0,40}") {
        let known = TABLE.iter().flat_map(|row| row.aliases.iter().chain([&row.word]));
        let head: String = name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
        prop_assume!(known.chain([&"zaki"]).all(|known| !head.starts_with(known)));
        let text = format!("/{name} {rest}");
        // A name may be empty, and what follows begins with a slash of its own.
        prop_assume!(!name.contains('/') && !name.trim_matches(is_blank).is_empty());
        prop_assert_eq!(said(&text), None, "{:?}", text);
    }

    /// Behind `/zaki`, sentences are the agent's, whichever word they begin with.
    #[test]
    fn what_is_said_to_the_agent_is_not_eaten(
        first in prop::sample::select(TABLE.iter().map(|row| row.word).collect::<Vec<_>>()),
        words in prop::collection::vec("[a-z]{1,10}[,.?]?", 2..9),
    ) {
        let text = format!("{first} {}", words.join(" "));
        prop_assert_eq!(behind(&text), None, "{:?}", text);
    }

    #[test]
    fn whatever_arrives_is_read(
        text in "\\PC{0,80}|(/[a-z]{0,8}[ :@]?){0,4}\\PC{0,30}",
        kind in prop::sample::select(vec![
            MESSAGE.to_owned(),
            ZAKI.to_owned(),
            kind_of("link"),
            kind_of(""),
            r#"{"type":"edit","target":"1"}"#.to_owned(),
            r#"{"type":"button","data":"zaki:/link x"}"#.to_owned(),
        ]),
        place in prop::sample::select(vec!["direct", "group", "channel"]),
    ) {
        let mut message = inbound(&kind, place, &text);
        let before = Command::of(&message);
        let secret = redact(&mut message);
        let after = Command::of(&message);
        match secret {
            None => prop_assert_eq!(before, after),
            Some(secret) => {
                prop_assert_eq!(redact(&mut message), None, "twice");
                prop_assert_eq!(before, after.map(|command| command.restore(secret)));
            }
        }
        let _ = redact_bare(&mut message);
    }

    /// No code is left anywhere in what is stored.
    #[test]
    fn a_code_is_taken_out_wherever_it_stands(command in any_command()) {
        for way in ways(&command) {
            let (mut message, before) = (way.clone(), Command::of(&way));
            let Some(secret) = redact(&mut message) else {
                prop_assert!(is_no_secret(&command), "{:?}", command);
                continue;
            };
            let code = secret.expose().to_owned();
            let stored = format!("{message:?}");
            prop_assert!(!stored.contains(&code), "{}", stored);
            let after = Command::of(&message).map(|command| command.restore(secret));
            prop_assert_eq!(before, after);
        }
    }
}

/// Whether there is nothing in it to take out: an approval by an id that is no code.
fn is_no_secret(command: &Command) -> bool {
    match (command, command.code()) {
        (_, None | Some(Code::Redacted)) => true,
        (Command::Approve { .. } | Command::Deny(_), Some(Code::Given(id))) => {
            id.expose().starts_with('x')
        }
        _ => false,
    }
}
