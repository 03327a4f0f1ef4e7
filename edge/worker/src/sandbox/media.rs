//! Media on their way between the hub and a container: kept in the bucket for one person, by hash.

use worker::{Bucket, Env, Method, js_sys::Uint8Array};
use zaki_envelope::{
    Kept, MediaHash, Part, ZakiUserId,
    wire::{TurnEvent, TurnEventKind},
};

use super::{
    link::{Link, LinkError},
    object::Object,
};
use crate::report;

/// The bucket's binding.
pub(crate) const BUCKET: &str = "BACKUPS";

/// Where one lies.
pub(crate) fn place(user: ZakiUserId, hash: MediaHash) -> String {
    format!("media/{user}/{hash}")
}

/// The bytes, if they are kept for this person.
pub(crate) async fn read(
    env: &Env,
    user: ZakiUserId,
    hash: MediaHash,
) -> worker::Result<Option<Vec<u8>>> {
    let found = env.bucket(BUCKET)?.get(place(user, hash)).execute().await?;
    let Some(object) = found else { return Ok(None) };
    let Some(body) = object.body() else { return Ok(None) };
    body.bytes().await.map(Some)
}

/// Keeps the bytes; `false`: they are not what the hash says.
pub(crate) async fn keep(
    env: &Env,
    user: ZakiUserId,
    hash: MediaHash,
    bytes: Vec<u8>,
) -> worker::Result<bool> {
    if MediaHash::of(&bytes) != hash {
        return Ok(false);
    }
    let bucket: Bucket = env.bucket(BUCKET)?;
    bucket.put(place(user, hash), bytes).execute().await.map(|_| true)
}

impl Object {
    /// Hands the sandbox what the parts name. What is not kept for its person it does not get, and
    /// says so to its agent.
    pub(super) async fn give_media(&self, parts: &[Part], link: &Link) -> Result<(), LinkError> {
        let Some(user) = self.with(|life| life.name.user()) else { return Ok(()) };
        for kept in parts.iter().filter_map(kept).filter(|kept| kept.user == user) {
            let bytes = match read(&self.env, user, kept.hash).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(error) => {
                    report::failure("media.unreadable", &error);
                    continue;
                }
            };
            let body = Some(Uint8Array::from(bytes.as_slice()).into());
            let path = format!("media/{}", kept.hash);
            let answer = link.raw(Method::Put, &path, body, &[]).await?;
            if answer.status_code() >= 300 {
                report::failure("media.not_taken", &answer.status_code());
            }
        }
        Ok(())
    }

    /// Fetches what an event tells of: whoever hears of a file can have it.
    pub(super) async fn take_media(&self, event: &TurnEvent) -> Result<(), LinkError> {
        let TurnEventKind::Media { sha256, .. } = &event.kind else { return Ok(()) };
        let Ok(hash) = sha256.parse::<MediaHash>() else { return Ok(()) };
        let Some(user) = self.with(|life| life.name.user()) else { return Ok(()) };
        let bytes = match self.link()?.call(Method::Get, &format!("media/{hash}"), None).await {
            Ok(mut answer) => answer.bytes().await?,
            Err(error @ LinkError::Lost(_)) => return Err(error),
            Err(error) => {
                report::failure("media.not_given", &error);
                return Ok(());
            }
        };
        match keep(&self.env, user, hash, bytes).await {
            Ok(true) => {}
            Ok(false) => report::failure("media.not_as_told", &hash),
            Err(error) => report::failure("media.not_kept", &error),
        }
        Ok(())
    }
}

fn kept(part: &Part) -> Option<Kept> {
    match part {
        Part::Media { reference, .. } => Kept::of(reference),
        _ => None,
    }
}
