//! What a process has used, by `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// `proc(5)`: `utime` and `stime` count ticks of this length on every Linux of today.
const TICK: Duration = Duration::from_millis(10);

/// Of one process, all its threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// On the processor, in user and kernel mode.
    pub cpu: Duration,
    /// Resident memory in KiB.
    pub resident_kib: u64,
    /// The part of it that no file backs: heap, stacks.
    pub anonymous_kib: u64,
}

impl Usage {
    /// Of the process `pid`, up to now.
    pub fn of(pid: i32) -> Result<Self> {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}"));
        let stat = read("stat").context("the process is gone")?;
        let status = read("status")?;
        Ok(Self {
            cpu: cpu(&stat).context("/proc/stat has changed")?,
            resident_kib: kib(&status, "VmRSS:").unwrap_or_default(),
            anonymous_kib: kib(&status, "RssAnon:").unwrap_or_default(),
        })
    }
}

/// Fields 14 and 15; the name in parentheses before them may hold anything.
fn cpu(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let (user, kernel) = (fields.next()?.parse::<u32>(), fields.next()?.parse::<u32>());
    Some(TICK * (user.ok()? + kernel.ok()?))
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 900 0 0 0 12 30 0 0 20 0 5 0";
        assert_eq!(cpu(stat), Some(Duration::from_millis(420)));
        assert_eq!(kib("VmRSS:\t   1234 kB\nRssAnon:\t 5 kB\n", "RssAnon:"), Some(5));
        let ours = Usage::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(ours.resident_kib > ours.anonymous_kib && ours.anonymous_kib > 0);
    }
}
