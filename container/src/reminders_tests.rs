use std::path::Path;

use serde_json::{Value, json};
use zaki_envelope::ProactiveId;

use super::*;
use crate::{
    fake_gateway::{FakeGateway, Peer, TOKEN},
    gateway::State,
};

const DM: &str = "agent:main:hub:dm:1";
const IN_JOB: &str = "agent:main:cron:tea:run:1";

/// Of a sandbox that keeps its things in `dir`.
pub(crate) fn plans(link: &Arc<Link>, dir: &Path) -> Arc<Reminders> {
    let book = Book::open(&dir.join("reminders.json"), Timestamp::from_ms(100)).unwrap();
    let outbox = Outbox::open(&dir.join("outbox")).unwrap();
    Arc::new(Reminders::new(Arc::clone(link), book, outbox))
}

fn place(n: u128) -> PlaceId {
    ProactiveId::from_parts(Timestamp::default(), n).to_string().parse().unwrap()
}

struct Scene {
    link: Arc<Link>,
    gateway: FakeGateway,
    plans: Arc<Reminders>,
    dir: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let link = Link::new();
        let gateway = FakeGateway::new(&link).await;
        link.set_door(gateway.port(), TOKEN);
        let plans = plans(&link, dir.path());
        Self { link, gateway, plans, dir }
    }

    /// The next to ask in the host's name.
    async fn host(&self) -> Peer {
        self.gateway.accept().await
    }

    /// What is asked at a gateway's start, and whenever a run has ended.
    async fn is_read(&self, jobs: Value, runs: Value) {
        let mut host = self.host().await;
        lists(&mut host, jobs).await;
        let asked = host.expect("cron.runs").await;
        assert_eq!(asked["params"]["scope"], "all");
        host.answer(&asked, json!({ "entries": runs })).await;
    }

    async fn waits(&self) -> Vec<Proactive> {
        self.plans.outbox.next(Duration::from_secs(20)).await
    }
}

async fn lists(host: &mut Peer, jobs: Value) {
    let list = host.expect("cron.list").await;
    host.answer(&list, json!({ "jobs": jobs })).await;
}

fn job(id: &str) -> Value {
    json!({"id": id, "owner": {"sessionKey": DM}, "state": {"nextRunAtMs": 9}})
}

fn run(text: &str) -> Value {
    json!({"ts": 500, "jobId": "tea", "status": "ok", "summary": text, "sessionKey": IN_JOB,
           "runAtMs": 400})
}

fn ended() -> Value {
    json!({"action": "finished", "jobId": "tea"})
}

#[tokio::test]
async fn what_a_job_has_to_say_waits_for_the_edge_in_full_and_once() {
    let scene = Scene::new().await;
    scene.plans.start();
    let mut peer = scene.gateway.connect().await;
    scene.is_read(json!([]), json!([])).await;
    scene.plans.enter(DM, place(1));
    // A turn ends that has planned something.
    scene.plans.is_behind.store(true, Ordering::Release);
    let (_, ()) = tokio::join!(scene.plans.next(), async {
        lists(&mut scene.host().await, json!([job("tea")])).await;
    });
    scene.plans.enter(DM, place(2));

    let whole = format!("the tea is ready {}", "x".repeat(3_000));
    let message = json!({"content": [{"type": "text", "text": whole}]});
    let said = json!({"runId": "uuid", "sessionKey": IN_JOB, "state": "final", "message": message});
    peer.event("chat", said).await;
    peer.event("cron", json!({"action": "started", "jobId": "tea"})).await;
    peer.event("cron", ended()).await;
    scene.is_read(json!([]), json!([run("the tea is ready…")])).await;
    let waits = scene.waits().await;
    assert_eq!((waits[0].place, waits[0].shared, &waits[0].text), (Some(place(1)), false, &whole));
    assert!(!scene.plans.is_settled(), "the edge does not have it");

    // The same again, by another gateway and another start of this program.
    peer.event("cron", ended()).await;
    scene.is_read(json!([]), json!([run("the tea is ready")])).await;
    scene.plans.outbox.acknowledge(waits[0].id).unwrap();
    let again = plans(&scene.link, scene.dir.path());
    assert!(again.outbox.is_empty());
    assert_eq!(again.book.unheard(&[serde_json::from_value(run("x")).unwrap()]), []);
}

