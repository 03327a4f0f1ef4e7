//! Who is writing, and whether anybody answers them.

use std::sync::Arc;

use zaki_envelope::{ChannelKind, Inbound, Timestamp, ZakiUserId};
use zaki_store::{Sql, glance, transact};

use crate::access::Ruling;
use crate::barred::{self, Bar};
use crate::cache::{Key, Served};
use crate::codes::CodeKey;
use crate::mint::mint;
use crate::pairing::Asked;
use crate::profile::profile;
use crate::scene::{Knock, Scene};
use crate::usage::carried;
use crate::who::Act;
use crate::{
    Actor, BindingKey, Directory, DirectoryError, How, LinkCode, Options, Person, Refusal, allowed,
    locks, pairing, seen, told, who,
};

/// Who a message is from, or what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Somebody is served.
    Known {
        /// Whose sandbox answers: the speaker's, or that of a group's owner.
        user: ZakiUserId,
        /// Who wrote.
        speaker: ZakiUserId,
        /// They have signed up by this message.
        created: bool,
    },
    /// Nobody answers.
    Refused {
        /// Why.
        reason: Refusal,
        /// Whether they are to be told: once a day, at most; of a new code, always.
        tell: bool,
    },
}

impl Resolution {
    /// Whose sandbox answers, unless refused.
    pub const fn user(&self) -> Option<ZakiUserId> {
        match self {
            Self::Known { user, .. } => Some(*user),
            Self::Refused { .. } => None,
        }
    }

    /// Who wrote, unless refused.
    pub const fn speaker(&self) -> Option<ZakiUserId> {
        match self {
            Self::Known { speaker, .. } => Some(*speaker),
            Self::Refused { .. } => None,
        }
    }

    const fn of(Served { user, speaker }: Served) -> Self {
        Self::Known { user, speaker, created: false }
    }
}

impl Directory {
    /// Who a message is from, and whether they are served where they wrote it; a stranger is
    /// treated as the policy says. All first messages of one sender, however many at a time, make
    /// one person.
    ///
    /// Ids that a platform shows together (`sender.id` and `sender.aliases`) are bound together: a
    /// person known by an alias alone is found again by the better id, once, with an audit entry.
    pub async fn resolve(
        &self,
        inbound: &Inbound,
        now: Timestamp,
    ) -> Result<Resolution, DirectoryError> {
        let key = Key::of(inbound);
        if let Some(served) = self.cache.get(&key, now, || self.note_seen(inbound, now)) {
            return Ok(Resolution::of(served));
        }
        self.ask(key, inbound, now).await
    }

    /// The same, read from the store whatever is remembered: for what is carried out at once, and
    /// not when a lane is claimed. Another process may have moved the binding.
    pub async fn resolve_anew(
        &self,
        inbound: &Inbound,
        now: Timestamp,
    ) -> Result<Resolution, DirectoryError> {
        let key = Key::of(inbound);
        let remembered = self.cache.get(&key, now, || ()).map(|served| served.speaker);
        let resolution = self.ask(key, inbound, now).await?;
        let speaker = resolution.speaker();
        if remembered.is_some_and(|remembered| Some(remembered) != speaker) {
            self.forget();
        }
        Ok(resolution)
    }

    async fn ask(
        &self,
        key: Key,
        inbound: &Inbound,
        now: Timestamp,
    ) -> Result<Resolution, DirectoryError> {
        let epoch = self.cache.epoch();
        let (resolution, seen_at) = self.settle(Knock::of(inbound), now).await?;
        if let Resolution::Known { user, speaker, .. } = resolution {
            let noted = if seen::is_due(seen_at, now) {
                self.note_seen(inbound, now);
                now
            } else {
                seen_at.unwrap_or(now)
            };
            self.cache.remember(epoch, key, Served { user, speaker }, noted);
        }
        Ok(resolution)
    }

    /// What the store says of somebody who comes, and when they were last noted to have come. What is
    /// to be written of them is.
    pub(crate) async fn settle(
        &self,
        knock: Knock,
        now: Timestamp,
    ) -> Result<(Resolution, Option<Timestamp>), DirectoryError> {
        let knock = Arc::new(knock);
        if let Looked::Done(resolution, seen_at) = self.look(&knock, now).await? {
            return Ok((resolution, seen_at));
        }
        let Decided { resolution, moved } = self.decide(knock, now).await?;
        if moved {
            // So nobody remembers what was read before, either.
            self.forget();
        }
        Ok((resolution, None))
    }

