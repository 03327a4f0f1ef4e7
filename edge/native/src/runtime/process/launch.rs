//! Starting the container program: what it gets, and nothing else.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};
use zaki_envelope::{SandboxName, ZakiUserId};

use super::{
    Surroundings,
    jail::{Jail, WAY_OUT},
    reach,
    sockets::{MODEL, Sockets},
    users,
    walls::{Walls, Wanted, require_ways},
};
use crate::{
    EdgeError,
    config::{Exec, Isolation, Network, ProcessConfig, Tier},
    edge::make_dir,
    runtime::{RuntimeError, Version},
};

/// The container reads its token from here: arguments are visible to everyone on the machine.
pub(crate) const TOKEN_VARIABLE: &str = "ZAKI_SANDBOX_TOKEN";
/// Where the few programs a container needs (a shell) are.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// A log that has grown beyond this, in bytes, is put aside at the next start.
const LOG_LIMIT: u64 = 4 * 1024 * 1024;
/// Processes and threads a sandbox's user may have; a gateway has about sixty.
const MOST_PROCESSES: u64 = 1024;

/// The model proxy, where there is a way to it and no network.
const MODEL_INSIDE: &str = "http://127.0.0.1:8788/model/v1";
/// The folder that packages are in.
const PACKAGES: &str = "node_modules";

/// Why a sandbox gets no user of its own.
const ALL_GIVEN: &str = "this edge has given all its user ids to sandboxes; run another edge for \
                         more people";

/// How every sandbox of this edge is started.
pub(crate) struct Launch {
    program: PathBuf,
    leading: Vec<String>,
    /// The arguments that are the same for all.
    common: Vec<String>,
    /// What all sandboxes are to have.
    version: Version,
    walls: Walls,
    tier: Tier,
    sockets: Sockets,
    sandboxes: PathBuf,
    logs: PathBuf,
}

impl Launch {
    pub(crate) fn new(config: &ProcessConfig, around: Surroundings<'_>) -> Result<Self, EdgeError> {
        let data = around.data_dir;
        for (name, mode) in [("bin", 0o755), ("sandboxes", 0o711), ("logs", 0o700)] {
            make_dir(&data.join(name), mode)?;
        }
        let sockets = Sockets::open(data)?;
        let Some((program, leading)) = config.program.split_first() else {
            return Err(EdgeError::NoProgram);
        };
        let mut program = real(Path::new(program))?;
        let (node, openclaw) = (real(&config.runtime.node)?, real(&config.runtime.openclaw)?);
        if config.isolation != Isolation::Off && users::can_be_given(around.first_uid) {
            open_to_others(data)?;
            require_ways(&[&data.join("sandboxes"), &node, &openclaw])?;
            program = reach::program(&program, &data.join("bin"))?;
        }
        let walls = Walls::build(Wanted {
            isolation: config.isolation,
            network: config.network,
            first_uid: around.first_uid,
            run_dir: sockets.dir(),
            programs: programs(&program, &node, &openclaw),
        })?;
        let report = walls.report();
        if report.is_whole() {
            tracing::info!(isolation = %report, "sandbox.isolated");
        } else {
            tracing::warn!(isolation = %report, "sandbox.weakly_isolated");
        }
        let mut launch = Self {
            program,
            leading: leading.to_vec(),
            common: Vec::new(),
            version: Version::installed(&openclaw, &node),
            walls,
            tier: config.tier,
            sockets,
            sandboxes: PathBuf::from(absolute(&data.join("sandboxes"))?),
            logs: data.join("logs"),
        };
        // Exec is refused unless isolation is active, whatever the config says.
        let exec = if launch.walls.are_there() { config.exec } else { Exec::Deny };
        launch.common = launch.arguments(exec, around);
        Ok(launch)
    }

