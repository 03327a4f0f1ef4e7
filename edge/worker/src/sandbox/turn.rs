//! One turn under way: one log, and any number of readers in the same object.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use futures::{Stream, stream};
use worker::{Headers, Response, Result};
use zaki_edge_core::{
    http::{ALIVE, CHUNK, EVENTS, write},
    turn::{Cursor, Found, Progress},
};
use zaki_envelope::{
    InboundId, TurnId,
    wire::{SIGN_OF_LIFE, TurnEvent, TurnRequest, Usage},
};

use crate::{clock, millis, signal::Signal};

thread_local! {
    static STREAMS: Cell<u64> = const { Cell::new(0) };
}

/// How many streams of events are read in this isolate.
pub(crate) fn streams() -> u64 {
    STREAMS.get()
}

/// One that is.
struct Open;

impl Open {
    fn new() -> Self {
        STREAMS.set(STREAMS.get().saturating_add(1));
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        STREAMS.set(STREAMS.get().saturating_sub(1));
    }
}

pub(crate) struct Turn {
    pub(crate) request: TurnRequest,
    progress: RefCell<Progress>,
    /// Its sandbox has it, in this moment.
    attached: Cell<bool>,
    signal: Signal,
}

/// What somebody who has more to say finds.
pub(crate) enum Ear {
    /// It has that already.
    Heard,
    /// It has ended.
    Closed,
    /// It runs.
    Open,
}

impl Turn {
    /// One that has used so much already.
    pub(crate) fn new(request: TurnRequest, used: Usage) -> Self {
        let turn = Self {
            request,
            progress: RefCell::default(),
            attached: Cell::new(false),
            signal: Signal::default(),
        };
        turn.progress.borrow_mut().spend(used);
        turn
    }

    pub(crate) const fn id(&self) -> TurnId {
        self.request.turn
    }

    /// Looks at how far it is.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Progress) -> T) -> T {
        look(&self.progress.borrow())
    }

    /// Changes how far it is, and tells its readers.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        let changed = change(&mut self.progress.borrow_mut());
        self.signal.tell();
        changed
    }

    pub(crate) fn attach(&self, attached: bool) {
        self.attached.set(attached);
        self.signal.tell();
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.attached.get()
    }

    /// Waits until `steer` can be told to it, or need not be.
    pub(crate) async fn ear(&self, steer: InboundId) -> Ear {
        self.signal
            .wait(|| {
                let (has, ended) = self.look(|it| (it.has(steer), it.has_ended()));
                match (has, ended) {
                    (true, _) => Some(Ear::Heard),
                    (_, true) => Some(Ear::Closed),
                    _ => self.attached.get().then_some(Ear::Open),
                }
            })
            .await
    }

    async fn next(&self, cursor: &mut Cursor) -> Option<Arc<TurnEvent>> {
        self.signal
            .wait(|| match self.look(|it| cursor.take(it)) {
                Found::Event(event) => Some(Some(event)),
                Found::End => Some(None),
                Found::Nothing => None,
            })
            .await
    }

    /// Its events after `after`, as a response that stays open until its end.
    pub(crate) fn events(self: Rc<Self>, after: u64) -> Result<Response> {
        let cursor = self.look(|it| Cursor::new(it, after));
        let headers = Headers::new();
        for (name, value) in EVENTS {
            headers.set(name, value)?;
        }
        Response::builder().with_headers(headers).from_stream(self.lines(cursor))
    }

    /// What there is goes out together; when there is nothing for a while, a sign of life does.
    fn lines(self: Rc<Self>, cursor: Cursor) -> impl Stream<Item = Result<Vec<u8>>> {
        stream::unfold((self, cursor, Open::new()), |(turn, mut cursor, open)| async move {
            let mut chunk = String::new();
            match clock::timeout(millis(SIGN_OF_LIFE), turn.next(&mut cursor)).await {
                Some(event) => write(&mut chunk, event?.as_ref()),
                None => chunk.push_str(ALIVE),
            }
            while chunk.len() < CHUNK
                && let Found::Event(event) = turn.look(|it| cursor.take(it))
            {
                write(&mut chunk, &event);
            }
            Some((Ok(chunk.into_bytes()), (turn, cursor, open)))
        })
    }
}
