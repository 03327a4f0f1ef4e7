//! An archive as it is stored: as it is, or encrypted piece by piece with the keys that the ledger's
//! way of sealing takes ([`zaki_store::Keys`]): the first encrypts, all decrypt.
//!
//! Every piece is bound to its backup, its place and whether it is the last, so that pieces can
//! neither be moved, nor left out, nor cut off at the end.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use zaki_store::{Cell, Keys, SealError};

/// A piece before it is encrypted, in bytes.
const PIECE: usize = 256 * 1024;
/// A piece with its nonce, tag and key's name is not longer, in bytes.
const LONGEST: usize = PIECE + 256;
const LENGTH: usize = 4;

/// Why a stored archive does not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("it cannot be decrypted: {0}")]
    Seal(#[from] SealError),
    #[error("it is not the whole of what was encrypted")]
    Cut,
}

/// Encrypts while an archive passes by.
pub(super) struct Sealer {
    keys: Keys,
    /// What is encrypted belongs to this: sandbox and version.
    place: String,
    count: u64,
    waiting: BytesMut,
}

impl Sealer {
    /// `None`: there is no key, and an archive is stored as it is.
    pub(super) fn new(keys: &Keys, place: String) -> Option<Self> {
        keys.first()?;
        Some(Self { keys: keys.clone(), place, count: 0, waiting: BytesMut::new() })
    }

    /// What can be stored now that `bytes` came.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Bytes, SealError> {
        self.waiting.extend_from_slice(bytes);
        let mut sealed = BytesMut::new();
        // One piece always waits: it may be the last.
        while self.waiting.len() > PIECE {
            let piece = self.waiting.split_to(PIECE);
            self.seal(&piece, false, &mut sealed)?;
        }
        Ok(sealed.freeze())
    }

    /// The rest.
    pub(super) fn end(mut self) -> Result<Bytes, SealError> {
        let mut sealed = BytesMut::new();
        let piece = std::mem::take(&mut self.waiting);
        self.seal(&piece, true, &mut sealed)?;
        Ok(sealed.freeze())
    }

    fn seal(&mut self, piece: &[u8], last: bool, to: &mut BytesMut) -> Result<(), SealError> {
        let row = row(&self.place, self.count, last);
        let sealed = self.keys.seal(cell(&row), piece)?;
        let length = u32::try_from(sealed.len()).map_err(|_| SealError::TooLong)?;
        to.extend_from_slice(&length.to_be_bytes());
        to.extend_from_slice(&sealed);
        self.count += 1;
        Ok(())
    }
}

/// Decrypts while a stored archive passes by.
pub(super) struct Opener {
    keys: Keys,
    place: String,
    count: u64,
    waiting: BytesMut,
    /// A piece that has come whole and may be the last.
    held: VecDeque<Bytes>,
}

impl Opener {
    pub(super) fn new(keys: &Keys, place: String) -> Self {
        let (waiting, held) = (BytesMut::new(), VecDeque::new());
        Self { keys: keys.clone(), place, count: 0, waiting, held }
    }

    /// What is open now that `bytes` came.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Bytes, OpenError> {
        self.waiting.extend_from_slice(bytes);
        while let Some(piece) = self.next()? {
            self.held.push_back(piece);
        }
        let mut open = BytesMut::new();
        while self.held.len() > 1
            && let Some(piece) = self.held.pop_front()
        {
            open.extend_from_slice(&self.open(&piece, false)?);
        }
        Ok(open.freeze())
    }

    /// The rest.
    pub(super) fn end(mut self) -> Result<Bytes, OpenError> {
        let piece = self.held.pop_front().filter(|_| self.waiting.is_empty());
        let piece = piece.ok_or(OpenError::Cut)?;
        Ok(self.open(&piece, true)?.into())
    }

    fn next(&mut self) -> Result<Option<Bytes>, OpenError> {
        let Some(length) = self.waiting.first_chunk::<LENGTH>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > LONGEST {
            return Err(OpenError::Cut);
        }
        if self.waiting.len() < LENGTH + length {
            return Ok(None);
        }
        self.waiting.advance(LENGTH);
        Ok(Some(self.waiting.split_to(length).freeze()))
    }

    fn open(&mut self, piece: &Bytes, last: bool) -> Result<Vec<u8>, OpenError> {
        let row = row(&self.place, self.count, last);
        self.count += 1;
        if !is_sealed(piece) {
            // `open` takes what was stored before there were keys; nothing here was.
            return Err(OpenError::Cut);
        }
        Ok(self.keys.open(cell(&row), piece.to_vec())?)
    }
}