    fn arguments(&self, exec: Exec, around: Surroundings<'_>) -> Vec<String> {
        let mut common = vec!["--listen".to_owned(), "stdin".to_owned()];
        let mut say = |name: &str, value: String| common.extend([name.to_owned(), value]);
        if self.has_way_out() {
            say("--model-url", MODEL_INSIDE.to_owned());
            say("--model-socket", format!("{WAY_OUT}/{MODEL}"));
        } else {
            say("--model-url", around.model_url);
        }
        say("--model", around.model);
        say("--model-api", around.api.as_str().to_owned());
        say("--exec", exec.as_str().to_owned());
        say("--memory-mb", self.tier.memory_mb.to_string());
        for choice in around.choices {
            say("--choice", choice.clone());
        }
        if self.walls.are_there() {
            say("--most-processes", MOST_PROCESSES.to_string());
            common.push("--confined".to_owned());
        }
        // Its memory may be in a backup.
        common.push("--hold".to_owned());
        common
    }

    /// Whether the model is called by a socket, since there is no network.
    pub(crate) fn has_way_out(&self) -> bool {
        self.walls.jail.as_ref().is_ok_and(|jail| jail.network() == Network::None)
    }

    pub(crate) const fn walls(&self) -> &Walls {
        &self.walls
    }

    pub(crate) const fn tier(&self) -> Tier {
        self.tier
    }

    pub(crate) const fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// The user of the sandbox with this number; beyond the block they are somebody else's.
    pub(crate) fn uid(&self, number: u32) -> Result<Option<u32>, RuntimeError> {
        let given = |first| users::nth(first, number).ok_or_else(|| RuntimeError::new(ALL_GIVEN));
        self.walls.uids.map(given).transpose()
    }

    /// What a running sandbox must have been started with to be of use now.
    pub(crate) fn spec(&self, on: &Version) -> String {
        let mut digest = Sha256::new();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let own = [&version, &on.agent, &on.at, &on.node];
        for piece in self.leading.iter().chain(&self.common).chain(own) {
            digest.update(piece.len().to_be_bytes());
            digest.update(piece);
        }
        if let Ok(jail) = self.jail(on) {
            for word in jail.arguments(None) {
                digest.update(word.as_encoded_bytes());
            }
        }
        digest.update(self.walls.uids.unwrap_or_default().to_be_bytes());
        hex::encode(digest.finalize())
    }

    /// Whether a sandbox cannot read what is not its own.
    pub(crate) const fn is_isolated(&self) -> bool {
        self.walls.are_there()
    }

    /// Where everything of one is.
    pub(crate) fn state(&self, name: &SandboxName) -> PathBuf {
        self.sandboxes.join(name.as_str())
    }

