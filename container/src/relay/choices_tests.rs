//! Which model a session is to ask.

use super::*;

async fn patch(peer: &mut Peer, model: Value) -> Value {
    let patch = peer.expect("sessions.patch").await;
    assert_eq!(patch["params"], json!({"key": SESSION, "model": model}));
    patch
}

#[tokio::test]
async fn a_session_is_told_its_model_once_and_told_the_default_again() {
    let mut scene = Scene::new().await;
    scene.request.model = Some("big".into());
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    let busy = json!({"code": "UNAVAILABLE", "retryable": true, "retryAfterMs": 1});
    let first = patch(&mut peer, json!("zaki/big")).await;
    peer.refuse(&first, busy).await;
    let again = patch(&mut peer, json!("zaki/big")).await;
    peer.answer(&again, json!({"ok": true})).await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "final", "hi").await;
    assert_eq!(text_of(events.await.unwrap().last()), "hi");
    assert!(!scene.choices.is_open(SESSION, Some("big")));

    let (turns, _) = Turns::open(scene.dir.path()).unwrap();
    scene.request = request(2);
    let Accepted::New(turn) = turns.accept(&scene.request).unwrap() else { panic!("a new turn") };
    scene.turn = turn;
    let events = scene.run(false);
    let back = patch(&mut peer, json!(null)).await;
    peer.answer(&back, json!({"ok": true})).await;
    scene.take(&mut peer).await;
    peer.chat(&scene.id(), "final", "hi").await;
    assert_eq!(text_of(events.await.unwrap().last()), "hi");
}

#[tokio::test]
async fn a_model_the_gateway_does_not_take_is_an_error_of_its_own() {
    let mut scene = Scene::new().await;
    scene.request.model = Some("unknown".into());
    let events = scene.run(false);
    let mut peer = scene.gateway.connect().await;
    let asked = patch(&mut peer, json!("zaki/unknown")).await;
    peer.refuse(&asked, json!({"code": "INVALID_REQUEST"})).await;
    assert_eq!(code_of(events.await.unwrap().last()), ErrorCode::Model);
    scene.link.set(State::Starting);
    assert_eq!(peer.last_words().await, None, "nothing was sent");
}
