use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_000);
const TIMEOUT: i64 = 60_000;
const FREEZE: i64 = 30_000;
const STOP: i64 = 600_000;
const BUSY: i64 = 15_000;
const HABITS: Habits = Habits {
    start_timeout_ms: TIMEOUT,
    freeze_after_ms: Some(FREEZE),
    stop_after_ms: Some(STOP),
    busy_ms: BUSY,
};
const G0: Generation = Generation(0);
const G1: Generation = Generation(1);
const G2: Generation = Generation(2);

fn turn(n: u128) -> TurnId {
    TurnId::from_parts(Timestamp::from_ms(1), n)
}

/// A sandbox that took these events, and what the last one asked for.
fn after(events: &[Event]) -> (Sandbox, Vec<Effect>) {
    let mut sandbox = Sandbox::stopped(G0, None, HABITS);
    let mut effects = Vec::new();
    for event in events {
        effects = sandbox.step(*event, NOW);
    }
    (sandbox, effects)
}

fn run(n: u128, generation: Generation) -> Effect {
    Effect::Run { turn: turn(n), generation }
}

fn failed(n: u128, code: ErrorCode) -> Effect {
    Effect::Fail { turn: turn(n), code }
}

const UP: [Event; 4] = [Event::Wake, Event::Admitted(G1), Event::Started(G1), Event::Ready(G1)];

#[test]
fn the_first_turn_starts_the_sandbox_and_runs_when_it_is_ready() {
    let mut sandbox = Sandbox::stopped(G0, None, HABITS);
    let queued = [Effect::Persist, waking(turn(1), WakeStage::Queued, None)];
    assert_eq!(sandbox.step(Event::Accept(turn(1)), NOW), queued);
    let at = NOW.plus_ms(TIMEOUT);
    let starting = [
        waking(turn(1), WakeStage::Starting, None),
        Effect::SetAlarm { at, alarm: AlarmId(1) },
        Effect::Start(G1),
    ];
    assert_eq!(sandbox.step(Event::Admitted(G1), NOW), starting);
    let started = [Effect::Persist, Effect::AwaitReady(G1)];
    assert_eq!(sandbox.step(Event::Started(G1), NOW), started);
    assert_eq!(sandbox.step(Event::Ready(G1), NOW), [run(1, G1)]);
    assert_eq!(sandbox.phase(), Phase::Running);
}

#[test]
fn a_running_sandbox_takes_a_turn_without_any_commit() {
    let (mut sandbox, _) = after(&UP);
    assert_eq!(sandbox.step(Event::Accept(turn(1)), NOW), [run(1, G1)]);
    assert_eq!(sandbox.step(Event::Accept(turn(1)), NOW), []);
    let at = NOW.plus_ms(FREEZE);
    let looks = [Effect::Look(G1), Effect::SetAlarm { at, alarm: AlarmId(3) }];
    assert_eq!(sandbox.step(Event::Ended(turn(1)), NOW), looks);
    assert_eq!(sandbox.turns().count(), 0);
}

#[test]
fn many_wakes_are_one_start() {
    for up_to in 1..=UP.len() {
        let (mut sandbox, _) = after(&UP[..up_to]);
        let effects = sandbox.step(Event::Wake, NOW);
        let only_waits = |effect: &Effect| matches!(effect, Effect::SetAlarm { .. });
        assert!(effects.iter().all(only_waits), "after {up_to} events: {effects:?}");
    }
}

#[test]
fn a_turn_that_comes_while_it_starts_waits_for_it() {
    let (mut sandbox, effects) = after(&[Event::Wake, Event::Admitted(G1), Event::Accept(turn(1))]);
    assert_eq!(effects, [waking(turn(1), WakeStage::Starting, None)]);
    assert_eq!(sandbox.step(Event::Ready(G1), NOW), [run(1, G1)]);
}

#[test]
fn a_failed_start_fails_its_turns_and_ends_what_is_left() {
    for (event, code) in [
        (Event::StartFailed(G1), ErrorCode::Sandbox),
        (Event::Alarm(AlarmId(1)), ErrorCode::Timeout),
    ] {
        let (mut sandbox, effects) = after(&[Event::Accept(turn(1)), Event::Admitted(G1), event]);
        assert_eq!(
            effects,
            [failed(1, code), Effect::Stop { generation: G1, cut: false }],
            "{event:?}"
        );
        assert_eq!(sandbox.step(Event::Stopped(G1), NOW), [Effect::Persist]);
        assert_eq!(sandbox.phase(), Phase::Stopped);
    }
}

