//! OpenClaw's configuration, rendered from `config/openclaw.json`.
//!
//! A placeholder is a string `@NAME@`. One that is a whole JSON string is replaced by a value (an
//! array inside an array is spliced), one inside a longer string by text. Whatever is left over or
//! unknown is an error: a half-rendered configuration must not start.
//!
//! Tokens are not in it. OpenClaw reads them from its environment (`OPENCLAW_GATEWAY_TOKEN`,
//! `${ZAKI_MODEL_TOKEN}`), so that they reach no disk and no backup, and so that the file stays the
//! same from start to start: a changed one costs the next start 3 s of CPU (measured).

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use crate::{
    Exec, ModelApi, Settings,
    layout::Layout,
    patch::{self, Kept},
};

const TEMPLATE: &str = include_str!("../../config/openclaw.json");

/// What the private agent may use where exec is allowed.
const EXEC_TOOLS: [&str; 2] = ["exec", "process"];

/// Why the template cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    /// The template itself.
    #[error("the OpenClaw template is not JSON")]
    Json(#[from] serde_json::Error),
    /// A name nobody fills in.
    #[error("the OpenClaw template asks for the unknown value @{0}@")]
    Unknown(String),
    /// A value that is no text, inside a longer text.
    #[error("the OpenClaw template uses @{0}@ inside a text, but it is a list")]
    NotText(String),
}

/// What differs from sandbox to sandbox.
pub(crate) struct Values<'a> {
    pub(crate) state: &'a Path,
    pub(crate) model_url: &'a str,
    pub(crate) model: &'a str,
    pub(crate) choices: &'a [String],
    pub(crate) api: ModelApi,
    pub(crate) exec: Exec,
    /// What the person has otherwise.
    pub(crate) patch: &'a Value,
}

/// The configuration of this sandbox, with that patch.
pub(crate) fn of(
    settings: &Settings,
    layout: &Layout,
    patch: &Value,
) -> Result<String, RenderError> {
    render(&Values {
        state: layout.root(),
        model_url: &settings.model_url,
        model: &settings.model,
        choices: &settings.choices,
        api: settings.model_api,
        exec: settings.exec,
        patch,
    })
}

/// The same with the patch that is kept.
pub(crate) fn current(settings: &Settings, layout: &Layout) -> Result<String, RenderError> {
    of(settings, layout, &Kept::new(layout).read())
}

/// The configuration file's content.
pub(crate) fn render(values: &Values<'_>) -> Result<String, RenderError> {
    let tools: &[&str] = if values.exec == Exec::Deny { &[] } else { &EXEC_TOOLS };
    let models = || [values.model].into_iter().chain(values.choices.iter().map(String::as_str));
    let filled = BTreeMap::from([
        ("STATE", json!(values.state)),
        ("MODEL_URL", json!(values.model_url)),
        ("MODEL", json!(values.model)),
        ("MODELS", models().map(offered).collect()),
        ("MODEL_REFS", models().map(reference).collect()),
        ("MODEL_API", json!(values.api.name())),
        ("MODEL_PARAMS", params(values.api)),
        ("EXEC_MODE", json!(values.exec.mode())),
        ("EXEC_TOOLS", json!(tools)),
    ]);
    let rendered = fill(serde_json::from_str(TEMPLATE)?, &filled)?;
    Ok(serde_json::to_string_pretty(&patch::merge(rendered, values.patch))?)
}

/// What OpenClaw calls a model of the edge.
pub(crate) fn reference(model: &str) -> String {
    format!("zaki/{model}")
}

/// What it has to know of one. What it costs is the edge's to know.
fn offered(model: &str) -> Value {
    json!({
        "id": model,
        "name": model,
        "reasoning": false,
        "input": ["text", "image"],
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        "contextWindow": 128_000,
        "maxTokens": 4096,
    })
}

/// Anthropic's providers cache a prompt only where they are told to, and OpenClaw tells only those
/// it knows by their address. A prompt is 12,000 tokens before anybody has said a word.
fn params(api: ModelApi) -> Value {
    match api {
        ModelApi::Openai => json!({}),
        ModelApi::Anthropic => json!({"cacheRetention": "short"}),
    }
}

type Filled = BTreeMap<&'static str, Value>;

