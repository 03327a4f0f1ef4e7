//! Who may write.

/// Proof of a lease: the token of one replica for one term. Tokens rise; one that has been lost
/// (left, expired, superseded) is never valid again, and no write in its name commits after that.
///
/// On SQLite a term is a run of the hub: enrolling counts it, and the runs before have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(u64);

impl Fence {
    /// From a lease's token, from 1.
    pub const fn from_token(token: u64) -> Self {
        Self(token)
    }

    /// The lease's token.
    pub const fn token(self) -> u64 {
        self.0
    }
}

/// What a replica hears when it renews its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Live replicas, this one included: they share the platforms' limits.
    pub replicas: u32,
    /// Some work belongs to no live replica: call `recover`.
    pub orphans: bool,
}
