//! Said among others: each speaker's own sandbox answers, or that of whoever hosts the group, always
//! in the session of that group.

use anyhow::{Context, Result};

use super::super::cast::Cast;
use super::super::judge::{Asked, Place, spelled};
use super::super::model::{Answerer, GroupNo};
use super::Player;
use crate::ChannelKind;

/// The first number of the households' own groups.
const OWN: u32 = 1000;

/// A group of everybody's that one person's sandbox serves.
#[derive(Clone)]
pub(super) struct Hosted {
    group: Place,
    host: Answerer,
}

impl Player<'_> {
    /// A group that this one's sandbox serves, whoever speaks.
    pub(super) async fn open_group(&mut self) -> Result<Hosted> {
        self.say(0).await?;
        let group = Cast::group(ChannelKind::Telegram, 0).context("no group")?;
        let user = self.user(0).await?.to_string();
        let args = ["groups", "set", "telegram", &group.1, "--owner", &user, "--who", "everyone"];
        self.operator.zaki(&args).await?;
        Ok(Hosted { group, host: self.model.speak(self.no(0)) })
    }

    pub(super) async fn say_in_group(&mut self, n: usize, group: u32) -> Result<()> {
        let account = self.account(n)?;
        let Some(place) = Cast::group(account.channel, group).filter(|_| !account.twin) else {
            return self.say(n).await;
        };
        let own = self.model.speak(account.no);
        let hosted = self.hosted.as_ref().filter(|hosted| hosted.group == place);
        let answerer = hosted.map_or(own, |hosted| hosted.host);
        self.say_there(n, place, answerer).await
    }

    /// The household's own group on an account's platform, if it can have one.
    fn own_group(&self, n: usize) -> Result<Option<(GroupNo, Place)>> {
        let account = self.account(n)?;
        let place = Cast::group(account.channel, OWN + self.household.no);
        let at = ChannelKind::ALL.iter().position(|it| *it == account.channel);
        let number = at.and_then(|at| GroupNo::try_from(at).ok());
        Ok(number.zip(place).filter(|_| !account.twin))
    }

    pub(super) async fn say_in_own_group(&mut self, n: usize) -> Result<()> {
        let Some((group, place)) = self.own_group(n)? else { return self.say(n).await };
        let answerer = self.model.speak_in(group, self.no(n));
        self.say_there(n, place, answerer).await
    }

    async fn say_there(&mut self, n: usize, place: Place, answerer: Answerer) -> Result<()> {
        let (account, since, message) = (self.account(n)?, self.asked.len(), self.next());
        let (by, places, answerers) = (account.no, vec![place.clone()], vec![answerer]);
        let (shared, must, file) = (true, true, None);
        self.asked.push(Asked { message, by, places, answerers, shared, must, file });
        self.cast.say_in(&place, account, &spelled(message));
        self.count("messages in groups");
        self.hear(since).await
    }

    /// From now on the household's group is served by this account's person, or by nobody for all.
    pub(super) async fn host(&mut self, n: usize, serves: bool) -> Result<()> {
        let Some((group, place)) = self.own_group(n)? else { return self.say(n).await };
        self.say(n).await?;
        let (channel, scope) = (place.0, self.cast.scope(place.0));
        let scope = format!("--scope={scope}");
        let mut args = vec!["groups", "set", channel.as_str(), &place.1, &scope];
        let user = self.user(n).await?.to_string();
        if serves {
            args.extend(["--owner", &user, "--who", "everyone"]);
        } else {
            args.push("--no-owner");
        }
        self.operator.zaki(&args).await?;
        self.model.host(group, serves.then(|| self.no(n)));
        self.count(if serves { "hosts of groups" } else { "groups without a host" });
        for n in 0..self.household.accounts.len() {
            if self.own_group(n)?.is_some_and(|(one, _)| one == group) {
                self.say_in_own_group(n).await?;
            }
        }
        Ok(())
    }
}
