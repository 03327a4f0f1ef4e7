//! Stories of one lane, and the messages that all tests of this module use.

use std::time::Duration;

use zaki_envelope::{
    ChannelKind, Conversation, ConversationId, ConversationKind, DedupeKey, GroupId, Inbound,
    InboundId, InboundKind, Mention, Part, Sender, SenderId, SenderScope, Timestamp, TurnId,
    Version,
};

use super::{Command, Effect, Event, Lane, Limits, Mode, Notice, Reason, Why};

/// What somebody writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Message {
    Text(&'static str),
    /// A picture of an album.
    Piece(&'static str),
    /// As long as a client lets a text be before it is cut.
    Long,
}

/// The `n`-th message, from Telegram and in private.
pub(super) fn inbound(n: usize, what: Message) -> Inbound {
    let at = Timestamp::from_ms(1_000_000 + i64::try_from(n).unwrap());
    let group = match what {
        Message::Piece(album) => Some(GroupId::new(album)),
        _ => None,
    };
    let text = match what {
        Message::Text(text) => text.to_owned(),
        Message::Piece(_) => String::new(),
        Message::Long => "x".repeat(4096),
    };
    Inbound {
        v: Version,
        id: InboundId::from_parts(at, 0),
        channel: ChannelKind::Telegram,
        account: "main".parse().unwrap(),
        dedupe: DedupeKey::new(n.to_string()),
        sent_at: None,
        received_at: at,
        conversation: Conversation::new(ConversationId::new("7"), ConversationKind::Direct),
        sender: Sender::new(SenderScope::new(""), SenderId::new("7")),
        kind: InboundKind::Message,
        message: None,
        parts: vec![Part::text(text)],
        reply_to: None,
        group,
        addressed: true,
        trace: None,
    }
}

const LIMITS: Limits = Limits { waiting: 3, batch: 10, batch_bytes: 100 };

/// A lane, its time, and what it asked for last.
struct Story {
    lane: Lane,
    now: Duration,
    effects: Vec<Effect>,
    said: usize,
}

impl Story {
    fn new(mode: Mode) -> Self {
        let (lane, now) = (Lane::new(LIMITS, mode), Duration::ZERO);
        Self { lane, now, effects: Vec::new(), said: 0 }
    }

    fn step(&mut self, event: Event) -> &[Effect] {
        self.effects = self.lane.step(event, self.now);
        &self.effects
    }

    /// The person writes.
    fn say(&mut self, what: Message) -> &[Effect] {
        self.said += 1;
        let message = Box::new(inbound(self.said, what));
        self.step(Event::Arrived { message, crowded: false })
    }

    fn text(&mut self) -> &[Effect] {
        self.say(Message::Text("hello"))
    }

    /// A turn of ours begins with one message.
    fn occupy(&mut self) {
        assert!(matches!(self.text(), [Effect::Begin { .. }]));
        self.step(Event::Begun { turn: TURN });
    }

    fn end(&mut self) -> &[Effect] {
        self.step(Event::Ending);
        self.step(Event::Ended { aborted: false, waiting: Vec::new() })
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }
}

const TURN: TurnId = TurnId::from_parts(Timestamp::from_ms(1), 1);
const OTHER: TurnId = TurnId::from_parts(Timestamp::from_ms(1), 2);

/// Which messages, by their number.
fn numbers(messages: &[Inbound]) -> Vec<usize> {
    messages.iter().map(|message| message.dedupe.as_str().parse().unwrap()).collect()
}

fn begun(effects: &[Effect]) -> Vec<usize> {
    match effects {
        [Effect::Begin { messages }] => numbers(messages),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lone_message_begins_at_once_and_leaves_nothing() {
    let mut story = Story::new(Mode::Queue);
    assert_eq!(begun(story.text()), [1]);
    story.step(Event::Begun { turn: TURN });
    assert!(story.end().is_empty());
    assert!(story.lane.is_empty());
}

#[test]
fn what_waits_becomes_one_turn_within_its_bounds() {
    let mut story = Story::new(Mode::Queue);
    story.occupy();
    story.text();
    story.say(Message::Text("/weather"));
    assert_eq!(begun(story.end()), [2, 3]);
    story.step(Event::Begun { turn: TURN });
    // Each fits by itself, both together do not.
    let sixty = "123456789 123456789 123456789 123456789 123456789 123456789 ";
    story.say(Message::Text(sixty));
    story.say(Message::Text(sixty));
    assert_eq!(begun(story.end()), [4]);
    story.step(Event::Begun { turn: TURN });
    assert_eq!(begun(story.end()), [5]);
}

#[test]
fn pieces_gather_until_they_are_quiet() {
    let mut story = Story::new(Mode::Queue);
    assert!(matches!(story.say(Message::Piece("a")), [Effect::Alarm(_)]));
    story.pass(400);
    assert!(story.say(Message::Piece("a")).is_empty(), "one alarm at a time");
    story.pass(100);
    let [Effect::Alarm(at)] = story.step(Event::Tick) else { panic!("{:?}", story.effects) };
    story.now = *at;
    assert_eq!(begun(story.step(Event::Tick)), [1, 2]);
}

#[test]
fn pieces_gather_no_longer_than_two_seconds() {
    let mut story = Story::new(Mode::Queue);
    story.lane = Lane::new(Limits { waiting: 100, ..LIMITS }, Mode::Queue);
    let began = story.now;
    while story.now < began + Duration::from_secs(2) {
        assert!(!matches!(story.say(Message::Piece("a")), [Effect::Begin { .. }]));
        story.pass(250);
        let effects = story.step(Event::Tick);
        assert!(effects.is_empty() || story.now >= began + Duration::from_millis(250));
    }
    story.step(Event::Tick);
    assert!(story.lane.is_asking(), "it has begun");
}

#[test]
fn a_message_that_is_no_piece_ends_the_gathering() {
    let mut story = Story::new(Mode::Queue);
    story.lane = Lane::new(Limits { batch_bytes: 10_000, ..LIMITS }, Mode::Queue);
    story.say(Message::Long);
    assert_eq!(begun(story.text()), [1, 2]);
}

#[test]
fn a_refused_message_waits_and_those_behind_it_too() {
    let mut story = Story::new(Mode::Steer);
    story.occupy();
    assert!(matches!(story.text(), [Effect::Steer { turn: TURN, .. }]));
    let messages = vec![inbound(2, Message::Text("hello"))];
    assert!(story.step(Event::Unsteered { messages }).is_empty());
    assert!(story.text().is_empty(), "not past the one before it");
    assert_eq!(begun(story.end()), [2, 3]);
}

#[test]
fn nothing_is_steered_into_a_turn_that_ends() {
    let mut story = Story::new(Mode::Steer);
    story.occupy();
    story.step(Event::Ending);
    assert!(story.text().is_empty());
    let ended = Event::Ended { aborted: false, waiting: Vec::new() };
    assert_eq!(begun(story.step(ended)), [2]);
}

#[test]
fn an_interrupted_turn_is_stopped_once_and_the_next_one_has_all() {
    let mut story = Story::new(Mode::Interrupt);
    story.occupy();
    let why = Why::Interrupted;
    assert!(matches!(story.text(), [Effect::Abort { turn: TURN, why: it }] if *it == why));
    assert!(story.text().is_empty());
    assert_eq!(begun(story.end()), [2, 3]);
}

#[test]
fn stop_clears_what_waits_and_is_settled_when_the_turn_has_ended() {
    let mut story = Story::new(Mode::Queue);
    story.occupy();
    story.text();
    let effects = story.say(Message::Text("/stop"));
    let [Effect::Settle { reason: Reason::Stopped, .. }, Effect::Abort { why, .. }] = effects
    else {
        panic!("{effects:?}");
    };
    assert_eq!(*why, Why::Stopped { cleared: 1 });
    story.step(Event::Ending);
    let effects = story.step(Event::Ended { aborted: true, waiting: Vec::new() });
    assert!(matches!(effects, [Effect::Settle { reason: Reason::Command, .. }]), "{effects:?}");
    assert!(story.lane.is_empty());
}

#[test]
fn a_stop_that_comes_too_late_is_told_of_all_the_same() {
    let mut story = Story::new(Mode::Queue);
    story.occupy();
    story.say(Message::Text("/stop"));
    let effects = story.end();
    let notice = Notice::Stopped { cleared: 0 };
    assert!(matches!(effects, [Effect::Tell { notice: it, .. }, _] if *it == notice));
}

#[test]
fn a_stop_for_another_replica_goes_to_its_turn_and_clears_what_it_is_handed() {
    let mut here = Story::new(Mode::Queue);
    assert!(matches!(here.say(Message::Text("/stop")), [Effect::Halt { cleared: 0, .. }]));
    let effects = here.step(Event::Busy { turn: OTHER, messages: Vec::new() });
    assert!(matches!(effects, [Effect::Abort { turn: OTHER, why: Why::Elsewhere }]));
    assert!(here.lane.is_empty());

    let mut there = Story::new(Mode::Queue);
    there.occupy();
    there.step(Event::Ending);
    let waiting = vec![
        inbound(2, Message::Text("cleared")),
        inbound(3, Message::Text("/stop")),
        inbound(4, Message::Text("after it")),
    ];
    let effects = there.step(Event::Ended { aborted: true, waiting });
    let last = effects.last().map(std::slice::from_ref);
    assert_eq!(last.map(begun), Some(vec![4]), "{effects:?}");
    let told = |effect: &Effect| matches!(effect, Effect::Tell { .. });
    assert_eq!(effects.iter().filter(|effect| told(effect)).count(), 1, "{effects:?}");
}

#[test]
fn a_stop_clears_what_another_replica_left_before_it() {
    let mut story = Story::new(Mode::Queue);
    story.occupy();
    story.said = 9;
    story.say(Message::Text("/stop"));
    story.step(Event::Ending);
    let waiting =
        vec![inbound(2, Message::Text("left before")), inbound(11, Message::Text("left after"))];
    let effects = story.step(Event::Ended { aborted: true, waiting });
    let [Effect::Settle { reason: Reason::Stopped, messages }, rest @ ..] = effects else {
        panic!("{effects:?}");
    };
    assert_eq!(messages[0].id, inbound(2, Message::Text("")).id);
    assert_eq!(messages.len(), 1);
    let told = Notice::Stopped { cleared: 1 };
    assert!(matches!(&rest[0], Effect::Tell { notice, .. } if *notice == told), "{rest:?}");
    assert_eq!(begun(&rest[2..]), [11]);
}

#[test]
fn another_replicas_turn_is_steered_or_stopped_as_the_person_wants() {
    let busy = |mode| {
        let mut story = Story::new(mode);
        story.text();
        let messages = vec![inbound(1, Message::Text("hello"))];
        story.step(Event::Busy { turn: OTHER, messages });
        story
    };
    let queue = busy(Mode::Queue);
    assert!(queue.effects.is_empty() && queue.lane.is_empty());
    let interrupt = busy(Mode::Interrupt);
    assert!(matches!(interrupt.effects[..], [Effect::Abort { turn: OTHER, .. }]));
    assert!(interrupt.lane.is_empty());
    let mut steer = busy(Mode::Steer);
    assert!(matches!(steer.effects[..], [Effect::Steer { turn: OTHER, .. }]));
    // It has ended meanwhile: the message begins a turn after all, and is not steered in circles.
    let messages = vec![inbound(1, Message::Text("hello"))];
    assert_eq!(begun(steer.step(Event::Unsteered { messages: messages.clone() })), [1]);
    assert!(steer.step(Event::Busy { turn: TURN, messages }).is_empty());
    assert!(steer.lane.is_empty());
}

#[test]
fn what_is_handed_over_and_waits_already_waits_once() {
    let mut story = Story::new(Mode::Queue);
    story.occupy();
    story.text();
    story.step(Event::Ending);
    let waiting = vec![inbound(2, Message::Text("hello")), inbound(3, Message::Text("hello"))];
    assert_eq!(begun(story.step(Event::Ended { aborted: false, waiting })), [2, 3]);
}

#[test]
fn what_a_dead_replica_had_waits_before_what_came_after_it() {
    let mut story = Story::new(Mode::Queue);
    story.occupy();
    for said in [4, 2, 3] {
        story.said = said;
        assert!(story.text().is_empty());
    }
    assert_eq!(begun(story.end()), [3, 4, 5]);
}

#[test]
fn too_many_are_declined_and_told_of_once_a_burst() {
    let mut story = Story::new(Mode::Queue);
    story.occupy();
    for _ in 0..LIMITS.waiting {
        assert!(story.text().is_empty());
    }
    assert!(matches!(story.text(), [Effect::Tell { .. }, Effect::Settle { .. }]));
    assert!(matches!(story.text(), [Effect::Settle { reason: Reason::Limited, .. }]));
    assert_eq!(begun(story.end()), [2, 3, 4]);
    story.step(Event::Begun { turn: TURN });
    for _ in 0..LIMITS.waiting {
        story.text();
    }
    assert!(matches!(story.text(), [Effect::Tell { .. }, Effect::Settle { .. }]), "a new burst");
}

#[test]
fn what_an_earlier_run_accepted_is_not_declined() {
    let mut story = Story::new(Mode::Queue);
    story.occupy();
    for n in 2..=6 {
        let message = Box::new(inbound(n, Message::Text("hello")));
        assert!(story.step(Event::Left { message }).is_empty());
    }
    story.said = 6;
    assert!(matches!(story.text(), [Effect::Tell { .. }, Effect::Settle { .. }]), "a new one is");
    assert_eq!(begun(story.end()), [2, 3, 4, 5, 6]);
}

#[test]
fn where_nothing_may_wait_a_lone_message_is_taken() {
    let mut story = Story::new(Mode::Queue);
    story.lane = Lane::new(Limits { waiting: 0, ..LIMITS }, Mode::Queue);
    story.occupy();
    assert!(matches!(story.text(), [Effect::Tell { .. }, Effect::Settle { .. }]));
    assert!(story.end().is_empty());
    story.occupy();
    // One that another replica took found nothing running there, either.
    story.step(Event::Ending);
    let waiting = vec![inbound(7, Message::Text("hello"))];
    assert_eq!(begun(story.step(Event::Ended { aborted: false, waiting })), [7]);
}

#[test]
fn what_is_not_ours_keeps_nothing_else_back() {
    let mut story = Story::new(Mode::Queue);
    story.occupy();
    story.text();
    story.text();
    assert_eq!(begun(story.end()), [2, 3]);
    let messages = vec![inbound(3, Message::Text("hello"))];
    assert_eq!(begun(story.step(Event::Gone { messages })), [3]);
}

#[test]
fn commands_are_known_by_their_first_word() {
    let of = |text: &'static str| Command::of(&inbound(1, Message::Text(text)));
    assert_eq!(of("/stop"), Some(Command::Stop));
    assert_eq!(of(" /STOP please"), Some(Command::Stop));
    assert_eq!(of("/stop@zaki_bot"), Some(Command::Stop));
    assert_eq!(of("/mode steer"), Some(Command::Mode(Some(Mode::Steer))));
    assert_eq!(of("/mode Queue"), Some(Command::Mode(Some(Mode::Queue))));
    assert_eq!(of("/mode loud"), Some(Command::Mode(None)));
    for text in ["stop", "/stopping", "/ stop", "please /stop", "/", "", "/weather"] {
        assert_eq!(of(text), None, "{text:?}");
    }
}

#[test]
fn commands_are_known_natively_and_behind_a_mention() {
    let mut native = inbound(1, Message::Text("interrupt"));
    native.kind = InboundKind::Command { name: "mode".into() };
    assert_eq!(Command::of(&native), Some(Command::Mode(Some(Mode::Interrupt))));
    native.kind = InboundKind::Command { name: "stop".into() };
    native.parts.clear();
    assert_eq!(Command::of(&native), Some(Command::Stop));

    let mut called = inbound(1, Message::Text(""));
    let mention = Mention { text: "@Zaki".into(), sender: None };
    called.parts = vec![Part::Text { text: "@Zaki /stop".into(), mentions: vec![mention] }];
    assert_eq!(Command::of(&called), Some(Command::Stop));
    let nobody = Mention { text: String::new(), sender: None };
    called.parts = vec![Part::Text { text: "hello".into(), mentions: vec![nobody] }];
    assert_eq!(Command::of(&called), None);
}

#[test]
fn commands_are_known_behind_the_bots_own() {
    let behind = |name: &str, text: &'static str| {
        let mut native = inbound(1, Message::Text(text));
        native.kind = InboundKind::Command { name: name.into() };
        Command::of(&native)
    };
    let of = |text| behind("zaki", text);
    for text in ["/stop", "stop", " Stop ", "/stop now"] {
        assert_eq!(of(text), Some(Command::Stop), "{text:?}");
    }
    for text in ["/mode steer", "mode steer", "MODE Steer"] {
        assert_eq!(of(text), Some(Command::Mode(Some(Mode::Steer))), "{text:?}");
    }
    assert_eq!(of("/mode"), Some(Command::Mode(None)));
    // Anybody may want to talk about these.
    for text in ["stop the press", "mode", "mode of transport", "mode steer or queue?", "hello"] {
        assert_eq!(of(text), None, "{text:?}");
    }
    assert_eq!(behind("ask", "stop"), None, "somebody else's command");
}
