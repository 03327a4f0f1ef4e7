//! The two kinds of user id: phone numbers and business-scoped ids. The one place that tells them
//! apart; neither is ever changed.

/// Whether `id` is business-scoped: `CC.` and up to 128 alphanumerics, or `CC.ENT.…` for a group of
/// portfolios.
pub(crate) fn is_business_scoped(id: &str) -> bool {
    let Some((country, rest)) = id.split_once('.') else {
        return false;
    };
    let rest = rest.strip_prefix("ENT.").unwrap_or(rest);
    let is_country = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
    is_country && !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::is_business_scoped;

    #[test]
    fn numbers_and_business_scoped_ids_are_told_apart() {
        for id in ["US.13491208655302741918", "DE.demo01", "US.ENT.118157"] {
            assert!(is_business_scoped(id), "{id}");
        }
        for id in ["972987654321", "", "US.", "us.1", "USA.1", "US.a b", "1.5"] {
            assert!(!is_business_scoped(id), "{id}");
        }
    }
}
