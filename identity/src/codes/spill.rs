//! Codes among other words, which were not meant to be used, and what is said of them.

use std::sync::Arc;

use zaki_envelope::{ChannelKind, ConversationKind, Inbound, Timestamp, ZakiUserId};
use zaki_store::{Sql, glance, params, transact};

use super::attempts::{ALL_ASIDES, ASIDES, Rule, admit};
use super::bare::FIND;
use super::redeem::{Redeemer, VOID, shut};
use super::{CodeKey, Keyed, LinkCode};
use crate::access::Ruling;
use crate::pairing::{self, Asked};
use crate::privacy::void_word;
use crate::scene::{Knock, Scene};
use crate::{BindingKey, Directory, DirectoryError, Options, Refusal, barred, locks, who};

/// So many words of one message are looked up for a stranger, who has few tries: a sentence is to
/// cost but some of them.
const OF_STRANGER: usize = 2;
/// And for somebody known.
const OF_KNOWN: usize = 6;

/// A stranger hears of it once a day.
const LINE: Rule = Rule { most: 1, within_ms: 24 * 60 * 60_000 };

/// What became of something that stood among other words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spilt {
    /// It is no code, or none that is good.
    None,
    /// It is one that is good.
    Good,
    /// It was, and is void.
    Void,
    /// Nobody has looked: of this message, or of its sender, enough was looked up.
    Unasked,
}

/// Who may be told what became of a code among other words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearer {
    /// Nobody: nothing is said there, or not to them, or they have heard it today.
    Nobody,
    /// Somebody who is not served there, or is nobody yet. This was their line for a day.
    Stranger,
    /// Somebody who is served.
    Person(ZakiUserId),
}

impl Directory {
    /// What becomes of these, that stood among other words. Those that link are void from then on, so
    /// nobody finds one to use by this; where others read along, an invitation of one use is, too, as
    /// by [`void`](Self::void). Each look-up counts: a stranger's, and that of somebody blocked, as one
    /// of their tries; that of somebody known for itself ([`ASIDES`](crate::ASIDES)), since words may
    /// look like codes. Whoever has tried too many finds out nothing by this, either.
    pub async fn spill(
        &self,
        inbound: &Inbound,
        codes: &[LinkCode],
        now: Timestamp,
    ) -> Result<Vec<Spilt>, DirectoryError> {
        let codes: Vec<LinkCode> = codes.to_vec();
        let redeemer = Redeemer::of(inbound, self);
        let shared = inbound.conversation.kind != ConversationKind::Direct;
        let looker = redeemer.clone();
        if glance!(&self.store, |tx| shut(tx, &looker, now))?.is_some() {
            return Ok(vec![Spilt::Unasked; codes.len()]);
        }
        transact!(&self.store, |tx| spill(tx, &redeemer, &codes, shared, now))
    }

    /// Who may be told of it, in answer to this message. The same say nothing to whom nothing is said
    /// otherwise: whoever is blocked or was turned away, silent groups, and closed bots.
    pub async fn hearer(
        &self,
        inbound: &Inbound,
        now: Timestamp,
    ) -> Result<Hearer, DirectoryError> {
        let (knock, options) = (Knock::of(inbound), Arc::clone(&self.options));
        let key = self.code_key.clone();
        transact!(&self.store, |tx| hearer(tx, &knock, &options, &key, now))
    }
}

async fn spill<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    codes: &[LinkCode],
    shared: bool,
    now: Timestamp,
) -> Result<Vec<Spilt>, DirectoryError> {
    locks::acts(tx).await?;
    let holder = who::holder(tx, redeemer.channel, &redeemer.sender).await?;
    let known = match holder {
        Some(user) if !barred::is_blocked(tx, user).await? => Some(user),
        _ => None,
    };
    let most = if known.is_some() { OF_KNOWN } else { OF_STRANGER };
    let mut spilt = vec![Spilt::Unasked; codes.len()];
    for (code, spilt) in codes.iter().zip(&mut spilt).take(most) {
        let digest = redeemer.key.code(Keyed::Code, code);
        *spilt = match known {
            // The word by which they would be erased is theirs alone, and as secret.
            Some(user) if void_word(tx, &redeemer.key, user, code, now).await? => Spilt::Void,
            Some(_) => aside(tx, redeemer, &digest, shared, now).await?,
            None => tried(tx, redeemer, &digest, shared, now).await?,
        };
    }
    Ok(spilt)
}

