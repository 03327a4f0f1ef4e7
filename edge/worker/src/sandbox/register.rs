//! What the registry of all sandboxes knows of this one.

use std::rc::Rc;

use worker::Result;

use super::object::Object;
use crate::{
    registry::{self, Entry},
    report,
};

impl Object {
    pub(super) fn register(self: &Rc<Self>) {
        if self.leaving.get() {
            return;
        }
        let entry = self.with(|life| Entry {
            sandbox: life.name.to_string(),
            awake: life.up,
            changed_since: life.tracker.changed_since(),
            made_at: life.memory.made_at,
            stored: life.memory.stored.unwrap_or_default(),
        });
        let (Some(entry), object) = (entry, self.clone()) else { return };
        self.detach(async move {
            if let Err(error) = registry::put(&object.env, &entry).await {
                report::failure("registry.not_told", &error);
            }
        });
    }

    pub(super) async fn unregister(&self) -> Result<()> {
        match self.name() {
            Ok(name) => registry::remove(&self.env, &name).await,
            Err(_) => Ok(()),
        }
    }
}
