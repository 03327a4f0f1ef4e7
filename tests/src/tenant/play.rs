//! Households act, each in its own order and all at the same time; what they do is told to the
//! model, which says who every message belongs to.

mod change;
mod forge;
mod group;
mod leave;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use zaki_envelope::ZakiUserId;

use super::account::Account;
use super::cast::Cast;
use super::ear::Ear;
use super::judge::{Asked, MessageNo, Place, Recalled, Records, spelled, word};
use super::model::{Answerer, Model};
use super::operator::Operator;
use super::script::{Household, Script, Step};
use crate::chaos::{Chance, Seed};
use crate::{Said, Shown};

use group::Hosted;

/// Longer than anything takes on a machine that is busy with everybody else.
const PATIENCE: Duration = Duration::from_mins(4);
/// Messages of one household, at most.
const MESSAGES: u32 = 10_000;
/// Households that act at the same time, at most: others begin when one of them has ended.
const AT_ONCE: usize = 64;
/// Of a hundred things that are said, so many are pictures with words under them.
const PICTURES: u64 = 12;

/// How often what was done, by what came of it.
pub type Figures = BTreeMap<&'static str, u32>;

/// Plays a script to its end; what was asked, what was shown, what was done.
pub async fn play(
    cast: &Cast,
    ear: &Ear,
    operator: &Operator<'_>,
    script: &Script,
    seed: Seed,
) -> Result<(Records, Figures)> {
    let first = script.households.first().context("no households")?;
    let mut host = Player::new(cast, ear, operator, first, seed, None);
    let hosted = host.open_group().await?;
    // One alone, to look into it.
    let only = std::env::var("ZAKI_HOUSEHOLD").ok().and_then(|text| text.parse().ok());
    let chosen = script.households.iter().skip(1);
    let chosen = chosen.filter(|household| only.is_none_or(|only: u32| household.no == only));
    let players = chosen.map(|household| {
        let mut player = Player::new(cast, ear, operator, household, seed, Some(hosted.clone()));
        async move { player.play().await.map(|()| player) }
    });
    let others = stream::iter(players).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>();
    let ((), others) = tokio::try_join!(host.play(), others)?;
    let (mut records, mut figures) = (Records::default(), Figures::new());
    for player in others.into_iter().chain([host]) {
        records.asked.extend(player.asked);
        records.recalled.extend(player.recalled);
        records.erased.extend(player.erased);
        for (what, count) in player.figures {
            *figures.entry(what).or_default() += count;
        }
    }
    for asked in records.asked.iter().filter(|asked| asked.must) {
        ear.wait(asked.message, PATIENCE).await;
        if let Some(file) = &asked.file {
            ear.wait_for_file(file, PATIENCE).await;
        }
    }
    // Whatever must not be shown has had its time.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (shown, missed) = ear.all();
    ensure!(missed == 0, "{missed} texts were gone before they were heard");
    records.shown = shown;
    records.files = ear.files();
    Ok((records, figures))
}

struct Player<'a> {
    cast: &'a Cast,
    ear: &'a Ear,
    operator: &'a Operator<'a>,
    household: &'a Household,
    chance: Chance,
    model: Model,
    hosted: Option<Hosted>,
    /// Codes that were used.
    spent: Vec<String>,
    /// Who was merged, and whom the directory calls so.
    merged: Vec<(super::PersonNo, ZakiUserId)>,
    asked: Vec<Asked>,
    recalled: Vec<Recalled>,
    /// What must be kept nowhere.
    erased: Vec<MessageNo>,
    /// What was said last, for the platform to deliver again.
    last: Option<Said>,
    figures: Figures,
}

/// What is done while messages are on their way.
enum Act {
    Chat { by: usize, text: String, wanted: &'static [&'static str] },
    Cli(Vec<String>),
}

