//! `zaki feedback`: what people say to whoever runs this.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::{output::Output, table};

#[derive(Subcommand)]
pub(crate) enum Feedback {
    /// What has been said by `/feedback`, the last first.
    List {
        /// How many.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
        #[command(flatten)]
        output: Output,
    },
}

impl Feedback {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let Self::List { limit, output } = self;
        let said = output.directory().await?.feedbacks(limit).await?;
        output.list(&said, |one| [table::time(one.at), one.user.to_string(), one.text.clone()])?;
        Ok(ExitCode::SUCCESS)
    }
}