#[test]
fn a_start_that_cannot_be_asked_for_fails_its_turns_and_leaves_nothing() {
    let (mut sandbox, effects) = after(&[Event::Accept(turn(1)), Event::StartFailed(G1)]);
    assert_eq!(effects, [failed(1, ErrorCode::Sandbox), Effect::Persist]);
    assert_eq!(sandbox.step(Event::Admitted(G1), NOW), []);
    assert_eq!(sandbox.phase(), Phase::Stopped);
}

#[test]
fn a_crash_takes_its_turns_up_in_the_next_start() {
    let (mut sandbox, _) = after(&UP);
    sandbox.step(Event::Accept(turn(1)), NOW);
    assert_eq!(sandbox.step(Event::Exited(G1), NOW), [Effect::Stop { generation: G1, cut: true }]);
    let again = [Effect::Persist, Effect::Persist, waking(turn(1), WakeStage::Queued, None)];
    assert_eq!(sandbox.step(Event::Stopped(G1), NOW), again);
    sandbox.step(Event::Admitted(G2), NOW);
    assert_eq!(sandbox.step(Event::Ready(G2), NOW), [run(1, G2)]);
}

#[test]
fn a_turn_that_kills_its_sandbox_every_time_fails() {
    let (mut sandbox, _) = after(&UP);
    sandbox.step(Event::Accept(turn(1)), NOW);
    for n in 1..u64::from(MAX_RUNS) {
        let (old, new) = (Generation(n), Generation(n + 1));
        assert_eq!(
            sandbox.step(Event::Exited(old), NOW),
            [Effect::Stop { generation: old, cut: true }]
        );
        sandbox.step(Event::Stopped(old), NOW);
        sandbox.step(Event::Admitted(new), NOW);
        assert_eq!(sandbox.step(Event::Ready(new), NOW), [run(1, new)]);
    }
    let last = sandbox.generation();
    let effects = sandbox.step(Event::Exited(last), NOW);
    assert_eq!(
        effects,
        [failed(1, ErrorCode::Sandbox), Effect::Stop { generation: last, cut: true }]
    );
    assert_eq!(sandbox.step(Event::Stopped(last), NOW), [Effect::Persist]);
}

#[test]
fn a_sandbox_killed_while_it_starts_is_started_again_a_few_times() {
    let mut sandbox = Sandbox::stopped(G1, None, HABITS);
    sandbox.adopt(NOW);
    sandbox.step(Event::Accept(turn(1)), NOW);
    for n in 1..u64::from(MAX_RUNS) {
        let (old, new) = (Generation(n), Generation(n + 1));
        assert_eq!(
            sandbox.step(Event::Exited(old), NOW),
            [Effect::Stop { generation: old, cut: false }]
        );
        sandbox.step(Event::Stopped(old), NOW);
        assert_eq!(sandbox.claim(), Claim::Waiting(new));
        sandbox.step(Event::Admitted(new), NOW);
    }
    let last = sandbox.generation();
    let effects = sandbox.step(Event::Exited(last), NOW);
    assert_eq!(
        effects,
        [failed(1, ErrorCode::Sandbox), Effect::Stop { generation: last, cut: false }]
    );
}

#[test]
fn events_of_another_generation_change_nothing() {
    let about = |g| {
        [
            Event::Admitted(g),
            Event::Started(g),
            Event::Ready(g),
            Event::StartFailed(g),
            Event::Exited(g),
            Event::Stopped(g),
        ]
    };
    for up_to in 0..=UP.len() {
        let (sandbox, _) = after(&UP[..up_to]);
        for stale in [Generation(7)].into_iter().flat_map(about) {
            let mut touched = sandbox.clone();
            assert_eq!(touched.step(stale, NOW), [], "{stale:?}");
            assert_eq!(touched, sandbox, "{stale:?}");
        }
    }
}

#[test]
fn an_alarm_after_the_start_changes_nothing() {
    let (mut sandbox, _) = after(&UP);
    assert_eq!(sandbox.step(Event::Alarm(AlarmId(1)), NOW), []);
    assert_eq!(sandbox.phase(), Phase::Running);
}

#[test]
fn closing_stops_it_and_leaves_its_turns_to_the_next_start() {
    let (mut sandbox, _) = after(&UP);
    sandbox.step(Event::Accept(turn(1)), NOW);
    let effects = sandbox.step(Event::Close, NOW);
    assert_eq!(effects, [Effect::Release(turn(1)), Effect::Stop { generation: G1, cut: true }]);
    assert_eq!(sandbox.step(Event::Accept(turn(2)), NOW), [Effect::Release(turn(2))]);
    assert_eq!(sandbox.step(Event::Stopped(G1), NOW), [Effect::Persist]);
    assert_eq!(sandbox.step(Event::Wake, NOW), []);
    assert_eq!(sandbox.phase(), Phase::Stopped);
}

