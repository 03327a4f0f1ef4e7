//! How somebody leaves: retired for a while, or erased for good.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use worker::{Method, Response, Result};
use zaki_edge_core::{
    front::Refusal,
    http::Answer,
    person::Standing as Person,
    sandbox::{Event, Phase},
};
use zaki_envelope::{SandboxKind, SandboxName, Timestamp, wire::ErrorCode};

use super::{
    answer::{Answered, Raw, STANDING},
    object::Object,
    start::STOP_PATIENCE,
};
use crate::{clock, convert, report};

/// After an erasure that did not end, in milliseconds: longer than one waits for the stop.
const AGAIN_MS: i64 = 120_000;

/// What becomes of somebody who was retired, as their own object says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    /// They go, or are gone.
    Gone,
    /// They have until then.
    Until(Timestamp),
    /// They are as everybody.
    Back,
}

/// Whether a sandbox that answers with it has heard what becomes of its person; or is not there, or gone
/// for good, and has nothing to do.
pub(super) const fn has_heard(status: u16) -> bool {
    matches!(status, 200..=299 | 404 | 410)
}

impl Object {
    pub(super) async fn retire(self: &Rc<Self>, until: Timestamp, raw: &Raw) -> Answered {
        let retired = self.standing()?.retired(until).ok_or(Refusal::Gone)?;
        if let Person::Retired { until } = retired {
            self.store()?.set_fact("retired", &until)?;
            self.store()?.forget_fact("back")?;
            self.set_due("expire", Some(until));
        }
        self.happen(Event::Halt(ErrorCode::Retired));
        let done = self.all_others(raw).await? && self.phase() == Phase::Stopped;
        Ok(convert::whole(Answer::left(done))?)
    }

    pub(super) async fn reinstate(self: &Rc<Self>, raw: &Raw) -> Answered {
        self.standing()?.reinstated().ok_or(Refusal::Gone)?;
        self.store()?.forget_fact("retired")?;
        // Whichever of theirs has not heard of it asks here before it goes.
        self.store()?.set_fact("back", &true)?;
        self.set_due("expire", None);
        self.all_others(raw).await?;
        Ok(convert::whole(Answer::done())?)
    }

    pub(super) async fn erase(self: &Rc<Self>, raw: &Raw) -> Answered {
        self.condemn()?;
        // Should this isolate go now.
        self.set_due("expire", Some(clock::now().plus_ms(AGAIN_MS)));
        // They are known here alone: what is here goes when nothing is left of them.
        let done = self.all_others(raw).await? && self.expel().await;
        Ok(convert::whole(Answer::left(done))?)
    }

    /// The time of somebody who was retired is over, or what was left of somebody erased is.
    pub(super) fn expire(self: &Rc<Self>) {
        let object = self.clone();
        self.detach(async move {
            let now = clock::now();
            match object.standing() {
                Ok(standing) if standing.is_over(now) => {
                    let _ = object.forget_all().await;
                    *object.life.borrow_mut() = None;
                    object.leaving.set(false);
                }
                Ok(standing) if standing.is_due(now) => object.fall_due_for_good(standing).await,
                Ok(Person::Active) => {}
                Ok(Person::Retired { until }) => object.set_due("expire", Some(until)),
                _ => object.set_due("expire", Some(now.plus_ms(AGAIN_MS))),
            }
        });
    }

    /// Its time is over, as far as is known here.
    async fn fall_due_for_good(self: &Rc<Self>, standing: Person) {
        let said = match standing {
            Person::Retired { .. } => self.ask_home().await,
            _ => Ok(Told::Gone),
        };
        match said {
            Ok(Told::Gone) => self.go().await,
            Ok(Told::Until(until)) => self.set_due("expire", Some(until)),
            Ok(Told::Back) => {
                let _ = self.store().and_then(|store| store.forget_fact("retired"));
            }
            Err(error) => {
                report::failure("person.not_asked", &error);
                self.set_due("expire", Some(clock::now().plus_ms(AGAIN_MS)));
            }
        }
    }

    /// For good, and once all others have heard of it.
    async fn go(self: &Rc<Self>) {
        self.set_due("expire", Some(clock::now().plus_ms(AGAIN_MS)));
        let told = async {
            self.condemn()?;
            self.tell_others().await
        };
        match told.await {
            Ok(()) => _ = self.expel().await,
            Err(error) => report::failure("person.other_not_told", &error),
        }
    }

