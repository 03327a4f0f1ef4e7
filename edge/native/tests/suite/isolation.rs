//! What a sandbox can do to others, from inside: a stand-in for the gateway makes every attempt
//! there, where an agent's commands run, and each must come to nothing. Those that only look and
//! knock are made with isolation off as well, to show that they can succeed.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use zaki_edge_native::{Edge, Isolation, Network, RuntimeChoice, Tier};

use crate::client::*;
use crate::sandboxes::*;

/// A user's file, a process, a socket, a port: whatever is not the sandbox's own.
struct Attempt {
    what: &'static str,
    command: String,
    /// What it prints inside.
    inside: String,
    /// What it prints where nothing is in its way. Only of those that change nothing: there they are
    /// made on the machine itself, as root.
    outside: Option<String>,
}

fn attempt(what: &'static str, command: impl Into<String>) -> Attempt {
    Attempt { what, command: command.into(), inside: String::new(), outside: None }
}

impl Attempt {
    /// Inside it prints this.
    fn gives(self, inside: &str) -> Self {
        Self { inside: format!("{inside}\n"), ..self }
    }

    /// Succeeds where nothing is in its way.
    fn open(self, outside: &str) -> Self {
        Self { outside: Some(format!("{outside}\n")), ..self }
    }
}

/// Says `done` only when the command succeeds.
fn tries(what: &'static str, command: &str) -> Attempt {
    attempt(what, format!("({command}) >/dev/null 2>&1 && echo done"))
}

fn connects(what: &'static str, to: &str) -> Attempt {
    tries(what, &format!("timeout 3 bash -c 'exec 3<>/dev/tcp/{to}'"))
}

/// Asks the edge by the way that the sandbox has to it; prints the status.
fn asks(what: &'static str, method: &str, path: &str, header: &str) -> Attempt {
    let request = format!("{method} {path} HTTP/1.0\\r\\n{header}\\r\\n\\r\\n");
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/8788; printf \"{request}\" >&3; head -1 <&3 | cut -d\" \" -f2"
    );
    attempt(what, format!("timeout 5 bash -c '{script}'"))
}

fn dials(what: &'static str, address: &str) -> Attempt {
    let script = format!(
        "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0) or exit 1; \
         connect(S, sockaddr_un({address})) or exit 1"
    );
    tries(what, &format!("perl -e '{script}'"))
}

const FEW: &str = "[ $(ls /proc | grep -c '^[0-9]') -lt 20 ] && echo few || echo many";

/// Who is attacked, and what around them.
struct Victims<'v> {
    data: &'v Path,
    /// The other sandbox.
    other: &'v Found,
    /// Where the edge listens.
    edge: std::net::SocketAddr,
    /// A service of this machine, on every address of it.
    port: u16,
    /// The name of an abstract Unix socket.
    name: &'v str,
}

fn attempts(at: &Victims<'_>) -> Vec<Attempt> {
    let (data, port) = (at.data.display(), at.port);
    let (state, pid, me) = (at.other.argument("--state"), at.other.pid, std::process::id());
    let (socket, name) = (at.other.socket(), at.name);
    let mut all = files(at, &state);
    all.extend([
        attempt("which processes there are", FEW).gives("few").open("many"),
        tries("another's process", &format!("kill -0 {pid}")).open("done"),
        tries("another's environment", &format!("cat /proc/{pid}/environ")).open("done"),
        tries("the edge's environment", &format!("cat /proc/{me}/environ")).open("done"),
        tries(
            "the edge's memory",
            &format!("head -c1 /proc/{me}/mem || dd if=/proc/{me}/mem bs=1"),
        ),
        dials("another's socket", &format!("\"{}\"", socket.display())).open("done"),
        dials("an abstract socket of this machine", &format!("\"\\0{name}\"")).open("done"),
        dials("the engine", "\"/var/run/docker.sock\""),
        connects("a service of this machine", &format!("127.0.0.1/{port}")).open("done"),
        connects("the same by its address", &format!("{}/{port}", address())).open("done"),
        connects("the edge", &format!("127.0.0.1/{}", at.edge.port())).open("done"),
        connects("the metadata address", "169.254.169.254/80"),
        tries("names", "timeout 5 getent hosts example.org"),
        attempt("interfaces", "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '").gives("lo"),
        attempt("routes", "tail -n +2 /proc/net/route"),
    ]);
    all.extend(routes());
    all.extend(kernel());
    all.push(tries("a file of the edge's", &format!("cat {data}/private/edge.db")).open("done"));
    all
}