/// As [`Keys::seal`] marks what it has encrypted: with the name of a key.
fn is_sealed(piece: &[u8]) -> bool {
    piece.strip_prefix(b"zaki-sealed:").is_some_and(|rest| !rest.starts_with(b":"))
}

fn row(place: &str, count: u64, last: bool) -> String {
    format!("{place}\n{count}\n{}", if last { "last" } else { "more" })
}

fn cell(row: &String) -> Cell<'_> {
    Cell { column: "edge.backup.piece", row }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[(&str, u8)]) -> Keys {
        use base64::Engine;
        let secret = |byte: u8| base64::engine::general_purpose::STANDARD.encode([byte; 32]).into();
        let all: Vec<_> = names.iter().map(|(id, byte)| (*id, secret(*byte))).collect();
        Keys::new(all.iter().map(|(id, key)| (*id, key))).unwrap()
    }

    fn seal(keys: &Keys, place: &str, bytes: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::new(keys, place.to_owned()).unwrap();
        let mut stored = Vec::new();
        for chunk in bytes.chunks(100_000) {
            stored.extend(sealer.push(chunk).unwrap());
        }
        stored.extend(sealer.end().unwrap());
        stored
    }

    fn open(keys: &Keys, place: &str, bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut opener = Opener::new(keys, place.to_owned());
        let mut plain = Vec::new();
        for chunk in bytes.chunks(70_000) {
            plain.extend(opener.push(chunk)?);
        }
        plain.extend(opener.end()?);
        Ok(plain)
    }

    #[test]
    fn what_is_sealed_opens_and_shows_nothing() {
        let keys = keys(&[("k1", 1)]);
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let bytes = vec![b'x'; size];
            let sealed = seal(&keys, "a", &bytes);
            assert!(!sealed.windows(9).any(|part| part == b"xxxxxxxxx"));
            assert_eq!(open(&keys, "a", &sealed).unwrap(), bytes);
        }
    }

    #[test]
    fn no_piece_is_missing_moved_or_another_backup_s() {
        let keys = keys(&[("k1", 1)]);
        let sealed = seal(&keys, "a", &vec![7; 2 * PIECE + 5]);
        assert!(open(&keys, "b", &sealed).is_err(), "another backup's");
        let first = LENGTH + u32::from_be_bytes(*sealed.first_chunk().unwrap()) as usize;
        let (one, rest) = sealed.split_at(first);
        let (two, three) = rest.split_at(first);
        for broken in [
            one.to_vec(),
            [one, two].concat(),
            [one, three].concat(),
            [two, one, three].concat(),
            [one, two, three, three].concat(),
            sealed[..sealed.len() - 1].to_vec(),
            Vec::new(),
        ] {
            assert!(open(&keys, "a", &broken).is_err());
        }
        let mut plain = 5_u32.to_be_bytes().to_vec();
        plain.extend(b"plain");
        assert!(open(&keys, "a", &plain).is_err(), "not encrypted at all");
        for at in (0..sealed.len()).step_by(9_973) {
            let mut flipped = sealed.clone();
            flipped[at] ^= 4;
            assert!(open(&keys, "a", &flipped).is_err(), "byte {at}");
        }
    }

    #[test]
    fn keys_are_exchanged_while_backups_lie() {
        let old = seal(&keys(&[("k1", 1)]), "a", b"memory");
        let both = keys(&[("k2", 2), ("k1", 1)]);
        assert_eq!(open(&both, "a", &old).unwrap(), b"memory");
        let new = seal(&both, "a", b"memory");
        assert_eq!(open(&keys(&[("k2", 2)]), "a", &new).unwrap(), b"memory");
        let missing = open(&keys(&[("k2", 2)]), "a", &old).unwrap_err().to_string();
        assert!(missing.contains("\"k1\""), "{missing}");
        assert!(Sealer::new(&Keys::default(), "a".into()).is_none());
    }
}
