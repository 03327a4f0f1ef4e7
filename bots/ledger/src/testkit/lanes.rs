use super::Subject;
use super::samples::{at, batch, begun, in_lane, message, said, turn, turn_id};
use crate::{Begin, Error, Finish, Next, Recovery, TurnEnd};

async fn end(s: &Subject, n: u32) -> Vec<zaki_envelope::Inbound> {
    let end = s.ledger.finish_turn(s.fence, turn_id(n), TurnEnd::Finished, &[], vec![], at(9));
    let Finish::Ended { first: Next::None, waiting } = end.await.unwrap() else {
        panic!("ended, with nothing to send")
    };
    waiting
}

pub(super) async fn runs_one_turn_at_a_time(s: Subject) {
    s.run(turn(1, &[1]), &[1, 2, 3, 4]).await;
    let busy = Begin::Busy { turn: turn_id(1) };
    assert_eq!(s.ledger.begin_turn(s.fence, turn(2, &[3])).await.unwrap(), busy);
    assert_eq!(s.ledger.begin_turn(s.fence, turn(3, &[2])).await.unwrap(), busy);
    assert_eq!(s.ledger.begin_turn(s.fence, turn(3, &[2])).await.unwrap(), busy, "repeated");
    let other = s.ledger.begin_turn(s.fence, in_lane(7, turn(4, &[4]))).await.unwrap();
    assert_eq!(other, begun(), "another lane is free");
    let error = s.ledger.begin_turn(s.fence, turn(5, &[1])).await.unwrap_err();
    assert!(matches!(error, Error::NotAccepted(_)), "{error}");

    assert_eq!(s.ledger.recover(s.fence).await.unwrap(), Recovery::default());
    let counts = s.ledger.counts().await.unwrap();
    assert_eq!((counts.accepted, counts.running), (2, 2), "what waits is not lost");
    assert_eq!(end(&s, 1).await, [message(2), message(3)], "in order of acceptance");
    assert_eq!(s.ledger.begin_turn(s.fence, turn(2, &[2, 3])).await.unwrap(), begun());
    assert_eq!(end(&s, 2).await, []);
    assert_eq!(end(&s, 4).await, []);
}

/// Whoever finds the lane busy leaves its messages before the turn has ended, or begins after.
pub(super) async fn loses_no_wakeup(s: Subject) {
    for n in (0..60).step_by(2) {
        s.run(turn(n, &[n]), &[n]).await;
        s.ledger.accept(s.fence, batch(vec![said(n + 1)])).await.unwrap();
        let begin = {
            let (ledger, fence) = (s.ledger.clone(), s.fence);
            tokio::spawn(async move { ledger.begin_turn(fence, turn(n + 1, &[n + 1])).await })
        };
        let waiting = end(&s, n).await;
        match begin.await.unwrap().unwrap() {
            Begin::Begun { .. } => assert_eq!(waiting, []),
            Begin::Busy { turn } => {
                assert_eq!((turn, waiting), (turn_id(n), vec![message(n + 1)]));
                s.run(super::turn(n + 1, &[n + 1]), &[]).await;
            }
        }
        assert_eq!(end(&s, n + 1).await, []);
    }
}

pub(super) async fn gives_back_what_the_agent_did_not_get(s: Subject) {
    s.run(turn(1, &[1]), &[1, 2, 3]).await;
    let (second, third) = ([message(2).id], [message(3).id]);
    assert!(
        s.ledger.join_turn(s.fence, turn_id(1), &[second[0], third[0]]).await.unwrap().is_some()
    );
    assert!(s.ledger.part_turn(s.fence, turn_id(1), &third).await.unwrap(), "it still runs");
    assert!(s.ledger.part_turn(s.fence, turn_id(1), &third).await.unwrap(), "repeated");
    assert!(s.ledger.part_turn(s.fence, turn_id(1), &[message(1).id]).await.unwrap());
    let end = s.ledger.finish_turn(s.fence, turn_id(1), TurnEnd::Finished, &second, vec![], at(9));
    let ended = Finish::Ended { first: Next::None, waiting: vec![message(3)] };
    assert_eq!(end.await.unwrap(), ended, "what it began with stays");
    assert!(!s.ledger.part_turn(s.fence, turn_id(1), &second).await.unwrap(), "it has ended");
    s.ledger.begin_turn(s.fence, turn(2, &[2, 3])).await.unwrap();
    assert_eq!(s.ledger.counts().await.unwrap().accepted, 0);
}

/// Whoever joined them, and however they were not heard: a crash before the agent was told, a
/// sandbox that forgot.
pub(super) async fn hands_on_what_joined_unheard(s: Subject) {
    let other = if s.shared { s.ledger.enroll("other").await.unwrap() } else { s.fence };
    s.run(turn(1, &[1]), &[1, 2, 5]).await;
    s.ledger.accept(other, batch(vec![said(3), said(4)])).await.unwrap();
    assert!(s.ledger.join_turn(other, turn_id(1), &[message(4).id]).await.unwrap().is_some());
    assert!(s.ledger.join_turn(other, turn_id(1), &[message(3).id]).await.unwrap().is_some());
    assert!(s.ledger.join_turn(s.fence, turn_id(1), &[message(5).id]).await.unwrap().is_some());
    s.ledger.begin_turn(s.fence, turn(2, &[2])).await.unwrap();

    let (how, heard) = (TurnEnd::Finished, [message(3).id]);
    let finish = s.ledger.finish_turn(s.fence, turn_id(1), how, &heard, vec![], at(9));
    let waiting = vec![message(2), message(5), message(4)];
    let ended = Finish::Ended { first: Next::None, waiting };
    assert_eq!(finish.await.unwrap(), ended, "with what waits, in order of acceptance");
    assert!(!s.ledger.part_turn(other, turn_id(1), &[message(4).id]).await.unwrap());
    if s.shared {
        let late = s.ledger.begin_turn(other, turn(3, &[4])).await;
        assert!(matches!(late, Err(Error::NotAccepted(_))), "handed on: {late:?}");
    }
    s.ledger.begin_turn(s.fence, turn(4, &[2, 5, 4])).await.unwrap();
    assert_eq!(end(&s, 4).await, []);
    assert_eq!(s.ledger.counts().await.unwrap().accepted, 0);
}
