//! An agent asks before it acts: the person is asked where they wrote, and answers in words or by a
//! button. The edge is a scripted one that speaks the wire, but for one test of the real ones.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::{FutureExt, StreamExt, stream};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use zaki_envelope::wire::{
    AgentInfo, ApprovalAnswer, Decision, TurnEvent, TurnEventKind, Usage, encode_sse,
};
use zaki_simulators::{Sent, Simulator, telegram};
use zaki_tests::edge::KEY;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
const COMMAND: &str = "rm -r ./attic";

/// What has been answered: the asker's user id, the question's id and the decision.
type Answers = watch::Sender<Vec<(String, String, Decision)>>;

#[derive(Clone)]
struct Edge {
    answers: Arc<Answers>,
    /// Turns so far: each asks one question of its own.
    turns: Arc<Mutex<u32>>,
    /// It cannot settle anything just now.
    is_stuck: Arc<AtomicBool>,
}

fn event(seq: u64, kind: TurnEventKind) -> String {
    encode_sse(&TurnEvent { seq, kind }).unwrap_or_default()
}

impl Edge {
    async fn start() -> Result<(Self, String)> {
        let answers = Arc::new(Answers::new(Vec::new()));
        let edge = Self { answers, turns: Arc::default(), is_stuck: Arc::default() };
        let routes = Router::new()
            .route("/health", get(async || "ok"))
            .route("/v1/users/{user}/turns", post(turn))
            .route("/v1/users/{user}/approvals/{id}", post(approve))
            .with_state(edge.clone());
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", socket.local_addr()?);
        tokio::spawn(async move { axum::serve(socket, routes).await });
        Ok((edge, url))
    }

    fn id_of(turn: u32) -> String {
        format!("0b9f6e0e-6a53-4c0f-9a53-{turn:012}")
    }
}

/// Asks one question, and ends once it is answered.
async fn turn(State(edge): State<Edge>, Path(user): Path<String>) -> Response {
    let number = {
        let mut turns = edge.turns.lock().unwrap_or_else(PoisonError::into_inner);
        *turns += 1;
        *turns
    };
    let id = Edge::id_of(number);
    let agent = AgentInfo { name: "scripted".to_owned(), version: "1".to_owned() };
    let decisions = vec![Decision::AllowOnce, Decision::AllowAlways, Decision::Deny];
    let asked = TurnEventKind::Approval {
        id: id.clone(),
        command: COMMAND.to_owned(),
        decisions,
        expires_at: None,
    };
    let first = event(1, TurnEventKind::Started { agent }) + &event(2, asked);
    let mut answers = edge.answers.subscribe();
    let end = async move {
        let is_it = |one: &(String, String, Decision)| one.0 == user && one.1 == id;
        let answered = answers.wait_for(|all| all.iter().any(is_it)).await;
        let decision = answered.ok().and_then(|all| Some(all.iter().find(|it| is_it(it))?.2));
        let text = format!("decided: {decision:?}");
        event(3, TurnEventKind::Final { text, usage: Usage::default(), aborted: false })
    };
    // Until then there are signs of life.
    let life = stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((": alive\n\n".to_owned(), ()))
    });
    let (ended, wait) = tokio::sync::oneshot::channel();
    tokio::spawn(async move { ended.send(end.await) });
    let wait = wait.map(Result::unwrap_or_default).shared();
    let end = stream::once(wait.clone());
    let events = stream::once(async { first }).chain(life.take_until(wait)).chain(end);
    let body = Body::from_stream(events.map(Ok::<_, Infallible>));
    ([("content-type", "text/event-stream")], body).into_response()
}

