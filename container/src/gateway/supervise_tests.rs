use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::fake_gateway::{FakeGateway, Peer};

/// What OpenClaw says of a configuration that it takes.
const TAKEN: &str = r#"echo '{"valid":true}'"#;

/// A script in place of Node, that appends a line to `starts` for each gateway and then does as told.
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
        Self::with(script, "exit 1")
    }

    /// `validates`: what is done when it is asked about its configuration.
    fn with(script: &str, validates: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("node");
        let starts = dir.path().join("starts");
        let script = format!(
            "#!/bin/sh\nstarts={}\nwhile [ \"${{1#--max-}}\" != \"$1\" ]; do shift; done\ncase $2 in\nconfig) {validates}; exit;;\n\
             doctor) echo \"$*\" >> $starts.doctor; exit;;\nesac\n\
             env > $starts.env\necho \"$5\" >> $starts\n{script}\n",
            starts.display()
        );
        fs::write(&node, script).unwrap();
        fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).unwrap();
        let settings = Settings::of_test(&dir.path().join("state"), &node);
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
    let stage =
        Stage::with("exit 78", r#"echo '{"valid":false,"issues":[{"path":"x","message":"no"}]}'"#);
    let supervisor = stage.supervise();
    let why = stage.link.ready().await.unwrap_err();
    assert!(why.contains("doctor"), "{why}");
    let ended = supervisor.await.unwrap();
    assert_eq!(ended, Err(why), "the sandbox ends, so that the next turn gets another one");
    assert_eq!(stage.starts().len(), 1);
}

/// On a busy machine OpenClaw loses a lease of its own, and says the same as of a configuration.
#[tokio::test]
async fn a_state_that_was_refused_once_is_taken_by_the_next_start() {
    let once = "test $(wc -l < $starts) = 1 && exit 78; sleep 1000";
    for validates in [TAKEN, "kill -9 $$"] {
        let stage = Stage::with(once, validates);
        let supervisor = stage.supervise();
        if validates == TAKEN {
            stage.until_starts(2).await;
            stage.stop.cancel();
            supervisor.await.unwrap().unwrap();
        } else {
            assert!(supervisor.await.unwrap().is_err(), "only its own yes is one");
            assert_eq!(stage.starts().len(), 1);
        }
        assert!(!stage.dir.path().join("starts.doctor").exists());
    }
}

#[tokio::test]
async fn a_state_that_is_always_refused_is_repaired_once_and_then_told() {
    let stage = Stage::with("exit 78", TAKEN);
    let ended = stage.supervise().await.unwrap();
    assert!(ended.unwrap_err().contains("restore a backup"));
    assert_eq!(stage.starts().len(), 3);
    let doctor = fs::read_to_string(stage.dir.path().join("starts.doctor")).unwrap();
    assert_eq!(
        doctor.trim(),
        "openclaw.mjs doctor --fix --yes --non-interactive".replacen(
            "openclaw.mjs",
            &stage.settings.openclaw.join("openclaw.mjs").display().to_string(),
            1,
        )
    );
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
    let peers = async { vec![gateway.accept().await, gateway.accept().await] };
    let (connected, peers) = tokio::join!(door.connect(), peers);
    (connected.unwrap(), peers)
}

#[tokio::test]
async fn a_lost_connection_to_a_gateway_that_lives_is_made_again() {
    for (asks, lost) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
        let link = Link::new();
        let gateway = FakeGateway::new(&link).await;
        let token = crate::fake_gateway::TOKEN.to_owned();
        let door = Door { port: gateway.port(), token, link: Arc::clone(&link), asks };
        let (closed, mut peers) = enter(&gateway, &door).await;
        assert!(link.owner().is_some());
        peers.remove(lost).hang_up().await;
        closed.cancelled().await;
        let (_closed, _peers) = enter(&gateway, &door).await;
        assert_eq!(link.ready().await.unwrap().version, "2026.9.6");
        assert!(link.owner().is_some());
    }
}

/// A gateway that refuses a patch is followed by one without it; that one is not tried again.
#[tokio::test]
async fn a_patch_that_no_gateway_takes_is_undone() {
    let stage = Stage::new("grep -q poison $OPENCLAW_CONFIG_PATH && exit 78; sleep 1000");
    let kept = Kept::new(&stage.layout);
    let patch = |text: &str| serde_json::json!({"messages": {"responsePrefix": text}});
    kept.propose(&patch("good")).unwrap();
    kept.settle();
    kept.propose(&patch("poison")).unwrap();
    let supervisor = stage.supervise();
    stage.until_starts(2).await;
    assert_eq!(kept.read(), patch("good"));
    let config = fs::read_to_string(stage.layout.config()).unwrap();
    assert!(config.contains("good") && !config.contains("poison"), "{config}");
    stage.stop.cancel();
    supervisor.await.unwrap().unwrap();
    assert_eq!(stage.starts().len(), 2);
}

#[test]
fn its_heap_is_half_of_what_the_sandbox_may_have() {
    let mut stage = Stage::new("");
    let heap = |stage: &Stage| {
        let command = openclaw(&stage.settings, &stage.layout);
        let mut words = command.as_std().get_args().map(|word| word.to_str().unwrap().to_owned());
        words.find_map(|word| Some(word.strip_prefix("--max-old-space-size=")?.to_owned()))
    };
    assert_eq!(heap(&stage), None, "nobody has said");
    stage.settings.memory_mb = Some(1536);
    assert_eq!(heap(&stage).as_deref(), Some("768"));
}