fn files(at: &Victims<'_>, state: &str) -> Vec<Attempt> {
    let data = at.data.display();
    let others = format!("ls {data}/sandboxes | wc -l");
    vec![
        attempt("whose sandboxes there are", others).gives("1").open("2"),
        tries("another's files", &format!("ls {state}/lock")).open("done"),
        tries("writing there", &format!("touch {state}/x")),
        tries("another's log", &format!("cat {data}/logs/*.log")).open("done"),
        tries("the edge's folder", &format!("ls {data}/private")).open("done"),
        tries("root's files", "ls /root").open("done"),
        tries("people's files", "ls /home").open("done"),
        tries("this machine's settings", "cat /etc/hostname || cat /etc/fstab || cat /etc/shadow"),
        attempt("who is known here", "cut -d: -f1 /etc/passwd").gives("sandbox"),
        tries("writing to the root", "touch /x || touch /usr/x || touch /etc/x || touch /run/x"),
        tries(
            "changing its own program",
            "for f in /proc/[0-9]*/exe; do echo >> $f && exit 0; done; false",
        ),
        tries("changing its agent", "echo >> \"$0\""),
        attempt("devices", "ls /dev | grep -E '^(sd|vd|nvme|mem|kmsg|fuse|kvm|loop|vsock|net)'"),
        tries("the kernel's settings", "echo x > /proc/sys/kernel/core_pattern"),
        tries("what the kernel shows of devices", "ls /sys/class"),
    ]
}

/// What is behind the one way out.
fn routes() -> Vec<Attempt> {
    let (victim, own) = (user(1), "Authorization: Bearer $ZAKI_MODEL_TOKEN");
    let path = |rest: &str| format!("/v1/users/{victim}{rest}");
    vec![
        asks("its own model, by its own token", "GET", "/model/v1/models", own).gives("200"),
        asks("a model, by a guess", "GET", "/model/v1/models", "Authorization: Bearer x")
            .gives("401"),
        asks("all sandboxes", "GET", "/v1/sandboxes", own).gives("404"),
        asks("the edge's figures", "GET", "/metrics", own).gives("404"),
        asks("another's turns", "POST", &path("/turns"), own).gives("404"),
        asks("another's sandbox", "GET", &path("/sandbox"), own).gives("404"),
        asks("running in another's", "POST", &path("/sandbox/exec"), own).gives("404"),
        asks("another's backup", "POST", &path("/backup"), own).gives("404"),
        asks("erasing another", "DELETE", &path(""), own).gives("404"),
        asks("its own sandbox, as an operator", "POST", "/v1/users/x/sandbox/stop", own)
            .gives("404"),
    ]
}

fn kernel() -> Vec<Attempt> {
    let status =
        |field: &str| format!("grep '^{field}:' /proc/self/status | tr -d '[:space:]'; echo");
    vec![
        attempt("who it is", "id -u; id -G | wc -w").gives("1000\n1"),
        attempt("what this machine is called", "cat /proc/sys/kernel/hostname").gives("sandbox"),
        attempt("capabilities", status("CapBnd")).gives("CapBnd:0000000000000000"),
        attempt("effective ones", status("CapEff")).gives("CapEff:0000000000000000"),
        attempt("new privileges", status("NoNewPrivs")).gives("NoNewPrivs:1"),
        attempt("system calls are filtered", status("Seccomp")).gives("Seccomp:2"),
        tries("a namespace of its own", "unshare -U true || unshare -n true || unshare -m true"),
        tries("mounting", "mount -t tmpfs none $HOME"),
        tries("another root", "chroot / true"),
        tries("sockets to the host of this machine", "perl -e 'socket(S, 40, 1, 0) or exit 1'"),
        tries("sockets below IP", "perl -e 'socket(S, 17, 3, 0) or exit 1'").open("done"),
        tries("becoming root", "su -c true || setpriv --reuid 0 true"),
        attempt("core files", "ulimit -c").gives("0"),
        attempt("processes are bounded", "ulimit -u").gives("1024"),
        attempt(
            "variables it has no need of",
            "env | cut -d= -f1 | grep -iE 'key|secret|password|zaki' | grep -v ZAKI_MODEL_TOKEN",
        ),
    ]
}

/// The gateway's stand-in: makes them all, and stays.
fn write_probe(node: &Path, attempts: &[Attempt]) {
    let mut script = "#!/bin/bash\nmkdir -p $HOME/probe\n".to_owned();
    for (n, attempt) in attempts.iter().enumerate() {
        let command = &attempt.command;
        writeln!(script, "( {command} ) > $HOME/probe/{n} 2>/dev/null < /dev/null").unwrap();
    }
    script += "touch $HOME/probe/done\nexec sleep 1000\n";
    let beside = node.with_extension("new");
    fs::write(&beside, script).unwrap();
    fs::set_permissions(&beside, Permissions::from_mode(0o755)).unwrap();
    fs::rename(beside, node).unwrap();
}

async fn wake(edge: &Edge, n: u128) {
    let wake = signed("POST", &format!("/v1/users/{}/wake", user(n)), vec![]);
    call(&edge.router(), wake).await;
}

