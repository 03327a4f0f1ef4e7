//! Codes among other words, which were not meant to be used, and what is said of them.

use std::sync::Arc;

use zaki_envelope::{ConversationKind, Inbound, Timestamp, ZakiUserId};
use zaki_store::{Sql, Value, glance, params, transact};

use super::attempts::{Rule, admit};
use super::bare::FIND;
use super::redeem::{Redeemer, VOID};
use super::{CodeKey, Keyed, LinkCode};
use crate::access::Ruling;
use crate::pairing::{self, Asked};
use crate::privacy::{self, erase_digest};
use crate::scene::{Knock, Scene};
use crate::who::{self, places};
use crate::{BindingKey, Directory, DirectoryError, Options, Refusal, barred, locks};

/// So many words of one message are tried for whoever has few tries: a sentence is to cost but some
/// of them.
const TRIED: usize = 2;

/// A stranger hears of it once a day.
const LINE: Rule = Rule { most: 1, within_ms: 24 * 60 * 60_000 };

/// What became of something that stood among other words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spilt {
    /// It is no code, or none that is good, or an invitation that its writer may well pass on.
    None,
    /// It is an invitation that is good, and its writer was asked for one.
    Good,
    /// It was good, and is void.
    Void,
    /// Nobody has looked: its writer has tried enough.
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
    /// What becomes of these, that stood among other words. Those that link, and the word by which the
    /// writer would be erased, are void from then on; where others read along, so is an invitation of
    /// one use, as by [`void`](Self::void). Nobody finds one to use by this, so it is no try.
    ///
    /// A stranger who was told to send an invitation hears of one. That finds codes, so it is a try for
    /// each word, as by [`redeem`](Self::redeem), and of a message a few at most.
    pub async fn spill(
        &self,
        inbound: &Inbound,
        codes: &[LinkCode],
        now: Timestamp,
    ) -> Result<Vec<Spilt>, DirectoryError> {
        if codes.is_empty() {
            return Ok(Vec::new());
        }
        let redeemer = Redeemer::of(inbound, self);
        let codes: Arc<[LinkCode]> = codes.into();
        let words = Words { shared: inbound.conversation.kind != ConversationKind::Direct, codes };
        let looker = redeemer.clone();
        let writer = glance!(&self.store, |tx| writer(tx, &looker))?;
        if writer.is_none() && !words.shared && self.asks_for_codes(inbound) {
            return transact!(&self.store, |tx| tried(tx, &redeemer, &words.codes, now));
        }
        let (looker, all) = (redeemer.clone(), words.clone());
        if !glance!(&self.store, |tx| may_be_good(tx, &looker, writer, &all, now))? {
            return Ok(vec![Spilt::None; words.codes.len()]);
        }
        transact!(&self.store, |tx| void(tx, &redeemer, writer, &words, now))
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

/// What may be codes, and whether others read along.
#[derive(Clone)]
struct Words {
    shared: bool,
    codes: Arc<[LinkCode]>,
}

/// Who wrote it, if that is somebody, and not blocked.
async fn writer<S: Sql>(tx: &S, redeemer: &Redeemer) -> Result<Option<ZakiUserId>, DirectoryError> {
    let holder = who::holder(tx, redeemer.channel, &redeemer.sender).await?;
    match holder {
        Some(user) if !barred::is_blocked(tx, user).await? => Ok(Some(user)),
        _ => Ok(None),
    }
}

/// Whether one of them may be good: what becomes of it is for [`void`] to say.
async fn may_be_good<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    writer: Option<ZakiUserId>,
    words: &Words,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let key = &redeemer.key;
    let of_code = words.codes.iter().map(|code| key.code(Keyed::Code, code));
    if any(tx, "code", of_code, now).await? {
        return Ok(true);
    }
    let Some(user) = writer else { return Ok(false) };
    any(tx, "token", words.codes.iter().map(|code| erase_digest(key, user, code)), now).await
}

async fn any<S: Sql>(
    tx: &S,
    table: &str,
    digests: impl Iterator<Item = String>,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let mut values: Vec<Value> = vec![now.as_ms().into()];
    values.extend(digests.map(Value::from));
    let sql = format!(
        "SELECT 1 FROM {table} WHERE expires_at > $1 AND digest IN ({}) LIMIT 1",
        places(2, values.len() - 1)
    );
    Ok(tx.one(&sql, &values).await?.is_some())
}

async fn void<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    writer: Option<ZakiUserId>,
    words: &Words,
    now: Timestamp,
) -> Result<Vec<Spilt>, DirectoryError> {
    locks::acts(tx).await?;
    let sql = if words.shared { VOID } else { VOID_LINK };
    let mut spilt = Vec::with_capacity(words.codes.len());
    for code in words.codes.iter() {
        let row = params![redeemer.key.code(Keyed::Code, code), now.as_ms()];
        let mut is_void = tx.execute(sql, row).await? > 0;
        if let Some(user) = writer {
            is_void |= privacy::void_word(tx, &redeemer.key, user, code, now).await?;
        }
        spilt.push(if is_void { Spilt::Void } else { Spilt::None });
    }
    Ok(spilt)
}

/// As codes that are typed alone would be.
async fn tried<S: Sql>(
    tx: &S,
    redeemer: &Redeemer,
    codes: &[LinkCode],
    now: Timestamp,
) -> Result<Vec<Spilt>, DirectoryError> {
    locks::acts(tx).await?;
    let mut spilt = vec![Spilt::Unasked; codes.len()];
    for (code, spilt) in codes.iter().zip(&mut spilt).take(TRIED) {
        let Ok(wrong) = redeemer.tries.admit(tx, now).await? else { break };
        let digest = redeemer.key.code(Keyed::Code, code);
        let row = params![digest, now.as_ms()];
        *spilt = if tx.execute(VOID_LINK, row).await? > 0 {
            Spilt::Void
        } else if tx.one(FIND, row).await?.is_some() {
            Spilt::Good
        } else {
            wrong.count(tx).await?;
            Spilt::None
        };
    }
    Ok(spilt)
}

const VOID_LINK: &str = "DELETE FROM code WHERE digest = $1 AND uses_left > 0 AND expires_at > $2
    AND kind = 'link'";

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
