//! Media on their way through the hub: from a platform to the edge before a turn, and from the edge
//! to a platform with an answer. The hub keeps none; what JSON and the ledger hold is where the edge
//! keeps it, and for whom.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{sleep, timeout},
};
use zaki_channel::{Capabilities, ChannelError, File, Retry};
use zaki_envelope::{
    Address, Inbound, Kept, LARGEST_MEDIUM, MediaHash, MediaKind, MediaRef, MessageId, Outbound,
    Part, ZakiUserId, wire::TurnRequest,
};
use zaki_ledger::OpenTurn;
use zaki_words::{self as words, Say, Voice};

use crate::{edge::EdgeError, hub::Hub, notice};

/// So many are in memory at once, in either direction.
const AT_ONCE: usize = 4;
/// How long one may take from its platform to the edge, its tries included.
const PATIENCE: Duration = Duration::from_mins(1);
/// Before another try, unless the platform says how long.
const PAUSE: Duration = Duration::from_secs(1);

/// Room for the media that are on their way.
pub(crate) struct Seats(Semaphore);

impl Default for Seats {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Seats {
    /// Waits for one; it is given back by whoever drops it.
    pub(crate) async fn seat(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.0.acquire().await.ok()
    }
}

/// A file an agent has made, as its turn tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub hash: MediaHash,
    pub mime: String,
    pub name: String,
    pub size: Option<u64>,
}

impl Made {
    /// As a part of the answer to this person.
    fn part(self, user: ZakiUserId) -> Part {
        let kind = match self.mime.split('/').next() {
            Some("image") => MediaKind::Image,
            Some("video") => MediaKind::Video,
            Some("audio") => MediaKind::Audio,
            _ => MediaKind::Document,
        };
        let Self { hash, mime, name, size } = self;
        let reference = Kept { user, hash }.reference();
        Part::Media { kind, reference, mime: Some(mime), name: Some(name), size }
    }
}

/// An answer with its files: those its channel does not take are named in words.
pub(crate) fn answer(
    text: Option<String>,
    made: Vec<Made>,
    user: ZakiUserId,
    can: Option<Capabilities>,
    voice: Voice,
) -> Vec<Part> {
    let text = text.map(Part::text);
    let files = made.into_iter().map(|made| match can {
        Some(can) if !can.takes(Some(&made.mime), made.size) => {
            Part::text(words::Media::NotSent { name: &made.name }.say(voice))
        }
        _ => made.part(user),
    });
    text.into_iter().chain(files).collect()
}

/// Why a medium has not come.
enum Lost {
    TooLarge,
    Unavailable,
}

/// Brings the media of a turn to the edge, and writes into the request where they are.
pub(crate) async fn bring_all(hub: &Arc<Hub>, open: &OpenTurn, request: &mut TurnRequest) {
    if !open.inbounds.iter().any(has_media) {
        return;
    }
    let mut parts = Vec::with_capacity(request.parts.len());
    for inbound in &open.inbounds {
        parts.extend(bring(hub, open.turn.user, inbound).await);
    }
    request.parts = parts;
}

fn has_media(inbound: &Inbound) -> bool {
    inbound.parts.iter().any(|part| matches!(part, Part::Media { .. }))
}

/// The parts of one message with its media at the edge. What cannot be had is told: the agent reads
/// of it, and so does the person.
pub(crate) async fn bring(hub: &Arc<Hub>, user: ZakiUserId, inbound: &Inbound) -> Vec<Part> {
    let mut parts = inbound.parts.clone();
    for part in &mut parts {
        let Part::Media { reference, name, size, .. } = part else { continue };
        // On the heap: nearly every message goes without.
        let carried = Box::pin(timeout(PATIENCE, carry(hub, user, inbound, reference, *size)));
        let too_large = match carried.await {
            Ok(Ok((kept, bytes))) => {
                *reference = kept.reference();
                *size = Some(bytes);
                continue;
            }
            Ok(Err(Lost::TooLarge)) => true,
            Ok(Err(Lost::Unavailable)) | Err(_) => false,
        };
        *part = Box::pin(lost(hub, user, inbound, name.take(), too_large)).await;
    }
    parts
}

