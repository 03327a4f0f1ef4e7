//! What people have chosen for themselves.

use serde::{Deserialize, Serialize};
use zaki_envelope::{
    AccountName, Address, ChannelKind, Conversation, ConversationKind, Inbound, ZakiUserId,
};
use zaki_store::{Json, Sql, Text, Value, params, transact};

use crate::{Directory, DirectoryError, locks, who};

/// Where a person wants to be written to unasked: the place they were last at home in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// The platform.
    pub channel: ChannelKind,
    /// Which of our bots they see there.
    pub account: AccountName,
    /// The place, thread included.
    pub conversation: Conversation,
}

impl Home {
    /// The place a message came from.
    pub fn of(inbound: &Inbound) -> Self {
        Self {
            channel: inbound.channel,
            account: inbound.account.clone(),
            conversation: inbound.conversation.clone(),
        }
    }

    /// Where to send.
    pub fn address(&self) -> Address {
        let Self { channel, account, conversation } = self.clone();
        Address { channel, account, conversation, handle: None }
    }
}

/// One choice; `None` takes it back. Whether a word makes sense is for those to know who read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// What messages that arrive mid-turn do.
    Mode(Option<String>),
    /// The language we speak to them.
    Lang(Option<String>),
    /// The model that answers.
    Model(Option<String>),
    /// Where they are written to unasked.
    Home(Option<Home>),
}

impl Setting {
    const fn sql(&self) -> &'static str {
        match self {
            Self::Mode(_) => "UPDATE person SET mode = $2 WHERE id = $1",
            Self::Lang(_) => "UPDATE person SET lang = $2 WHERE id = $1",
            Self::Model(_) => "UPDATE person SET model = $2 WHERE id = $1",
            Self::Home(_) => "UPDATE person SET home = $2 WHERE id = $1",
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Mode(word) | Self::Lang(word) | Self::Model(word) => word.as_deref().into(),
            Self::Home(home) => home.as_ref().map(Json).into(),
        }
    }
}

impl Directory {
    /// Keeps a choice.
    pub async fn set(&self, user: ZakiUserId, setting: Setting) -> Result<(), DirectoryError> {
        transact!(&self.store, |tx| set(tx, user, &setting))
    }
}

impl Directory {
    /// Makes the place of a private message of a person's their home: in place of another one if
    /// `anew`, else only as long as they have none. Whether it has become that. Never by a sender
    /// who is not theirs any more, whoever still believes it.
    pub async fn settle_in(
        &self,
        user: ZakiUserId,
        inbound: &Inbound,
        anew: bool,
    ) -> Result<bool, DirectoryError> {
        if inbound.conversation.kind != ConversationKind::Direct {
            return Ok(false);
        }
        let inbound = inbound.clone();
        transact!(&self.store, |tx| settle(tx, user, &inbound, anew))
    }
}

async fn settle<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    inbound: &Inbound,
    anew: bool,
) -> Result<bool, DirectoryError> {
    locks::acts(tx).await?;
    let holder = who::holder(tx, inbound.channel, &inbound.sender).await?;
    if holder != Some(user) || (!anew && home(tx, user).await?.is_some()) {
        return Ok(false);
    }
    set(tx, user, &Setting::Home(Some(Home::of(inbound)))).await?;
    Ok(true)
}

async fn set<S: Sql>(tx: &S, user: ZakiUserId, setting: &Setting) -> Result<(), DirectoryError> {
    match tx.execute(setting.sql(), params![Text(user), setting.value()]).await? {
        0 => Err(DirectoryError::UnknownPerson(user)),
        _ => Ok(()),
    }
}

/// Where they are at home.
pub(crate) async fn home<S: Sql>(tx: &S, user: ZakiUserId) -> Result<Option<Home>, DirectoryError> {
    let row = tx.one("SELECT home FROM person WHERE id = $1", params![Text(user)]).await?;
    let home = row.map(|row| row.get::<Option<Json<Home>>>(0)).transpose()?.flatten();
    Ok(home.map(|Json(home)| home))
}

/// Takes a person's home away, when it may not be theirs any more.
pub(crate) async fn leave_home<S: Sql>(tx: &S, user: ZakiUserId) -> Result<(), DirectoryError> {
    set(tx, user, &Setting::Home(None)).await
}
