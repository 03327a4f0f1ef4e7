//! Taking a sender away from a person.

use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Sql, Text, params, transact};

use crate::codes::CodeKey;
use crate::usage::carried;
use crate::{
    Actor, Binding, BindingKey, BindingKind, Directory, DirectoryError, audit, barred, locks,
    parted, parting, people,
};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinked {
    /// The sender is nobody from now on.
    Done {
        /// Bindings that the person still has.
        left: usize,
    },
    /// It is not that person's.
    NotTheirs,
    /// It is the last that leads to them. An operator may take it all the same.
    Last,
}

impl Directory {
    /// Takes a sender away from a person, with the older ids that came with it, and the right to
    /// write to the bots of a channel on which nothing of theirs is left. What that sender may know
    /// of is void: their open codes, words and downloads, and a question about becoming one; and
    /// where it waits to be let in, it waits no more. A sender of somebody blocked [stays blocked](Self::unbar), and they take none away themselves.
    pub async fn unlink(
        &self,
        user: ZakiUserId,
        key: BindingKey,
        by: Actor,
        now: Timestamp,
    ) -> Result<Unlinked, DirectoryError> {
        let codes = self.code_key.clone();
        let done = transact!(&self.store, |tx| unlink(tx, &codes, user, &key, by, now));
        self.forget_after(&done, |done| matches!(done, Unlinked::Done { .. }));
        done
    }
}

/// The binding with this key, and the other ids of the same account. Whoever names an account by its
/// older id means the account: it may have been upgraded a moment ago, and would still lead to its
/// person by the better one.
pub(crate) fn leaving<'b>(bindings: &'b [Binding], key: &BindingKey) -> Vec<&'b Binding> {
    let is_it = |binding: &&Binding| binding.key() == *key;
    let Some(taken) = bindings.iter().find(is_it) else { return Vec::new() };
    let in_space =
        |binding: &&Binding| binding.channel == key.channel && binding.scope == key.scope;
    let space: Vec<&Binding> = bindings.iter().filter(in_space).collect();
    let account = account(&space, taken);
    let beside = |other: &&&Binding| {
        account.is_some() && !is_it(other) && self::account(&space, other) == account
    };
    std::iter::once(taken).chain(space.iter().filter(beside).copied()).collect()
}

/// Which account an id is of, by its best id; `None` where nobody knows. An older id whose best one
/// was not noted is of the only account there is.
fn account<'b>(space: &[&'b Binding], binding: &'b Binding) -> Option<&'b str> {
    let mut best = space.iter().filter(|it| it.kind == BindingKind::Primary).map(|it| &it.sender);
    if binding.kind == BindingKind::Primary {
        return Some(binding.sender.as_str());
    }
    let noted = binding.best.as_ref();
    if let Some(noted) = noted.filter(|noted| best.clone().any(|id| id == *noted)) {
        return Some(noted.as_str());
    }
    match (best.next(), best.next()) {
        (Some(only), None) => Some(only.as_str()),
        (None, _) => Some(""),
        _ => None,
    }
}

const UNBIND: &str = "DELETE FROM binding
    WHERE user_id = $1 AND channel = $2 AND scope = $3 AND sender = $4";

/// A merge that is undone later does not bring it back.
const NOT_A_PART: &str =
    "DELETE FROM merge_part WHERE what = 'binding' AND channel = $1 AND scope = $2 AND id = $3";

/// Nor is anybody written to there.
const NO_PLACE: &str = "DELETE FROM place WHERE channel = $1 AND scope = $2 AND sender = $3";

/// Nor let in, by whoever has seen them wait elsewhere. Whoever was turned away still is.
const NO_REQUEST: &str = "DELETE FROM pairing
    WHERE channel = $1 AND scope = $2 AND sender = $3 AND denied_at IS NULL";

/// Whoever comes again is a stranger, and has not been told so yet.
const UNTOLD: &str = "DELETE FROM told WHERE channel = $1 AND scope = $2 AND sender = $3";

const SHUT_OUT: &str =
    "DELETE FROM allowed WHERE user_id = $1 AND place = 'direct' AND channel = $2";