    /// This person, if they would serve this message right now, as one of `speaker`'s where that is
    /// said; read from the store, changing nothing. To be asked once it was accepted, and again when
    /// it has waited: another process may have moved the binding, blocked the person or changed the
    /// group. When they would not, `resolve` no longer remembers the old answer: ask it again.
    pub async fn host(
        &self,
        user: ZakiUserId,
        speaker: Option<ZakiUserId>,
        inbound: &Inbound,
    ) -> Result<Option<Person>, DirectoryError> {
        let (knock, options) = (Knock::of(inbound), Arc::clone(&self.options));
        let host = glance!(&self.store, |tx| host(tx, user, speaker, &knock, &options))?;
        if host.is_none() {
            self.forget();
        }
        Ok(host)
    }

    /// Whether [`host`](Self::host) finds them, whoever speaks.
    pub async fn verify(
        &self,
        user: ZakiUserId,
        inbound: &Inbound,
    ) -> Result<bool, DirectoryError> {
        Ok(self.host(user, None, inbound).await?.is_some())
    }

    fn note_seen(&self, inbound: &Inbound, now: Timestamp) {
        self.seen.note(BindingKey::of(inbound.channel, &inbound.sender), now);
    }

    async fn look(&self, knock: &Arc<Knock>, now: Timestamp) -> Result<Looked, DirectoryError> {
        let (knock, options) = (Arc::clone(knock), Arc::clone(&self.options));
        glance!(&self.store, |tx| look(tx, &knock, &options, now))
    }

    async fn decide(&self, knock: Arc<Knock>, now: Timestamp) -> Result<Decided, DirectoryError> {
        let (options, key) = (Arc::clone(&self.options), self.code_key.clone());
        // It is never closed.
        let _turn = self.turnstile.acquire().await.ok();
        transact!(&self.store, |tx| decide(tx, &knock, &options, &key, now))
    }
}

async fn host<S: Sql>(
    tx: &S,
    user: ZakiUserId,
    expected: Option<ZakiUserId>,
    knock: &Knock,
    options: &Options,
) -> Result<Option<Person>, DirectoryError> {
    let scene = Scene::read(tx, knock, options).await?;
    let speaker = scene.facts.owner().filter(|it| expected.is_none_or(|expected| expected == *it));
    let served = matches!(scene.ruling, Ruling::Serve { .. });
    if served && speaker.is_some() && scene.host.or(speaker) == Some(user) {
        profile(tx, user).await
    } else {
        Ok(None)
    }
}

/// What can be said without changing anything.
enum Looked {
    /// All of it, and when the sender was last noted to have written.
    Done(Resolution, Option<Timestamp>),
    /// Something is to be written.
    Open,
}

async fn look<S: Sql>(
    tx: &S,
    knock: &Knock,
    options: &Options,
    now: Timestamp,
) -> Result<Looked, DirectoryError> {
    let scene = Scene::read(tx, knock, options).await?;
    let shows_more = scene.shows_more();
    let reason = match scene.ruling {
        Ruling::Serve { grant: false } => {
            let served = scene.facts.settled().map(|speaker| {
                let user = scene.host.unwrap_or(speaker);
                Looked::Done(Resolution::of(Served { user, speaker }), scene.seen_at)
            });
            return Ok(served.unwrap_or(Looked::Open));
        }
        Ruling::Serve { grant: true } => return Ok(Looked::Open),
        Ruling::Pair => match pairing::asked(tx, knock, now).await? {
            Some(asked) => waits(asked),
            None if pairing::is_full(tx, knock, now).await? => Refusal::Crowded,
            None => return Ok(Looked::Open),
        },
        Ruling::Refuse(reason) => reason,
    };
    if reason == Refusal::Blocked && shows_more {
        return Ok(Looked::Open);
    }
    if reason.is_told() && knock.addressed() && !told::lately(tx, knock, now).await? {
        return Ok(Looked::Open);
    }
    Ok(Looked::Done(Resolution::Refused { reason, tell: false }, None))
}

fn waits(asked: Asked) -> Refusal {
    match asked {
        Asked::New(code) | Asked::Waits(code) => Refusal::PairingWanted { code },
        Asked::Denied => Refusal::Denied,
    }
}

