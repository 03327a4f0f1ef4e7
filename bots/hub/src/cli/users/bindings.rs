//! Which senders are one person.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;
use zaki_envelope::{ChannelKind, Sender, SenderId, SenderScope, ZakiUserId};
use zaki_identity::{Actor, BindingKey, Directory, How, Linked, Unlinked};

use super::{check_scope, person};
use crate::{cli::output::Output, clock};

/// A person and a sender.
#[derive(Args)]
pub(crate) struct Named {
    /// The person, as `zaki users list` shows them.
    #[arg(value_parser = person)]
    user: ZakiUserId,
    /// telegram, discord, whatsapp, slack or web.
    channel: ChannelKind,
    /// The sender's id on that platform, as `zaki inbox list --json` shows it (sender.id); on the
    /// web, the subject of their tokens.
    sender: String,
    /// Where the id is unique, for Slack and WhatsApp: `zaki inbox list --json` shows it
    /// (sender.scope). For the web: the issuer of their tokens.
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: String,
    #[command(flatten)]
    output: Output,
}

impl Named {
    pub(super) async fn link(&self) -> Result<()> {
        check_scope(self.channel, &self.scope)?;
        self.channel.check_person(&self.sender)?;
        let directory = self.output.directory().await?;
        let sender = Sender::new(SenderScope::new(&self.scope), SenderId::new(&self.sender));
        let (by, how) = (Actor::Operator, How::Operator);
        let linked = directory.link(self.user, self.channel, &sender, by, how, clock::now());
        let (was, said) = match linked.await? {
            Linked::Already => (Some(self.user), "was theirs already".to_owned()),
            Linked::Bound => (None, "is theirs now".to_owned()),
            Linked::Moved { from, left: 0 } => {
                (Some(from), format!("is theirs now; nobody is left who could reach {from}"))
            }
            Linked::Moved { from, left } => {
                (Some(from), format!("is theirs now; it was {from}'s, who keeps {left} more"))
            }
        };
        let Self { user, channel, sender, scope, .. } = self;
        let line = json!({
            "user": user, "channel": channel, "scope": scope, "sender": sender, "was": was,
        });
        self.output.say(&line, || format!("{channel} {sender} {said}"));
        Ok(())
    }

    pub(super) async fn unlink(&self) -> Result<()> {
        let directory = self.output.directory().await?;
        let (key, blocked) = self.key(&directory).await?;
        let (by, now) = (Actor::Operator, clock::now());
        let Unlinked::Done { left } = directory.unlink(self.user, key.clone(), by, now).await?
        else {
            bail!("{}", self.not_theirs())
        };
        let line = json!({"user": self.user, "binding": key, "left": left, "blocked": blocked});
        let Self { user, channel, sender, .. } = self;
        self.output.say(&line, || {
            let said = match left {
                0 => format!("nobody is left who could reach {user}"),
                left => format!("{user} keeps {left} more"),
            };
            let stays = if blocked { stays_blocked(&key) } else { String::new() };
            format!("{channel} {sender} is nobody's any more; {said}{stays}")
        });
        Ok(())
    }

    /// The binding that is meant, and whether whoever has it is blocked; its scope need not be told
    /// where there is but one.
    async fn key(&self, directory: &Directory) -> Result<(BindingKey, bool)> {
        let Some(person) = directory.person(self.user).await? else {
            bail!("no person {}; `zaki users list` shows everybody", self.user)
        };
        let is_meant = |key: &BindingKey| {
            key.channel == self.channel
                && key.sender.as_str() == self.sender
                && (self.scope.is_empty() || key.scope.as_str() == self.scope)
        };
        let keys = person.bindings.iter().map(zaki_identity::Binding::key);
        let mut found: Vec<_> = keys.filter(is_meant).collect();
        if found.len() > 1 {
            bail!(
                "they have {} of this id, in different spaces: name one by --scope, as `zaki users \
                 show {}` does",
                found.len(),
                self.user
            );
        }
        let Some(key) = found.pop() else { bail!("{}", self.not_theirs()) };
        Ok((key, person.blocked_at.is_some()))
    }

    fn not_theirs(&self) -> String {
        let Self { user, channel, sender, .. } = self;
        format!("{channel} {sender} is not theirs; `zaki users show {user}` shows what is")
    }
}

/// What lifts the block, as it is to be typed.
fn stays_blocked(BindingKey { channel, scope, sender }: &BindingKey) -> String {
    let scope = match scope.as_str() {
        "" => String::new(),
        scope => format!(" --scope {scope}"),
    };
    format!("; it stays blocked: `zaki users unblock {channel}:{sender}{scope}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lifts_a_block_names_the_space_of_the_id() {
        let hint = |scope: &str| {
            let (scope, sender) = (SenderScope::new(scope), SenderId::new("49123"));
            stays_blocked(&BindingKey { channel: ChannelKind::WhatsApp, scope, sender })
        };
        assert!(hint("").ends_with("`zaki users unblock whatsapp:49123`"));
        assert!(hint("77").ends_with("`zaki users unblock whatsapp:49123 --scope 77`"));
    }
}
