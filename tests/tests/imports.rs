//! Who may import whom, read from `cargo metadata`: the house of `ARCHITECTURE.md` as a table.
//! A crate, an edge or an outside library that the tables below do not name fails here.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// One member of the workspace and which crates of ours it may import.
struct Row {
    krate: &'static str,
    imports: &'static [&'static str],
    /// More that its own tests may import.
    dev: &'static [&'static str],
    /// Of `imports`, those allowed only as optional dependencies, and the feature that brings them.
    behind: &'static [(&'static str, &'static str)],
}

const fn row(krate: &'static str, imports: &'static [&'static str]) -> Row {
    Row { krate, imports, dev: &[], behind: &[] }
}

/// A channel's adapter: the contract and the envelope, never another adapter.
const fn adapter(krate: &'static str) -> Row {
    let dev = &["zaki-simulators"];
    Row { krate, imports: &["zaki-channel", "zaki-envelope"], dev, behind: &[] }
}

const TABLE: &[Row] = &[
    row("zaki-envelope", &[]),
    row("zaki-store", &[]),
    row("zaki-simulators", &[]),
    row("zaki-sidecar", &[]),
    row("zaki-box", &["zaki-echo", "zaki-envelope"]),
    row("zaki-channel", &["zaki-envelope"]),
    row("zaki-container", &["zaki-envelope"]),
    row("zaki-echo", &["zaki-envelope"]),
    row("zaki-edge-core", &["zaki-envelope"]),
    row("zaki-identity", &["zaki-envelope", "zaki-store"]),
    row("zaki-ledger", &["zaki-envelope", "zaki-store"]),
    row("zaki-lane", &["zaki-channel", "zaki-envelope"]),
    Row {
        krate: "zaki-words",
        imports: &["zaki-envelope"],
        // To read what is said as every platform shows it.
        dev: &["zaki-channel"],
        behind: &[],
    },
    adapter("zaki-telegram"),
    adapter("zaki-discord"),
    adapter("zaki-slack"),
    adapter("zaki-whatsapp"),
    row("zaki-edge-native", &["zaki-echo", "zaki-edge-core", "zaki-envelope", "zaki-store"]),
    row("zaki-edge-worker", &["zaki-edge-core", "zaki-envelope"]),
    Row {
        krate: "zaki",
        // `container`, because the one program is also the program inside a process sandbox.
        imports: &[
            "zaki-channel",
            "zaki-container",
            "zaki-discord",
            "zaki-edge-native",
            "zaki-envelope",
            "zaki-identity",
            "zaki-lane",
            "zaki-ledger",
            "zaki-simulators",
            "zaki-slack",
            "zaki-store",
            "zaki-telegram",
            "zaki-whatsapp",
            "zaki-words",
        ],
        dev: &[],
        behind: &[("zaki-simulators", "demo")],
    },
    row("xtask", &[]),
];

/// The suites may import anything.
const SUITES: &str = "zaki-tests";

/// Outside libraries that stay in one place. A `*` at the end stands for any rest of the name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("teloxide*", &["zaki-telegram"]),
    ("serenity*", &["zaki-discord"]),
    ("twilight-*", &["zaki-discord"]),
    ("rusqlite", SQL),
    ("tokio-postgres", SQL),
    ("tokio-postgres-rustls", &["zaki-store"]),
    ("deadpool*", &["zaki-store"]),
    ("reqwest", HTTP_CLIENTS),
    ("object_store", &["zaki-edge-native"]),
    ("tar", &["zaki-container", "xtask"]),
    ("zstd", &["zaki-container"]),
    ("fluent*", &["zaki-words"]),
];
/// The container, to copy OpenClaw's databases while they are in use.
const SQL: &[&str] =
    &["zaki-store", "zaki-ledger", "zaki-identity", "zaki-edge-native", "zaki-container"];
const HTTP_CLIENTS: &[&str] = &[
    "zaki",
    "zaki-container",
    "zaki-discord",
    "zaki-edge-native",
    "zaki-simulators",
    "zaki-slack",
    "zaki-telegram",
    "zaki-whatsapp",
];

/// What these two may not reach over any number of steps: they run inside a Worker too.
const PURE: &[&str] = &["zaki-envelope", "zaki-edge-core"];
const IMPURE: &[&str] = &["tokio", "mio", "reqwest", "hyper", "chrono", "rustls", "getrandom"];

/// One direct dependency, as declared.
#[derive(Clone)]
struct Edge {
    from: String,
    to: String,
    dev: bool,
    optional: bool,
    /// Features of `from` that switch it on; all of them when it is optional.
    features: Vec<String>,
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.dev { " (dev)" } else { "" };
        write!(f, "{} -> {}{kind}", self.from, self.to)
    }
}

fn edges(package: &Package) -> Vec<Edge> {
    let features_of = |name: &str| {
        let switch = [format!("dep:{name}"), name.to_owned()];
        let on =
            package.features.iter().filter(|(_, list)| list.iter().any(|f| switch.contains(f)));
        on.map(|(feature, _)| feature.clone()).collect()
    };
    let edge = |d: &cargo_metadata::Dependency| Edge {
        from: package.name.to_string(),
        to: d.name.clone(),
        dev: d.kind == DependencyKind::Development,
        optional: d.optional,
        features: features_of(&d.name),
    };
    package.dependencies.iter().map(edge).collect()
}

