//! What of OpenClaw is compiled already when a sandbox starts for the first time, or anew on another
//! disk: Node's compile cache, made once where OpenClaw is installed and linked into every sandbox.
//!
//! It is read-only in there. A cache that sandboxes could write would be code that one of them slips
//! to the next; and one for each is 37 MB of disk and some seconds of a processor (measured).

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use nix::unistd::geteuid;
use tokio_util::sync::CancellationToken;

use crate::{
    ContainerError, Settings,
    gate::{Door, Gate},
    gateway::{Link, supervise},
    layout::Layout,
};

/// Beside the package, where a jail shows it, too.
const SHARED: &str = ".zaki-compile-cache";
/// Where OpenClaw has Node keep it, below the directory for temporary files:
/// `openclaw/<version>/<installation>/<what Node calls itself>-<user id>`.
const OWN: &str = "node-compile-cache";
const DEPTH: usize = 4;

/// Runs a gateway of this installation for nobody, in a directory beside the package that is removed
/// afterwards, and keeps what Node has compiled for all its sandboxes. Nothing to do where that was
/// done.
///
/// # Errors
///
/// The installation cannot be written to, or no gateway comes up.
pub async fn warm(node: &Path, openclaw: &Path) -> Result<(), ContainerError> {
    let Some(shared) = shared(openclaw).filter(|shared| !shared.exists()) else {
        return Ok(());
    };
    let state = shared.with_extension(std::process::id().to_string());
    let done = fill(Settings::of_nobody(&state, node, openclaw), &shared).await;
    // What went wrong is worth more than why cleaning up did.
    let _ = fs::remove_dir_all(state);
    done
}

async fn fill(settings: Settings, shared: &Path) -> Result<(), ContainerError> {
    let fail = |source| ContainerError::State { path: settings.state.clone(), source };
    let layout = Layout::create(&settings.state).map_err(fail)?;
    let (link, stop) = (Link::new(), CancellationToken::new());
    let gate = Arc::new(Gate::new(Door::Open));
    let gateway =
        supervise(settings.clone(), layout.clone(), Arc::clone(&link), gate, stop.clone());
    let gateway = tokio::spawn(gateway);
    let ready = link.ready().await.map(drop);
    // Node writes it when the gateway ends.
    stop.cancel();
    let _ = gateway.await;
    ready.map_err(ContainerError::Gateway)?;
    // Two who do so at once have made the same.
    fs::rename(layout.tmp().join(OWN), shared)
        .or_else(|error| if shared.exists() { Ok(()) } else { Err(error) })
        .map_err(fail)
}

/// Links the shared cache into a sandbox that has none, if there is one.
pub(crate) fn lend(openclaw: &Path, layout: &Layout) -> io::Result<()> {
    let own = layout.tmp().join(OWN);
    let Some(shared) = shared(openclaw).filter(|shared| shared.is_dir() && !own.exists()) else {
        return Ok(());
    };
    link_below(&shared, &own, DEPTH)
}

fn shared(openclaw: &Path) -> Option<PathBuf> {
    Some(openclaw.parent()?.join(SHARED))
}

/// Directories are made anew down to those that have the entries, which are links: they are named
/// after who uses them.
fn link_below(from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|_| entry.path().is_dir()) else { continue };
        if depth == 1 {
            symlink(entry.path(), to.join(of_user(name, geteuid().as_raw())))?;
        } else {
            link_below(&entry.path(), &to.join(name), depth - 1)?;
        }
    }
    Ok(())
}

/// `v24.21.0-x64-3e691adf-0` of user 1000 is `v24.21.0-x64-3e691adf-1000`.
fn of_user(name: &str, user: u32) -> String {
    match name.rsplit_once('-') {
        Some((node, _)) => format!("{node}-{user}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_is_lent_under_the_name_of_whoever_needs_it_and_never_over_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let openclaw = dir.path().join("node_modules/openclaw");
        let layout = Layout::create(&dir.path().join("state")).unwrap();
        fs::create_dir_all(&openclaw).unwrap();
        lend(&openclaw, &layout).unwrap();
        let own = layout.tmp().join(OWN);
        assert!(!own.exists(), "there is nothing to lend");

        let shared = openclaw.parent().unwrap().join(SHARED).join("openclaw/2026.9.6/17-14");
        let node = shared.join("v24.21.0-x64-3e691adf-0");
        fs::create_dir_all(&node).unwrap();
        fs::write(node.join("entry"), "compiled").unwrap();
        lend(&openclaw, &layout).unwrap();
        let me = of_user("v24.21.0-x64-3e691adf-0", geteuid().as_raw());
        let lent = own.join("openclaw/2026.9.6/17-14").join(me);
        assert_eq!(fs::read_to_string(lent.join("entry")).unwrap(), "compiled");
        assert!(lent.is_symlink() && own.is_dir() && !own.is_symlink());
        lend(&openclaw, &layout).unwrap();
        assert_eq!(of_user("v24.21.0-x64-3e691adf-0", 1000), "v24.21.0-x64-3e691adf-1000");
    }
}
