//! What the hub does not take at its webhooks: it says so in the platform's terms, stores nothing
//! that is not proven, and loses nothing that is.

use std::cmp::Ordering;

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use zaki_tests::post::{self, proof};
use zaki_tests::world::ACCOUNT;
use zaki_tests::{ChannelKind, Person, Post, SOON, Setup, World, payload};

const ADA: Person = Person::ADA;

/// A proof of the right form that proves something else.
fn forged(post: &Post, channel: ChannelKind) -> Post {
    let name = proof(channel);
    let value = post.headers.iter().find(|(there, _)| there == name);
    let mut value = value.map(|(_, value)| value.clone()).unwrap_or_default();
    let last = if value.pop() == Some('0') { '1' } else { '0' };
    value.push(last);
    post.clone().header(name, &value)
}

async fn nothing_stored(world: &World) -> Result<()> {
    for args in [&["inbox", "list"][..], &["inbox", "list", "--dead"], &["users", "list"]] {
        assert_eq!(world.list(args).await?, [Value::Null; 0], "{args:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_is_refused_counted_and_not_stored() -> Result<()> {
    let world = Setup::echo().start().await?;
    for channel in ChannelKind::ALL {
        let before = world.count(channel, "refused").await?;
        let good = payload::message(&world, channel, ADA, 1, "let me in");
        let mut tampered = good.clone();
        tampered.body.push(b' ');
        let mut bad = vec![
            good.clone().without(proof(channel)),
            good.clone().header(proof(channel), ""),
            good.clone().header(proof(channel), "nonsense"),
            forged(&good, channel),
        ];
        if channel != ChannelKind::Telegram {
            bad.push(tampered);
        }
        let count = bad.len() as u64;
        for post in bad {
            post.expect(&world, 401).await?;
        }
        assert_eq!(world.count(channel, "refused").await?, before + count, "{channel}");
    }
    nothing_stored(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_long_ago_is_refused() -> Result<()> {
    let world = Setup::echo().start().await?;
    for channel in [ChannelKind::Slack, ChannelKind::Discord] {
        let body = payload::message(&world, channel, ADA, 1, "an old one").body;
        for seconds in [post::now() - 301, post::now() + 310, 0] {
            let stale = Post::signed_at(&world, channel, body.clone(), seconds);
            stale.expect(&world, 401).await?;
        }
        let time = if channel == ChannelKind::Slack {
            "x-slack-request-timestamp"
        } else {
            "x-signature-timestamp"
        };
        let good = Post::signed(&world, channel, body);
        good.clone().without(time).expect(&world, 401).await?;
        good.header(time, "yesterday").expect(&world, 401).await?;
    }
    nothing_stored(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_not_configured_does_not_exist() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    let good = payload::message(&world, ChannelKind::Telegram, ADA, 1, "hello");
    for path in
        ["telegram/other", "slack/main/events", "irc/main", "telegram/..%2Fmain", "telegram"]
    {
        good.clone().at(&format!("/webhooks/{path}")).expect(&world, 404).await?;
    }
    nothing_stored(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_taken() -> Result<()> {
    let world = Setup::echo().start().await?;
    for channel in ChannelKind::ALL {
        let limit = if channel == ChannelKind::WhatsApp { 3 << 20 } else { 1 << 20 };
        for (number, size, status) in [(1, limit + 1, 413), (2, limit, 200)] {
            let mut body = payload::message(&world, channel, ADA, number, "much space").body;
            body.resize(size, b' ');
            Post::signed(&world, channel, body).expect(&world, status).await?;
        }
        assert_eq!(world.count(channel, "too_large").await?, 1, "{channel}");
        assert_eq!(world.inbox(channel).await?.len(), 1, "{channel}: the one at the limit");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_garbage_is_acknowledged_and_kept_as_a_dead_letter() -> Result<()> {
    let world = Setup::echo().start().await?;
    let garbage: [&[u8]; 4] =
        [b"{\"not\":\"yours\"}", b"not even JSON", b"\xff\xfe\x00", b"[1,2,3]"];
    for channel in ChannelKind::ALL {
        for body in garbage {
            Post::signed(&world, channel, body).expect(&world, 200).await?;
        }
    }
    let dead = world.list(&["inbox", "list", "--dead"]).await?;
    for channel in ChannelKind::ALL {
        let mine = |letter: &&Value| letter["channel"] == channel.as_str();
        let raw: Vec<&Value> = dead.iter().filter(mine).map(|letter| &letter["raw"]).collect();
        assert_eq!(raw.len(), garbage.len(), "{channel}: {raw:?}");
        assert!(
            raw.contains(&&json!("{\"not\":\"yours\"}")),
            "{channel}: its bytes are kept: {raw:?}"
        );
        assert_eq!(world.ask(channel, ADA, "still there?").await?, "echo: still there?");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_item_in_a_batch_loses_no_other() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::WhatsApp]).start().await?;
    let text = |number, text| payload::whatsapp_text(ADA, number, text);
    let items = [text(1, "one"), json!(17), json!({"type": "text"}), text(2, "two")];
    let batch = payload::whatsapp(&world, &items).to_string();
    Post::signed(&world, ChannelKind::WhatsApp, batch).expect(&world, 200).await?;
    let answers = world.expect(ChannelKind::WhatsApp, ADA, 2, SOON).await?;
    assert_eq!(answers, ["echo: one", "echo: two"]);
    let dead = world.list(&["inbox", "list", "--dead"]).await?;
    assert_eq!(dead.len().cmp(&1), Ordering::Greater, "both bad items: {dead:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatsapps_challenge_needs_the_verify_token() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::WhatsApp]).start().await?;
    let ask = |token: &str| {
        let query = format!("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}");
        let mut post = Post::signed(&world, ChannelKind::WhatsApp, "");
        post.method = Method::GET;
        post.headers.clear();
        post.at(&format!("/webhooks/whatsapp/{ACCOUNT}?{query}"))
    };
    let right = world.whatsapp.config().verify_token.clone();
    assert_eq!(ask(&right).expect(&world, 200).await?.body, "1158201444");
    for wrong in ["", "wrong", &right[1..]] {
        let answer = ask(wrong).send(&world).await?;
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert!(!answer.body.contains("1158201444"), "{answer:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_does_not_keep_others_waiting() -> Result<()> {
    use tokio::io::AsyncWriteExt;
    let world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    let address = world.url("").replace("http://", "");
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut stream = tokio::net::TcpStream::connect(&address).await?;
        let head = format!("POST /webhooks/telegram/{ACCOUNT} HTTP/1.1\r\nhost: x\r\n");
        stream.write_all(format!("{head}content-length: 100\r\n\r\n{{").as_bytes()).await?;
        slow.push(stream);
    }
    assert_eq!(world.ask(ChannelKind::Telegram, ADA, "me too").await?, "echo: me too");
    Ok(())
}
