//! Control groups: how much memory and how many processes a sandbox may have, where the edge may say
//! so. Processors are shared out evenly among those that want them, and the hub goes first: a start
//! takes all it can get, for seconds. Both kinds of hierarchy, version 2 and the older one
//! (cgroups(7)).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zaki_envelope::SandboxName;

use crate::config::Tier;

/// The group all sandboxes of an edge are in.
const PARENT: &str = "zaki";
/// Where an edge goes that has a group of version 2 to itself: one with members has no sub-groups
/// with limits.
const EDGE: &str = "zaki-edge";
/// `ESRCH` (errno(3)).
const NO_PROCESS: i32 = 3;
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// The groups of an edge's sandboxes.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Folders with what they control: all three in version 2, one each in version 1.
    parents: Vec<(PathBuf, Version)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// One of our own that bounds something: the file, and what to write into it.
type Bound = (&'static str, String);

impl Groups {
    /// The groups below the edge's own; the error is one sentence on why there can be none.
    pub(crate) fn open(edge: u32) -> Result<Self, String> {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        let (mounts, own) = (read("/proc/self/mountinfo"), read("/proc/self/cgroup"));
        let name = format!("{PARENT}-{edge:08x}");
        let mut parents = Vec::new();
        for (folder, version) in own_groups(&mounts, &own) {
            let parent = folder.join(&name);
            match make_parent(&folder, &parent, version) {
                Ok(()) => parents.push((parent, version)),
                Err(error) => tracing::debug!(group = %folder.display(), %error, "cgroup.not_ours"),
            }
        }
        if parents.is_empty() {
            return Err("no control group can be made here".to_owned());
        }
        Ok(Self { parents })
    }

    /// Makes the groups of a sandbox with their bounds, and puts these processes there; what they
    /// start follows them.
    pub(crate) fn hold(&self, name: &SandboxName, tier: Tier, pids: &[i32]) -> io::Result<()> {
        for (parent, version) in &self.parents {
            let group = parent.join(name.as_str());
            // The bounds of another tier are not always to be changed one by one.
            let _ = fs::remove_dir(&group);
            make(&group)?;
            for (file, bound) in bounds(tier, *version) {
                let path = group.join(file);
                if path.exists() {
                    fs::write(path, bound)?;
                }
            }
        }
        self.join(name, pids)
    }

    /// Puts these there, too.
    pub(crate) fn join(&self, name: &SandboxName, pids: &[i32]) -> io::Result<()> {
        for (parent, _) in &self.parents {
            let members = parent.join(name.as_str()).join("cgroup.procs");
            for pid in pids {
                match fs::write(&members, pid.to_string()) {
                    // Gone already.
                    Err(error) if error.raw_os_error() == Some(NO_PROCESS) => {}
                    written => written?,
                }
            }
        }
        Ok(())
    }

    /// Removes the groups of a sandbox that is gone. One that still has a member stays.
    pub(crate) fn release(&self, name: &SandboxName) {
        for (parent, _) in &self.parents {
            let _ = fs::remove_dir(parent.join(name.as_str()));
        }
    }
}

/// What an edge leaves is empty, unless it goes and its sandboxes stay.
impl Drop for Groups {
    fn drop(&mut self) {
        for (parent, _) in &self.parents {
            let _ = fs::remove_dir(parent);
        }
    }
}

/// Memory without swap; a sandbox that wants more is ended, and nobody else is.
fn bounds(tier: Tier, version: Version) -> Vec<Bound> {
    let memory = (u64::from(tier.memory_mb) * 1024 * 1024).to_string();
    let pids = tier.pids.to_string();
    match version {
        Version::One => vec![
            ("memory.limit_in_bytes", memory.clone()),
            ("memory.memsw.limit_in_bytes", memory),
            ("pids.max", pids),
        ],
        Version::Two => vec![
            ("memory.max", memory),
            ("memory.swap.max", "0".to_owned()),
            ("memory.oom.group", "1".to_owned()),
            ("pids.max", pids),
        ],
    }
}

/// Where this process is in each hierarchy that can bound something.
fn own_groups(mounts: &str, own: &str) -> Vec<(PathBuf, Version)> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let Some(mount) = Mount::read(line) else { continue };
        let Some(version) = mount.version() else { continue };
        // `hierarchy:controllers:path` (cgroups(7)); version 2 has no controllers there.
        let here = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let fits = match version {
                Version::Two => controllers.is_empty(),
                Version::One => controllers.split(',').any(|it| mount.controls(it)),
            };
            fits.then_some(path)
        });
        let below = here.and_then(|path| Path::new(path).strip_prefix(mount.root).ok());
        if let Some(below) = below {
            let folder: PathBuf = Path::new(mount.at).join(below).components().collect();
            if !found.iter().any(|(known, _)| *known == folder) {
                found.push((folder, version));
            }
        }
    }
    found
}

/// A line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
struct Mount<'l> {
    root: &'l str,
    at: &'l str,
    kind: &'l str,
    options: &'l str,
}

impl<'l> Mount<'l> {
    fn read(line: &'l str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut system = system.split(' ');
        let (root, at) = (mount.next()?, mount.next()?);
        let (kind, _, options) = (system.next()?, system.next()?, system.next()?);
        Some(Self { root, at, kind, options })
    }

