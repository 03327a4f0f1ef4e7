//! The Worker in front: proves who asks, and hands the request to the object that has to do with it.

use worker::{Env, Request, Response, Result, web_sys};
use zaki_edge_core::{
    front::{Call, Front, Refusal},
    http::{Answer, Intake, Request as Asked},
    sandbox::Generation,
};
use zaki_envelope::{SandboxName, Timestamp};

use crate::{
    breakers, clock,
    config::Config,
    convert::{self, Read},
    rate, registry, report,
    sandbox::media,
};

/// Answers one request.
pub(crate) async fn answer(request: web_sys::Request, env: &Env) -> web_sys::Response {
    let config = match Config::of(env) {
        Ok(config) => config,
        Err(error) => {
            report::failure("config.unusable", &error);
            return convert::sent(Refusal::Unavailable.into());
        }
    };
    let (read, began) = (Read::of(&request), clock::now());
    let response = match take(&read, &config, began).await {
        Ok((asked, body)) => match route(asked, body, &read, env, &config).await {
            Ok(response) => response,
            Err(error) => {
                report::failure("front.failed", &error);
                convert::sent(Refusal::Unavailable.into())
            }
        },
        Err(refusal) => refuse(env, &read, refusal).await,
    };
    let (head, now) = (read.head(), clock::now());
    let (path, query) = head.split();
    let call = Call::of(head.method, path, query).ok();
    report::request(env, call.as_ref().map(Call::name), response.status(), began, now);
    response
}

/// Everything before anything is done: the core's decisions over what was read.
async fn take(
    read: &Read,
    config: &Config,
    now: Timestamp,
) -> std::result::Result<(Asked, Vec<u8>), Refusal> {
    let front = Front { keys: &config.keys, tokens: config };
    let header = |name: &str| read.header(name);
    let intake = Intake::open(read.head(), &front, header, now)?;
    let body = read.body().await.map_err(|_| Refusal::Malformed("the body broke off"))?;
    // Each look at the clock crosses into JavaScript; a body takes seconds, and the window minutes.
    let asked = intake.close(&front, header, &body, now)?;
    Ok((asked, body))
}

async fn route(
    asked: Asked,
    body: Vec<u8>,
    read: &Read,
    env: &Env,
    config: &Config,
) -> Result<web_sys::Response> {
    Ok(match asked {
        Asked::Health => convert::sent(Answer::health()),
        Asked::Model => {
            convert::sent(Answer::json(&*breakers::report(env, config, clock::now()).await?))
        }
        // Anybody may ask, and here anybody is the world: counts are events, in the log and the
        // Analytics Engine.
        Asked::Metrics => convert::sent(Refusal::NotFound.into()),
        Asked::Sandboxes => convert::sent(Answer::json(&registry::list(env).await?)),
        Asked::Keep { user, hash } => {
            let is_kept = media::keep(env, user, hash, body).await?;
            let wrong = Refusal::Malformed("these are not the bytes of that hash");
            convert::sent(if is_kept { Answer::done() } else { wrong.into() })
        }
        Asked::Media { user, hash } => match media::read(env, user, hash).await? {
            Some(bytes) => Response::from_bytes(bytes)?.into(),
            None => convert::sent(Refusal::NotFound.into()),
        },
        asked => {
            let Some(name) = asked.home() else {
                return Ok(convert::sent(Refusal::NotFound.into()));
            };
            let generation = match &asked {
                Asked::Think { .. } | Asked::Models { .. } => shown(read, config),
                _ => None,
            };
            let call = addressed(read, &name, generation, &body)?;
            let stub = env.durable_object(config.binding(&name))?.get_by_name(name.as_str())?;
            stub.fetch_with_request(call).await?.into()
        }
    })
}

/// Which start of a sandbox has made the token that was shown.
fn shown(read: &Read, config: &Config) -> Option<Generation> {
    let bearer = read.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = bearer.or_else(|| read.header("x-api-key"))?;
    config.seal.verify(token).map(|(_, generation)| generation)
}

/// The request as the object of `name` gets it. `generation`: a sandbox makes it, and not a hub.
pub(crate) fn addressed(
    read: &Read,
    name: &SandboxName,
    generation: Option<Generation>,
    body: &[u8],
) -> Result<Request> {
    let number = generation.map(|generation| generation.0.to_string());
    let mut headers = vec![("zaki-sandbox", name.as_str())];
    headers.extend(number.as_deref().map(|number| ("zaki-generation", number)));
    headers.extend(read.header("traceparent").map(|trace| ("traceparent", trace)));
    let url = format!("https://object{}", read.head().target);
    let body = (!body.is_empty()).then_some(body);
    convert::call(&url, read.method(), &headers, body)
}

/// Who proves nobody is let try only so often; nobody else waits for that.
async fn refuse(env: &Env, read: &Read, refusal: Refusal) -> web_sys::Response {
    let is_strange = matches!(refusal, Refusal::Unauthorized | Refusal::NotFound);
    let refusal = match read.header("cf-connecting-ip").filter(|_| is_strange) {
        Some(address) => rate::stranger(env, address).await.err().unwrap_or(refusal),
        None => refusal,
    };
    convert::sent(refusal.into())
}
