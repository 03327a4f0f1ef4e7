use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use super::*;
use crate::fake_gateway::{FakeGateway, Peer};

/// A script in place of Node, that appends a line to `starts` and then does as told.
struct Stage {
    dir: tempfile::TempDir,
    settings: Settings,
    layout: Layout,
    link: Arc<Link>,
    gate: Arc<Gate>,
    stop: CancellationToken,
}

impl Stage {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("node");
        let starts = dir.path().join("starts");
        let script =
            format!("#!/bin/sh\nenv > {0}.env\necho \"$5\" >> {0}\n{script}\n", starts.display());
        fs::write(&node, script).unwrap();
        fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).unwrap();
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            state: dir.path().join("state"),
            node,
            openclaw: PathBuf::from("/nowhere"),
            model_url: "http://127.0.0.1:1/model/v1".into(),
            model: "stub".into(),
            choices: Vec::new(),
            exec: crate::Exec::Deny,
            hold: false,
            grace: Duration::from_millis(100),
            token: "sandbox-token-0123".to_owned().into(),
        };
        Self {
            layout: Layout::create(&settings.state).unwrap(),
            settings,
            dir,
            link: Link::new(),
            gate: Arc::new(Gate::new(crate::gate::Door::Open)),
            stop: CancellationToken::new(),
        }
    }

    fn supervise(&self) -> tokio::task::JoinHandle<Result<(), String>> {
        let (settings, layout) = (self.settings.clone(), self.layout.clone());
        let gate = Arc::clone(&self.gate);
        tokio::spawn(supervise(settings, layout, Arc::clone(&self.link), gate, self.stop.clone()))
    }

    /// The ports of the starts so far.
    fn starts(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("starts")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    async fn until_starts(&self, count: usize) {
        while self.starts().len() < count {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn a_refused_configuration_is_not_tried_again_and_says_what_to_do() {
    let stage = Stage::new("exit 78");
    let supervisor = stage.supervise();
    let why = stage.link.ready().await.unwrap_err();
    assert!(why.contains("doctor"), "{why}");
    let ended = supervisor.await.unwrap();
    assert_eq!(ended, Err(why), "the sandbox ends, so that the next turn gets another one");
    assert_eq!(stage.starts().len(), 1);
}

#[tokio::test]
async fn any_other_end_is_followed_by_another_start() {
    let stage = Stage::new("exit 1");
    let supervisor = stage.supervise();
    stage.until_starts(2).await;
    stage.stop.cancel();
    supervisor.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_ends_a_gateway_that_never_came_up() {
    let stage = Stage::new("trap '' TERM; while :; do sleep 1; done");
    let supervisor = stage.supervise();
    stage.until_starts(1).await;
    let identity: Identity =
        serde_json::from_slice(&fs::read(stage.layout.pid_file()).unwrap()).unwrap();
    stage.stop.cancel();
    supervisor.await.unwrap().unwrap();
    assert!(matches!(stage.link.state(), State::Starting), "a stop is no failure");
    identity.end().await;
    assert!(!stage.layout.pid_file().exists());
}

#[tokio::test]
async fn the_gateway_sees_a_clean_environment_and_its_file_no_token() {
    let stage = Stage::new("sleep 1000");
    let supervisor = stage.supervise();
    stage.until_starts(1).await;
    let environment = fs::read_to_string(stage.dir.path().join("starts.env")).unwrap();
    assert!(environment.contains("ZAKI_MODEL_TOKEN=sandbox-token-0123"));
    assert!(environment.contains("OPENCLAW_NO_RESPAWN=1"));
    assert!(!environment.contains("CARGO"), "{environment}");
    let config = fs::metadata(stage.layout.config()).unwrap();
    assert_eq!(config.permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(stage.layout.config()).unwrap();
    assert!(!text.contains("sandbox-token-0123"));
    stage.stop.cancel();
    supervisor.await.unwrap().unwrap();
}

/// Both connections, in whichever order they come.
async fn enter(gateway: &FakeGateway, door: &Door) -> (CancellationToken, Vec<Peer>) {
    let peers = async {
        let mut peers = vec![gateway.accept().await];
        if door.asks {
            peers.push(gateway.accept().await);
        }
        peers
    };
    let (connected, peers) = tokio::join!(door.connect(), peers);
    (connected.unwrap(), peers)
}

#[tokio::test]
async fn a_lost_connection_to_a_gateway_that_lives_is_made_again() {
    for (asks, lost) in [(false, 0), (true, 0), (true, 1)] {
        let link = Link::new();
        let gateway = FakeGateway::new(&link).await;
        let token = crate::fake_gateway::TOKEN.to_owned();
        let door = Door { port: gateway.port(), token, link: Arc::clone(&link), asks };
        let (closed, mut peers) = enter(&gateway, &door).await;
        assert_eq!(link.approver().is_some(), asks, "nobody is admin without need");
        peers.remove(lost).hang_up().await;
        closed.cancelled().await;
        let (_closed, _peers) = enter(&gateway, &door).await;
        assert_eq!(link.ready().await.unwrap().version, "2026.9.6");
        assert_eq!(link.approver().is_some(), asks);
    }
}
