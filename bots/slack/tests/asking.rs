//! What leads people to the bot, and what they press under its messages.
#![allow(clippy::unwrap_used, reason = "an assertion may end a test")]

use zaki_channel::{Channel, testkit::question};
use zaki_envelope::{
    AccountName, Address, ChannelKind, Conversation, ConversationId, ConversationKind, DeliveryId,
    Timestamp,
};
use zaki_simulators::Simulator as _;
use zaki_simulators::slack::{Config as World, Slack as Simulator};
use zaki_slack::{Config, Slack};

const KEY: DeliveryId = key(7);

const fn key(number: u128) -> DeliveryId {
    DeliveryId::from_parts(Timestamp::from_secs(1_795_000_000), number)
}

async fn start() -> (Simulator, Slack) {
    let simulator = Simulator::start(World::default()).await.unwrap();
    simulator.introduce("U1", "ann");
    simulator.add_channel("C1", "general");
    let mut config = Config::new(simulator.token().into(), "secret".into());
    config.api_base = simulator.api_url();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let slack = Slack::new(account(), &config, http);
    (simulator, slack)
}

fn account() -> AccountName {
    "main".parse().unwrap()
}

fn address(channel: &str) -> Address {
    let conversation = Conversation::new(ConversationId::new(channel), ConversationKind::Group);
    Address { channel: ChannelKind::Slack, account: account(), conversation, handle: None }
}

#[tokio::test]
async fn a_question_has_its_buttons_under_it_unless_it_is_long() {
    let (simulator, slack) = start().await;
    let to = address("C1");
    slack.send(&to, &question("May I?"), KEY).await.unwrap();
    let body = simulator.calls().last().unwrap().body;
    assert_eq!(body["text"], "May I?", "for notifications, and clients without blocks");
    assert_eq!(body["blocks"][0]["text"]["text"], "May I?");
    assert_eq!(body["blocks"][1]["elements"][1]["value"], "zaki:/deny 1");
    slack.send(&to, &question(&"May I? ".repeat(500)), key(2)).await.unwrap();
    assert_eq!(simulator.calls().last().unwrap().body.get("blocks"), None);
}

#[tokio::test]
async fn an_invitation_is_a_command_and_opens_the_bot_once_it_is_known() {
    let (simulator, slack) = start().await;
    let before = slack.invitation("ABCD-2345").unwrap();
    assert_eq!((before.text.as_str(), before.url), ("/zaki link ABCD-2345", None));
    slack.learn().await.unwrap();
    let (team, bot) = (&simulator.config().team_id, &simulator.config().bot_user_id);
    let invitation = slack.invitation("ABCD-2345").unwrap();
    let url = Some(format!("slack://user?team={team}&id={bot}"));
    assert_eq!((invitation.url, invitation.prefilled), (url, false));
    let mut config = Config::new(simulator.token().into(), "secret".into());
    config.api_base = simulator.api_url();
    config.app_id = Some("A1".to_owned());
    let app = Slack::new(account(), &config, reqwest::Client::new());
    app.learn().await.unwrap();
    let url = format!("https://slack.com/app_redirect?app=A1&team={team}");
    assert_eq!(app.invitation("A").unwrap().url, Some(url));
}
