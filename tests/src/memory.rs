//! What is in the memory of a process: everything it can read itself, looked through for secrets.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// As much is read at a time, in bytes.
const PIECE: usize = 1 << 20;

/// Those of `secrets` that are in the memory of the process, whichever way they got there.
pub fn secrets_in(pid: i32, secrets: &[String]) -> Result<BTreeSet<String>> {
    let dir = tempfile::tempdir()?;
    let wanted = dir.path().join("secrets");
    fs::write(&wanted, secrets.join("\n"))?;
    // A gateway has some hundred megabytes; grep goes through them in a second or two.
    let mut grep = Command::new("grep")
        .args(["--text", "--null-data", "--only-matching", "--fixed-strings", "--file"])
        .arg(&wanted)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let input = grep.stdin.take().context("grep takes no input")?;
    let pouring = std::thread::spawn(move || pour(pid, input));
    let output = grep.wait_with_output()?;
    let poured = pouring.join().map_err(|_| anyhow::anyhow!("the reader failed"))??;
    ensure!(poured > 0, "nothing of the memory of {pid} can be read");
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(found.split('\0').filter(|found| !found.is_empty()).map(str::to_owned).collect())
}

/// Every part of it that can be read (proc_pid_maps(5)), but for what a program or a library has in its
/// file, constants among it: a program with simulators in it has their tokens there. How many bytes
/// that were.
fn pour(pid: i32, mut into: impl Write) -> Result<u64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut piece = vec![0; PIECE];
    let mut poured = 0;
    for (from, to) in maps.lines().filter_map(readable) {
        let mut at = from;
        while at < to {
            let most = usize::try_from(to - at)?.min(PIECE);
            let Ok(read @ 1..) = memory.read_at(&mut piece[..most], at) else { break };
            into.write_all(&piece[..read])?;
            (at, poured) = (at + read as u64, poured + read as u64);
        }
        into.write_all(b"\0")?;
    }
    Ok(poured)
}

/// From where to where, if it can be read and is its own.
fn readable(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let (from, to) = range.split_once('-')?;
    let is_file = line.contains('/') && !rights.starts_with("rw");
    let is_ours = rights.starts_with('r') && !is_file && !line.ends_with("[vvar]");
    let number = |text| u64::from_str_radix(text, 16).ok();
    is_ours.then_some((number(from)?, number(to)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_holds_is_found_and_nothing_else() {
        let there = format!("held-{:032x}", rand::random::<u128>());
        let mut held = Command::new("sleep").arg("60").env("HELD", &there).spawn().unwrap();
        let pid = i32::try_from(held.id()).unwrap();
        let secrets = [there.clone(), "held-by-nobody-at-all".to_owned()];
        // Its environment is its own a moment after it has begun.
        let found = loop {
            let found = secrets_in(pid, &secrets).unwrap();
            if !found.is_empty() {
                break found;
            }
        };
        held.kill().unwrap();
        held.wait().unwrap();
        assert_eq!(found, BTreeSet::from([there]));
    }
}
