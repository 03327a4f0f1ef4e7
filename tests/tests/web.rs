//! People who sign in on the web: the edge asks the hub who they are, for codes that lead to their
//! chats, and to use those that they got there. (What each signature is worth, byte by byte, and
//! what the directory does by itself, is in the tests of the hub and of the directory.)

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use reqwest::StatusCode;
use zaki_edge_native::{HubClient, HubError, Reach};
use zaki_envelope::signature::{
    KEY_HEADER, Message, SIGNATURE_HEADER, SigningKey, TIMESTAMP_HEADER,
};
use zaki_envelope::wire::web::{
    Hidden, LinkRequest, Linked, Refused, Resolved, Want, WebIdentity, WebRefusal,
};
use zaki_envelope::{CallId, Timestamp, ZakiUserId};
use zaki_tests::chaos::Seed;
use zaki_tests::replicas::Replicas;
use zaki_tests::tenant::code;
use zaki_tests::world::own_address;
use zaki_tests::{ChannelKind, Person, Setup, World, edge};

const ISSUER: &str = "https://id.example.org";
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
const ADA: Person = Person::ADA;
/// What whoever made a code is asked when it was used by somebody else.
const ASKED: &str = "Your link code was used on Web";

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ms = since.unwrap_or_default().as_millis();
    Timestamp::from_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn key() -> SigningKey {
    SigningKey::new("edge", edge::KEY)
}

/// A hub whose edge may ask at the address.
fn setup(web: SocketAddr) -> Setup {
    let listen = Setup::echo().set("edge.key", edge::KEY).set("web.listen", web.to_string());
    listen.set("web.issuers", vec![ISSUER.to_owned()]).set("deliver.paced", false)
}

fn client(web: SocketAddr) -> Result<HubClient> {
    Ok(HubClient::new(Reach::remote(format!("http://{web}").parse()?)?, key()))
}

/// A hub and what asks it.
struct Bench {
    world: World,
    web: SocketAddr,
    client: HubClient,
}

impl Bench {
    async fn start(change: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let web = own_address();
        let world = change(setup(web)).start().await?;
        Ok(Self { world, web, client: client(web)? })
    }

    /// Somebody who is served.
    async fn sign_in(&self, who: &WebIdentity) -> Result<(ZakiUserId, bool)> {
        match self.client.resolve(who).await? {
            Resolved::Known { user, created, .. } => Ok((user, created)),
            Resolved::Refused(refused) => bail!("refused: {:?}", refused.reason),
        }
    }

    /// Somebody who is not.
    async fn turned_away(&self, who: &WebIdentity) -> Result<Refused> {
        match self.client.resolve(who).await? {
            Resolved::Refused(refused) => Ok(refused),
            known @ Resolved::Known { .. } => bail!("{known:?}"),
        }
    }

    async fn redeem(&self, who: &WebIdentity, code: &str) -> Result<Linked> {
        Ok(self.client.link(who, Want::Redeem { code: Hidden::new(code) }).await?)
    }

    /// A code that somebody asks for in a chat.
    async fn code_in_chat(&self, who: Person) -> Result<String> {
        let said = self.world.ask(TELEGRAM, who, "/link").await?;
        code(&said).with_context(|| format!("no code in {said}"))
    }

    /// Who writes on Telegram, by the operator's list.
    async fn on_telegram(&self, who: Person) -> Result<ZakiUserId> {
        let (_, sender) = who.sender(&self.world, TELEGRAM);
        let people = self.world.list(&["users", "list", "--find", &sender]).await?;
        let user = people.first().and_then(|person| person["user"].as_str());
        Ok(user.with_context(|| format!("nobody is {sender}: {people:?}"))?.parse()?)
    }

    /// Waits until somebody has been told this on Telegram.
    async fn heard(&self, who: Person, what: &str) -> Result<()> {
        self.heard_times(who, what, 1).await
    }

    async fn heard_times(&self, who: Person, what: &str, times: usize) -> Result<()> {
        let read = async || Ok(self.world.answers(TELEGRAM, who));
        let there =
            |said: &Vec<String>| said.iter().filter(|text| text.contains(what)).count() == times;
        self.world.until(what, read, there).await.map(drop)
    }
}

fn ada() -> WebIdentity {
    let name = Some("Ada Lovelace".to_owned());
    WebIdentity { name, ..WebIdentity::new(ISSUER, "subject-of-ada-0001") }
}

fn bob() -> WebIdentity {
    WebIdentity::new(ISSUER, "subject-of-bob-0002")
}