/// What was decided, and whether an id was taken from somebody else.
struct Decided {
    resolution: Resolution,
    moved: bool,
}

async fn decide<S: Sql>(
    tx: &S,
    knock: &Knock,
    options: &Options,
    key: &CodeKey,
    now: Timestamp,
) -> Result<Decided, DirectoryError> {
    locks::acts(tx).await?;
    let scene = Scene::read(tx, knock, options).await?;
    match scene.ruling.clone() {
        Ruling::Serve { grant } => admit(tx, knock, &scene, (grant, key), now).await,
        Ruling::Pair => match pairing::ask(tx, knock, now).await? {
            Some(Asked::New(code)) => hand_out(tx, knock, code, now).await,
            Some(asked) => refuse(tx, knock, waits(asked), now).await,
            None => refuse(tx, knock, Refusal::Crowded, now).await,
        },
        Ruling::Refuse(Refusal::Blocked) => {
            let moved = keep_blocked(tx, knock, &scene, key, now).await?;
            let refused = refuse(tx, knock, Refusal::Blocked, now).await?;
            Ok(Decided { moved, ..refused })
        }
        Ruling::Refuse(reason) => refuse(tx, knock, reason, now).await,
    }
}

/// A better id of somebody blocked is theirs, too, and that of an account that is barred is barred:
/// else they were somebody new once they came by it alone. Returns whether an id was taken from
/// somebody else.
async fn keep_blocked<S: Sql>(
    tx: &S,
    knock: &Knock,
    scene: &Scene<'_>,
    key: &CodeKey,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let (channel, sender) = (knock.channel, &knock.sender);
    match (&scene.bar, scene.facts.holder()) {
        (Some(Bar::Older(account)), _) => {
            barred::follow(tx, key, &BindingKey::of(channel, sender), account, now).await?;
            Ok(false)
        }
        (None, Some(user)) if scene.facts.owner().is_none() => {
            let verdict = scene.facts.meet(user);
            let act = Act { key, how: How::SignUp, by: Actor::System, now };
            who::keep(tx, channel, sender, verdict.changes, act).await?;
            Ok(verdict.moved)
        }
        _ => Ok(false),
    }
}

/// Whoever it is, is served: somebody known, perhaps by an older id, or somebody new.
async fn admit<S: Sql>(
    tx: &S,
    knock: &Knock,
    scene: &Scene<'_>,
    (grant, key): (bool, &CodeKey),
    now: Timestamp,
) -> Result<Decided, DirectoryError> {
    let (channel, sender, by) = (knock.channel, &knock.sender, Actor::System);
    let known = scene.facts.holder();
    let (speaker, verdict) = if let Some(user) = known {
        (user, scene.facts.meet(user))
    } else {
        let user = mint(now)?;
        who::add(tx, user, None, now).await?;
        carried::take_up(tx, key, user, channel, sender, now).await?;
        let how = if channel == ChannelKind::Web { How::Web } else { How::SignUp };
        (user, scene.facts.sign_up(user, how))
    };
    let act = Act { key, how: How::SignUp, by, now };
    who::keep(tx, channel, sender, verdict.changes, act).await?;
    if grant {
        allowed::direct(tx, speaker, channel, &knock.account, How::SignUp, by, now).await?;
    }
    let (user, created) = (scene.host.unwrap_or(speaker), known.is_none());
    Ok(Decided { resolution: Resolution::Known { user, speaker, created }, moved: verdict.moved })
}

/// Whoever has heard today that too many wait, hears the code all the same.
async fn hand_out<S: Sql>(
    tx: &S,
    knock: &Knock,
    code: LinkCode,
    now: Timestamp,
) -> Result<Decided, DirectoryError> {
    told::note(tx, knock, now).await?;
    let reason = Refusal::PairingWanted { code };
    Ok(Decided { resolution: Resolution::Refused { reason, tell: true }, moved: false })
}

async fn refuse<S: Sql>(
    tx: &S,
    knock: &Knock,
    reason: Refusal,
    now: Timestamp,
) -> Result<Decided, DirectoryError> {
    let tell = reason.is_told() && knock.addressed() && told::take(tx, knock, now).await?;
    Ok(Decided { resolution: Resolution::Refused { reason, tell }, moved: false })
}
