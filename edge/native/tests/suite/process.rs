//! Sandboxes as processes, by the real container program: adopted, ended, kept apart.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use axum::http::StatusCode;
use zaki_edge_native::{Edge, Exec, Isolation, ModelConfig, RuntimeChoice};
use zaki_envelope::wire::{ErrorCode, TurnEventKind, WakeStage};

use crate::client::*;
use crate::sandboxes::*;

const TOKEN: &str = "ZAKI_SANDBOX_TOKEN";

async fn wake(edge: &Edge, n: u128) {
    let wake = signed("POST", &format!("/v1/users/{}/wake", user(n)), vec![]);
    assert_eq!(call(&edge.router(), wake).await.0, StatusCode::ACCEPTED);
}

/// The one container there is, once it answers.
async fn one_container(dir: &Path) -> Found {
    let found = until("a container", || containers(dir).pop()).await;
    let token = until("its token", || found.variable(TOKEN)).await;
    // Waits in the socket until the program is there.
    while found.health(&token).await != Some(200) {
        tokio::task::yield_now().await;
    }
    found
}

/// Not a test: the edge that others start and kill. Says `ZAKI_TEST_TEXT` to user 1 as turn 1.
#[tokio::test]
#[ignore = "started by the tests that kill it"]
async fn an_edge_to_be_killed() {
    let (Some(dir), Ok(text)) =
        (std::env::var_os("ZAKI_TEST_DIR"), std::env::var("ZAKI_TEST_TEXT"))
    else {
        return;
    };
    let dir = PathBuf::from(dir);
    let real = std::env::var("ZAKI_TEST_REAL").is_ok_and(|real| !real.is_empty());
    let runtime = if real { runtime() } else { None };
    let runtime = runtime.unwrap_or_else(|| idle_runtime(&dir));
    let edge = Edge::start(config(&dir, runtime)).await.unwrap();
    let seen = dir.join("seen");
    let turn = serde_json::to_vec(&request(turn(1), &text)).unwrap();
    let turn = signed("POST", &format!("/v1/users/{}/turns", user(1)), turn);
    let note = |event: &zaki_envelope::wire::TurnEvent| {
        fs::write(&seen, event.seq.to_string()).unwrap();
        false
    };
    events_until(&edge.router(), turn, note).await;
    std::future::pending().await
}

#[tokio::test]
async fn a_live_sandbox_is_adopted_after_the_edge_was_killed() {
    let dir = directory();
    let runtime = idle_runtime(dir.path());
    let victim = Victim::start(dir.path(), "hello", Gateway::Idle);
    let before = one_container(dir.path()).await;
    // It answers before its edge has noted which process it is; one that is not noted is ended.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    victim.kill();
    assert_eq!(containers(dir.path()), std::slice::from_ref(&before), "it outlives its edge");

    let edge = Edge::start(config(dir.path(), runtime)).await.unwrap();
    wake(&edge, 1).await;
    assert_eq!(containers(dir.path()), [before], "adopted, and no second one started");
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
}

#[tokio::test]
async fn a_sandbox_started_with_other_settings_is_ended_and_not_adopted() {
    let dir = directory();
    let runtime = idle_runtime(dir.path());
    let victim = Victim::start(dir.path(), "hello", Gateway::Idle);
    let before = one_container(dir.path()).await;
    victim.kill();

    let mut config = config(dir.path(), runtime);
    config.model = ModelConfig::openai("http://127.0.0.1:1", "key", "another");
    let edge = Edge::start(config).await.unwrap();
    assert_eq!(containers(dir.path()), [], "ended: pid {}", before.pid);
    wake(&edge, 1).await;
    let after = one_container(dir.path()).await;
    assert_eq!(after.argument("--model"), "another");
    edge.shutdown().await;
}

