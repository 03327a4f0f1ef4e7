//! The Worker watched: what it leaves alone when it fails, what it tells of itself, whose words and
//! keys it never tells, and one id by which its log, the hub's and the container's belong together.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::{join_all, try_join_all};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;
use zaki_envelope::{InboundId, Timestamp, TraceContext, ZakiUserId};
use zaki_tests::caller::{self, Caller};
use zaki_tests::edge::KEY;
use zaki_tests::workerd::{Rig, Workerd};
use zaki_tests::world::TELEGRAM_SECRET;
use zaki_tests::{ChannelKind, Person, SOON, Setup};

const LOOK_AGAIN: Duration = Duration::from_millis(600);
/// A breaker's pauses grow, and end within a minute.
const RECOVERY: Duration = Duration::from_secs(90);
const SAID: &str = "xyloquartz";

struct Stage {
    worker: Workerd,
    hub: Caller,
    _dir: tempfile::TempDir,
}

impl Stage {
    async fn open(change: impl FnOnce(Rig) -> Rig, bindings: Value) -> Result<Option<Self>> {
        let Some(rig) = Rig::find().map(change) else { return Ok(None) };
        let dir = tempfile::Builder::new().prefix("zaki-tests-").tempdir()?;
        let worker = Workerd::start(&rig, dir.path(), bindings).await?;
        let hub = Caller::new(worker.address())?;
        Ok(Some(Self { worker, hub, _dir: dir }))
    }

    async fn until(
        &self,
        path: &str,
        patience: Duration,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = Instant::now() + patience;
        loop {
            let told = self.hub.call(Method::GET, path, &Value::Null).await?;
            if is(&told) {
                return Ok(told);
            }
            ensure!(Instant::now() < deadline, "it stays so: {told:#}\n{}", self.worker.log());
            sleep(LOOK_AGAIN).await;
        }
    }

    /// How `name` stands once it is asked, or left alone.
    async fn part(&self, name: &str, is_asked: bool, patience: Duration) -> Result<Value> {
        let of = |told: &Value| {
            told["parts"].as_array()?.iter().find(|it| it["provider"] == name).cloned()
        };
        let is = |told: &Value| of(told).is_some_and(|part| part["is_asked"] == is_asked);
        let told = self.until("/v1/model", patience, is).await?;
        of(&told).context("it is not told of")
    }

    /// The events of that name, each a line of its log.
    fn events(&self, name: &str) -> Vec<Value> {
        let log = self.worker.log();
        let lines =
            log.lines().filter_map(|line| serde_json::from_str(line.get(line.find('{')?..)?).ok());
        lines.filter(|line: &Value| line["event"] == name).collect()
    }
}

fn people(count: u32) -> Vec<ZakiUserId> {
    (1..=count).map(caller::user).collect()
}

