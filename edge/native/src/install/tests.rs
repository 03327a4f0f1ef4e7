use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use super::*;

/// Keeps what it is told.
#[derive(Default)]
struct Told(Mutex<Vec<Stage>>);

impl Progress for Told {
    fn stage(&self, stage: Stage) {
        self.0.lock().unwrap().push(stage);
    }

    fn packages(&self, _done: u64, _of: u64) {}
}

fn write_program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// An npm that installs what was asked for, in the shape of the real thing: Node is a shell script.
fn npm(dir: &Path, node_says: &str) -> PathBuf {
    let script = format!(
        r#"#!/bin/sh
[ "$1" = --version ] && exit 0
echo run >> "{calls}"
shift; shift; prefix=$1
for spec in "$@"; do
  case "$spec" in
    *@[0-9]*)
      package="$prefix/node_modules/${{spec%@*}}"
      mkdir -p "$package/bin"
      printf '{{"version":"%s"}}' "${{spec##*@}}" > "$package/package.json"
      echo '{node_says}' > "$package/bin/node"
      chmod 755 "$package/bin/node" ;;
  esac
done
"#,
        calls = dir.join("calls").display(),
    );
    let path = dir.join("npm");
    write_program(&path, &script);
    path
}

/// A Node that passes every check.
const GOOD_NODE: &str = r#"#!/bin/sh
case "$*" in --version) echo v24.21.0;; *openclaw.mjs*) echo OpenClaw 2026.9.6;; *) echo native ok;; esac"#;

fn failing_npm(dir: &Path, words: &str) -> PathBuf {
    let path = dir.join("npm");
    write_program(
        &path,
        &format!("#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho '{words}' >&2\nexit 1\n"),
    );
    path
}

fn install(dir: &Path, npm: PathBuf) -> Install {
    Install { dir: dir.join("runtime"), npm, needed: 0 }
}

fn calls(dir: &Path) -> usize {
    fs::read_to_string(dir.join("calls")).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn it_installs_once_and_then_only_looks() {
    let dir = tempfile::tempdir().unwrap();
    let install = install(dir.path(), npm(dir.path(), GOOD_NODE));
    let told = Told::default();
    let paths = install.ensure(&told).await.unwrap();
    assert_eq!(paths, RuntimePaths::in_dir(&install.dir));
    assert!(paths.node.exists() && !install.dir.join(".home").exists());
    let expected = [Stage::Looking, Stage::Installing, Stage::Verifying, Stage::Present];
    assert_eq!(*told.0.lock().unwrap(), expected);
    install.ensure(&Told::default()).await.unwrap();
    assert_eq!(calls(dir.path()), 1);
}

#[tokio::test]
async fn two_at_once_install_once() {
    let dir = tempfile::tempdir().unwrap();
    let install = install(dir.path(), npm(dir.path(), GOOD_NODE));
    let told = Told::default();
    let (one, two) = tokio::join!(install.ensure(&told), install.ensure(&told));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(calls(dir.path()), 1);
}

#[tokio::test]
async fn a_damaged_or_older_installation_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let install = install(dir.path(), npm(dir.path(), GOOD_NODE));
    install.ensure(&Told::default()).await.unwrap();
    let manifest = install.dir.join("node_modules/openclaw/package.json");
    fs::write(&manifest, r#"{"version":"2026.1.1"}"#).unwrap();
    install.ensure(&Told::default()).await.unwrap();
    assert!(fs::read_to_string(manifest).unwrap().contains(OPENCLAW_VERSION));
    assert_eq!(calls(dir.path()), 2);
    assert!(!install.beside("old").exists() && !install.beside("new").exists());
}

#[tokio::test]
async fn what_somebody_else_installed_is_tried_and_used() {
    let dir = tempfile::tempdir().unwrap();
    let install = install(dir.path(), npm(dir.path(), GOOD_NODE));
    install.ensure(&Told::default()).await.unwrap();
    let seal = install.dir.join("zaki-runtime.json");
    fs::remove_file(&seal).unwrap();
    install.ensure(&Told::default()).await.unwrap();
    assert!(seal.exists());
    assert_eq!(calls(dir.path()), 1);
}

#[tokio::test]
async fn what_does_not_work_is_not_left_there() {
    let dir = tempfile::tempdir().unwrap();
    for (node, what) in [
        ("#!/bin/sh\nexit 1", "Node is not version"),
        ("#!/bin/sh\necho v24.21.0", "OpenClaw does not run"),
        (
            "#!/bin/sh\ncase \"$*\" in --version) echo v24.21.0;; *--version*) echo 2026.9.6;; esac",
            "does not load",
        ),
    ] {
        let install = install(dir.path(), npm(dir.path(), node));
        let error = install.ensure(&Told::default()).await.unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        assert!(!install.dir.exists() && !install.beside("new").exists());
    }
}

#[tokio::test]
async fn failures_are_one_sentence_with_the_mend() {
    let dir = tempfile::tempdir().unwrap();
    for (words, mend) in [
        ("npm error code ENOTFOUND\nnpm error network", "check the network"),
        ("npm error code ENOSPC", "free"),
        ("npm error code EACCES", "make it writable"),
        ("npm error code E404", "mirrors the public registry"),
        ("npm error code EWHATEVER\nnpm error it broke", "(it broke); see "),
        ("no words of npm", "exit status: 1"),
    ] {
        let install = install(dir.path(), failing_npm(dir.path(), words));
        let error = install.ensure(&Told::default()).await.unwrap_err().to_string();
        assert!(error.contains(mend) && !error.contains('\n'), "{error}");
        assert!(!install.dir.exists());
    }
    let absent = install(dir.path(), dir.path().join("no-npm"));
    let error = absent.ensure(&Told::default()).await.unwrap_err();
    assert!(matches!(error, InstallError::NoNpm));
    let full = Install { needed: u64::MAX, ..install(dir.path(), npm(dir.path(), GOOD_NODE)) };
    let error = full.ensure(&Told::default()).await.unwrap_err();
    assert!(matches!(error, InstallError::NoSpace { .. }));
    assert_eq!(calls(dir.path()), 0);
}
