use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use serde_json::json;
use zaki_envelope::{SandboxKind, Timestamp, ZakiUserId};

use super::*;
use crate::RuntimePaths;

fn runtime(dir: &std::path::Path) -> Process {
    let node = dir.join("bin/node");
    std::fs::create_dir_all(dir.join("bin")).unwrap();
    std::fs::create_dir_all(dir.join("node_modules/openclaw")).unwrap();
    std::fs::write(&node, "").unwrap();
    let around = Surroundings {
        data_dir: dir,
        model_url: "http://127.0.0.1:1/model/v1".into(),
        model: "offline".into(),
        choices: &[],
        api: Wire::OpenAi,
        first_uid: draw_uids(),
    };
    let mut config = ProcessConfig::new(["/bin/false".to_owned()], RuntimePaths::in_dir(dir));
    config.isolation = crate::Isolation::Off;
    Process::new(&config, around).unwrap()
}

fn name() -> SandboxName {
    let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
    SandboxName::new(user, &SandboxKind::Personal).unwrap()
}

/// What an earlier edge may have noted.
fn place(token: &str, identity: &serde_json::Value) -> Place {
    let spot = json!({"uid": null, "spec": "", "identity": identity});
    serde_json::from_value(json!({"generation": 1, "token": token, "process": spot})).unwrap()
}

fn sleeper(token: &str) -> Child {
    let mut command = Command::new("sleep");
    command.arg("1000").env(TOKEN_VARIABLE, token).process_group(0).spawn().unwrap()
}

fn identity(child: &Child) -> Identity {
    Identity::of(child.id().try_into().unwrap()).unwrap()
}

#[tokio::test]
async fn stop_ends_the_process_noted_and_no_other_with_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime(dir.path());
    let mut innocent = sleeper("innocent");
    let noted = json!({"pid": innocent.id(), "started": 1});
    runtime.stop(&name(), &place("another", &noted), Manner::Gently).await;
    assert!(innocent.try_wait().unwrap().is_none(), "another process was ended");
    let noted = serde_json::to_value(identity(&innocent)).unwrap();
    runtime.stop(&name(), &place("another", &noted), Manner::AtOnce).await;
    assert!(!innocent.wait().unwrap().success());
}

#[tokio::test]
async fn stop_finds_a_process_whose_pid_was_never_noted() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime(dir.path());
    let (mut lost, mut other) = (sleeper("lost-token"), sleeper("other-token"));
    while identity::with_variable(TOKEN_VARIABLE, "lost-token").is_empty() {
        tokio::task::yield_now().await;
    }
    runtime.stop(&name(), &place("lost-token", &json!(null)), Manner::Gently).await;
    assert!(!lost.wait().unwrap().success());
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn stop_ends_what_left_the_group_with_the_token() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime(dir.path());
    let (mut leader, mut gateway) = (sleeper("a-token"), sleeper("a-token"));
    let noted = serde_json::to_value(identity(&leader)).unwrap();
    while identity::with_value("a-token").len() < 2 {
        tokio::task::yield_now().await;
    }
    runtime.stop(&name(), &place("a-token", &noted), Manner::AtOnce).await;
    assert!(!leader.wait().unwrap().success() && !gateway.wait().unwrap().success());
}

/// The container is gone and was never noted; its gateway has the token and lives.
#[tokio::test]
async fn stop_ends_what_a_leader_left_who_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime(dir.path());
    let mut gateway = Command::new("sleep")
        .arg("1000")
        .env("ANOTHER_NAME", "left-token")
        .process_group(0)
        .spawn()
        .unwrap();
    while identity::with_value("left-token").is_empty() {
        tokio::task::yield_now().await;
    }
    runtime.stop(&name(), &place("left-token", &json!(null)), Manner::AtOnce).await;
    assert!(!gateway.wait().unwrap().success());
}

#[tokio::test]
async fn nothing_of_an_erased_person_is_left_and_all_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime(dir.path());
    let user = |n| ZakiUserId::from_parts(Timestamp::from_ms(1), n);
    let mine = [name(), SandboxName::new(user(1), &SandboxKind::Runtime).unwrap()];
    let other = SandboxName::new(user(2), &SandboxKind::Personal).unwrap();
    for name in mine.iter().chain([&other]) {
        let state = dir.path().join("sandboxes").join(name.as_str());
        std::fs::create_dir_all(state.join("deep/down")).unwrap();
        std::os::unix::fs::symlink(dir.path(), state.join("deep/out")).unwrap();
        std::fs::write(state.join("deep/down/note"), "x").unwrap();
        for end in ["log", "log.1"] {
            std::fs::write(dir.path().join(format!("logs/{name}.{end}")), "x").unwrap();
        }
    }
    for _ in 0..2 {
        runtime.erase(user(1)).await.unwrap();
    }
    let names = |folder: &str| {
        let found = std::fs::read_dir(dir.path().join(folder)).unwrap();
        let names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names("sandboxes"), [other.to_string()].into());
    assert_eq!(names("logs"), ["log", "log.1"].map(|end| format!("{other}.{end}")).into());
    assert!(dir.path().join("bin").exists(), "a link was followed");
}

#[tokio::test]
async fn a_program_that_ends_at_once_fails_its_start_and_says_where_to_look() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime(dir.path());
    let mut place = runtime.place(1, Generation(1), runtime.version()).await.unwrap();
    // It may be gone before or after it is looked at.
    match runtime.start(&name(), &mut place).await {
        Ok(link) => link.exited().await,
        Err(error) => assert!(error.to_string().contains(".log"), "{error}"),
    }
}
