//! A clock of its own for the hub, which a test can set forwards and back while it runs: Debian's
//! `libfaketime`, put before the C library. What measures time spans is left alone, as on a machine
//! whose clock is set.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::Setup;

/// The clock of one world.
pub struct Clock(PathBuf);

impl Clock {
    /// A clock that is right for now; `None` where the library is not installed; says so.
    pub fn new(dir: &Path) -> Result<Option<(Self, impl Fn(Setup) -> Setup)>> {
        let Some(library) = library() else {
            println!("SKIPPED: no libfaketime; install Debian's package `faketime`");
            return Ok(None);
        };
        let file = dir.join("clock");
        let clock = Self(file.clone());
        clock.set(0)?;
        let wind = move |setup: Setup| {
            setup
                .env("LD_PRELOAD", &library.display().to_string())
                .env("FAKETIME_TIMESTAMP_FILE", &file.display().to_string())
                .env("FAKETIME_CACHE_DURATION", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        };
        Ok(Some((clock, wind)))
    }

    /// From now on (within a second) it is wrong by so many seconds.
    pub fn set(&self, seconds: i64) -> Result<()> {
        let next = self.0.with_extension("next");
        fs::write(&next, format!("{seconds:+}"))?;
        Ok(fs::rename(next, &self.0)?)
    }
}

fn library() -> Option<PathBuf> {
    let places = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let mut found = places.map(|place| place.join("faketime/libfaketimeMT.so.1"));
    found.find(|library| library.is_file())
}