/// What its containers have printed, and their tokens.
fn inside() -> Result<(String, Vec<String>)> {
    let engine = std::env::var("ZAKI_TEST_WORKER_DOCKER")?;
    let docker = |arguments: &[&str]| -> Result<String> {
        let done = Command::new("docker").args(["--host", &engine]).args(arguments).output()?;
        Ok(String::from_utf8(done.stdout)? + &String::from_utf8(done.stderr)?)
    };
    let ours = format!("name=-zaki-test-{}-", std::process::id());
    let names = docker(&["ps", "--all", "--filter", &ours, "--format", "{{.Names}}"])?;
    let (mut printed, mut tokens) = (String::new(), Vec::new());
    for name in names.lines().filter(|name| !name.ends_with("-proxy")) {
        printed += &docker(&["logs", name])?;
        let format = "{{range .Config.Env}}{{println .}}{{end}}";
        let environment = docker(&["inspect", "--format", format, name])?;
        let token = |line: &str| line.strip_prefix("ZAKI_SANDBOX_TOKEN=").map(str::to_owned);
        tokens.extend(environment.lines().filter_map(token));
    }
    Ok((printed, tokens))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_fails_is_left_alone_and_tried_again_by_itself() -> Result<()> {
    let pace = json!({"ZAKI_BACKUP_QUIET_MS": "100", "ZAKI_BACKUP_EVERY_MS": "500"});
    let Some(stage) = Stage::open(|rig| rig, pace).await? else { return Ok(()) };
    let (people, backed_up) = (people(3), |told: &Value| told["backup"]["changed_since"].is_null());
    let sandbox = |user: &ZakiUserId| format!("/v1/users/{user}/sandbox");
    try_join_all(people.iter().map(|user| stage.hub.say(*user, "first"))).await?;
    for user in &people {
        stage.until(&sandbox(user), SOON, backed_up).await?;
    }
    stage.part("bucket", true, SOON).await?;
    stage.worker.bucket_is(false)?;
    try_join_all(people.iter().map(|user| stage.hub.say(*user, "second"))).await?;
    let open = stage.part("bucket", false, RECOVERY).await?;
    assert!(open["fault"] == "broken" && open["since"].is_number(), "{open}");
    let spared = |told: &Value| {
        let why = told["backup"]["failure"].as_str().unwrap_or_default();
        why.contains("left alone")
    };
    let first = people.first().context("nobody")?;
    stage.until(&sandbox(first), RECOVERY, spared).await?;
    // Nobody waits for it meanwhile.
    assert_eq!(stage.hub.say(*first, "third").await?.text()?, "echo: third");
    stage.worker.bucket_is(true)?;
    for user in &people {
        stage.until(&sandbox(user), RECOVERY, backed_up).await?;
    }
    stage.part("bucket", true, RECOVERY).await?;
    let stands: Vec<Value> = stage.events("breaker.stands");
    let was =
        |asked: bool| stands.iter().any(|it| it["what"] == "bucket" && it["is_asked"] == asked);
    assert!(was(false) && was(true), "{stands:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn when_no_container_starts_nobody_waits_for_one() -> Result<()> {
    let none = |rig: Rig| rig.with_image("zaki-no-such-image:0");
    let bindings = json!({"ZAKI_START_TIMEOUT_MS": "4000"});
    let Some(stage) = Stage::open(none, bindings).await? else { return Ok(()) };
    let ends = join_all(people(5).iter().map(|user| stage.hub.say(*user, "hello"))).await;
    assert!(ends.into_iter().all(|end| end.is_ok_and(|told| told.text().is_err())));
    stage.part("containers", false, SOON).await?;
    // Somebody whose sandbox has never been tried hears it at once.
    let (user, begun) = (caller::user(6), Instant::now());
    let (turns, body) = (format!("/v1/users/{user}/turns"), caller::said(caller::turn(), "hello"));
    let refused = stage.hub.ask(Method::POST, &turns, &body).await?;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let later = refused.headers().get("retry-after").and_then(|it| it.to_str().ok()?.parse().ok());
    assert!(later.is_some_and(|seconds: u32| (1..=60).contains(&seconds)), "{later:?}");
    let why: Value = serde_json::from_slice(&refused.bytes().await?)?;
    assert!(why["error"].as_str().is_some_and(|it| it.contains("left alone")), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_cannot_be_reached_is_left_alone_and_what_was_said_is_kept() -> Result<()> {
    let bindings = json!({"ZAKI_HUB_URL": "http://127.0.0.1:1"});
    let Some(stage) = Stage::open(|rig| rig, bindings).await? else { return Ok(()) };
    let said = people(3);
    try_join_all(said.iter().map(|user| stage.hub.say(*user, "LATER:1:by myself"))).await?;
    let open = stage.part("hub", false, RECOVERY).await?;
    assert_eq!(open["fault"], "unreachable", "{open}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_in_events() -> Result<()> {
    let Some(mut stage) = Stage::open(|rig| rig, json!({})).await? else { return Ok(()) };
    let (user, turn) = (caller::user(1), caller::turn());
    let trace = TraceContext::of(InboundId::from_parts(Timestamp::from_ms(1_795_000_000_000), 7));
    let mut body = caller::said(turn, "hello");
    body["trace"] = json!(trace);
    let turns = format!("/v1/users/{user}/turns");
    let told = stage.hub.ask(Method::POST, &turns, &body).await?.text().await?;
    assert!(told.contains("event: final"), "{told}");
    let back_up = format!("/v1/users/{user}/backup");
    stage.hub.call(Method::POST, &back_up, &json!({"sandbox": "personal"})).await?;
    stage.hub.say(user, "not in it").await?;
    let nowhere = stage.hub.ask(Method::GET, "/no/such/thing", &Value::Null).await?;
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    stage.worker.cron()?;
    let deadline = Instant::now() + SOON;
    while stage.events("backup.age").is_empty() || stage.events("gateway.stands").len() < 2 {
        ensure!(Instant::now() < deadline, "not told\n{}", stage.worker.log());
        sleep(LOOK_AGAIN).await;
    }
    for name in ["turn.begins", "turn.ended"] {
        let of = |it: &&Value| it["turn"] == json!(turn);
        let told = stage.events(name);
        let told = told.iter().find(of).with_context(|| format!("no {name}"))?;
        assert_eq!(told["trace"], json!(trace.id()), "{told}");
    }
    let ended = stage.events("turn.ended");
    assert!(ended.iter().all(|it| it["end"] == "final" && it["number"].as_f64() > Some(0.0)));
    assert!(stage.events("sandbox.ready").iter().all(|it| it["number"].as_f64() > Some(0.0)));
    let gateway = stage.events("gateway.stands").pop().context("no gateway")?;
    assert_eq!((&gateway["websockets"], &gateway["memory"]), (&json!(2.0), &json!(4_000_000.0)));
    assert!(gateway["up_ms"].as_f64() > Some(0.0), "{gateway}");
    let sums = stage.events("sandboxes.stand").pop().context("no sums")?;
    assert_eq!(
        (&sums["known"], &sums["awake"], &sums["changed"]),
        (&json!(1.0), &json!(1.0), &json!(1.0))
    );
    assert!(sums["stored_bytes"].as_f64() > Some(0.0), "{sums}");
    assert!(sums["oldest_change_ms"].as_f64() > Some(0.0), "{sums}");
    let age = stage.events("backup.age").pop().context("no age")?;
    assert!(age["what"] == format!("openclaw-{user}") && age["backup_ms"].as_f64() > Some(0.0));
    let requests = stage.events("requests");
    let of = |what: &str| requests.iter().find(|it| it["what"] == what);
    let turns = of("turn 200").context("no turns")?;
    assert!(turns["count"] == 2.0 && turns["p95_ms"].as_f64() > Some(0.0), "{turns}");
    assert!(of("unknown 404").is_some(), "{requests:?}");
    let (printed, _) = inside()?;
    assert!(printed.contains(trace.id().context("no trace")?), "the container does not say it");
    Ok(())
}

/// Hub, Worker and container, every log line switched on, with trouble on the way.
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_webhook_to_container_and_no_log_holds_words_or_keys() -> Result<()> {
    if !Rig::is_wanted() {
        // Said by the other tests of this file, where there is nothing to run it on.
        return Ok(());
    }
    let setup = Setup::echo().only(&[ChannelKind::Telegram]).set("log.level", "trace");
    let world = setup.start().await?;
    let (channel, ada) = (ChannelKind::Telegram, Person::ADA);
    world.say(channel, ada, &format!("{SAID} first"));
    world.expect_sent(channel, |sent| sent.text.contains(&format!("{SAID} first"))).await?;
    let (before, mut tokens) = inside()?;
    assert!(!tokens.is_empty(), "no container is there");
    // A container that dies, a file that is not there, others who say the same.
    world.say(channel, ada, &format!("{SAID} EXIT"));
    world.say(channel, Person::BOB, &format!("{SAID} BACK WHO"));
    world.say(channel, ada, &format!("{SAID} last"));
    world.expect_sent(channel, |sent| sent.text.contains(&format!("{SAID} last"))).await?;
    let (printed, more) = inside()?;
    tokens.extend(more);
    let printed = before + &printed;
    let log = world.whole_log();

    let handed = log.lines().find(|line| line.contains("turn.handed_over")).context("no turn")?;
    let trace = handed.split("trace=\"").nth(1).and_then(|it| it.split('"').next());
    let trace = trace.context("the hub says no trace")?;
    assert_eq!(trace.len(), 32, "{handed}");
    for (what, text) in
        [("message.accepted", &log), ("turn.begins", &log), ("turn.running", &printed)]
    {
        let line = text.lines().find(|line| line.contains(what) && line.contains(trace));
        assert!(line.is_some(), "nobody says {what} with {trace}\n{text}");
    }

    let mut secrets = vec![SAID.to_owned(), KEY.to_owned(), hex::encode(KEY)];
    secrets.extend(["07".repeat(32), TELEGRAM_SECRET.to_owned()]);
    secrets.extend(world.telegram.token().split(':').nth(1).map(str::to_owned));
    secrets.extend(tokens);
    let told = log + &printed;
    assert!(told.contains("TRACE") && told.contains("\"event\":\"turn.ended\""), "not everything");
    let holds = |line: &&str| secrets.iter().any(|secret| line.contains(secret.as_str()));
    let leaks: Vec<&str> = told.lines().filter(holds).take(5).collect();
    assert_eq!(leaks, [""; 0]);
    Ok(())
}

/// Their project's time ends with theirs, and comes back with it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_has_all_of_theirs_back_and_whoever_goes_leaves_nothing() -> Result<()> {
    let Some(stage) = Stage::open(|rig| rig, json!({})).await? else { return Ok(()) };
    let (stays, goes, leaves) = (caller::user(1), caller::user(2), caller::user(3));
    let project = json!({"type": "project", "id": "garden"});
    for user in [stays, goes, leaves] {
        stage.hub.say(user, "at home").await?;
        let mut body = caller::said(caller::turn(), "in the garden");
        body["sandbox"] = project.clone();
        let turns = format!("/v1/users/{user}/turns");
        let told = stage.hub.ask(Method::POST, &turns, &body).await?.text().await?;
        assert!(told.contains("event: final"), "{told}");
    }
    let until = |ms: i64| json!({"until": caller::turn().minted_at().plus_ms(ms)});
    let settle = async |method: Method, path: String, body: &Value| {
        let deadline = Instant::now() + RECOVERY;
        // Each of theirs stops, and is backed up before.
        let ask = || stage.hub.ask(method.clone(), &path, body);
        while ask().await?.status() != StatusCode::NO_CONTENT {
            ensure!(Instant::now() < deadline, "it does not stop\n{}", stage.worker.log());
            sleep(LOOK_AGAIN).await;
        }
        anyhow::Ok(())
    };
    let retire = |user: ZakiUserId| format!("/v1/users/{user}/retire");
    settle(Method::POST, retire(stays), &until(3_600_000)).await?;
    let path = format!("/v1/users/{stays}/reinstate");
    let back = stage.hub.ask(Method::POST, &path, &Value::Null).await?;
    assert_eq!(back.status(), StatusCode::NO_CONTENT);
    settle(Method::POST, retire(goes), &until(3_600_000)).await?;
    // The last word counts, and its time is short.
    stage.hub.ask(Method::POST, &retire(goes), &until(1_500)).await?;
    // And somebody at once.
    settle(Method::DELETE, format!("/v1/users/{leaves}"), &Value::Null).await?;
    let gone = |told: &Value| {
        let of = |user: ZakiUserId| told.to_string().contains(&user.to_string());
        of(stays) && !of(goes) && !of(leaves)
    };
    stage.until("/v1/sandboxes", RECOVERY, gone).await?;
    let kinds = [(json!({"type": "personal"}), "at home"), (project, "in the garden")];
    for (kind, said) in kinds {
        let mut body = caller::said(caller::turn(), "RECALL");
        body["sandbox"] = kind;
        let turns = format!("/v1/users/{stays}/turns");
        let told = stage.hub.ask(Method::POST, &turns, &body).await?.text().await?;
        assert!(told.contains(said), "{told}");
    }
    let path = format!("/v1/users/{goes}/reinstate");
    let late = stage.hub.ask(Method::POST, &path, &Value::Null).await?;
    assert_eq!(late.status(), StatusCode::GONE);
    Ok(())
}
