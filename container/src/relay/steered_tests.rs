use super::*;

/// As captured: B ends empty when the run takes it in, the answer is in the final of A.
#[tokio::test]
async fn what_is_steered_in_is_answered_in_the_same_turn() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    assert!(scene.steer(1, "and").await && scene.steer(1, "and").await);
    peer.chat(&scene.id(), "delta", "one").await;
    let b = scene.take_steered(&mut peer, 1, 1).await;
    peer.empty_final(&b).await;
    peer.chat(&scene.id(), "final", "one\n\ntwo").await;
    tell(&mut peer, idle(&[scene.user(), said("one "), scene.added(1, 1), said("two")])).await;
    let events = events.await.unwrap();
    assert_eq!(text_of(events.last()), "one\n\ntwo");
    let told = |kind: &&TurnEventKind| matches!(kind, TurnEventKind::Steered { .. });
    assert_eq!(events.iter().filter(told).count(), 1);
    assert!(!scene.steer(2, "late").await && scene.steer(1, "and").await);
}

/// As captured: too early to be steered, it is answered by a run of the gateway's own.
#[tokio::test]
async fn what_waited_for_the_end_of_the_run_is_waited_for() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "one").await;
    scene.steer(1, "and").await;
    let b = scene.take_steered(&mut peer, 1, 1).await;
    peer.empty_final(&b).await;
    peer.chat(&scene.id(), "final", "one").await;
    // For a moment nothing seems to go on.
    tell(&mut peer, idle(&[scene.user(), said("one")])).await;
    tell(&mut peer, active(&[scene.user(), said("one"), scene.added(1, 1)])).await;
    peer.chat(RESUMED, "delta", "two").await;
    peer.chat(RESUMED, "final", "two").await;
    tell(&mut peer, idle(&[scene.user(), said("one"), scene.added(1, 1), said("two")])).await;
    let events = events.await.unwrap();
    assert_eq!(text_of(events.last()), "one\n\ntwo");
    let shown = TurnEventKind::Delta { text: "one\n\ntwo".into(), replace: true };
    assert!(events.contains(&shown), "{events:?}");
}

/// As captured: the run has just ended, and what was to be steered becomes a run of its own.
#[tokio::test]
async fn what_became_a_run_of_its_own_belongs_to_the_turn() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "one").await;
    scene.steer(1, "and").await;
    let b = scene.take_steered(&mut peer, 1, 1).await;
    peer.chat(&scene.id(), "final", "one").await;
    tell(&mut peer, active(&[scene.user(), said("one"), scene.added(1, 1)])).await;
    peer.chat(&b, "delta", "two").await;
    peer.chat(&b, "final", "two").await;
    tell(&mut peer, idle(&[scene.user(), said("one"), scene.added(1, 1), said("two")])).await;
    assert_eq!(text_of(events.await.unwrap().last()), "one\n\ntwo");
}

/// Steered in before the model was asked: it is held back until it can be taken in, or until the
/// run has ended without that.
#[tokio::test]
async fn what_is_steered_in_too_early_is_told_later() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    scene.steer(1, "and").await;
    peer.chat(&scene.id(), "final", "one").await;
    tell(&mut peer, idle(&[scene.user(), said("one")])).await;
    let b = scene.take_steered(&mut peer, 1, 1).await;
    peer.chat(&b, "final", "two").await;
    tell(&mut peer, idle(&[scene.user(), said("one"), scene.added(1, 1), said("two")])).await;
    assert_eq!(text_of(events.await.unwrap().last()), "one\n\ntwo");
}

/// As captured: a gateway that dies forgets what it has not taken in, and refuses its key.
#[tokio::test]
async fn what_a_dead_gateway_forgot_is_told_again_and_nothing_else_is() {
    let scene = Scene::new().await;
    scene.link.count_gateway();
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "one").await;
    scene.steer(1, "first").await;
    scene.take_steered(&mut peer, 1, 1).await;
    scene.steer(2, "second").await;
    scene.take_steered(&mut peer, 2, 1).await;
    scene.link.count_gateway();
    peer.hang_up().await;

    let mut peer = scene.gateway.connect().await;
    let rows = [scene.user(), said("one"), scene.added(1, 1)];
    tell(&mut peer, active(&rows)).await;
    peer.chat(RESUMED, "delta", "two").await;
    // A third attempt, should the second one's key be spent as well.
    let send = peer.expect("chat.send").await;
    assert_eq!(send["params"]["idempotencyKey"], scene.key(2, 2));
    peer.refuse(&send, json!({"code": "UNAVAILABLE", "message": "Pending input"})).await;
    let c = scene.take_steered(&mut peer, 2, 3).await;
    peer.empty_final(&c).await;
    peer.chat(RESUMED, "final", "two\n\nthree").await;
    let rows = [&rows[..], &[said("two"), scene.added(2, 3), said("three")]].concat();
    tell(&mut peer, idle(&rows)).await;
    assert_eq!(text_of(events.await.unwrap().last()), "one\n\ntwo\n\nthree");
}

#[tokio::test]
async fn a_connection_lost_to_a_gateway_that_lives_tells_it_nothing_twice() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "one").await;
    scene.steer(1, "and").await;
    scene.take_steered(&mut peer, 1, 1).await;
    peer.hang_up().await;

    let mut peer = scene.gateway.connect().await;
    tell(&mut peer, active(&[scene.user()])).await;
    peer.chat(&scene.id(), "delta", "more").await;
    peer.chat(&scene.id(), "final", "one\n\ntwo").await;
    // The next call is the look at the end, not a second telling.
    tell(&mut peer, idle(&[scene.user(), said("one"), scene.added(1, 1), said("two")])).await;
    assert_eq!(text_of(events.await.unwrap().last()), "one\n\ntwo");
}

#[tokio::test]
async fn an_abort_takes_what_waits_along() {
    let scene = Scene::new().await;
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "delta", "half").await;
    scene.steer(1, "and").await;
    let b = scene.take_steered(&mut peer, 1, 1).await;
    scene.turn.abort.cancel();
    for run in [&b, &scene.id()] {
        let abort = peer.expect("chat.abort").await;
        assert_eq!(abort["params"], json!({"sessionKey": SESSION, "runId": run}));
    }
    peer.chat(&b, "aborted", "").await;
    peer.chat(&scene.id(), "aborted", "half").await;
    let events = events.await.unwrap();
    let Some(TurnEventKind::Final { text, aborted: true, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(text, "half");
}

/// What was steered in between the last look and the end is not lost: the turn goes on.
#[tokio::test]
async fn the_end_gives_way_to_what_comes_just_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (turns, _) = Turns::open(dir.path()).unwrap();
    let Accepted::New(turn) = turns.accept(&request(1)).unwrap() else { panic!("a new turn") };
    let steer = SteerRequest { steer: inbound(1), parts: vec![Part::text("and")] };
    assert!(turn.steer(&steer).await.unwrap());
    let usage = zaki_envelope::wire::Usage::default();
    let end = TurnEventKind::Final { text: "one".into(), usage, aborted: false };
    assert!(!turn.finish(end.clone(), 0).await && turn.end().is_none());
    assert!(turn.finish(end, 1).await && turn.end().is_some());
}
