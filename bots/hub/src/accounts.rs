//! The configured bots, each with what its platform needs: a sender, a webhook half, a socket half,
//! and errands such as registering its webhook.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use futures::future::{BoxFuture, join_all};
use reqwest::Client;
use tokio_util::sync::CancellationToken;
use zaki_channel::{Channel, ChannelError, Retry, Source, Webhook};
use zaki_envelope::{AccountName, ChannelKind};
use zaki_lane::commands::{Name, TABLE};

use crate::{
    config::Config,
    troubles::{Doing, Troubles},
};

/// How long until what a platform has refused is asked of it again, at first and at last: what was
/// taken back may be given again, and one wrong answer must not silence a bot for good. Discord counts
/// each try of its socket, a thousand a day
/// (<https://docs.discord.com/developers/events/gateway#session-start-limit-object>).
pub(crate) const REFUSED_AGAIN: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(10)];

/// One bot on one platform.
pub(crate) struct Account {
    pub kind: ChannelKind,
    pub name: AccountName,
    pub channel: Arc<dyn Channel>,
    pub webhook: Option<Box<dyn Webhook>>,
    pub source: Option<Arc<dyn Source>>,
    pub errands: Vec<Errand>,
    label: String,
}

/// Something to tell the platform once at every start; repeated until it works.
pub(crate) type Errand =
    Arc<dyn Fn() -> BoxFuture<'static, Result<(), ChannelError>> + Send + Sync>;

impl Account {
    fn new(kind: ChannelKind, name: &AccountName, channel: impl Channel + 'static) -> Self {
        Self {
            kind,
            name: name.clone(),
            channel: Arc::new(channel),
            webhook: None,
            source: None,
            errands: Vec::new(),
            label: format!("{kind}/{name}"),
        }
    }

    /// `telegram/main`: for logs, counters and cursors.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Accounts(HashMap<(ChannelKind, AccountName), Account>);

impl Accounts {
    /// The bots of `config`; none of them is connected yet.
    pub(crate) fn build(config: &Config) -> Result<Self> {
        let mut accounts = Self::default();
        for channel in ChannelKind::ALL {
            for name in config.accounts(channel) {
                let built = build(config, channel, name);
                let account = built.with_context(|| format!("{channel} account `{name}`"))?;
                accounts.0.insert((channel, name.clone()), account);
            }
        }
        Ok(accounts)
    }

    /// One alone.
    #[cfg(test)]
    pub(crate) fn one(name: &AccountName, channel: impl Channel + 'static) -> Self {
        let kind = channel.kind();
        Self(HashMap::from([((kind, name.clone()), Account::new(kind, name, channel))]))
    }

    /// The account `name` of `kind`, as both stand in a webhook's address.
    pub(crate) fn find(&self, kind: ChannelKind, name: &str) -> Option<&Account> {
        self.get(kind, &name.parse().ok()?)
    }

    pub(crate) fn get(&self, kind: ChannelKind, name: &AccountName) -> Option<&Account> {
        self.0.get(&(kind, name.clone()))
    }

    /// The first account of a channel, by name.
    pub(crate) fn first(&self, kind: ChannelKind) -> Option<&Account> {
        let of_kind = self.iter().filter(|account| account.kind == kind);
        of_kind.min_by(|one, other| one.name.cmp(&other.name))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.0.values()
    }
}

/// One bot. Fails, with what to do, when a secret is missing: a channel never starts half secured.
pub(crate) fn build(config: &Config, channel: ChannelKind, name: &AccountName) -> Result<Account> {
    let public = config.hub.public_url.as_ref();
    let webhook_url = public
        .map(|base| format!("{}/webhooks/{channel}/{name}", base.as_str().trim_end_matches('/')));
    let missing = "is no longer configured";
    match channel {
        ChannelKind::Telegram => {
            telegram(name, config.telegram.get(name).context(missing)?, webhook_url)
        }
        ChannelKind::Discord => discord(name, config.discord.get(name).context(missing)?),
        ChannelKind::WhatsApp => {
            whatsapp(name, config.whatsapp.get(name).context(missing)?, http_client()?)
        }
        ChannelKind::Slack => slack(name, config.slack.get(name).context(missing)?, http_client()?),
        ChannelKind::Web => bail!("the web has no bots"),
    }
}

fn telegram(
    name: &AccountName,
    config: &zaki_telegram::Config,
    webhook_url: Option<String>,
) -> Result<Account> {
    config.validate()?;
    let bot = zaki_telegram::Telegram::new(name.clone(), config.clone())?;
    let mut account = Account::new(ChannelKind::Telegram, name, bot.clone());
    let known = bot.clone();
    account.errands.push(Arc::new(move || {
        let bot = known.clone();
        Box::pin(async move { bot.register_commands(&offered()).await })
    }));
    match config.receive {
        zaki_telegram::Receive::Polling => {
            account.source =
                Some(Arc::new(zaki_telegram::Poll::new(name.clone(), config.clone())?));
        }
        zaki_telegram::Receive::Webhook => {
            let url = webhook_url.context("receive = \"webhook\" needs hub.public_url")?;
            account.webhook =
                Some(Box::new(zaki_telegram::Hook::new(name.clone(), config.clone())));
            account.errands.push(Arc::new(move || {
                let (bot, url) = (bot.clone(), url.clone());
                Box::pin(async move { bot.set_webhook(&url).await })
            }));
        }
    }
    Ok(account)
}

/// The commands that a platform's clients can offer, each with how it is written.
fn offered() -> Vec<(&'static str, String)> {
    let rows = TABLE.iter().filter(|row| row.name != Name::Start);
    rows.map(|row| (row.word, row.usages().collect::<Vec<_>>().join(" · "))).collect()
}

/// Messages always come over the gateway; commands over HTTP once the portal knows the webhook, for
/// which the public key is needed.
fn discord(name: &AccountName, config: &zaki_discord::Config) -> Result<Account> {
    config.validate()?;
    let bot = zaki_discord::Discord::new(name.clone(), config.clone())?;
    let mut account = Account::new(ChannelKind::Discord, name, bot.clone());
    account.source = Some(Arc::new(zaki_discord::Gateway::new(name.clone(), config.clone())?));
    if config.public_key.is_some() {
        account.webhook = Some(Box::new(zaki_discord::Hook::new(name.clone(), config.clone())));
    }
    account.errands.push(Arc::new(move || {
        let bot = bot.clone();
        Box::pin(async move { bot.register_commands(&offered()).await })
    }));
    Ok(account)
}

fn whatsapp(name: &AccountName, config: &zaki_whatsapp::Config, http: Client) -> Result<Account> {
    config.validate()?;
    let sender = zaki_whatsapp::WhatsApp::new(name.clone(), config, http);
    let mut account = Account::new(ChannelKind::WhatsApp, name, sender.clone());
    account.webhook = Some(Box::new(zaki_whatsapp::Hook::new(name.clone(), config.clone())));
    account.errands.push(Arc::new(move || {
        let sender = sender.clone();
        Box::pin(async move { sender.check().await })
    }));
    Ok(account)
}

fn slack(name: &AccountName, config: &zaki_slack::Config, http: Client) -> Result<Account> {
    config.validate()?;
    let sender = zaki_slack::Slack::new(name.clone(), config, http);
    let mut account = Account::new(ChannelKind::Slack, name, sender.clone());
    account.webhook = Some(Box::new(zaki_slack::Hook::new(name.clone(), config.clone())));
    account.errands.push(Arc::new(move || {
        let sender = sender.clone();
        Box::pin(async move { sender.learn().await })
    }));
    Ok(account)
}

/// For platforms that are plain HTTP. Bounded: a platform that hangs must not hold a lane forever.
/// And idle connections are given up before servers close theirs: a message written into a closing
/// one is one nobody knows the fate of.
fn http_client() -> Result<Client> {
    let client = Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_mins(1))
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("zaki/", env!("CARGO_PKG_VERSION")));
    client.build().context("the HTTP client cannot be set up")
}

