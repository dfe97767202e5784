//! The vendors and models that MLflow's web app offers, and what each vendor wants to be told.
//!
//! Source of the shapes: `mlflow/utils/providers.py` of MLflow 3.17.2.

use std::io::Read as _;

use flate2::read::GzDecoder;
use rest::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::provider::allowed::{Allowed, usual};

/// The files of `gateway/catalog`.
static PROVIDERS: &str = include_str!("../../catalog/providers.json");
static MODELS: &[u8] = include_bytes!("../../catalog/models.jsonl.gz");

#[derive(Deserialize)]
struct Providers {
    providers: Vec<String>,
    /// By vendor, `{auth_modes, default_mode}`.
    auth_modes: Map<String, Value>,
}

/// What of a model's line is looked at.
#[derive(Deserialize)]
struct Model<'a> {
    provider: Option<&'a str>,
}

fn told() -> Providers {
    serde_json::from_str(PROVIDERS).expect("the file was written by scripts/catalog.py")
}

/// The vendors, in their order.
pub(super) fn providers(allowed: &Allowed) -> Vec<String> {
    told().providers.into_iter().filter(|it| allowed.allows(it)).collect()
}

/// The models of a vendor, or of all, as a JSON array. They are unpacked each time: few people ask, and seldom.
pub(super) fn models(allowed: &Allowed, provider: Option<&str>) -> String {
    let mut text = String::new();
    GzDecoder::new(MODELS).read_to_string(&mut text).expect("the file was packed by scripts/catalog.py");
    let is_wanted = |line: &&str| {
        let model: Model<'_> = serde_json::from_str(line).expect("the file was written by scripts/catalog.py");
        provider.is_none_or(|it| model.provider == Some(it)) && model.provider.is_none_or(|it| allowed.allows(it))
    };
    let wanted: Vec<&str> = text.lines().filter(is_wanted).collect();
    format!("[{}]", wanted.join(","))
}

/// What a vendor wants to be told: most of them a key and perhaps an address.
pub(super) fn auth_modes(allowed: &Allowed, provider: &str) -> Result<Value> {
    if !allowed.allows(provider) {
        return Err(Error::invalid(not_allowed(provider)));
    }
    let name = usual(provider);
    let listed = if name == "bedrock_converse" { "bedrock" } else { name.as_str() };
    if let Some(modes) = told().auth_modes.remove(listed) {
        return Ok(modes);
    }
    let title = title(&name);
    let field = |field: &str, what: &str, required: bool| json!({"name": field, "type": "string", "description": format!("{title} {what}"), "required": required});
    Ok(json!({
        "auth_modes": [{
            "mode": "api_key",
            "display_name": "API Key",
            "description": format!("Use {title} API Key"),
            "secret_fields": [field("api_key", "API Key", true)],
            "config_fields": [field("api_base", "API Base URL", false)],
        }],
        "default_mode": "api_key",
    }))
}

/// MLflow's words for a provider that may not be asked.
pub(super) fn not_allowed(provider: &str) -> String {
    format!("Provider '{provider}' is not allowed by the current gateway provider policy.")
}

/// A name as Python writes titles: each run of letters begins large and goes on small.
fn title(name: &str) -> String {
    let mut is_within = false;
    let mut title = String::new();
    for letter in name.chars() {
        if is_within {
            title.extend(letter.to_lowercase());
        } else {
            title.extend(letter.to_uppercase());
        }
        is_within = letter.is_alphabetic();
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_is_whole() {
        let all = Allowed::default();
        assert!(providers(&all).contains(&"openai".to_owned()));
        let models: Vec<Value> = serde_json::from_str(&models(&all, Some("anthropic"))).unwrap();
        assert!(models.len() > 10 && models.iter().all(|it| it["provider"] == "anthropic"));
        assert_eq!(title("fireworks_ai-2embed"), "Fireworks_Ai-2Embed");
    }

    #[test]
    fn only_what_is_allowed_is_offered() {
        let some = Allowed::read(&|_| Some("groq, amazon-bedrock".to_owned()));
        assert_eq!(providers(&some), ["bedrock", "groq"]);
        assert_eq!(models(&some, Some("openai")), "[]");
        assert!(auth_modes(&some, "openai").unwrap_err().to_string().contains("'openai' is not allowed"));
        assert_eq!(auth_modes(&some, "Amazon-Bedrock").unwrap()["default_mode"], "api_key");
    }
}
