//! How somebody leaves: retired for a while, or erased for good.

use std::rc::Rc;

use worker::Result;
use zaki_edge_core::{
    front::Refusal,
    http::Answer,
    person::Standing as Person,
    sandbox::{Event, Phase},
};
use zaki_envelope::{SandboxName, Timestamp, wire::ErrorCode};

use super::{
    answer::{Answered, Raw},
    object::Object,
    start::STOP_PATIENCE,
};
use crate::{clock, convert, report};

/// After an erasure that did not end, in milliseconds: longer than one waits for the stop.
const AGAIN_MS: i64 = 120_000;

impl Object {
    pub(super) async fn retire(self: &Rc<Self>, until: Timestamp, raw: &Raw) -> Answered {
        let retired = self.standing()?.retired(until).ok_or(Refusal::Gone)?;
        if let Person::Retired { until } = retired {
            self.store()?.set_fact("retired", &until)?;
            self.set_due("expire", Some(until));
        }
        self.all_others(raw).await?;
        self.happen(Event::Halt(ErrorCode::Retired));
        Ok(convert::whole(Answer::left(self.phase() == Phase::Stopped))?)
    }

    pub(super) async fn reinstate(self: &Rc<Self>, raw: &Raw) -> Answered {
        self.standing()?.reinstated().ok_or(Refusal::Gone)?;
        self.store()?.forget_fact("retired")?;
        self.set_due("expire", None);
        self.all_others(raw).await?;
        Ok(convert::whole(Answer::done())?)
    }

    pub(super) async fn erase(self: &Rc<Self>, raw: &Raw) -> Answered {
        self.condemn()?;
        // They are known here alone: what is here goes when all of them have heard of it.
        self.all_others(raw).await?;
        let done = self.expel().await;
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
                Ok(standing) if standing.is_due(now) => _ = object.expel().await,
                Ok(Person::Active) => {}
                Ok(Person::Retired { until }) => object.set_due("expire", Some(until)),
                _ => object.set_due("expire", Some(now.plus_ms(AGAIN_MS))),
            }
        });
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