/// Says that a medium has not come, to the person at once, to the agent in its place.
async fn lost(
    hub: &Arc<Hub>,
    user: ZakiUserId,
    inbound: &Inbound,
    name: Option<String>,
    too_large: bool,
) -> Part {
    let voice = hub.voice(user, inbound).await;
    let megabytes = usize::try_from(LARGEST_MEDIUM / 1_000_000).unwrap_or(0);
    let said =
        if too_large { words::Media::TooLarge { megabytes } } else { words::Media::Unavailable };
    notice::remark(hub, inbound, said.say(voice)).await;
    let why = if too_large { "it is too large" } else { "its platform did not hand it out" };
    let name = name.unwrap_or_else(|| "a file".to_owned());
    tracing::info!(inbound = %inbound.id, why, "media.not_brought");
    Part::text(format!("[attached, but not received: {name}; {why}]"))
}

/// Fetches one from its platform and hands it to the edge.
async fn carry(
    hub: &Hub,
    user: ZakiUserId,
    inbound: &Inbound,
    reference: &MediaRef,
    size: Option<u64>,
) -> Result<(Kept, u64), Lost> {
    if size.is_some_and(|size| size > LARGEST_MEDIUM) {
        return Err(Lost::TooLarge);
    }
    let _seat = hub.media.seat().await;
    let bytes = fetch(hub, inbound, reference).await?;
    let size = bytes.len() as u64;
    loop {
        match hub.edge.keep(user, bytes.clone()).await {
            Ok(kept) => return Ok((kept, size)),
            Err(error) if error.is_passing() => sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!(%user, %error, "the edge does not keep a medium");
                return Err(Lost::Unavailable);
            }
        }
    }
}

/// Nothing is changed by asking, so it is asked again whatever became of the answer.
async fn fetch(hub: &Hub, inbound: &Inbound, reference: &MediaRef) -> Result<Bytes, Lost> {
    let account = hub.accounts.get(inbound.channel, &inbound.account).ok_or(Lost::Unavailable)?;
    loop {
        let read = async {
            let mut pieces = account.channel.fetch(reference).await?;
            let mut bytes = BytesMut::new();
            while let Some(piece) = pieces.next().await {
                bytes.extend_from_slice(&piece?);
                if bytes.len() as u64 > LARGEST_MEDIUM {
                    return Ok(None);
                }
            }
            Ok::<_, ChannelError>(Some(bytes.freeze()))
        };
        match read.await {
            Ok(bytes) => return bytes.ok_or(Lost::TooLarge),
            Err(error) => {
                tracing::info!(inbound = %inbound.id, %error, "media.not_fetched");
                match error.retry {
                    Retry::Never => return Err(Lost::Unavailable),
                    Retry::AfterMs(ms) => sleep(Duration::from_millis(ms).max(PAUSE)).await,
                    Retry::Unknown => sleep(PAUSE).await,
                }
            }
        }
    }
}

/// What is to be uploaded where a delivery is one file.
pub(crate) struct Upload {
    pub file: File,
    pub reply_to: Option<MessageId>,
}

/// What a delivery's bytes are.
pub(crate) enum Load {
    /// It has none.
    Words,
    File(Box<Upload>),
    /// They are kept no longer; this is to be said instead.
    Gone(Outbound),
}

/// Fetches the bytes of a delivery that is a file from the edge.
pub(crate) async fn load(
    hub: &Hub,
    to: &Address,
    outbound: &Outbound,
) -> Result<Load, ChannelError> {
    let Outbound::Post { parts, reply_to } = outbound else { return Ok(Load::Words) };
    let Some(Part::Media { kind, reference, mime, name, .. }) = parts.first() else {
        return Ok(Load::Words);
    };
    let name = name.clone().unwrap_or_else(|| "file".to_owned());
    let gone = || {
        let text = words::Media::NotSent { name: &name }.say(hub.voice_at(to));
        Load::Gone(Outbound::Post { parts: vec![Part::text(text)], reply_to: reply_to.clone() })
    };
    let Some(kept) = Kept::of(reference) else { return Ok(gone()) };
    match Box::pin(hub.edge.medium(kept)).await {
        Ok(bytes) => {
            let mime = mime.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
            let file = File { kind: *kind, mime, name, bytes };
            Ok(Load::File(Box::new(Upload { file, reply_to: reply_to.clone() })))
        }
        Err(EdgeError::Unknown | EdgeError::Gone) => Ok(gone()),
        Err(error) => {
            let why = "the edge does not hand a file out";
            tracing::warn!(%error, why);
            Err(ChannelError::new(to.channel, Retry::AfterMs(1_000), why))
        }
    }
}
