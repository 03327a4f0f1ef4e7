//! What leads people to the bot, and what they press under its messages.
#![allow(clippy::unwrap_used, reason = "short to write, safe to fail")]

use serde_json::json;
use zaki_channel::{Channel, testkit::question};
use zaki_discord::{Config, Discord};
use zaki_envelope::{
    Address, ChannelKind, Conversation, ConversationId, ConversationKind, DeliveryId, Outbound,
    Timestamp,
};
use zaki_simulators::Simulator;
use zaki_simulators::discord::{self, User};

struct Bench {
    server: discord::Discord,
    bot: Discord,
    to: Address,
}

impl Bench {
    async fn new() -> Self {
        let server = discord::Discord::start(discord::Config::default()).await.unwrap();
        let mut config = Config::new(server.token().into());
        config.api_base = format!("{}/api/v10", server.url());
        let bot = Discord::new("main".parse().unwrap(), config).unwrap();
        let id = server.direct(&User::new(7_000_000_000_000_000_007, "ada")).id.to_string();
        let conversation = Conversation::new(ConversationId::new(id), ConversationKind::Direct);
        let (channel, account) = (ChannelKind::Discord, "main".parse().unwrap());
        Self { server, bot, to: Address { channel, account, conversation, handle: None } }
    }
}

fn key(n: u128) -> DeliveryId {
    DeliveryId::from_parts(Timestamp::from_ms(1_795_000_000_000), n)
}

#[tokio::test]
async fn a_question_has_its_buttons_under_it() {
    let bench = Bench::new().await;
    bench.bot.send(&bench.to, &question("May I?"), key(1)).await.unwrap();
    let call = bench.server.calls().last().unwrap();
    let row = &call.body["components"][0];
    assert_eq!((call.status, &row["type"]), (200, &json!(1)));
    assert_eq!(row["components"][0]["custom_id"], "zaki:/approve 1");
    assert_eq!(row["components"][1]["label"], "No");
    bench.bot.send(&bench.to, &Outbound::post("no question"), key(2)).await.unwrap();
    let call = bench.server.calls().last().unwrap();
    assert!(call.body["components"].as_array().is_none_or(Vec::is_empty), "{}", call.body);
}

#[tokio::test]
async fn an_invitation_is_a_command_and_shows_the_bot_once_it_is_known() {
    let bench = Bench::new().await;
    let before = bench.bot.invitation("ABCD-2345").unwrap();
    assert_eq!((before.text.as_str(), before.url), ("/zaki link ABCD-2345", None));
    bench.bot.register_commands(&[]).await.unwrap();
    let invitation = bench.bot.invitation("ABCD-2345").unwrap();
    let id = bench.server.config().application_id;
    let url = Some(format!("https://discord.com/users/{id}"));
    assert_eq!((invitation.url, invitation.prefilled), (url, false));
}
