//! Who answers the sandboxes' model calls, as an edge is told.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use zaki_edge_core::model::Wire;

/// Who answers the sandboxes' model calls.
#[derive(Clone, Debug)]
pub enum ModelConfig {
    /// The model inside the edge: deterministic, needs no key and no network, says that it is it.
    Offline,
    /// Real providers.
    Forward(ForwardConfig),
}

/// Providers that have the same interface.
#[derive(Clone, Debug)]
pub struct ForwardConfig {
    /// Their interface.
    pub wire: Wire,
    /// The model the sandboxes use.
    pub model: String,
    /// Asked in this order: the next one when one fails.
    pub providers: Vec<ProviderConfig>,
    /// How long one may take to begin a streamed answer where there is a next one.
    pub patience: Duration,
}

/// One provider.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// Up to and without `/chat/completions` or `/messages`.
    pub base_url: String,
    /// Added to every call as the interface has it; no sandbox ever sees it. `None`: the headers
    /// prove who calls.
    pub api_key: Option<SecretString>,
    /// Further headers of every call. They may be secret, and win over our own.
    pub headers: Vec<(String, SecretString)>,
    /// What it calls our models, where that differs.
    pub names: BTreeMap<String, String>,
    /// What it is asked for instead of a model that is not in `names`. `None`: the same.
    pub otherwise: Option<String>,
}

impl ModelConfig {
    /// One provider with OpenAI's interface.
    pub fn openai(
        base_url: impl Into<String>,
        api_key: impl Into<SecretString>,
        model: impl Into<String>,
    ) -> Self {
        let provider = ProviderConfig::new(base_url, Some(api_key.into()));
        Self::Forward(ForwardConfig::new(Wire::OpenAi, model, vec![provider]))
    }

    /// The name the sandboxes know the model by.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Offline => "offline",
            Self::Forward(forward) => &forward.model,
        }
    }

    /// The interface the sandboxes are told to use.
    pub(crate) const fn wire(&self) -> Wire {
        match self {
            Self::Offline => Wire::OpenAi,
            Self::Forward(forward) => forward.wire,
        }
    }
}

impl ForwardConfig {
    /// With two minutes for the beginning of an answer: models think.
    pub fn new(wire: Wire, model: impl Into<String>, providers: Vec<ProviderConfig>) -> Self {
        Self { wire, model: model.into(), providers, patience: Duration::from_mins(2) }
    }
}

impl ProviderConfig {
    /// One that calls all models as we do.
    pub fn new(base_url: impl Into<String>, api_key: Option<SecretString>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            headers: Vec::new(),
            names: BTreeMap::new(),
            otherwise: None,
        }
    }
}
