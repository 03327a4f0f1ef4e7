//! Using a code.

use zaki_envelope::{AccountName, ChannelKind, Inbound, Sender, Timestamp, ZakiUserId};
use zaki_store::{Row, Sql, Text, glance, params, transact};

use super::attempts::Counted;
use super::{CodeKey, Keyed, LinkCode, propose};
use crate::who::Act;
use crate::{
    Actor, Directory, DirectoryError, How, Linked, SignUp, allowed, barred, locks, merge, pairing,
    privacy, who,
};

/// What became of a code that somebody typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// The sender was nobody and is this person from now on.
    Joined {
        /// Who made the code.
        user: ZakiUserId,
        /// Whether an id that came along was another person's until now.
        moved: bool,
    },
    /// The sender is that person already, and may write here. The code is still good.
    Already {
        /// Who.
        user: ZakiUserId,
    },
    /// The sender is somebody else. The two become one when both [confirm](Directory::confirm).
    Confirm {
        /// Who made the code; their identity and sandbox would stay.
        into: ZakiUserId,
        /// Who typed it.
        from: ZakiUserId,
    },
    /// The sender is nobody. They become that person only if they [want it](Directory::accept),
    /// whoever gave them the code; it is used up.
    Asked {
        /// Who made the code.
        user: ZakiUserId,
    },
    /// The code was an invitation, and the sender may write here from now on.
    Invited {
        /// Who they are.
        user: ZakiUserId,
    },
    /// It is no code that can be used here and now; which of the reasons there are is not told.
    Refused,
    /// Too many have been tried.
    TooMany {
        /// When to come again.
        until: Timestamp,
    },
}

impl Redeemed {
    /// Whether a sender is somebody's by it who was nobody's or another's. Else nobody is served
    /// otherwise than before who was served.
    pub(crate) const fn binds(&self) -> bool {
        matches!(self, Self::Joined { .. })
    }

    /// Whether it takes a use of the code.
    const fn uses(self) -> bool {
        matches!(
            self,
            Self::Joined { .. } | Self::Confirm { .. } | Self::Asked { .. } | Self::Invited { .. }
        )
    }
}

/// One of our bots: its platform and its name.
pub(crate) type Bot<'a> = (ChannelKind, &'a AccountName);

/// Who typed it, and where.
#[derive(Clone)]
pub(crate) struct Redeemer {
    pub(super) channel: ChannelKind,
    pub(super) account: AccountName,
    pub(super) sender: Sender,
    pub(super) tries: Counted,
    pub(super) key: CodeKey,
    /// Nobody new is let in by this bot by an invitation: it is closed, or its list is all of it.
    uninviting: bool,
    /// Whoever is nobody is asked before they are somebody's.
    asks: bool,
}

impl Redeemer {
    pub(super) fn of(inbound: &Inbound, directory: &Directory) -> Self {
        Self::new(inbound.channel, &inbound.account, &inbound.sender, directory)
    }

    pub(crate) fn new(
        channel: ChannelKind,
        account: &AccountName,
        sender: &Sender,
        directory: &Directory,
    ) -> Self {
        let (key, access) = (&directory.code_key, &directory.options.access);
        let of_bot = |count| {
            let bot = [count, channel.as_str(), account.as_str()];
            key.digest(Keyed::Attempt, &bot)
        };
        Self {
            channel,
            account: account.clone(),
            sender: sender.clone(),
            key: key.clone(),
            tries: Counted {
                sender: sender_mark(key, channel, sender.scope.as_str(), sender.id.as_str()),
                first: of_bot("first"),
                more: of_bot("account"),
            },
            uninviting: matches!(
                access.of(channel, account).sign_up,
                SignUp::Closed | SignUp::Allowlist
            ),
            asks: false,
        }
    }

    /// Which of our bots they typed it to.
    fn bot(&self) -> Bot<'_> {
        (self.channel, &self.account)
    }
}

/// As what the tries of a sender are kept.
pub(crate) fn sender_mark(key: &CodeKey, channel: ChannelKind, scope: &str, id: &str) -> String {
    key.digest(Keyed::Attempt, &["sender", channel.as_str(), scope, id])
}

