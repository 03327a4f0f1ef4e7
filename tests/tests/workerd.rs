//! The Worker in the real workerd, with real containers that echo: what no other test has, since the
//! native edge has neither objects nor alarms nor R2.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;
use zaki_envelope::ZakiUserId;
use zaki_envelope::wire::TurnEventKind;
use zaki_tests::SOON;
use zaki_tests::caller::{self, Caller};
use zaki_tests::chaos::Seed;
use zaki_tests::load::Connection;
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::workerd::{Rig, Workerd};
use zaki_tests::wreck::{self, Size};

/// A person's calls are counted, and so many nobody makes: two in a second.
const LOOK_AGAIN: Duration = Duration::from_millis(600);

/// A Worker in a directory of its own, and a hub in miniature.
struct Stage {
    worker: Workerd,
    hub: Caller,
    _dir: tempfile::TempDir,
}

impl Stage {
    async fn open() -> Result<Option<Self>> {
        Self::with(|rig| rig, json!({})).await
    }

    async fn with(change: impl FnOnce(Rig) -> Rig, bindings: Value) -> Result<Option<Self>> {
        let Some(rig) = Rig::find().map(change) else { return Ok(None) };
        Self::of(&rig, bindings).await.map(Some)
    }

    async fn of(rig: &Rig, bindings: Value) -> Result<Self> {
        let open = Permissions::from_mode(0o755);
        let dir = tempfile::Builder::new().prefix("zaki-tests-").permissions(open).tempdir()?;
        let worker = Workerd::start(rig, dir.path(), bindings).await?;
        let hub = Caller::new(worker.address())?;
        Ok(Self { worker, hub, _dir: dir })
    }

