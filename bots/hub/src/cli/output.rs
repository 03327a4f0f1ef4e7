//! How a command about people prints, and where it finds what it is about.

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use zaki_identity::Directory;

use super::{Source, table::Rows};
use crate::stores::Stores;

#[derive(Args)]
pub(crate) struct Output {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) source: Source,
}

impl Output {
    /// What an earlier run or a running hub has made.
    pub(super) async fn stores(&self) -> Result<Stores> {
        Stores::open_existing(&self.source.load()?).await
    }

    pub(super) async fn directory(&self) -> Result<Directory> {
        Ok(self.stores().await?.directory)
    }

    /// Whether it is.
    pub(super) const fn is_for_programs(&self) -> bool {
        self.json
    }

    /// What was done: for programs, or in a sentence.
    pub(super) fn say(&self, json: &Value, text: impl FnOnce() -> String) {
        if self.json { outln!("{json}") } else { outln!("{}", text()) }
    }

    /// One thing: for programs, or line by line.
    pub(super) fn show<const N: usize>(
        &self,
        item: &impl Serialize,
        lines: impl IntoIterator<Item = [String; N]>,
    ) -> Result<()> {
        if self.json {
            outln!("{}", serde_json::to_string(item)?);
            return Ok(());
        }
        let mut rows = Rows::default();
        lines.into_iter().for_each(|line| rows.push(line));
        rows.print();
        Ok(())
    }

    /// All of `items`: for programs, or in a table.
    pub(super) fn list<T: Serialize, const N: usize>(
        &self,
        items: &[T],
        row: impl Fn(&T) -> [String; N],
    ) -> Result<()> {
        if self.json {
            for item in items {
                outln!("{}", serde_json::to_string(item)?);
            }
            return Ok(());
        }
        let mut rows = Rows::default();
        for item in items {
            rows.push(row(item));
        }
        rows.print();
        Ok(())
    }
}
