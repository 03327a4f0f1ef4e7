//! A machine within the machine for one sandbox, by bubblewrap: namespaces of its own for users,
//! processes, files, IPC, the host's name, control groups and (unless told otherwise) the network.
//!
//! Inside there are the system's programs, Node, OpenClaw, all of them read-only, and the sandbox's
//! own state, at the path it has outside. There is no other file, no other process, no way to become
//! anybody else, and no network but a loopback. Two Unix sockets lead in and out: the one it listens
//! on is its standard input, the other one, the model proxy's, lies in [`WAY_OUT`].

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::config::Network;

/// Where the model proxy's socket is, inside.
pub(crate) const WAY_OUT: &str = "/run/zaki";
/// Who the sandbox is, inside. Outside it is its own user, or the edge's.
const INSIDE: &str = "1000";
/// For programs that expect one, in bytes; gone with the sandbox.
const SCRATCH: u64 = 64 * 1024 * 1024;
/// What of the system can be run, where it is a folder of its own and no link into `/usr`.
const SYSTEM: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// What of the system's settings programs need, and nothing that names this machine or its users.
const SETTINGS: [&str; 6] = [
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/usr/share/zoneinfo",
];
/// What such files are inside: name and text.
const OWN_SETTINGS: [(&str, &str); 4] = [
    ("passwd", "sandbox:x:1000:1000::/tmp:/bin/sh\n"),
    ("group", "sandbox:x:1000:\n"),
    ("hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
];
/// With the machine's network, also where names are asked.
const RESOLVER: &str = "/etc/resolv.conf";

/// How every sandbox of this edge is walled in.
#[derive(Clone, Debug)]
pub(crate) struct Jail {
    bubblewrap: PathBuf,
    network: Network,
    /// Where [`OWN_SETTINGS`] are, and the model proxy's socket.
    settings: PathBuf,
    way_out: PathBuf,
    /// Files and folders outside the system that are needed for running.
    programs: Vec<PathBuf>,
}

impl Jail {
    /// Finds bubblewrap, and tries all of it as the user `uid`; the error is one sentence on why
    /// there can be no jail here.
    pub(crate) fn build(
        network: Network,
        run_dir: &Path,
        programs: Vec<PathBuf>,
        uid: Option<u32>,
    ) -> Result<Self, String> {
        let bubblewrap = find("bwrap").ok_or(
            "bubblewrap is not installed (Debian, Ubuntu, Fedora and Alpine call it bubblewrap)",
        )?;
        let (settings, way_out) = (run_dir.join("etc"), run_dir.join("model"));
        let jail = Self { bubblewrap, network, settings, way_out, programs };
        jail.write_settings()
            .map_err(|error| format!("its settings cannot be written: {error}"))?;
        jail.attempt(uid)?;
        Ok(jail)
    }

    /// The same with these programs in it.
    pub(crate) fn with(&self, programs: Vec<PathBuf>) -> Self {
        Self { programs, ..self.clone() }
    }

    pub(crate) const fn network(&self) -> Network {
        self.network
    }

    /// The program that builds it, to be followed by [`Jail::arguments`].
    pub(crate) fn program(&self) -> &Path {
        &self.bubblewrap
    }

    fn write_settings(&self) -> io::Result<()> {
        fs::create_dir_all(&self.settings)?;
        fs::create_dir_all(&self.way_out)?;
        for (name, text) in OWN_SETTINGS {
            fs::write(self.settings.join(name), text)?;
        }
        Ok(())
    }

    /// Whether a jail can be built here, and is one.
    fn attempt(&self, uid: Option<u32>) -> Result<(), String> {
        let mut command = Command::new(&self.bubblewrap);
        command.args(self.arguments(None)).args(["/bin/sh", "-c", "echo $$"]);
        command.env_clear().current_dir("/").stdin(Stdio::null());
        if let Some(uid) = uid {
            command.gid(uid).uid(uid);
        }
        let output =
            command.output().map_err(|error| format!("bubblewrap does not run: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(said.lines().next().unwrap_or("bubblewrap fails").trim().to_owned());
        }
        // The second process there is: the first one is the jail's own.
        let number = String::from_utf8_lossy(&output.stdout);
        if number.trim() == "2" { Ok(()) } else { Err("processes are not kept apart".to_owned()) }
    }

    /// What builds it around a program, which is to follow; `state` is the sandbox's own directory.
    pub(crate) fn arguments(&self, state: Option<&Path>) -> Vec<OsString> {
        let mut words = Words::default();
        for namespace in ["user", "pid", "ipc", "uts", "cgroup-try"] {
            words.say([format!("--unshare-{namespace}")]);
        }
        if self.network == Network::None {
            words.say(["--unshare-net"]);
        }
        words.say(["--disable-userns", "--uid", INSIDE, "--gid", INSIDE, "--hostname", "sandbox"]);
        words.say(["--cap-drop", "ALL", "--new-session"]);
        self.system(&mut words);
        words.say(["--proc", "/proc", "--dev", "/dev"]);
        words.say(["--size", &SCRATCH.to_string(), "--perms", "1777", "--tmpfs", "/tmp"]);
        words.say(["--size", &SCRATCH.to_string(), "--perms", "1777", "--tmpfs", "/dev/shm"]);
        if self.network == Network::None {
            words.bind("--ro-bind", &self.way_out, Path::new(WAY_OUT));
        }
        for program in &self.programs {
            words.bind("--ro-bind", program, program);
        }
        if let Some(state) = state {
            words.bind("--bind", state, state);
            words.say([OsString::from("--chdir"), state.into()]);
        }
        words.say(["--remount-ro", "/", "--"]);
        words.0
    }

    fn system(&self, words: &mut Words) {
        words.bind("--ro-bind", Path::new("/usr"), Path::new("/usr"));
        for folder in SYSTEM.map(Path::new) {
            match fs::read_link(folder) {
                Ok(target) => words.bind("--symlink", &target, folder),
                Err(_) => words.bind("--ro-bind-try", folder, folder),
            }
        }
        for file in SETTINGS.map(Path::new) {
            words.bind("--ro-bind-try", file, file);
        }
        for (name, _) in OWN_SETTINGS {
            words.bind("--ro-bind", &self.settings.join(name), &Path::new("/etc").join(name));
        }
        if self.network == Network::Host {
            words.bind("--ro-bind-try", Path::new(RESOLVER), Path::new(RESOLVER));
        }
    }
}

/// The arguments as they are put together.
#[derive(Default)]
struct Words(Vec<OsString>);

impl Words {
    fn say<W: Into<OsString>>(&mut self, words: impl IntoIterator<Item = W>) {
        self.0.extend(words.into_iter().map(Into::into));
    }

    fn bind(&mut self, how: &str, source: &Path, target: &Path) {
        self.say([OsString::from(how), source.into(), target.into()]);
    }
}

/// A program where programs are.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let places = std::env::split_paths(&path).filter(|place| place.is_absolute());
    places.map(|place| place.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jail(network: Network) -> Jail {
        Jail {
            bubblewrap: "/usr/bin/bwrap".into(),
            network,
            settings: "/data/run/etc".into(),
            way_out: "/data/run/model".into(),
            programs: vec!["/opt/node".into()],
        }
    }

    fn line(jail: &Jail, state: &str) -> String {
        let words = jail.arguments(Some(Path::new(state)));
        let words: Vec<String> =
            words.into_iter().map(|word| word.into_string().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn all_that_is_writable_is_its_own_state_and_scratch() {
        let line = line(&jail(Network::None), "/data/sandboxes/one");
        let written: Vec<&str> = line.split("--").filter(|word| word.starts_with("bind")).collect();
        assert_eq!(written, ["bind /data/sandboxes/one /data/sandboxes/one "]);
        assert!(line.contains("--ro-bind /data/run/model /run/zaki") && !line.contains("dev-bind"));
        assert!(line.ends_with("--chdir /data/sandboxes/one --remount-ro / --"), "{line}");
        for namespace in ["user", "pid", "ipc", "uts", "cgroup-try", "net"] {
            assert!(line.contains(&format!("--unshare-{namespace} ")), "{namespace}");
        }
        assert!(line.contains("--disable-userns") && line.contains("--cap-drop ALL"));
    }

    #[test]
    fn with_the_machines_network_names_can_be_asked() {
        let (apart, shared) = (jail(Network::None), jail(Network::Host));
        let (apart, shared) = (line(&apart, "/s"), line(&shared, "/s"));
        assert!(!apart.contains(RESOLVER) && shared.contains(RESOLVER));
        assert!(!shared.contains("--unshare-net") && !shared.contains(WAY_OUT));
    }

    #[test]
    fn what_keeps_it_from_being_built_is_one_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let attempt = |bubblewrap: &str| {
            let path = dir.path().join("bwrap");
            fs::write(&path, bubblewrap).unwrap();
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
                .unwrap();
            Jail { bubblewrap: path, ..jail(Network::None) }.attempt(None)
        };
        let refused = attempt("#!/bin/sh\necho 'bwrap: No permissions' >&2; exit 1\n");
        assert_eq!(refused.unwrap_err(), "bwrap: No permissions");
        // One that only says so, and runs the program as it is.
        let naive = attempt("#!/bin/sh\necho $$\n");
        assert_eq!(naive.unwrap_err(), "processes are not kept apart");
    }
}
