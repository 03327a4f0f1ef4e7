//! Starting the container program: what it gets, and nothing else.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};
use zaki_envelope::{SandboxName, ZakiUserId};

use super::{Surroundings, reach, users};
use crate::{
    EdgeError,
    config::{Exec, Isolation, ProcessConfig},
    edge::make_dir,
    runtime::RuntimeError,
};

/// The container reads its token from here: arguments are visible to everyone on the machine.
pub(crate) const TOKEN_VARIABLE: &str = "ZAKI_SANDBOX_TOKEN";
/// Where the few programs a container needs (a shell) are.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// A log that has grown beyond this, in bytes, is put aside at the next start.
const LOG_LIMIT: u64 = 4 * 1024 * 1024;
/// Processes and threads a sandbox's user may have; a gateway has about sixty.
const MOST_PROCESSES: u64 = 1024;

/// Why a sandbox gets no user of its own.
const ALL_GIVEN: &str = "this edge has given all its user ids to sandboxes; run another edge for \
                         more people";

/// How every sandbox of this edge is started.
pub(crate) struct Launch {
    program: PathBuf,
    leading: Vec<String>,
    /// The arguments that are the same for all.
    common: Vec<String>,
    /// First user id to give away; `None`: sandboxes run as the edge's own user.
    uids: Option<u32>,
    sandboxes: PathBuf,
    logs: PathBuf,
}

impl Launch {
    pub(crate) fn new(config: ProcessConfig, around: Surroundings<'_>) -> Result<Self, EdgeError> {
        let isolated = config.isolation == Isolation::Auto && users::can_be_given(around.first_uid);
        if !isolated {
            tracing::warn!("sandbox.not_isolated");
        }
        let data = around.data_dir;
        let dirs = [("bin", 0o755), ("sandboxes", 0o711), ("logs", 0o700)];
        for (name, mode) in dirs {
            make_dir(&data.join(name), mode)?;
        }
        let Some((program, leading)) = config.program.split_first() else {
            return Err(EdgeError::NoProgram);
        };
        let mut program = PathBuf::from(program);
        let (node, openclaw) = (config.runtime.node, config.runtime.openclaw);
        if isolated {
            open_to_others(data)?;
            reach::require(&data.join("sandboxes"))?;
            reach::require(&node)?;
            reach::require(&openclaw)?;
            program = reach::program(&program, &data.join("bin"))?;
        }
        let mut common = vec![
            "--node".to_owned(),
            absolute(&node)?,
            "--openclaw".to_owned(),
            absolute(&openclaw)?,
            "--model-url".to_owned(),
            around.model_url,
            "--model".to_owned(),
            around.model,
            // Its memory may be in a backup.
            "--hold".to_owned(),
        ];
        for choice in around.choices {
            common.extend(["--choice".to_owned(), choice.clone()]);
        }
        // Exec is refused unless isolation is active, whatever the config says.
        let exec = if isolated { config.exec } else { Exec::Deny };
        common.extend(["--exec".to_owned(), exec.as_str().to_owned()]);
        Ok(Self {
            program,
            leading: leading.to_vec(),
            common,
            uids: isolated.then_some(around.first_uid),
            sandboxes: PathBuf::from(absolute(&data.join("sandboxes"))?),
            logs: data.join("logs"),
        })
    }

    /// The user of the sandbox with this number; beyond the block they are somebody else's.
    pub(crate) fn uid(&self, number: u32) -> Result<Option<u32>, RuntimeError> {
        let given = |first| users::nth(first, number).ok_or_else(|| RuntimeError::new(ALL_GIVEN));
        self.uids.map(given).transpose()
    }

    /// What a running sandbox must have been started with to be of use now.
    pub(crate) fn spec(&self) -> String {
        let mut digest = Sha256::new();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        for piece in self.leading.iter().chain(&self.common).chain([&version]) {
            digest.update(piece.len().to_be_bytes());
            digest.update(piece);
        }
        digest.update(self.uids.unwrap_or_default().to_be_bytes());
        hex::encode(digest.finalize())
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
        port: u16,
        uid: Option<u32>,
    ) -> io::Result<Child> {
        let state = self.sandboxes.join(name.as_str());
        make_private(&state, uid)?;
        let log = self.open_log(name)?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.leading)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg("--state")
            .arg(&state)
            .args(&self.common)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &state)
            .env("LANG", "C.UTF-8")
            .env(TOKEN_VARIABLE, token)
            .current_dir(&state)
            .stdin(Stdio::null())
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

    /// Removes whatever carries the name of a sandbox of `user`.
    pub(crate) fn erase(&self, user: ZakiUserId) -> io::Result<()> {
        let user = user.to_string();
        for folder in [&self.sandboxes, &self.logs] {
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