async fn unlink<S: Sql>(
    tx: &S,
    codes: &CodeKey,
    user: ZakiUserId,
    key: &BindingKey,
    by: Actor,
    now: Timestamp,
) -> Result<Unlinked, DirectoryError> {
    locks::acts(tx).await?;
    if by != Actor::Person(user) {
        people::authorise(tx, by).await?;
    }
    let person = people::person(tx, user).await?;
    let person = person.ok_or(DirectoryError::UnknownPerson(user))?;
    let is_blocked = person.blocked_at.is_some();
    if is_blocked && by == Actor::Person(user) {
        return Err(DirectoryError::NotAllowed);
    }
    let leaving = leaving(&person.bindings, key);
    let left = person.bindings.len() - leaving.len();
    match (leaving.as_slice(), left, by) {
        ([], ..) => return Ok(Unlinked::NotTheirs),
        (_, 0, Actor::Person(_) | Actor::System) => return Ok(Unlinked::Last),
        _ => {}
    }
    // Whoever leaves by their own word has used what they have used together.
    if by == Actor::Person(user) {
        carried::keep(tx, codes, user, &leaving, now).await?;
    }
    for binding in &leaving {
        take(tx, codes, user, binding, by, now).await?;
        if is_blocked {
            barred::keep(tx, codes, binding, &leaving, now).await?;
        }
    }
    let on_channel = person.bindings.iter().filter(|b| b.channel == key.channel).count();
    if on_channel == leaving.len() {
        tx.execute(SHUT_OUT, params![Text(user), key.channel.as_str()]).await?;
    }
    parting::part(tx, user, key.channel).await?;
    Ok(Unlinked::Done { left })
}

async fn take<S: Sql>(
    tx: &S,
    codes: &CodeKey,
    user: ZakiUserId,
    binding: &Binding,
    by: Actor,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let Binding { channel, scope, sender, .. } = binding;
    let mark = audit::mark(tx, user, *channel, scope, sender).await?;
    let id = params![channel.as_str(), scope.as_str(), sender.as_str()];
    tx.execute(NOT_A_PART, id).await?;
    tx.execute(NO_PLACE, id).await?;
    tx.execute(UNTOLD, id).await?;
    tx.execute(NO_REQUEST, id).await?;
    let row = params![Text(user), channel.as_str(), scope.as_str(), sender.as_str()];
    tx.execute(UNBIND, row).await?;
    parted::note(tx, codes, &binding.key(), user, now).await?;
    let detail = serde_json::json!({ "channel": channel, "sender": mark });
    audit::note(tx, "unlinked", by, Some(user), detail, now).await
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{ChannelKind, SenderId, SenderScope};

    use super::*;
    use crate::How;

    fn binding(channel: ChannelKind, sender: &str, kind: BindingKind) -> Binding {
        Binding {
            channel,
            scope: SenderScope::new(""),
            sender: SenderId::new(sender),
            kind,
            best: None,
            label: None,
            bound_at: Timestamp::from_ms(1),
            how: How::SignUp,
            by: Actor::System,
            last_seen_at: None,
        }
    }

    #[test]
    fn an_older_id_leaves_with_the_last_best_one() {
        use BindingKind::{Alias, Primary};
        use ChannelKind::{Telegram, WhatsApp};
        let mut all = vec![
            binding(WhatsApp, "CC.1", Primary),
            binding(WhatsApp, "49123", Alias),
            binding(Telegram, "1", Primary),
        ];
        let leaving = |all: &[Binding], n: usize| {
            let leaving = super::leaving(all, &all[n].key());
            leaving.iter().map(|b| b.sender.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(leaving(&all, 0), ["CC.1", "49123"]);
        assert_eq!(leaving(&all, 1), ["49123", "CC.1"], "an account that was upgraded just now");
        assert_eq!(leaving(&all, 2), ["1"]);
        all.push(binding(WhatsApp, "CC.2", Primary));
        assert_eq!(leaving(&all, 0), ["CC.1"], "the number may be the other one's");
        assert_eq!(leaving(&all, 1), ["49123"], "nobody knows whose");
        all[1].best = Some(SenderId::new("CC.1"));
        assert_eq!(leaving(&all, 1), ["49123", "CC.1"], "it was shown with that one");
        assert_eq!(leaving(&all, 0), ["CC.1", "49123"]);
        assert_eq!(leaving(&all, 3), ["CC.2"]);
        all[1].best = Some(SenderId::new("CC.0"));
        assert_eq!(leaving(&all, 1), ["49123"], "that one has gone");
        let strange = binding(WhatsApp, "CC.3", Primary).key();
        assert!(super::leaving(&all, &strange).is_empty());
    }
}
