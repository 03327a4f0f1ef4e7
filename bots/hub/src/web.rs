//! What the edge asks of the hub: who somebody is who has signed in on the web, what links them to
//! chats, and to tell somebody what their agent says by itself. Signed like the hub's own calls to the edge, over the raw bytes; on a listener of its
//! own, so that nobody else need reach it.

mod link;
mod refusal;

use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, bail};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Request, State},
    http::{Method, request},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use zaki_envelope::{
    ChannelKind, Sender, SenderId, SenderScope, Timestamp, ZakiUserId,
    signature::{Keyring, Message},
    wire::{
        proactive::OutboundAnswer,
        web::{
            Hidden, LONGEST, LinkRequest, Refused, ResolveRequest, Resolved, WebIdentity,
            WebRefusal,
        },
    },
};
use zaki_identity::{Resolution, Visitor};
use zaki_words::{Lang, Voice};

use crate::{
    clock, config::Config, http, hub::Hub, local_edge, proactive, replica::Door, strangers,
};
use refusal::Refusal;

/// What the routes work on.
pub(crate) struct Desk {
    door: Door,
    keys: Keyring,
    issuers: HashSet<String>,
}

/// Where it listens, and for whom.
pub(crate) struct Counter {
    sockets: Vec<TcpListener>,
    keys: Keyring,
    issuers: HashSet<String>,
}

/// What of the configuration would keep people from signing in on the web; where it would listen.
pub(crate) fn check(config: &Config) -> Result<Option<SocketAddr>> {
    let Some(listen) = config.web.listen else { return Ok(None) };
    if config.web.issuers.is_empty() {
        bail!("web.listen is set but web.issuers names nobody whose tokens count: add the issuers");
    }
    local_edge::shared_key(config).context("web.listen is set, so the edge must prove itself")?;
    Ok(Some(listen))
}

impl Counter {
    /// Takes the addresses that are configured; `None`: no edge of another process is heard.
    pub(crate) async fn open(config: &Config) -> Result<Option<Self>> {
        let web = check(config)?.map(|listen| (listen, "web.listen"));
        let edge = config.edge.hub_listen.map(|listen| (listen, "edge.hub_listen"));
        if web.or(edge).is_none() {
            return Ok(None);
        }
        let keys = local_edge::edge_keys(config).context("the edge must prove itself")?;
        let mut sockets = Vec::new();
        for (listen, setting) in web.into_iter().chain(edge) {
            let socket = TcpListener::bind(listen).await.with_context(|| {
                format!("cannot listen on {listen}; free it or set another {setting}")
            })?;
            sockets.push(socket);
        }
        Ok(Some(Self { sockets, keys, issuers: config.web.issuers.iter().cloned().collect() }))
    }

    /// The sockets, and the routes behind them.
    pub(crate) fn serve(self, door: Door) -> impl Iterator<Item = (TcpListener, Router)> {
        let Self { sockets, keys, issuers } = self;
        let routes = router(Desk { door, keys, issuers });
        sockets.into_iter().map(move |socket| (socket, routes.clone()))
    }
}

/// The same for the edge in this process, by whom nobody signs in.
pub(crate) fn of_own_edge(door: Door, keys: Keyring) -> Router {
    router(Desk { door, keys, issuers: HashSet::new() })
}

/// All routes.
fn router(desk: Desk) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(desk))
}

/// What is asked.
#[derive(Clone, Copy)]
enum Question {
    Resolve,
    Link,
    Outbound,
}

impl Question {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/edge/resolve" => Some(Self::Resolve),
            "/edge/link" => Some(Self::Link),
            "/edge/outbound" => Some(Self::Outbound),
            _ => None,
        }
    }

    /// The longest body, in bytes.
    const fn most(self) -> usize {
        match self {
            Self::Resolve | Self::Link => LONGEST,
            Self::Outbound => zaki_envelope::wire::proactive::LONGEST,
        }
    }
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    desk.serve(request).await.unwrap_or_else(IntoResponse::into_response)
}

impl Desk {
    async fn serve(&self, request: Request) -> Result<Response, Refusal> {
        let (head, body) = request.into_parts();
        let question = Question::at(head.uri.path()).ok_or(Refusal::NotFound)?;
        if head.method != Method::POST {
            return Err(Refusal::Method);
        }
        let body = http::read(body, question.most()).await?;
        let now = clock::now();
        self.prove(&head, &body, now)?;
        Ok(match question {
            Question::Resolve => {
                let asked: ResolveRequest = parse(&body)?;
                Json(self.resolve(&Guest::of(&asked.who)?, now).await?).into_response()
            }
            Question::Link => {
                let LinkRequest { call, who, want } = parse(&body)?;
                let guest = Guest::of(&who)?;
                Json(link::link(self, &guest, call, want, now).await?).into_response()
            }
            Question::Outbound => {
                let taken = proactive::take(&self.hub()?, parse(&body)?).await?;
                // Whether it is in the ledger is not known: the same call finds out.
                let taken = taken.ok_or(Refusal::Unavailable)?;
                Json(OutboundAnswer { taken }).into_response()
            }
        })
    }

