//! Removing a person.

use serde_json::json;
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{Keys, Sql, Text, params, snapshot, transact};

use super::export::{keep, take};
use crate::codes::{CodeKey, Keyed, LinkCode, PER_SENDER, admit, sender_mark};
use crate::usage::carried;
use crate::{
    Actor, Binding, Directory, DirectoryError, Home, Task, Traces, audit, barred, errands, locks,
    parted, people, unlink,
};

/// How long a person has to confirm, in milliseconds.
const LIFE_MS: i64 = 10 * 60_000;

/// The word that confirms it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedErase {
    /// To be typed by the same person.
    pub code: LinkCode,
    /// From then on it is void.
    pub expires_at: Timestamp,
}

/// What has been removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The person, and those who had become that person and could have been restored.
    pub people: Vec<ZakiUserId>,
    /// Bindings: senders who are nobody now.
    pub bindings: usize,
    /// Those of them that [stay blocked](Directory::unbar), as whoever had them was.
    pub barred: usize,
}

impl Directory {
    /// Asks a person whether they mean it.
    pub async fn ask_erase(
        &self,
        user: ZakiUserId,
        now: Timestamp,
    ) -> Result<AskedErase, DirectoryError> {
        let (code, expires_at) = (LinkCode::mint()?, now.plus_ms(LIFE_MS));
        let digest = erase_digest(&self.code_key, user, &code);
        transact!(&self.store, |tx| keep(tx, &digest, "erase", user, expires_at))?;
        Ok(AskedErase { code, expires_at })
    }

    /// Whether they do: whether this is the word they were given. Then they are
    /// [erased](Self::erase) by the same transaction. `place`: where they have said so, if nobody else
    /// is there.
    pub async fn confirm_erase(
        &self,
        user: ZakiUserId,
        code: &LinkCode,
        place: Option<Home>,
        now: Timestamp,
    ) -> Result<Option<Erased>, DirectoryError> {
        let key = &self.code_key;
        let digest = erase_digest(key, user, code);
        let who = key.digest(Keyed::Attempt, &["erase", &user.to_string()]);
        let erasure = Erasure { user, by: Actor::Person(user), place, now, seals: self.seals() };
        self.store.delete_securely().await?;
        let done = transact!(&self.store, |tx| confirm(tx, &digest, &who, erasure));
        self.forget_after(&done, Option::is_some);
        done
    }

    /// Everybody who is to be erased with a person: those who have become that person, and then
    /// the person.
    pub async fn family(&self, user: ZakiUserId) -> Result<Vec<ZakiUserId>, DirectoryError> {
        snapshot!(&self.store, |tx| family(tx, user))
    }

    /// Removes a person and the others of their [`family`](Self::family), with all that the
    /// directory has of them, and writes down what is to be done [elsewhere](crate::Task). The record
    /// of acts keeps its entries about them, which lead to no sender any more: what could tell whose
    /// they were is gone with the person, and with the last of what is to be done. Of somebody blocked
    /// a keyed hash of each sender is kept: to be forgotten is no way to be let in again.
    pub async fn erase(
        &self,
        user: ZakiUserId,
        by: Actor,
        now: Timestamp,
    ) -> Result<Erased, DirectoryError> {
        let erasure = Erasure { user, by, place: None, now, seals: self.seals() };
        self.store.delete_securely().await?;
        let done = transact!(&self.store, |tx| erase(tx, erasure));
        self.forget_after(&done, |_| true);
        done
    }

    fn seals(&self) -> Seals {
        Seals { codes: self.code_key.clone(), keys: self.options.keys.clone() }
    }
}

/// Under what is kept whatever has to be kept for a while.
struct Seals {
    codes: CodeKey,
    keys: Keys,
}

/// Whose, by whom, and when.
struct Erasure {
    user: ZakiUserId,
    by: Actor,
    place: Option<Home>,
    now: Timestamp,
    seals: Seals,
}

/// As what the word that a person was given to confirm with is kept.
pub(crate) fn erase_digest(key: &CodeKey, user: ZakiUserId, code: &LinkCode) -> String {
    key.digest(Keyed::Erase, &[&user.to_string(), code.plain()])
}

/// Takes back the word that a person was given to confirm with; whether this was it.
pub(crate) async fn void_word<S: Sql>(
    tx: &S,
    key: &CodeKey,
    user: ZakiUserId,
    code: &LinkCode,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    Ok(take(tx, &erase_digest(key, user, code), "erase", now).await?.is_some())
}

async fn confirm<S: Sql>(
    tx: &S,
    digest: &str,
    who: &str,
    erasure: Erasure,
) -> Result<Option<Erased>, DirectoryError> {
    locks::acts(tx).await?;
    let now = erasure.now;
    if admit(tx, (who, PER_SENDER), now).await?.is_some()
        || take(tx, digest, "erase", now).await?.is_none()
    {
        return Ok(None);
    }
    erase(tx, erasure).await.map(Some)
}

const BECAME: &str = "SELECT id FROM person WHERE merged_into = $1 ORDER BY id";

