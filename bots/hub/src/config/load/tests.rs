use super::*;

fn with(toml: &str) -> Result<Config, ConfigError> {
    load_table(toml.parse().unwrap())
}

#[test]
fn the_defaults_are_complete() {
    let config = load(None, std::iter::empty(), None).unwrap();
    assert_eq!(config.hub.listen.port(), 8787);
    assert!(config.hub.public_url.is_none());
}

#[test]
fn the_environment_lies_over_the_file_and_the_file_over_the_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("zaki.toml");
    fs::write(&file, "[hub]\nlisten = \"127.0.0.1:1\"\n[turn]\ntimeout_s = 5\n").unwrap();
    let env = [("ZAKI__HUB__LISTEN", "127.0.0.1:2"), ("ZAKI__TURN__TIMEOUT_S", "7")];
    let env = env.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let config = load(Some(&file), env.into_iter(), None).unwrap();
    assert_eq!(config.hub.listen.port(), 2);
    assert_eq!(config.turn.timeout, Duration::from_secs(7));
}

#[test]
fn unknown_keys_are_named_with_the_nearest_valid_one() {
    let said = |toml| with(toml).unwrap_err().to_string();
    assert!(said("[hub]\nlisten_on = 1").contains("`hub.listen_on`; did you mean `listen`?"));
    assert!(said("[telegrm.main]\ntoken = \"x\"").contains("did you mean `telegram`?"));
}

#[test]
fn secrets_come_from_files_and_never_print() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    fs::write(&file, "sk-tell-nobody\n").unwrap();
    let config = with(&format!("[model]\napi_key_file = {file:?}")).unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&config.model.api_key), "sk-tell-nobody");
    assert!(!format!("{config:?}").contains("tell-nobody"));
    let missing = with("[model]\napi_key_file = \"/nonexistent\"").unwrap_err().to_string();
    assert!(missing.contains("model.api_key_file"), "{missing}");
}

#[test]
fn the_keys_of_the_ledger_come_in_order_from_files_or_the_environment() {
    let key = |byte: &str| format!("{}A=", byte.repeat(42));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    fs::write(&file, format!("{}\n", key("A"))).unwrap();
    let first = |toml: &str| -> Option<String> {
        Some(with(toml).unwrap().ledger.keys().unwrap().first()?.to_owned())
    };
    assert_eq!(first(""), None);
    let (new, old) =
        (format!("id = \"k2\", key = {:?}", key("B")), format!("id = \"k1\", key_file = {file:?}"));
    let both = format!("ledger.keys = [{{ {new} }}, {{ {old} }}]");
    assert_eq!(first(&both).as_deref(), Some("k2"));
    let tables = format!("[[ledger.keys]]\nid = \"k1\"\nkey_file = {file:?}");
    assert_eq!(first(&tables).as_deref(), Some("k1"));
    let env = [("ZAKI__LEDGER__KEYS".to_owned(), format!("[{{ {new} }}]"))];
    let config = load(None, env.into_iter(), None).unwrap();
    assert_eq!(config.ledger.keys().unwrap().first(), Some("k2"));
    assert!(!format!("{config:?}").contains("BBBB"));
    let short = with("ledger.keys = [{ id = \"k1\", key = \"short\" }]").unwrap();
    assert!(short.ledger.keys().unwrap_err().to_string().contains("32 bytes"));
    let missing = with("ledger.keys = [{ id = \"k1\", key_file = \"/nonexistent\" }]");
    let missing = missing.unwrap_err().to_string();
    assert!(missing.contains("ledger.keys[0].key_file"), "{missing}");
}

/// What is said of `toml`.
fn refused(toml: &str) -> String {
    with(toml).unwrap_err().to_string()
}

#[test]
fn what_is_not_valid_is_said_in_plain_words() {
    let examples = [
        (
            "hub.listen = \"localhost:8787\"",
            "hub.listen must be an IP address and port, such as 127.0.0.1:8787",
        ),
        ("hub.public_url = \"bot.example.org\"", "hub.public_url must begin with https://"),
        ("edge.url = \"ftp://x\"", "edge.url must begin with https://"),
        ("turn.timeout_s = \"5\"", "turn.timeout_s must be a whole number of seconds"),
        ("turn.timeout_s = -1", "turn.timeout_s must be a whole number of seconds"),
        ("lane.waiting = -1", "lane.waiting must be a whole number"),
        ("retention.raw_days = 1.5", "retention.raw_days must be a whole number"),
        ("deliver.paced = 1", "deliver.paced must be true or false"),
        ("sandbox.runtime = \"x\"", "sandbox.runtime must be \"process\" or \"docker\""),
        ("turn.mid_turn = \"x\"", "turn.mid_turn must be one of queue, steer, interrupt"),
        ("model.name = 5", "model.name must be a text in quotes"),
        ("hub.data_dir = \"~/zaki\"", "hub.data_dir must be a whole path"),
        ("sandbox.runtime_dir = \"~\"", "sandbox.runtime_dir must be a whole path"),
        ("telegram = 1", "telegram: needs an account name: ZAKI__TELEGRAM__MAIN__TOKEN, or token"),
        ("[slack]\ntoken = \"x\"", "slack.token: needs an account name"),
        ("[discord.main]\nmessage_content = \"yes\"", "message_content must be true or false"),
        ("hub = 1", "hub: is not of the form that config/default.toml shows"),
        ("hub.listn = \"x\"", "there is no setting `hub.listn`; did you mean `listen`?"),
    ];
    for (toml, said) in examples {
        let refused = refused(toml);
        assert!(refused.starts_with("the configuration: "), "{refused}");
        assert!(refused.contains(said), "{toml}: {refused}");
    }
}