    /// The hub that serves now.
    fn hub(&self) -> Result<Arc<Hub>, Refusal> {
        http::serving(&self.door).ok_or(Refusal::Unavailable)
    }

    /// That an edge sent these bytes, just now. Nothing of them is read before.
    fn prove(&self, head: &request::Parts, body: &[u8], now: Timestamp) -> Result<(), Refusal> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let message = Message { method: head.method.as_str(), path_and_query: path, body };
        let header = |name: &str| head.headers.get(name)?.to_str().ok();
        self.keys.verify(header, message, now).map_err(|error| {
            tracing::warn!(%error, "a call in the name of the edge was refused");
            Refusal::Unauthorized
        })
    }

    async fn resolve(&self, guest: &Guest, now: Timestamp) -> Result<Resolved, Refusal> {
        let hub = self.hub()?;
        Ok(match self.admit(&hub, guest, now).await? {
            Err(refused) => Resolved::Refused(refused),
            Ok(Admitted { user, created }) => {
                let lang = guest.voice_of(&hub, user).await?.lang.tag().to_owned();
                Resolved::Known { user, created, lang }
            }
        })
    }

    /// Who somebody is, as their issuer and the policy let them be.
    async fn admit(
        &self,
        hub: &Hub,
        guest: &Guest,
        now: Timestamp,
    ) -> Result<Result<Admitted, Refused>, Refusal> {
        if !self.trusts(guest) {
            return Ok(Err(Refused { reason: WebRefusal::Issuer, says: Hidden::new("") }));
        }
        match hub.directory.sign_in(&guest.visitor, now).await? {
            Resolution::Known { speaker, created, .. } => {
                Ok(Ok(Admitted { user: speaker, created }))
            }
            Resolution::Refused { reason, .. } => Ok(Err(guest.refused(&reason, now))),
        }
    }

    /// Whether whoever names them is one of those whose tokens count.
    fn trusts(&self, guest: &Guest) -> bool {
        self.issuers.contains(guest.visitor.sender.scope.as_str())
    }
}

/// Somebody who is served.
struct Admitted {
    user: ZakiUserId,
    created: bool,
}

/// Somebody at the desk.
struct Guest {
    visitor: Visitor,
}

impl Guest {
    /// Whose claims can be what they are called.
    fn of(who: &WebIdentity) -> Result<Self, Refusal> {
        who.check().map_err(|error| Refusal::Malformed(error.rule))?;
        let (scope, id) = (SenderScope::new(&*who.issuer), SenderId::new(&*who.subject));
        let sender = Sender {
            display_name: who.name.clone().filter(|name| !name.trim().is_empty()),
            locale: who.locale.clone(),
            ..Sender::new(scope, id)
        };
        let email = who.verified_email().map(str::to_owned);
        Ok(Self { visitor: Visitor { sender, email } })
    }

    /// How to talk to somebody of whom only this visit is known.
    fn voice(&self) -> Voice {
        let lang = self.visitor.sender.locale.as_deref().map_or(Lang::En, Lang::of);
        Voice::on(lang, ChannelKind::Web)
    }

    /// How to talk to a person: in the language they have chosen.
    async fn voice_of(&self, hub: &Hub, user: ZakiUserId) -> Result<Voice, Refusal> {
        let person = hub.directory.profile(user).await?;
        let chosen = person.and_then(|person| person.lang);
        let chosen = chosen.as_deref().map(|lang| Voice::on(Lang::of(lang), ChannelKind::Web));
        Ok(chosen.unwrap_or_else(|| self.voice()))
    }

    fn refused(&self, reason: &zaki_identity::Refusal, now: Timestamp) -> Refused {
        use zaki_identity::Refusal as Reason;
        let says = strangers::line(reason, self.voice(), now).unwrap_or_default();
        let reason = match reason {
            Reason::Closed => WebRefusal::Closed,
            Reason::NotListed => WebRefusal::NotListed,
            Reason::InviteWanted => WebRefusal::InviteWanted,
            Reason::PairingWanted { .. } => WebRefusal::PairingWanted,
            Reason::Blocked => WebRefusal::Blocked,
            _ => WebRefusal::Other,
        };
        Refused { reason, says: Hidden::new(says) }
    }
}

/// What was asked, once it is proven.
fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    // The parser's own words would quote it.
    serde_json::from_slice(body).map_err(|_| Refusal::Malformed("not the body of this call"))
}

#[cfg(test)]
mod tests;
