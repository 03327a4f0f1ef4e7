//! One or more of everything that can be said.

use zaki_envelope::{ChannelKind, Timestamp, wire::ErrorCode};

use crate::{
    Access, Approvals, Archive, Audience, Button, Changers, Erase, Export, Feedback, GroupMode,
    Groups, Help, HelpOn, Languages, Limit, LinkLine, Linking, Links, Loss, Lost, Media, Mode,
    Models, Modes, Pairings, Pending, Period, Say, SessionLine, Sessions, Spoken, State, Status,
    Trouble, Turn, Unasked, Usage, Used, Waiting, Way, What,
};

pub(super) const CODE: &str = "K7MP-3XWQ";
pub(super) const URL: &str = "https://t.me/my_zaki_bot?start=K7MP-3XWQ";
pub(super) const NOW: Timestamp = Timestamp::from_secs(1_795_280_400);
const MINUTE: i64 = 60_000;
const DAY: i64 = 1440 * MINUTE;

pub(super) fn at(ms: i64) -> Timestamp {
    NOW.plus_ms(ms)
}

/// Numbers of every plural category of every language.
pub(super) const COUNTS: [usize; 8] = [0, 1, 2, 3, 11, 26, 100, 12345];

const LABELS: [&str; 3] = ["@ali_b", "علي *البطل*", "\u{202e}[x](https://evil.example)"];

pub(super) fn all() -> Vec<Box<dyn Say>> {
    let mut all: Vec<Box<dyn Say>> = Vec::new();
    turns(&mut all);
    commands(&mut all);
    sessions(&mut all);
    linking(&mut all);
    links(&mut all);
    usage(&mut all);
    people(&mut all);
    privacy(&mut all);
    all
}

fn put(all: &mut Vec<Box<dyn Say>>, what: impl Say + 'static) {
    all.push(Box::new(what));
}

fn turns(all: &mut Vec<Box<dyn Say>>) {
    use ErrorCode as E;
    for code in [E::Sandbox, E::Agent, E::Timeout, E::Gone, E::Model, E::Budget, E::Retired] {
        put(all, Turn::Failed(code));
    }
    for code in [E::Erased, E::Internal] {
        put(all, Turn::Failed(code));
    }
    for megabytes in COUNTS {
        put(all, Media::TooLarge { megabytes });
    }
    put(all, Media::Unavailable);
    put(all, Media::NotSent { name: "a *b*.pdf" });
    let partial = "So *far* `/x`";
    for turn in [
        Turn::Nothing,
        Turn::Idle,
        Turn::Full,
        Turn::Waking,
        Turn::Own,
        Turn::Host,
        Turn::Interrupted { partial },
        Turn::Halted { partial },
        Turn::Halted { partial: "" },
    ] {
        put(all, turn);
    }
    for channel in ChannelKind::ALL {
        put(all, Unasked::Elsewhere(channel));
    }
    put(all, Unasked::Unknown);
    put(all, Unasked::Failed);
    for n in COUNTS {
        put(all, Turn::Stopped { partial: "", cleared: n });
        put(all, Turn::Queued { ahead: n });
        let lost = |minutes: i64| Some(Lost { answers: n.max(1), first: at(-minutes * MINUTE) });
        put(all, Loss { unknown: lost(0), dead: None, now: NOW });
        put(all, Loss { unknown: lost(5), dead: lost(0), now: NOW });
        put(all, Loss { unknown: None, dead: lost(200), now: NOW });
        put(all, Loss { unknown: None, dead: lost(5000), now: NOW });
    }
}

