//! `POST /control/<platform>/{say,webhook,fail,clear,command,gateway}` and
//! `GET /control/<platform>/{sent,calls,attempts,excesses,repeats,connections}`; everything is JSON.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use zaki_simulators::graph::Contact;
use zaki_simulators::slack::Slash;
use zaki_simulators::{Fault, Simulators, discord, telegram};

/// A command that cannot be carried out.
struct Refused(String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({"error": self.0}))).into_response()
    }
}

impl From<zaki_simulators::WebhookRefused> for Refused {
    fn from(why: zaki_simulators::WebhookRefused) -> Self {
        Self(why.to_string())
    }
}

type Answer = Result<Json<Value>, Refused>;

pub(crate) fn router(simulators: Simulators) -> Router {
    Router::new()
        .route("/control/{platform}/say", post(say))
        .route("/control/{platform}/webhook", post(webhook))
        .route("/control/{platform}/fail", post(fail))
        .route("/control/{platform}/clear", post(clear))
        .route("/control/{platform}/command", post(command))
        .route("/control/{platform}/gateway", post(gateway))
        .route("/control/{platform}/{record}", get(record))
        .with_state(simulators)
}

/// Somebody writes. Ids are strings everywhere; without `channel` it is a private chat.
#[derive(Deserialize)]
struct Say {
    user: String,
    #[serde(default = "somebody")]
    name: String,
    text: String,
    channel: Option<String>,
    /// A guild of Discord.
    guild: Option<String>,
    /// Slack: deliver `message` and `app_mention`.
    #[serde(default)]
    mention: bool,
    /// WhatsApp: the business-scoped id.
    user_id: Option<String>,
}

fn somebody() -> String {
    "Ada".to_owned()
}

async fn say(
    State(all): State<Simulators>,
    Path(platform): Path<String>,
    Json(say): Json<Say>,
) -> Answer {
    let said = match platform.as_str() {
        "telegram" => {
            let user = telegram::User::new(number(&say.user)?, &say.name);
            let chat = match &say.channel {
                Some(id) => telegram::Chat::group(number(id)?, "Group"),
                None => telegram::Chat::private(&user),
            };
            let update = all.telegram.say_in(&chat, &user, &say.text, json!({}));
            json!({"update_id": update, "message_id": all.telegram.message_id(update)})
        }
        "discord" => {
            let user = discord::User::new(number(&say.user)?, &say.name);
            let channel = discord_channel(&all, &user, say.guild.as_ref(), say.channel.as_ref())?;
            let said = all.discord.say_in(&channel, &user, &say.text, json!({}));
            json!({"message_id": said.id.to_string(), "channel_id": channel.id.to_string()})
        }
        "whatsapp" => {
            let contact = Contact {
                wa_id: (!say.user.is_empty()).then_some(say.user),
                user_id: say.user_id,
                name: say.name,
            };
            json!({"wamid": all.whatsapp.say(&contact, &say.text)})
        }
        "slack" => say_on_slack(&all, &say),
        _ => return Err(unknown(&platform)),
    };
    Ok(Json(said))
}

fn say_on_slack(all: &Simulators, say: &Say) -> Value {
    let channel = match &say.channel {
        Some(channel) => channel.clone(),
        None => all.slack.direct_channel(&say.user),
    };
    let said = if say.mention {
        all.slack.mention(&channel, &say.user, &say.text, json!({})).0
    } else {
        all.slack.say_in(&channel, &say.user, &say.text, json!({}))
    };
    json!({"channel": said.channel, "ts": said.ts, "event_id": said.event_id})
}

fn discord_channel(
    all: &Simulators,
    user: &discord::User,
    guild: Option<&String>,
    channel: Option<&String>,
) -> Result<discord::Channel, Refused> {
    match (guild, channel) {
        (Some(guild), Some(id)) => {
            let channel = discord::Channel::in_guild(number(guild)?, number(id)?, "general");
            all.discord.add_channel(&channel);
            Ok(channel)
        }
        _ => Ok(all.discord.direct(user)),
    }
}

#[derive(Deserialize)]
struct Webhook {
    url: String,
    #[serde(default)]
    secret: String,
}

