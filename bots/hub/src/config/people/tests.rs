use super::*;
use crate::config::load_table;

fn with(toml: &str) -> Config {
    load_table(toml.parse().unwrap()).unwrap()
}

fn refused(toml: &str) -> String {
    load_table(toml.parse().unwrap()).unwrap_err().to_string()
}

fn policy(config: &Config, account: &str) -> Policy {
    config.people().access.of(ChannelKind::Telegram, &account.parse().unwrap()).clone()
}

#[test]
fn by_default_strangers_sign_up_and_nothing_is_limited() {
    let config = with("");
    assert_eq!(policy(&config, "main"), SignUp::Open.into());
    assert_eq!(config.people().group.who, Who::Everyone);
    assert!(config.limits().values().all(|limits| *limits == Limits::default()));
    assert!(config.tiers.contains_key(&config.identity.tier));
}

#[test]
fn an_account_has_a_policy_of_its_own() {
    let config = with(
        "identity.sign_up = \"pairing\"
        identity.allow.ids = [71001, \"42\"]
        [telegram.beta.access]
        sign_up = \"allowlist\"
        [telegram.gamma.access]
        allow = { ids = [\"7\"], domains = [\"@Example.org\"] }",
    );
    let house = policy(&config, "main");
    assert_eq!(house.sign_up, SignUp::Pairing);
    assert!(house.allow.ids.contains("71001") && house.allow.ids.contains("42"));
    let beta = policy(&config, "beta");
    assert_eq!((beta.sign_up, &beta.allow), (SignUp::Allowlist, &house.allow));
    let gamma = policy(&config, "gamma");
    assert_eq!(gamma.sign_up, SignUp::Pairing);
    assert!(gamma.allow.ids.contains("7") && gamma.allow.domains.contains("example.org"));
    assert!(config.telegram.contains_key(&"beta".parse().unwrap()), "the account itself stays");
}

/// One account that is not open, and a group is no way around it.
#[test]
fn groups_are_there_for_strangers_only_where_strangers_are_welcome_everywhere() {
    let config = with("[telegram.beta.access]\nsign_up = \"invite\"");
    assert_eq!(config.people().group.who, Who::Known);
    let config = with("identity.sign_up = \"closed\"\nidentity.groups.who = \"everyone\"");
    assert_eq!(config.people().group.who, Who::Everyone, "unless somebody says so");
}

#[test]
fn older_names_are_still_understood() {
    let config = with("identity.policy = \"closed\"\nsandbox.allow_exec = true");
    assert_eq!(policy(&config, "main"), SignUp::Closed.into());
    let said = &config.notes;
    assert!(said[0].ends_with("write identity.sign_up = \"closed\""), "{said:?}");
    assert!(said[1].ends_with("write sandbox.exec = \"full\""), "{said:?}");
    let both = refused("[identity]\npolicy = \"open\"\nsign_up = \"closed\"");
    assert!(both.contains("identity.policy is the older name of identity.sign_up"), "{both}");
}

#[test]
fn tiers_say_what_their_people_may_use() {
    let config = with(
        "[tiers.gold]
        messages_per_minute = 10
        turns_at_once = 2
        cost_per_day = 2.5
        cost_per_month = 30",
    );
    let gold = config.limits()["gold"];
    assert_eq!((gold.messages_per_minute, gold.concurrent_turns), (10, 2));
    assert_eq!((gold.cost_per_day_micros, gold.cost_per_month_micros), (2_500_000, 30_000_000));
}

#[test]
fn what_is_not_valid_is_said_in_plain_words() {
    let examples = [
        ("identity.sign_up = \"x\"", "identity.sign_up must be \"open\" or \"invite\""),
        ("identity.policy = \"x\"", "identity.sign_up must be \"open\" or"),
        ("identity.allow.ids = [true]", "identity.allow.ids[0] must be an id in quotes"),
        ("identity.allow.people = []", "there is no setting `identity.allow.people`"),
        ("identity.groups.mode = \"x\"", "identity.groups.mode must be \"off\" or \"mention\""),
        ("identity.groups.who = \"x\"", "identity.groups.who must be \"everyone\" or"),
        ("identity.groups.changers = \"x\"", "identity.groups.changers must be \"operators\""),
        ("identity.tier = \"x\"", "identity.tier must be one of the tiers: standard-1"),
        ("tiers.gold.messages_per_day = -1", "messages_per_day must be a whole number"),
        ("tiers.gold.cost_per_day = -1", "tiers.gold.cost_per_day must be an amount of money"),
        ("tiers.gold.cost_per_day = \"1\"", "tiers.gold.cost_per_day must be a number"),
        ("tiers.gold.message_per_day = 1", "did you mean `messages_per_day`?"),
        ("hub.turns_at_once = -1", "hub.turns_at_once must be a whole number"),
        (
            "[telegram.main.access]\nsign_up = \"x\"",
            "telegram.main.access.sign_up must be \"open\"",
        ),
        (
            "[telegram.main.access]\nsignup = \"open\"",
            "there is no setting `telegram.main.access.signup`; did you mean `sign_up`?",
        ),
        ("sandbox.allow_exec = 1", "sandbox.allow_exec must be true or false"),
        ("sandbox.exec = \"x\"", "sandbox.exec must be \"deny\" or \"ask\" or \"full\""),
        (
            "model.prices.gpt.input = -1\nmodel.prices.gpt.output = 1",
            "model.prices must be amounts of money",
        ),
    ];
    for (toml, said) in examples {
        let refused = refused(toml);
        assert!(refused.contains(said), "{toml}: {refused}");
    }
}
