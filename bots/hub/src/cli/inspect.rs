//! `zaki inspect`: a raw payload in, envelopes out. Checks no signature and stores nothing.

use std::{
    io::{Read, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;
use zaki_channel::{Parse, Verified};
use zaki_envelope::ChannelKind;

use crate::clock;

/// Reads FILE, or standard input. Prints nothing for a payload that is to be ignored; fails only
/// on bytes that are not the platform's.
#[derive(Args)]
pub(crate) struct Inspect {
    /// telegram, discord, whatsapp or slack.
    channel: ChannelKind,
    /// The payload as the platform sends it, or `{"content_type": …, "body": …}`.
    file: Option<PathBuf>,
}

/// A payload with its content type, as some recorders keep it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    #[serde(rename = "content_type")]
    _content_type: String,
    body: String,
}

impl Inspect {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let bytes = self.read()?;
        let reader: Box<dyn Parse> = match self.channel {
            ChannelKind::Telegram => Box::new(zaki_telegram::Reader::inspect()),
            ChannelKind::Discord => Box::new(zaki_discord::Reader::inspect()),
            ChannelKind::WhatsApp => Box::new(zaki_whatsapp::Reader::inspect()?),
            ChannelKind::Slack => Box::new(zaki_slack::Reader::inspect()?),
            ChannelKind::Web => bail!("name telegram, discord, whatsapp or slack"),
        };
        let parsed = reader.parse(Verified::trusted("", &bytes), clock::now())?;
        let mut out = std::io::stdout().lock();
        for arrival in &parsed.arrivals {
            serde_json::to_writer(&mut out, &arrival.inbound)?;
            writeln!(out)?;
        }
        for dead in &parsed.dead {
            eprintln!("an item cannot be read: {}", dead.reason);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn read(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match &self.file {
            Some(path) => {
                bytes = std::fs::read(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
            }
            None => {
                std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
            }
        }
        Ok(match serde_json::from_slice::<Recorded>(&bytes) {
            Ok(recorded) => recorded.body.into_bytes(),
            Err(_) => bytes,
        })
    }
}
