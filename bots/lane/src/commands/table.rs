//! Which commands there are.

use std::str::FromStr;

use super::{Command, Decision, Erase, Link, Session, UnknownWord, args::Args};

/// The name of a command: its place in [`TABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "see the table")]
pub enum Name {
    Help,
    New,
    Stop,
    Status,
    Link,
    Links,
    Unlink,
    Session,
    Model,
    Usage,
    Mode,
    Approve,
    Deny,
    Lang,
    Export,
    Erase,
    Feedback,
    Start,
}

/// Where a command may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Only in private: what it is given or what it answers is nobody else's business.
    Direct,
    /// In groups, too.
    Anywhere,
}

/// One command.
#[derive(Debug)]
pub struct Row {
    /// Which.
    pub name: Name,
    /// How it is written, without the slash.
    pub word: &'static str,
    /// How else: in other languages where somebody may need it who understands nothing else that
    /// is said, and as OpenClaw spells it.
    pub aliases: &'static [&'static str],
    /// What may stand behind it, one form each; the empty one: nothing.
    pub forms: &'static [&'static str],
    /// Where it may be given.
    pub place: Place,
    /// It acts upon a turn that runs: no queue and no limit may hold it back.
    pub urgent: bool,
    /// Behind `/zaki`, its bare name without a slash gives it; others are a word like any.
    pub(super) alone: bool,
    pub(super) read: fn(&mut Args<'_>) -> Command,
}

const YES: &[&str] = &["confirm", "yes"];
const NO: &[&str] = &["cancel", "no"];

/// Every command, in the order they are shown to people.
pub static TABLE: [Row; 18] = [
    Row {
        aliases: &["aide", "ayuda", "hilfe", "مساعدة"],
        forms: &["", "<command>"],
        alone: true,
        read: |args| Command::Help(args.parsed()),
        ..row(Name::Help, "help")
    },
    Row {
        forms: &["", "<name>"],
        place: Place::Direct,
        alone: true,
        read: |args| Command::New(args.text()),
        ..row(Name::New, "new")
    },
    Row {
        aliases: &["alto", "arrete", "arrête", "stopp", "قف"],
        urgent: true,
        alone: true,
        read: |_| Command::Stop,
        ..row(Name::Stop, "stop")
    },
    Row { alone: true, read: |_| Command::Status, ..row(Name::Status, "status") },
    Row {
        forms: &["", "<code>", "confirm", "cancel"],
        place: Place::Direct,
        alone: true,
        read: |args| Command::Link(link(args)),
        ..row(Name::Link, "link")
    },
    Row {
        place: Place::Direct,
        alone: true,
        read: |_| Command::Links,
        ..row(Name::Links, "links")
    },
    Row {
        forms: &["", "<n>"],
        place: Place::Direct,
        read: |args| match args.number() {
            None if !args.is_done() => Command::Misused(Name::Unlink),
            n => Command::Unlink(n),
        },
        ..row(Name::Unlink, "unlink")
    },
    Row {
        aliases: &["sessions"],
        forms: &["", "<n>", "here", "name <name>", "new <name>"],
        place: Place::Direct,
        alone: true,
        read: session,
        ..row(Name::Session, "session")
    },
    Row {
        aliases: &["models"],
        forms: &["", "<model>"],
        place: Place::Direct,
        read: |args| Command::Model(args.technical()),
        ..row(Name::Model, "model")
    },
    Row {
        place: Place::Direct,
        alone: true,
        read: |_| Command::Usage,
        ..row(Name::Usage, "usage")
    },
    Row {
        forms: &["", "queue", "steer", "interrupt", "off", "mention", "always"],
        read: |args| match args.parsed() {
            None if args.is_shared() => Command::GroupMode(args.parsed()),
            mode => Command::Mode(mode),
        },
        ..row(Name::Mode, "mode")
    },
    Row {
        forms: &["", "<id>", "<id> always"],
        urgent: true,
        read: approve,
        ..row(Name::Approve, "approve")
    },
    Row {
        forms: &["", "<id>"],
        urgent: true,
        read: |args| Command::Deny(args.id(is_answer)),
        ..row(Name::Deny, "deny")
    },
    Row {
        aliases: &["idioma", "language", "langue", "sprache", "لغة"],
        forms: &["", "<language>"],
        read: |args| Command::Lang(args.language()),
        ..row(Name::Lang, "lang")
    },
    Row {
        place: Place::Direct,
        alone: true,
        read: |_| Command::Export,
        ..row(Name::Export, "export")
    },
    Row {
        forms: &["", "<code>", "confirm", "cancel"],
        place: Place::Direct,
        alone: true,
        read: |args| Command::Erase(erase(args)),
        ..row(Name::Erase, "erase")
    },
    Row {
        forms: &["", "<text>"],
        read: |args| Command::Feedback(args.text()),
        ..row(Name::Feedback, "feedback")
    },
    Row {
        forms: &["", "<code>"],
        read: |args| Command::Start(args.code()),
        ..row(Name::Start, "start")
    },
];

/// Allowed anywhere, in no hurry, with nothing behind it.
const fn row(name: Name, word: &'static str) -> Row {
    Row {
        name,
        word,
        aliases: &[],
        forms: &[""],
        place: Place::Anywhere,
        urgent: false,
        alone: false,
        read: |_| Command::Status,
    }
}

fn link(args: &mut Args<'_>) -> Link {
    if args.is(YES) {
        Link::Confirm(args.question())
    } else if args.is(NO) {
        Link::Cancel(args.question())
    } else {
        args.code().map_or(Link::Offer, Link::Redeem)
    }
}

fn erase(args: &mut Args<'_>) -> Erase {
    if args.is(NO) {
        return Erase::Cancel;
    }
    let confirmed = args.is(YES);
    match args.code() {
        None if !confirmed => Erase::Ask,
        code => Erase::Confirm(code),
    }
}

fn session(args: &mut Args<'_>) -> Command {
    if args.is_done() || args.is(&["list"]) {
        return Command::Session(Session::List);
    }
    if args.is(&["here"]) {
        return Command::Session(Session::Here);
    }
    if args.is(&["new"]) {
        return Command::New(args.text());
    }
    let session = if args.is(&["name"]) {
        args.text().map(Session::Name)
    } else {
        args.number().map(Session::Switch)
    };
    session.map_or(Command::Misused(Name::Session), Command::Session)
}

fn approve(args: &mut Args<'_>) -> Command {
    if let Some(how) = args.parsed() {
        return Command::Approve { what: None, how };
    }
    if args.is(&["deny"]) {
        return Command::Deny(args.id(is_answer));
    }
    let what = args.id(is_answer);
    if args.is(&["deny"]) {
        return Command::Deny(what);
    }
    Command::Approve { what, how: args.parsed().unwrap_or_default() }
}

/// What may stand behind an id.
fn is_answer(word: &str) -> bool {
    word == "deny" || word.parse::<Decision>().is_ok()
}

impl Name {
    /// Its row.
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// How it is written, without the slash.
    pub const fn as_str(self) -> &'static str {
        self.row().word
    }
}

impl FromStr for Name {
    type Err = UnknownWord;

    /// By its word or an alias, in lower case.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let is_it = |row: &&Row| row.word == word || row.aliases.contains(&word);
        TABLE.iter().find(is_it).map(|row| row.name).ok_or(UnknownWord)
    }
}

impl Row {
    /// All that may be written, with the slash.
    pub fn usages(&self) -> impl Iterator<Item = String> {
        self.forms.iter().map(|form| format!("/{} {form}", self.word).trim_end().to_owned())
    }
}
