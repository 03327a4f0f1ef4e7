//! People who are no more, and numbers that go to others.

use anyhow::{Context, Result, ensure};

use super::super::model::PersonNo;
use super::{Act, Player, code};

impl Player<'_> {
    /// `/erase`, with the word it asks for.
    pub(super) async fn erase(&mut self, n: usize, race: bool) -> Result<()> {
        self.say(n).await?;
        let said = self.order(n, "/erase", &["To erase everything, write"]).await?;
        let code = code(&said).with_context(|| format!("no code in {said}"))?;
        // Where the sandbox takes longer to go, the person hears that it goes.
        let wanted = &["about you has been erased", "You are erased:", "nothing was erased"];
        let act = Act::Chat { by: n, text: format!("/erase {code}"), wanted };
        let said = self.vanish(n, race, act).await?;
        ensure!(!said.contains("nothing was erased"), "the right word, but {said}");
        self.count("erased");
        Ok(())
    }

    /// `zaki users erase`.
    pub(super) async fn expel(&mut self, n: usize, race: bool) -> Result<()> {
        self.say(n).await?;
        let user = self.user(n).await?.to_string();
        let args = ["users", "erase", &user, "--yes"].map(str::to_owned).to_vec();
        self.vanish(n, race, Act::Cli(args)).await?;
        self.count("erased by the operator");
        Ok(())
    }

    /// From then on all accounts of that person are nobody's, and nothing is kept of what they said.
    async fn vanish(&mut self, n: usize, race: bool, act: Act) -> Result<String> {
        let (no, since, mut gone) = (self.no(n), self.asked.len(), Vec::new());
        let said = self.during(n, race, false, act, |model, _| gone = model.erase(no)).await?;
        let is_gone = |person: PersonNo| gone.contains(&person);
        let theirs = self.asked.iter().take(since).filter(|asked| {
            let alone = matches!(asked.answerers[..], [(person, _)] if is_gone(person));
            alone && asked.must && !asked.shared
        });
        self.erased.extend(theirs.map(|asked| asked.message));
        Ok(said)
    }

    /// A phone number goes to somebody else on WhatsApp, who may be nobody yet.
    pub(super) async fn reassign(&mut self, from: usize, to: usize) -> Result<()> {
        let (before, heir) = (self.account(from)?, self.account(to)?);
        for account in [before, heir] {
            account.show_itself();
        }
        self.say(from).await?;
        if self.model.owner(heir.no).is_some() {
            self.say(to).await?;
        }
        before.hand_number_to(heir);
        self.count("numbers reassigned");
        let heir_first = self.chance.percent(50);
        let order = if heir_first { [to, from, to] } else { [from, to, from] };
        for n in order {
            self.say(n).await?;
        }
        Ok(())
    }
}
