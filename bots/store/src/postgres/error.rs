//! What a server and the way to it say, by what to do about it.
//!
//! The driver's own errors are not kept: theirs may quote a row, which may be somebody's message.

use std::error::Error as StdError;
use std::sync::Arc;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::WrongType;

use crate::error::Cause;
use crate::{Error, Place};

/// What was said, without values.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

fn said(text: impl Into<String>) -> Cause {
    Arc::new(Said(text.into()))
}

const CHECK_USER: &str = "check the user and the password in the address";
const MAKE_DATABASE: &str = "make the database (`createdb`) or name another one";
const GRANT: &str = "let this user make schemas and tables in the database (GRANT CREATE)";
const CHECK_TLS: &str = "name the CA of its certificate (`sslrootcert=/path/to/ca.pem`), or say \
                         `sslmode=disable` when you trust the network to it";

impl Error {
    /// An error before or inside a transaction, which therefore has kept nothing.
    pub(super) fn of_postgres(place: &Place, error: &tokio_postgres::Error) -> Self {
        if let Some(answer) = error.as_db_error() {
            return of_answer(place.clone(), answer);
        }
        let place = place.clone();
        let source = error.source();
        let words = source.map(ToString::to_string).unwrap_or_default();
        // The driver's kinds are private; these words are theirs (0.7, `error/mod.rs`).
        let kind = error.to_string();
        let cause = || said(format!("{kind}: {words}"));
        match kind.as_str() {
            "error performing TLS handshake" if is_refusal(source) => {
                Self::Refused { place, cause: cause(), advice: CHECK_TLS }
            }
            "authentication error" | "invalid configuration" => {
                Self::Refused { place, cause: cause(), advice: CHECK_USER }
            }
            _ if on_the_way(&kind) || error.is_closed() => {
                let cause = if words.is_empty() { said(kind) } else { cause() };
                Self::Unreachable { place, cause }
            }
            // Ours. What could not be converted may be a value; its types are not.
            _ if source.and_then(|source| source.downcast_ref::<WrongType>()).is_some() => {
                Self::Statement { place, cause: cause() }
            }
            _ => Self::Statement { place, cause: said(kind) },
        }
    }

    pub(super) fn of_pool(place: &Place, error: &PoolError) -> Self {
        let place = place.clone();
        match error {
            PoolError::Backend(error) => Self::of_postgres(&place, error),
            PoolError::Closed => Self::Closed { place },
            PoolError::Timeout(TimeoutType::Wait) => Self::Busy { place },
            other => Self::Unreachable { place, cause: said(other.to_string()) },
        }
    }

    /// No answer in time.
    pub(super) fn silence(place: &Place) -> Self {
        Self::Unreachable { place: place.clone(), cause: said("no answer in time") }
    }

    /// The same error of a server that has let us in before: it will again, when its operator is
    /// done with whatever he does to the user or the database.
    pub(super) fn while_open(self) -> Self {
        match self {
            Self::Refused { place, cause, .. } => Self::Unreachable { place, cause },
            other => other,
        }
    }

    /// The same error, met by a commit: when the way broke, nobody knows.
    pub(super) fn while_committing(self) -> Self {
        match self {
            Self::Unreachable { place, cause } => Self::Lost { place, cause },
            other => other,
        }
    }
}

fn on_the_way(kind: &str) -> bool {
    matches!(
        kind,
        "error communicating with the server"
            | "error connecting to server"
            | "error performing TLS handshake"
            | "connection closed"
            | "timeout waiting for server"
    )
}

/// Whether one of the two sides does not want the TLS of the other; anything else may pass.
fn is_refusal(source: Option<&(dyn StdError + 'static)>) -> bool {
    source.is_some_and(|source| {
        let inner = source.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some()
            || source.to_string().contains("does not support TLS")
    })
}

fn of_answer(place: Place, answer: &DbError) -> Error {
    let code = answer.code();
    // Data exceptions quote the value.
    let words =
        if code.code().starts_with("22") { "a value does not fit" } else { answer.message() };
    let cause = said(format!("{words} (SQLSTATE {})", code.code()));
    let refused = |place, cause, advice| Error::Refused { place, cause, advice };
    match code {
        &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            refused(place, cause, CHECK_USER)
        }
        &SqlState::INVALID_CATALOG_NAME => refused(place, cause, MAKE_DATABASE),
        &SqlState::INSUFFICIENT_PRIVILEGE => refused(place, cause, GRANT),
        &SqlState::READ_ONLY_SQL_TRANSACTION => Error::Unwritable { place, cause },
        &SqlState::DISK_FULL => Error::Full { place },
        &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => Error::Corrupt { place, cause },
        &SqlState::T_R_SERIALIZATION_FAILURE
        | &SqlState::T_R_DEADLOCK_DETECTED
        | &SqlState::LOCK_NOT_AVAILABLE
        | &SqlState::QUERY_CANCELED => Error::Busy { place },
        &SqlState::TOO_MANY_CONNECTIONS | &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            Error::Unreachable { place, cause }
        }
        code => match code.code().get(..2) {
            // Connections that broke; operators that stopped the server; transactions timed out.
            Some("08" | "57") => Error::Unreachable { place, cause },
            // Out of memory or of something else; the server's own disk.
            Some("53" | "58") => Error::Io { place, cause },
            _ if code.code() == TRANSACTION_TIMEOUT => Error::Unreachable { place, cause },
            _ => Error::Statement { place, cause },
        },
    }
}

/// `transaction_timeout`, new in PostgreSQL 17.
const TRANSACTION_TIMEOUT: &str = "25P04";