/// Sets the webhook with the platform's own check.
async fn webhook(
    State(all): State<Simulators>,
    Path(platform): Path<String>,
    Json(webhook): Json<Webhook>,
) -> Answer {
    match platform.as_str() {
        "telegram" => all.telegram.set_webhook(&webhook.url, &webhook.secret),
        "discord" => all.discord.set_interactions_endpoint(&webhook.url).await?,
        "whatsapp" => all.whatsapp.set_webhook(&webhook.url).await?,
        "slack" => all.slack.set_events_url(&webhook.url).await?,
        _ => return Err(unknown(&platform)),
    }
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Fail {
    method: Option<String>,
    #[serde(default = "once")]
    count: u32,
    fault: Fault,
}

fn once() -> u32 {
    1
}

async fn fail(
    State(all): State<Simulators>,
    Path(platform): Path<String>,
    Json(fail): Json<Fail>,
) -> Answer {
    let simulator = all.named(&platform).ok_or_else(|| unknown(&platform))?;
    simulator.fail(fail.method.as_deref(), fail.count, fail.fault);
    Ok(Json(json!({})))
}

/// Forgets what was recorded and the faults still to come.
async fn clear(State(all): State<Simulators>, Path(platform): Path<String>) -> Answer {
    let simulator = all.named(&platform).ok_or_else(|| unknown(&platform))?;
    simulator.sent().clear();
    simulator.calls().clear();
    simulator.attempts().clear();
    simulator.faults().clear();
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Ran {
    user: String,
    #[serde(default = "somebody")]
    name: String,
    command: String,
    text: String,
    /// Slack: where commands are POSTed.
    #[serde(default)]
    url: String,
    channel: Option<String>,
    guild: Option<String>,
}

/// Somebody runs a slash command.
async fn command(
    State(all): State<Simulators>,
    Path(platform): Path<String>,
    Json(given): Json<Ran>,
) -> Answer {
    match platform.as_str() {
        "discord" => {
            let user = discord::User::new(number(&given.user)?, &given.name);
            let channel =
                discord_channel(&all, &user, given.guild.as_ref(), given.channel.as_ref())?;
            let option = ("text", given.text.as_str());
            let made = all.discord.command(&channel, &user, &given.command, option).await;
            let id = made.id.to_string();
            Ok(Json(json!({"id": id, "token": made.token, "attempt": made.attempt})))
        }
        "slack" => {
            let channel = given.channel.unwrap_or_else(|| all.slack.direct_channel(&given.user));
            let slash = Slash {
                command: &given.command,
                text: &given.text,
                user: &given.user,
                channel: &channel,
            };
            Ok(Json(json!({"attempt": all.slack.command(&given.url, &slash).await})))
        }
        _ => Err(unknown(&platform)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Gateway {
    Drop,
    Reconnect,
    Invalidate { resumable: bool },
    Close { code: u16 },
}

/// Trouble at Discord's gateway.
async fn gateway(
    State(all): State<Simulators>,
    Path(platform): Path<String>,
    Json(what): Json<Gateway>,
) -> Answer {
    if platform != "discord" {
        return Err(unknown(&platform));
    }
    match what {
        Gateway::Drop => all.discord.drop_sockets(),
        Gateway::Reconnect => all.discord.reconnect(),
        Gateway::Invalidate { resumable } => all.discord.invalidate(resumable),
        Gateway::Close { code } => all.discord.close(code),
    }
    Ok(Json(json!({})))
}

async fn record(
    State(all): State<Simulators>,
    Path((platform, record)): Path<(String, String)>,
) -> Answer {
    let simulator = all.named(&platform).ok_or_else(|| unknown(&platform))?;
    match record.as_str() {
        "sent" => Ok(Json(json!(simulator.sent().all()))),
        "calls" => Ok(Json(json!(simulator.calls().all()))),
        "attempts" => Ok(Json(json!(simulator.attempts().all()))),
        // A tenth less than the platform's own word, for what the way here adds.
        "excesses" => Ok(Json(json!(simulator.excesses(0.9)))),
        "repeats" => Ok(Json(json!(simulator.repeats()))),
        "connections" if platform == "discord" => Ok(Json(json!(all.discord.connections().all()))),
        _ => Err(unknown(&record)),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Refused> {
    text.parse().map_err(|_| Refused(format!("not a number: {text}")))
}

fn unknown(what: &str) -> Refused {
    Refused(format!("unknown: {what}"))
}