fn commands(all: &mut Vec<Box<dyn Say>>) {
    for mode in [Mode::Queue, Mode::Steer, Mode::Interrupt] {
        put(all, Modes::Set(mode));
        put(all, Modes::Help { now: mode });
    }
    for audience in [Audience::Direct, Audience::Group, Audience::Owner] {
        put(all, Help(audience));
    }
    for misused in [false, true] {
        let usages = Box::leak(Box::new(["/session <n>".to_owned(), "/session".to_owned()]));
        put(all, HelpOn { command: "session", usages, misused });
    }
    for changers in [Changers::Operators, Changers::Owners, Changers::Anyone] {
        for now in [GroupMode::Off, GroupMode::Mention, GroupMode::Always] {
            put(all, Groups::Set(now));
            put(all, Groups::Help { now, changers, may_change: true });
            put(all, Groups::Help { now, changers, may_change: false });
        }
        put(all, Groups::NotYours(changers));
    }
    for group in
        [Groups::OnlyDirect, Groups::OnlyGroup, Groups::NotListed, Groups::KnownOnly, Groups::Off]
    {
        put(all, group);
    }
    let models = &["openai/gpt-5", "claude-opus"];
    for model in [
        Models::List { now: None, models },
        Models::List { now: Some("claude-opus"), models },
        Models::Set { model: "claude-opus" },
        Models::Default,
        Models::Unknown { name: "gpt*", models },
        Models::Fixed,
    ] {
        put(all, model);
    }
    for languages in [Languages::List, Languages::Set, Languages::Unknown] {
        put(all, languages);
    }
    put(all, Feedback::Thanks);
    put(all, Feedback::Empty);
    put(all, Trouble::Failed);
    put(all, Trouble::Later);
    put(all, Trouble::NotAllowed);
}

fn sessions(all: &mut Vec<Box<dyn Say>>) {
    let last = &[
        Spoken { yours: true, text: "كيف `الطقس`\nin *Berlin*?" },
        Spoken { yours: false, text: "Sunny. مشمس" },
    ];
    let line = |n, name, current| {
        let used_at = if current { NOW } else { at(-DAY) };
        SessionLine { n, name, used_at, current }
    };
    let sessions = Box::leak(Box::new([
        line(1, None, false),
        line(2, Some(LABELS[1]), false),
        line(12, Some("Taxes_2026"), true),
    ]));
    put(all, Sessions::New { name: None });
    put(all, Sessions::New { name: Some("Taxes_2026") });
    put(all, Sessions::List { sessions, now: NOW });
    put(all, Sessions::Switched { n: 3, name: None, last });
    put(all, Sessions::Switched { n: 3, name: Some("Taxes"), last: &[] });
    put(all, Sessions::Named { name: "Taxes" });
    put(all, Sessions::Here { last });
    put(all, Sessions::Unknown);
    for (n, state) in COUNTS.into_iter().zip([State::Ready, State::Working].into_iter().cycle()) {
        put(
            all,
            Status {
                state,
                lent: false,
                silent: n == 1,
                waiting: n,
                session: Some((2, None)),
                model: Some("claude-opus"),
                mode: Some(Mode::Steer),
                links: Some(n),
            },
        );
    }
    let bare = Status {
        state: State::Queued { ahead: 2 },
        lent: false,
        silent: true,
        waiting: 0,
        session: None,
        model: None,
        mode: None,
        links: None,
    };
    put(all, bare);
    for state in [State::Ready, State::Working] {
        put(all, Status { state, lent: true, ..bare });
    }
}

fn linking(all: &mut Vec<Box<dyn Say>>) {
    let way = |channel, text, url, prefilled| Way { channel, text, url, prefilled };
    let ways = Box::leak(Box::new([
        way(ChannelKind::Telegram, "/link K7MP-3XWQ", Some(URL), true),
        way(ChannelKind::Slack, "/zaki link K7MP-3XWQ", Some("slack://user?team=T&id=U"), false),
        way(ChannelKind::WhatsApp, "/link K7MP-3XWQ", None, false),
    ]));
    let (until, now, other) = (at(10 * MINUTE), NOW, ChannelKind::Discord);
    for linking in [
        Linking::Code { code: CODE, expires_at: until, now, ways },
        Linking::TooManyCodes { until, now },
        Linking::Joined { other },
        Linking::JoinedElsewhere { channel: other, label: None },
        Linking::JoinedElsewhere { channel: other, label: Some(LABELS[0]) },
        Linking::Already,
        Linking::Refused,
        Linking::Spilt { void: true },
        Linking::Spilt { void: false },
        Linking::TooMany { until: at(20_000), now },
        Linking::Confirm { stays: true, other, until, now },
        Linking::Confirm { stays: false, other, until, now },
        Linking::Waiting { other },
        Linking::Merged { stays: true, other, restorable_until: at(30 * DAY) },
        Linking::Merged { stays: false, other, restorable_until: at(30 * DAY) },
        Linking::Declined,
        Linking::DeclinedThere { other },
        Linking::Nothing,
        Linking::Invited { who: Some(LABELS[1]), until, now },
        Linking::Invited { who: None, until, now },
    ] {
        put(all, linking);
    }
}

