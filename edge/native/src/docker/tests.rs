//! Against a real engine and the real image, without waiting for OpenClaw to be ready. Named after
//! it all the same: it starts, and takes its seconds of all cores.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters::RenameContainerOptionsBuilder;
use futures::StreamExt;
use tokio::time::timeout;
use zaki_envelope::{SandboxKind, Timestamp};

use super::*;
use crate::config::Tier;

/// A frozen container is known to say nothing for so long; one that lives answers much sooner.
const SILENT: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_mins(2);

/// An edge's own runtime, whose containers and volumes go with it.
struct Bench {
    docker: Docker,
    user: ZakiUserId,
    name: SandboxName,
    /// Where the model proxy would be.
    proxy: TcpListener,
}

fn config() -> Option<DockerConfig> {
    let told = |name| std::env::var(name).ok();
    let (Some(host), Some(image)) = (told("ZAKI_TEST_DOCKER"), told("ZAKI_TEST_IMAGE")) else {
        println!("SKIPPED: ZAKI_TEST_IMAGE names no image (cargo xtask test makes one)");
        return None;
    };
    let mut config = DockerConfig::new(image);
    config.socket = Some(PathBuf::from(host.trim_start_matches("unix://")));
    config.tier = Tier { memory_mb: 700, cpu_percent: 100, pids: 200 };
    Some(config)
}

async fn open(
    config: DockerConfig,
    edge: u32,
    proxy: &TcpListener,
    known: &[SandboxRow],
) -> Docker {
    let around = Surroundings {
        edge,
        model_proxy: proxy.local_addr().unwrap(),
        model: "offline",
        choices: &[],
        api: zaki_edge_core::model::Wire::OpenAi,
    };
    Docker::open(config, around, known).await.unwrap()
}

impl Bench {
    async fn new(edge: u32) -> Option<Self> {
        let config = config()?;
        let proxy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let docker = open(config, edge, &proxy, &[]).await;
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), u128::from(edge));
        let name = SandboxName::new(user, &SandboxKind::Personal).unwrap();
        docker.erase(user).await.unwrap();
        Some(Self { docker, user, name, proxy })
    }

    async fn place(&self, generation: u64) -> Place {
        self.docker.place(1, Generation(generation), self.docker.version()).await.unwrap()
    }

    async fn start(&self, place: &mut Place) -> Arc<dyn Link> {
        let link = self.docker.start(&self.name, place).await.unwrap();
        answers(&link).await;
        link
    }

    /// What a command in the container says; it runs as whoever the agent is.
    async fn run(&self, place: &Place, command: &str) -> String {
        let id = self.docker.id(&self.name, place).await.unwrap();
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec!["/bin/bash", "-c", command]),
            ..CreateExecOptions::default()
        };
        let engine = &self.docker.engine.docker;
        let exec = engine.create_exec(&id, options).await.unwrap();
        let started = engine.start_exec(&exec.id, None).await.unwrap();
        let StartExecResults::Attached { output, .. } = started else { panic!("not attached") };
        let pieces: Vec<LogOutput> = output.map(Result::unwrap).collect().await;
        pieces.into_iter().map(|piece| piece.to_string()).collect()
    }

    async fn close(self) {
        self.docker.erase(self.user).await.unwrap();
        assert!(self.docker.engine.containers(&[]).await.unwrap().is_empty());
    }
}

