//! What `zaki up` needs of this machine.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use zaki_edge_native::IsolationReport;

use super::{Finding, Verdict, finding, finding_of};
use crate::{
    config::{self, Config, Isolation, Provider, Runtime},
    data_dir::{self, Tenant},
    local_edge,
};

/// The data directory, the ports, and what sandboxes need unless the edge is elsewhere.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![
        finding_of("data", data(config)),
        finding_of("hub.listen", listen(config, "hub.listen", config.hub.listen, Tenant::Hub)),
    ];
    if config.edge.url.is_some() {
        return findings;
    }
    let listen = listen(config, "edge.listen", config.edge.listen, Tenant::Edge);
    findings.push(finding_of("edge.listen", listen));
    match config.sandbox.runtime {
        Runtime::Echo => {
            let says = "runtime \"echo\" repeats what it is told";
            findings.push(finding(Verdict::Note, "sandboxes", says));
        }
        Runtime::Docker => findings.push(finding_of("docker", docker(config))),
        Runtime::Process => findings.extend([runtime(config), isolation(config)]),
    }
    findings.push(model(config));
    findings
}

fn data(config: &Config) -> Result<String> {
    let dir = config.data_dir();
    let there = data_dir::look(&dir)?;
    Ok(format!("{}{}", dir.display(), if there { "" } else { ", from the first start" }))
}

/// A port that is taken is right as long as who runs in the data directory has taken it.
fn listen(config: &Config, key: &str, address: SocketAddr, tenant: Tenant) -> Result<String> {
    if data_dir::is_locked(&config.data_dir(), tenant) {
        return Ok(format!("{address}, and zaki is up"));
    }
    TcpListener::bind(address)
        .with_context(|| format!("cannot listen on {address}; free it or set another {key}"))?;
    Ok(format!("{address} is free"))
}

fn runtime(config: &Config) -> Finding {
    let dir = config.runtime_dir();
    let paths = zaki_edge_native::RuntimePaths::in_dir(&dir);
    if paths.node.is_file() && paths.openclaw.join("openclaw.mjs").is_file() {
        return finding(Verdict::Ok, "openclaw", format!("installed in {}", dir.display()));
    }
    match std::process::Command::new("npm").arg("--version").output() {
        Ok(out) if out.status.success() => finding(
            Verdict::Note,
            "openclaw",
            format!("will be installed into {} at the first start (about 1 GB)", dir.display()),
        ),
        _ => finding(
            Verdict::Missing,
            "openclaw",
            "is not installed and npm is not there to do it: install npm (Debian: apt install npm)",
        ),
    }
}

/// Whether anybody listens at the engine's socket. The image is looked for at the start.
fn docker(config: &Config) -> Result<String> {
    let docker = &config.sandbox.docker;
    let socket = docker.socket.as_deref().unwrap_or(Path::new("/var/run/docker.sock"));
    std::os::unix::net::UnixStream::connect(socket).with_context(|| {
        format!(
            "no Docker engine answers at {}; start it, or set another sandbox.docker.socket",
            socket.display()
        )
    })?;
    let (image, tier) = (&docker.image, &config.sandbox.tier);
    Ok(format!("containers of {image}, {tier}, with no network and no capability"))
}

/// What a sandbox would be walled in by, found by trying.
fn isolation(config: &Config) -> Finding {
    let what = "isolation";
    if config::is_root()
        && config.sandbox.isolation != Isolation::Off
        && let Some(closed) = closed(&config.data_dir(), &config.runtime_dir())
    {
        let says = format!(
            "sandboxes run under user ids of their own, and {0} is closed to them; set \
             hub.data_dir and sandbox.runtime_dir outside it, or run: chmod o+x {0}",
            closed.display()
        );
        return finding(Verdict::Missing, what, says);
    }
    let (isolation, network) = (local_edge::isolation(config), local_edge::network(config));
    match IsolationReport::look(isolation, network) {
        Ok(report) => finding(verdict(config.sandbox.isolation, &report), what, words(&report)),
        Err(error) => finding(Verdict::Missing, what, error.to_string()),
    }
}

fn verdict(asked: Isolation, report: &IsolationReport) -> Verdict {
    match asked {
        _ if report.is_whole() => Verdict::Ok,
        Isolation::Require => Verdict::Missing,
        _ => Verdict::Note,
    }
}

fn words(report: &IsolationReport) -> String {
    let there = format!("every sandbox: {report}");
    if report.is_whole() {
        return there;
    }
    let exec = match (&report.namespaces, report.users) {
        (Err(_), false) => "they can read what zaki can, and exec stays denied",
        (Err(_), true) => "they can call what listens on this machine and near it",
        (Ok(()), _) => {
            "they can call what listens on this machine and near it, as \
                        sandbox.network says"
        }
    };
    format!("weak; {there}; {exec}")
}

/// A folder that others cannot pass, on the way to what sandboxes need. The data directory itself
/// is opened for them.
fn closed(data: &Path, runtime: &Path) -> Option<PathBuf> {
    let is_closed = |dir: &&Path| {
        let mode = std::fs::metadata(dir).map(|found| found.permissions().mode());
        *dir != data && mode.is_ok_and(|mode| mode & 0o001 == 0)
    };
    data.ancestors().chain(runtime.ancestors()).find(is_closed).map(Path::to_owned)
}

fn model(config: &Config) -> Finding {
    let model = &config.model;
    if model.provider == Provider::Offline {
        let says = "the offline stand-in answers; for a real one set model.provider, base_url, name, \
                    api_key";
        return finding(Verdict::Note, "model", says);
    }
    let places = || model.places().join(", then ");
    let looked = model.of_edge().map(|_| format!("{} at {}", model.name, places()));
    finding_of("model", looked)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions};

    use super::*;

    #[test]
    fn what_sandboxes_cannot_pass_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (above, data) = (dir.path(), dir.path().join("data"));
        let mode = |dir: &Path, mode| set_permissions(dir, Permissions::from_mode(mode)).unwrap();
        let runtime = data.join("runtime");
        mode(above, 0o711);
        create_dir(&data).unwrap();
        mode(&data, 0o700);
        assert_eq!(closed(&data, &runtime), None, "it is opened at the start");
        create_dir(&runtime).unwrap();
        mode(&runtime, 0o700);
        assert_eq!(closed(&data, &runtime), Some(runtime.clone()));
        mode(above, 0o700);
        assert_eq!(closed(&data, &runtime), Some(above.to_owned()));
    }
}
