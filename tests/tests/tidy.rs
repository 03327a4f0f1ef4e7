//! The house rules that no lint knows: crate docs, file lengths, names, unfinished work, and that
//! nothing tracked knows the machine it was written on.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{MetadataCommand, TargetKind};

const MAX_LINES: usize = 450;
/// Names that say nothing; the design lists the ones that do.
const BANNED: &[&str] = &["manager", "service", "helper", "util", "processor"];
const DECLARING: &[&str] = &["struct", "enum", "trait", "type", "mod", "fn", "const", "static"];
/// Written in two halves, so that this file passes its own check.
const UNFINISHED: &[&str] =
    &[concat!("to", "do!("), concat!("un", "implemented!("), concat!("FIX", "ME")];

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn root() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?)
}

/// The tracked text files that are still there, by their path from the root.
fn tracked() -> Result<Vec<(String, String)>> {
    let out = Command::new("git").arg("-C").arg(root()?).args(["ls-files", "-z"]).output()?;
    assert!(out.status.success(), "git ls-files: {}", String::from_utf8_lossy(&out.stderr));
    let names = String::from_utf8(out.stdout)?;
    let root = root()?;
    let read = |name: &str| Some((name.to_owned(), std::fs::read_to_string(root.join(name)).ok()?));
    let files: Vec<_> = names.split_terminator('\0').filter_map(read).collect();
    assert!(files.iter().any(|(name, _)| name == "Cargo.toml"), "git lists no Cargo.toml");
    Ok(files)
}

fn is_rust(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "rs")
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// `HttpUtil` and `http_utils` are both `http`, `util`.
fn words(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in identifier.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words.iter().map(|w| w.trim_end_matches('s').to_owned()).collect()
}

fn is_banned(identifier: &str) -> bool {
    words(identifier).iter().any(|w| BANNED.contains(&w.as_str()))
}

/// The names that one line of Rust declares.
fn declared(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or_default();
    let tokens: Vec<_> = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    let names = tokens.windows(2).filter(|pair| DECLARING.contains(&pair[0]));
    names.map(|pair| pair[1]).collect()
}

/// Whether `text` holds `path` as a path of its own, not as the tail of a longer word.
fn holds_path(text: &str, path: &str) -> bool {
    let bounded =
        |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/}".contains(c));
    text.match_indices(path).any(|(at, _)| bounded(at))
}

/// Where this machine keeps the tree and the tools. A short root (`/app`) proves nothing.
fn machine_paths() -> Result<Vec<String>> {
    let mut paths =
        vec![concat!("/wo", "rk/main").to_owned(), concat!("/wo", "rk/shared").to_owned()];
    let root = root()?;
    if root.components().count() > 2 {
        paths.push(root.display().to_string());
    }
    if let Some(home) =
        std::env::var_os("HOME").map(PathBuf::from).filter(|h| h.components().count() > 1)
    {
        paths.extend([".cargo", ".rustup", ".cache"].map(|d| home.join(d).display().to_string()));
    }
    Ok(paths)
}

#[test]
fn every_crate_opens_with_what_it_is() -> Result {
    let metadata =
        MetadataCommand::new().manifest_path(root()?.join("Cargo.toml")).no_deps().exec()?;
    let is_crate = |kind: &TargetKind| matches!(kind, TargetKind::Lib | TargetKind::Bin);
    let mut faults = Vec::new();
    for target in metadata.packages.iter().flat_map(|p| &p.targets) {
        if target.kind.iter().any(is_crate) {
            let text = std::fs::read_to_string(&target.src_path)?;
            if text.lines().take_while(|l| l.starts_with("//!")).count() < 2 {
                faults
                    .push(format!("{}: opens with less than two lines of `//!`", target.src_path));
            }
        }
    }
    none(&faults);
    Ok(())
}

#[test]
fn every_crate_keeps_the_lints_of_the_house() -> Result {
    let manifests = |(name, _): &(String, String)| name.ends_with("/Cargo.toml");
    let inherits = |text: &str| text.contains("[lints]\nworkspace = true");
    let lax = |(name, text): &(String, String)| (!inherits(text)).then(|| name.clone());
    none(&tracked()?.iter().filter(|f| manifests(f)).filter_map(lax).collect::<Vec<_>>());
    Ok(())
}

/// What runs in a Worker too has no clock and no threads; clippy refuses them there.
#[test]
fn the_pure_crates_ban_clocks_and_threads() -> Result {
    for krate in ["bots/envelope", "edge/core"] {
        let bans = std::fs::read_to_string(root()?.join(krate).join("clippy.toml"))?;
        for banned in ["Instant::now", "SystemTime::now", "thread::spawn", "thread::sleep"] {
            assert!(bans.contains(banned), "{krate}/clippy.toml does not ban {banned}");
        }
    }
    Ok(())
}

