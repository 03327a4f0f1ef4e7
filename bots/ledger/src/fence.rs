//! Who may write.

/// Proof of the right to write. A ledger that several hubs share hands out rising tokens with its
/// lease and refuses all but the newest; a ledger with one writer has the constant
/// [`Fence::SINGLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(u64);

impl Fence {
    /// The fence of a ledger that has one writer.
    pub const SINGLE: Self = Self(0);

    /// From a lease's token.
    pub const fn from_token(token: u64) -> Self {
        Self(token)
    }

    /// The lease's token.
    pub const fn token(self) -> u64 {
        self.0
    }
}
