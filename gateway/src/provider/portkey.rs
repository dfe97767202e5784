//! Portkey's gateway: OpenAI's protocol, with headers that say where Portkey takes a call.

use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};

use super::openai::{header_value, sensitive};
use super::{Clients, Provider, compatible};
use crate::config::{EndpointConfig, Form, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::required("api_key", Form::Secret),
    Setting::optional("api_base", Form::Address),
    // MLflow's names; `portkey_` stands before them there.
    Setting::optional("provider", Form::Text),
    Setting::optional("config", Form::Text),
    Setting::optional("provider_api_key", Form::Secret),
    Setting::optional("headers", Form::Headers),
];

const BASE: &str = "https://api.portkey.ai/v1";

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let mut headers = HeaderMap::new();
    if let Some(key) = settings.secret("api_key") {
        headers.insert(HeaderName::from_static("x-portkey-api-key"), sensitive(key.reveal()));
    }
    for (setting, header) in [("provider", "x-portkey-provider"), ("config", "x-portkey-config")] {
        if let Some(value) = settings.text(setting) {
            headers.insert(HeaderName::from_static(header), header_value(setting, value)?);
        }
    }
    if let Some(key) = settings.secret("provider_api_key") {
        headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {}", key.reveal())));
    }
    Ok(compatible::plain(endpoint, clients.upstream(endpoint, BASE, headers)?))
}