async fn approve(
    State(edge): State<Edge>,
    Path((user, id)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    let Ok(answer) = serde_json::from_slice::<ApprovalAnswer>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    if edge.is_stuck.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let asked = *edge.turns.lock().unwrap_or_else(PoisonError::into_inner);
    if !(1..=asked).any(|turn| Edge::id_of(turn) == id) {
        return StatusCode::NOT_FOUND;
    }
    edge.answers.send_modify(|all| all.push((user, id, answer.decision)));
    StatusCode::NO_CONTENT
}

async fn world(channels: &[ChannelKind]) -> Result<(World, Edge)> {
    let (edge, url) = Edge::start().await?;
    let setup = Setup::echo().only(channels).set("edge.url", url).set("edge.key", KEY);
    Ok((setup.set("deliver.paced", false).start().await?, edge))
}

fn decisions(edge: &Edge) -> Vec<Decision> {
    edge.answers.borrow().iter().map(|answer| answer.2).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_in_words_on_every_channel() -> Result<()> {
    let (world, edge) = world(&ChannelKind::ALL).await?;
    for channel in ChannelKind::ALL {
        let asked = world.ask(channel, ADA, "tidy up").await?;
        assert!(asked.contains(COMMAND) && asked.contains("/approve"), "{channel}: {asked}");
        let before = world.answers(channel, ADA).len();
        world.say(channel, ADA, "/approve");
        let said = world.expect(channel, ADA, before + 2, SOON).await?;
        assert!(said.iter().any(|text| text == "decided: Some(AllowOnce)"), "{channel}: {said:?}");

        let asked = world.ask(channel, ADA, "tidy up again").await?;
        let id = Edge::id_of(*edge.turns.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(asked.contains(&id), "{channel}: {asked}");
        let before = world.answers(channel, ADA).len();
        world.say(channel, ADA, &format!("/deny {id}"));
        let said = world.expect(channel, ADA, before + 2, SOON).await?;
        assert!(said.iter().any(|text| text == "decided: Some(Deny)"), "{channel}: {said:?}");
        let gone = world.ask(channel, ADA, "/approve").await?;
        assert!(!gone.starts_with("decided"), "{channel}: {gone}");
    }
    assert_eq!(decisions(&edge).len(), 8);
    let record = world.list(&["audit", "list"]).await?;
    let count = |act: &str| {
        let acts = record.iter().filter(|it| it["act"] == act && it["by"] == it["about"]);
        acts.count()
    };
    assert_eq!((count("agent_allowed"), count("agent_denied")), (4, 4), "{record:?}");
    assert!(!format!("{record:?}").contains("attic"), "not what it was about");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_by_a_press_on_every_channel() -> Result<()> {
    let (world, edge) = world(&ChannelKind::ALL).await?;
    for (n, channel) in ChannelKind::ALL.into_iter().enumerate() {
        world.ask(channel, ADA, "tidy up").await?;
        let sent = world.platform(channel).sent().last().context("nothing was sent")?;
        let data = world.buttons(channel, 1).await?;
        assert_eq!(data.len(), 3, "{channel}: {data:?}");
        let before = world.answers(channel, ADA).len();
        world.press(channel, ADA, &sent, &data[1]).await?;
        let said = world.expect(channel, ADA, before + 2, SOON).await?;
        let done = said.iter().any(|text| text == "decided: Some(AllowAlways)");
        assert!(done, "{channel}: {said:?}");
        assert_eq!(decisions(&edge).len(), n + 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_waits_for_the_edge_holds_nothing_up() -> Result<()> {
    let (world, edge) = world(&[TELEGRAM]).await?;
    world.ask(TELEGRAM, ADA, "tidy up").await?;
    edge.is_stuck.store(true, Ordering::Relaxed);
    world.say(TELEGRAM, ADA, "/approve");
    world.say(TELEGRAM, ADA, "/status");
    let said = world.expect(TELEGRAM, ADA, 3, SOON).await?;
    assert!(said.iter().any(|text| text.contains("working on an answer")), "{said:?}");
    assert!(said.iter().any(|text| text.contains("longer than it should")), "{said:?}");
    assert_eq!(decisions(&edge), []);
    edge.is_stuck.store(false, Ordering::Relaxed);
    let said = world.expect(TELEGRAM, ADA, 5, SOON).await?;
    assert!(said.iter().any(|text| text.contains("Allowed")), "{said:?}");
    assert!(said.iter().any(|text| text == "decided: Some(AllowOnce)"), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_edge_never_takes_is_said_not_to_count_and_may_be_given_again()
-> Result<()> {
    let (world, edge) = world(&[TELEGRAM]).await?;
    world.ask(TELEGRAM, ADA, "tidy up").await?;
    edge.is_stuck.store(true, Ordering::Relaxed);
    world.say(TELEGRAM, ADA, "/approve");
    let said = world.expect(TELEGRAM, ADA, 3, 2 * SOON).await?;
    assert!(said[2].contains("could not do that just now"), "{said:?}");
    edge.is_stuck.store(false, Ordering::Relaxed);
    world.say(TELEGRAM, ADA, "/approve");
    let said = world.expect(TELEGRAM, ADA, 5, SOON).await?;
    assert!(said.iter().any(|text| text == "decided: Some(AllowOnce)"), "{said:?}");
    assert_eq!(decisions(&edge).len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers_for_somebody_else_and_no_group_is_asked() -> Result<()> {
    let (world, edge) = world(&[TELEGRAM]).await?;
    world.ask(TELEGRAM, ADA, "tidy up").await?;
    world.ask(TELEGRAM, BOB, "/approve").await?;
    assert_eq!(decisions(&edge), [], "Bob has no question");
    // Whose question it is, is for the edge to say: it is asked in Bob's name.
    world.ask(TELEGRAM, BOB, &format!("/approve {}", Edge::id_of(1))).await?;
    let ada = world.answers(TELEGRAM, ADA);
    assert!(!ada.iter().any(|text| text.starts_with("decided")), "{ada:?}");
    let group = telegram::Chat::basic_group(-77, "Friends");
    world.telegram.introduce(&group);
    let name = telegram::Config::default().username;
    world.telegram.say_in(&group, &BOB.telegram(), &format!("@{name} tidy up"), json!({}));
    let here = |sent: &Sent| sent.conversation == "-77" && sent.has_text();
    let said = world.telegram.sent().wait_for(here, SOON).await?;
    assert_eq!(said.text, "decided: Some(Deny)", "others do not see what it asked for");
    Ok(())
}

/// The real edges: to the agent and back, in whichever sandbox it is.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_reaches_the_agent_that_asked_and_no_other() -> Result<()> {
    let world = Setup::echo().only(&[TELEGRAM]).set("deliver.paced", false).start().await?;
    for (who, command) in [(ADA, "mine"), (BOB, "his")] {
        let asked = world.ask(TELEGRAM, who, &format!("ASK:{command}")).await?;
        assert!(asked.contains(command) && asked.contains("/approve"), "{asked}");
    }
    let sent = world.telegram.sent().matching(|it| it.has_text() && it.text.contains("mine"));
    let data = world.buttons(TELEGRAM, 1).await?;
    world.press(TELEGRAM, ADA, sent.first().context("nobody was asked")?, &data[0]).await?;
    world.say(TELEGRAM, BOB, "/deny");
    for (who, decided) in [(ADA, "allowed once: mine"), (BOB, "denied: his")] {
        let said = world.expect(TELEGRAM, who, 3, SOON).await?;
        assert!(said.iter().any(|text| text == decided), "{who:?}: {said:?}");
    }
    Ok(())
}
