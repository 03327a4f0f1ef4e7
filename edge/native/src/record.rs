//! Keeps what becomes of turns, many in one commit and beside whatever comes next.
//!
//! No answer waits for it: until an end is kept, the sandbox's own journal has the turn, and a
//! start that is not kept yet is known to the hub, who asks with the whole request.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use zaki_edge_core::front::Refusal;
use zaki_envelope::Timestamp;

use crate::{clock, runtime::Link, shared::Shared, state::Change, turn::Turn};

/// How long the first of a commit waits for others.
const WINDOW: Duration = Duration::from_millis(100);
/// Between tries on a disk that refuses.
const PAUSE: Duration = Duration::from_secs(5);
/// Most turns of one commit.
const MOST: usize = 1024;
/// Ends that may wait to be kept before no further turn begins: memory is not the disk's buffer.
const BACKLOG: usize = 2048;
/// How long a turn waits for its beginning then.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to the one who keeps.
pub(crate) struct Recorder {
    queue: mpsc::UnboundedSender<Note>,
    backlog: Arc<Semaphore>,
}

/// What has happened to a turn.
enum Note {
    Started(Arc<Turn>, Timestamp),
    Ended {
        turn: Arc<Turn>,
        at: Timestamp,
        link: Option<Arc<dyn Link>>,
        /// Given back when it is kept. Turns that were under way end without one, too.
        _room: Option<OwnedSemaphorePermit>,
    },
    /// Everything before this is to be kept at once; then tell.
    Flush(oneshot::Sender<()>),
}

/// The other end, until it is set to work.
pub(crate) struct Notes(mpsc::UnboundedReceiver<Note>);

impl Recorder {
    pub(crate) fn new() -> (Self, Notes) {
        let (queue, notes) = mpsc::unbounded_channel();
        (Self { queue, backlog: Arc::new(Semaphore::new(BACKLOG)) }, Notes(notes))
    }

    /// Returns when one more turn may begin; not in time: the disk is too slow, or refuses.
    pub(crate) async fn room(&self) -> Result<(), Refusal> {
        match timeout(PATIENCE, self.backlog.acquire()).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Refusal::Unavailable),
        }
    }

    /// It is to be taken up after a crash.
    pub(crate) fn started(&self, turn: &Arc<Turn>) {
        self.note(Note::Started(turn.clone(), clock::now()));
    }

    /// It has ended; when that is durable, the turn is closed and its sandbox may forget it.
    pub(crate) fn ended(&self, turn: Arc<Turn>, link: Option<Arc<dyn Link>>) {
        let room = self.backlog.clone().try_acquire_owned().ok();
        self.note(Note::Ended { turn, at: clock::now(), link, _room: room });
    }

    /// Returns when everything said so far has been kept.
    pub(crate) async fn flush(&self) {
        let (done, told) = oneshot::channel();
        self.note(Note::Flush(done));
        let _ = told.await;
    }

    fn note(&self, note: Note) {
        // Nobody at the other end: the edge is gone, and the sandboxes' journals have it.
        let _ = self.queue.send(note);
    }
}

impl Notes {
    /// Keeps until the edge is gone.
    pub(crate) async fn keep(mut self, shared: Weak<Shared>) {
        let mut notes = Vec::new();
        while self.0.recv_many(&mut notes, MOST).await > 0 {
            let is_flush = |note: &Note| matches!(note, Note::Flush(_));
            // A full commit waits for no others, so that no backlog grows.
            if notes.len() < MOST && !notes.iter().any(is_flush) {
                sleep(WINDOW).await;
                while notes.len() < MOST
                    && let Ok(note) = self.0.try_recv()
                {
                    notes.push(note);
                }
            }
            let Some(shared) = shared.upgrade() else { return };
            commit(&shared, std::mem::take(&mut notes)).await;
        }
    }
}

async fn commit(shared: &Shared, notes: Vec<Note>) {
    while let Err(error) = shared.state.record(changes(&notes)).await {
        tracing::error!(%error, "turns.not_kept");
        if matches!(error, zaki_store::Error::Closed { .. }) {
            return;
        }
        sleep(PAUSE).await;
    }
    for note in notes {
        match note {
            Note::Started(..) => {}
            Note::Ended { turn, link, .. } => {
                shared.close(&turn);
                if let Some(link) = link {
                    tokio::spawn(async move { acknowledge(&turn, link.as_ref()).await });
                }
            }
            Note::Flush(done) => _ = done.send(()),
        }
    }
}

fn changes(notes: &[Note]) -> Vec<Change> {
    let change = |note: &Note| match note {
        // Its end says it all.
        Note::Started(turn, _) if turn.has_ended() => None,
        Note::Started(turn, at) => Change::started(turn, *at),
        Note::Ended { turn, at, .. } => Change::ended(turn, *at),
        Note::Flush(_) => None,
    };
    notes.iter().filter_map(change).collect()
}

async fn acknowledge(turn: &Turn, link: &dyn Link) {
    if let Err(error) = link.ack(turn.id(), turn.last_seq()).await {
        // Its journal ends by age then.
        tracing::debug!(turn = %turn.id(), %error, "turn.not_acked");
    }
}