impl Directory {
    /// Uses a code for the sender of a message, who may be a stranger: ask this before
    /// [`resolve`](Self::resolve), which would sign them up. A sender nobody knows is
    /// [asked](Redeemed::Asked) before a person's code makes them that person: whoever gave it to
    /// them, in a link or by word, would read all they write. An invitation signs them up, unless the
    /// bot is closed or has a list: whoever runs it said who is in, and an invitation is for all bots.
    pub async fn redeem(
        &self,
        inbound: &Inbound,
        code: &LinkCode,
        now: Timestamp,
    ) -> Result<Redeemed, DirectoryError> {
        let redeemer = Redeemer { asks: true, ..Redeemer::of(inbound, self) };
        self.use_code(redeemer, code, now).await
    }

    pub(crate) async fn use_code(
        &self,
        redeemer: Redeemer,
        code: &LinkCode,
        now: Timestamp,
    ) -> Result<Redeemed, DirectoryError> {
        let digest = self.code_key.code(Keyed::Code, code);
        let looker = redeemer.clone();
        let shut = glance!(&self.store, |tx| shut(tx, &looker, now))?;
        if let Some(until) = shut {
            return Ok(Redeemed::TooMany { until });
        }
        let done = transact!(&self.store, |tx| redeem(tx, &redeemer, &digest, now));
        self.forget_after(&done, Redeemed::binds);
        done
    }
}

impl Directory {
    /// Makes a code void that somebody has typed where others read along, for it is no secret any
    /// more: one that links, an invitation of one use, or the word that erases the sender.
    /// Whether it was good. It counts as a try, and one that is too many changes nothing.
    pub async fn void(
        &self,
        code: &LinkCode,
        inbound: &Inbound,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let (key, code) = (self.code_key.clone(), code.clone());
        let redeemer = Redeemer::of(inbound, self);
        transact!(&self.store, |tx| void(tx, &redeemer, &key, &code, now))
    }
}

/// What others have read links nobody any more, nor lets the one in it was for.
pub(super) const VOID: &str =
    "DELETE FROM code WHERE digest = $1 AND uses_left > 0 AND expires_at > $2
    AND (kind = 'link' OR uses = 1)";

async fn void<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    key: &CodeKey,
    code: &LinkCode,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    locks::acts(tx).await?;
    let Ok(wrong) = redeemer.tries.admit(tx, now).await? else { return Ok(false) };
    let row = params![key.code(Keyed::Code, code), now.as_ms()];
    let voided = tx.execute(VOID, row).await? > 0;
    let speaker = who::holder(tx, redeemer.channel, &redeemer.sender).await?;
    let word = match speaker {
        Some(user) => privacy::void_word(tx, key, user, code, now).await?,
        None => false,
    };
    if !voided && !word {
        wrong.count(tx).await?;
    }
    Ok(voided || word)
}

/// When somebody who has tried too often is to come again.
pub(super) async fn shut<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    now: Timestamp,
) -> Result<Option<Timestamp>, DirectoryError> {
    redeemer.tries.shut_until(tx, now).await
}

/// The one look-up: finds a code that is good, and uses it.
const TAKE: &str = "UPDATE code SET uses_left = uses_left - 1
    WHERE digest = $1 AND uses_left > 0 AND expires_at > $2
    RETURNING user_id, tier, made_by";

const GIVE_BACK: &str = "UPDATE code SET uses_left = uses_left + 1 WHERE digest = $1";

/// A code that is good: a person's own, or an invitation.
pub(super) struct Taken {
    giver: Option<ZakiUserId>,
    tier: Option<String>,
    made_by: Actor,
}

impl Taken {
    /// As a code of this person would be.
    pub(super) const fn of(giver: ZakiUserId) -> Self {
        Self { giver: Some(giver), tier: None, made_by: Actor::Person(giver) }
    }

    fn read(row: &Row) -> Result<Self, DirectoryError> {
        let giver = row.get::<Option<Text<ZakiUserId>>>(0)?.map(|Text(user)| user);
        let Text(made_by) = row.get(2)?;
        Ok(Self { giver, tier: row.get(1)?, made_by })
    }
}