#[test]
fn closing_before_the_start_was_admitted_starts_nothing() {
    let (mut sandbox, effects) = after(&[Event::Accept(turn(1)), Event::Close]);
    assert_eq!(effects, [Effect::Release(turn(1))]);
    assert_eq!(sandbox.step(Event::Admitted(G1), NOW), []);
    assert_eq!(sandbox.phase(), Phase::Stopped);
}

#[test]
fn an_adopted_sandbox_is_watched_and_then_runs_turns() {
    let mut sandbox = Sandbox::stopped(G2, None, HABITS);
    let effects = sandbox.adopt(NOW);
    let at = NOW.plus_ms(TIMEOUT);
    let watched = [Effect::SetAlarm { at, alarm: AlarmId(1) }, Effect::AwaitReady(G2)];
    assert_eq!(effects, watched);
    let told = [waking(turn(1), WakeStage::Starting, None)];
    assert_eq!(sandbox.step(Event::Accept(turn(1)), NOW), told);
    assert_eq!(sandbox.step(Event::Ready(G2), NOW), [run(1, G2)]);
}

#[test]
fn what_is_halted_fails_its_turns_and_stops_wherever_it_is() {
    let halt = Event::Halt(ErrorCode::Retired);
    let down = failed(1, ErrorCode::Retired);
    let (sandbox, effects) = after(&[Event::Accept(turn(1)), halt]);
    assert_eq!((sandbox.phase(), effects.as_slice()), (Phase::Stopped, &[down][..]));
    for up_to in 2..=UP.len() {
        let (mut sandbox, _) = after(&UP[..up_to]);
        sandbox.step(Event::Accept(turn(1)), NOW);
        // A turn that waits for the start has done nothing yet.
        let cut = up_to == UP.len();
        let stop = Effect::Stop { generation: G1, cut };
        assert_eq!(sandbox.step(halt, NOW), [down, stop]);
        assert_eq!(sandbox.step(halt, NOW), []);
        assert_eq!(sandbox.step(Event::Stopped(G1), NOW), [Effect::Persist], "and stays down");
        let again = sandbox.step(Event::Accept(turn(2)), NOW);
        assert_eq!(again[0], Effect::Persist);
        assert_eq!(sandbox.claim(), Claim::Waiting(G2), "until it is asked again");
    }
}

#[test]
fn one_that_went_on_running_rests_when_it_would_have() {
    let mut sandbox = Sandbox::stopped(G2, None, HABITS);
    let used = NOW.plus_ms(-FREEZE + 5);
    let rests = Effect::SetAlarm { at: NOW.plus_ms(5), alarm: AlarmId(1) };
    assert_eq!(sandbox.resume(used, NOW), [rests]);
    assert_eq!((sandbox.phase(), sandbox.used()), (Phase::Running, used));
    assert_eq!(sandbox.step(Event::Accept(turn(1)), NOW), [run(1, G2)]);
    let mut tired = Sandbox::stopped(G2, None, HABITS);
    assert_eq!(tired.resume(NOW.plus_ms(-FREEZE), NOW), [Effect::Suspend(G2)]);
}

#[test]
fn what_is_due_in_a_moment_is_waited_for_and_not_stopped_before() {
    let [soon, stopped_too_late, later] = [20_000, 59_000, 600_000].map(|ms| NOW.plus_ms(ms));
    let tired = |next, events: &[Event]| {
        let mut sandbox = Sandbox::stopped(G2, None, Habits { freeze_after_ms: None, ..HABITS });
        assert_eq!(sandbox.resume(NOW.plus_ms(-STOP), NOW), [Effect::Suspend(G2)]);
        for event in events {
            sandbox.step(*event, NOW);
        }
        sandbox.step(Event::Suspended(G2, Some(next)), NOW);
        sandbox.phase()
    };
    assert_eq!(tired(soon, &[]), Phase::Thawing);
    assert_eq!(tired(stopped_too_late, &[]), Phase::Thawing);
    assert_eq!(tired(later, &[]), Phase::Stopping);
    assert_eq!(tired(soon, &[Event::Rest(Rest::Stopped)]), Phase::Stopping, "somebody wants it so");
}