/// What is wrong with an edge between two crates of ours, if anything.
fn inside(edge: &Edge) -> Option<String> {
    if edge.from == SUITES || edge.from == edge.to {
        return None;
    }
    let Some(row) = TABLE.iter().find(|r| r.krate == edge.from) else {
        return Some(format!("{edge}: {} has no row in the table", edge.from));
    };
    let named = |list: &[&str]| list.contains(&edge.to.as_str());
    if edge.dev && named(row.dev) {
        return None;
    }
    if !named(row.imports) {
        return Some(format!("{edge}: not in the table"));
    }
    let (_, feature) = row.behind.iter().find(|(to, _)| *to == edge.to)?;
    let behind = edge.dev || (edge.optional && edge.features == [*feature]);
    (!behind).then(|| format!("{edge}: only as an optional dependency of feature `{feature}`"))
}

/// What is wrong with an edge to an outside library, if anything.
fn outside(edge: &Edge) -> Option<String> {
    let covers = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => edge.to.starts_with(prefix),
        None => edge.to == pattern,
    };
    let (_, homes) = ONLY_IN.iter().find(|(pattern, _)| covers(pattern))?;
    let free = edge.dev || edge.from == SUITES || homes.contains(&edge.from.as_str());
    (!free).then(|| format!("{edge}: {} is only for {homes:?}", edge.to))
}

/// Everything `start` reaches through normal dependencies, as resolved.
fn reaches(metadata: &Metadata, start: &Package) -> Vec<String> {
    let nodes = metadata.resolve.iter().flat_map(|r| &r.nodes);
    let nodes: HashMap<_, _> = nodes.map(|n| (&n.id, n)).collect();
    let (mut seen, mut open) = (HashSet::new(), vec![&start.id]);
    while let Some(node) = open.pop().and_then(|id| nodes.get(id)) {
        let normal = |d: &&cargo_metadata::NodeDep| {
            d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal)
        };
        let next = node.deps.iter().filter(normal).map(|d| &d.pkg);
        open.extend(next.filter(|id| seen.insert(*id)));
    }
    metadata.packages.iter().filter(|p| seen.contains(&p.id)).map(|p| p.name.to_string()).collect()
}

fn workspace() -> Result<Metadata, Box<dyn Error>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    Ok(MetadataCommand::new().manifest_path(root).exec()?)
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn our_crates_import_only_what_the_table_allows() -> Result<(), Box<dyn Error>> {
    let metadata = workspace()?;
    let members = metadata.workspace_packages();
    let ours = |e: &Edge| members.iter().any(|p| p.name == e.to);
    let all = members.iter().flat_map(|p| edges(p));
    none(&all.filter(ours).filter_map(|e| inside(&e)).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn the_table_names_every_crate_and_no_other() -> Result<(), Box<dyn Error>> {
    let metadata = workspace()?;
    let mut members: Vec<_> =
        metadata.workspace_packages().iter().map(|p| p.name.to_string()).collect();
    let mut rows: Vec<_> = TABLE.iter().map(|r| r.krate).chain([SUITES]).collect();
    members.sort_unstable();
    rows.sort_unstable();
    assert_eq!(members, rows);
    Ok(())
}

#[test]
fn outside_libraries_stay_in_their_crates() -> Result<(), Box<dyn Error>> {
    let metadata = workspace()?;
    let all = metadata.workspace_packages().into_iter().flat_map(edges);
    none(&all.filter_map(|e| outside(&e)).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn the_pure_crates_reach_no_runtime_and_no_clock() -> Result<(), Box<dyn Error>> {
    let metadata = workspace()?;
    let impure = |name: &str| {
        let package = metadata.packages.iter().find(|p| p.name == name);
        let mut found = reaches(&metadata, package.ok_or_else(|| format!("no crate {name}"))?);
        found.retain(|library| IMPURE.contains(&library.as_str()));
        Ok::<_, Box<dyn Error>>(found)
    };
    for name in PURE {
        assert_eq!(impure(name)?, [""; 0], "{name} reaches these");
    }
    assert!(impure("zaki-telegram")?.contains(&"hyper".to_owned()), "the search finds nothing");
    Ok(())
}

#[test]
fn the_rules_refuse_what_they_should() {
    let edge = |from: &str, to: &str| Edge {
        from: from.into(),
        to: to.into(),
        dev: false,
        optional: false,
        features: vec![],
    };
    let dev = |from: &str, to: &str| Edge { dev: true, ..edge(from, to) };
    let demo = |feature: &str| Edge {
        optional: true,
        features: vec![feature.into()],
        ..edge("zaki", "zaki-simulators")
    };
    assert!(inside(&edge("zaki-slack", "zaki-channel")).is_none());
    assert!(inside(&edge("zaki-slack", "zaki-telegram")).is_some());
    assert!(inside(&edge("zaki-slack", "zaki-simulators")).is_some());
    assert!(inside(&dev("zaki-slack", "zaki-simulators")).is_none());
    assert!(inside(&edge("zaki", "zaki-edge-core")).is_some());
    assert!(inside(&edge("zaki", "zaki-simulators")).is_some());
    assert!(inside(&demo("server")).is_some());
    assert!(inside(&demo("demo")).is_none());
    assert!(inside(&edge("zaki-new", "zaki-envelope")).is_some());
    assert!(outside(&edge("zaki-ledger", "rusqlite")).is_none());
    assert!(outside(&edge("zaki", "rusqlite")).is_some());
    assert!(outside(&edge("zaki-identity", "tokio-postgres")).is_none());
    assert!(outside(&edge("zaki-identity", "deadpool-postgres")).is_some());
    assert!(outside(&edge("zaki-slack", "twilight-model")).is_some());
    assert!(outside(&edge("zaki", "teloxide-core")).is_some());
}