async fn redeem<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    digest: &str,
    now: Timestamp,
) -> Result<Redeemed, DirectoryError> {
    locks::acts(tx).await?;
    let wrong = match redeemer.tries.admit(tx, now).await? {
        Ok(wrong) => wrong,
        Err(until) => return Ok(Redeemed::TooMany { until }),
    };
    let outcome = match tx.one(TAKE, params![digest, now.as_ms()]).await? {
        Some(row) => take(tx, redeemer, digest, &Taken::read(&row)?, now).await?,
        None => Redeemed::Refused,
    };
    if outcome == Redeemed::Refused {
        wrong.count(tx).await?;
    }
    Ok(outcome)
}

/// What comes of a code that is good; it keeps its use if that is nothing.
async fn take<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    digest: &str,
    code: &Taken,
    now: Timestamp,
) -> Result<Redeemed, DirectoryError> {
    let outcome = used(tx, redeemer, code, now).await?;
    if !outcome.uses() {
        tx.execute(GIVE_BACK, params![digest]).await?;
    }
    Ok(outcome)
}

/// What comes of a code of somebody's, or of an invitation.
pub(super) async fn used<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    code: &Taken,
    now: Timestamp,
) -> Result<Redeemed, DirectoryError> {
    let facts = who::facts(tx, redeemer.channel, &redeemer.sender).await?;
    if facts.owner().is_none()
        && barred::holds(tx, &redeemer.key, redeemer.channel, &redeemer.sender).await?.is_some()
    {
        return Ok(Redeemed::Refused);
    }
    let holder = facts.holder();
    for user in holder.iter().chain(&code.giver) {
        if !merge::is_free(tx, *user).await? {
            return Ok(Redeemed::Refused);
        }
    }
    match (code.giver, holder) {
        (Some(giver), Some(user)) if giver == user => {
            let by = Actor::Person(giver);
            direct(tx, redeemer, user, How::Link, by, now).await?;
            Ok(Redeemed::Already { user })
        }
        (Some(user), None) if redeemer.asks => {
            propose::ask(tx, redeemer, user, now).await?;
            Ok(Redeemed::Asked { user })
        }
        (Some(giver), None) => join(tx, redeemer, giver, now).await,
        (Some(into), Some(from)) => Ok(if merge::ask(tx, into, from, redeemer.bot(), now).await? {
            Redeemed::Confirm { into, from }
        } else {
            Redeemed::Refused
        }),
        (None, holder) => invite(tx, redeemer, code, holder, now).await,
    }
}

async fn join<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    user: ZakiUserId,
    now: Timestamp,
) -> Result<Redeemed, DirectoryError> {
    let by = Actor::Person(user);
    let Redeemer { channel, sender, key, .. } = redeemer;
    let act = Act { key, how: How::Link, by, now };
    let linked = who::bind(tx, user, *channel, sender, act).await?;
    direct(tx, redeemer, user, How::Link, by, now).await?;
    Ok(Redeemed::Joined { user, moved: matches!(linked, Linked::Moved { .. }) })
}

async fn invite<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    code: &Taken,
    holder: Option<ZakiUserId>,
    now: Timestamp,
) -> Result<Redeemed, DirectoryError> {
    if redeemer.uninviting {
        return Ok(Redeemed::Refused);
    }
    let (how, by) = (How::Invite, code.made_by);
    let Redeemer { channel, sender, key, .. } = redeemer;
    let user = if let Some(user) = holder {
        user
    } else {
        let act = Act { key, how, by, now };
        who::sign_up(tx, *channel, sender, code.tier.as_deref(), act).await?
    };
    let new = direct(tx, redeemer, user, how, by, now).await?;
    Ok(if new { Redeemed::Invited { user } } else { Redeemed::Already { user } })
}

/// Whether it is new that this person may write to this bot directly.
async fn direct<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    user: ZakiUserId,
    how: How,
    by: Actor,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let Redeemer { channel, account, sender, .. } = redeemer;
    // They need not wait any more.
    pairing::withdraw(tx, *channel, account, sender).await?;
    allowed::direct(tx, user, *channel, account, how, by, now).await
}
