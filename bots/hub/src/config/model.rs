//! `[model]`: who answers the sandboxes' model calls.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, bail};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};
use url::Url;
use zaki_edge_native::{ForwardConfig, Price, ProviderConfig, Wire};

use super::load;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provider {
    Offline,
    OpenAi,
    Anthropic,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelConfig {
    pub provider: Provider,
    #[serde(deserialize_with = "load::web_address")]
    base_url: Option<Url>,
    pub name: String,
    /// What people may choose besides.
    pub choices: Vec<String>,
    pub(super) api_key: SecretString,
    headers: BTreeMap<String, SecretString>,
    fallback: Vec<Fallback>,
    #[serde(rename = "answer_within_s", deserialize_with = "load::seconds")]
    answer_within: Duration,
    #[serde(deserialize_with = "prices")]
    pub prices: BTreeMap<String, Price>,
}

/// Who is asked when those before fail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fallback {
    #[serde(deserialize_with = "load::web_address")]
    base_url: Option<Url>,
    /// What it is asked for.
    #[serde(default)]
    name: String,
    /// What it calls some of our models.
    #[serde(default)]
    names: BTreeMap<String, String>,
    #[serde(default)]
    api_key: SecretString,
    #[serde(default)]
    headers: BTreeMap<String, SecretString>,
}

/// What a million tokens cost.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceConfig {
    input: f64,
    output: f64,
    /// Of what the provider had read before.
    cached: Option<f64>,
    /// Of what it keeps for the next time.
    stored: Option<f64>,
}

impl PriceConfig {
    fn price(self) -> Option<Price> {
        let price = Price::per_million(self.input, self.output, self.cached)?;
        self.stored.map_or(Some(price), |stored| price.storing(stored))
    }
}

/// What the tokens of models cost.
fn prices<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Price>, D::Error> {
    let prices = BTreeMap::<String, PriceConfig>::deserialize(from)?;
    let price = |(name, price): (String, PriceConfig)| Some((name, price.price()?));
    let rule = "must be amounts of money, such as { input = 1.25, output = 10.0 }";
    let prices: Option<_> = prices.into_iter().map(price).collect();
    prices.ok_or_else(|| de::Error::custom(rule))
}

impl ModelConfig {
    /// As the edge takes it, if it is whole.
    pub(crate) fn of_edge(&self) -> Result<zaki_edge_native::ModelConfig> {
        let (wire, provider) = match self.provider {
            Provider::Offline => return Ok(zaki_edge_native::ModelConfig::Offline),
            Provider::OpenAi => (Wire::OpenAi, "openai"),
            Provider::Anthropic => (Wire::Anthropic, "anthropic"),
        };
        let provider = format!("model.provider is {provider:?} but");
        if ["", "offline"].contains(&self.name.as_str()) {
            bail!("{provider} model.name names none of its models: set the one to ask");
        }
        let Some(base) = &self.base_url else {
            bail!("{provider} model.base_url is empty: set the provider's address");
        };
        if is_empty(&self.api_key) && self.headers.is_empty() {
            bail!(
                "{provider} model.api_key is empty: set it, or model.api_key_file; or \
                 model.headers, where one of them says who calls"
            );
        }
        let mut providers = vec![config(base, &self.api_key, &self.headers)];
        for (n, fallback) in self.fallback.iter().enumerate() {
            providers.push(fallback.provider(n)?);
        }
        let mut forward = ForwardConfig::new(wire, &self.name, providers);
        forward.patience = self.answer_within;
        Ok(zaki_edge_native::ModelConfig::Forward(forward))
    }

    /// Where its calls go, in order.
    pub(crate) fn places(&self) -> Vec<&str> {
        let fallbacks = self.fallback.iter().map(|fallback| &fallback.base_url);
        let all = std::iter::once(&self.base_url).chain(fallbacks);
        all.filter_map(|url| url.as_ref()?.host_str()).collect()
    }
}

impl Fallback {
    fn provider(&self, n: usize) -> Result<ProviderConfig> {
        let Some(base) = &self.base_url else {
            bail!("model.fallback[{n}].base_url is empty: set the provider's address");
        };
        if self.name.is_empty() && self.names.is_empty() {
            bail!("model.fallback[{n}].name is empty: set the model to ask there");
        }
        if is_empty(&self.api_key) && self.headers.is_empty() {
            bail!("model.fallback[{n}].api_key is empty: set it, or api_key_file, or headers");
        }
        let mut provider = config(base, &self.api_key, &self.headers);
        provider.names.clone_from(&self.names);
        provider.otherwise = Some(self.name.clone()).filter(|name| !name.is_empty());
        Ok(provider)
    }
}

