//! PID 1 of an image: runs this program again as its only child of its own, hands signals on to
//! it, and reaps what others leave behind.
//!
//! A process of its own, because whoever reaps any child takes from tokio the ends of the children
//! that it waits for.

use std::{
    env, io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitCode},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{SigSet, Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// What is handed on. A terminal's other signals are not for programs without one.
const HANDED_ON: [Signal; 5] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGUSR1];

/// Whether this process is to be the init of its container.
pub(crate) fn is_wanted() -> bool {
    std::process::id() == 1
}

/// Lets every signal through again: the child of an init is born with all of them blocked.
pub(crate) fn unblock() -> io::Result<()> {
    Ok(SigSet::all().thread_unblock()?)
}

/// Runs the child until it ends, and ends as it did.
pub(crate) fn run() -> io::Result<ExitCode> {
    let mut signals = SigSet::from_iter(HANDED_ON);
    signals.add(Signal::SIGCHLD);
    // Before the child is there, so that none of its signals is missed.
    signals.thread_block()?;
    let child = start()?;
    let number = i32::try_from(child.id()).map_err(io::Error::other)?;
    let child = Pid::from_raw(number);
    loop {
        match signals.wait()? {
            Signal::SIGCHLD => {
                if let Some(code) = reap(child)? {
                    return Ok(code);
                }
            }
            // Gone already: its end is the next signal.
            signal => _ = kill(child, signal),
        }
    }
}

fn start() -> io::Result<Child> {
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_default();
    let mut command = Command::new(env::current_exe()?);
    // A group of its own: what a terminal sends reaches it once, through us.
    command.arg0(name).args(arguments).process_group(0).spawn()
}

/// Reaps whoever has ended; the code of `child` if it is among them.
fn reap(child: Pid) -> io::Result<Option<ExitCode>> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(code),
            Ok(status) if status.pid() == Some(child) => code = code_of(status).or(code),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// As a shell tells it: 128 and the signal that ended it.
fn code_of(status: WaitStatus) -> Option<ExitCode> {
    let code = match status {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        _ => return None,
    };
    Some(u8::try_from(code).unwrap_or(u8::MAX).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_as_a_shell_does() {
        let pid = Pid::from_raw(7);
        let code = |status| format!("{:?}", code_of(status));
        let expected = |code: u8| format!("{:?}", Some(ExitCode::from(code)));
        assert_eq!(code(WaitStatus::Exited(pid, 3)), expected(3));
        assert_eq!(code(WaitStatus::Signaled(pid, Signal::SIGKILL, false)), expected(137));
        assert_eq!(code_of(WaitStatus::Stopped(pid, Signal::SIGSTOP)), None);
    }
}