#[tokio::test]
async fn a_sandbox_that_dies_is_noticed_and_started_again_for_its_next_turn() {
    let dir = directory();
    let edge = Edge::start(config(dir.path(), idle_runtime(dir.path()))).await.unwrap();
    wake(&edge, 1).await;
    let first = one_container(dir.path()).await;
    kill(first.pid);
    until("its end", || containers(dir.path()).is_empty().then_some(())).await;
    until("a sandbox at rest", || (edge.load().sandboxes == 0).then_some(())).await;
    let again = async {
        loop {
            wake(&edge, 1).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let second = tokio::select! {
        second = one_container(dir.path()) => second,
        () = again => unreachable!("it wakes for ever"),
    };
    assert_ne!(second.pid, first.pid);
    assert_ne!(second.variable(TOKEN), first.variable(TOKEN));
    edge.shutdown().await;
    assert_eq!(containers(dir.path()), []);
}

#[tokio::test]
async fn a_sandbox_gets_what_it_needs_and_nothing_else() {
    let dir = directory();
    let edge = Edge::start(config(dir.path(), idle_runtime(dir.path()))).await.unwrap();
    wake(&edge, 1).await;
    let found = one_container(dir.path()).await;
    let environment = fs::read(format!("/proc/{}/environ", found.pid)).unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let names: Vec<&str> = environment
        .split_terminator('\0')
        .filter_map(|entry| entry.split('=').next())
        .filter(|name| *name != "TZ" && *name != "PWD")
        .collect();
    assert_eq!(names, ["HOME", "LANG", "PATH", TOKEN]);
    assert_eq!(found.variable(TOKEN).unwrap().len(), 64);
    assert_eq!(found.argument("--exec"), "deny");
    let group = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(2).unwrap().to_owned()
    };
    for started in started(dir.path()) {
        let differs = group(started.pid) != group(std::process::id());
        assert!(differs, "a Ctrl-C for the edge is none for the sandbox");
    }
    edge.shutdown().await;
}

#[tokio::test]
async fn exec_needs_isolation() {
    let dir = directory();
    let mut config = config(dir.path(), idle_runtime(dir.path()));
    if let RuntimeChoice::Process(process) = &mut config.runtime {
        process.exec = Exec::Full;
        process.isolation = Isolation::Off;
    }
    let edge = Edge::start(config).await.unwrap();
    wake(&edge, 1).await;
    let found = one_container(dir.path()).await;
    assert_eq!(found.argument("--exec"), "deny");
    edge.shutdown().await;
}

#[tokio::test]
async fn tokens_prove_one_sandbox_each() {
    let dir = directory();
    let edge = Edge::start(config(dir.path(), idle_runtime(dir.path()))).await.unwrap();
    for n in [1, 2] {
        wake(&edge, n).await;
    }
    let both =
        until("two containers", || Some(containers(dir.path())).filter(|all| all.len() == 2)).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |url: String, token: &str| {
        let answer = client.get(url).bearer_auth(token).send().await;
        answer.map(|answer| answer.status().as_u16()).ok()
    };
    // A program is seen a moment before its environment is.
    let tokens = || both.iter().map(|found| found.variable(TOKEN)).collect::<Option<Vec<String>>>();
    let tokens = until("their tokens", tokens).await;
    assert_ne!(tokens[0], tokens[1]);
    let models = format!("http://{}/model/v1/models", edge.local_addr());
    for (mine, found) in both.iter().enumerate() {
        assert_eq!(found.health(&tokens[mine]).await, Some(200));
        assert_eq!(found.health(&tokens[1 - mine]).await, Some(401));
        assert_eq!(get(models.clone(), &tokens[mine]).await, Some(200));
    }
    assert_eq!(get(models, "a guess").await, Some(401));
    edge.shutdown().await;
}

#[tokio::test]
async fn sandboxes_read_neither_the_edge_nor_each_other() {
    if !is_root() {
        return println!("SKIPPED: only root can give sandboxes users of their own");
    }
    let dir = directory();
    let edge = Edge::start(config(dir.path(), idle_runtime(dir.path()))).await.unwrap();
    for n in [1, 2] {
        wake(&edge, n).await;
    }
    let both =
        until("two containers", || Some(containers(dir.path())).filter(|all| all.len() == 2)).await;
    let uids: Vec<u32> = both
        .iter()
        .map(|found| found.status("Uid").split('\t').next().unwrap().parse().unwrap())
        .collect();
    assert!(uids[0] > 100_000 && uids[1] > 100_000 && uids[0] != uids[1]);
    assert_eq!(both[0].status("Groups"), "", "no supplementary groups");

    let read = |uid: u32, path: &Path| {
        let mut command = Command::new("cat");
        command.arg(path).current_dir("/").uid(uid).gid(uid);
        command.output().unwrap().status.success()
    };
    let list = |uid: u32, path: &Path| {
        let mut command = Command::new("ls");
        command.arg(path).current_dir("/").uid(uid).gid(uid);
        command.output().unwrap().status.success()
    };
    let own = |n: usize| PathBuf::from(both[n].argument("--state"));
    until("its state", || own(0).join("lock").exists().then_some(())).await;
    assert!(list(uids[0], &own(0)) && read(uids[0], &own(0).join("lock")), "its own it can");
    assert!(!list(uids[0], &own(1)) && !read(uids[0], &own(1).join("lock")));
    let data = dir.path().join("data");
    for closed in ["", "private", "sandboxes", "logs"] {
        assert!(!list(uids[0], &data.join(closed)), "{closed}");
    }
    assert!(!read(uids[0], &data.join("private/edge.db")));
    assert!(!read(uids[0], Path::new(&format!("/proc/{}/environ", both[1].pid))));
    let me = std::process::id();
    assert!(
        !read(uids[0], Path::new(&format!("/proc/{me}/environ"))),
        "the edge's own environment"
    );
    edge.shutdown().await;
}

#[tokio::test]
async fn starts_wait_for_the_machines_budget() {
    let dir = directory();
    let mut config = config(dir.path(), idle_runtime(dir.path()));
    config.max_parallel_starts = 1;
    let edge = Edge::start(config).await.unwrap();
    wake(&edge, 1).await;
    one_container(dir.path()).await;
    let asked = serde_json::to_vec(&request(turn(1), "x")).unwrap();
    let asked = signed("POST", &format!("/v1/users/{}/turns", user(2)), asked);
    let next = TurnEventKind::Waking { stage: WakeStage::Queued, ahead: Some(0) };
    events_until(&edge.router(), asked, |event| event.kind == next).await;
    let asked = serde_json::to_vec(&request(turn(1), "x")).unwrap();
    let asked = signed("POST", &format!("/v1/users/{}/turns", user(3)), asked);
    let second = TurnEventKind::Waking { stage: WakeStage::Queued, ahead: Some(1) };
    events_until(&edge.router(), asked, |event| event.kind == second).await;
    assert_eq!(containers(dir.path()).len(), 1, "the first one has not come up yet");
    edge.shutdown().await;
}

#[tokio::test]
async fn a_start_that_takes_too_long_fails_its_turns_and_is_ended() {
    let dir = directory();
    let mut config = config(dir.path(), idle_runtime(dir.path()));
    config.start_timeout = std::time::Duration::from_millis(500);
    let edge = Edge::start(config).await.unwrap();
    let events = run(&edge.router(), user(1), &request(turn(1), "x")).await;
    let end = events.last().unwrap();
    let TurnEventKind::Error { code, .. } = end.kind else { panic!("{end:?}") };
    assert_eq!((end.seq, code), (1, ErrorCode::Timeout));
    until("its end", || containers(dir.path()).is_empty().then_some(())).await;
    // The end is kept like any other.
    assert_eq!(resume(&edge.router(), user(1), turn(1), 0).await, std::slice::from_ref(end));
    edge.shutdown().await;
}

#[tokio::test]
async fn a_turn_that_waits_for_its_sandbox_can_be_stopped() {
    let dir = directory();
    let edge = Edge::start(config(dir.path(), idle_runtime(dir.path()))).await.unwrap();
    let router = edge.router();
    let asked = request(turn(1), "x");
    let stopping = async {
        one_container(dir.path()).await;
        let path = format!("/v1/users/{}/turns/{}/abort", user(1), turn(1));
        assert_eq!(call(&router, signed("POST", &path, vec![])).await.0, StatusCode::ACCEPTED);
    };
    let (events, ()) = tokio::join!(run(&router, user(1), &asked), stopping);
    let end = &events.last().unwrap().kind;
    assert!(matches!(end, TurnEventKind::Final { aborted: true, .. }), "{end:?}");
    edge.shutdown().await;
}

#[tokio::test]
async fn a_data_directory_out_of_reach_is_one_clear_sentence() {
    if !is_root() {
        return println!("SKIPPED: only root can give sandboxes users of their own");
    }
    let dir = directory();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let config = config(&closed, idle_runtime(dir.path()));
    let error = Edge::start(config).await.err().unwrap().to_string();
    let mend = format!("chmod o+x {}", closed.display());
    assert!(error.contains(&mend), "{error}");
}
