//! Processes by what no second process can have: a number with a start time, or a secret in the
//! environment. Signals go through a pidfd, so that they reach that process or nobody.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::io::{Interest, unix::AsyncFd};

/// A process by its number and its start, in clock ticks since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pid: i32,
    started: u64,
}

impl Identity {
    /// The process that has the number now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let started = Stat::of(pid)?.started;
        Some(Self { pid, started })
    }

    pub(crate) const fn pid(self) -> i32 {
        self.pid
    }

    /// Whether it is held still, by SIGSTOP, or has ended.
    pub(crate) fn is_held(self) -> bool {
        Stat::of(self.pid).is_none_or(|stat| stat.is_held || stat.started != self.started)
    }

    /// Holds on to exactly this process; `None`: it is gone.
    pub(crate) fn open(self) -> Option<Handle> {
        let fd = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::NONBLOCK).ok()?;
        // The number may have been given away before the descriptor held it, not after.
        (Self::of(self.pid) == Some(self)).then(|| Handle::new(fd))?.ok()
    }
}

/// A hold on one process: its number cannot be given to another under it.
pub(crate) struct Handle {
    fd: AsyncFd<OwnedFd>,
}

impl Handle {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that may change their descriptor; an \
                      OwnedFd is one descriptor for life, and unsafe code is denied here"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self { fd })
    }

    /// Sends a signal; one to a process that has ended is none.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(self.fd.get_ref(), signal);
    }

    /// Returns when the process has ended.
    pub(crate) async fn exited(&self) {
        // An error means that the runtime goes down; nobody waits then.
        let _ = self.fd.readable().await;
    }
}

/// What `/proc/<pid>/stat` says (proc_pid_stat(5)).
struct Stat {
    is_held: bool,
    parent: i32,
    group: i32,
    started: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field, the name in brackets, may hold anything. Field 3 follows it.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let state = fields.first()?;
        let (ended, is_held) = (["Z", "X"].contains(state), *state == "T");
        let parent = fields.get(1)?.parse().ok()?;
        let group = fields.get(2)?.parse().ok()?;
        let started = fields.get(19)?.parse().ok()?;
        (!ended).then_some(Self { is_held, parent, group, started })
    }
}

fn numbers() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.filter_map(name).collect()
}

/// The processes that were started with this variable.
pub(crate) fn with_variable(name: &str, value: &str) -> Vec<Identity> {
    let wanted = format!("{name}={value}");
    with_entry(|entry| entry == wanted.as_bytes())
}

/// The processes that were started with a variable of this value, a secret nobody else has.
pub(crate) fn with_value(value: &str) -> Vec<Identity> {
    if value.is_empty() {
        return Vec::new();
    }
    let wanted = format!("={value}");
    with_entry(|entry| entry.ends_with(wanted.as_bytes()))
}

fn with_entry(fits: impl Fn(&[u8]) -> bool) -> Vec<Identity> {
    let has = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(&fits)
    };
    let found = numbers().into_iter().filter(has);
    found.filter_map(Identity::of).collect()
}

/// The processes of a user, by real user id.
pub(crate) fn of_user(uid: u32) -> Vec<Identity> {
    let belongs = |pid: &i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let real = status.lines().find_map(|line| line.strip_prefix("Uid:\t"));
        real.and_then(|ids| ids.split('\t').next()?.parse().ok()) == Some(uid)
    };
    let found = numbers().into_iter().filter(belongs);
    found.filter_map(Identity::of).collect()
}

/// The processes still in the group that `leader` led. The number of a group is not given away while
/// a member is left, so they are its own, unless the number leads another process by now.
pub(crate) fn of_group(leader: Identity) -> Vec<Identity> {
    if Identity::of(leader.pid).is_some_and(|found| found != leader) {
        return Vec::new();
    }
    let member = |pid: &i32| {
        Stat::of(*pid)
            .is_some_and(|stat| stat.group == leader.pid && stat.started >= leader.started)
    };
    let found = numbers().into_iter().filter(member);
    found.filter_map(Identity::of).collect()
}

/// A process and all that descend from it. Whoever is orphaned in a jail falls to its first process,
/// so none of them is missed.
pub(crate) fn below(leader: Identity) -> Vec<Identity> {
    if Identity::of(leader.pid) != Some(leader) {
        return Vec::new();
    }
    let parents = numbers().into_iter().filter_map(|pid| Some((pid, Stat::of(pid)?.parent)));
    let parents: Vec<(i32, i32)> = parents.collect();
    let mut found = vec![leader.pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = parents.iter().filter(|(pid, of)| *of == parent && !found.contains(pid));
        let children: Vec<i32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
        next += 1;
    }
    found.into_iter().filter_map(Identity::of).collect()
}

