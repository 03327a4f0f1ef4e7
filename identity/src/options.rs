//! What a directory is told when it is opened.

use zaki_store::Keys;

use crate::access::Access;
use crate::codes::CodeKey;
use crate::groups::GroupRules;

/// What a directory is told when it is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The policy of every account.
    pub access: Access,
    /// What groups are that nobody has changed.
    pub group: GroupRules,
    /// The key under which codes are kept. `None`: one that is made once and kept beside them, where
    /// all replicas find it, and whoever gets a copy of the database.
    pub code_key: Option<CodeKey>,
    /// What people say is encrypted with the first of these: feedback, and names of sessions. Without
    /// any it is kept as it is.
    pub keys: Keys,
    /// How many senders are remembered.
    pub cache: usize,
}
