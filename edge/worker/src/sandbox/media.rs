//! Media on their way between the hub and a container: kept in the bucket for one person, by hash.

use worker::{Env, Method};
use zaki_envelope::{
    Kept, MediaHash, Part, ZakiUserId,
    wire::{TurnEvent, TurnEventKind},
};

use super::{
    link::{Link, LinkError, finish},
    object::Object,
};
use crate::{
    breakers::{self, Fell, Leave},
    report,
};

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
    let found = leaning(env, user, async {
        let found = env.bucket(BUCKET)?.get(place(user, hash)).execute().await?;
        match found.as_ref().and_then(worker::Object::body) {
            Some(body) => body.bytes().await.map(Some),
            None => Ok(None),
        }
    });
    found.await
}

/// Asks the bucket, unless it is left alone.
async fn leaning<T>(
    env: &Env,
    user: ZakiUserId,
    asked: impl Future<Output = worker::Result<T>>,
) -> worker::Result<T> {
    let alone = || worker::Error::from(breakers::left_alone(breakers::BUCKET));
    let leave = Leave::of(breakers::BUCKET, user).ok_or_else(alone)?;
    let done = leave.settle(asked.await.map_err(Fell::from));
    breakers::tell(env).await;
    done
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
    let kept = leaning(env, user, async {
        env.bucket(BUCKET)?.put(place(user, hash), bytes).execute().await.map(|_| true)
    });
    kept.await
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
            let path = format!("media/{}", kept.hash);
            match link.call(Method::Put, &path, Some(&bytes)).await {
                Ok(mut answer) => finish(&mut answer).await?,
                Err(error @ LinkError::Lost(_)) => return Err(error),
                Err(error) => report::failure("media.not_taken", &error),
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
