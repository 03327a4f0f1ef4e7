//! A person's private conversations: `/new`, `/session`, and how things stand: `/status`.

use std::sync::Arc;

use zaki_channel::Rich;
use zaki_envelope::{SessionKey, ZakiUserId};
use zaki_lane::commands::Session;
use zaki_ledger::{By, Said};
use zaki_words::{self as words, SessionLine, Sessions, Spoken, State};

use super::{Answer, Order, Silence, settings};
use crate::{people::session_of, troubles::MODEL};

/// So many lines are shown of a conversation that is gone on with.
const LAST: u32 = 6;

/// `/new [name]`: nothing said so far counts any more, until they come back to it.
pub(super) async fn new(order: &Order<'_>, name: Option<&str>) -> Answer {
    let begin = || order.hub.directory.new_session(order.user(), name, order.now);
    order.attempt("begin a session", begin).await?;
    order.say(&Sessions::New { name })
}

/// `/session …`.
pub(super) async fn session(order: &Order<'_>, what: Session) -> Answer {
    match what {
        Session::List => list(order).await,
        Session::Switch(n) => switch(order, n).await,
        Session::Here => here(order).await,
        Session::Name(name) => rename(order, &name).await,
    }
}

async fn sessions(order: &Order<'_>) -> Result<Vec<zaki_identity::Session>, Silence> {
    let read = || order.hub.directory.sessions(order.user());
    order.attempt("read a person's sessions", read).await
}

async fn list(order: &Order<'_>) -> Answer {
    let sessions = sessions(order).await?;
    let lines: Vec<SessionLine<'_>> = sessions
        .iter()
        .map(|it| SessionLine {
            n: it.n,
            name: it.name.as_deref(),
            used_at: it.used_at,
            current: it.n == order.person.session,
        })
        .collect();
    order.say(&Sessions::List { sessions: &lines, now: order.now })
}

/// Goes on with another one, with its last lines.
async fn switch(order: &Order<'_>, n: u32) -> Answer {
    let switch = || order.hub.directory.switch_session(order.user(), n, order.now);
    if !order.attempt("switch a person's session", switch).await? {
        return order.say(&Sessions::Unknown);
    }
    let sessions = sessions(order).await?;
    let session = sessions.iter().find(|session| session.n == n);
    let name = session.and_then(|session| session.name.as_deref());
    let said = said(order, n).await?;
    order.say(&Sessions::Switched { n, name, last: &spoken(&said) })
}

/// Moves the present one to this channel: its last lines, and from now on what is said unasked.
async fn here(order: &Order<'_>) -> Answer {
    let keep = || order.hub.directory.settle_in(order.user(), order.inbound, true);
    if !order.attempt("keep where a person is at home", keep).await? {
        // Taken away from them just now.
        return Err(Silence::Refused);
    }
    let said = said(order, order.person.session).await?;
    order.say(&Sessions::Here { last: &spoken(&said) })
}

async fn rename(order: &Order<'_>, name: &str) -> Answer {
    let n = order.person.session;
    let rename = || order.hub.directory.name_session(order.user(), n, Some(name));
    order.attempt("name a session", rename).await?;
    order.say(&Sessions::Named { name })
}

async fn said(order: &Order<'_>, n: u32) -> Result<Vec<Said>, Silence> {
    let session = SessionKey::direct(n);
    let read = || order.hub.ledger.recent(order.user(), &session, LAST);
    let mut said = order.attempt("read the last lines of a session", read).await?;
    for line in &mut said {
        let rich = Rich::parse(&line.text);
        rich.text().clone_into(&mut line.text);
    }
    Ok(said)
}

fn spoken<'s>(said: &'s [Said]) -> Vec<Spoken<'s>> {
    let line = |it: &'s Said| Spoken { yours: matches!(it.by, By::Person(_)), text: &it.text };
    said.iter().map(line).collect()
}

/// `/status`: of a group, nothing that is private.
pub(super) async fn status(order: &Order<'_>) -> Answer {
    let Order { hub, person, inbound, .. } = order;
    let direct = order.is_direct();
    let host = answering(order).await?;
    let lent = host != order.user();
    let lane = (host, session_of(Some(person), inbound));
    let (working, waiting) = hub.lanes.standing(&Arc::new(lane));
    let sessions = if direct { sessions(order).await? } else { Vec::new() };
    let current = sessions.iter().find(|it| it.n == person.session);
    let name = current.and_then(|it| it.name.as_deref());
    let mode = person.mode.as_ref().and_then(|mode| mode.parse().ok());
    let mode = settings::spoken(mode.unwrap_or(hub.settings.mid_turn));
    order.say(&words::Status {
        state: if working { State::Working } else { State::Ready },
        lent,
        silent: hub.troubles.has(MODEL),
        // Where all share one, they are not all theirs.
        waiting: if lent { 0 } else { waiting },
        session: direct.then_some((person.session, name)),
        model: person.model.as_deref().filter(|_| direct),
        mode: direct.then_some(mode),
        links: direct.then(|| super::link::count(person)),
    })
}

/// Whose sandbox answers here: in a group, its owner's.
async fn answering(order: &Order<'_>) -> Result<ZakiUserId, Silence> {
    if order.is_direct() {
        return Ok(order.user());
    }
    let resolve = || order.hub.directory.resolve(order.inbound, order.now);
    let found = order.attempt("find out who answers a group", resolve).await?;
    Ok(found.user().unwrap_or(order.user()))
}