/// As a stranger's try of it would be counted.
async fn tried<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    digest: &str,
    shared: bool,
    now: Timestamp,
) -> Result<Spilt, DirectoryError> {
    let Ok(wrong) = redeemer.tries.admit(tx, now).await? else { return Ok(Spilt::Unasked) };
    let spilt = look_up(tx, digest, shared, now).await?;
    if spilt == Spilt::None {
        wrong.count(tx).await?;
    }
    Ok(spilt)
}

/// Right or wrong, it counts as one of so many words.
async fn aside<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    digest: &str,
    shared: bool,
    now: Timestamp,
) -> Result<Spilt, DirectoryError> {
    // Somebody who has tried too many may not go on by this.
    if shut(tx, redeemer, now).await?.is_some() {
        return Ok(Spilt::Unasked);
    }
    let Redeemer { channel, account, sender, key, .. } = redeemer;
    let mine = aside_mark(key, *channel, sender.scope.as_str(), sender.id.as_str());
    let of_bot = key.digest(Keyed::Attempt, &["asides", channel.as_str(), account.as_str()]);
    for counted in [(mine.as_str(), ASIDES), (of_bot.as_str(), ALL_ASIDES)] {
        if admit(tx, counted, now).await?.is_some() {
            return Ok(Spilt::Unasked);
        }
    }
    look_up(tx, digest, shared, now).await
}

/// As what the words of a sender are counted.
pub(crate) fn aside_mark(key: &CodeKey, channel: ChannelKind, scope: &str, id: &str) -> String {
    key.digest(Keyed::Attempt, &["aside", channel.as_str(), scope, id])
}

const VOID_LINK: &str = "DELETE FROM code WHERE digest = $1 AND uses_left > 0 AND expires_at > $2
    AND kind = 'link'";

async fn look_up<S: Sql>(
    tx: &S,
    digest: &str,
    shared: bool,
    now: Timestamp,
) -> Result<Spilt, DirectoryError> {
    let row = params![digest, now.as_ms()];
    if tx.execute(if shared { VOID } else { VOID_LINK }, row).await? > 0 {
        return Ok(Spilt::Void);
    }
    let stays = tx.one(FIND, row).await?.is_some();
    Ok(if stays { Spilt::Good } else { Spilt::None })
}

async fn hearer<S: Sql>(
    tx: &S,
    knock: &Knock,
    options: &Options,
    key: &CodeKey,
    now: Timestamp,
) -> Result<Hearer, DirectoryError> {
    locks::acts(tx).await?;
    let scene = Scene::read(tx, knock, options).await?;
    let silent = match &scene.ruling {
        Ruling::Serve { .. } => false,
        Ruling::Pair => matches!(pairing::asked(tx, knock, now).await?, Some(Asked::Denied)),
        Ruling::Refuse(reason) => !reason.is_told() || *reason == Refusal::Closed,
    };
    if silent || !knock.addressed() {
        return Ok(Hearer::Nobody);
    }
    if let (Ruling::Serve { .. }, Some(user)) = (&scene.ruling, scene.facts.holder()) {
        return Ok(Hearer::Person(user));
    }
    let BindingKey { channel, scope, sender } = BindingKey::of(knock.channel, &knock.sender);
    let whom = ["line", channel.as_str(), knock.account.as_str(), scope.as_str(), sender.as_str()];
    let line = key.digest(Keyed::Attempt, &whom);
    let heard = admit(tx, (line.as_str(), LINE), now).await?.is_some();
    Ok(if heard { Hearer::Nobody } else { Hearer::Stranger })
}
