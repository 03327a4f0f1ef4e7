//! What changes who is who: links, merges and their undoing, while messages are on their way.

use anyhow::{Context, Result, ensure};
use zaki_envelope::ZakiUserId;

use super::super::model::Joined;
use super::{Act, Player, code};

impl Player<'_> {
    pub(super) async fn link(
        &mut self,
        offers: usize,
        redeems: usize,
        agree: bool,
        race: bool,
    ) -> Result<()> {
        self.say(offers).await?;
        let wanted = ["Send me this code on another channel", "You have asked for many codes"];
        let said = self.order(offers, "/link", &wanted).await?;
        let Some(code) = code(&said) else {
            self.count("too many codes");
            return Ok(());
        };
        let mut text = format!("/link {code}");
        let wanted: &[&str] = &[
            "You have the same assistant here as on",
            "You are linked already",
            "This code does not work",
            "You already have an assistant here",
            "That was too many codes",
        ];
        // Whoever is somebody already stays that until both agree.
        let (one, other) = (self.no(offers), self.no(redeems));
        let is_new = self.model.owner(other).is_none();
        if is_new {
            let asked = "both of you can read all of it";
            let wanted = [asked, "This code does not work", "That was too many codes"];
            let said = self.order(redeems, &text, &wanted).await?;
            if said.contains("too many") {
                self.count("too many tries");
                return Ok(());
            }
            ensure!(said.contains(asked), "a stranger was not asked: {said}");
            "/link yes".clone_into(&mut text);
        }
        let act = Act::Chat { by: redeems, text, wanted };
        let said = self.during(redeems, race && !is_new, true, act, |model, said| {
            if is_new && !said.contains("too many") {
                model.redeem(one, other);
            }
        });
        let said = said.await?;
        if said.contains("too many") {
            self.count("too many tries");
            return Ok(());
        }
        let expected = match (is_new, self.model.owner(one) == self.model.owner(other)) {
            (true, _) => Joined::Joined,
            (false, true) => Joined::Already,
            (false, false) => Joined::Confirm,
        };
        let answer = match expected {
            Joined::Joined => "You have the same assistant here as on",
            Joined::Already => "You are linked already",
            Joined::Confirm => "You already have an assistant here",
        };
        ensure!(said.contains(answer), "{expected:?} was expected: {said}");
        if expected != Joined::Already {
            self.spent.push(code);
        }
        match expected {
            Joined::Joined => self.count("linked"),
            Joined::Already => self.count("linked already"),
            Joined::Confirm if agree => {
                self.meddle([offers, redeems]).await?;
                self.agree(offers, redeems, race).await?;
            }
            Joined::Confirm => {
                self.order(redeems, "/link no", &["everything stays as it is"]).await?;
                self.count("declined");
                self.say(redeems).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn agree(&mut self, offers: usize, redeems: usize, race: bool) -> Result<()> {
        self.order(redeems, "/link yes", &["please say yes on"]).await?;
        let (one, other) = (self.no(offers), self.no(redeems));
        let wanted = &["assistant answers on"];
        let act = Act::Chat { by: offers, text: "/link yes".to_owned(), wanted };
        self.during(redeems, race, false, act, |model, _| model.merge(one, other)).await?;
        self.count("merged by both");
        self.say(offers).await
    }

    pub(super) async fn redeem_stale(&mut self, n: usize) -> Result<()> {
        let Some(code) = self.spent.last().cloned() else { return self.say(n).await };
        let wanted = ["This code does not work", "That was too many codes"];
        self.order(n, &format!("/link {code}"), &wanted).await?;
        self.count("stale codes");
        self.say(n).await
    }

    pub(super) async fn unlink(&mut self, by: usize, account: usize, race: bool) -> Result<()> {
        for n in [by, account] {
            self.say(n).await?;
        }
        let (one, other) = (self.no(by), self.no(account));
        if self.model.owner(one) != self.model.owner(other) {
            return Ok(());
        }
        let place = self.operator.place(self.account(account)?).await?;
        let place = place.context("an account that nobody has")?;
        let wanted: &[&str] = &["Removed", "This chat does not reach", "This is the only way"];
        let act = Act::Chat { by, text: format!("/unlink {place}"), wanted };
        let owner = self.model.owner(other).context("nobody")?;
        let last = self.model.accounts(owner).len() == 1;
        // Whoever leaves by themselves says so in line with the rest.
        let said = self.during(account, race, true, act, |model, said| {
            if !said.contains("only way") {
                model.unlink(other);
            }
        });
        let said = said.await?;
        ensure!(said.contains("only way") == last, "the last: {last}, but {said}");
        self.count(if last { "kept as the last" } else { "unlinked" });
        Ok(())
    }

    /// The person of an account as the directory calls them.
    pub(super) async fn user(&self, n: usize) -> Result<ZakiUserId> {
        let found = self.operator.find(self.account(n)?).await?;
        Ok(found.context("an account that nobody has")?.0)
    }

    pub(super) async fn remove(&mut self, n: usize, race: bool) -> Result<()> {
        self.say(n).await?;
        let account = self.account(n)?;
        let (user, binding) = self.operator.find(account).await?.context("nobody's")?;
        let args = ["users", "unlink", &user.to_string(), account.channel.as_str()];
        let args = args.into_iter().chain([binding.sender.as_str()]);
        let args = args.chain(["--scope", binding.scope.as_str()]).map(str::to_owned).collect();
        let no = account.no;
        self.during(n, race, true, Act::Cli(args), |model, _| model.unlink(no)).await?;
        self.count("removed");
        Ok(())
    }

    pub(super) async fn give(&mut self, n: usize, to: usize, race: bool) -> Result<()> {
        for n in [n, to] {
            self.say(n).await?;
        }
        let account = self.account(n)?;
        let (_, binding) = self.operator.find(account).await?.context("nobody's")?;
        let user = self.user(to).await?.to_string();
        let args = ["users", "link", &user, account.channel.as_str(), binding.sender.as_str()];
        let scope = [format!("--scope={}", binding.scope)];
        let args = args.into_iter().map(str::to_owned).chain(scope).collect();
        let (no, to) = (account.no, self.no(to));
        self.during(n, race, true, Act::Cli(args), |model, _| model.give(no, to)).await?;
        self.count("given");
        Ok(())
    }

    pub(super) async fn merge(&mut self, into: usize, from: usize, race: bool) -> Result<()> {
        for n in [into, from] {
            self.say(n).await?;
        }
        let (one, other) = (self.no(into), self.no(from));
        let (Some(_), Some(person)) = (self.model.owner(one), self.model.owner(other)) else {
            return Ok(());
        };
        if self.model.owner(one) == Some(person) {
            return Ok(());
        }
        let users = (self.user(into).await?, self.user(from).await?);
        let args = ["users", "merge", &users.0.to_string(), &users.1.to_string()];
        let args = args.map(str::to_owned).to_vec();
        self.during(from, race, false, Act::Cli(args), |model, _| model.merge(one, other)).await?;
        self.merged.push((person, users.1));
        self.count("merged");
        Ok(())
    }

    pub(super) async fn unmerge(&mut self) -> Result<()> {
        let Some((person, user)) = self.merged.pop() else { return self.say(0).await };
        if !self.model.merged().contains(&person) {
            return Ok(());
        }
        self.operator.zaki(&["users", "unmerge", &user.to_string()]).await?;
        self.model.unmerge(person);
        self.count("unmerged");
        for n in 0..self.household.accounts.len() {
            self.say(n).await?;
        }
        Ok(())
    }
}
