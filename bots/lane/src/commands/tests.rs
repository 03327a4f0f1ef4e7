//! What is a command and what is not, by hand and by whatever somebody may write.

mod random;
mod scripts;
mod secrets;

use std::collections::HashSet;

use super::*;

/// A message as an adapter would hand it over.
fn inbound(kind: &str, place: &str, text: &str) -> Inbound {
    let json = format!(
        r#"{{"v":1,"id":"01kb0000000000000000000000","channel":"telegram","account":"main",
        "dedupe":"1","received_at":1,"conversation":{{"id":"7","kind":"{place}"}},
        "sender":{{"scope":"","id":"7"}},"kind":{kind},"addressed":true}}"#
    );
    let mut inbound = Inbound::from_json(&json).unwrap();
    inbound.parts.push(zaki_envelope::Part::text(text));
    inbound
}

const MESSAGE: &str = r#"{"type":"message"}"#;
const ZAKI: &str = r#"{"type":"command","name":"zaki"}"#;

fn said(text: &str) -> Option<Command> {
    Command::of(&inbound(MESSAGE, "direct", text))
}

fn in_group(text: &str) -> Option<Command> {
    Command::of(&inbound(MESSAGE, "group", text))
}

/// Behind `/zaki`, natively; the same as a text must mean the same.
fn behind(text: &str) -> Option<Command> {
    let native = Command::of(&inbound(ZAKI, "direct", text));
    assert_eq!(said(&format!("/zaki {text}")), native, "{text:?}");
    native
}

