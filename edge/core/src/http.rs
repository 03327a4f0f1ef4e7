//! HTTP as both shells speak it: what a request asks for, once whoever makes it is proven, and how
//! it is answered. No handler is written twice: a shell reads bytes, does what a [`Request`] says,
//! and sends the [`Answer`].
//!
//! 1. [`Intake::open`] over the head: unknown paths, long bodies and, where the proof does not cover
//!    the body, strangers go no further.
//! 2. The shell reads the body, up to [`Intake::limit`].
//! 3. [`Intake::close`] over the raw bytes proves everybody else, and only then parses.

mod answer;
mod request;

use zaki_envelope::{SandboxName, Timestamp, signature::Message};

pub use answer::{ALIVE, Answer, CHUNK, EVENTS, barred, ended, write};
pub use request::{Order, Request};

use crate::front::{Call, Caller, Front, Owners, Refusal};

/// What comes before a body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Upper case.
    pub method: &'a str,
    /// As it stands in the request line.
    pub target: &'a str,
}

impl<'a> Head<'a> {
    /// The path and, if there is one, the query.
    pub fn split(self) -> (&'a str, Option<&'a str>) {
        match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target, None),
        }
    }
}

/// A request whose head was read.
#[derive(Debug)]
pub struct Intake<'a> {
    head: Head<'a>,
    call: Call,
    /// Known before the body was.
    caller: Option<Caller>,
}

impl<'a> Intake<'a> {
    /// Reads the head. `header` looks a header up by its lowercase name.
    pub fn open<'h, O: Owners + ?Sized>(
        head: Head<'a>,
        front: &Front<'_, O>,
        header: impl Fn(&str) -> Option<&'h str>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let (path, query) = head.split();
        let call = Call::of(head.method, path, query)?;
        let mut intake = Self { head, call, caller: None };
        // A stranger is turned away before the body is so much as measured, where that can be.
        if !intake.call.signs_its_body() {
            intake.caller = Some(intake.prove(front, &header, &[], now)?);
        }
        let limit = intake.limit();
        let announced = header("content-length").and_then(|length| length.parse::<u64>().ok());
        if announced.is_some_and(|length| usize::try_from(length).map_or(true, |it| it > limit)) {
            return Err(Refusal::TooLarge { limit });
        }
        Ok(intake)
    }

    /// Which call it is.
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// The longest body there may be, in bytes.
    pub const fn limit(&self) -> usize {
        self.call.body_limit()
    }

    /// The sandbox whose whole conversation is about to be read into memory.
    pub const fn thinker(&self) -> Option<&SandboxName> {
        match (&self.call, &self.caller) {
            (Call::Chat | Call::Messages, Some(Caller::Sandbox(sandbox))) => Some(sandbox),
            _ => None,
        }
    }

    /// Takes the body: what is asked for, by somebody who may.
    pub fn close<'h, O: Owners + ?Sized>(
        mut self,
        front: &Front<'_, O>,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Request, Refusal> {
        let limit = self.limit();
        if body.len() > limit {
            return Err(Refusal::TooLarge { limit });
        }
        let caller = match self.caller.take() {
            Some(caller) => caller,
            None => self.prove(front, header, body, now)?,
        };
        Request::of(self.call, caller, body)
    }

    fn prove<'h, O: Owners + ?Sized>(
        &self,
        front: &Front<'_, O>,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let Head { method, target } = self.head;
        front.admit(&self.call, header, Message { method, path_and_query: target, body }, now)
    }
}

#[cfg(test)]
mod tests;
