use super::*;

const MEMORY: u64 = 2;

fn fleet(starts: usize) -> Fleet<u8> {
    Fleet::new(Limits { starts, memory: MEMORY })
}

fn g(n: u64) -> Generation {
    Generation(n)
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

#[test]
fn no_more_start_at_once_than_may_and_the_rest_know_their_place() {
    let mut fleet = fleet(1);
    assert_eq!(fleet.tell(&1, 1, Claim::Waiting(g(1))), [(1, Event::Admitted(g(1)))]);
    assert_eq!(fleet.tell(&2, 1, Claim::Waiting(g(5))), [(2, Event::Ahead(g(5), 0))]);
    assert_eq!(fleet.tell(&1, 1, Claim::Starting(g(1))), []);
    assert_eq!(fleet.starting(), 1);
    assert_eq!(fleet.tell(&1, 1, Claim::Busy(g(1))), [(2, Event::Admitted(g(5)))]);
    assert_eq!(fleet.tell(&2, 1, Claim::Starting(g(5))), [], "the same start, no news");
}

#[test]
fn whoever_was_used_least_lately_makes_room() {
    let mut fleet = fleet(2);
    for (name, used) in [(1, 7), (2, 5)] {
        fleet.tell(&name, 1, Claim::Waiting(g(1)));
        fleet.tell(&name, 1, Claim::Starting(g(1)));
        fleet.tell(&name, 1, Claim::Idle(g(1), at(used)));
    }
    let told = fleet.tell(&3, 1, Claim::Waiting(g(1)));
    assert_eq!(told, [(2, Event::MakeRoom(g(1))), (3, Event::Ahead(g(1), 0))]);
    assert_eq!(fleet.tell(&2, 1, Claim::Going(g(1))), [], "one is enough");
    assert_eq!(fleet.tell(&2, 1, Claim::Absent), [(3, Event::Admitted(g(1)))]);
    assert_eq!(fleet.taken(), MEMORY);
}

#[test]
fn when_all_are_busy_the_one_up_longest_makes_room_unless_another_does_first() {
    let mut fleet = fleet(2);
    for name in [1, 2] {
        fleet.tell(&name, 1, Claim::Waiting(g(1)));
        fleet.tell(&name, 1, Claim::Starting(g(1)));
        fleet.tell(&name, 1, Claim::Busy(g(1)));
    }
    let told = fleet.tell(&3, 1, Claim::Waiting(g(1)));
    assert_eq!(told, [(1, Event::MakeRoom(g(1))), (3, Event::Ahead(g(1), 0))]);
    let told = fleet.tell(&2, 1, Claim::Idle(g(1), at(9)));
    assert_eq!(told, [(2, Event::MakeRoom(g(1))), (1, Event::Stay(g(1)))]);
}

#[test]
fn one_that_cannot_go_is_asked_again_and_not_waited_for() {
    let mut fleet = fleet(2);
    for name in [1, 2] {
        fleet.tell(&name, 1, Claim::Waiting(g(1)));
        fleet.tell(&name, 1, Claim::Starting(g(1)));
        fleet.tell(&name, 1, Claim::Idle(g(1), at(name.into())));
    }
    let told = fleet.tell(&3, 1, Claim::Waiting(g(1)));
    assert_eq!(told[0], (1, Event::MakeRoom(g(1))));
    fleet.tell(&1, 1, Claim::Going(g(1)));
    let told = fleet.tell(&1, 1, Claim::Busy(g(1)));
    assert_eq!(told, [(2, Event::MakeRoom(g(1)))], "its agent had something to do");
}

#[test]
fn what_is_larger_than_the_machine_is_refused() {
    let mut fleet = fleet(2);
    let told = fleet.tell(&1, MEMORY + 1, Claim::Waiting(g(1)));
    assert_eq!(told, [(1, Event::StartFailed(g(1)))]);
    assert_eq!(fleet.taken(), 0);
}

#[test]
fn fifty_with_room_for_two_start_in_the_order_in_which_they_asked() {
    let mut fleet = fleet(2);
    let mut told: VecDeque<(u8, Event)> = VecDeque::new();
    let mut started = Vec::new();
    for name in 0..50 {
        told.extend(fleet.tell(&name, 1, Claim::Waiting(g(1))));
    }
    while let Some((name, event)) = told.pop_front() {
        let claims = match event {
            Event::Admitted(_) => {
                started.push(name);
                vec![Claim::Starting(g(1)), Claim::Busy(g(1)), Claim::Idle(g(1), at(1))]
            }
            Event::MakeRoom(_) => vec![Claim::Going(g(1)), Claim::Absent],
            _ => continue,
        };
        for claim in claims {
            told.extend(fleet.tell(&name, 1, claim));
            assert!(fleet.taken() <= MEMORY && fleet.starting() <= 2);
        }
    }
    assert_eq!(started, (0..50).collect::<Vec<u8>>());
    assert_eq!(fleet.line().count(), 0);
}

#[test]
fn nobody_is_admitted_when_it_closes() {
    let mut fleet = fleet(1);
    fleet.tell(&1, 1, Claim::Waiting(g(1)));
    fleet.tell(&2, 1, Claim::Waiting(g(1)));
    fleet.close();
    assert_eq!(fleet.tell(&1, 1, Claim::Absent), []);
}