async fn answers(link: &Arc<dyn Link>) {
    let http = link.endpoint().unwrap();
    let asked = async {
        while http.health().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, asked).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn openclaw_in_a_container_is_frozen_thawed_adopted_and_ended() {
    let Some(bench) = Bench::new(0x7e57_0001).await else { return };
    let mut place = bench.place(1).await;
    let link = bench.start(&mut place).await;
    let http = link.endpoint().unwrap();

    bench.docker.freeze(&bench.name, &place).await.unwrap();
    assert!(timeout(SILENT, http.health()).await.is_err(), "it answers while it is held");
    let began = std::time::Instant::now();
    for _ in 0..2 {
        bench.docker.thaw(&bench.name, &place).await.unwrap();
    }
    http.health().await.unwrap();
    println!("thawed and answering after {:?}", began.elapsed());

    // An edge that went while it was frozen; the next one knows what was noted, or only the start.
    for noted in [true, false] {
        bench.docker.freeze(&bench.name, &place).await.unwrap();
        let mut known = place.clone();
        if let (false, Some(spot)) = (noted, &mut known.docker) {
            spot.container = None;
        }
        let adopted = bench.docker.adopt(&bench.name, &known).await.expect("adopted");
        answers(&adopted).await;
    }
    let mut other = place.clone();
    other.docker.as_mut().unwrap().spec = "another".into();
    assert!(bench.docker.adopt(&bench.name, &other).await.is_none(), "started otherwise");

    bench.docker.freeze(&bench.name, &place).await.unwrap();
    let began = std::time::Instant::now();
    bench.docker.stop(&bench.name, &place, Manner::Gently).await;
    println!("ended, though it was frozen, after {:?}", began.elapsed());
    timeout(PATIENCE, link.exited()).await.unwrap();
    assert!(bench.docker.id(&bench.name, &place).await.is_none());
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openclaw_in_a_container_leaves_its_volume_and_nothing_else() {
    let Some(bench) = Bench::new(0x7e57_0002).await else { return };
    let mut first = bench.place(1).await;
    let link = bench.start(&mut first).await;
    bench.run(&first, "echo kept > /data/note; echo lost > /tmp/note").await;
    // Killed, and never noted as gone: the next start does not share the volume with it.
    let mut second = bench.place(2).await;
    bench.start(&mut second).await;
    timeout(PATIENCE, link.exited()).await.unwrap();
    assert_eq!(bench.run(&second, "cat /data/note; ls /tmp").await, "kept\n");

    // One that no place tells of is removed by the next edge; the one that is known stays.
    let engine = &bench.docker.engine;
    let id = bench.docker.id(&bench.name, &second).await.unwrap();
    let row = |place: &Place| SandboxRow {
        place: Some(place.clone()),
        ..SandboxRow::new(bench.name.clone())
    };
    open(config().unwrap(), 0x7e57_0002, &bench.proxy, &[row(&second)]).await;
    assert!(engine.runs(&id).await, "known");
    let renamed = RenameContainerOptionsBuilder::new().name("zaki-7e570002-forgotten").build();
    engine.docker.rename_container(&id, renamed).await.unwrap();
    open(config().unwrap(), 0x7e57_0002, &bench.proxy, &[row(&second)]).await;
    assert!(!engine.runs(&id).await, "left behind");
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openclaw_in_a_container_has_an_init_that_reaps_and_hears() {
    let Some(bench) = Bench::new(0x7e57_0003).await else { return };
    let mut place = bench.place(1).await;
    bench.start(&mut place).await;
    // Orphans: their parent ends before they do.
    let orphans = "for n in 1 2 3 4 5; do (sleep 0.$n &) ; done; sleep 1.5; \
                   grep -l '^State:.Z' /proc/[0-9]*/status | wc -l";
    assert_eq!(bench.run(&place, orphans).await, "0\n");
    let first = bench.run(&place, "tr '\\0' ' ' < /proc/1/cmdline").await;
    assert!(first.contains("zaki-container"), "{first}");
    // SIGTERM to the init reaches the program, which puts its things in order and ends well.
    let id = bench.docker.id(&bench.name, &place).await.unwrap();
    bench.docker.engine.end(&id).await;
    let state = bench.docker.engine.inspect(&id).await.unwrap().state.unwrap();
    assert_eq!((state.exit_code, state.oom_killed), (Some(0), Some(false)));
    bench.close().await;
}

/// Each line is an attempt from inside, as the agent's own user, and what must come of it.
#[tokio::test(flavor = "multi_thread")]
async fn openclaw_in_a_container_reaches_nothing() {
    let Some(bench) = Bench::new(0x7e57_0004).await else { return };
    let other = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    let mut place = bench.place(1).await;
    let _link = bench.start(&mut place).await;
    let connect = |to: &str| format!("timeout 3 bash -c 'exec 3<>/dev/tcp/{to}' && echo reached");
    let attempts: [(&str, String, &str); 22] = [
        ("who it is", "id -u; id -G".into(), "10001\n10001\n"),
        ("capabilities", "grep -c '^Cap...:.0000000000000000$' /proc/self/status".into(), "5\n"),
        ("new privileges", "grep -c '^NoNewPrivs:.1$' /proc/self/status".into(), "1\n"),
        ("system calls are filtered", "grep -c '^Seccomp:.2$' /proc/self/status".into(), "1\n"),
        ("setuid programs", "find / -xdev -perm /6000 2>/dev/null".into(), ""),
        (
            "writing to the root",
            refused("touch /x || touch /usr/x || touch /opt/zaki/x || echo x >> /etc/hosts"),
            "",
        ),
        ("changing the program", refused("echo x >> /usr/local/bin/zaki-container"), ""),
        ("running from /tmp", refused("cp /bin/id /tmp/id && /tmp/id"), ""),
        ("mounting", refused("mount -t tmpfs none /data/home"), ""),
        ("a namespace of its own", refused("unshare -U true"), ""),
        ("devices", refused("mknod /data/disk b 254 0"), ""),
        ("devices that are there", "ls /dev | grep -E '^(sd|vd|nvme|mem|kmsg|fuse)'".into(), ""),
        ("the engine", "ls -d /var/run/docker.sock /run/docker.sock 2>/dev/null".into(), ""),
        ("what is mounted", "grep -cE ' (/data|/tmp) ' /proc/self/mounts".into(), "2\n"),
        ("interfaces", "ls /sys/class/net".into(), "lo\n"),
        ("routes", "tail -n +2 /proc/net/route".into(), ""),
        ("this machine", refused(&connect(&format!("{}/{port}", address()))), ""),
        (
            "a service of this machine's loopback",
            refused(&connect(&format!("127.0.0.1/{port}"))),
            "",
        ),
        ("the metadata address", refused(&connect("169.254.169.254/80")), ""),
        ("names", refused("timeout 5 getent hosts example.org"), ""),
        (
            "its memory is bounded",
            "cat /sys/fs/cgroup/memory/memory.limit_in_bytes \
          /sys/fs/cgroup/memory.max 2>/dev/null"
                .into(),
            "734003200\n",
        ),
        (
            "its processes are bounded",
            "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null".into(),
            "200\n",
        ),
    ];
    for (what, command, expected) in attempts {
        assert_eq!(bench.run(&place, &command).await, expected, "{what}: {command}");
        println!("refused or bounded: {what}");
    }
    // The one way out leads to the model proxy, and to nothing that does not know the token.
    bench.proxy.set_nonblocking(true).unwrap();
    let proxy = tokio::net::TcpListener::from_std(bench.proxy.try_clone().unwrap()).unwrap();
    assert_eq!(bench.run(&place, &connect("127.0.0.1/8788")).await, "reached\n");
    timeout(PATIENCE, proxy.accept()).await.unwrap().unwrap();
    bench.close().await;
}

/// Says something only when the command succeeds.
fn refused(command: &str) -> String {
    format!("({command}) >/dev/null 2>&1 && echo done")
}

/// An address of this machine that others would use.
fn address() -> std::net::IpAddr {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    // Sends nothing: asks for the route.
    let routed = socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9));
    routed.and_then(|()| socket.local_addr()).map_or(Ipv4Addr::LOCALHOST.into(), |own| own.ip())
}
