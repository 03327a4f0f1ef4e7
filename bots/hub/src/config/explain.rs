//! What to say about a setting that is not right: serde's words, in a reader's.

use std::fmt::Write;

use zaki_envelope::ChannelKind;

use super::load::DEFAULTS;

/// Turns serde's words about what stands at `path` (empty: the top) into a sentence that names the
/// key and says what is valid. Never with the value: it may be a secret.
pub(super) fn explain(path: &str, message: &str) -> String {
    if let Some(list) = message.strip_prefix("unknown field ") {
        return unknown(path, list);
    }
    let said = rule(path, message);
    if path.is_empty() {
        said
    } else if said.starts_with("must ") || said.starts_with("is the ") {
        format!("{path} {said}")
    } else {
        format!("{path}: {said}")
    }
}

fn rule(path: &str, message: &str) -> String {
    if let Some(list) = message.strip_prefix("unknown variant ") {
        let valid: Vec<String> = quoted(list).skip(1).map(|name| format!("{name:?}")).collect();
        return format!("must be {}", valid.join(" or "));
    }
    let Some((_, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
    let channel = path.split('.').next().unwrap_or_default();
    match expected {
        "u64" | "i64" if key.ends_with("_s") || key.ends_with("_secs") => {
            format!("must be a whole number of seconds, such as {key} = 60")
        }
        "u32" | "u64" | "i64" | "usize" => {
            format!("must be a whole number, such as {key} = 60")
        }
        "f64" => format!("must be a number, such as {key} = 2.5"),
        "a boolean" => format!("must be true or false, such as {key} = true"),
        "a string" => format!("must be a text in quotes, such as {key} = \"…\""),
        _ if has_bots(channel) && !table.contains('.') => {
            let variable = format!("ZAKI__{}__MAIN__TOKEN", channel.to_uppercase());
            format!("needs an account name: {variable}, or token in [{channel}.main]")
        }
        _ => "is not of the form that config/default.toml shows".to_owned(),
    }
}

/// Whether a table of this name holds accounts.
fn has_bots(table: &str) -> bool {
    ChannelKind::ALL.iter().any(|channel| channel.as_str() == table)
}

/// `list`: the unknown field and the known ones, each in backticks.
fn unknown(path: &str, list: &str) -> String {
    let mut names = quoted(list);
    let unknown = names.next().unwrap_or_default();
    let valid: Vec<&str> = names.collect();
    let table = path.strip_suffix(unknown).unwrap_or(path).trim_end_matches('.');
    let key = if table.is_empty() { unknown.to_owned() } else { format!("{table}.{unknown}") };
    let mut said = format!("there is no setting `{key}`");
    match nearest(unknown, &valid) {
        Some(near) => write!(said, "; did you mean `{near}`?").ok(),
        None => write!(said, "; valid here: {}", valid.join(", ")).ok(),
    };
    said
}

fn quoted(list: &str) -> impl Iterator<Item = &str> {
    list.split('`').skip(1).step_by(2)
}

fn nearest<'v>(unknown: &str, valid: &[&'v str]) -> Option<&'v str> {
    valid
        .iter()
        .map(|candidate| (strsim::jaro_winkler(unknown, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// What to say when the variable `name` was meant as a setting and is none: one underscore too few.
pub(crate) fn misspelt(name: &str) -> Option<String> {
    let rest = name.strip_prefix("ZAKI_")?;
    let table = rest.split_once("__")?.0.to_lowercase();
    let known = has_bots(&table) || DEFAULTS.contains(&format!("\n[{table}]"));
    known.then(|| format!("{name} is ignored; did you mean ZAKI__{rest}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_key_and_the_nearest_valid_one() {
        let said =
            explain("hub.lisen", "unknown field `lisen`, expected one of `listen`, `data_dir`");
        assert_eq!(said, "there is no setting `hub.lisen`; did you mean `listen`?");
        let said = explain("hub.xyz", "unknown field `xyz`, expected `listen` or `data_dir`");
        assert_eq!(said, "there is no setting `hub.xyz`; valid here: listen, data_dir");
    }

    #[test]
    fn a_variable_with_an_underscore_too_few_is_noticed() {
        let said = misspelt("ZAKI_TELEGRAM__MAIN__TOKEN").unwrap();
        assert!(said.ends_with("did you mean ZAKI__TELEGRAM__MAIN__TOKEN?"), "{said}");
        assert!(misspelt("ZAKI_HUB__LISTEN").is_some() && misspelt("ZAKI_WEB__LISTEN").is_some());
        for other in ["ZAKI__HUB__LISTEN", "ZAKI_HUB_SERVICE_HOST", "ZAKI_OTHER__X", "ZAKI_BIN"] {
            assert_eq!(misspelt(other), None, "{other}");
        }
    }
}