fn given(code: &str) -> Code {
    Code::read(code).unwrap()
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[test]
fn the_table_is_whole() {
    let mut known = HashSet::new();
    for (at, row) in TABLE.iter().enumerate() {
        assert_eq!(row.name as usize, at, "{:?} is not in its place", row.name);
        for word in [row.word].iter().chain(row.aliases) {
            assert!(known.insert(*word), "{word} twice");
            assert_eq!(*word, word.to_lowercase());
            let command = said(&format!("/{word}")).unwrap();
            assert_eq!(command.name(), row.name, "/{word}");
            assert!(!matches!(command, Command::Misused(_)), "/{word}");
        }
    }
}

#[test]
fn every_form_in_the_table_is_understood() {
    let fill = |form: &str| {
        let form = form.replace("<code>", "ABCD-2345").replace("<id>", "3f2a9c1b-77");
        let form = form.replace("<command>", "stop").replace("<language>", "fr");
        let form = form.replace("<n>", "2").replace("<model>", "opus");
        form.replace("<name>", "My work").replace("<text>", "Well done")
    };
    let mut seen = HashSet::new();
    for row in &TABLE {
        for usage in row.usages() {
            let usage = fill(&usage);
            assert!(!usage.contains('<'), "{usage}");
            let command = [said(&usage), in_group(&usage)].map(Option::unwrap);
            assert!(!matches!(command[0], Command::Misused(_)), "{usage}");
            assert!(
                command.iter().any(|command| seen.insert((row.name, command.spoken()))),
                "{usage}: a form that says nothing new"
            );
        }
    }
}

#[test]
fn each_command_takes_what_it_takes() {
    use Command as C;
    let approve = |what: &str, how| C::Approve { what: Some(given(what)), how };
    for (written, command) in [
        ("/help", C::Help(None)),
        ("/help /Status", C::Help(Some(Name::Status))),
        ("/help me", C::Help(None)),
        ("/hilfe", C::Help(None)),
        ("/مساعدة", C::Help(None)),
        ("/new", C::New(None)),
        ("/new  My  work ", C::New(text("My  work"))),
        ("/stop please", C::Stop),
        ("/Stop!", C::Stop),
        ("\u{200f}/stop\u{200f}", C::Stop),
        ("/status", C::Status),
        ("/link", C::Link(Link::Offer)),
        ("/link confirm", C::Link(Link::Confirm(None))),
        ("/link Yes!", C::Link(Link::Confirm(None))),
        ("/link yes 0123456789ABCDEF", C::Link(Link::Confirm(text("0123456789abcdef")))),
        ("/link yes please", C::Link(Link::Confirm(None))),
        ("/link yes 0123456789abcde", C::Link(Link::Confirm(None))),
        ("/link no", C::Link(Link::Cancel(None))),
        ("/link no fedcba9876543210", C::Link(Link::Cancel(text("fedcba9876543210")))),
        ("/link ABCD-2345", C::Link(Link::Redeem(given("ABCD-2345")))),
        ("/link\nabcd 2345\nthanks", C::Link(Link::Redeem(given("abcd2345")))),
        ("/link `ABCD–2345`.", C::Link(Link::Redeem(given("ABCD-2345")))),
        ("/link \u{2068}ABCD-2345\u{2069}", C::Link(Link::Redeem(given("ABCD-2345")))),
        ("/link abc", C::Link(Link::Redeem(given("abc")))),
        ("/link ✨", C::Link(Link::Offer)),
        ("/links", C::Links),
        ("/unlink", C::Unlink(None)),
        ("/unlink #2", C::Unlink(Some(2))),
        ("/unlink 0", C::Misused(Name::Unlink)),
        ("/unlink telegram", C::Misused(Name::Unlink)),
        ("/session", C::Session(Session::List)),
        ("/session LIST", C::Session(Session::List)),
        ("/session 3", C::Session(Session::Switch(3))),
        ("/session here", C::Session(Session::Here)),
        ("/session name My work", C::Session(Session::Name("My work".into()))),
        ("/session new My work", C::New(text("My work"))),
        ("/session name", C::Misused(Name::Session)),
        ("/session last", C::Misused(Name::Session)),
        ("/model", C::Model(None)),
        ("/model anthropic/Opus-4", C::Model(text("anthropic/Opus-4"))),
        ("/models", C::Model(None)),
        ("/usage cost", C::Usage),
        ("/mode", C::Mode(None)),
        ("/mode Steer", C::Mode(Some(Mode::Steer))),
        ("/mode off", C::Mode(None)),
        ("/approve", C::Approve { what: None, how: Decision::Once }),
        ("/approve always", C::Approve { what: None, how: Decision::Always }),
        ("/approve 3f2a", approve("3f2a", Decision::Once)),
        ("/approve 3f2a once", approve("3f2a", Decision::Once)),
        ("/approve: 3f2a allow-always", approve("3f2a", Decision::Always)),
        ("/approve ABCD 2345 always", approve("ABCD2345", Decision::Always)),
        ("/approve 3f2a deny", C::Deny(Some(given("3f2a")))),
        ("/approve deny", C::Deny(None)),
        ("/deny 3f2a", C::Deny(Some(given("3f2a")))),
        ("/lang", C::Lang(None)),
        ("/sprache deutsch", C::Lang(text("deutsch"))),
        ("/export", C::Export),
        ("/erase", C::Erase(Erase::Ask)),
        ("/erase confirm", C::Erase(Erase::Confirm(None))),
        ("/erase confirm ABCD-2345", C::Erase(Erase::Confirm(Some(given("ABCD-2345"))))),
        ("/erase ABCD-2345", C::Erase(Erase::Confirm(Some(given("ABCD-2345"))))),
        ("/erase cancel", C::Erase(Erase::Cancel)),
        ("/feedback", C::Feedback(None)),
        ("/feedback :)\nNice.", C::Feedback(text(":)\nNice."))),
        ("/start", C::Start(None)),
        ("/start@zaki_bot ABCD-2345", C::Start(Some(given("ABCD-2345")))),
    ] {
        assert_eq!(said(written), Some(command), "{written:?}");
    }
}

#[test]
fn in_groups_mode_is_the_groups() {
    assert_eq!(in_group("/mode"), Some(Command::GroupMode(None)));
    assert_eq!(in_group("/mode loud"), Some(Command::GroupMode(None)));
    for mode in GroupMode::ALL {
        let written = format!("/mode {}", mode.as_str());
        assert_eq!(in_group(&written), Some(Command::GroupMode(Some(mode))));
    }
    assert_eq!(in_group("/mode steer"), Some(Command::Mode(Some(Mode::Steer))));
}

#[test]
fn what_is_private_is_not_for_groups_and_what_is_urgent_is_known() {
    let direct = inbound(MESSAGE, "direct", "").conversation;
    let groups = ["group", "channel"].map(|kind| inbound(MESSAGE, kind, "").conversation);
    for (written, anywhere) in [
        ("/link ABCD-2345", false),
        ("/erase confirm", false),
        ("/session", false),
        ("/usage", false),
        ("/help", true),
        ("/stop", true),
        ("/approve", true),
        ("/mode", true),
    ] {
        let command = said(written).unwrap();
        assert!(command.fits(&direct), "{written}");
        assert!(groups.iter().all(|group| command.fits(group) == anywhere), "{written}");
    }
    let urgent: Vec<_> = TABLE.iter().filter(|row| row.urgent).map(|row| row.word).collect();
    assert_eq!(urgent, ["stop", "approve", "deny"]);
}

#[test]
fn ours_win_and_the_agents_own_pass() {
    // OpenClaw 2026.9, docs/tools/slash-commands.md.
    for ours in ["new", "status", "model", "models", "approve", "usage", "stop", "help", "export"] {
        for written in [format!("/{ours}"), format!("/{ours}:"), format!("/{ours}: x")] {
            assert!(said(&written).is_some(), "{written}");
        }
    }
    for theirs in [
        "reset",
        "compact",
        "think high",
        "verbose on",
        "queue collect",
        "whoami",
        "id",
        "commands",
        "skill x",
        "subagents list",
        "steer 1 x",
        "export-session",
        "context",
        "restart",
        "bash ls",
        "allowlist",
        "elevated full",
        "etc/passwd",
        "linked",
        "stop_it",
        "newer",
    ] {
        assert_eq!(said(&format!("/{theirs}")), None, "{theirs}");
    }
}

#[test]
fn behind_ours_the_slash_may_be_left_out_where_nothing_else_can_be_meant() {
    use Command as C;
    let code = || given("ABCD-2345");
    for (written, command) in [
        ("help", C::Help(None)),
        ("help stop", C::Help(Some(Name::Stop))),
        ("new", C::New(None)),
        ("/new My work", C::New(text("My work"))),
        ("status", C::Status),
        ("link", C::Link(Link::Offer)),
        ("link confirm", C::Link(Link::Confirm(None))),
        ("link ABCD-2345", C::Link(Link::Redeem(code()))),
        ("link abcd2345", C::Link(Link::Redeem(given("abcd2345")))),
        ("link abcd-efgh", C::Link(Link::Redeem(given("abcd-efgh")))),
        ("link ABCD-2345 thank you", C::Link(Link::Redeem(code()))),
        ("/link some odd thing", C::Link(Link::Redeem(given("some odd thing")))),
        ("session 2", C::Session(Session::Switch(2))),
        ("session here", C::Session(Session::Here)),
        ("unlink 2", C::Unlink(Some(2))),
        ("model gpt-5", C::Model(text("gpt-5"))),
        ("model default", C::Model(text("default"))),
        ("/model opus", C::Model(text("opus"))),
        ("lang fr", C::Lang(text("fr"))),
        ("lang pt-br", C::Lang(text("pt-br"))),
        ("mode queue", C::Mode(Some(Mode::Queue))),
        ("approve ABCD-2345", C::Approve { what: Some(code()), how: Decision::Once }),
        ("approve always", C::Approve { what: None, how: Decision::Always }),
        ("deny 3f2a9c1b-77", C::Deny(Some(given("3f2a9c1b-77")))),
        ("erase", C::Erase(Erase::Ask)),
        ("erase confirm", C::Erase(Erase::Confirm(None))),
        ("export", C::Export),
    ] {
        assert_eq!(behind(written), Some(command), "{written:?}");
    }
    for talk in [
        "help me with my taxes",
        "new ideas",
        "link this page to that one",
        "link this page",
        "link elephants",
        "link elephant",
        "session name for my talk",
        "session",
        "unlink",
        "unlink 2 of them",
        "model",
        "model trains",
        "lang",
        "language barriers",
        "approve",
        "approve this",
        "deny everything",
        "erase my memory",
        "erase confirm dialogs in the code",
        "feedback",
        "feedback on my essay",
        "export everything to a spreadsheet",
        "usage of shall",
        "start over",
        "status of the build",
        "zaki stop",
        "/zaki stop",
    ] {
        let is_bare_session = talk == "session";
        assert_eq!(behind(talk).is_some(), is_bare_session, "{talk:?}");
    }
}

#[test]
fn only_buttons_of_ours_give_commands() {
    let button = |data: &str| {
        let kind = format!(r#"{{"type":"button","data":"{data}"}}"#);
        Command::of(&inbound(&kind, "direct", "A label"))
    };
    for command in [
        Command::Link(Link::Confirm(None)),
        Command::Erase(Erase::Cancel),
        Command::Approve { what: Some(given("3f2a")), how: Decision::Always },
    ] {
        assert_eq!(button(&command.button()), Some(command));
    }
    for data in ["/erase confirm", "zaki", "zaki:", "zaki:erase confirm", "Zaki:/stop", ""] {
        assert_eq!(button(data), None, "{data:?}");
    }
}

#[test]
fn nothing_else_is_a_command() {
    for kind in [
        r#"{"type":"edit","target":"1"}"#,
        r#"{"type":"other","name":"x"}"#,
        r#"{"type":"membership","change":"joined"}"#,
    ] {
        assert_eq!(Command::of(&inbound(kind, "direct", "/stop")), None, "{kind}");
    }
}
