//! What the figures depend on.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

/// Of this machine, with its stores under `dir`.
pub(crate) fn facts(dir: &Path) -> Result<Value> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let disk = Command::new("stat").args(["-f", "-c", "%T"]).arg(dir).output();
    let disk = disk.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    Ok(json!({
        "cores": std::thread::available_parallelism()?.get(),
        "cpu": cpu.map_or("unknown", |(_, name)| name),
        "load": load(),
        "disk": disk.unwrap_or_default(),
        "release_build": !cfg!(debug_assertions),
    }))
}

/// How many wanted a core in the last minute, on average (proc_loadavg(5)).
pub(crate) fn load() -> Value {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    json!(load.split(' ').next().unwrap_or_default())
}