    fn version(&self) -> Option<Version> {
        match self.kind {
            "cgroup2" => Some(Version::Two),
            "cgroup" if CONTROLLERS.iter().any(|it| self.controls(it)) => Some(Version::One),
            _ => None,
        }
    }

    fn controls(&self, controller: &str) -> bool {
        CONTROLLERS.contains(&controller)
            && self.options.split(',').any(|option| option == controller)
    }
}

fn make(group: &Path) -> io::Result<()> {
    match fs::create_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn make_parent(own: &Path, parent: &Path, version: Version) -> io::Result<()> {
    if version == Version::One {
        make(parent)?;
        // Beside all sandboxes together each busy thread of ours counts, with 1,024.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let _ = fs::write(parent.join("cpu.shares"), (512 * cores).to_string());
        // One that cannot be written is of no use.
        return fs::metadata(parent.join("cgroup.procs")).map(drop);
    }
    let there = fs::read_to_string(own.join("cgroup.controllers"))?;
    let wanted = CONTROLLERS.iter().filter(|it| there.split_whitespace().any(|has| has == **it));
    let wanted: Vec<String> = wanted.map(|it| format!("+{it}")).collect();
    let wanted = wanted.join(" ");
    if wanted.is_empty() {
        return Err(io::Error::other("it controls nothing"));
    }
    let enable = |group: &Path| fs::write(group.join("cgroup.subtree_control"), &wanted);
    if enable(own).is_err() {
        step_aside(own)?;
        enable(own)?;
    }
    make(parent)?;
    let _ = fs::write(parent.join("cpu.weight"), "50");
    enable(parent)
}

/// Out of a group that this process has to itself, into one below it.
fn step_aside(own: &Path) -> io::Result<()> {
    let me = std::process::id().to_string();
    let members = fs::read_to_string(own.join("cgroup.procs"))?;
    if members.lines().any(|member| member != me) {
        return Err(io::Error::other("others are in it"));
    }
    let aside = own.join(EDGE);
    make(&aside)?;
    fs::write(aside.join("cgroup.procs"), me)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const TWO: &str =
        "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

    fn found(mounts: &str, own: &str) -> Vec<(String, Version)> {
        let groups = own_groups(mounts, own).into_iter();
        groups.map(|(path, version)| (path.display().to_string(), version)).collect()
    }

    #[test]
    fn the_older_hierarchies_are_found_by_what_they_control() {
        let own = "4:memory:/a/b\n6:freezer:/\n1:cpu,cpuacct:/\n0::/\n";
        let expected = [
            ("/sys/fs/cgroup/cpu,cpuacct", Version::One),
            ("/sys/fs/cgroup/memory/a/b", Version::One),
            ("/sys/fs/cgroup/unified", Version::Two),
        ];
        assert_eq!(found(ONE, own), expected.map(|(path, version)| (path.to_owned(), version)));
    }

    #[test]
    fn the_one_hierarchy_is_found() {
        let own = "0::/system.slice/zaki.service\n";
        let here = "/sys/fs/cgroup/system.slice/zaki.service".to_owned();
        assert_eq!(found(TWO, own), [(here, Version::Two)]);
        // A part of it is mounted, as in a container; what is outside of it is not ours.
        let part = TWO.replace("0:26 / ", "0:26 /docker/1 ");
        assert_eq!(found(&part, "0::/docker/1/x\n"), [("/sys/fs/cgroup/x".into(), Version::Two)]);
        assert_eq!(found(&part, "0::/elsewhere\n"), []);
    }

    #[test]
    fn a_tier_is_said_in_the_words_of_each_version() {
        let tier = Tier { memory_mb: 1, cpu_percent: 100, pids: 7 };
        let two = bounds(tier, Version::Two);
        assert!(two.contains(&("memory.max", "1048576".into())));
        assert!(two.contains(&("pids.max", "7".into())));
        let one = bounds(tier, Version::One);
        assert!(one.contains(&("memory.memsw.limit_in_bytes", "1048576".into())));
    }

    /// A folder stands in for the kernel's: what is written where, and what is refused.
    #[test]
    fn a_group_of_version_two_is_only_taken_when_it_is_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (own, parent) = (dir.path().join("own"), dir.path().join("own/zaki-1"));
        fs::create_dir(&own).unwrap();
        assert!(make_parent(&own, &parent, Version::Two).is_err(), "no group at all");
        fs::write(own.join("cgroup.controllers"), "cpuset io").unwrap();
        assert!(make_parent(&own, &parent, Version::Two).is_err(), "nothing of use");
        fs::write(own.join("cgroup.controllers"), "cpuset cpu io memory pids").unwrap();
        make_parent(&own, &parent, Version::Two).unwrap();
        let enabled = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap();
        assert_eq!(enabled, "+memory +pids +cpu");
        fs::write(own.join("cgroup.procs"), format!("{}\n1\n", std::process::id())).unwrap();
        assert!(step_aside(&own).is_err(), "others are in it");
        fs::write(own.join("cgroup.procs"), format!("{}\n", std::process::id())).unwrap();
        step_aside(&own).unwrap();
        assert!(own.join(EDGE).join("cgroup.procs").exists());
    }
}