/// Runs an account's errands until all have worked or the hub stops. What is refused is named, and
/// asked for again with these pauses.
pub(crate) async fn run_errands(
    account: &str,
    mut errands: Vec<Errand>,
    troubles: &Troubles,
    stop: CancellationToken,
    mut refused_again: [Duration; 2],
) {
    let mut soon = [1, 60].map(Duration::from_secs);
    loop {
        let done = join_all(errands.iter().map(|errand| errand())).await;
        let failed =
            errands.into_iter().zip(done).filter_map(|(errand, done)| Some((errand, done.err()?)));
        let (left, errors): (Vec<_>, Vec<_>) = failed.unzip();
        errands = left;
        let Some(first) = errors.first() else { break };
        let is_refused = |error: &&ChannelError| error.retry == Retry::Never;
        match errors.iter().find(is_refused) {
            Some(refused) => troubles.refused(account, Doing::SetUp, refused),
            None => troubles.heard(account, Doing::SetUp, Err(first)),
        }
        let all_refused = errors.iter().all(|error| is_refused(&error));
        let pause = next_pause(if all_refused { &mut refused_again } else { &mut soon });
        tracing::warn!(account, error = %first, ?pause, "trying the set-up again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
    troubles.heard(account, Doing::SetUp, Ok(()));
}

/// The pause before the next try; each is twice the last, up to the longest.
pub(crate) fn next_pause([pause, longest]: &mut [Duration; 2]) -> Duration {
    let now = *pause;
    *pause = (now * 2).min(*longest);
    now
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// One works at once; the other's platform is not reached twice, then it says no, until somebody
    /// has mended it.
    #[tokio::test]
    async fn what_is_refused_is_named_and_asked_for_again() {
        let (troubles, tries) = (Arc::new(Troubles::default()), Arc::new(AtomicU32::new(0)));
        let seen = troubles.clone();
        let errand: Errand = Arc::new(move || {
            let said: Vec<_> =
                seen.told().into_iter().map(|told| (told.what, told.passes)).collect();
            let told = |passes| [("slack/main (set-up)".to_owned(), passes)];
            let done = match tries.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Err((Retry::Unknown, "no answer")),
                2 => {
                    assert_eq!(said, told(true));
                    Err((Retry::Never, "no such bot"))
                }
                _ => {
                    assert_eq!(said, told(false));
                    Ok(())
                }
            };
            let refused = |(retry, what)| ChannelError::new(ChannelKind::Slack, retry, what);
            Box::pin(async move { done.map_err(refused) })
        });
        let once = Arc::new(AtomicU32::new(0));
        let counted = once.clone();
        let other: Errand = Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(()) })
        });
        let (stop, at_once) = (CancellationToken::new(), [Duration::ZERO; 2]);
        run_errands("slack/main", vec![errand, other], &troubles, stop, at_once).await;
        assert_eq!(troubles.told(), []);
        assert_eq!(once.load(Ordering::Relaxed), 1, "what has worked is done");
    }

    #[test]
    fn each_pause_is_twice_the_last_up_to_the_longest() {
        let mut pauses = REFUSED_AGAIN;
        let minutes = [(); 6].map(|()| next_pause(&mut pauses).as_secs() / 60);
        assert_eq!(minutes, [1, 2, 4, 8, 10, 10]);
    }
}
