//! Random lives: whatever happens in whatever order, the promises of the state machine hold.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const TIMEOUT: i64 = 60_000;

fn turn(n: u8) -> TurnId {
    TurnId::from_parts(Timestamp::from_ms(1), n.into())
}

/// What a shell has been told to do and not answered yet, and what became of every turn.
#[derive(Default)]
struct Shell {
    /// Starts that may have put something there and are not reported gone.
    alive: BTreeSet<Generation>,
    accepted: BTreeSet<TurnId>,
    settled: BTreeSet<TurnId>,
    runs: BTreeMap<TurnId, u32>,
    /// Every event that would answer an effect.
    answers: Vec<Event>,
}

impl Shell {
    /// Does what it is told, and checks that it may be told so.
    fn execute(&mut self, sandbox: &Sandbox, before: Generation, effects: &[Effect]) {
        let mut persisted = sandbox.generation() == before;
        for effect in effects {
            match *effect {
                Effect::Persist => persisted = true,
                Effect::Admit(g) => {
                    assert!(persisted, "a generation is durable before its start");
                    self.answers.extend([Event::Admitted(g), Event::StartFailed(g)]);
                }
                Effect::Start(g) => {
                    assert!(self.alive.is_empty(), "two starts in flight");
                    self.alive.insert(g);
                    self.answers.extend([Event::Started(g), Event::StartFailed(g)]);
                }
                Effect::AwaitReady(g) => {
                    self.answers.extend([Event::Ready(g), Event::StartFailed(g), Event::Exited(g)]);
                }
                Effect::Stop(g) => {
                    assert!(self.alive.contains(&g), "stop of what is not there");
                    self.answers.push(Event::Stopped(g));
                }
                Effect::SetAlarm { generation, .. } => self.answers.push(Event::Alarm(generation)),
                Effect::Run { turn, generation } => {
                    assert!(self.alive.contains(&generation) && sandbox.phase() == Phase::Running);
                    assert!(!self.settled.contains(&turn), "an ended turn runs again");
                    let runs = self.runs.entry(turn).or_default();
                    *runs += 1;
                    assert!(*runs <= MAX_RUNS);
                    self.answers.push(Event::Ended(turn));
                }
                Effect::Fail { turn, .. } | Effect::Release(turn) => {
                    self.settled.insert(turn);
                }
                Effect::Waking { turn, .. } => assert!(!self.settled.contains(&turn)),
            }
            let current = sandbox.generation();
            match *effect {
                Effect::Admit(g) | Effect::Start(g) | Effect::AwaitReady(g) | Effect::Stop(g) => {
                    assert_eq!(g, current, "an effect for a stale generation");
                }
                _ => {}
            }
        }
    }

    fn tell(&mut self, sandbox: &mut Sandbox, event: Event) {
        let before = sandbox.clone();
        match event {
            Event::Accept(turn) if self.settled.contains(&turn) => return,
            Event::Accept(turn) => _ = self.accepted.insert(turn),
            Event::Ended(turn) => _ = self.settled.insert(turn),
            Event::Stopped(g) => _ = self.alive.remove(&g),
            _ => {}
        }
        let effects = sandbox.step(event, Timestamp::from_ms(0));
        if let Event::Halt(_) = event {
            assert_eq!(sandbox.turns().count(), 0, "a turn is left");
            assert!(matches!(sandbox.phase(), Phase::Stopped | Phase::Stopping));
        }
        self.execute(sandbox, before.generation(), &effects);
        self.check(sandbox);
    }

    /// Every accepted turn has ended, was released, or waits for a sandbox that is under way.
    fn check(&self, sandbox: &Sandbox) {
        let waiting: BTreeSet<_> = sandbox.turns().collect();
        let open: BTreeSet<_> = self.accepted.difference(&self.settled).copied().collect();
        assert_eq!(open, waiting);
        assert!(waiting.is_empty() || sandbox.phase() != Phase::Stopped, "turns wait for nothing");
        if sandbox.phase() == Phase::Stopped {
            assert!(self.alive.is_empty(), "something is left behind");
        }
    }

    /// Answers everything kindly until nothing is open.
    fn settle(&mut self, sandbox: &mut Sandbox) {
        let kind =
            |e: &Event| !matches!(e, Event::StartFailed(_) | Event::Exited(_) | Event::Alarm(_));
        for _ in 0..1_000 {
            if self.answers.is_empty() {
                return;
            }
            let event = self.answers.remove(0);
            if kind(&event) {
                self.tell(sandbox, event);
            }
        }
    }
}

/// A step of a random life: something new, or any answer the shell owes, late ones included.
#[derive(Clone, Debug)]
enum Step {
    Wake,
    Accept(u8),
    Halt,
    Close,
    Answer(usize),
    /// An old answer once more.
    Repeat(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Wake),
        4 => (0..4_u8).prop_map(Step::Accept),
        1 => Just(Step::Halt),
        1 => Just(Step::Close),
        12 => any::<usize>().prop_map(Step::Answer),
        3 => any::<usize>().prop_map(Step::Repeat),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_life_breaks_a_promise(steps in steps()) {
        let mut sandbox = Sandbox::stopped(Generation(0), TIMEOUT);
        let mut shell = Shell::default();
        let mut given: Vec<Event> = Vec::new();
        for step in steps {
            let event = match step {
                Step::Wake => Event::Wake,
                Step::Accept(n) => Event::Accept(turn(n)),
                Step::Halt => Event::Halt(ErrorCode::Retired),
                Step::Close => Event::Close,
                Step::Answer(_) if shell.answers.is_empty() => continue,
                Step::Answer(n) => shell.answers.remove(n % shell.answers.len()),
                // A repeated `Stopped` of the current start would be a lie; the rest may repeat.
                Step::Repeat(n) => match given.get(n % given.len().max(1)) {
                    Some(event) if !matches!(event, Event::Stopped(_)) => *event,
                    _ => continue,
                },
            };
            given.push(event);
            shell.tell(&mut sandbox, event);
        }
        shell.settle(&mut sandbox);
        prop_assert_eq!(sandbox.turns().count(), 0, "a turn never ended");
    }
}
