//! Media at the edge: brought there for a turn, fetched from there for an answer.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::time::timeout;
use zaki_envelope::{Kept, LARGEST_MEDIUM, MediaHash, ZakiUserId, wire::SILENCE};

use super::{EdgeClient, EdgeError};

impl EdgeClient {
    /// Has the edge keep a medium for this person alone, for a day. [`EdgeError::Gone`]: they are
    /// retired or being erased.
    pub(crate) async fn keep(&self, user: ZakiUserId, bytes: Bytes) -> Result<Kept, EdgeError> {
        let kept = Kept { user, hash: MediaHash::of(&bytes) };
        self.call("PUT", &path(kept), bytes).await?;
        Ok(kept)
    }

    /// The bytes of a medium. [`EdgeError::Unknown`]: it is kept for nobody, or not for them.
    pub(crate) async fn medium(&self, kept: Kept) -> Result<Bytes, EdgeError> {
        let mut answer = self.call("GET", &path(kept), Vec::new()).await?;
        let mut bytes = BytesMut::new();
        while let Some(piece) =
            timeout(SILENCE, answer.bytes.next()).await.map_err(EdgeError::lost)?
        {
            bytes.extend_from_slice(&piece?);
            if bytes.len() as u64 > LARGEST_MEDIUM {
                return Err(EdgeError::lost("a medium is too long"));
            }
        }
        if MediaHash::of(&bytes) == kept.hash {
            Ok(bytes.freeze())
        } else {
            Err(EdgeError::lost("a medium broke off"))
        }
    }
}

fn path(Kept { user, hash }: Kept) -> String {
    format!("/v1/users/{user}/media/{hash}")
}
