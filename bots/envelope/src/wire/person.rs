//! What becomes of a person at the edge.
//!
//! `DELETE /v1/users/{userId}` erases: turns under way end with
//! [`ErrorCode::Erased`](super::ErrorCode::Erased), every sandbox is stopped, and everything that
//! was kept of the person is gone when it answers 204. 202: it is under way, also after a crash of
//! the edge; ask again.
//!
//! `POST retire` stops every sandbox and keeps it as it is: turns end, and further ones are answered,
//! with [`ErrorCode::Retired`](super::ErrorCode::Retired). Answers 204, or 202 while they stop. When
//! the time has come the edge erases the person by itself; `POST reinstate` (204) undoes it before.
//! Both answer 410 for somebody who is being erased.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// `POST retire`. The last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireRequest {
    /// How long everything is kept.
    pub until: Timestamp,
}
