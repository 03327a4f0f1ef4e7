//! A PostgreSQL server of our own, from Debian's package, for as long as somebody holds it.

use std::fs;
use std::io::{Error, ErrorKind, Read, Result};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

/// Where Debian puts `<version>/bin`; what is on the path may be anything.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Debian's user for it: PostgreSQL does not run as root.
const USER: &str = "postgres";
/// How long a server may take to start, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ends the server when its standard input does: when the [`Cluster`] is dropped, and also when
/// the process that holds it dies. `$0` is the program, `$1` the directory to remove at the end.
/// A test may have stopped its server and started another there, which is nobody's child.
const WATCH: &str = r#"
    directory=$1; shift
    "$0" "$@" </dev/null >"$directory/log" 2>&1 &
    read -r _
    kill -QUIT $! 2>/dev/null
    wait $!
    other=$(head -n 1 "$directory/data/postmaster.pid" 2>/dev/null)
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        grep -qs "$directory" "/proc/$other/cmdline" || break
        kill -QUIT "$other"
        sleep 0.5
    done
    rm -rf "$directory"
"#;

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It does, as in production: for what is measured.
    Full,
    /// It does not, so that databases come and go quickly: for what is only right or wrong. What
    /// was committed outlives a killed server all the same, as long as the machine runs.
    Off,
}

/// A running server. It stops, and its files go, when this is dropped or our process dies.
pub struct Cluster {
    url: String,
    watcher: Child,
    /// Removed by the watcher; again here, should that have been killed.
    directory: TempDir,
}

impl Cluster {
    /// Starts one. [`ErrorKind::NotFound`]: PostgreSQL is not installed.
    pub fn start(durability: Durability) -> Result<Self> {
        let programs = programs(Path::new(DEBIAN))?;
        let owner = owner()?;
        let directory = tempfile::Builder::new().prefix("zaki-postgres-").tempdir()?;
        if let Some(owner) = &owner {
            let (user, group) = (owner.uid.as_raw(), owner.gid.as_raw());
            chown(directory.path(), Some(user), Some(group))?;
        }
        let password = password()?;
        init(&programs, directory.path(), owner.as_ref(), &password)?;
        let port = free_port()?;
        let server = programs.join("postgres");
        let mut watch = as_owner(Command::new("/bin/sh"), owner.as_ref());
        watch.args(["-c", WATCH]).arg(server).arg(directory.path());
        watch.arg("-D").arg(directory.path().join("data"));
        watch.args(settings(port, directory.path(), durability));
        // Beside us, so that a signal to our group does not take the watcher before the server.
        watch.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let watcher = watch.spawn()?;
        let url = format!("postgres://{USER}:{password}@127.0.0.1:{port}/postgres");
        let cluster = Self { url, watcher, directory };
        cluster.wait(port)?;
        Ok(cluster)
    }

    /// Its address, as a user who may do anything.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Until it takes connections: it writes its state to `postmaster.pid`.
    fn wait(&self, port: u16) -> Result<()> {
        let directory = self.directory.path();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let state = fs::read_to_string(directory.join("data/postmaster.pid"));
            let ready = state.is_ok_and(|state| state.lines().any(|line| line.trim() == "ready"));
            if ready && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(20));
        }
        let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
        Err(Error::other(format!("PostgreSQL does not start: {log}")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// The directory of the newest version's programs.
fn programs(debian: &Path) -> Result<PathBuf> {
    let version = |path: &PathBuf| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    let installed = fs::read_dir(debian).into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = installed
        .filter(|path| version(path).is_some() && path.join("bin/postgres").is_file())
        .max_by_key(version);
    let missing = || Error::new(ErrorKind::NotFound, "PostgreSQL is not installed");
    newest.map(|path| path.join("bin")).ok_or_else(missing)
}

/// Whom to run it as; ourselves unless we are root.
fn owner() -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let missing = || Error::new(ErrorKind::NotFound, "there is no user `postgres`");
    User::from_name(USER)?.ok_or_else(missing).map(Some)
}

fn as_owner(mut command: Command, owner: Option<&User>) -> Command {
    if let Some(owner) = owner {
        command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
    }
    // Ours may be out of the other user's reach.
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    command
}

/// Anybody on this machine can reach the port, and its user may run programs.
fn password() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

fn init(programs: &Path, directory: &Path, owner: Option<&User>, password: &str) -> Result<()> {
    let secret = directory.join("password");
    fs::write(&secret, password)?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    if let Some(owner) = owner {
        chown(&secret, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))?;
    }
    let mut init = as_owner(Command::new(programs.join("initdb")), owner);
    init.args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"]);
    init.arg(format!("--username={USER}")).arg("--pwfile").arg(&secret);
    let output = init.arg("-D").arg(directory.join("data")).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::other(format!("initdb failed: {said}")))
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn settings(port: u16, directory: &Path, durability: Durability) -> Vec<String> {
    let (sync, buffers) = match durability {
        Durability::Full => ("on", "1GB"),
        Durability::Off => ("off", "128MB"),
    };
    let settings = [
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("unix_socket_directories", directory.display().to_string()),
        ("max_connections", "200".into()),
        ("shared_buffers", buffers.into()),
        // After a checkpoint each page that changes goes into the log whole, once: as seldom and as
        // small as production has it.
        ("wal_compression", "on".into()),
        ("max_wal_size", "4GB".into()),
        ("fsync", sync.into()),
        ("full_page_writes", sync.into()),
    ];
    settings
        .into_iter()
        .flat_map(|(name, value)| ["-c".into(), format!("{name}={value}")])
        .collect()
}
