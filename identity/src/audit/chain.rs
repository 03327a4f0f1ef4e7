//! How entries hang together. No store.

use sha2::{Digest, Sha256};
use zaki_envelope::Timestamp;

use super::{Audited, Entry, Note};

/// A chain up to some entry.
pub(super) struct Chain {
    seq: u64,
    hash: String,
}

impl Chain {
    pub(super) const fn new(seq: u64, hash: String) -> Self {
        Self { seq, hash }
    }

    /// Without an entry.
    pub(super) const fn start() -> Self {
        Self::new(0, String::new())
    }

    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// The next entry, which the chain then ends with.
    pub(super) fn extend(&mut self, at: Timestamp, note: &Note<'_>) -> Entry {
        let mut entry = Entry {
            seq: self.seq + 1,
            at,
            act: note.act.to_owned(),
            by: note.by,
            about: note.about,
            detail: note.detail.to_string(),
            hash: String::new(),
        };
        entry.hash = digest(&self.hash, &entry);
        (self.seq, self.hash) = (entry.seq, entry.hash.clone());
        entry
    }

    /// Whether this is the next entry, as it was written; the chain then ends with it.
    pub(super) fn follow(&mut self, entry: &Entry) -> bool {
        let fits = entry.seq == self.seq + 1 && entry.hash == digest(&self.hash, entry);
        if fits {
            (self.seq, self.hash) = (entry.seq, entry.hash.clone());
        }
        fits
    }

    /// Whether it ends where it is said to end.
    pub(super) fn ends(&self, seq: u64, hash: &str) -> bool {
        self.seq == seq && self.hash == hash
    }

    pub(super) fn audited(self, broken: bool) -> Audited {
        let broken_at = broken.then_some(self.seq + 1);
        Audited { entries: self.seq, head: self.hash, broken_at }
    }
}

/// Over the hash before it and the entry as a JSON array, which has one spelling.
fn digest(before: &str, entry: &Entry) -> String {
    let Entry { seq, at, act, by, about, detail, .. } = entry;
    let fields = serde_json::json!([seq, at, act, by, about, detail]);
    let hash = Sha256::new().chain_update(before).chain_update("\n");
    hex::encode(hash.chain_update(fields.to_string()).finalize())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Actor;

    fn written(count: i64) -> Vec<Entry> {
        let mut chain = Chain::start();
        let note = |n| Note { act: "bound", by: Actor::Operator, about: None, detail: json!([n]) };
        (0..count).map(|n| chain.extend(Timestamp::from_ms(n), &note(n))).collect()
    }

    /// How many entries of it can be relied upon.
    fn followed(entries: &[Entry]) -> u64 {
        let mut chain = Chain::start();
        for entry in entries {
            if !chain.follow(entry) {
                break;
            }
        }
        chain.seq
    }

    #[test]
    fn a_chain_is_followed_to_its_end() {
        let entries = written(5);
        assert_eq!(followed(&entries), 5);
        let end = Chain::new(5, entries[4].hash.clone());
        assert!(end.ends(5, &entries[4].hash));
        assert!(!end.ends(6, &entries[4].hash) && !end.ends(5, &entries[3].hash));
    }

    #[test]
    fn whatever_is_changed_removed_or_moved_breaks_it_there() {
        let changes: [fn(&mut Entry); 6] = [
            |entry| entry.at = Timestamp::from_ms(-1),
            |entry| entry.act = "moved".into(),
            |entry| entry.by = Actor::System,
            |entry| entry.about = Some("00000000010000000000000000".parse().unwrap()),
            |entry| entry.detail = "[]".into(),
            |entry| entry.hash = "0".repeat(64),
        ];
        for change in changes {
            let mut entries = written(5);
            change(&mut entries[2]);
            assert_eq!(followed(&entries), 2);
        }
        let mut entries = written(5);
        entries.remove(2);
        assert_eq!(followed(&entries), 2, "removed");
        entries[2].seq = 3;
        assert_eq!(followed(&entries), 2, "and numbered anew");
        let mut entries = written(5);
        entries.swap(2, 3);
        assert_eq!(followed(&entries), 2, "moved");
        (entries[2].seq, entries[3].seq) = (3, 4);
        assert_eq!(followed(&entries), 2, "and numbered anew");
    }
}
