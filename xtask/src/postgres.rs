//! The PostgreSQL server that all tests of one run share.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Result, ensure};

use crate::cargo;

/// Where tests look for a server.
const GIVEN: &str = "ZAKI_TEST_POSTGRES";
const CLUSTER: [&str; 7] =
    ["run", "--quiet", "--package=zaki-store", "--features=testkit", "--example", "cluster", "--"];

/// A running server: one of our own, which stops when this is dropped or we die, or a given one.
#[derive(Default)]
pub(crate) struct Server {
    url: Option<String>,
    child: Option<Child>,
}

/// Whether the environment names a server already.
pub(crate) fn is_given() -> bool {
    env::var_os(GIVEN).is_some()
}

impl Server {
    /// Starts one, by the store's own testkit.
    pub(crate) fn start() -> Result<Self> {
        let mut command = cargo();
        let mut child =
            command.args(CLUSTER).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let server = Self { url: Some(line.trim().to_owned()), child: Some(child) };
        ensure!(line.starts_with("postgres://"), "PostgreSQL does not start");
        Ok(server)
    }

    /// Tells a command where it is.
    pub(crate) fn tell(&self, command: &mut Command) {
        if let Some(url) = &self.url {
            command.env(GIVEN, url);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Its input ends, and so does it.
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}
