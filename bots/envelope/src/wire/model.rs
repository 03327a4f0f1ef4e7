//! What an edge tells hubs of the models behind it, and of what else it leans on.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// `GET /v1/model`: who answers the sandboxes' model calls, in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelReport {
    /// Empty: the offline model, which always does.
    pub providers: Vec<ProviderReport>,
    /// What else the edge leans on and leaves alone while it fails: `containers`, `bucket`, `hub`. An
    /// edge on one machine has none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ProviderReport>,
}

impl ModelReport {
    /// Whether calls are answered, as far as anybody knows.
    pub fn answers(&self) -> bool {
        self.providers.is_empty() || self.providers.iter().any(|provider| provider.is_asked)
    }
}

/// How one provider, or other part, stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderReport {
    /// The host of its address, or the part's name.
    pub provider: String,
    /// Everybody's calls go there first; otherwise it is left alone, or tried by one call.
    pub is_asked: bool,
    /// When somebody may try it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What its last calls came to, when they failed: `unreachable`, `silent`, `limited`, `refused`
    /// (the key or the account), `broken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Since when none of them was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_answers_while_one_of_its_providers_is_asked() {
        let provider = |is_asked| ProviderReport {
            provider: "a.example".into(),
            is_asked,
            until: None,
            fault: None,
            since: None,
        };
        let report = |asked: &[bool]| ModelReport {
            providers: asked.iter().map(|is_asked| provider(*is_asked)).collect(),
            parts: Vec::new(),
        };
        assert!(report(&[]).answers() && report(&[false, true]).answers());
        assert!(!report(&[false, false]).answers());
        let sent = serde_json::to_string(&report(&[true])).unwrap();
        assert_eq!(sent, r#"{"providers":[{"provider":"a.example","is_asked":true}]}"#);
        assert_eq!(serde_json::from_str::<ModelReport>(&sent).unwrap(), report(&[true]));
        let parts = ModelReport { parts: vec![provider(false)], ..report(&[]) };
        assert!(parts.answers(), "a part is no model");
        let sent = serde_json::to_string(&parts).unwrap();
        assert_eq!(serde_json::from_str::<ModelReport>(&sent).unwrap(), parts);
    }
}
