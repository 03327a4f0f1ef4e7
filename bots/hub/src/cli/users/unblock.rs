//! Who is answered again: a person, or a sender of somebody who is no more.

use anyhow::Result;
use clap::Args;
use serde_json::json;
use zaki_envelope::{ChannelKind, SenderId, SenderScope, ZakiUserId};
use zaki_identity::{Actor, BindingKey};

use super::{check_scope, decide, person};
use crate::{cli::output::Output, clock};

/// A person or a sender.
#[derive(Args)]
pub(crate) struct Unblock {
    /// The person, as `zaki users list` shows them; or CHANNEL:ID, a sender that was taken from
    /// somebody blocked or whose person was erased, such as telegram:123456789. Of an account with
    /// several ids, any of them.
    #[arg(value_name = "PERSON|CHANNEL:ID", value_parser = whom)]
    whom: Whom,
    /// With CHANNEL:ID, where the id is unique: as for `zaki users link`.
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: String,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone)]
enum Whom {
    Person(ZakiUserId),
    Sender(ChannelKind, String),
}

fn whom(text: &str) -> Result<Whom, String> {
    let Some((channel, id)) = text.split_once(':') else {
        return Ok(Whom::Person(person(text)?));
    };
    let channel = channel.parse::<ChannelKind>().map_err(|error| error.to_string())?;
    channel.check_person(id).map_err(|error| error.to_string())?;
    Ok(Whom::Sender(channel, id.to_owned()))
}

impl Unblock {
    pub(super) async fn run(&self) -> Result<()> {
        let Self { whom, scope, output } = self;
        let (channel, id) = match whom {
            Whom::Person(user) => return decide::block(*user, false, output).await,
            Whom::Sender(channel, id) => (*channel, id),
        };
        check_scope(channel, scope)?;
        let directory = output.directory().await?;
        let (scope, sender) = (SenderScope::new(scope), SenderId::new(id));
        if let Some(user) = directory.find(channel, &scope, &sender).await? {
            return decide::block(user, false, output).await;
        }
        let key = BindingKey { channel, scope, sender };
        let changed = directory.unbar(&key, Actor::Operator, clock::now()).await?;
        output.say(&json!({"sender": key, "blocked": false, "changed": changed}), || {
            let said = if changed { "may come again" } else { "was not blocked" };
            format!("{channel} {id} {said}")
        });
        Ok(())
    }
}