#[tokio::test]
async fn a_gateway_that_does_not_say_is_asked_again_and_nobody_rests_before() {
    let scene = Scene::new().await;
    scene.plans.start();
    assert!(scene.plans.is_settled());
    let mut peer = scene.gateway.connect().await;
    assert!(!scene.plans.is_settled(), "what ended before is not known");
    let mut host = scene.host().await;
    let list = host.expect("cron.list").await;
    host.refuse(&list, json!({"code": "UNAVAILABLE"})).await;
    scene.is_read(json!([]), json!([])).await;
    // Sent behind: what it was asked has been heard.
    peer.event("cron", ended()).await;
    scene.is_read(json!([]), json!([run("tea!")])).await;
    assert_eq!(scene.waits().await[0].text, "tea!");
}

#[tokio::test]
async fn what_was_missed_is_run_at_once_and_what_cannot_be_delivered_is_not_tried() {
    let scene = Scene::new().await;
    let later = now().plus_ms(120_000).as_ms();
    let once = |at: i64| {
        json!({"id": "tea", "schedule": {"kind": "at"}, "state": {"nextRunAtMs": at},
               "sessionTarget": "isolated", "delivery": {"mode": "announce"}})
    };
    let (_, ()) = tokio::join!(scene.plans.next(), async {
        let mut host = scene.host().await;
        lists(&mut host, json!([once(200)])).await;
        let hush = host.expect("cron.update").await;
        assert_eq!(hush["params"], json!({"id": "tea", "patch": {"delivery": {"mode": "none"}}}));
        host.answer(&hush, json!({})).await;
    });
    let mut planned = once(later);
    planned["delivery"] = json!({"mode": "none"});
    for is_first in [true, false] {
        scene.plans.is_behind.store(true, Ordering::Release);
        let (_, ()) = tokio::join!(scene.plans.next(), async {
            let mut host = scene.host().await;
            lists(&mut host, json!([planned.clone()])).await;
            if is_first {
                let run = host.expect("cron.update").await;
                assert_eq!(run["params"]["id"], "tea");
                let schedule = &run["params"]["patch"]["schedule"];
                assert_eq!(schedule["kind"], "at");
                let at: i64 = schedule["at"].as_str().unwrap().parse().unwrap();
                assert!((0..20_000).contains(&now().since(Timestamp::from_ms(at))), "{at}");
                host.answer(&run, json!({})).await;
            } else {
                assert_eq!(host.last_words().await, None, "not twice");
            }
        });
    }
}

#[tokio::test]
async fn a_job_that_is_looked_at_late_belongs_where_it_was_made() {
    let scene = Scene::new().await;
    scene.plans.enter(DM, place(1));
    let mut tea = job("tea");
    tea["createdAtMs"] = json!(now().as_ms());
    sleep(Duration::from_millis(5)).await;
    scene.plans.enter(DM, place(2));
    let (_, ()) = tokio::join!(scene.plans.next(), async {
        lists(&mut scene.host().await, json!([tea])).await;
    });
    let told = scene.plans.book.unheard(&[serde_json::from_value(run("tea!")).unwrap()]);
    assert_eq!(told[0].place, Some(place(1)));
    assert_eq!(scene.plans.book.place_of(DM), Some(place(2)));
}

#[tokio::test]
async fn what_is_said_in_nobodys_turn_is_told_after_a_while_and_what_is_in_a_turn_is_not() {
    let scene = Scene::new().await;
    scene.plans.start();
    let mut peer = scene.gateway.connect().await;
    scene.is_read(json!([]), json!([])).await;
    let turn = scene.link.subscribe("agent:main:hub:dm:2");
    let said = |run: &str, session: &str, text: &str| {
        let message = json!({"content": text});
        json!({"runId": run, "sessionKey": session, "state": "final", "message": message})
    };
    peer.event("chat", said("u1", "agent:main:hub:dm:2", "of a turn that goes on")).await;
    peer.event("chat", said("01jd7q0000000000000000000a", DM, "of a turn of ours")).await;
    peer.event("chat", said("u2", DM, "NO_REPLY")).await;
    peer.event("chat", said("u3", DM, "by itself")).await;
    let waits = scene.waits().await;
    assert_eq!(waits.len(), 1, "{waits:?}");
    assert_eq!((waits[0].text.as_str(), waits[0].place), ("by itself", None));
    drop(turn);
    scene.link.set(State::Starting);
}