impl<'a> Player<'a> {
    fn new(
        cast: &'a Cast,
        ear: &'a Ear,
        operator: &'a Operator<'a>,
        household: &'a Household,
        seed: Seed,
        hosted: Option<Hosted>,
    ) -> Self {
        Self {
            cast,
            ear,
            operator,
            household,
            chance: seed.chance(1_000_000 + u64::from(household.no)),
            model: Model::new(household.no * 1000),
            hosted,
            spent: Vec::new(),
            merged: Vec::new(),
            asked: Vec::new(),
            recalled: Vec::new(),
            erased: Vec::new(),
            last: None,
            figures: Figures::new(),
        }
    }

    async fn play(&mut self) -> Result<()> {
        for (n, step) in self.household.steps.iter().enumerate() {
            if std::env::var_os("ZAKI_HOUSEHOLD").is_some() {
                println!(
                    "{} {n}: {step:?}, {} said; {:?}",
                    self.household.no,
                    self.asked.len(),
                    self.model
                );
            }
            self.drift();
            let done = self.step(*step).await;
            done.with_context(|| format!("household {}, step {n}: {step:?}", self.household.no))?;
        }
        if self.household.no != 0 && self.household.no.is_multiple_of(7) {
            self.leave_in_silence().await?;
        }
        Ok(())
    }

    /// What raced with a change and nobody has to answer may wait in a lane still: whoever its
    /// account belongs to by then answers it, if anybody does.
    fn drift(&mut self) {
        let Self { asked, model, ear, .. } = self;
        let raced = asked.iter_mut().filter(|asked| !asked.must && asked.answerers.len() > 1);
        for asked in raced.filter(|asked| !ear.has(asked.message)) {
            if model.owner(asked.by).is_some() {
                let answerer = model.speak(asked.by);
                asked.answerers.retain(|one| *one != answerer);
                asked.answerers.push(answerer);
            }
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.figures.entry(what).or_default() += 1;
    }

    fn account(&self, n: usize) -> Result<&'a Account> {
        self.household.accounts.get(n).context("no such account")
    }

    fn places(&self, n: usize) -> Result<Vec<Place>> {
        Ok(self.cast.places(self.account(n)?))
    }

    fn no(&self, n: usize) -> u32 {
        self.household.accounts.get(n).map_or(0, |account| account.no)
    }