    /// Where the program's own words go. The edge's, not the sandbox's, to read.
    pub(crate) fn log(&self, name: &SandboxName) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// Starts the program of `name`, in a process group of its own, so that a Ctrl-C in the
    /// terminal is the edge's to handle.
    pub(crate) fn start(
        &self,
        name: &SandboxName,
        token: &str,
        listener: UnixListener,
        uid: Option<u32>,
        (version, restore): (&Version, bool),
    ) -> io::Result<Child> {
        let state = self.sandboxes.join(name.as_str());
        make_private(&state, uid)?;
        let log = self.open_log(name)?;
        let mut command = self.command(&state, version);
        command
            .args(&self.leading)
            .arg("--state")
            .arg(&state)
            .args(["--node", &version.node, "--openclaw", &version.at])
            .args(&self.common)
            .args(restore.then_some("--await-restore"))
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &state)
            .env("LANG", "C.UTF-8")
            .env(TOKEN_VARIABLE, token)
            .current_dir(&state)
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        if let Some(zone) = std::env::var_os("TZ") {
            command.env("TZ", zone);
        }
        if let Some(uid) = uid {
            // As root this also drops every supplementary group.
            command.gid(uid).uid(uid);
        }
        command.spawn()
    }

    /// The program, with its jail around it if there is one.
    fn command(&self, state: &Path, version: &Version) -> Command {
        let Ok(jail) = self.jail(version) else { return Command::new(&self.program) };
        let mut command = Command::new(jail.program());
        command.args(jail.arguments(Some(state))).arg(&self.program);
        command
    }

    /// One with that version in it.
    fn jail(&self, Version { at, node, .. }: &Version) -> Result<Jail, ()> {
        let jail = self.walls.jail.as_ref().map_err(drop)?;
        Ok(jail.with(programs(&self.program, Path::new(node), Path::new(at))))
    }

    pub(crate) const fn version(&self) -> &Version {
        &self.version
    }

    /// Removes whatever carries the name of a sandbox of `user`.
    pub(crate) fn erase(&self, user: ZakiUserId) -> io::Result<()> {
        let user = user.to_string();
        for folder in [self.sandboxes.as_path(), &self.logs, self.sockets.own()] {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if !entry.file_name().to_str().is_some_and(|name| name.contains(&user)) {
                    continue;
                }
                // Follows no link, whatever a sandbox has left.
                if entry.file_type()?.is_dir() {
                    fs::remove_dir_all(entry.path())?;
                } else {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }

    fn open_log(&self, name: &SandboxName) -> io::Result<File> {
        let path = self.log(name);
        if fs::metadata(&path).is_ok_and(|found| found.len() > LOG_LIMIT) {
            fs::rename(&path, path.with_extension("log.1"))?;
        }
        OpenOptions::new().create(true).append(true).mode(0o600).open(path)
    }
}

/// Others may pass through the data directory to what is theirs, and list nothing.
fn open_to_others(data: &Path) -> Result<(), EdgeError> {
    let fail = |source| EdgeError::Data { path: data.to_owned(), source };
    let mode = fs::metadata(data).map_err(fail)?.permissions().mode();
    fs::set_permissions(data, Permissions::from_mode(mode | 0o011)).map_err(fail)
}

/// Where it is, with no link on the way: links may lead out of what a sandbox sees.
fn real(path: &Path) -> Result<PathBuf, EdgeError> {
    fs::canonicalize(path).map_err(|source| EdgeError::Data { path: path.to_owned(), source })
}

/// What a sandbox has to be able to read, besides the system.
fn programs(program: &Path, node: &Path, openclaw: &Path) -> Vec<PathBuf> {
    vec![program.to_owned(), node.to_owned(), packages(openclaw)]
}

/// A package with all those it needs: the outermost folder of packages that it is in.
fn packages(package: &Path) -> PathBuf {
    let mut folders = package.ancestors().filter(|it| it.ends_with(PACKAGES));
    folders.by_ref().last().unwrap_or(package).to_owned()
}

fn absolute(path: &Path) -> Result<String, EdgeError> {
    let fail = |source| EdgeError::Data { path: path.to_owned(), source };
    let path = std::path::absolute(path).map_err(fail)?;
    let text = path.to_str().ok_or_else(|| io::ErrorKind::InvalidFilename.into());
    text.map(str::to_owned).map_err(fail)
}

/// The sandbox's own directory, closed to everybody else.
fn make_private(state: &Path, uid: Option<u32>) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(state) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    fs::set_permissions(state, Permissions::from_mode(0o700))?;
    match uid {
        // Once, when it is new or its user has changed. Nothing runs in it now.
        Some(uid) if fs::metadata(state)?.uid() != uid => hand_over(state, uid),
        _ => Ok(()),
    }
}

/// Gives everything in `path`, and at last itself, to `uid`. Follows no link.
fn hand_over(path: &Path, uid: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            hand_over(&entry?.path(), uid)?;
        }
    }
    lchown(path, Some(uid), Some(uid))
}

/// Bounds what a sandbox can do to the machine: no core files, a bounded number of processes, and
/// when memory ends it goes before the hub does. A limit that cannot be set is no reason to fail.
pub(crate) fn limit(pid: i32, own_user: bool) {
    let at_most = |n| Rlimit { current: Some(n), maximum: Some(n) };
    let process = Pid::from_raw(pid);
    let _ = prlimit(process, Resource::Core, at_most(0));
    if own_user {
        let _ = prlimit(process, Resource::Nproc, at_most(MOST_PROCESSES));
    }
    let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), "500");
}