/// What each attempt of person 2 printed, while person 1 had a sandbox.
async fn probe(isolation: Isolation) -> Vec<(Attempt, String)> {
    let dir = directory();
    let mut config = config(dir.path(), idle_runtime(dir.path()));
    let RuntimeChoice::Process(process) = &mut config.runtime else { unreachable!() };
    (process.isolation, process.network) = (isolation, Network::None);
    let node = process.runtime.node.clone();
    config.max_parallel_starts = 2;
    let edge = Edge::start(config).await.unwrap();
    wake(&edge, 1).await;
    let other = until("a container", || containers(dir.path()).pop()).await;
    until("its state", || {
        Path::new(&other.argument("--state")).join("lock").exists().then_some(())
    })
    .await;
    let service = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let name = format!("zaki-test-{:016x}", rand::random::<u64>());
    let abstracted = SocketAddr::from_abstract_name(&name).unwrap();
    let _abstracted = UnixListener::bind_addr(&abstracted).unwrap();
    let data = dir.path().join("data");
    let mut all = attempts(&Victims {
        data: &data,
        other: &other,
        edge: edge.local_addr(),
        port: service.local_addr().unwrap().port(),
        name: &name,
    });
    if isolation == Isolation::Off {
        // Nothing keeps those: they would do what they try.
        all.retain(|attempt| attempt.outside.is_some());
    }
    write_probe(&node, &all);
    wake(&edge, 2).await;
    let probe: PathBuf = data.join(format!("sandboxes/openclaw-{}/home/probe", user(2)));
    until("the last attempt", || probe.join("done").exists().then_some(())).await;
    let said = |n: usize| fs::read_to_string(probe.join(n.to_string())).unwrap();
    let said: Vec<String> = (0..all.len()).map(said).collect();
    edge.shutdown().await;
    nothing_is_left(dir.path()).await;
    all.into_iter().zip(said).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_inside_a_sandbox_nothing_of_others_is_reached() {
    if !has_jails() {
        return;
    }
    let mut failed = Vec::new();
    for (attempt, said) in probe(Isolation::Require).await {
        let kept = said == attempt.inside;
        println!("{} {}", if kept { "refused or bounded:" } else { "NOT REFUSED:" }, attempt.what);
        if !kept {
            failed.push(format!("{}: {:?} instead of {:?}", attempt.what, said, attempt.inside));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The attempts are real ones: with nothing in their way they succeed.
#[tokio::test(flavor = "multi_thread")]
async fn without_isolation_the_same_attempts_succeed() {
    if !is_root() {
        return println!("SKIPPED: the attempts are those of a root that nothing keeps");
    }
    let mut seen = 0;
    for (attempt, said) in probe(Isolation::Off).await {
        let outside = attempt.outside.unwrap();
        assert_eq!(said, outside, "{}: {}", attempt.what, attempt.command);
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} of them are shown to work");
}

#[tokio::test]
async fn a_sandbox_is_bounded_in_memory_and_processes() {
    let dir = directory();
    let mut config = config(dir.path(), idle_runtime(dir.path()));
    let RuntimeChoice::Process(process) = &mut config.runtime else { unreachable!() };
    process.tier = Tier { memory_mb: 300, cpu_percent: 100, pids: 77 };
    let edge = Edge::start(config).await.unwrap();
    if let Err(why) = &edge.isolation().unwrap().bounds {
        return println!("SKIPPED: {why}");
    }
    wake(&edge, 1).await;
    let found = until("a container", || containers(dir.path()).pop()).await;
    let groups = groups(found.pid);
    let read =
        |file: &str| groups.iter().find_map(|group| fs::read_to_string(group.join(file)).ok());
    let memory = read("memory.max").or_else(|| read("memory.limit_in_bytes")).unwrap();
    assert_eq!(memory.trim(), (300 * 1024 * 1024).to_string());
    assert_eq!(read("pids.max").unwrap().trim(), "77");
    edge.shutdown().await;
    assert!(!groups.iter().any(|group| group.exists()), "its groups are left: {groups:?}");
}

/// The control groups of a process that are an edge's.
fn groups(pid: u32) -> Vec<PathBuf> {
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let paths = own.lines().filter_map(|line| Some(line.splitn(3, ':').nth(2)?.to_owned()));
    let paths: Vec<String> = paths.filter(|path| path.contains("/zaki-")).collect();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mounts = mounts.lines().filter(|line| line.contains(" cgroup"));
    let mounts = mounts.filter_map(|line| line.split(' ').nth(1));
    let all =
        mounts.flat_map(|at| paths.iter().map(move |path| PathBuf::from(format!("{at}{path}"))));
    all.filter(|group| group.exists()).collect()
}

/// An address of this machine that others would use.
fn address() -> std::net::IpAddr {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    // Sends nothing: asks for the route.
    let routed = socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9));
    routed.and_then(|()| socket.local_addr()).map_or(Ipv4Addr::LOCALHOST.into(), |own| own.ip())
}
