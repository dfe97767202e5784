//! OpenAI's models on Azure: addresses of deployments, dated interfaces, and a key or an identity of Microsoft Entra.
//!
//! Facts: <https://learn.microsoft.com/azure/ai-services/openai/reference>, MLflow 3.17.2 and LiteLLM, whose names of
//! settings count too.

use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};

use super::entra::{Identity, variable};
use super::{OpenAi, Taker, sensitive};
use crate::config::{EndpointConfig, Form, Setting};
use crate::json::quote;
use crate::provider::compatible::Quirks;
use crate::provider::{Clients, Provider};
use crate::secrets::Secret;

pub(in crate::provider) const SETTINGS: &[Setting] = &[
    Setting::optional("api_key", Form::Secret),
    Setting::optional("api_base", Form::Address),
    Setting::optional("api_type", Form::Text),
    Setting::optional("api_version", Form::Text),
    Setting::optional("deployment_name", Form::Text),
    Setting::optional("organization", Form::Text),
    Setting::optional("project", Form::Text),
    Setting::optional("tenant_id", Form::Text),
    Setting::optional("client_id", Form::Text),
    Setting::optional("client_secret", Form::Secret),
    Setting::optional("federated_token_file", Form::Path),
    Setting::optional("authority_host", Form::Address),
    Setting::optional("azure_ad_token", Form::Secret),
    Setting::optional("azure_scope", Form::Text),
    Setting::optional("headers", Form::Headers),
];

/// The first of Azure's dated interfaces that knows `max_completion_tokens`. Dates compare as texts.
const AZURE_COMPLETION_TOKENS: &str = "2024-09-01";
/// The first of them that knows responses.
const AZURE_RESPONSES: &str = "2025-03-01";

/// What belongs to no deployment: it lies two steps up from one.
pub(super) const ABOVE_DEPLOYMENTS: [&str; 4] = ["responses", "conversations", "files", "batches"];

/// Who asks.
enum Who {
    Key(Secret),
    /// A token of Entra's, as it is.
    Token(Secret),
    /// Somebody whom Entra grants tokens.
    Identity(Identity),
}

pub(super) fn build(
    endpoint: &EndpointConfig,
    quirks: Quirks,
    clients: &mut Clients,
) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let need = |key: &str| {
        settings.text(key).ok_or_else(|| format!("Azure needs `openai_{key}`; write it under `model.config`"))
    };
    let base = settings.address("api_base").ok_or(
        "Azure needs `openai_api_base`; write the address of your resource, `https://NAME.openai.azure.com`, under \
         `model.config`",
    )?;
    let (version, deployment) = (need("api_version")?, need("deployment_name")?);
    let mut base = base.clone();
    base.path_segments_mut()
        .map_err(|()| "`openai_api_base` cannot have a path below it".to_owned())?
        .pop_if_empty()
        .extend(["openai", "deployments", deployment]);
    let mut version_pair = reqwest::Url::parse("http://host").expect("a constant address is an address");
    version_pair.query_pairs_mut().append_pair("api-version", version);

    let (mut headers, mut identity) = (HeaderMap::new(), None);
    match who(endpoint)? {
        Who::Key(key) => {
            headers.insert(HeaderName::from_static("api-key"), sensitive(key.reveal()));
        }
        Who::Token(token) => {
            headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {}", token.reveal())));
        }
        Who::Identity(it) => identity = Some(it),
    }
    let mut upstream = clients.upstream_at(endpoint, &base, headers)?;
    if let Some(identity) = identity {
        let scope = settings.text("azure_scope").cloned().or_else(|| variable("AZURE_SCOPE"));
        upstream = upstream.signed(Arc::new(identity.bearer(scope.as_deref(), endpoint.timeouts.connect)?));
    }
    let query = format!("?{}", version_pair.query().unwrap_or_default());
    let taker = Taker::OpenAi { knows_completion_tokens: version.as_str() >= AZURE_COMPLETION_TOKENS };
    // Responses belong to no deployment: they are two steps up from it, and the body's model names it.
    let responses = (version.as_str() >= AZURE_RESPONSES).then(|| format!("../../responses{query}"));
    let azure = OpenAi::new(endpoint, upstream, quirks);
    Ok(Arc::new(OpenAi { query, is_azure: true, taker, responses, model_json: quote(deployment), ..azure }))
}

/// The way in which the configuration says who asks.
fn who(endpoint: &EndpointConfig) -> Result<Who, String> {
    let settings = &endpoint.settings;
    let is_entra = settings.text("api_type").is_some_and(|it| it.eq_ignore_ascii_case("azuread"));
    let described = Identity::described(settings)?;
    match (settings.secret("api_key"), settings.secret("azure_ad_token"), described) {
        (Some(token), None, None) if is_entra => Ok(Who::Token(token.clone())),
        (Some(key), None, None) => Ok(Who::Key(key.clone())),
        (None, Some(token), None) => Ok(Who::Token(token.clone())),
        (None, None, Some(identity)) => Ok(Who::Identity(identity)),
        (None, None, None) if is_entra && endpoint.leads_elsewhere() => {
            Err("an endpoint that is made over the API needs a key, a token, or `tenant_id`, `client_id` and \
                 `client_secret`: this server's own identity is for the operator's configuration file"
                .to_owned())
        }
        (None, None, None) if is_entra => Identity::of_machine(settings).map(Who::Identity),
        (None, None, None) => Err("Azure needs `openai_api_key`; write it under `model.config`, or \
                                   `openai_api_type: azuread` with `tenant_id`, `client_id` and `client_secret`, or \
                                   that alone for the identity of this machine"
            .to_owned()),
        _ => Err("`openai_api_key`, `azure_ad_token` and `client_secret` or `federated_token_file` are three ways to \
                  say who asks; keep one"
            .to_owned()),
    }
}
