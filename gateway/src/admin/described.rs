//! A model of the database in the words of the configuration file: vendor, model, and what the vendor needs to be told.
//!
//! Source of the names: `server/gateway_api.py` of MLflow 3.17.2, which turns secrets into providers' configurations.

use serde_json::{Map, Value, json};

use super::store::ServedModel;

/// Describes the model as an endpoint of a file; `secret` is the decrypted map.
pub(super) fn described(name: &str, model: &ServedModel, secret: Map<String, Value>) -> Result<Value, String> {
    let mut settings = auth_config(model)?;
    let mode = settings.shift_remove("auth_mode").and_then(|it| it.as_str().map(str::to_owned));
    let mut provider = model.provider.trim().to_ascii_lowercase().replace('_', "-");
    // An address in the encrypted part was never checked; MLflow passes over it too.
    settings.extend(secret.into_iter().filter(|(key, _)| key != "api_base"));
    // An empty list of betas says that none pass; other empty fields say nothing.
    settings.retain(|key, value| value.as_str() != Some("") || key == "vertex_anthropic_betas");
    for key in ["aws_region", "aws_region_name", "vertex_location", "vertex_project"] {
        check_label(&settings, key)?;
    }
    match provider.as_str() {
        "local" => return Err("local models are for the operator's own configuration file".to_owned()),
        "openai" if !is_azure(&settings) => {
            for key in ["api_type", "deployment_name", "api_version"] {
                settings.shift_remove(key);
            }
        }
        "azure" => {
            settings.insert("deployment_name".to_owned(), json!(model.model_name));
        }
        "bedrock" | "bedrock-converse" | "amazon-bedrock" => {
            "bedrock".clone_into(&mut provider);
            if matches!(mode.as_deref(), None | Some("api_key")) {
                rename(&mut settings, "api_key", "aws_bearer_token");
            }
        }
        _ => {}
    }
    let described = json!({"provider": provider, "name": model.model_name, "config": settings});
    Ok(json!({"name": name, "endpoint_type": "llm/v1/chat", "model": described}))
}

/// Parts of a server's name must not turn it into another one.
fn check_label(settings: &Map<String, Value>, key: &str) -> Result<(), String> {
    let is_label = |text: &str| text.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
    match settings.get(key).and_then(Value::as_str).filter(|it| !is_label(it)) {
        Some(text) => Err(format!("`{key}` is `{text}`; it has letters, digits and hyphens alone")),
        None => Ok(()),
    }
}

fn is_azure(settings: &Map<String, Value>) -> bool {
    matches!(settings.get("api_type").and_then(Value::as_str), Some("azure" | "azuread"))
}

fn rename(settings: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = settings.shift_remove(from) {
        settings.insert(to.to_owned(), value);
    }
}

fn auth_config(model: &ServedModel) -> Result<Map<String, Value>, String> {
    let Some(text) = model.auth_config.as_deref().filter(|it| !it.is_empty()) else { return Ok(Map::new()) };
    serde_json::from_str(text).map_err(|error| format!("the `auth_config` of its secret is no JSON object: {error}"))
}
