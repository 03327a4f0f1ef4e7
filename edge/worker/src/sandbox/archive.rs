//! Archives and their notes as they lie in R2, and on their way from there and there.

use futures::StreamExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use worker::{
    Bucket, ByteStream, Error, Method, MultipartUpload, Object as Stored, ResponseBody, Result,
};
use zaki_edge_core::backup::{Flaw, Stock};
use zaki_envelope::{BackupId, SandboxName, wire::Backup};

use super::link::Link;
use crate::{breakers::Fell, report};

pub(super) const ARCHIVE: &str = "archive.tar.zst";
pub(super) const NOTE: &str = "backup.json";
/// One part of a large archive, in bytes; R2 takes none below 5 MiB but the last.
const PART: usize = 8 * 1024 * 1024;

/// Why there is no backup, in a sentence for operators.
pub(super) type Failed = String;
/// The same, with whose fault it is.
pub(super) type Asked<T> = std::result::Result<T, Fell<Failed>>;

pub(super) fn home(name: &SandboxName) -> String {
    format!("users/{}/{name}/", name.user())
}

pub(super) fn place(name: &SandboxName, id: BackupId, what: &str) -> String {
    format!("{}{id}/{what}", home(name))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(super) fn said(error: impl ToString) -> Failed {
    error.to_string()
}

/// The backups of a sandbox. What the bucket names and does not give is no news of what it has: it may
/// have been dropped just now, or the bucket may fail, so it is asked again.
pub(super) async fn list(bucket: &Bucket, name: &SandboxName) -> Result<Stock> {
    match look(bucket, name).await? {
        Some(stock) => Ok(stock),
        None => look(bucket, name)
            .await?
            .ok_or_else(|| Error::from("the backup store does not give what it says that it has")),
    }
}

/// `None`: something is named and not there.
async fn look(bucket: &Bucket, name: &SandboxName) -> Result<Option<Stock>> {
    let (mut stock, mut cursor) = (Stock::default(), None::<String>);
    loop {
        let mut ask = bucket.list().prefix(home(name));
        if let Some(cursor) = cursor {
            ask = ask.cursor(cursor);
        }
        let found = ask.execute().await?;
        for note in found.objects().iter().map(Stored::key).filter(|key| key.ends_with(NOTE)) {
            let object = bucket.get(&note).execute().await?;
            let Some(body) = object.as_ref().and_then(Stored::body) else { return Ok(None) };
            match serde_json::from_slice::<Backup>(&body.bytes().await?) {
                Ok(backup) if place(name, backup.id, NOTE) == note => stock.kept.push(backup),
                _ => {
                    report::failure("backup.unreadable", &note);
                    stock.unread.push(note.rsplit('/').nth(1).unwrap_or_default().to_owned());
                }
            }
        }
        cursor = found.cursor().filter(|_| found.truncated());
        if cursor.is_none() {
            return Ok(Some(stock));
        }
    }
}

/// Streams an archive into the bucket, in parts; its size and hash.
pub(super) async fn store(
    bucket: &Bucket,
    at: &str,
    mut archive: ByteStream,
) -> Asked<(u64, String)> {
    let (mut digest, mut size, mut part) = (Sha256::new(), 0_u64, Vec::new());
    let mut upload: Option<(MultipartUpload, Vec<worker::UploadedPart>)> = None;
    while let Some(piece) = archive.next().await {
        let piece = piece.map_err(|error| format!("the archive broke off: {error}"));
        let piece = match piece {
            Ok(piece) => piece,
            Err(why) => {
                if let Some((upload, _)) = &upload {
                    let _ = upload.abort().await;
                }
                return Err(Fell::Else(why));
            }
        };
        digest.update(&piece);
        size = size.saturating_add(piece.len() as u64);
        part.extend_from_slice(&piece);
        if part.len() >= PART {
            let rest = part.split_off(PART);
            let whole = std::mem::replace(&mut part, rest);
            if upload.is_none() {
                let begun = bucket.create_multipart_upload(at).execute().await?;
                upload = Some((begun, Vec::new()));
            }
            if let Some((upload, parts)) = &mut upload {
                parts.push(upload.upload_part(number(parts)?, whole).await?);
            }
        }
    }
    match upload {
        Some((upload, mut parts)) => {
            if !part.is_empty() {
                parts.push(upload.upload_part(number(&parts)?, part).await?);
            }
            upload.complete(parts).await?;
        }
        None => {
            bucket.put(at, part).execute().await?;
        }
    }
    Ok((size, hex::encode(digest.finalize())))
}

/// Of the next part.
fn number(parts: &[worker::UploadedPart]) -> Asked<u16> {
    let number = u16::try_from(parts.len() + 1);
    number.map_err(|_| Fell::Else("it is too long".to_owned()))
}

pub(super) async fn read_back(bucket: &Bucket, at: &str) -> Result<(u64, String)> {
    let (mut digest, mut size) = (Sha256::new(), 0_u64);
    let found = bucket.get(at).execute().await?;
    if let Some(body) = found.as_ref().and_then(Stored::body) {
        let mut pieces = body.stream()?;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            digest.update(&piece);
            size = size.saturating_add(piece.len() as u64);
        }
    }
    Ok((size, hex::encode(digest.finalize())))
}

/// Sends one archive, unread by the object. `Ok(Err)`: it is not whole, or not what can be taken here
/// and now; the sandbox looks at every byte of it before it takes any.
pub(super) async fn give(
    bucket: &Bucket,
    name: &SandboxName,
    link: &Link,
    backup: &Backup,
) -> Asked<std::result::Result<(), Flaw>> {
    if let Some(key) = &backup.key {
        let why = format!("it is encrypted with the key {key:?}, and this edge takes no keys");
        return Ok(Err(Flaw::Unfit(why)));
    }
    let at = place(name, backup.id, ARCHIVE);
    let Some(object) = bucket.get(at.as_str()).execute().await? else {
        return Ok(Err(Flaw::Broken("its archive is not there".to_owned())));
    };
    if object.size() != backup.size {
        return Ok(Err(Flaw::Broken("its archive has another size".to_owned())));
    }
    let Some(Ok(ResponseBody::Stream(body))) = object.body().map(worker::ObjectBody::response_body)
    else {
        return Err(Fell::Part("its archive cannot be read".to_owned()));
    };
    let given = link.raw(Method::Put, "restore", Some(body.into()), &[]).await;
    let mut answer = given.map_err(|error| Fell::Else(said(error)))?;
    match answer.status_code() {
        200..=299 => Ok(Ok(())),
        422 => {
            let said: Value = answer.json().await.unwrap_or_default();
            let why = said.get("error").and_then(Value::as_str).unwrap_or("its sandbox refuses it");
            Ok(Err(Flaw::of(backup, &read_back(bucket, &at).await?, why.to_owned())))
        }
        status => Err(Fell::Else(format!("the sandbox answered {status}"))),
    }
}

/// There is nothing to wait for. `refused`: nor must it begin.
pub(super) async fn begin(link: &Link, refused: Option<String>) -> std::result::Result<(), Failed> {
    let body = serde_json::to_vec(&json!({ "refused": refused })).unwrap_or_default();
    link.call(Method::Post, "begin", Some(&body)).await.map(drop).map_err(said)
}
