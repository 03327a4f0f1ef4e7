//! What an image weighs, and whether a second build of it is the same.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::parts::Versions;
use crate::engine::Engine;

/// An image in figures.
#[derive(Serialize)]
pub(super) struct Report {
    image: String,
    id: String,
    node: String,
    openclaw: String,
    /// What all of it takes, unpacked.
    bytes: u64,
    /// Digests of the layers' contents, from the base up.
    layers: Vec<String>,
    /// What put how much there, from the base up.
    steps: Vec<Step>,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<Again>,
}

#[derive(Serialize)]
struct Step {
    by: String,
    bytes: u64,
}

/// The second build.
#[derive(Serialize)]
struct Again {
    same_layers: bool,
    same_id: bool,
    layers: Vec<String>,
}

impl Report {
    /// Asks the engine.
    pub(super) fn of(
        engine: &Engine,
        image: &str,
        versions: &Versions,
        took: Duration,
    ) -> Result<Self> {
        let said = engine.ask(&["image", "inspect", image]).context("the image is not there")?;
        let said: Value = serde_json::from_str(&said)?;
        let found = said.get(0).context("the engine says nothing of the image")?;
        let layers = found.pointer("/RootFS/Layers").and_then(Value::as_array);
        let layers = layers.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        Ok(Self {
            image: image.to_owned(),
            id: found.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            node: versions.node.clone(),
            openclaw: versions.openclaw.clone(),
            bytes: found.get("Size").and_then(Value::as_u64).unwrap_or_default(),
            layers: layers.collect(),
            steps: steps(engine, image)?,
            seconds: took.as_secs_f64(),
            again: None,
        })
    }

    /// Notes how a second build turned out.
    pub(super) fn compare(&mut self, again: &Self) {
        self.again = Some(Again {
            same_layers: self.layers == again.layers,
            same_id: self.id == again.id,
            layers: again.layers.clone(),
        });
    }

    pub(super) fn differs(&self) -> bool {
        self.again.as_ref().is_some_and(|again| !again.same_layers)
    }
}

/// The steps that put something there.
fn steps(engine: &Engine, image: &str) -> Result<Vec<Step>> {
    let history = ["history", "--no-trunc", "--human=false", "--format", "{{json .}}", image];
    let history = engine.ask(&history).context("the image has no history")?;
    let mut steps = Vec::new();
    for line in history.lines().rev() {
        let line: Value = serde_json::from_str(line)?;
        let text = |name| line.get(name).and_then(Value::as_str).unwrap_or_default();
        let bytes = text("Size").parse().unwrap_or_default();
        let by = if text("CreatedBy").is_empty() { text("Comment") } else { text("CreatedBy") };
        if bytes > 0 {
            steps.push(Step { by: by.trim_start_matches("/bin/sh -c #(nop) ").to_owned(), bytes });
        }
    }
    Ok(steps)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10);
        writeln!(f, "{}  Node {}, OpenClaw {}", self.image, self.node, self.openclaw)?;
        for step in &self.steps {
            writeln!(f, "{:>10}  {}", megabytes(step.bytes), step.by)?;
        }
        writeln!(f, "{:>10}  in all, after {:.0} s", megabytes(self.bytes), self.seconds)?;
        for layer in &self.layers {
            writeln!(f, "            {layer}")?;
        }
        match &self.again {
            None => Ok(()),
            Some(again) if again.same_layers => {
                writeln!(f, "a second build from nothing has the same layers")?;
                if again.same_id {
                    Ok(())
                } else {
                    writeln!(f, "and another id: it names its hour")
                }
            }
            Some(again) => {
                let pairs =
                    self.layers.iter().zip(&again.layers).filter(|(one, other)| one != other);
                pairs.into_iter().try_for_each(|(one, other)| writeln!(f, "{one} became {other}"))
            }
        }
    }
}
