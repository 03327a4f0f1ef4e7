//! What keeps the sandboxes of this machine apart: as much as it offers, and as much as was asked for.

use std::fmt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::{cgroup::Groups, jail::Jail, reach, users};
use crate::{
    EdgeError,
    config::{Isolation, Network},
    edge::make_dir,
};

/// Why there is none around a sandbox that would be root.
const ROOT: &str = "zaki runs as root and has no user ids to give to sandboxes";
/// Why there is nothing.
const OFF: &str = "it is off";

/// What stands around every sandbox of this edge.
pub(crate) struct Walls {
    /// First user id to give away; `None`: sandboxes run as the edge's own user.
    pub(crate) uids: Option<u32>,
    /// Namespaces of its own; the error says why not.
    pub(crate) jail: Result<Jail, String>,
    /// Bounds on what it takes; the error says why not.
    pub(crate) groups: Result<Groups, String>,
}

/// What is asked for.
pub(crate) struct Wanted<'w> {
    pub(crate) isolation: Isolation,
    pub(crate) network: Network,
    /// The first of the sandboxes' user ids.
    pub(crate) first_uid: u32,
    /// Where settings and sockets of the sandboxes are.
    pub(crate) run_dir: &'w Path,
    /// What they need to read, besides the system.
    pub(crate) programs: Vec<PathBuf>,
}

impl Walls {
    /// Builds what can be built; fails when less than was required can.
    pub(crate) fn build(wanted: Wanted<'_>) -> Result<Self, EdgeError> {
        let (isolation, network) = (wanted.isolation, wanted.network);
        let walls = Self::look(wanted);
        match (&walls.jail, isolation) {
            (Err(why), Isolation::Require) => Err(EdgeError::NotIsolated(why.clone())),
            (Ok(_), Isolation::Require) if network == Network::Host => {
                Err(EdgeError::NotIsolated("sandbox.network = \"host\" shares the network".into()))
            }
            _ => Ok(walls),
        }
    }

    fn look(wanted: Wanted<'_>) -> Self {
        if wanted.isolation == Isolation::Off {
            return Self { uids: None, jail: Err(OFF.into()), groups: Err(OFF.into()) };
        }
        let uids = users::can_be_given(wanted.first_uid).then_some(wanted.first_uid);
        let jail = if geteuid().is_root() && uids.is_none() {
            Err(ROOT.to_owned())
        } else {
            Jail::build(wanted.network, wanted.run_dir, wanted.programs, uids)
        };
        Self { uids, jail, groups: Groups::open(wanted.first_uid) }
    }

    /// Whether a sandbox can read what is not its own. Exec is refused where it can.
    pub(crate) const fn are_there(&self) -> bool {
        self.uids.is_some() || self.jail.is_ok()
    }

    pub(crate) fn report(&self) -> IsolationReport {
        IsolationReport {
            users: self.uids.is_some(),
            namespaces: self.jail.as_ref().map(drop).map_err(Clone::clone),
            network: self.jail.as_ref().is_ok_and(|jail| jail.network() == Network::None),
            bounds: self.groups.as_ref().map(drop).map_err(Clone::clone),
        }
    }
}

/// What keeps the sandboxes of a machine apart that are processes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsolationReport {
    /// Each is a user of its own.
    pub users: bool,
    /// Each has namespaces of its own, or one sentence on why not.
    pub namespaces: Result<(), String>,
    /// Each has a network of its own, in which there is nothing but it.
    pub network: bool,
    /// Memory and processes of each are bounded, or one sentence on why not.
    pub bounds: Result<(), String>,
}

impl IsolationReport {
    /// What an edge with these settings would have on this machine. Tries it, and leaves nothing
    /// behind.
    ///
    /// # Errors
    ///
    /// A temporary folder cannot be made.
    pub fn look(isolation: Isolation, network: Network) -> Result<Self, EdgeError> {
        let run_dir =
            std::env::temp_dir().join(format!("zaki-look-{:016x}", rand::random::<u64>()));
        make_dir(&run_dir, 0o711)?;
        let first_uid = users::draw_uids();
        let programs = Vec::new();
        let wanted = Wanted { isolation, network, first_uid, run_dir: &run_dir, programs };
        let walls = Walls::look(wanted);
        let report = walls.report();
        // Settings of a jail that nobody was in.
        let _ = std::fs::remove_dir_all(&run_dir);
        Ok(report)
    }

    /// Whether one sandbox can neither see nor call another one, this machine or what is around it.
    pub const fn is_whole(&self) -> bool {
        self.namespaces.is_ok() && self.network
    }
}

impl fmt::Display for IsolationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = if self.users { "a user of its own" } else { "no user of its own" };
        f.write_str(users)?;
        match &self.namespaces {
            Ok(()) if self.network => f.write_str(", own namespaces, no network")?,
            Ok(()) => f.write_str(", own namespaces, but the machine's network")?,
            Err(why) => write!(f, ", no namespaces ({why})")?,
        }
        match &self.bounds {
            Ok(()) => f.write_str(", bounded memory and processes"),
            Err(why) => write!(f, ", unbounded memory ({why})"),
        }
    }
}

/// Fails with the mend when a sandbox's user cannot get to what it needs.
pub(crate) fn require_ways(paths: &[&Path]) -> Result<(), EdgeError> {
    paths.iter().try_for_each(|path| reach::require(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(isolation: Isolation, network: Network, run_dir: &Path) -> Wanted<'_> {
        let first_uid = users::draw_uids();
        Wanted { isolation, network, first_uid, run_dir, programs: vec!["/no/such/program".into()] }
    }

    #[test]
    fn what_is_required_and_cannot_be_is_a_failure_that_says_why() {
        let dir = tempfile::tempdir().unwrap();
        // A jail that cannot be built, since what belongs into it is missing.
        let build = |isolation| Walls::build(wanted(isolation, Network::None, dir.path()));
        let error = build(Isolation::Require).err().unwrap().to_string();
        assert!(error.contains("sandbox.isolation"), "{error}");
        let walls = build(Isolation::Auto).unwrap();
        assert!(walls.jail.is_err() && !walls.report().is_whole(), "{}", walls.report());
        let off = build(Isolation::Off).unwrap();
        assert!(!off.are_there() && off.uids.is_none() && off.groups.is_err());
    }

    #[test]
    fn a_shared_network_is_not_what_was_required() {
        if !IsolationReport::look(Isolation::Auto, Network::None).unwrap().is_whole() {
            return println!("SKIPPED: this machine offers no namespaces");
        }
        let dir = std::env::temp_dir().join(format!("zaki-walls-{}", std::process::id()));
        make_dir(&dir, 0o711).unwrap();
        let build = |network| {
            let programs = Vec::new();
            Walls::build(Wanted { programs, ..wanted(Isolation::Require, network, &dir) })
        };
        assert!(build(Network::None).unwrap().report().is_whole());
        assert!(build(Network::Host).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_there_is_is_said_in_one_line() {
        let weak = IsolationReport {
            users: true,
            namespaces: Err("bubblewrap is not installed".into()),
            network: false,
            bounds: Ok(()),
        };
        let says = "a user of its own, no namespaces (bubblewrap is not installed), bounded memory \
                    and processes";
        assert_eq!(weak.to_string(), says);
        let whole = IsolationReport { namespaces: Ok(()), network: true, ..weak };
        assert!(whole.is_whole() && whole.to_string().contains("no network"));
    }
}
