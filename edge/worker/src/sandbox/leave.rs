//! How somebody leaves: retired for a while, or erased for good.

use std::rc::Rc;

use zaki_edge_core::{
    front::Refusal,
    http::Answer,
    person::Standing as Person,
    sandbox::{Event, Phase},
};
use zaki_envelope::{Timestamp, wire::ErrorCode};

use super::{
    answer::{Answered, Raw},
    object::Object,
    operate::REST_PATIENCE,
};
use crate::{clock, convert, report};

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
        self.all_others(raw).await?;
        let done = self.expel().await;
        Ok(convert::whole(Answer::left(done))?)
    }

    /// The time of somebody who was retired is over, or what was left of somebody erased is.
    pub(super) fn expire(self: &Rc<Self>) {
        let object = self.clone();
        self.detach(async move {
            if let Ok(Person::Erased { at }) = object.standing()
                && (Person::Erased { at }).is_over(clock::now())
            {
                let _ = object.state.storage().delete_all().await;
                let _ = object.store().and_then(super::store::Store::begin_anew);
                *object.life.borrow_mut() = None;
                object.leaving.set(false);
                return;
            }
            object.expel().await;
        });
    }

    /// Stops and forgets everything; whether that is done, or goes on.
    async fn expel(self: &Rc<Self>) -> bool {
        let now = clock::now();
        let Some(name) = self.with(|life| life.name.clone()) else {
            return true;
        };
        self.leaving.set(true);
        self.happen(Event::Halt(ErrorCode::Erased));
        // A backup that is being written would be there after all others are gone.
        let at_rest = |phase| phase == Phase::Stopped && !self.archiving.get();
        let stopped = self.until(at_rest, REST_PATIENCE).await;
        let erased = async {
            self.erase_stored(&name).await?;
            self.unregister().await?;
            self.state.storage().delete_all().await?;
            self.store()?.begin_anew()?;
            self.store()?.set_fact("name", &name.as_str())?;
            self.store()?.set_fact("erased", &now)
        };
        let erased = if stopped { erased.await } else { Ok(()) };
        if let Err(error) = &erased {
            report::failure("person.not_erased", error);
        }
        let done = stopped && erased.is_ok();
        // What is left is removed by the next try; what is known of it, in an hour.
        let again = now.plus_ms(if done { 3_600_000 } else { 60_000 });
        self.set_due("expire", Some(again));
        done
    }
}
