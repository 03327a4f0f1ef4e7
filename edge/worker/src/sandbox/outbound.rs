//! What agents say without being asked: held from the moment the sandbox hands it over until a hub
//! has committed it.

use std::rc::Rc;

use worker::{Fetch, Method, Request};
use zaki_edge_core::{
    breaker::Fault,
    person::Standing,
    proactive::{Fate, Heard, fate},
};
use zaki_envelope::{
    signature::{KEY_HEADER, Message, SIGNATURE_HEADER, TIMESTAMP_HEADER},
    wire::proactive::{OutboundAnswer, OutboundRequest, WAIT, Waiting},
};

use super::{
    link::{CALL, LinkError},
    object::Object,
    store::Spoken,
};
use crate::{
    breakers::{self, Leave},
    clock,
    config::Config,
    convert, millis, report,
};

const PATH: &str = "/edge/outbound";
/// After a sandbox did not answer, in milliseconds.
const PAUSE: u64 = 1_000;
/// How long a hub may take, in milliseconds.
const PATIENCE: u64 = 15_000;

impl Object {
    /// Hears the current start, until it ends. Keeps the object in memory meanwhile.
    pub(super) fn listen(self: &Rc<Self>) {
        let object = self.clone();
        self.spawn(async move {
            loop {
                match object.hear().await {
                    Ok(()) => {}
                    // An older program, which says nothing.
                    Err(LinkError::Refused(404)) => return,
                    Err(_) => clock::sleep(PAUSE).await,
                }
            }
        });
    }

    async fn hear(self: &Rc<Self>) -> Result<(), LinkError> {
        let link = self.link()?;
        let patience = millis(WAIT) + CALL;
        let mut answer = link.ask(Method::Get, "proactive", None, patience).await?;
        let waiting: Waiting = answer.json().await?;
        for message in waiting.messages {
            let id = message.id;
            if self.standing()? == Standing::Active {
                self.store()?.hold(&message, clock::now())?;
                self.changed();
                report::event(&self.env, "agent.speaks", &self.label(), 1.0);
                self.set_due("outbound", Some(clock::now()));
            }
            link.post(&format!("proactive/{id}/ack")).await?;
        }
        Ok(())
    }

    /// Hands over what is due.
    pub(super) fn deliver(self: &Rc<Self>) {
        let object = self.clone();
        self.detach(async move {
            if let Err(error) = object.deliver_due().await {
                report::failure("outbound.not_delivered", &error);
            }
            let next = object.store().and_then(super::store::Store::next_spoken);
            match next {
                Ok(next) => object.set_due("outbound", next),
                Err(error) => report::failure("outbound.unreadable", &error),
            }
        });
    }

    async fn deliver_due(&self) -> worker::Result<()> {
        let config = self.config()?;
        let Some(user) = self.with(|life| life.name.user()) else { return Ok(()) };
        for Spoken { message, kept_at, tries } in self.store()?.spoken(clock::now())? {
            let id = message.id;
            let request = OutboundRequest { user, message };
            let heard = match Leave::of(breakers::HUB, user) {
                Some(leave) => tell(&config, &request, leave).await,
                None => None,
            };
            let heard = heard.unwrap_or(Heard::Nothing(tries));
            match fate(heard, kept_at, clock::now()) {
                Fate::Over => self.store()?.release(id)?,
                Fate::Again(at) => self.store()?.postpone(id, at)?,
            }
            report::event(&self.env, "outbound.told", &self.label(), 1.0);
        }
        breakers::tell(&self.env).await;
        Ok(())
    }
}

/// `None`: the hub said nothing, or that it is busy.
async fn tell(config: &Config, request: &OutboundRequest, leave: Leave) -> Option<Heard> {
    let call = call(config, request)?;
    let mut answer = match clock::timeout(PATIENCE, Fetch::Request(call).send()).await {
        Some(Ok(answer)) => answer,
        Some(Err(_)) => {
            leave.failed(Fault::Unreachable, None);
            return None;
        }
        None => {
            leave.failed(Fault::Silent, None);
            return None;
        }
    };
    match answer.status_code() {
        500.. => {
            leave.failed(Fault::Broken, None);
            None
        }
        status => {
            leave.answered();
            if status != 200 {
                return Some(Heard::Refused);
            }
            answer.json::<OutboundAnswer>().await.ok().map(|it| Heard::Taken(it.taken))
        }
    }
}

/// Signed, for the hub that is known; `None`: none is.
fn call(config: &Config, request: &OutboundRequest) -> Option<Request> {
    let hub = config.hub_url.as_deref()?.trim_end_matches('/');
    let body = serde_json::to_vec(request).ok()?;
    let message = Message { method: "POST", path_and_query: PATH, body: &body };
    let signed = config.signer.sign(clock::now(), message);
    let headers = [
        (KEY_HEADER, signed.key.as_str()),
        (TIMESTAMP_HEADER, signed.timestamp.as_str()),
        (SIGNATURE_HEADER, signed.signature.as_str()),
        ("content-type", "application/json"),
    ];
    convert::call(&format!("{hub}{PATH}"), Method::Post, &headers, Some(&body)).ok()
}