fn fill(node: Value, values: &Filled) -> Result<Value, RenderError> {
    Ok(match node {
        Value::String(text) => fill_text(&text, values)?,
        Value::Array(items) => {
            let mut filled = Vec::with_capacity(items.len());
            for item in items {
                match (item.is_string(), fill(item, values)?) {
                    (true, Value::Array(spliced)) => filled.extend(spliced),
                    (_, value) => filled.push(value),
                }
            }
            Value::Array(filled)
        }
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| Ok((key, fill(value, values)?)))
            .collect::<Result<_, RenderError>>()?,
        other => other,
    })
}

fn fill_text(text: &str, values: &Filled) -> Result<Value, RenderError> {
    let mut pieces = text.split('@');
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    while let (Some(name), Some(rest)) = (pieces.next(), pieces.next()) {
        let value = values.get(name).ok_or_else(|| RenderError::Unknown(name.to_owned()))?;
        if text.len() == name.len() + 2 {
            return Ok(value.clone());
        }
        let value = value.as_str().ok_or_else(|| RenderError::NotText(name.to_owned()))?;
        filled.push_str(value);
        filled.push_str(rest);
    }
    Ok(Value::String(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(exec: Exec) -> Value {
        by(ModelApi::Openai, exec)
    }

    fn by(api: ModelApi, exec: Exec) -> Value {
        let values = Values {
            state: Path::new("/data/a \"b\""),
            model_url: "http://127.0.0.1:1/model/v1",
            model: "demo@1",
            choices: &["big/one".to_owned()],
            api,
            exec,
            patch: &json!({"messages": {"responsePrefix": "@STATE@"}}),
        };
        serde_json::from_str(&render(&values).unwrap()).unwrap()
    }

    #[test]
    fn every_placeholder_is_filled_and_values_cannot_break_out() {
        let config = rendered(Exec::Deny);
        assert_eq!(config["agents"]["entries"]["main"]["workspace"], "/data/a \"b\"/workspace");
        assert_eq!(config["agents"]["defaults"]["model"]["primary"], "zaki/demo@1");
        let provider = &config["models"]["providers"]["zaki"];
        assert_eq!(provider["models"][0]["id"], "demo@1");
        assert_eq!(provider["models"][1]["id"], "big/one");
        let policy = &config["agents"]["defaults"]["modelPolicy"]["allow"];
        assert_eq!(*policy, json!(["zaki/demo@1", "zaki/big/one"]));
        assert_eq!(provider["baseUrl"], "http://127.0.0.1:1/model/v1");
        assert_eq!(config["messages"]["responsePrefix"], "@STATE@", "a patch fills nothing in");
    }

    #[test]
    fn the_interface_of_the_model_is_the_one_its_provider_has() {
        let openai = by(ModelApi::Openai, Exec::Deny);
        let anthropic = by(ModelApi::Anthropic, Exec::Deny);
        let api = |config: &Value| config["models"]["providers"]["zaki"]["api"].clone();
        assert_eq!(
            (api(&openai), api(&anthropic)),
            (json!("openai-completions"), json!("anthropic-messages"))
        );
        let params = |config: &Value| config["agents"]["defaults"]["params"].clone();
        assert_eq!(params(&openai), json!({}));
        assert_eq!(params(&anthropic), json!({"cacheRetention": "short"}));
    }

    #[test]
    fn exec_is_off_unless_allowed_and_never_for_the_group() {
        let tools = |config: &Value, agent: &str| {
            config["agents"]["entries"][agent]["tools"]["allow"].to_string()
        };
        let closed = rendered(Exec::Deny);
        assert_eq!(closed["tools"]["exec"]["mode"], "deny");
        assert!(!tools(&closed, "main").contains("exec"));
        for (exec, mode) in [(Exec::Ask, "ask"), (Exec::Full, "full")] {
            let open = rendered(exec);
            assert_eq!(open["tools"]["exec"]["mode"], mode);
            assert!(tools(&open, "main").contains("\"exec\",\"process\""));
            assert!(!tools(&open, "group").contains("exec"));
            assert_eq!(open["agents"]["entries"]["group"]["tools"]["exec"]["mode"], "deny");
        }
    }

    #[test]
    fn unknown_names_and_misplaced_lists_are_errors() {
        let values = Filled::from([("LIST", json!(["x"]))]);
        let error = |text: &str| fill(json!({ "a": [text] }), &values).unwrap_err();
        assert!(matches!(error("@NO@"), RenderError::Unknown(name) if name == "NO"));
        assert!(matches!(error("a @LIST@"), RenderError::NotText(_)));
        assert_eq!(fill(json!(["@LIST@", "y"]), &values).unwrap(), json!(["x", "y"]));
    }
}
