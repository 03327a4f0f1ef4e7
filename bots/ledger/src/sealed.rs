//! What is stored encrypted, where there are keys, and how it is read again.
//!
//! The columns that hold what people say: `inbound.envelope`, `delivery.outbound`, `request.raw`,
//! `dead_letter.raw`, `reply_handle.secret`. All else is what SQL looks into: ids, states, times,
//! addresses, and never a text.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use zaki_envelope::{DeliveryId, Inbound, InboundId, Outbound, ReplyHandle, TurnId};
use zaki_store::{Cell, Keys, SealError};

use crate::delivery::ILLEGIBLE;
use crate::{DeadRecord, Delivery, Error, InboundRecord, InboundState, Listed, NewTurn};

/// The column of a table, as encryption knows it: a name that must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Envelope,
    Outbound,
    Request,
    DeadLetter,
    Secret,
    /// The text that tells whether a key is the right one.
    Probe,
}

impl Column {
    pub(crate) const fn of(self, row: &dyn Display) -> Cell<'_> {
        let column = match self {
            Self::Envelope => "ledger.inbound.envelope",
            Self::Outbound => "ledger.delivery.outbound",
            Self::Request => "ledger.request.raw",
            Self::DeadLetter => "ledger.dead_letter.raw",
            Self::Secret => "ledger.reply_handle.secret",
            Self::Probe => "ledger.seal_key.probe",
        };
        Cell { column, row }
    }
}

/// A row whose text may be encrypted.
pub(crate) trait Shut {
    /// The same with its text.
    type Open;

    fn open(self, keys: &Keys) -> Result<Self::Open, Error>;
}

fn json<T: DeserializeOwned>(
    keys: &Keys,
    column: Column,
    row: &dyn Display,
    stored: String,
) -> Result<T, Error> {
    let text = keys.open_text(column.of(row), stored)?;
    // Serde's own words may quote it.
    serde_json::from_str(&text).map_err(|error| Error::Decode {
        line: error.line(),
        column: error.column(),
        kind: error.classify(),
    })
}

/// An envelope.
pub(crate) struct Envelope {
    pub id: String,
    pub stored: String,
}

impl Shut for Envelope {
    type Open = Inbound;

    fn open(self, keys: &Keys) -> Result<Inbound, Error> {
        json(keys, Column::Envelope, &self.id, self.stored)
    }
}

/// A message and where it stands.
pub(crate) struct Record {
    pub envelope: Envelope,
    pub state: InboundState,
    pub turn: Option<TurnId>,
    pub reason: Option<String>,
}

impl Shut for Record {
    type Open = InboundRecord;

    fn open(self, keys: &Keys) -> Result<InboundRecord, Error> {
        let Self { envelope, state, turn, reason } = self;
        Ok(InboundRecord { inbound: envelope.open(keys)?, state, turn, reason })
    }
}

/// What leaves.
pub(crate) struct Posted<K> {
    pub id: K,
    pub stored: String,
}

impl<K: Display> Shut for Posted<K> {
    type Open = Outbound;

    fn open(self, keys: &Keys) -> Result<Outbound, Error> {
        json(keys, Column::Outbound, &self.id, self.stored)
    }
}

/// A delivery whose `outbound` is not yet its own.
pub(crate) struct Packed {
    pub delivery: Delivery,
    pub stored: String,
}

impl Packed {
    /// In the place of what is still packed.
    pub(crate) const NOTHING: Outbound = Outbound::Answer { text: None };

    /// For an operator: without its text, and with the reason for that, where it cannot be read.
    fn shown(self, keys: &Keys) -> Delivery {
        let bare = self.delivery.clone();
        self.open(keys).unwrap_or_else(|error| Delivery {
            reason: bare.reason.clone().or_else(|| Some(why_not(&error))),
            ..bare
        })
    }
}

/// Why something is not shown, for an operator, who can give a key.
fn why_not(error: &Error) -> String {
    match error {
        Error::Sealed(missing @ SealError::Missing { .. }) => missing.to_string(),
        _ => ILLEGIBLE.to_owned(),
    }
}

impl Shut for Packed {
    type Open = Delivery;

    fn open(self, keys: &Keys) -> Result<Delivery, Error> {
        let posted = Posted { id: self.delivery.id, stored: self.stored };
        Ok(Delivery { outbound: posted.open(keys)?, ..self.delivery })
    }
}

/// A dead letter.
pub(crate) struct Letter(pub DeadRecord);

impl Shut for Letter {
    type Open = DeadRecord;

    fn open(self, keys: &Keys) -> Result<DeadRecord, Error> {
        let Self(letter) = self;
        let raw = Bytes { column: Column::DeadLetter, id: letter.id, stored: letter.raw };
        Ok(DeadRecord { raw: raw.open(keys)?, ..letter })
    }
}

/// What came in, in a row that is numbered: a request, a dead letter.
pub(crate) struct Bytes {
    pub column: Column,
    pub id: i64,
    pub stored: Vec<u8>,
}

