//! Everything kept about a person, as a zip that is made while it is read: what the directory has,
//! what the ledger has, and what their sandbox has written down, as its newest backup.

mod memory;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, stream};
use tokio::sync::mpsc;
use zaki_envelope::ZakiUserId;
use zaki_identity::{Actor, Directory, DirectoryError};
use zaki_ledger::{Ledger, Mark};
use zaki_words::{Archive, Lang, Say, Voice};
use zip::{
    ZipWriter,
    result::ZipError,
    write::{SimpleFileOptions, StreamWriter},
};

use crate::{
    accounts::Accounts,
    clock,
    edge::{EdgeClient, EdgeError},
    hub::Hub,
    readable, who,
};

/// So many pieces wait to be read before more are made.
const AHEAD: usize = 2;

/// Where everything about a person comes from.
#[derive(Clone)]
pub(crate) struct Source {
    pub directory: Directory,
    pub ledger: Arc<dyn Ledger>,
    pub accounts: Arc<Accounts>,
    /// `None`: it cannot be reached from here.
    pub edge: Option<EdgeClient>,
}

/// Why an archive breaks off.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Ledger(#[from] zaki_ledger::Error),
    #[error("a backup broke off")]
    Edge(#[from] EdgeError),
    #[error("the archive cannot be written")]
    Zip(#[from] ZipError),
    #[error("the archive cannot be written")]
    Json(#[from] serde_json::Error),
    #[error("the archive cannot be written")]
    Write(#[from] io::Error),
    #[error("nobody reads the archive any more")]
    Unread,
}

/// The answer to `GET /export/<token>`. The address is good for one.
pub(crate) async fn download(hub: &Hub, token: &str, headers: &HeaderMap) -> Response {
    let user = match hub.directory.take_export(token, clock::now()).await {
        Ok(Some(user)) => user,
        Ok(None) => {
            let said = Archive::UsedUp.say(Voice::new(preferred(headers)));
            return (StatusCode::NOT_FOUND, format!("{said}\n")).into_response();
        }
        Err(error) => {
            tracing::error!(%error, "an archive was asked for in vain");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let source = Source {
        directory: hub.directory.clone(),
        ledger: Arc::clone(&hub.ledger),
        accounts: Arc::clone(&hub.accounts),
        edge: Some(hub.edge.clone()),
    };
    let headers = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"zaki-export.zip\""),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let archive = archive(source, user, Some(Actor::Person(user)));
    (headers, Body::from_stream(archive)).into_response()
}

/// The first language of a browser's that is spoken here.
fn preferred(headers: &HeaderMap) -> Lang {
    let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|asked| asked.to_str().ok());
    let mut tags = asked.unwrap_or_default().split(',').filter_map(|tag| tag.split(';').next());
    tags.find_map(Lang::find).unwrap_or_default()
}

/// The archive, piece by piece. One that breaks off ends with an error, so that nobody takes it for
/// the whole; `by`: who has been recorded as having it, for whom that is recorded then, too.
pub(crate) fn archive(
    source: Source,
    user: ZakiUserId,
    by: Option<Actor>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (pieces, read) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let mut packer = Packer::new(pieces);
        let Err(error) = packer.pack(&source, user).await else { return };
        if let Some(by) = by {
            broke_off(&source.directory, user, by).await;
        }
        if !matches!(error, ExportError::Unread) {
            tracing::error!(%user, %error, "an archive breaks off");
            // Whoever does not read any more need not hear it.
            packer.pieces.send(Err(io::Error::other(error))).await.ok();
        }
    });
    stream::unfold(read, |mut read| async move { Some((read.recv().await?, read)) })
}

/// Records that nobody has got the whole of an archive.
pub(crate) async fn broke_off(directory: &Directory, user: ZakiUserId, by: Actor) {
    let (about, nothing) = (Some(user), serde_json::json!({}));
    let record = directory.record("export_failed", by, about, nothing, clock::now());
    if let Err(error) = record.await {
        tracing::warn!(%user, %error, "that an archive broke off is not in the record");
    }
}

/// What has been written and not sent.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Packer {
    zip: ZipWriter<StreamWriter<Written>>,
    written: Written,
    pieces: mpsc::Sender<io::Result<Bytes>>,
}

impl Packer {
    fn new(pieces: mpsc::Sender<io::Result<Bytes>>) -> Self {
        let written = Written::default();
        Self { zip: ZipWriter::new_stream(written.clone()), written, pieces }
    }

    async fn pack(&mut self, source: &Source, user: ZakiUserId) -> Result<(), ExportError> {
        let Source { directory, ledger, accounts, edge } = source;
        let dossiers = directory.dossiers(user).await?;
        for (whose, dossier) in &dossiers {
            let merged = || format!("merged/{whose}.json");
            self.begin(&if *whose == user { "person.json".to_owned() } else { merged() })?;
            serde_json::to_writer_pretty(&mut self.zip, dossier)?;
            self.send().await?;
        }
        self.begin("messages.jsonl")?;
        let who = who::who(directory, accounts, user).await?;
        let (mut lines, mut locale) = (BTreeSet::new(), None);
        let mut from = Some(Mark::default());
        while let Some(mark) = from {
            let page = ledger.dossier(&who, mark).await?;
            for kept in &page.kept {
                serde_json::to_writer(&mut self.zip, kept)?;
                self.zip.write_all(b"\n")?;
                lines.extend(readable::line(kept));
                locale = readable::locale(kept).or(locale);
            }
            self.send().await?;
            from = page.next;
        }
        self.begin("conversation.txt")?;
        let voice = voice(directory, user, locale).await?;
        for line in lines {
            self.zip.write_all(line.say(voice).as_bytes())?;
        }
        for (whose, _) in &dossiers {
            let merged = || format!("merged/{whose}/sandbox");
            let place = if *whose == user { "sandbox".to_owned() } else { merged() };
            self.pack_memory(edge.as_ref(), *whose, &place, voice).await?;
        }
        self.end().await
    }

    fn begin(&mut self, name: &str) -> Result<(), ZipError> {
        self.zip.start_file(name, SimpleFileOptions::default())
    }

    async fn end(&mut self) -> Result<(), ExportError> {
        let rest = mem::replace(&mut self.zip, ZipWriter::new_stream(Written::default()));
        rest.finish()?;
        self.send().await?;
        // There is room for so many when all before them have been taken.
        self.pieces.reserve_many(AHEAD).await.map(drop).map_err(|_| ExportError::Unread)
    }

    async fn send(&self) -> Result<(), ExportError> {
        let bytes = {
            let mut written = self.written.0.lock().unwrap_or_else(PoisonError::into_inner);
            mem::take(&mut *written)
        };
        if bytes.is_empty() {
            return Ok(());
        }
        self.pieces.send(Ok(bytes.into())).await.map_err(|_| ExportError::Unread)
    }
}

/// In which language: the one they have chosen, else the one they last used their platform in.
async fn voice(
    directory: &Directory,
    user: ZakiUserId,
    locale: Option<String>,
) -> Result<Voice, DirectoryError> {
    let chosen = directory.person(user).await?.and_then(|person| person.lang);
    Ok(Voice::new(chosen.or(locale).map_or(Lang::En, |tag| Lang::of(&tag))))
}