    /// What is told of somebody's sandbox once it is so.
    async fn until(&self, user: ZakiUserId, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let path = format!("/v1/users/{user}/sandbox");
        let deadline = Instant::now() + SOON;
        loop {
            let told = self.hub.call(Method::GET, &path, &Value::Null).await?;
            if is(&told) {
                return Ok(told);
            }
            ensure!(Instant::now() < deadline, "it stays so: {told:#}\n{}", self.worker.log());
            sleep(LOOK_AGAIN).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_wakes_a_container_and_the_next_finds_it_awake() -> Result<()> {
    let Some(stage) = Stage::open().await? else { return Ok(()) };
    let first = stage.hub.say(caller::user(1), "hello").await?;
    assert_eq!(first.text()?, "echo: hello");
    assert!(first.woke, "{first:?}");
    let second = stage.hub.say(caller::user(1), "again").await?;
    assert!(!second.woke, "{second:?}");
    assert_eq!(stage.hub.say(caller::user(1), "RECALL").await?.text()?, "hello\nagain");
    // Another person has another container, which knows nothing of it.
    assert_eq!(stage.hub.say(caller::user(2), "RECALL").await?.text()?, "");
    assert_eq!(stage.worker.containers()?.len(), 4, "two, each with its sidecar");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_comes_again_is_the_same_turn() -> Result<()> {
    let Some(stage) = Stage::open().await? else { return Ok(()) };
    let (user, turn) = (caller::user(1), caller::turn());
    for _ in 0..2 {
        assert_eq!(stage.hub.insist(user, turn, "once").await?.text()?, "echo: once");
    }
    assert_eq!(stage.hub.say(user, "RECALL").await?.text()?, "once");
    // Nobody else's turn can be read, even by its id.
    let path = format!("/v1/users/{}/turns/{turn}?after=0", caller::user(2));
    let refused = stage.hub.call(Method::GET, &path, &Value::Null).await.unwrap_err();
    assert_eq!(status(&refused), Some(StatusCode::NOT_FOUND), "{refused:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_dies_in_a_turn_ends_it_once_and_comes_back() -> Result<()> {
    let Some(stage) = Stage::open().await? else { return Ok(()) };
    let user = caller::user(1);
    stage.hub.say(user, "before").await?;
    let died = stage.hub.say(user, "EXIT").await?;
    assert!(matches!(died.end, TurnEventKind::Error { .. }), "{died:?}");
    assert_eq!(stage.hub.say(user, "after").await?.text()?, "echo: after");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_turned_away() -> Result<()> {
    let Some(stage) = Stage::open().await? else { return Ok(()) };
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = |path: &str| format!("http://{}{path}", stage.worker.address());
    let turns = format!("/v1/users/{}/turns", caller::user(1));
    assert_eq!(http.post(url(&turns)).send().await?.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(http.get(url("/no/such/thing")).send().await?.status(), StatusCode::NOT_FOUND);
    // Refused for what it announces: none of it needs to be sent.
    let huge = format!("POST {turns} HTTP/1.1\r\nhost: edge\r\ncontent-length: 8388608\r\n\r\n");
    let mut connection = Connection::open(stage.worker.address()).await?;
    assert_eq!(connection.call(huge.as_bytes()).await?, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(stage.worker.containers()?.is_empty(), "nobody was woken");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_workerd_knew_survives_its_end() -> Result<()> {
    let Some(mut stage) = Stage::open().await? else { return Ok(()) };
    let (user, turn) = (caller::user(1), caller::turn());
    assert_eq!(stage.hub.insist(user, turn, "kept").await?.text()?, "echo: kept");
    let path = format!("/v1/users/{user}/backup");
    stage.hub.call(Method::POST, &path, &json!({"sandbox": "personal"})).await?;
    stage.worker.kill()?;
    stage.worker.up().await?;
    // The turn is told again from the object's store, and the memory comes from the bucket.
    assert_eq!(stage.hub.insist(user, turn, "kept").await?.text()?, "echo: kept");
    assert_eq!(stage.hub.insist(user, caller::turn(), "RECALL").await?.text()?, "kept");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_start_is_told_of_and_not_tried_at_once_again() -> Result<()> {
    let none = |rig: Rig| rig.with_image("zaki-no-such-image:0");
    let bindings = json!({"ZAKI_START_TIMEOUT_MS": "4000"});
    let Some(stage) = Stage::with(none, bindings).await? else { return Ok(()) };
    let user = caller::user(1);
    let first = stage.hub.say(user, "hello").await?;
    assert!(matches!(&first.end, TurnEventKind::Error { message, .. } if !message.is_empty()));
    let (turns, body) = (format!("/v1/users/{user}/turns"), caller::said(caller::turn(), "again"));
    let refused = stage.hub.ask(Method::POST, &turns, &body).await?;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let later = refused.headers().get("retry-after").and_then(|it| it.to_str().ok()?.parse().ok());
    assert!(later.is_some_and(|seconds: u32| (1..=10).contains(&seconds)), "{later:?}");
    let why: Value = serde_json::from_slice(&refused.bytes().await?)?;
    assert!(why["error"].as_str().is_some_and(|it| it.contains("does not start: ")), "{why}");
    // Others find out for themselves.
    assert!(stage.hub.say(caller::user(2), "hello").await?.text().is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_bucket_turns_go_on_and_the_backup_is_made_later() -> Result<()> {
    let pace = json!({"ZAKI_BACKUP_QUIET_MS": "100", "ZAKI_BACKUP_EVERY_MS": "500"});
    let Some(stage) = Stage::with(|rig| rig, pace).await? else { return Ok(()) };
    let user = caller::user(1);
    assert_eq!(stage.hub.say(user, "first").await?.text()?, "echo: first");
    let stands =
        |told: &Value| told["backup"]["overdue"] == false && told["backup"]["last"] != Value::Null;
    let before = stage.until(user, stands).await?;
    stage.worker.bucket_is(false)?;
    assert_eq!(stage.hub.say(user, "second").await?.text()?, "echo: second");
    let overdue =
        |told: &Value| told["backup"]["overdue"] == true && told["backup"]["failure"].is_string();
    stage.until(user, overdue).await?;
    assert_eq!(stage.hub.say(user, "third").await?.text()?, "echo: third");
    stage.worker.bucket_is(true)?;
    // Nobody asks for it: it is tried again.
    let made = |told: &Value| {
        told["backup"]["last"] != before["backup"]["last"]
            && told["backup"]["changed_since"].is_null()
            && told["backup"]["failure"].is_null()
    };
    stage.until(user, made).await?;
    Ok(())
}

/// Of an object that is new nobody knows whether there is a memory: only the bucket does.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_begins_anew_because_the_bucket_does_not_answer() -> Result<()> {
    let Some(mut stage) = Stage::open().await? else { return Ok(()) };
    let people = [1, 2, 3].map(caller::user);
    for user in people {
        stage.hub.say(user, "kept").await?;
        let path = format!("/v1/users/{user}/backup");
        stage.hub.call(Method::POST, &path, &json!({"sandbox": "personal"})).await?;
    }
    stage.worker.kill()?;
    stage.worker.forget_objects()?;
    stage.worker.up().await?;
    stage.worker.bucket_is(false)?;
    for told in join_all(people.map(|user| stage.hub.say(user, "RECALL"))).await {
        let TurnEventKind::Error { message, .. } = told?.end else { bail!("they begin anew") };
        ensure!(message.contains("its memory cannot be fetched"), "{message}");
    }
    let model = stage.hub.call(Method::GET, "/v1/model", &Value::Null).await?;
    let parts = model["parts"].as_array().context("no parts")?;
    let is_open = |part: &Value| part["provider"] == "bucket" && part["is_asked"] == false;
    ensure!(parts.iter().any(is_open), "{model:#}");
    let turns = format!("/v1/users/{}/turns", people[0]);
    let body = caller::said(caller::turn(), "RECALL");
    let refused = stage.hub.ask(Method::POST, &turns, &body).await?;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let why: Value = serde_json::from_slice(&refused.bytes().await?)?;
    ensure!(why["error"].as_str().is_some_and(|it| it.contains("memory cannot be")), "{why}");
    // It is asked though it is left alone, and says of whom it has nothing: they begin.
    assert_eq!(stage.hub.say(caller::user(4), "hello").await?.text()?, "echo: hello");
    stage.worker.bucket_is(true)?;
    for user in people {
        assert_eq!(stage.hub.insist(user, caller::turn(), "RECALL").await?.text()?, "kept");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_for_a_backup_that_is_not_whole_costs_nobody_their_memory() -> Result<()> {
    let Some(stage) = Stage::open().await? else { return Ok(()) };
    let user = caller::user(1);
    let path = |what: &str| format!("/v1/users/{user}/{what}");
    let personal = json!({"sandbox": "personal"});
    stage.hub.say(user, "first").await?;
    let made = stage.hub.call(Method::POST, &path("backup"), &personal).await?;
    stage.hub.say(user, "second").await?;
    stage.hub.call(Method::POST, &path("backup"), &personal).await?;
    stage.worker.spoil(|text| text.contains("first") && !text.contains("second"))?;
    let wish = json!({"sandbox": "personal", "id": made["backup"]["id"]});
    let told = stage.hub.call(Method::POST, &path("restore"), &wish).await?;
    let why = told["why"].as_str().unwrap_or_default();
    ensure!(made["backup"]["id"].as_str().is_some_and(|id| why.contains(id)), "{told} {made}");
    assert_eq!(stage.hub.say(user, "RECALL").await?.text()?, "first\nsecond");
    Ok(())
}

/// A backup that is whole and not for this release is nobody's reason to begin anew; an operator's word
/// is.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_begins_anew_because_a_newer_release_wrote_their_backup() -> Result<()> {
    let pace = json!({"ZAKI_BACKUP_QUIET_MS": "100"});
    let Some(stage) = Stage::with(|rig| rig, pace).await? else { return Ok(()) };
    let user = caller::user(1);
    let path = |what: &str| format!("/v1/users/{user}/{what}");
    let call =
        async |what: &str, body: Value| stage.hub.call(Method::POST, &path(what), &body).await;
    stage.hub.say(user, "NEWER").await?;
    // One that is made while another is on its way comes right behind it.
    let has = |count| {
        move |told: &Value| told["backups"].as_array().is_some_and(|all| all.len() >= count)
    };
    let made = stage.until(user, has(1)).await?;
    let id = made["backups"][0]["id"].as_str().context("no backup")?;
    call("sandbox/stop", json!({})).await?;
    let TurnEventKind::Error { message, .. } = stage.hub.say(user, "RECALL").await?.end else {
        bail!("they begin anew")
    };
    ensure!(message.contains(id) && message.contains("Nothing is lost"), "{message}");
    let told = call("restore", json!({})).await?;
    ensure!(told["why"].as_str().is_some_and(|why| why.contains(id)), "{told}");
    assert_eq!(call("restore", json!({"anew": true})).await?["outcome"], "anew");
    assert_eq!(stage.hub.say(user, "RECALL").await?.text()?, "");
    // What they have now is in a backup, and the old one stays.
    let told = stage.until(user, has(2)).await?;
    let kept = told["backups"].as_array().is_some_and(|all| all.iter().any(|it| it["id"] == id));
    ensure!(kept && told["backups"][0]["id"] != id, "{told}");
    call("sandbox/restart", json!({})).await?;
    assert_eq!(stage.hub.say(user, "RECALL").await?.text()?, "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_of_what_was_there_when_it_was_asked_for() -> Result<()> {
    let Some(stage) = Stage::open().await? else { return Ok(()) };
    let user = caller::user(1);
    let path = |what: &str| format!("/v1/users/{user}/{what}");
    stage.hub.say(user, "first").await?;
    let made = stage.hub.call(Method::POST, &path("backup"), &json!({})).await?;
    stage.hub.say(user, "second").await?;
    let told = stage.hub.call(Method::POST, &path("restore"), &json!({})).await?;
    assert_eq!(told["backup"]["id"], made["backup"]["id"], "{told}");
    assert_eq!(stage.hub.say(user, "RECALL").await?.text()?, "first");
    Ok(())
}

/// `cargo xtask soak edge` has a hundred turns of it.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_whenever_every_turn_ends_once_and_no_answer_is_forgotten() -> Result<()> {
    let Some(rig) = Rig::find() else { return Ok(()) };
    let dir = tempfile::Builder::new().prefix("zaki-tests-").tempdir()?;
    let size = Size { people: 2, turns: 6, pause_ms: 3_000 };
    println!("{:#}", wreck::run(&rig, dir.path(), Seed::find(), size).await?);
    Ok(())
}

/// The real image: what was told is in the bucket by the time it is due, and comes out of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_openclaw_that_is_killed_knows_the_story_when_it_is_back() -> Result<()> {
    let (Some(_openclaw), Some(rig)) = (OpenClaw::find().await?, Rig::find_agent()) else {
        return Ok(());
    };
    let (url, model) = zaki_edge_native::offline_provider().await?;
    let bindings = json!({
        "ZAKI_BACKUP_QUIET_MS": "500",
        "ZAKI_MODEL": "offline",
        "ZAKI_MODEL_KEYS": json!({"here": "none"}).to_string(),
        "ZAKI_PROVIDERS":
            json!([{"name": "here", "url": url, "models": {"offline": "offline"}}]).to_string(),
    });
    let stage = Stage::of(&rig, bindings).await?;
    let user = caller::user(1);
    let told = stage.hub.say(user, "My favourite spice is saffron.").await?;
    ensure!(told.text()?.contains("saffron"), "{told:?}\n{}", stage.worker.log());
    let due = |told: &Value| {
        told["backup"]["last"] != Value::Null && told["backup"]["changed_since"].is_null()
    };
    stage.until(user, due).await?;
    stage.worker.kill_containers()?;
    let asked = stage.hub.insist(user, caller::turn(), "What is my favourite spice?").await?;
    ensure!(asked.text()?.contains("saffron"), "{asked:?}\n{}", stage.worker.log());
    ensure!(asked.woke, "it was killed: {asked:?}");
    let log = stage.worker.log();
    ensure!(!log.contains("saffron") && !log.contains("favourite"), "the log holds what was said");
    model.abort();
    Ok(())
}

fn status(error: &anyhow::Error) -> Option<StatusCode> {
    error.downcast_ref::<reqwest::Error>()?.status()
}
