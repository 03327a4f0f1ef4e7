//! A PostgreSQL server of a test's own that can be stopped and started again while hubs use it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::unistd::User;
use zaki_store::testkit::{Cluster, Durability};

use crate::processes;

/// A running server, or one that is stopped for now. It ends with us, however we end: the cluster's
/// watcher sees to the one that was started again as well.
pub struct Server {
    cluster: Cluster,
    data: PathBuf,
}

impl Server {
    /// Starts one; `None` where PostgreSQL is not installed; says so.
    pub fn start() -> Result<Option<Self>> {
        let cluster = match Cluster::start(Durability::Full) {
            Ok(cluster) => cluster,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("SKIPPED: PostgreSQL is not installed (`apt-get install postgresql`)");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let port = cluster.url().rsplit_once(':').and_then(|(_, rest)| rest.split('/').next());
        let option = format!("port={}", port.context("no port in the server's address")?);
        let data = data(&option).context("the server's directory is not found")?;
        Ok(Some(Self { cluster, data }))
    }

    /// Its address, as a user who may do anything.
    pub fn url(&self) -> &str {
        self.cluster.url()
    }

    /// It ends as in a crash: every connection breaks, nobody is asked.
    pub fn stop(&self) -> Result<()> {
        self.control("exec $1/pg_ctl -D $2 -m immediate stop")
    }

    /// It starts again with the same settings.
    pub fn start_again(&self) -> Result<()> {
        // The server's own note of how it was started.
        self.control("eval \"setsid $(cat $2/postmaster.opts)\" </dev/null >$2/again.log 2>&1 &")
    }

    fn control(&self, script: &str) -> Result<()> {
        let started = fs::read_to_string(self.data.join("postmaster.opts"))?;
        let program = started.split_whitespace().next().unwrap_or_default();
        let programs = Path::new(program).parent().context("no program in postmaster.opts")?;
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script, "sh"]).arg(programs).arg(&self.data).current_dir("/");
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        if nix::unistd::geteuid().is_root() {
            let user = User::from_name("postgres")?.context("no user `postgres`")?;
            shell.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let status = shell.status()?;
        ensure!(status.success(), "{script}: {status}");
        Ok(())
    }
}

/// The data directory of the server that was started with `option`.
fn data(option: &str) -> Option<PathBuf> {
    let servers = processes::of(Path::new(option));
    let found = servers.iter().find(|server| server.command.contains("/postgres "))?;
    let mut words = found.command.split_whitespace().skip_while(|word| *word != "-D");
    words.nth(1).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    use super::*;

    fn within(wanted: bool, address: &str) -> bool {
        let deadline = Instant::now() + crate::SOON;
        while TcpStream::connect(address).is_ok() != wanted {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }

    #[test]
    fn a_server_stops_starts_and_ends_with_its_test() {
        let Some(server) = Server::start().unwrap() else { return };
        let address = server.url().rsplit('@').next().unwrap().split('/').next().unwrap();
        let address = address.to_owned();
        for _ in 0..2 {
            server.stop().unwrap();
            assert!(within(false, &address), "it is still there");
            server.start_again().unwrap();
            assert!(within(true, &address), "it does not come back");
        }
        drop(server);
        // At once: later it would notice by itself that its files are gone.
        assert!(TcpStream::connect(&address).is_err(), "it outlives its test");
    }
}
