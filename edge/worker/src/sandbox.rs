//! The objects that hold one sandbox each: the core decides, they execute its effects, Persist
//! first. What lives in their fields can be lost at any moment (a panic resets every object of an
//! isolate, the platform evicts idle ones): everything that matters is in the object's SQLite, and
//! the container goes on meanwhile.

#![expect(missing_docs, reason = "what `durable_object` generates has none")]

mod answer;
mod archive;
mod backup;
mod leave;
mod life;
mod link;
pub(crate) mod media;
mod object;
mod operate;
mod outbound;
mod register;
mod relay;
mod start;
mod store;
mod think;
mod turn;

use std::rc::Rc;

use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

pub(crate) use answer::LOOK;
use object::Object;

/// A class for each tier: its name decides the instance type, in the configuration.
macro_rules! tier {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[durable_object]
        pub struct $name {
            object: Rc<Object>,
        }

        impl DurableObject for $name {
            fn new(state: State, env: Env) -> Self {
                Self { object: Object::new(state, env) }
            }

            async fn fetch(&self, request: Request) -> Result<Response> {
                self.object.fetch(request).await
            }

            async fn alarm(&self) -> Result<Response> {
                self.object.alarmed()?;
                Response::empty()
            }
        }
    };
}

tier!(
    /// A sandbox of tier standard-1.
    Sandbox1
);
tier!(
    /// A sandbox of tier standard-2.
    Sandbox2
);
tier!(
    /// A sandbox of tier standard-3.
    Sandbox3
);
