//! The question that two people are asked, by a name: a button that was shown with an earlier one
//! answers nothing.

use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_store::{glance, transact};

use super::{Confirmed, confirm, decline, joining};
use crate::{Directory, DirectoryError};

/// Whether two people are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What names it: 16 digits of hex. Whoever asks anew, asks another.
    pub id: String,
    /// Whose identity and sandbox would stay.
    pub into: ZakiUserId,
    /// Who would become that person.
    pub from: ZakiUserId,
}

impl Directory {
    /// What a person is being asked, after [`Redeemed::Confirm`](crate::Redeemed::Confirm).
    pub async fn question(
        &self,
        user: ZakiUserId,
        now: Timestamp,
    ) -> Result<Option<Question>, DirectoryError> {
        let joining = glance!(&self.store, |tx| joining(tx, user))?;
        let open = joining.filter(|joining| joining.is_open(now));
        Ok(open.map(|open| Question { id: open.id(), into: open.into, from: open.from }))
    }

    /// A person's yes to this question. [`Confirmed::Nothing`] if they are asked another.
    pub async fn confirm_question(
        &self,
        user: ZakiUserId,
        question: &str,
        now: Timestamp,
    ) -> Result<Confirmed, DirectoryError> {
        let question = question.to_owned();
        let done = transact!(&self.store, |tx| confirm(tx, user, Some(&question), now));
        self.forget_after(&done, Confirmed::merges);
        done
    }

    /// A person's no to this question; who else was asked, if anybody.
    pub async fn decline_question(
        &self,
        user: ZakiUserId,
        question: &str,
        now: Timestamp,
    ) -> Result<Option<ZakiUserId>, DirectoryError> {
        let question = question.to_owned();
        transact!(&self.store, |tx| decline(tx, user, Some(&question), now))
    }
}