    /// Has every other sandbox of the person hear that they go. Whoever was to tell them may have ended
    /// before, and they are known here alone.
    async fn tell_others(&self) -> Result<()> {
        let name = self.name().map_err(worker::Error::from)?;
        let path = format!("/v1/users/{}", name.user());
        for other in self.store()?.others()? {
            self.ask_other(&other, Method::Delete, &path, has_heard).await?;
        }
        Ok(())
    }

    /// Whether somebody is back, or goes for good, is decided in one place: where their personal
    /// sandbox is. Two alarms that ring one after the other would else part them.
    async fn ask_home(&self) -> Result<Told> {
        let name = self.name().map_err(worker::Error::from)?;
        let home = SandboxName::new(name.user(), &SandboxKind::Personal);
        let home = home.map_err(|error| worker::Error::from(error.to_string()))?;
        if home == name {
            return Ok(Told::Gone);
        }
        let is_fine = |status| status == 200;
        self.ask_other(&home, Method::Get, STANDING, is_fine).await?.json().await
    }

    /// A question of ours to another sandbox of the person.
    async fn ask_other(
        &self,
        other: &SandboxName,
        method: Method,
        path: &str,
        is_fine: fn(u16) -> bool,
    ) -> Result<Response> {
        let headers = [("zaki-sandbox", other.as_str())];
        let call = convert::call(&format!("https://object{path}"), method, &headers, None)?;
        let stub = self.env.durable_object(self.config()?.binding(other))?;
        let answer = stub.get_by_name(other.as_str())?.fetch_with_request(call).await?;
        match answer.status_code() {
            status if is_fine(status) => Ok(answer),
            status => Err(worker::Error::from(format!("it answers {status}"))),
        }
    }

    /// What the other sandboxes of the person hear. Who asks when the time is over has decided it.
    pub(super) fn told_standing(self: &Rc<Self>) -> Result<Told> {
        let (standing, now) = (self.standing()?, clock::now());
        if standing.is_due(now) {
            self.condemn()?;
            self.set_due("expire", Some(now));
            return Ok(Told::Gone);
        }
        Ok(match standing {
            Person::Retired { until } => Told::Until(until),
            // Without a word of their return nothing is known of them here: they were erased.
            Person::Active if self.store()?.fact("back")? == Some(true) => Told::Back,
            _ => Told::Gone,
        })
    }

    /// From here on there is no way back, whatever this isolate comes to.
    fn condemn(self: &Rc<Self>) -> Result<()> {
        self.store()?.set_fact("erasing", &true)?;
        self.leaving.set(true);
        self.happen(Event::Halt(ErrorCode::Erased));
        Ok(())
    }

    /// Stops and forgets everything; whether that is done, or goes on, after an eviction, too.
    async fn expel(self: &Rc<Self>) -> bool {
        let now = clock::now();
        let Some(name) = self.with(|life| life.name.clone()) else {
            return true;
        };
        self.set_due("expire", Some(now.plus_ms(AGAIN_MS)));
        let done = self.remove(&name, now).await.unwrap_or_else(|error| {
            report::failure("person.not_erased", &error);
            false
        });
        // What is left is removed by the next try; what is known of it, in an hour.
        let again = now.plus_ms(if done { 3_600_000 } else { AGAIN_MS });
        self.set_due("expire", Some(again));
        done
    }

    async fn remove(self: &Rc<Self>, name: &SandboxName, now: Timestamp) -> Result<bool> {
        self.condemn()?;
        // A backup that is being written would be there after all others are gone.
        let at_rest = |phase| phase == Phase::Stopped && !self.archiving.get();
        if !self.until(at_rest, STOP_PATIENCE).await {
            return Ok(false);
        }
        self.erase_stored(name).await?;
        self.unregister().await?;
        self.forget_all().await?;
        self.store()?.set_fact("name", &name.as_str())?;
        self.store()?.set_fact("erased", &now)?;
        Ok(true)
    }

    async fn forget_all(&self) -> Result<()> {
        self.state.storage().delete_all().await?;
        // The alarm went, too.
        self.armed.set(None);
        self.store()?.begin_anew()
    }
}