#[test]
fn a_secret_of_the_wrong_type_is_not_repeated() {
    for toml in ["[telegram.main]\ntoken = 4242424242", "edge.key = 4242424242"] {
        let said = refused(toml);
        assert!(said.contains("must be a text in quotes") && !said.contains("4242"), "{said}");
    }
}

#[test]
fn a_fault_is_told_with_where_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("zaki.toml");
    fs::write(&file, "turn.timeout_s = \"5\"").unwrap();
    let said = |env: &[(&str, &str)], data: Option<&str>| {
        let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        load(Some(&file), env, data.map(Path::new)).unwrap_err().to_string()
    };
    let in_file = format!("{}: turn.timeout_s must be", file.display());
    assert!(said(&[], None).starts_with(&in_file));
    // Of two that are wrong the variable's is told, as it lies over the file's.
    let env = said(&[("ZAKI__TURN__TIMEOUT_S", "soon")], None);
    assert!(env.starts_with("ZAKI__TURN__TIMEOUT_S: turn.timeout_s must be"), "{env}");
    fs::write(&file, "").unwrap();
    for name in ["ZAKI__TELEGRAM", "ZAKI__TELEGRAM__TOKEN"] {
        let env = said(&[(name, "x")], None);
        assert!(env.starts_with(&format!("{name}: telegram")), "{env}");
        assert!(env.contains("ZAKI__TELEGRAM__MAIN__TOKEN"), "{env}");
    }
    assert!(said(&[], Some("~/x")).starts_with("--data: hub.data_dir must be a whole path"));
}

#[test]
fn the_data_directory_is_absolute() {
    let config = with("hub.data_dir = \"some/where\"").unwrap();
    assert_eq!(config.data_dir(), std::env::current_dir().unwrap().join("some/where"));
}

#[test]
fn a_level_is_one_that_exists() {
    for level in ["info", "WARN", "off", "info,zaki=debug", "zaki_lane[turn]=trace"] {
        assert!(log_filter(level).is_ok(), "{level}");
    }
    for level in ["loud", "", "info,zaki", "zaki=loud"] {
        let said = refused(&format!("log.level = {level:?}"));
        assert!(said.contains("log.level must be one of error, warn, info"), "{level}: {said}");
    }
}

/// A missing token is a bot's own trouble: the others, and `zaki doctor`, go on.
#[test]
fn an_account_without_secrets_is_read() {
    let config = with("[telegram.main]\n[discord.main]\n[slack.main]\n[whatsapp.main]").unwrap();
    let said = config.telegram.values().next().unwrap().validate().unwrap_err().to_string();
    assert_eq!(said, "token is missing; copy it from @BotFather, or set token_file");
    let said = config.discord.values().next().unwrap().validate().unwrap_err().to_string();
    assert!(said.starts_with("token is missing; ") && said.ends_with(", or set token_file"));
}

/// The account tables are comments, so that only this keeps them whole.
#[test]
fn every_key_of_an_account_is_shown_in_the_defaults() {
    for channel in zaki_envelope::ChannelKind::ALL {
        let mut unknown = Table::new();
        unknown.insert("zzz".to_owned(), true.into());
        let refused = match channel.as_str() {
            "telegram" => unknown.try_into::<zaki_telegram::Config>().map(drop),
            "discord" => unknown.try_into::<zaki_discord::Config>().map(drop),
            "whatsapp" => unknown.try_into::<zaki_whatsapp::Config>().map(drop),
            _ => unknown.try_into::<zaki_slack::Config>().map(drop),
        };
        let refused = refused.unwrap_err().to_string();
        let keys: Vec<&str> = refused.split('`').skip(1).step_by(2).skip(1).collect();
        assert!(keys.contains(&"token"), "{refused}");
        let shown = DEFAULTS.split_once(&format!("# [{channel}.main]\n")).unwrap().1;
        let shown = shown.split("\n#\n").next().unwrap();
        for key in keys {
            let line = format!("# {key} = ");
            assert!(shown.lines().any(|l| l.starts_with(&line)), "{channel}: {key}\n{shown}");
        }
    }
}

#[test]
fn a_variable_of_ours_is_a_text() {
    use std::os::unix::ffi::OsStringExt;

    let broken = || OsString::from_vec(b"x\xff".to_vec());
    let of_others = [("PATH".into(), broken()), (broken(), "x".into())].into_iter();
    assert_eq!(environment(of_others).unwrap(), []);
    let ours = [("ZAKI__HUB__REPLICA".into(), broken())].into_iter();
    assert_eq!(environment(ours).unwrap_err().to_string(), "ZAKI__HUB__REPLICA: is not UTF-8");
}

#[test]
fn what_is_kept_for_another_time_than_the_file_says_is_said() {
    let notes = |toml: &str| with(toml).unwrap().notes;
    assert!(notes("retention.done_days = 30").is_empty());
    let short = notes("retention = { done_days = 7, text_days = 7, raw_days = 9 }");
    assert_eq!(short.len(), 2, "{short:?}");
    assert!(short[0].starts_with("retention.done_days = 7 counts as 8: "), "{short:?}");
    assert!(short[1].starts_with("retention.raw_days = 9 counts as 8: "), "{short:?}");
}
