//! The commands the hub carries out itself, each without waking a sandbox. What they are and where
//! they may be given is `zaki_lane::commands`; `/stop` belongs to the lane. One file per family.

mod approvals;
mod groups;
mod help;
mod join;
mod link;
mod pace;
mod pairing;
mod patience;
mod privacy;
mod session;
mod settings;
mod usage;

use std::sync::Arc;

use zaki_envelope::{Choice, ConversationKind, Inbound, Part, Timestamp, ZakiUserId};
use zaki_identity::{LinkCode, Person};
use zaki_lane::commands::{Code, Command, Erase, Link};
use zaki_ledger::SettleReason;
use zaki_words::{self as words, Say, Voice};

pub(crate) use approvals::ask as ask_approval;
pub(crate) use join::ask_there;
pub(crate) use link::{retire, ways};
pub(crate) use pace::{Pace, admits_code};
pub(crate) use patience::in_turn;
pub(crate) use privacy::lapse;

use pace::Giver;
use patience::PATIENCE;

use crate::{clock, home, hub::Hub, notice, voice::voice, writes::Answer as Verdict};

/// A command on its way: who gave it, where, and how they are answered.
struct Order<'a> {
    hub: &'a Arc<Hub>,
    person: Person,
    inbound: &'a Inbound,
    voice: Voice,
    now: Timestamp,
}

/// What is said to a command, with the buttons under it.
type Answer = Result<Vec<Part>, Silence>;

/// Why nothing is said to a command.
enum Silence {
    /// The hub stops: the command is taken up again by whoever comes next.
    Closing,
    /// It cannot be, or not now.
    Refused,
    /// It has been said already, or is said by somebody else.
    Said,
}

/// Carries out a command that has to come before it is asked who is served: a code may be why
/// somebody is, and a group that is switched off is switched on again. `false`: it is none.
pub(crate) async fn early(hub: &Arc<Hub>, inbound: &Inbound, command: Option<&Command>) -> bool {
    let direct = inbound.conversation.kind == ConversationKind::Direct;
    match command {
        Some(Command::Link(Link::Redeem(code))) if direct => {
            redeem(hub, inbound, code).await;
        }
        Some(Command::Start(Some(code))) if direct && is_code(code) => {
            redeem(hub, inbound, code).await;
        }
        Some(Command::Link(what @ (Link::Confirm(_) | Link::Cancel(_)))) if direct => {
            let Some(answer) = join::answer_link(hub, inbound, what).await else { return false };
            close(hub, inbound, voice(None, inbound), answer).await;
        }
        Some(Command::Erase(Erase::Confirm(Some(Code::Redacted)))) if direct => {
            return privacy::over(hub, inbound).await;
        }
        Some(command @ Command::GroupMode(_)) if !direct => {
            return of_known(hub, inbound, command).await;
        }
        Some(
            Command::Link(Link::Redeem(code))
            | Command::Start(Some(code))
            | Command::Erase(Erase::Confirm(Some(code))),
        ) if !direct => {
            void(hub, inbound, code).await;
            return false;
        }
        _ => return false,
    }
    true
}

/// A code that others have read is nobody's any more.
async fn void(hub: &Arc<Hub>, inbound: &Inbound, code: &Code) {
    if let Code::Given(secret) = code {
        let code = LinkCode::typed(secret.expose());
        if code.is_well_formed() {
            let void = || hub.directory.void(&code, inbound, clock::now());
            hub.persist("make a code void", void).await;
        }
    }
}

/// What stands in a link to the bot need not be a code of ours.
fn is_code(code: &Code) -> bool {
    match code {
        Code::Given(secret) => LinkCode::typed(secret.expose()).is_well_formed(),
        Code::Redacted => true,
    }
}

async fn redeem(hub: &Arc<Hub>, inbound: &Inbound, code: &Code) {
    let answer = match code {
        Code::Given(secret) => join::redeem(hub, inbound, secret).await,
        Code::Redacted => said(&words::Linking::Refused, voice(None, inbound)),
    };
    close(hub, inbound, voice(None, inbound), answer).await;
}

/// Carries out a command of whoever is known, served there or not. `false`: nobody knows them.
async fn of_known(hub: &Arc<Hub>, inbound: &Inbound, command: &Command) -> bool {
    let sender = &inbound.sender;
    let find = || hub.directory.find(inbound.channel, &sender.scope, &sender.id);
    match hub.persist("find a sender", find).await {
        Some(Some(user)) => carry_out(hub, user, inbound, command.clone()).await,
        Some(None) => return false,
        None => {}
    }
    true
}