#[test]
fn no_file_is_too_long() -> Result {
    let long = |(name, text): &(String, String)| {
        let lines = text.lines().count();
        (is_rust(name) && lines > MAX_LINES).then(|| format!("{name}: {lines} lines"))
    };
    none(&tracked()?.iter().filter_map(long).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn nothing_is_left_unfinished() -> Result {
    let mut faults = Vec::new();
    for (name, text) in tracked()?.iter().filter(|(name, _)| is_rust(name)) {
        let marks = UNFINISHED.iter().filter(|mark| text.contains(**mark));
        faults.extend(marks.map(|mark| format!("{name}: {mark}")));
    }
    none(&faults);
    Ok(())
}

#[test]
fn names_say_something() -> Result {
    let mut faults = Vec::new();
    for (name, text) in tracked()?.iter().filter(|(name, _)| is_rust(name)) {
        if is_banned(name) {
            faults.push(format!("{name}: a file name"));
        }
        for (n, line) in text.lines().enumerate() {
            let bad = declared(line).into_iter().filter(|d| is_banned(d));
            faults.extend(bad.map(|d| format!("{name}:{}: {d}", n + 1)));
        }
    }
    none(&faults);
    Ok(())
}

#[test]
fn nothing_names_the_build_machine() -> Result {
    let paths = machine_paths()?;
    let mut faults = Vec::new();
    for (name, text) in &tracked()? {
        let found = paths.iter().filter(|path| holds_path(text, path));
        faults.extend(found.map(|path| format!("{name}: {path}")));
    }
    none(&faults);
    Ok(())
}

/// The rows of the promise table.
fn promises(architecture: &str) -> Vec<&str> {
    let (_, rest) = architecture.split_once("\n## What the hub promises\n").unwrap_or_default();
    let table = rest.lines().skip_while(|line| !line.starts_with('|'));
    table.skip(2).take_while(|line| line.starts_with('|')).collect()
}

/// What a row says its event is shown by: a file, and a test in it. `deliver::x` is in
/// `tests/tests/deliver.rs`; others are named by their path.
fn shown_by(row: &str) -> Vec<(String, &str)> {
    let cell = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
    let spans = cell.split('`').skip(1).step_by(2).filter_map(|span| span.rsplit_once("::"));
    let file = |place: &str| {
        if place.contains('/') { place.to_owned() } else { format!("tests/tests/{place}.rs") }
    };
    spans.map(|(place, test)| (file(place), test)).collect()
}

/// Whether a file has a test of this name that is not ignored.
fn is_run(file: &str, test: &str) -> bool {
    let lines: Vec<&str> = file.lines().map(str::trim).collect();
    let declared = format!("fn {test}(");
    let ignored = |at: usize| {
        let mut above = lines.iter().take(at).rev().take_while(|line| line.starts_with("#["));
        above.any(|line| line.starts_with("#[ignore"))
    };
    lines.iter().position(|line| line.contains(&declared)).is_some_and(|at| !ignored(at))
}

#[test]
fn each_promise_is_shown_by_a_test_there_is() -> Result {
    let architecture = std::fs::read_to_string(root()?.join("ARCHITECTURE.md"))?;
    let rows = promises(&architecture);
    assert!(rows.len() > 20, "the table is not found: {} rows", rows.len());
    let mut faults = Vec::new();
    for row in rows {
        let shown = shown_by(row);
        if shown.is_empty() {
            faults.push(format!("no test: {row}"));
        }
        for (file, test) in shown {
            let text = std::fs::read_to_string(root()?.join(&file)).unwrap_or_default();
            if !is_run(&text, test) {
                faults.push(format!("{file} has no {test}, or ignores it"));
            }
        }
    }
    none(&faults);
    Ok(())
}

#[test]
fn the_rules_see_what_they_should() {
    assert!(is_banned("SessionManager") && is_banned("http_utils") && is_banned("src/helpers.rs"));
    assert!(!is_banned("utility") && !is_banned("manage") && !is_banned("ServiceworthyX"));
    assert_eq!(declared("pub(crate) async fn send<T>(x: Service) {"), ["send"]);
    assert_eq!(declared("    pub struct Lane; // struct Other"), ["Lane"]);
    assert!(holds_path("cd /a/b/c", "/a/b") && !holds_path("https://x.org/a/b", "/a/b"));
    assert!(!holds_path("${ROOT}/a/b", "/a/b"));
    let row = "| an `a::b` | kept | `c::d`, `e/f.rs::g`, `cargo h` |";
    let shown = [("tests/tests/c.rs".to_owned(), "d"), ("e/f.rs".to_owned(), "g")];
    assert_eq!(shown_by(row), shown);
    let text = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[test]\nfn b() {}";
    assert_eq!(["a", "b", "c"].map(|test| is_run(text, test)), [false, true, false]);
}
