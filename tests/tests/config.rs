//! A hub that cannot start says why and what to do, in one sentence, and exits with a failure.

use std::fs;
use std::net::TcpListener;

use anyhow::{Context, Result};
use zaki_tests::edge::{self, Edge};
use zaki_tests::program::{self, Output};
use zaki_tests::{ChannelKind, Person, Setup, World, world};

const TELEGRAM: &[ChannelKind] = &[ChannelKind::Telegram];

/// A world of one channel whose hub has not been started.
async fn prepared() -> Result<World> {
    Setup::echo().only(TELEGRAM).prepare().await
}

/// What `zaki up` says instead of starting: exactly one sentence, after what it may have logged.
async fn refusal(world: &World) -> Result<String> {
    let said = world.zaki(&["up"]).await?.refusal()?;
    let sentences: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(sentences.len(), 1, "{said}");
    let last = said.trim_end().lines().last();
    assert_eq!(last, Some(sentences[0]), "nothing follows it: {said}");
    Ok(sentences[0].to_owned())
}

/// What is said when `from` reads `to` in the configuration.
async fn with(from: &str, to: &str) -> Result<String> {
    let world = prepared().await?;
    let config = fs::read_to_string(world.config())?;
    assert!(config.contains(from), "{config}");
    fs::write(world.config(), config.replacen(from, to, 1))?;
    refusal(&world).await
}

fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_named_with_the_nearest_valid_one() -> Result<()> {
    says(&with("listen = ", "lisen = ").await?, &["lisen", "`listen`"]);
    says(
        &with("webhook_secret = ", "webhook_secrt = ").await?,
        &["telegram", "webhook_secrt", "`webhook_secret`"],
    );
    says(&with("[telegram", "[telegrm").await?, &["telegrm", "`telegram`"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_wrong_secret_is_named() -> Result<()> {
    says(&with("token = \"4200000001:", "token = \"").await?, &["telegram", "main", "token"]);
    says(&with("webhook_secret = \"", "webhook_secret = \" no good ").await?, &["webhook_secret"]);
    let file = "token_file = \"/nonexistent/secret\"\n# ";
    says(&with("token = ", file).await?, &["token_file", "/nonexistent/secret"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_channel_needs_its_secrets() -> Result<()> {
    let needed = [
        (ChannelKind::Telegram, &["token", "webhook_secret"][..]),
        // Its commands come over the gateway where there is no key to prove a webhook with.
        (ChannelKind::Discord, &["token"]),
        (ChannelKind::WhatsApp, &["token", "app_secret", "verify_token", "phone_number_id"]),
        (ChannelKind::Slack, &["token", "signing_secret"]),
    ];
    for (channel, keys) in needed {
        for key in keys {
            let world = Setup::echo().only(&[channel]).prepare().await?;
            let config = fs::read_to_string(world.config())?;
            let kept = config.lines().filter(|line| !line.starts_with(&format!("{key} =")));
            fs::write(world.config(), kept.collect::<Vec<_>>().join("\n"))?;
            says(&refusal(&world).await?, &[channel.as_str(), key]);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_configuration_is_named() -> Result<()> {
    let world = prepared().await?;
    fs::write(world.config(), "[telegram.main]\ntoken = \"12:hush")?;
    let said = refusal(&world).await?;
    says(&said, &["zaki.toml", "TOML", "line 2"]);
    assert!(!said.contains("hush"), "it shows a secret: {said}");
    fs::remove_file(world.config())?;
    says(&refusal(&world).await?, &["zaki.toml"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() -> Result<()> {
    for setting in ["hub", "edge"] {
        let taken = TcpListener::bind("127.0.0.1:0")?;
        let address = taken.local_addr()?.to_string();
        let key = format!("{setting}.listen");
        let setup = Setup::echo().only(TELEGRAM).set(&key, address.clone());
        let said = refusal(&setup.prepare().await?).await?;
        says(&said, &[&address, &key]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_cannot_be_written_is_named() -> Result<()> {
    let world = prepared().await?;
    fs::write(world.data(), "a file, not a directory")?;
    says(&refusal(&world).await?, &[&world.data().display().to_string(), "hub.data_dir"]);
    Ok(())
}

/// Well formed, so that only the platform can tell: it refuses the account as soon as it is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_platform_refuses_is_named() -> Result<()> {
    let world = prepared().await?;
    of_somebody_else(&world)?;
    let said = refusal(&world).await?;
    says(&said, &["telegram/"]);
    assert!(!said.contains("somebody_else"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_keep_the_other_bots_down() -> Result<()> {
    let both = [ChannelKind::Telegram, ChannelKind::Slack];
    let mut world = Setup::echo().only(&both).without_public_url().prepare().await?;
    of_somebody_else(&world)?;
    world.up().await?;
    let ready = async || Ok(world.http.get(world.url("/ready")).send().await?.text().await?);
    let named = |said: &String| said.contains("telegram/main (");
    let said = world.until("the refused one is named", ready, named).await?;
    assert!(said.starts_with("ready\n") && !said.contains("slack/"), "{said}");
    assert_eq!(world.ask(ChannelKind::Slack, Person::ADA, "hello").await?, "echo: hello");
    Ok(())
}

/// Gives the Telegram bot a token that is well formed and not the platform's.
fn of_somebody_else(world: &World) -> Result<()> {
    let config = fs::read_to_string(world.config())?;
    let wrong =
        config.replace(world.telegram.token(), "4200000001:AAF-of_somebody_else_entirely_0000");
    assert_ne!(config, wrong, "the token stands in the configuration");
    Ok(fs::write(world.config(), wrong)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_never_share_a_data_directory() -> Result<()> {
    let world = Setup::echo().only(TELEGRAM).start().await?;
    let config = fs::read_to_string(world.config())?;
    let address = world.url("").replace("http://", "");
    let other = config.replace(&address, &world::own_address().to_string());
    fs::write(world.config(), other)?;
    says(&refusal(&world).await?, &["another zaki", &world.data().display().to_string()]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_npm_it_is_said_what_to_install() -> Result<()> {
    let runtime = tempfile::tempdir()?;
    let dir = runtime.path().join("runtime").display().to_string();
    let setup = Setup::echo().only(TELEGRAM).set("sandbox.runtime", "process");
    let world = setup.set("sandbox.runtime_dir", dir).prepare().await?;
    let config = world.config();
    let mut command = program::command(["up", "--config"])?;
    command.arg(config).env("PATH", runtime.path());
    says(&program::finish(command).await?.refusal()?, &["error: ", "npm"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_secrets_come_from_the_environment_and_from_files() -> Result<()> {
    let world = prepared().await?;
    let config = fs::read_to_string(world.config())?;
    let secret = world.dir().join("token");
    fs::write(&secret, format!("{}\n", world.telegram.token()))?;
    let kept = config.lines().filter(|line| !line.starts_with("token ="));
    fs::write(world.config(), kept.collect::<Vec<_>>().join("\n"))?;
    let doctor = |name: &str, value: String| -> Result<_> {
        let mut command = program::command(["doctor", "--config"])?;
        command.arg(world.config()).env(name, value);
        Ok(program::finish(command))
    };
    let file = secret.to_str().context("a path that is not UTF-8")?.to_owned();
    doctor("ZAKI__TELEGRAM__MAIN__TOKEN_FILE", file)?.await?.ok()?;
    doctor("ZAKI__TELEGRAM__MAIN__TOKEN", world.telegram.token().to_owned())?.await?.ok()?;
    let said = doctor("ZAKI__TELEGRAM__MAIN__TOKN", "x".to_owned())?.await?.refusal()?;
    says(&said, &["tokn"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_is_missing_and_what_to_do() -> Result<()> {
    let world = Setup::echo().prepare().await?;
    let Output { code, stdout, stderr } = world.zaki(&["doctor"]).await?;
    assert_eq!((code, stdout.contains("MISSING")), (Some(0), false), "{stdout}{stderr}");
    for channel in ChannelKind::ALL {
        says(&stdout, &[&format!("{channel}/main")]);
    }
    for secret in [world.telegram.token(), world::TELEGRAM_SECRET, world.discord.token()] {
        assert!(!stdout.contains(secret) && !stderr.contains(secret), "{stdout}{stderr}");
    }
    let none = Setup::echo().only(&[]).prepare().await?.zaki(&["doctor"]).await?;
    assert!(none.code != Some(0), "{none:?}");
    says(&none.stdout, &["MISSING", "[telegram.main]"]);
    Ok(())
}

/// What `zaki doctor` misses, which `zaki up` refuses as well.
async fn both_refuse(world: &World, words: &[&str]) -> Result<()> {
    let doctor = world.zaki(&["doctor"]).await?;
    assert!(doctor.code != Some(0), "{doctor:?}");
    let missing = doctor.stdout.lines().filter(|line| line.starts_with("MISSING"));
    let missing = missing.collect::<Vec<_>>().join("\n");
    says(&format!("{missing}{}", doctor.stderr), words);
    says(&refusal(world).await?, words);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_misses_what_would_keep_the_hub_from_starting() -> Result<()> {
    let setup = || Setup::echo().only(TELEGRAM);
    let world = setup().set("ledger.url", "mysql://localhost/zaki").prepare().await?;
    both_refuse(&world, &["ledger.url must begin with postgres://"]).await?;

    let world = setup().set("edge.key", "short").prepare().await?;
    both_refuse(&world, &["edge.key must be at least 32 characters"]).await?;

    let world = setup().set("log.level", "loud").prepare().await?;
    both_refuse(&world, &["log.level must be one of error, warn, info"]).await?;

    let openai = setup().set("model.provider", "openai").set("model.base_url", "https://x.org/v1");
    let openai = openai.set("model.api_key", "k");
    both_refuse(&openai.prepare().await?, &["model.name"]).await?;

    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let world = setup().set("hub.listen", address.clone()).prepare().await?;
    both_refuse(&world, &["cannot listen on", &address, "hub.listen"]).await?;

    let world = setup().prepare().await?;
    fs::create_dir_all(world.data().join("hub"))?;
    fs::write(world.data().join("hub/ledger.db"), "not a database, and too long for none at all")?;
    both_refuse(&world, &["ledger.db"]).await
}

/// As after a release that takes away what this one reads, and a way back from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_too_old_for_a_database_says_which_one_to_run() -> Result<()> {
    let mut world = Setup::echo().only(TELEGRAM).start().await?;
    assert_eq!(world.ask(ChannelKind::Telegram, Person::ADA, "hello").await?, "echo: hello");
    world.noted().await?;
    world.kill()?;
    for name in ["ledger.db", "identity.db"] {
        let store = rusqlite::Connection::open(world.data().join("hub").join(name))?;
        let known: u32 = store.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let set = |version: u32, reader: u32, release: &str| {
            let set = "UPDATE store_info SET min_reader = ?, release = ?";
            store.execute(set, rusqlite::params![reader, release])?;
            store.pragma_update(None, "user_version", version)
        };
        set(known + 1, known + 1, "9.9.9")?;
        both_refuse(&world, &[name, "run release 9.9.9 or newer"]).await?;
        // A step that leaves all that this one reads keeps nobody off.
        set(known + 1, known, "9.9.9")?;
    }
    world.up().await?;
    assert_eq!(world.ask(ChannelKind::Telegram, Person::ADA, "again").await?, "echo: again");
    Ok(())
}

/// A hub waits for it; who asks the doctor wants to know at once.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_misses_a_database_that_is_not_there() -> Result<()> {
    let nowhere = world::own_address().to_string();
    let database = format!("postgres://zaki:hush@{nowhere}/people");
    let world = Setup::echo().only(TELEGRAM).set("ledger.url", database).prepare().await?;
    let Output { code, stdout, stderr } = world.zaki(&["doctor"]).await?;
    let row = stdout.lines().find(|line| line.contains(" ledger ")).context("no row")?;
    says(row, &["MISSING", "cannot use the database of ledger.url", &nowhere]);
    assert!(code != Some(0) && !format!("{stdout}{stderr}").contains("hush"), "{stdout}{stderr}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_where_everything_is_kept() -> Result<()> {
    let mut world = Setup::echo().only(TELEGRAM).prepare().await?;
    let ledger = world.data().join("hub/ledger.db").display().to_string();
    says(&world.zaki(&["doctor"]).await?.ok()?, &["ledger", &format!("{ledger}, from the first")]);
    world.up().await?;
    let said = world.zaki(&["doctor"]).await?.ok()?;
    says(&said, &[&format!("SQLite in {ledger}\n"), "zaki is up"]);
    Ok(())
}

/// Keys of the ledger, the first one first.
fn keys(ids: &[&str]) -> toml::Value {
    let key = |id: &&str| {
        let key = format!("{}{}A=", "A".repeat(40), id.to_uppercase());
        toml::Table::from_iter([("id".to_owned(), (*id).into()), ("key".to_owned(), key.into())])
    };
    ids.iter().map(key).map(toml::Value::Table).collect::<Vec<_>>().into()
}

/// From the first encrypted text on, the hub starts only with the keys for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_key_of_the_ledger_is_named() -> Result<()> {
    let setup = Setup::echo().only(TELEGRAM).set("ledger.keys", keys(&["k1"]));
    let mut world = setup.prepare().await?;
    world.up().await?;
    says(&world.zaki(&["doctor"]).await?.ok()?, &["is encrypted with the key \"k1\""]);
    world.kill()?;
    for missing in [keys(&[]), keys(&["k2"])] {
        world.reconfigure("ledger.keys", missing)?;
        both_refuse(&world, &["ledger.keys", "the key \"k1\", which is not given"]).await?;
    }
    world.reconfigure("ledger.keys", keys(&["k2", "k1"]))?;
    says(&world.zaki(&["ledger", "rekey"]).await?.ok()?, &["encrypted with the key \"k2\""]);
    let acts = world.list(&["audit", "list"]).await?;
    let rekeyed = acts.iter().filter(|act| act["act"] == "rekeyed" && act["by"] == "operator");
    assert_eq!(rekeyed.count(), 1, "{acts:?}");
    world.reconfigure("ledger.keys", keys(&["k2"]))?;
    says(&world.zaki(&["doctor"]).await?.ok()?, &["is encrypted with the key \"k2\""]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_asks_for_an_edge_elsewhere() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let edge = Edge::start(dir.path()).await?;
    let url = format!("http://{}/", edge.address());
    let setup = || Setup::echo().only(TELEGRAM).set("edge.url", url.clone());
    let world = setup().set("edge.key", edge::KEY).prepare().await?;
    says(&world.zaki(&["doctor"]).await?.ok()?, &[&format!("answers at {url}"), "edge.key"]);
    let keyless = setup().prepare().await?.zaki(&["doctor"]).await?;
    says(&keyless.stdout, &["MISSING", "edge.key must be at least 32 characters"]);
    drop(edge);
    let gone = world.zaki(&["doctor"]).await?;
    assert!(gone.code != Some(0), "{gone:?}");
    says(&gone.stdout, &[&format!("{url} cannot be reached: start `zaki edge` there")]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_without_its_token_is_a_row_of_the_doctor() -> Result<()> {
    for channel in [ChannelKind::Telegram, ChannelKind::Discord] {
        let world = Setup::echo().prepare().await?;
        let mut config: toml::Table = fs::read_to_string(world.config())?.parse()?;
        let account = config[channel.as_str()]["main"].as_table_mut().context("no account")?;
        account.remove("token").context("no token")?;
        world.write_config(&config.to_string())?;
        let said = world.zaki(&["doctor"]).await?.stdout;
        let row = said.lines().find(|line| line.contains(&format!("{channel}/main")));
        says(row.context("no row")?, &["MISSING", "token is missing", "token_file"]);
        assert_eq!(said.matches("MISSING").count(), 1, "the others go on: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_who_needs_to_be_reached() -> Result<()> {
    let row = async |setup: Setup| -> Result<String> {
        let said = setup.prepare().await?.zaki(&["doctor"]).await?.stdout;
        let row = said.lines().find(|line| line.contains("public_url"));
        Ok(row.unwrap_or_default().to_owned())
    };
    let polled = [ChannelKind::Telegram, ChannelKind::Discord];
    let polled = row(Setup::echo().only(&polled).without_public_url()).await?;
    says(&polled, &["ok", "not needed"]);
    let called = row(Setup::echo().without_public_url()).await?;
    says(&called, &["note", "Slack and WhatsApp", "console", "HTTPS", "hub.listen"]);
    let setup = Setup::echo().only(TELEGRAM).without_public_url();
    says(&row(setup.set("telegram.main.receive", "webhook")).await?, &["MISSING", "Telegram"]);
    says(&row(Setup::echo()).await?, &["ok", "/webhooks/<channel>/<account>"]);
    Ok(())
}