fn is_empty(secret: &SecretString) -> bool {
    secret.expose_secret().is_empty()
}

fn config(
    base: &Url,
    key: &SecretString,
    headers: &BTreeMap<String, SecretString>,
) -> ProviderConfig {
    let mut config =
        ProviderConfig::new(base.as_str(), Some(key.clone()).filter(|key| !is_empty(key)));
    config.headers = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    config
}

#[cfg(test)]
mod tests {
    use zaki_edge_native::ModelConfig as Edge;

    use super::super::load_table;

    fn edge(toml: &str) -> Result<super::ForwardConfig, String> {
        let config = load_table(toml.parse().unwrap()).map_err(|error| error.to_string())?;
        assert!(!format!("{config:?}").contains("sk-"), "a secret prints");
        match config.model.of_edge() {
            Ok(Edge::Forward(forward)) => Ok(forward),
            Ok(Edge::Offline) => panic!("offline"),
            Err(error) => Err(error.to_string()),
        }
    }

    const FIRST: &str = "model.provider = \"openai\"\nmodel.base_url = \"https://a.example/v1\"\n\
        model.name = \"small\"\nmodel.api_key = \"sk-1\"\n";

    #[test]
    fn fallbacks_are_asked_in_their_order_for_what_they_call_the_model() {
        let forward = edge(&format!(
            "{FIRST}model.answer_within_s = 7\n\
             [[model.fallback]]\nbase_url = \"https://b.example\"\nname = \"b/small\"\n\
             names = {{ big = \"b/big\" }}\napi_key = \"sk-2\"\n\
             [[model.fallback]]\nbase_url = \"https://c.example\"\nname = \"c/small\"\n\
             headers = {{ X-Key = \"sk-3\" }}\n"
        ))
        .unwrap();
        assert_eq!(forward.patience.as_secs(), 7);
        let urls: Vec<&str> = forward.providers.iter().map(|it| it.base_url.as_str()).collect();
        assert_eq!(urls, ["https://a.example/v1", "https://b.example/", "https://c.example/"]);
        assert_eq!(forward.providers[0].otherwise, None, "as we call it");
        assert_eq!(forward.providers[1].otherwise.as_deref(), Some("b/small"));
        assert_eq!(forward.providers[1].names["big"], "b/big");
        assert!(forward.providers[2].api_key.is_none() && forward.providers[2].headers.len() == 1);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (more, said) in [
            ("model.name = \"\"", "model.name"),
            ("model.base_url = \"\"", "model.base_url"),
            ("model.api_key = \"\"", "model.api_key"),
            ("[[model.fallback]]\nbase_url = \"\"", "model.fallback[0].base_url"),
            ("[[model.fallback]]\nbase_url = \"https://b\"", "model.fallback[0].name"),
            ("[[model.fallback]]\nbase_url = \"https://b\"\nname = \"x\"", "fallback[0].api_key"),
            ("model.prices = { x = { input = 1, output = 1, stored = -1 } }", "amounts of money"),
        ] {
            let mut table: toml::Table = FIRST.parse().unwrap();
            let more: toml::Table = more.parse().unwrap();
            let model = more["model"].as_table().unwrap().clone();
            table["model"].as_table_mut().unwrap().extend(model);
            let refused = edge(&table.to_string()).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }

    /// The example is what the suite `providers` of the edge sends.
    #[test]
    fn the_example_of_cloudflares_gateway_is_whole() {
        let file = include_str!("../../../../config/examples/cloudflare-ai-gateway.toml");
        let forward = edge(file).unwrap();
        assert_eq!(
            (forward.model.as_str(), forward.providers.len()),
            ("anthropic/claude-sonnet-4-5", 2)
        );
        let [gateway, rest] = &forward.providers[..] else { panic!("two") };
        assert_eq!(gateway.base_url, "https://gateway.ai.cloudflare.com/v1/ACCOUNT/GATEWAY/compat");
        assert_eq!(rest.base_url, "https://api.cloudflare.com/client/v4/accounts/ACCOUNT/ai/v1");
        assert!(gateway.api_key.is_none(), "no key of a provider");
        let names = |it: &super::ProviderConfig| -> Vec<String> {
            it.headers.iter().map(|(name, _)| name.clone()).collect()
        };
        let own = ["cf-aig-authorization", "cf-aig-collect-log-payload", "cf-aig-skip-cache"];
        assert_eq!(names(gateway), own);
        assert!(names(rest).contains(&"cf-aig-gateway-id".to_owned()) && rest.api_key.is_some());
    }
}