fn with_address(email: &str, email_verified: bool) -> WebIdentity {
    WebIdentity { email: Some(email.to_owned()), email_verified, ..bob() }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_an_issuer_names_is_one_person() -> Result<()> {
    let bench = Bench::start(|setup| setup.only(&[TELEGRAM])).await?;
    let (user, created) = bench.sign_in(&ada()).await?;
    ensure!(created && bench.sign_in(&ada()).await? == (user, false));
    ensure!(bench.sign_in(&bob()).await?.0 != user);
    let in_egypt = WebIdentity { locale: Some("ar-EG".into()), ..ada() };
    let known = bench.client.resolve(&in_egypt).await?;
    ensure!(known == Resolved::Known { user, created: false, lang: "ar".into() });

    let elsewhere = WebIdentity { issuer: format!("{ISSUER}/"), ..ada() };
    let refused = bench.turned_away(&elsewhere).await?;
    ensure!(refused.reason == WebRefusal::Issuer, "{:?}", refused.reason);
    let people = bench.world.list(&["users", "list"]).await?;
    ensure!(people.len() == 2, "strangers cost nothing: {people:?}");

    let block = bench.world.zaki(&["users", "block", &user.to_string()]).await?;
    block.ok()?;
    ensure!(bench.turned_away(&ada()).await?.reason == WebRefusal::Blocked, "at once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_the_web_is_its_own() -> Result<()> {
    let domains = vec!["example.org".to_owned()];
    let list = |setup: Setup| {
        let setup = setup.only(&[TELEGRAM]).set("web.access.sign_up", "allowlist");
        setup.set("web.access.allow.domains", domains)
    };
    let bench = Bench::start(list).await?;
    for stranger in [
        bob(),
        with_address("bob@example.org", false),
        with_address("bob@example.com", true),
        with_address("bob@evil.org, bob@example.org", true),
    ] {
        let refused = bench.turned_away(&stranger).await?;
        ensure!(refused.reason == WebRefusal::NotListed, "{:?}", refused.reason);
        let says = refused.says.expose();
        ensure!(says.contains("only for certain people"), "{says}");
    }
    let german = WebIdentity { locale: Some("de".into()), ..bob() };
    let says = bench.turned_away(&german).await?.says;
    ensure!(says.expose().contains("bestimmte"), "{}", says.expose());
    let Linked::Refused(refused) = bench.client.link(&bob(), Want::Offer).await? else {
        bail!("a stranger has a code")
    };
    ensure!(refused.reason == WebRefusal::NotListed);
    bench.sign_in(&with_address("Bob@Example.org", true)).await?;
    let said = bench.world.ask(TELEGRAM, ADA, "hello").await?;
    ensure!(said.contains("echo: hello"), "chats are open: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_from_the_web_leads_to_every_chat() -> Result<()> {
    let bench = Bench::start(|setup| setup).await?;
    let (user, _) = bench.sign_in(&ada()).await?;
    let Linked::Offered { code, ways, .. } = bench.client.link(&ada(), Want::Offer).await? else {
        bail!("no code")
    };
    let channels: Vec<ChannelKind> = ways.iter().map(|way| way.channel).collect();
    ensure!(channels == ChannelKind::ALL, "{channels:?}");
    let plain = code.expose().replace('-', "");
    for way in &ways {
        let brings = |text: &str| text.replace('-', "").contains(&plain);
        ensure!(brings(way.text.expose()), "{}: no code in its text", way.channel);
        let url = way.url.as_ref().map(Hidden::expose).unwrap_or_default();
        ensure!(!way.prefilled || brings(url), "{}: {url}", way.channel);
    }
    let said = bench.world.join(TELEGRAM, ADA, code.expose()).await?;
    ensure!(said.contains("as on Web now"), "{said}");
    ensure!(bench.on_telegram(ADA).await? == user);
    let said = bench.world.ask(TELEGRAM, ADA, "/links").await?;
    ensure!(said.contains("Web") && said.contains("Ada Lovelace"), "{said}");
    let again = bench.redeem(&bob(), code.expose()).await?;
    ensure!(again == Linked::Wrong, "it was good once: {again:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_from_a_chat_leads_to_the_web() -> Result<()> {
    let bench = Bench::start(|setup| setup.only(&[TELEGRAM])).await?;
    let code = bench.code_in_chat(ADA).await?;
    let user = bench.on_telegram(ADA).await?;
    let linked = bench.redeem(&ada(), &code).await?;
    ensure!(linked == Linked::Joined { user }, "{linked:?}");
    ensure!(bench.sign_in(&ada()).await? == (user, false));
    bench.heard(ADA, "can now be reached here, too").await?;
    let again = bench.redeem(&bob(), &code).await?;
    ensure!(again == Linked::Wrong, "{again:?}");
    let people = bench.world.list(&["users", "list"]).await?;
    ensure!(people.len() == 1, "a wrong code makes nobody: {people:?}");

    let own = bench.code_in_chat(ADA).await?;
    ensure!(bench.redeem(&ada(), &own).await? == Linked::Already { user });
    for _ in 0..4 {
        ensure!(bench.redeem(&bob(), "ZZZZ-ZZZZ").await? == Linked::Wrong);
    }
    let more = bench.redeem(&bob(), &own).await?;
    ensure!(matches!(more, Linked::TooMany { .. }), "also with the right one: {more:?}");

    let said = bench.world.ask(TELEGRAM, ADA, "/unlink 2").await?;
    ensure!(said.contains("Web"), "{said}");
    ensure!(bench.sign_in(&ada()).await?.0 != user, "who was unlinked is somebody else");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_are_one_when_both_say_so() -> Result<()> {
    let bench = Bench::start(|setup| setup.only(&[TELEGRAM])).await?;
    let (mine, _) = bench.sign_in(&ada()).await?;
    let ask = async || {
        let code = bench.code_in_chat(ADA).await?;
        match bench.redeem(&ada(), &code).await? {
            Linked::Confirm { question, stays: false, .. } => anyhow::Ok(question),
            other => bail!("{other:?}"),
        }
    };
    let first = ask().await?;
    let theirs = bench.on_telegram(ADA).await?;
    ensure!(mine != theirs);
    let decline = Want::Decline { question: first.clone() };
    ensure!(bench.client.link(&ada(), decline).await? == Linked::Declined);
    bench.heard(ADA, "was no, so everything stays").await?;

    let question = ask().await?;
    bench.heard_times(ADA, ASKED, 2).await?;
    let yes = |question: &str| Want::Confirm { question: question.to_owned() };
    let old = bench.client.link(&ada(), yes(&first)).await?;
    ensure!(old == Linked::Nothing, "an old question: {old:?}");
    let strange = bench.client.link(&bob(), yes(&question)).await?;
    ensure!(strange == Linked::Nothing, "somebody else's: {strange:?}");
    ensure!(bench.client.link(&ada(), yes(&question)).await? == Linked::Waiting);
    ensure!(bench.sign_in(&ada()).await? == (mine, false), "not yet");
    let said = bench.world.ask(TELEGRAM, ADA, "/link yes").await?;
    ensure!(said.contains("Done"), "{said}");
    ensure!(bench.sign_in(&ada()).await? == (theirs, false), "theirs stays");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_yes_may_come_from_the_web() -> Result<()> {
    let bench = Bench::start(|setup| setup.only(&[TELEGRAM])).await?;
    bench.sign_in(&ada()).await?;
    let code = bench.code_in_chat(ADA).await?;
    let Linked::Confirm { question, .. } = bench.redeem(&ada(), &code).await? else {
        bail!("no question")
    };
    bench.heard(ADA, ASKED).await?;
    let said = bench.world.ask(TELEGRAM, ADA, "/link yes").await?;
    ensure!(said.contains("Now please say yes"), "{said}");
    let theirs = bench.on_telegram(ADA).await?;
    match bench.client.link(&ada(), Want::Confirm { question }).await? {
        Linked::Merged { user, stays: false, .. } if user == theirs => {}
        other => bail!("{other:?}"),
    }
    bench.heard(ADA, "your assistant answers on Web, too").await?;
    ensure!(bench.sign_in(&ada()).await? == (theirs, false));
    Ok(())
}

/// A call as somebody recorded it.
struct Recorded {
    body: Vec<u8>,
    headers: [(&'static str, String); 3],
}

impl Recorded {
    fn new(key: &SigningKey, want: Want) -> Result<Self> {
        let call = CallId::from_parts(now(), rand::random());
        let body = serde_json::to_vec(&LinkRequest { call, who: ada(), want })?;
        let message = Message { method: "POST", path_and_query: "/edge/link", body: &body };
        let signed = key.sign(now(), message);
        let headers = [
            (KEY_HEADER, signed.key),
            (TIMESTAMP_HEADER, signed.timestamp),
            (SIGNATURE_HEADER, signed.signature),
        ];
        Ok(Self { body, headers })
    }

    async fn play(&self, world: &World, url: &str) -> Result<(StatusCode, String)> {
        let mut post = world.http.post(url).body(self.body.clone());
        for (name, value) in &self.headers {
            post = post.header(*name, value);
        }
        let answer = post.send().await?;
        Ok((answer.status(), answer.text().await?))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_call_is_worth_nothing() -> Result<()> {
    let bench = Bench::start(|setup| setup.only(&[TELEGRAM])).await?;
    let url = format!("http://{}/edge/link", bench.web);
    let recorded = Recorded::new(&key(), Want::Offer)?;
    let (status, said) = recorded.play(&bench.world, &url).await?;
    ensure!(status == StatusCode::OK && said.contains("offered"), "{status}: {said}");
    let (status, said) = recorded.play(&bench.world, &url).await?;
    ensure!(status == StatusCode::CONFLICT && said.is_empty(), "{status}: {said}");

    let forged = Recorded::new(&SigningKey::new("edge", "a guess"), Want::Offer)?;
    let (status, said) = forged.play(&bench.world, &url).await?;
    ensure!(status == StatusCode::UNAUTHORIZED && said.is_empty(), "{status}: {said}");
    let a_hub = HubClient::new(
        Reach::remote(format!("http://{}", bench.web).parse()?)?,
        SigningKey::new("hub", edge::KEY),
    );
    let refused = a_hub.resolve(&ada()).await;
    ensure!(matches!(refused, Err(HubError::Refused(401))), "a hub is no edge: {refused:?}");

    // Where the platforms call, nobody is told anything.
    let (status, _) = Recorded::new(&key(), Want::Offer)?
        .play(&bench.world, &bench.world.url("/edge/link"))
        .await?;
    ensure!(status == StatusCode::NOT_FOUND, "{status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_claims_nor_codes_are_in_a_log() -> Result<()> {
    let bench = Bench::start(|setup| setup.only(&[TELEGRAM]).set("log.level", "trace")).await?;
    let who =
        WebIdentity { email: Some("ada@analytical.example".into()), email_verified: true, ..ada() };
    bench.sign_in(&who).await?;
    let Linked::Offered { code, .. } = bench.client.link(&who, Want::Offer).await? else {
        bail!("no code")
    };
    bench.redeem(&bob(), code.expose()).await?;
    Recorded::new(&SigningKey::new("edge", "a guess"), Want::Offer)?
        .play(&bench.world, &format!("http://{}/edge/link", bench.web))
        .await?;
    let log = bench.world.whole_log();
    ensure!(log.contains("in the name of the edge was refused"), "{log}");
    for part in ["analytical", "Lovelace", "subject-of", &code.expose()[5..]] {
        ensure!(!log.contains(part), "{part} is in the log");
    }
    let store = std::fs::read(bench.world.data().join("hub/identity.db"))?;
    let kept = store.windows(10).any(|bytes| bytes == b"analytical");
    ensure!(!kept, "an address is judged by and not kept");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_two_replicas_a_call_is_made_once_and_an_unlink_holds_at_once() -> Result<()> {
    let setup = setup(own_address()).only(&[TELEGRAM]);
    let Some(replicas) = Replicas::start(setup, 2, Seed::find()).await? else { return Ok(()) };
    let places: Vec<SocketAddr> = replicas.hubs.iter().filter_map(|hub| hub.web).collect();
    let [one, other] = places.as_slice() else { bail!("{places:?}") };
    let recorded = Recorded::new(&key(), Want::Offer)?;
    let played = [one, other].map(|at| format!("http://{at}/edge/link"));
    let played = played.iter().map(|url| recorded.play(&replicas.world, url));
    let mut played: Vec<u16> = futures::future::try_join_all(played)
        .await?
        .into_iter()
        .map(|(status, _)| status.as_u16())
        .collect();
    played.sort_unstable();
    ensure!(played == [200, 409], "{played:?}");

    let ask = async |at: &SocketAddr| match client(*at)?.resolve(&ada()).await? {
        Resolved::Known { user, created, .. } => Ok((user, created)),
        refused @ Resolved::Refused(_) => bail!("{refused:?}"),
    };
    let (user, _) = ask(one).await?;
    ensure!(ask(other).await? == (user, false));
    let id = user.to_string();
    let subject = ada().subject;
    let gone = replicas.world.zaki(&["users", "unlink", &id, "web", &subject]).await?;
    gone.ok()?;
    let (anew, _) = ask(other).await?;
    ensure!(anew != user && ask(one).await? == (anew, false), "{}", replicas.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_could_not_tell_edges_apart_does_not_start() -> Result<()> {
    let web = own_address().to_string();
    for (setup, words) in [
        (Setup::echo(), &["web.listen", "web.issuers"][..]),
        (Setup::echo().set("web.issuers", vec![ISSUER.to_owned()]), &["web.listen", "edge.key"]),
    ] {
        let setup = setup.only(&[TELEGRAM]).set("web.listen", web.clone());
        let world = setup.prepare().await?;
        let said = world.zaki(&["up"]).await?.refusal()?;
        let doctor = world.zaki(&["doctor"]).await?;
        ensure!(doctor.code == Some(1), "{doctor:?}");
        for word in words {
            ensure!(said.contains(word), "{word} is not in {said}");
            ensure!(doctor.stdout.contains(word), "{word} is not in {}", doctor.stdout);
        }
    }
    Ok(())
}
