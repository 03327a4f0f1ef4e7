//! What to say about a key that does not exist.

use std::fmt::Write;

/// Turns serde's "unknown field" into a sentence that names the key and the nearest valid one.
/// `path` is the table it stands in, empty at the top.
pub(super) fn explain(path: &str, message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown field ") else {
        return if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") };
    };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let unknown = quoted.next().unwrap_or_default();
    let valid: Vec<&str> = quoted.collect();
    let table = path.strip_suffix(unknown).unwrap_or(path).trim_end_matches('.');
    let key = if table.is_empty() { unknown.to_owned() } else { format!("{table}.{unknown}") };
    let mut said = format!("there is no setting `{key}`");
    match nearest(unknown, &valid) {
        Some(near) => write!(said, "; did you mean `{near}`?").ok(),
        None => write!(said, "; valid here: {}", valid.join(", ")).ok(),
    };
    said
}

fn nearest<'v>(unknown: &str, valid: &[&'v str]) -> Option<&'v str> {
    valid
        .iter()
        .map(|candidate| (strsim::jaro_winkler(unknown, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
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
}