impl Shut for Bytes {
    type Open = Vec<u8>;

    fn open(self, keys: &Keys) -> Result<Vec<u8>, Error> {
        Ok(keys.open(self.column.of(&self.id), self.stored)?)
    }
}

/// A reply handle and the message it came with.
pub(crate) struct Handle(pub InboundId, pub ReplyHandle);

impl Shut for Handle {
    type Open = (InboundId, ReplyHandle);

    fn open(self, keys: &Keys) -> Result<Self::Open, Error> {
        let Self(inbound, handle) = self;
        let secret = keys.open_text(Column::Secret.of(&inbound), handle.secret.clone())?;
        Ok((inbound, ReplyHandle { secret, ..handle }))
    }
}

/// The delivery that uses a handle.
impl Shut for (DeliveryId, Handle) {
    type Open = (DeliveryId, ReplyHandle);

    fn open(self, keys: &Keys) -> Result<Self::Open, Error> {
        Ok((self.0, self.1.open(keys)?.1))
    }
}

/// With its place in an order.
impl<T: Shut> Shut for (i64, T) {
    type Open = (i64, T::Open);

    fn open(self, keys: &Keys) -> Result<Self::Open, Error> {
        Ok((self.0, self.1.open(keys)?))
    }
}

/// What a turn consists of is no text.
impl Shut for NewTurn {
    type Open = Self;

    fn open(self, _: &Keys) -> Result<Self, Error> {
        Ok(self)
    }
}

/// What has joined a turn, by its id; and, where it was taken along, its place and envelope.
pub(crate) struct Joined {
    pub id: String,
    pub place: usize,
    pub stored: Option<String>,
}

/// A row that could be read, or not, by its id.
pub(crate) type Named<T> = (String, Option<T>);

/// Those that could be read.
pub(crate) fn read<T>(rows: Vec<Named<T>>) -> Vec<T> {
    rows.into_iter().filter_map(|(_, row)| row).collect()
}

/// Deliveries for an operator: also those of which the text alone cannot be read.
pub(crate) fn shown(rows: Vec<Named<Packed>>, keys: &Keys) -> Listed<Delivery> {
    let shown = |(id, row): Named<Packed>| (id, row.map(|row| row.shown(keys)));
    rows.into_iter().map(shown).collect::<Vec<_>>().into()
}

/// Those that could, and which could not.
impl<T> From<Vec<Named<T>>> for Listed<T> {
    fn from(rows: Vec<Named<T>>) -> Self {
        let mut listed = Self { rows: Vec::new(), illegible: Vec::new() };
        for (id, row) in rows {
            match row {
                Some(row) => listed.rows.push(row),
                None => listed.illegible.push(id),
            }
        }
        listed
    }
}

/// How many could not.
pub(crate) fn unread<T>(rows: &[Named<T>]) -> usize {
    rows.iter().filter(|(_, row)| row.is_none()).count()
}

/// Opens a row of this kind and id, unless it is damaged, or of a release that knows more than we
/// do (`None`: one of its columns already is). One such row must keep no other back: it is left as
/// it is, for a release that can read it, and said to be there, without a word of it. A key that we
/// lack is no damage: whoever has it is to do the work, and we fail.
pub(crate) fn legible<T: Shut>(
    kind: &str,
    id: &str,
    row: Option<T>,
    keys: &Keys,
) -> Result<Option<T::Open>, Error> {
    let why = match row.map(|row| row.open(keys)) {
        Some(Ok(open)) => return Ok(Some(open)),
        Some(Err(error @ Error::Sealed(SealError::Missing { .. }))) => return Err(error),
        Some(Err(error)) => error.to_string(),
        None => "a column does not fit".to_owned(),
    };
    tracing::warn!(kind, id, why, "what is stored cannot be read by this release");
    Ok(None)
}

/// The same of many.
pub(crate) fn all_legible<T: Shut>(
    kind: &str,
    rows: Vec<Named<T>>,
    keys: &Keys,
) -> Result<Vec<Named<T::Open>>, Error> {
    let open = |(id, row): Named<T>| {
        let row = legible(kind, &id, row, keys)?;
        Ok((id, row))
    };
    rows.into_iter().map(open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Locked(SealError);

    impl Shut for Locked {
        type Open = ();

        fn open(self, _: &Keys) -> Result<(), Error> {
            Err(self.0.into())
        }
    }

    /// A replica without a key that was added since must not give up what others can read.
    #[test]
    fn what_a_key_is_missing_for_is_not_damaged() {
        let id = || "k2".to_owned();
        let read = |why| legible("delivery", "1", Some(Locked(why)), &Keys::default());
        assert!(matches!(read(SealError::Wrong { id: id() }), Ok(None)));
        assert!(matches!(
            read(SealError::Missing { id: id() }),
            Err(Error::Sealed(SealError::Missing { .. }))
        ));
        assert!(why_not(&SealError::Missing { id: id() }.into()).contains("k2"));
        assert_eq!(why_not(&SealError::Wrong { id: id() }.into()), ILLEGIBLE);
    }
}
