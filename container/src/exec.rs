//! One program run for an operator: as the sandbox's own user, in its workspace, with bounds on its
//! time and its output.

use std::{
    os::unix::process::ExitStatusExt,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};
use zaki_envelope::wire::{ExecOutput, ExecRequest};

use crate::{guard::Guard, layout::Layout};

/// What one leaves behind, outside its group, may hold its output; nobody waits longer for it.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs it to its end, or ends it.
pub(crate) async fn run(layout: &Layout, request: &ExecRequest) -> io::Result<ExecOutput> {
    let Some((program, arguments)) = request.command.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no command"));
    };
    let mut guard = Guard::start()?;
    let mut child = command(layout, program, arguments).process_group(guard.group()).spawn()?;
    let (out, err) = (gather(child.stdout.take()), gather(child.stderr.take()));
    feed(&mut child, request.input.clone());
    let patience = Duration::from_millis(request.patience_ms());
    let ended = timeout(patience, child.wait()).await;
    // Whatever of its group is left: it has nobody any more.
    guard.sweep().await;
    let (status, timed_out) = match ended {
        Ok(status) => (status?, false),
        Err(_) => (child.wait().await?, true),
    };
    let ((stdout, cut_out), (stderr, cut_err)) = (collect(out).await, collect(err).await);
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    let (code, cut) = (code.unwrap_or(-1), cut_out || cut_err);
    Ok(ExecOutput { code, timed_out, cut, stdout, stderr })
}

/// Its environment is OpenClaw's own for tools, with no token in it.
fn command(layout: &Layout, program: &str, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(layout.workspace())
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("HOME", layout.home())
        .env("TMPDIR", layout.tmp())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn feed(child: &mut Child, input: String) {
    let Some(mut stdin) = child.stdin.take() else { return };
    tokio::spawn(async move {
        // Who does not read it does not need it.
        let _ = stdin.write_all(input.as_bytes()).await;
    });
}

/// What was kept, and whether there was more.
type Gathered = (Vec<u8>, bool);

struct Gathering {
    kept: Arc<Mutex<Gathered>>,
    reading: JoinHandle<()>,
}

/// Reads all of it, so that nobody is held up, and keeps the first of it.
fn gather(from: Option<impl AsyncRead + Unpin + Send + 'static>) -> Gathering {
    let kept = Arc::<Mutex<Gathered>>::default();
    let keep = kept.clone();
    let reading = tokio::spawn(async move {
        let Some(mut from) = from else { return };
        let mut piece = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut piece).await {
            let mut kept = keep.lock().unwrap_or_else(PoisonError::into_inner);
            let room = ExecRequest::MOST_OUTPUT.saturating_sub(kept.0.len());
            kept.1 |= read > room;
            kept.0.extend(piece.iter().take(read.min(room)));
        }
    });
    Gathering { kept, reading }
}

async fn collect(gathering: Gathering) -> (String, bool) {
    let Gathering { kept, mut reading } = gathering;
    if timeout(LAST_WORDS, &mut reading).await.is_err() {
        reading.abort();
    }
    let (bytes, cut) = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
    (String::from_utf8_lossy(&bytes).into_owned(), cut)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    async fn sh(script: &str, timeout_ms: Option<u64>) -> ExecOutput {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path()).unwrap();
        let command = ["/bin/sh", "-c", script].map(str::to_owned).into();
        let request = ExecRequest { command, input: "a line\n".into(), timeout_ms };
        run(&layout, &request).await.unwrap()
    }

    #[tokio::test]
    async fn it_runs_in_the_workspace_and_tells_how_it_ended() {
        let output = sh("pwd; cat; echo no >&2; exit 3", None).await;
        assert_eq!((output.code, output.timed_out, output.cut), (3, false, false));
        assert!(output.stdout.ends_with("/workspace\na line\n"), "{}", output.stdout);
        assert_eq!(output.stderr, "no\n");
        assert_eq!(sh("kill -9 $$", None).await.code, 137);
    }

    #[tokio::test]
    async fn its_environment_holds_nothing_of_ours() {
        let output = sh("env", None).await;
        let names = output.stdout.lines().filter_map(|line| line.split('=').next());
        let mut names: Vec<_> =
            names.filter(|name| !["PWD", "SHLVL", "_"].contains(name)).collect();
        names.sort_unstable();
        assert_eq!(names, ["HOME", "LANG", "PATH", "TMPDIR"]);
    }

    #[tokio::test]
    async fn one_that_takes_too_long_ends_with_what_it_started() {
        let began = Instant::now();
        let output = sh("echo first; sleep 1000 & echo $!; wait", Some(300)).await;
        assert!(output.timed_out && began.elapsed() < Duration::from_mins(1));
        let child: u32 = output.stdout.lines().nth(1).unwrap().parse().unwrap();
        for _ in 0..1000 {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat"));
            if stat.map_or(true, |stat| stat.contains(") Z")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{child} is still there");
    }

    #[tokio::test]
    async fn only_so_much_of_its_output_is_kept_and_it_is_not_held_up() {
        let output = sh("head -c 3000000 /dev/zero; echo done >&2", None).await;
        assert_eq!((output.stdout.len(), output.cut), (ExecRequest::MOST_OUTPUT, true));
        assert_eq!((output.code, output.stderr.as_str()), (0, "done\n"));
    }

    #[tokio::test]
    async fn what_it_leaves_in_a_session_of_its_own_holds_nobody_up() {
        let began = Instant::now();
        let output = sh("setsid sleep 20 & echo done", None).await;
        assert_eq!((output.stdout.as_str(), output.code), ("done\n", 0));
        assert!(began.elapsed() < Duration::from_secs(15));
    }
}
