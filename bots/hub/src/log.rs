//! The log: lines to standard error, written by a thread of its own. Whoever reads it may stop
//! reading, or be gone, and the disk behind it may be full: the hub goes on without.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::config::{LogFormat, log_filter};

/// So many lines wait to be written; what comes then is left out.
const WAITING: usize = 4096;
/// So long the end of the program waits for the last ones.
const LAST: Duration = Duration::from_secs(1);

enum Line {
    Text(Vec<u8>),
    /// Says when all before it has been written.
    Last(SyncSender<()>),
}

/// Where lines go in.
#[derive(Clone)]
struct Lines {
    to: SyncSender<Line>,
    left_out: Arc<AtomicU64>,
}

/// Keeps the end of the program until the last lines are written, or nobody reads them.
pub(crate) struct Written(Lines);

/// Logs to standard error from now on; colours only on a terminal.
pub(crate) fn to_stderr(format: LogFormat, level: &str) -> Result<Written> {
    let filter = log_filter(level).map_err(|rule| anyhow!("log.level {rule}"))?;
    let colours = colours(io::stderr().is_terminal(), std::env::var_os("NO_COLOR").as_deref());
    let lines = Lines::into(io::stderr())?;
    let written = Written(lines.clone());
    let layer = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    let layer = layer.with_writer(move || lines.clone());
    match format {
        LogFormat::Text => layer.with_ansi(colours).init(),
        LogFormat::Json => layer.json().init(),
    }
    Ok(written)
}

/// By the convention of no-color.org: any text in the variable switches them off.
fn colours(terminal: bool, no_color: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty)
}

impl Lines {
    fn into(place: impl Write + Send + 'static) -> io::Result<Self> {
        let (to, lines) = sync_channel(WAITING);
        let left_out = Arc::<AtomicU64>::default();
        let missed = Arc::clone(&left_out);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(&lines, place, &missed))?;
        Ok(Self { to, left_out })
    }
}

/// A line that cannot be written is lost, and only that.
fn write(lines: &Receiver<Line>, mut place: impl Write, left_out: &AtomicU64) {
    for line in lines {
        match line {
            Line::Text(text) => drop(place.write_all(&text)),
            Line::Last(written) => drop(written.send(())),
        }
        let missed = left_out.swap(0, Ordering::Relaxed);
        if missed > 0 {
            drop(writeln!(
                place,
                "{missed} lines of the log were left out: nobody read them in time"
            ));
        }
    }
}

/// A line comes as one piece.
impl Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.to.try_send(Line::Text(text.to_owned())).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let (until, (written, wait)) = (Instant::now() + LAST, sync_channel(1));
        let mut last = Line::Last(written);
        while let Err(TrySendError::Full(again)) = self.0.to.try_send(last) {
            if Instant::now() >= until {
                return;
            }
            last = again;
            thread::sleep(LAST / 100);
        }
        let _ = wait.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A place where nothing is written while it is held.
    #[derive(Clone, Default)]
    struct Pipe {
        text: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Pipe {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.text.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_does_not_read_holds_nothing_up_and_is_told_what_they_missed() {
        let pipe = Pipe::default();
        let mut lines = Lines::into(pipe.clone()).unwrap();
        let stalled = pipe.text.lock().unwrap();
        for n in 0..WAITING + 10 {
            lines.write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        let begun = Instant::now();
        drop(Written(lines.clone()));
        assert!(begun.elapsed() < 5 * LAST, "the end does not wait for good");
        drop(stalled);
        drop(Written(lines));
        let text = String::from_utf8(pipe.text.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("0\n"), "{text}");
        assert!(text.contains(" lines of the log were left out"), "{text}");
    }

    #[test]
    fn all_is_written_at_the_end_and_what_is_broken_breaks_nothing() {
        let pipe = Pipe::default();
        let mut lines = Lines::into(pipe.clone()).unwrap();
        for n in 0..100 {
            lines.write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        drop(Written(lines));
        assert!(pipe.text.lock().unwrap().ends_with(b"99\n"));

        let mut lines = Lines::into(Broken).unwrap();
        for n in 0..100 {
            lines.write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        drop(Written(lines));
    }

    #[test]
    fn colours_only_on_a_terminal_that_wants_them() {
        assert!(colours(true, None) && colours(true, Some(OsStr::new(""))));
        assert!(!colours(false, None) && !colours(true, Some(OsStr::new("1"))));
    }
}
