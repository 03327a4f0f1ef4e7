//! Standard output, line by line. Whoever reads it may stop (`| head`): no reason to panic, nor to
//! leave a demo's sandboxes behind. What is lost for another reason is said at the end.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    sync::OnceLock,
};

static LOST: OnceLock<String> = OnceLock::new();

/// Prints a line.
pub(crate) fn line(line: fmt::Arguments<'_>) {
    if let Some(why) = trouble(writeln!(io::stdout(), "{line}")) {
        let _ = LOST.set(why);
    }
}

/// Why the first of the lines that are lost could not be written.
pub(crate) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

fn trouble(written: io::Result<()>) -> Option<String> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Some(error.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_who_stops_is_no_trouble_and_a_full_disk_is() {
        assert_eq!(trouble(Ok(())), None);
        assert_eq!(trouble(Err(ErrorKind::BrokenPipe.into())), None);
        assert!(trouble(Err(ErrorKind::StorageFull.into())).is_some());
    }
}