pub(crate) async fn family<S: Sql>(
    tx: &S,
    user: ZakiUserId,
) -> Result<Vec<ZakiUserId>, DirectoryError> {
    people::known(tx, user).await?;
    let mut family = vec![user];
    let mut asked = 0;
    while let Some(user) = family.get(asked).copied() {
        for row in tx.all(BECAME, params![Text(user)]).await? {
            family.push(row.get::<Text<ZakiUserId>>(0)?.0);
        }
        asked += 1;
    }
    family.reverse();
    Ok(family)
}

/// Rows about one sender.
const OF_SENDER: [&str; 7] = [
    "DELETE FROM place WHERE channel = $1 AND scope = $2 AND sender = $3",
    "DELETE FROM told WHERE channel = $1 AND scope = $2 AND sender = $3",
    "DELETE FROM pairing WHERE channel = $1 AND scope = $2 AND sender = $3",
    "DELETE FROM proposal WHERE channel = $1 AND scope = $2 AND sender = $3",
    "DELETE FROM merge_part WHERE what = 'binding' AND channel = $1 AND scope = $2 AND id = $3",
    "DELETE FROM audit WHERE channel = $1 AND scope = $2 AND (sender = $3 OR was = $3)",
    "DELETE FROM binding WHERE channel = $1 AND scope = $2 AND sender = $3",
];

/// Rows of others that name the person, and then the person, with all that is theirs alone.
const OF_PERSON: [&str; 7] = [
    "UPDATE binding SET by_whom = 'system' WHERE by_whom = $1",
    "UPDATE allowed SET by_whom = 'system' WHERE by_whom = $1",
    "UPDATE chat_group SET changed_by = 'system' WHERE changed_by = $1",
    "UPDATE chat_group SET owner_id = NULL WHERE owner_id = $1",
    "UPDATE code SET made_by = 'system' WHERE made_by = $1",
    "DELETE FROM audit WHERE user_id = $1 OR was = $1",
    "DELETE FROM person WHERE id = $1",
];

const FORGET_TRIES: &str = "DELETE FROM attempt WHERE who = $1";

async fn erase<S: Sql>(tx: &S, erasure: Erasure) -> Result<Erased, DirectoryError> {
    let Erasure { user, by, place, now, seals } = erasure;
    locks::acts(tx).await?;
    if by != Actor::Person(user) {
        people::authorise(tx, by).await?;
    }
    let mut traces = errands::traces(tx, user).await?;
    // Who comes by these ids later is somebody new.
    for sender in &mut traces.senders {
        sender.until = Some(now);
    }
    traces.homes.extend(place);
    let (people, mut bindings, mut barred) = (traces.users.clone(), 0, 0);
    for user in &people {
        let (gone, kept) = remove(tx, &seals.codes, *user, now).await?;
        (bindings, barred) = (bindings + gone, barred + kept);
        errands::supersede(tx, *user).await?;
        let detail = if kept > 0 { json!({ "barred": kept }) } else { json!({}) };
        audit::note(tx, "erased", by, Some(*user), detail, now).await?;
    }
    for task in following(traces) {
        errands::add(tx, &seals.keys, user, &task, now).await?;
    }
    Ok(Erased { people, bindings, barred })
}

/// What follows elsewhere: what was said goes, then what the edge has, then what was under way.
fn following(traces: Traces) -> [Task; 3] {
    let (users, traces) = (traces.users.clone(), Box::new(traces));
    [
        Task::Forget { traces: traces.clone(), last_look: false },
        Task::Erase { users },
        Task::Forget { traces, last_look: true },
    ]
}

/// How many senders they had, and how many of them stay blocked.
async fn remove<S: Sql>(
    tx: &S,
    key: &CodeKey,
    user: ZakiUserId,
    now: Timestamp,
) -> Result<(usize, usize), DirectoryError> {
    let person = people::person(tx, user).await?;
    let is_blocked = person.as_ref().is_some_and(|person| person.blocked_at.is_some());
    let bindings = person.map(|person| person.bindings).unwrap_or_default();
    carried::keep(tx, key, user, &bindings.iter().collect::<Vec<_>>(), now).await?;
    for binding in &bindings {
        forget_sender(tx, key, binding).await?;
        if is_blocked {
            let account = unlink::leaving(&bindings, &binding.key());
            barred::keep(tx, key, binding, &account, now).await?;
        }
        parted::note(tx, key, &binding.key(), user, now).await?;
    }
    for purpose in ["offer", "erase"] {
        let who = key.digest(Keyed::Attempt, &[purpose, &user.to_string()]);
        tx.execute(FORGET_TRIES, params![who]).await?;
    }
    for statement in OF_PERSON {
        tx.execute(statement, params![Text(user)]).await?;
    }
    Ok((bindings.len(), if is_blocked { bindings.len() } else { 0 }))
}

async fn forget_sender<S: Sql>(
    tx: &S,
    key: &CodeKey,
    binding: &Binding,
) -> Result<(), DirectoryError> {
    let Binding { channel, scope, sender, .. } = binding;
    let (scope, sender) = (scope.as_str(), sender.as_str());
    for statement in OF_SENDER {
        tx.execute(statement, params![channel.as_str(), scope, sender]).await?;
    }
    tx.execute(FORGET_TRIES, params![sender_mark(key, *channel, scope, sender)]).await?;
    Ok(())
}
