//! What nobody has said, and answers to what others were asked.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::super::judge::spelled;
use super::{PATIENCE, Player};
use crate::{ChannelKind, payload, post};

/// Until a hub that is full is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// What somebody hears who answers a question that is not theirs.
const NOT_THEIRS: &[&str] =
    &["There is nothing to confirm", "settled already", "nothing to approve"];

impl Player<'_> {
    /// A request to the webhook that claims to be from this account, and is not proven.
    pub(super) async fn forge(&mut self, n: usize) -> Result<()> {
        self.say(n).await?;
        let (account, world) = (self.account(n)?, self.operator.world);
        let message = self.note(n, Vec::new(), false)?;
        let proof = post::proof(account.channel);
        let good = payload::message(world, account.channel, account, message, &spelled(message));
        let mut tampered = good.clone();
        tampered.body.push(b' ');
        let forged = match self.chance.among(0..3) {
            0 => good.without(proof),
            // Telegram proves the sender alone.
            1 if account.channel != ChannelKind::Telegram => tampered,
            _ => good.header(proof, "0123456789abcdef"),
        };
        let mut answer = forged.clone().send_to(&world.http, &world.front).await?;
        // Whoever forges has patience, too.
        while answer.status == 503 {
            tokio::time::sleep(AGAIN).await;
            answer = forged.clone().send_to(&world.http, &world.front).await?;
        }
        ensure!(answer.status == 401, "a forged message was answered {answer:?}");
        self.count("forged messages");
        self.say(n).await
    }

    /// Somebody who is asked whether two are one has a button; another person presses it.
    pub(super) async fn meddle(&mut self, asked: [usize; 2]) -> Result<()> {
        let people = asked.map(|n| self.model.owner(self.no(n)));
        let is_other = |n: &usize| {
            let person = self.model.owner(self.no(*n));
            person.is_some() && !people.contains(&person)
        };
        let mut others = (0..self.household.accounts.len()).filter(is_other);
        let Some(other) = others.next() else { return Ok(()) };
        let shown = [self.places(asked[0])?, self.places(asked[1])?].concat();
        let buttons = self.ear.buttons(&shown, "link confirm", PATIENCE).await;
        let there = || format!("no button to link; {:?}", self.ear.tail(&shown));
        self.press(other, buttons.first().with_context(there)?).await?;
        self.count("questions answered by others");
        Ok(())
    }

    /// An account presses a button that another was shown, to no avail.
    async fn press(&self, n: usize, data: &str) -> Result<()> {
        let (account, places, since) = (self.account(n)?, self.places(n)?, self.ear.len());
        self.cast.press(account, data);
        let said = self.ear.expect(&places, since, NOT_THEIRS, PATIENCE).await;
        let there = || format!("{data} by another was not refused; {:?}", self.ear.tail(&places));
        said.map(drop).with_context(there)
    }

    /// An agent asks whether it may, another person answers, and then its own.
    pub(super) async fn ask(&mut self, n: usize, other: usize) -> Result<()> {
        for n in [n, other] {
            self.say(n).await?;
        }
        if self.model.owner(self.no(n)) == self.model.owner(self.no(other)) {
            return Ok(());
        }
        let (account, places, since) = (self.account(n)?, self.places(n)?, self.ear.len());
        let command = format!("tidy{}x{}", self.household.no, self.asked.len());
        self.cast.say(account, &format!("WHO ASK:{command}"));
        let asked = self.ear.expect(&places, since, &[&command], PATIENCE).await;
        let asked = asked.context("the agent's question was not shown")?;
        let id = id(&asked).with_context(|| format!("no id in {asked}"))?;
        let buttons = self.ear.buttons(&places, &id, PATIENCE).await;
        let data = self.chance.pick(&buttons).context("no button to approve")?;
        self.press(other, data).await?;
        self.order(n, &format!("/approve {id}"), &["Allowed: your assistant"]).await?;
        let (answer, user) = (format!("allowed once: {command}"), self.user(n).await?);
        let said = self.ear.expect(&places, since, &[&answer], PATIENCE).await;
        let said = said.with_context(|| format!("no {answer}; {:?}", self.ear.tail(&places)))?;
        ensure!(said.contains(&format!("answered by openclaw-{user} ")), "{user} asked: {said}");
        let elsewhere = self.ear.elsewhere(&command, since, &places);
        ensure!(elsewhere.is_empty(), "{command} was shown in {elsewhere:?}");
        self.count("questions of agents");
        Ok(())
    }
}

/// The id in an agent's question.
fn id(asked: &str) -> Option<String> {
    let (_, rest) = asked.split_once("/approve ")?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let id: String = rest.chars().take_while(|c| is_part(*c)).collect();
    (!id.is_empty()).then_some(id)
}