    async fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Say(one) => self.say(one).await,
            Step::Burst(one, other) => self.burst(one, other).await,
            Step::Show(one, other) => self.show_both(one, other).await,
            Step::Group(one, group) => self.say_in_group(one, group).await,
            Step::Own(one) => self.say_in_own_group(one).await,
            Step::Host(one, serves) => self.host(one, serves).await,
            Step::New(one) => self.begin_session(one).await,
            Step::Enter(one, n) => self.enter_session(one, n).await,
            Step::Link { offers, redeems, agree, race } => {
                self.link(offers, redeems, agree, race).await
            }
            Step::Stale(one) => self.redeem_stale(one).await,
            Step::Unlink { by, account, race } => self.unlink(by, account, race).await,
            Step::Remove(account, race) => self.remove(account, race).await,
            Step::Give(account, to, race) => self.give(account, to, race).await,
            Step::Merge(into, from, race) => self.merge(into, from, race).await,
            Step::Unmerge => self.unmerge().await,
            Step::Erase(one, race) => self.erase(one, race).await,
            Step::Expel(one, race) => self.expel(one, race).await,
            Step::Reassign(from, to) => self.reassign(from, to).await,
            Step::Ask(one, other) => self.ask(one, other).await,
            Step::Forge(one) => self.forge(one).await,
            Step::Again => self.repeat().await,
        }
    }

    /// Notes something new that is about to be said in private, and what may become of it.
    fn note(&mut self, n: usize, answerers: Vec<Answerer>, must: bool) -> Result<MessageNo> {
        let (by, places, message) = (self.no(n), self.places(n)?, self.next());
        self.asked.push(Asked { message, by, places, answerers, shared: false, must, file: None });
        self.count("messages");
        Ok(message)
    }

    /// Says something new in private, now and then with a picture.
    fn utter(&mut self, n: usize, answerers: Vec<Answerer>, must: bool) -> Result<()> {
        if self.chance.percent(PICTURES) {
            return self.show(n, answerers, must);
        }
        let message = self.note(n, answerers, must)?;
        self.last = self.cast.say(self.account(n)?, &spelled(message)).or(self.last.take());
        Ok(())
    }

    /// Sends a picture. Its name is as good as a message: the sandbox says what it was given, of which
    /// bytes, and sends those back.
    fn show(&mut self, n: usize, answerers: Vec<Answerer>, must: bool) -> Result<()> {
        let caption = self.note(n, answerers.clone(), must)?;
        let no = self.note(n, answerers, must)?;
        let picture = Shown::picture(&format!("{}.png", word(no)));
        if let Some(asked) = self.asked.last_mut() {
            asked.file = Some(picture.hash());
        }
        self.cast.show(self.account(n)?, &format!("{} BACK", spelled(caption)), &picture);
        self.count("pictures");
        Ok(())
    }

    fn next(&self) -> MessageNo {
        self.household.no * MESSAGES + u32::try_from(self.asked.len()).unwrap_or_default()
    }

    async fn say(&mut self, n: usize) -> Result<()> {
        let (answerer, since) = (self.model.speak(self.no(n)), self.asked.len());
        self.utter(n, vec![answerer], true)?;
        self.hear(since).await
    }

    /// Waits for the answers to everything but the first `since` messages.
    async fn hear(&self, since: usize) -> Result<()> {
        for asked in self.asked.iter().skip(since) {
            let came = self.ear.wait(asked.message, PATIENCE).await;
            let there = || self.ear.tail(&asked.places);
            ensure!(came, "{} was not answered; there: {:?}", asked.message, there());
            if let Some(file) = &asked.file {
                let came = self.ear.wait_for_file(file, PATIENCE).await;
                ensure!(came, "the picture {} did not come back", asked.message);
            }
        }
        Ok(())
    }

    async fn burst(&mut self, one: usize, other: usize) -> Result<()> {
        self.both(one, other, &[one, other, one, other], Self::utter).await
    }

    async fn show_both(&mut self, one: usize, other: usize) -> Result<()> {
        self.both(one, other, &[one, other], Self::show).await
    }

    /// Two accounts say things in private at the same time, in this order.
    async fn both(
        &mut self,
        one: usize,
        other: usize,
        order: &[usize],
        say: fn(&mut Self, usize, Vec<Answerer>, bool) -> Result<()>,
    ) -> Result<()> {
        for n in [one, other] {
            self.say(n).await?;
        }
        // What one person says at the same time in two places may be one turn, answered in either.
        let same = self.model.owner(self.no(one)) == self.model.owner(self.no(other));
        let both = [self.places(one)?, self.places(other)?].concat();
        let since = self.asked.len();
        for n in order {
            let answerer = self.model.speak(self.no(*n));
            say(self, *n, vec![answerer], true)?;
        }
        for asked in self.asked.iter_mut().skip(since).filter(|_| same) {
            asked.places.clone_from(&both);
        }
        self.hear(since).await
    }

    /// The platform delivers again what was said before.
    async fn repeat(&mut self) -> Result<()> {
        if let Some(said) = &self.last {
            self.cast.say_again(said);
            self.count("delivered again");
        }
        self.say(0).await
    }

    /// A command, answered by a text with any of `wanted` in it.
    async fn order(&self, n: usize, text: &str, wanted: &[&str]) -> Result<String> {
        let (account, places, since) = (self.account(n)?, self.places(n)?, self.ear.len());
        self.cast.say(account, text);
        let word = text.split(' ').next().unwrap_or_default();
        let said = self.ear.expect(&places, since, wanted, PATIENCE).await;
        said.with_context(|| {
            format!("{word} was not answered; there: {:?}", self.ear.tail(&places))
        })
    }

    async fn begin_session(&mut self, n: usize) -> Result<()> {
        let session = self.model.begin_session(self.no(n));
        let name = format!("trip{session}of{}", self.no(n));
        self.order(n, &format!("/new {name}"), &[&name]).await?;
        self.count("sessions begun");
        self.say(n).await
    }

    async fn enter_session(&mut self, n: usize, session: u32) -> Result<()> {
        let there = self.model.enter_session(self.no(n), session);
        let person = self.model.speak(self.no(n)).0;
        let since = self.ear.len();
        self.recalled.push(Recalled { since, places: self.places(n)?, person });
        let wanted = ["We are in this conversation again", "There is no such conversation"];
        let said = self.order(n, &format!("/session {session}"), &wanted).await?;
        ensure!(said.contains("no such") != there, "session {session}: {said}");
        self.count("sessions entered");
        self.say(n).await
    }

    /// Something is done, and messages of account `n` are said before and meanwhile if it `races`.
    /// `change` tells the model. Then it says one more, which has no choice; what raced and must be
    /// answered is answered before anything else changes.
    async fn during(
        &mut self,
        n: usize,
        races: bool,
        must: bool,
        act: Act,
        change: impl FnOnce(&mut Model, &str),
    ) -> Result<String> {
        let before = self.model.owner(self.no(n)).map(|_| self.model.speak(self.no(n)));
        let since = self.asked.len();
        let races = races && before.is_some();
        let pause = self.chance.millis(0..40);
        if races {
            self.utter(n, Vec::new(), must)?;
        }
        let done = {
            let acting = self.act(&act);
            if races {
                let account = self.account(n)?;
                let message = self.next();
                let late = async {
                    tokio::time::sleep(pause).await;
                    self.cast.say(account, &spelled(message));
                };
                let (done, ()) = tokio::join!(acting, late);
                let (by, places, answerers) = (account.no, self.places(n)?, Vec::new());
                let (shared, file) = (false, None);
                self.asked.push(Asked { message, by, places, answerers, shared, must, file });
                self.count("messages");
                done?
            } else {
                acting.await?
            }
        };
        change(&mut self.model, &done);
        let after = self.model.speak(self.no(n));
        let mut answerers: Vec<Answerer> = before.into_iter().chain([after]).collect();
        answerers.dedup();
        for asked in self.asked.iter_mut().skip(since) {
            asked.answerers.clone_from(&answerers);
        }
        self.say(n).await?;
        if must {
            self.hear(since).await?;
        }
        Ok(done)
    }

    async fn act(&self, act: &Act) -> Result<String> {
        match act {
            Act::Chat { by, text, wanted } => self.order(*by, text, wanted).await,
            Act::Cli(args) => {
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                self.operator.zaki(&args).await
            }
        }
    }

    /// One is blocked: from then on nobody answers any account of theirs.
    async fn leave_in_silence(&mut self) -> Result<()> {
        self.say(0).await?;
        let person = self.model.owner(self.no(0)).context("nobody")?;
        let theirs = self.model.accounts(person);
        let user = self.user(0).await?;
        self.operator.zaki(&["users", "block", &user.to_string()]).await?;
        self.count("blocked");
        for n in 0..self.household.accounts.len() {
            if theirs.contains(&self.no(n)) {
                self.utter(n, Vec::new(), false)?;
            } else {
                self.say(n).await?;
            }
        }
        Ok(())
    }
}

/// The code in what the hub has said: `XXXX-XXXX`.
pub fn code(said: &str) -> Option<String> {
    let is_sign = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let is_code = |word: &&str| {
        let halves = word.split_once('-');
        halves
            .is_some_and(|(one, other)| one.len() == 4 && other.len() == 4 && !other.contains('-'))
    };
    let mut words = said.split(|c: char| !is_sign(c) && c != '-');
    words.find(is_code).map(str::to_owned)
}
