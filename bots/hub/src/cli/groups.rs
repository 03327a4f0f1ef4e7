//! `zaki groups`: what the bots do in groups, and for whom.

use std::process::ExitCode;

use anyhow::Result;
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use serde::Serialize;
use serde_json::json;
use zaki_envelope::{ChannelKind, ConversationId, SenderScope, ZakiUserId};
use zaki_identity::{Actor, Changers, Directory, Group, GroupChange, GroupKey, GroupMode, Who};

use super::{
    output::Output,
    users::{check_scope, person},
};
use crate::clock;

#[derive(Subcommand)]
pub(crate) enum Groups {
    /// The groups that somebody has changed or was let in in; all others are as [identity.groups]
    /// says.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Change a group.
    Set {
        #[command(flatten)]
        group: Place,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        output: Output,
    },
    /// Let somebody in in a group, who is let in nowhere else by it.
    Allow {
        #[command(flatten)]
        group: Place,
        /// The person, as `zaki users list` shows them.
        #[arg(value_parser = person)]
        user: ZakiUserId,
        /// Take that back.
        #[arg(long)]
        remove: bool,
        #[command(flatten)]
        output: Output,
    },
}

/// Which group.
#[derive(Args)]
pub(crate) struct Place {
    /// telegram, discord, whatsapp or slack.
    channel: ChannelKind,
    /// The group's id on that platform, as `zaki inbox list --json` shows it (conversation.id).
    #[arg(allow_hyphen_values = true)]
    conversation: String,
    /// For Slack and WhatsApp alone: `zaki inbox list --json` shows it (sender.scope).
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: String,
}

/// What is to be otherwise.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Change {
    /// What the bot takes notice of.
    #[arg(long, value_parser = modes())]
    mode: Option<GroupMode>,
    /// For whom it is there.
    #[arg(long, value_parser = whos())]
    who: Option<Who>,
    /// Who may change this besides you.
    #[arg(long, value_parser = changers())]
    changers: Option<Changers>,
    /// The person whose sandbox serves everybody there.
    #[arg(long, value_parser = person, conflicts_with = "no_owner")]
    owner: Option<ZakiUserId>,
    /// Everybody is served by their own sandbox.
    #[arg(long)]
    no_owner: bool,
}

fn modes() -> impl TypedValueParser<Value = GroupMode> {
    PossibleValuesParser::new(GroupMode::ALL.iter().map(|word| word.as_str()))
        .try_map(|word| word.parse::<GroupMode>())
}

fn whos() -> impl TypedValueParser<Value = Who> {
    PossibleValuesParser::new(Who::ALL.iter().map(|word| word.as_str()))
        .try_map(|word| word.parse::<Who>())
}

fn changers() -> impl TypedValueParser<Value = Changers> {
    PossibleValuesParser::new(Changers::ALL.iter().map(|word| word.as_str()))
        .try_map(|word| word.parse::<Changers>())
}

impl Groups {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::List { output } => list(&output).await?,
            Self::Set { group, change, output } => set(&group, &change, &output).await?,
            Self::Allow { group, user, remove, output } => {
                allow(&group, user, !remove, &output).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A group with those who were let in there.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    group: Group,
    people: Vec<ZakiUserId>,
}

impl Shown {
    async fn of(directory: &Directory, group: Group) -> Result<Self> {
        let people = directory.people_in_group(&group.key).await?;
        Ok(Self { group, people })
    }

    fn row(&self) -> [String; 6] {
        let Group { key, mode, who, owner, changers, .. } = &self.group;
        let listed = match self.people.len() {
            0 => String::new(),
            count => format!("{count} listed"),
        };
        [
            format!("{} {}", key.channel, key.conversation),
            key.scope.to_string(),
            format!("hears: {mode}"),
            format!("for: {who} {listed}").trim_end().to_owned(),
            format!("changed by: {changers}"),
            owner.map(|user| format!("served by: {user}")).unwrap_or_default(),
        ]
    }
}

async fn list(output: &Output) -> Result<()> {
    let directory = output.directory().await?;
    let mut all = Vec::new();
    for group in directory.groups().await? {
        all.push(Shown::of(&directory, group).await?);
    }
    output.list(&all, Shown::row)
}

async fn set(place: &Place, change: &Change, output: &Output) -> Result<()> {
    let key = place.key()?;
    let owner = match (change.owner, change.no_owner) {
        (Some(user), _) => Some(Some(user)),
        (None, true) => Some(None),
        (None, false) => None,
    };
    let &Change { mode, who, changers, .. } = change;
    let change = GroupChange { mode, who, owner, changers };
    let directory = output.directory().await?;
    let group = directory.set_group(&key, change, Actor::Operator, clock::now()).await?;
    output.list(&[Shown::of(&directory, group).await?], Shown::row)
}

async fn allow(place: &Place, user: ZakiUserId, let_in: bool, output: &Output) -> Result<()> {
    let (key, directory) = (place.key()?, output.directory().await?);
    let (by, now) = (Actor::Operator, clock::now());
    let changed = if let_in {
        directory.allow_in_group(&key, user, by, now).await?
    } else {
        directory.disallow_in_group(&key, user, by, now).await?
    };
    let line = json!({"group": key, "user": user, "allowed": let_in, "changed": changed});
    output.say(&line, || {
        let said = match (let_in, changed) {
            (true, true) => "is let in",
            (true, false) => "was let in already",
            (false, true) => "is not let in any more",
            (false, false) => "was not let in",
        };
        format!("{user} {said} in {} {}", key.channel, key.conversation)
    });
    Ok(())
}

impl Place {
    fn key(&self) -> Result<GroupKey> {
        self.channel.check_group(&self.conversation)?;
        check_scope(self.channel, &self.scope)?;
        Ok(GroupKey {
            channel: self.channel,
            scope: SenderScope::new(&self.scope),
            conversation: ConversationId::new(&self.conversation),
        })
    }
}