/// Carries out a command of a person, who need not be the one whose sandbox answers there.
pub(crate) async fn carry_out(
    hub: &Arc<Hub>,
    user: ZakiUserId,
    inbound: &Inbound,
    command: Command,
) {
    let read = || hub.directory.person(user);
    let person = match hub.attempt("read a person", read).await {
        None => return,
        Some(Ok(Some(person))) if person.blocked_at.is_none() => person,
        // Blocked, or erased meanwhile.
        Some(_) => return hub.dismiss(inbound, SettleReason::Refused).await,
    };
    home::let_owner_settle(hub, &person, inbound).await;
    let order = Order::new(hub, person, inbound);
    if !pace::admits(hub, &Giver::Person(user), inbound, &command, order.voice).await {
        return;
    }
    let answer = if command.fits(&inbound.conversation) {
        order.answer(command).await
    } else {
        order.say(&words::Groups::OnlyDirect)
    };
    hub.people.forget(user);
    close(hub, inbound, order.voice, answer).await;
}

/// Says what is to be said, once, and settles the command.
async fn close(hub: &Arc<Hub>, inbound: &Inbound, voice: Voice, answer: Answer) {
    match answer {
        Ok(parts) => notice::tell_parts(hub, inbound, parts).await,
        Err(Silence::Refused) => {
            notice::tell(hub, inbound, words::Trouble::Failed.say(voice)).await;
        }
        Err(Silence::Said) => {}
        Err(Silence::Closing) => return,
    }
    hub.settle(inbound, SettleReason::Command).await;
}

#[allow(clippy::unnecessary_wraps, reason = "with it, whoever answers a command ends")]
fn said(what: &impl Say, voice: Voice) -> Answer {
    Ok(vec![Part::text(what.say(voice))])
}

/// A button that gives a command of the hub's own.
pub(crate) fn button(label: words::Button, command: &Command, voice: Voice) -> Choice {
    Choice { label: label.say(voice), data: command.button() }
}

/// Repeats a call of a store until there is an answer to it, or whoever waits for it has waited
/// long enough.
async fn attempt<T, E, F>(hub: &Hub, what: &str, call: impl FnMut() -> F) -> Result<T, Silence>
where
    F: Future<Output = Result<T, E>>,
    E: Verdict,
{
    let answer = hub.attempt_for(PATIENCE, what, call).await.ok_or(Silence::Closing)?;
    answer.map_err(|_| Silence::Refused)
}

impl<'a> Order<'a> {
    fn new(hub: &'a Arc<Hub>, person: Person, inbound: &'a Inbound) -> Self {
        let voice = voice(person.lang.as_deref(), inbound);
        Self { hub, person, inbound, voice, now: clock::now() }
    }

    async fn answer(&self, command: Command) -> Answer {
        match command {
            Command::Help(Some(name)) => help::about(self, name, false),
            Command::Misused(name) => help::about(self, name, true),
            Command::Help(None) => help::help(self),
            Command::Start(_) => {
                self.prestart();
                help::help(self)
            }
            Command::New(name) => {
                self.prestart();
                session::new(self, name.as_deref()).await
            }
            Command::Session(what) => session::session(self, what).await,
            Command::Status => session::status(self).await,
            Command::Link(what) => link::link(self, what).await,
            Command::Links => link::links(self),
            Command::Unlink(n) => link::unlink(self, n).await,
            Command::Model(name) => settings::model(self, name.as_deref()).await,
            Command::Mode(mode) => settings::mode(self, mode).await,
            Command::Lang(lang) => settings::lang(self, lang.as_deref()).await,
            Command::Feedback(text) => settings::feedback(self, text.as_deref()).await,
            Command::GroupMode(mode) => groups::mode(self, mode).await,
            Command::Usage => usage::usage(self).await,
            Command::Approve { what, how } => approvals::approve(self, what, Some(how)).await,
            Command::Deny(what) => approvals::approve(self, what, None).await,
            Command::Export => privacy::export(self).await,
            Command::Erase(what) => privacy::erase(self, what).await,
            // The lane's, which never comes here.
            Command::Stop => Err(Silence::Said),
        }
    }

    /// Whoever says this is about to write: until they have, their sandbox is up.
    fn prestart(&self) {
        if !self.is_direct() {
            return;
        }
        let (edge, user) = (self.hub.edge.clone(), self.user());
        tokio::spawn(async move {
            if let Err(error) = edge.wake(user).await {
                // Their message wakes it, too.
                tracing::debug!(%user, %error, "sandbox.not_woken");
            }
        });
    }

    fn user(&self) -> ZakiUserId {
        self.person.user
    }

    fn is_direct(&self) -> bool {
        self.inbound.conversation.kind == ConversationKind::Direct
    }

    fn say(&self, what: &impl Say) -> Answer {
        said(what, self.voice)
    }

    async fn attempt<T, E, F>(&self, what: &str, call: impl FnMut() -> F) -> Result<T, Silence>
    where
        F: Future<Output = Result<T, E>>,
        E: Verdict,
    {
        attempt(self.hub, what, call).await
    }
}
