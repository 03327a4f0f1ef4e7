//! Media of turns: those the edge brings before it hands a turn over, and those of an answer, until
//! the edge has fetched them. By their hash, for a day, and in no backup.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    body::Bytes,
    extract::{Path as Segment, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use zaki_envelope::{Kept, MediaHash, Part};

use crate::api::{App, refuse};

/// How long they are kept.
const KEPT: Duration = Duration::from_hours(24);
/// What the gateway takes with one message, in bytes: `policy.attachments` of its hello (2026.9.6).
const MOST: usize = 19_464_192;
const LARGEST_IMAGE: usize = 6_291_456;
/// Pictures that models are shown; all others are files.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Where they lie.
#[derive(Clone, Debug)]
pub(crate) struct Media(PathBuf);

/// What goes to the gateway besides the words.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    /// As `chat.send` takes them.
    pub(crate) attachments: Vec<Value>,
    /// What the agent is told of those that are missing, a line each.
    pub(crate) missing: Vec<String>,
}

impl Media {
    /// In this folder, which need not be there.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    fn path(&self, hash: MediaHash) -> PathBuf {
        self.0.join(hash.to_string())
    }

    /// Keeps bytes by their hash.
    pub(crate) fn keep(&self, bytes: &[u8]) -> io::Result<MediaHash> {
        fs::create_dir_all(&self.0)?;
        self.forget()?;
        let hash = MediaHash::of(bytes);
        let part = self.0.join(format!("{hash}.{:x}", rand::random::<u64>()));
        fs::write(&part, bytes)?;
        fs::rename(part, self.path(hash))?;
        Ok(hash)
    }

    fn forget(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let Ok(at) = entry.metadata().and_then(|meta| meta.modified()) else { continue };
            if SystemTime::now().duration_since(at).is_ok_and(|age| age > KEPT) {
                // Somebody else may have been first.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    fn read(&self, hash: MediaHash) -> io::Result<Vec<u8>> {
        fs::read(self.path(hash))
    }

    /// The media that the parts name.
    pub(crate) fn attach(&self, parts: &[Part]) -> Attached {
        let (mut attached, mut total) = (Attached::default(), 0);
        for part in parts {
            let Part::Media { reference, mime, name, .. } = part else { continue };
            let Some(kept) = Kept::of(reference) else { continue };
            let name = name.as_deref();
            let Ok(bytes) = self.read(kept.hash) else {
                attached.missing.push(missing(name, "its bytes did not arrive"));
                continue;
            };
            let mime = mime.as_deref().unwrap_or("application/octet-stream");
            let is_picture = PICTURES.contains(&mime);
            total += bytes.len();
            if total > MOST || is_picture && bytes.len() > LARGEST_IMAGE {
                total -= bytes.len();
                attached.missing.push(missing(name, "it is too large to be shown"));
                continue;
            }
            attached.attachments.push(json!({
                "type": if is_picture { "image" } else { "file" },
                "mimeType": mime,
                "fileName": name.map_or_else(|| default_name(mime), str::to_owned),
                "content": STANDARD.encode(bytes),
            }));
        }
        attached
    }
}

fn missing(name: Option<&str>, why: &str) -> String {
    format!("[a file could not be attached: {}; {why}]", name.unwrap_or("without a name"))
}

/// A name for what has none: its kind, and the ending by which it is told.
fn default_name(mime: &str) -> String {
    let (kind, ending) = mime.split_once('/').unwrap_or(("file", "bin"));
    let ending = ending.split([';', '+', '.']).next().unwrap_or("bin");
    let ending = if ending == "octet-stream" { "bin" } else { ending };
    format!("{kind}.{ending}")
}

/// The name of a file, without what leads elsewhere.
pub(crate) fn plain_name(name: &str) -> String {
    let name = Path::new(name).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(120).collect();
    if name.is_empty() { "file".to_owned() } else { name }
}

/// The edge brings one.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Segment(hash): Segment<String>,
    body: Bytes,
) -> Response {
    let media = Media::new(app.layout.media());
    let kept = spawn_blocking(move || {
        if MediaHash::of(&body).to_string() == hash {
            media.keep(&body).map(Some)
        } else {
            Ok(None)
        }
    });
    match kept.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(Some(_)) => StatusCode::NO_CONTENT.into_response(),
        Ok(None) => refuse(StatusCode::BAD_REQUEST, &"the body is not what the hash says"),
        Err(error) => {
            tracing::error!(%error, "a medium cannot be kept");
            refuse(StatusCode::INSUFFICIENT_STORAGE, &"the sandbox's disk cannot be written")
        }
    }
}

/// The edge fetches one.
pub(crate) async fn get(State(app): State<Arc<App>>, Segment(hash): Segment<String>) -> Response {
    let Ok(hash) = hash.parse() else { return StatusCode::NOT_FOUND.into_response() };
    let media = Media::new(app.layout.media());
    match spawn_blocking(move || media.read(hash)).await {
        Ok(Ok(bytes)) => {
            ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{MediaKind, Timestamp, ZakiUserId};

    use super::*;

    fn part(hash: MediaHash, mime: &str, name: Option<&str>) -> Part {
        let kept = Kept { user: ZakiUserId::from_parts(Timestamp::from_ms(1), 1), hash };
        Part::Media {
            kind: MediaKind::Document,
            reference: kept.reference(),
            mime: Some(mime.to_owned()),
            name: name.map(str::to_owned),
            size: None,
        }
    }

    #[test]
    fn a_message_brings_its_pictures_and_files_and_says_what_it_cannot() {
        let dir = tempfile::tempdir().unwrap();
        let media = Media::new(dir.path().join("media"));
        let small = media.keep(b"a picture").unwrap();
        let large = media.keep(&vec![1; LARGEST_IMAGE + 1]).unwrap();
        let parts = [
            Part::text("look"),
            part(small, "image/png", None),
            part(large, "application/pdf", Some("a.pdf")),
            part(large, "image/png", Some("b.png")),
            part(MediaHash::of(b"lost"), "image/png", Some("c.png")),
        ];
        let Attached { attachments, missing } = media.attach(&parts);
        let told: Vec<_> = attachments
            .iter()
            .map(|it| (it["type"].as_str().unwrap(), it["fileName"].as_str().unwrap()))
            .collect();
        assert_eq!(told, [("image", "image.png"), ("file", "a.pdf")]);
        assert_eq!(attachments[0]["content"], STANDARD.encode(b"a picture"));
        assert!(missing[0].contains("b.png; it is too large"), "{missing:?}");
        assert!(missing[1].contains("c.png; its bytes did not arrive"), "{missing:?}");
    }

    #[test]
    fn no_more_goes_with_a_message_than_the_gateway_takes() {
        let dir = tempfile::tempdir().unwrap();
        let media = Media::new(dir.path().to_owned());
        let half = media.keep(&vec![7; MOST / 2]).unwrap();
        let more = media.keep(&vec![8; MOST / 2 + 2]).unwrap();
        let kind = "application/zip";
        let parts = [part(half, kind, None), part(more, kind, None), part(half, kind, None)];
        let Attached { attachments, missing } = media.attach(&parts);
        assert_eq!((attachments.len(), missing.len()), (2, 1));
    }

    #[test]
    fn names_lead_nowhere() {
        assert_eq!(plain_name("../../etc/passwd"), "passwd");
        assert_eq!(plain_name("a\u{0}b.png"), "ab.png");
        assert_eq!(plain_name(".."), "file");
    }
}
