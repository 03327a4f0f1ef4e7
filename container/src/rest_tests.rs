use tempfile::TempDir;
use zaki_envelope::Timestamp;

use super::*;
use crate::{
    fake_gateway::{FakeGateway, Peer, TOKEN},
    reminders::tests::plans,
};

async fn gateway() -> (FakeGateway, Arc<Rest>, TempDir) {
    let link = Link::new();
    let gateway = FakeGateway::new(&link).await;
    link.set_door(gateway.port(), TOKEN);
    let dir = tempfile::tempdir().unwrap();
    let plans = plans(&link, dir.path());
    (gateway, Arc::new(Rest::new(link, plans)), dir)
}

fn job(at: i64, key: Option<&str>, kind: &str) -> serde_json::Value {
    json!({"state": {"nextRunAtMs": at}, "declarationKey": key, "payload": {"kind": kind}})
}

async fn tells_its_jobs(peer: &mut Peer) {
    let list = peer.expect("cron.list").await;
    let jobs = [
        job(7, Some("openclaw-review"), "agentTurn"),
        job(8, None, "heartbeat"),
        json!({"payload": {"kind": "agentTurn"}, "state": {}}),
        job(12, None, "agentTurn"),
        job(9, None, "agentTurn"),
    ];
    peer.answer(&list, json!({ "jobs": jobs })).await;
}

async fn rests(peer: &mut Peer, status: &str) -> serde_json::Value {
    let prepare = peer.expect("gateway.suspend.prepare").await;
    peer.answer(&prepare, json!({"status": status, "suspensionId": "s1"})).await;
    prepare["params"]["requestId"].clone()
}

#[tokio::test]
async fn it_says_when_it_wants_to_act_and_rests_until_it_is_resumed() {
    let (gateway, rest, _dir) = gateway().await;
    let next = Reminders { next: Some(Timestamp::from_ms(9)) };
    let host = async {
        let mut peer = gateway.accept().await;
        tells_its_jobs(&mut peer).await;
        let first = rests(&mut peer, "ready").await;
        let again = rests(&mut peer, "ready").await;
        assert_eq!(first, again, "more time, not another rest");
        let resume = peer.expect("gateway.suspend.resume").await;
        assert_eq!(resume["params"]["suspensionId"], "s1");
        peer.answer(&resume, json!({"ok": true})).await;
    };
    let edge = async {
        assert_eq!(rest.suspend(Holder::Edge).await.unwrap(), next);
        assert!(rest.lease.lock().await.is_some());
        // Resting, a gateway answers nothing else.
        assert_eq!(rest.reminders().await.unwrap(), next);
        assert_eq!(rest.suspend(Holder::Edge).await.unwrap(), next);
        rest.resume(Holder::Edge).await.unwrap();
        assert!(rest.lease.lock().await.is_none());
        rest.resume(Holder::Edge).await.unwrap();
    };
    tokio::join!(host, edge);
}

#[tokio::test]
async fn one_that_has_something_to_do_does_not_rest() {
    let (gateway, rest, _dir) = gateway().await;
    let host = async {
        let mut peer = gateway.accept().await;
        tells_its_jobs(&mut peer).await;
        rests(&mut peer, "busy").await;
    };
    let (asked, ()) = tokio::join!(rest.suspend(Holder::Edge), host);
    assert!(matches!(asked, Err(RestError::Busy)), "{asked:?}");
    assert!(rest.lease.lock().await.is_none());
}

#[tokio::test]
async fn another_gateway_knows_nothing_of_a_rest() {
    let (gateway, rest, _dir) = gateway().await;
    let host = async {
        let mut peer = gateway.accept().await;
        tells_its_jobs(&mut peer).await;
        rests(&mut peer, "ready").await;
    };
    let (asked, ()) = tokio::join!(rest.suspend(Holder::Edge), host);
    asked.unwrap();
    rest.link.count_gateway();
    rest.resume(Holder::Edge).await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_does_not_rest() {
    let (link, dir) = (Link::new(), tempfile::tempdir().unwrap());
    let rest = Rest::new(Arc::clone(&link), plans(&link, dir.path()));
    assert!(matches!(rest.suspend(Holder::Edge).await, Err(RestError::Unready)));
    assert!(matches!(rest.reminders().await, Err(RestError::Unready)));
}

#[tokio::test]
async fn it_rests_until_the_last_who_wants_it_to_is_done() {
    let (gateway, rest, _dir) = gateway().await;
    let host = async {
        let mut peer = gateway.accept().await;
        tells_its_jobs(&mut peer).await;
        rests(&mut peer, "ready").await;
        rests(&mut peer, "ready").await;
        let resume = peer.expect("gateway.suspend.resume").await;
        peer.answer(&resume, json!({"ok": true})).await;
    };
    let both = async {
        rest.suspend(Holder::Edge).await.unwrap();
        rest.suspend(Holder::Copy).await.unwrap();
        rest.resume(Holder::Edge).await.unwrap();
        let asked = rest.suspend(Holder::Edge).await;
        assert!(matches!(asked, Err(RestError::Busy)), "its memory is being copied");
        rest.resume(Holder::Copy).await.unwrap();
        assert!(rest.lease.lock().await.is_none());
    };
    tokio::join!(host, both);
}

#[tokio::test]
async fn one_that_was_asked_by_a_connection_that_is_lost_is_resumed_by_another() {
    let (gateway, rest, _dir) = gateway().await;
    let host = async {
        let mut peer = gateway.accept().await;
        tells_its_jobs(&mut peer).await;
        rests(&mut peer, "ready").await;
        drop(peer);
        let mut peer = gateway.accept().await;
        let resume = peer.expect("gateway.suspend.resume").await;
        peer.answer(&resume, json!({"ok": true})).await;
    };
    let edge = async {
        rest.suspend(Holder::Edge).await.unwrap();
        let asked_by = Arc::clone(&rest.lease.lock().await.as_ref().unwrap().host);
        asked_by.closed.cancelled().await;
        rest.resume(Holder::Edge).await.unwrap();
    };
    tokio::join!(host, edge);
}