/// The same by what each process says of its children (proc_pid_children(5)), without a look at all
/// others: whoever changes meanwhile may be missed, so it is for those who look again.
pub(crate) fn glimpse_below(leader: Identity) -> Vec<Identity> {
    // Not every kernel tells.
    if !Path::new("/proc/thread-self/children").exists() {
        return below(leader);
    }
    if Identity::of(leader.pid) != Some(leader) {
        return Vec::new();
    }
    let mut found = vec![leader.pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(children(parent));
        next += 1;
    }
    found.into_iter().filter_map(Identity::of).collect()
}

/// Each thread has children of its own.
fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lines = threads.filter_map(|it| fs::read_to_string(it.path().join("children")).ok());
    let numbers = |line: String| line.split_whitespace().flat_map(str::parse).collect::<Vec<i32>>();
    lines.flat_map(numbers).collect()
}

/// The process that has this number where it lives itself (`NSpid` in proc_pid_status(5)).
pub(crate) fn numbered(inside: i32, among: &[Identity]) -> Option<Identity> {
    let number = |it: &Identity| {
        let status = fs::read_to_string(format!("/proc/{}/status", it.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        let (_, own) = line.trim().rsplit_once(char::is_whitespace)?;
        own.parse().ok()
    };
    among.iter().copied().find(|it| number(it) == Some(inside))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;

    /// Other tests, also in other processes, have theirs at the same time.
    fn sleeper(mark: &str) -> Child {
        let mut command = Command::new("sleep");
        command.arg("1000").env("ZAKI_TEST_MARK", mark).process_group(0).spawn().unwrap()
    }

    fn pid(child: &Child) -> i32 {
        child.id().try_into().unwrap()
    }

    #[tokio::test]
    async fn a_signal_reaches_exactly_the_process_meant() {
        let mut child = sleeper("one");
        let identity = Identity::of(pid(&child)).unwrap();
        let other = Identity { started: identity.started + 1, ..identity };
        assert!(other.open().is_none(), "another process with the same number");
        let handle = identity.open().unwrap();
        handle.signal(Signal::KILL);
        handle.exited().await;
        assert!(!child.wait().unwrap().success());
        handle.signal(Signal::KILL);
        assert!(identity.open().is_none() && Identity::of(identity.pid).is_none());
    }

    #[test]
    fn descendants_are_found_and_nobody_else() {
        let mut parent = Command::new("sh");
        let mut parent = parent.args(["-c", "sleep 1000 & wait"]).spawn().unwrap();
        let mut other = sleeper("other");
        let leader = Identity::of(pid(&parent)).unwrap();
        let found = loop {
            let found = below(leader);
            if found.len() == 2 {
                break found;
            }
            std::thread::yield_now();
        };
        assert!(found.contains(&leader) && !found.iter().any(|it| it.pid == pid(&other)));
        assert_eq!(numbered(2, &found), None, "they live where everybody lives");
        assert_eq!(glimpse_below(leader), found);
        let before = Identity { started: leader.started + 1, ..leader };
        assert_eq!((below(before), glimpse_below(before)), (vec![], vec![]));
        for it in found {
            let _ = Command::new("kill").arg(it.pid.to_string()).status();
        }
        parent.wait().unwrap();
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[tokio::test]
    async fn a_process_is_found_by_its_environment_and_its_group() {
        let here = format!("here-{}", std::process::id());
        let mark = format!("{here}-1");
        let mut child = sleeper(&mark);
        let identity = Identity::of(pid(&child)).unwrap();
        // The variable is there only after the program has been replaced.
        while with_variable("ZAKI_TEST_MARK", &mark).is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(with_variable("ZAKI_TEST_MARK", &mark), [identity]);
        assert_eq!(with_variable("ZAKI_TEST_MARK", &here), []);
        assert_eq!(with_value(&mark), [identity]);
        assert_eq!(with_value(&here), []);
        assert_eq!(with_value(""), []);
        assert_eq!(of_group(identity), [identity]);
        let other = Identity { started: identity.started + 1, ..identity };
        assert_eq!(of_group(other), []);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(of_group(identity), []);
    }
}