fn links(all: &mut Vec<Box<dyn Say>>) {
    for n in 0..13 {
        let link = |m: usize| LinkLine {
            channel: ChannelKind::ALL[m % 4],
            label: [None, Some(LABELS[m % 3])][m % 2],
            since: at(-DAY * 40),
            seen: at(-MINUTE * 40),
            here: m == 0,
        };
        let links: &'static [LinkLine<'static>] = Box::leak((0..n).map(link).collect());
        put(all, Links::List { links, now: NOW });
        put(all, Links::Choose { links, now: NOW });
    }
    for label in LABELS {
        put(all, Links::Done { channel: ChannelKind::Slack, label: Some(label) });
    }
    put(all, Links::DoneHere);
    put(all, Links::Last);
    put(all, Links::Unknown);
}

fn usage(all: &mut Vec<Box<dyn Say>>) {
    let period = |limit, resets_at| Period {
        messages: Used { used: 12, limit },
        tokens: Used { used: 123_456, limit: limit * 1000 },
        cost_micros: Used { used: 250_000, limit: limit * 10_000 },
        resets_at,
    };
    let month = at(10 * DAY);
    put(all, Usage { day: period(0, at(7 * 60 * MINUTE)), month: period(0, month), now: NOW });
    put(all, Usage { day: period(200, at(20 * MINUTE)), month: period(9000, month), now: NOW });
    for what in [
        What::MessagesPerMinute,
        What::MessagesPerDay,
        What::TokensPerDay,
        What::TokensPerMonth,
        What::CostPerDay,
        What::CostPerMonth,
    ] {
        for left in [0, 1, 2, 3, 11, 100, 12345] {
            put(all, Limit::Near { what, left, resets_at: at(7 * 60 * MINUTE), now: NOW });
        }
        put(all, Limit::Over { what, resets_at: at(20_000), now: NOW });
        put(all, Limit::Over { what, resets_at: month, now: NOW });
    }
    put(all, Limit::Commands { resets_at: at(20_000), now: NOW });
    put(all, Limit::Host { resets_at: month, now: NOW });
}

fn people(all: &mut Vec<Box<dyn Say>>) {
    for access in [
        Access::Closed,
        Access::NotListed,
        Access::InviteWanted,
        Access::Pairing { code: CODE, until: at(DAY), now: NOW },
        Access::Crowded,
        Access::Approved,
        Access::Blocked,
        Access::Welcome,
        Access::WelcomeInvited,
    ] {
        put(all, access);
    }
    let command = "echo \u{202e}`hi`\n```\nrm -r /tmp/x";
    let pending = |id, always| Pending { id, command, always };
    let several = Box::leak(Box::new([pending("3f2a", true), pending("77", false)]));
    for approval in [
        Approvals::Asked(pending("3f2a", true)),
        Approvals::Choose(several),
        Approvals::Approved,
        Approvals::Denied,
        Approvals::Gone,
        Approvals::Nothing,
    ] {
        put(all, approval);
    }
    for who in LABELS {
        let channel = ChannelKind::WhatsApp;
        put(all, Pairings::Asked { code: CODE, who, channel });
        put(all, Pairings::Approved { who, channel });
        put(all, Pairings::Denied { who, channel });
    }
    let waiting = |who| Waiting { code: CODE, who, channel: ChannelKind::Slack };
    let waiting = Box::leak(Box::new(LABELS.map(waiting)));
    for n in COUNTS {
        put(all, Pairings::Several { waiting, more: n });
    }
    put(all, Pairings::Unknown);
    for button in Button::ALL {
        put(all, button);
    }
}

fn privacy(all: &mut Vec<Box<dyn Say>>) {
    put(all, Export::Ready { url: URL, until: at(DAY), now: NOW });
    put(all, Export::NoUrl { user: "01arz3ndektsv4rrffq69g5fav" });
    for archive in [Archive::Missing, Archive::UsedUp, Archive::You, Archive::Bot, Archive::Program]
    {
        put(all, archive);
    }
    put(all, Erase::Asked { code: CODE, until: at(10 * MINUTE), now: NOW });
    put(all, Erase::Wrong);
    put(all, Erase::Cancelled);
    put(all, Erase::Done);
    put(all, Erase::UnderWay);
}
