//! How often one address may prove nobody: an object for each.

#![expect(missing_docs, reason = "what `durable_object` generates has none")]

use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};
use zaki_edge_core::{
    front::{Pause, Refusal},
    limit::{Bucket, Rate},
};

use crate::{clock, report};

/// The class's binding.
const BINDING: &str = "RATE_LIMIT";
/// When what is remembered is looked at again, in milliseconds: it is forgotten once it is full.
const FORGET_MS: i64 = 120_000;

/// The bucket of one address.
#[durable_object]
pub struct RateLimit {
    state: State,
}

impl DurableObject for RateLimit {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        let storage = self.state.storage();
        let now = clock::now();
        let mut bucket = storage.get::<Bucket>("bucket").await?.unwrap_or_default();
        let wait = bucket.take(Rate::STRANGERS, now).err();
        storage.put("bucket", &bucket).await?;
        storage.set_alarm(FORGET_MS).await?;
        Response::ok(wait.unwrap_or_default().to_string())
    }

    async fn alarm(&self) -> Result<Response> {
        self.state.storage().delete_all().await?;
        Response::empty()
    }
}

/// Counts one more request that proves nobody; too many are refused differently.
pub(crate) async fn stranger(env: &Env, address: &str) -> std::result::Result<(), Refusal> {
    let ask = async {
        let object = env.durable_object(BINDING)?.get_by_name(&format!("address {address}"))?;
        object.fetch_with_str("https://object/take").await?.text().await
    };
    match ask.await.map(|text| text.parse::<i64>().unwrap_or_default()) {
        Ok(0) => Ok(()),
        Ok(ms) => Err(Refusal::TooMany { after: Pause::of_ms(ms) }),
        Err(error) => {
            report::failure("rate.unknown", &error);
            Ok(())
        }
    }
}
