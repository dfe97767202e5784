//! Databricks' served models: OpenAI's protocol below a workspace, with a token or one that a service principal is
//! granted (OAuth, machine to machine).
//!
//! Facts: <https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m> and MLflow 3.17.2.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::FutureExt;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Client, Url};
use serde_json::{Map, Value};

use super::grant::{Authority, Bearer, Grant, TIMEOUT, bearer_token, form};
use super::near::{Near, Rules};
use super::openai::sensitive;
use super::upstream::client;
use super::{Clients, Provider, Remote};
use crate::config::{EndpointConfig, Form, Setting, Settings};
use crate::endpoint::Kind;
use crate::losses::Losses;
use crate::secrets::Secret;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::optional("host", Form::Address),
    Setting::optional("api_base", Form::Address),
    Setting::optional("token", Form::Secret),
    Setting::optional("api_key", Form::Secret),
    Setting::optional("client_id", Form::Text),
    Setting::optional("client_secret", Form::Secret),
    Setting::optional("headers", Form::Headers),
];

static RULES: Rules = Rules { path: |kind| Some(kind.path()), request: untouched, ask_for_usage: true };

/// Databricks takes OpenAI's fields, and passes on those that only the model knows.
fn untouched(_body: &mut Map<String, Value>, _kind: Kind, _losses: &mut Losses) {}

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let base = base(settings, &endpoint.model)?;
    let mut headers = HeaderMap::new();
    let token = settings.secret("token").or_else(|| settings.secret("api_key")).cloned();
    let principal = principal(settings, !endpoint.leads_elsewhere())?;
    let token = match (&principal, token) {
        (None, None) if !endpoint.leads_elsewhere() => variable("DATABRICKS_TOKEN").map(|it| Secret::new(&it)),
        (_, token) => token,
    };
    if let Some(token) = &token {
        headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {}", token.reveal())));
    }
    let mut upstream = clients.upstream_at(endpoint, &base, headers)?;
    upstream = match (token, principal) {
        (Some(_), _) => upstream,
        (None, Some(principal)) => {
            upstream.signed(Arc::new(bearer(principal, &base, endpoint.origin.must_be_public())?))
        }
        (None, None) => {
            return Err(
                "Databricks needs `databricks_token`, or `client_id` and `client_secret` of a service principal; \
                        write them under `model.config`, or set DATABRICKS_TOKEN, which goes nowhere that was chosen over the API"
                    .to_owned(),
            );
        }
    };
    let protocol = Near::new(&endpoint.model, upstream.who(), &RULES);
    Ok(Arc::new(Remote::new(upstream, Arc::new(protocol), endpoint.on_loss)))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}

/// `api_base` as it is, or the place below a workspace where models of this kind of name are served.
fn base(settings: &Settings, model: &str) -> Result<Url, String> {
    if let Some(base) = settings.address("api_base") {
        return Ok(base.clone());
    }
    let mut host = match (settings.address("host"), variable("DATABRICKS_HOST")) {
        (Some(host), _) => host.clone(),
        (None, Some(host)) => {
            let host = if host.contains("://") { host } else { format!("https://{host}") };
            Url::parse(&host).map_err(|error| format!("DATABRICKS_HOST is `{host}`, which is no address: {error}"))?
        }
        (None, None) => {
            return Err(
                "Databricks needs `host`; write the address of your workspace, `https://NAME.databricks.com`, \
                        under `model.config`, or set DATABRICKS_HOST"
                    .to_owned(),
            );
        }
    };
    // Names of Unity Catalog have three levels; those of serving endpoints have no dots.
    let is_catalogued = model.matches('.').count() >= 2;
    let path = host.path().trim_end_matches('/');
    if !path.ends_with("/serving-endpoints") && !path.ends_with("/ai-gateway/mlflow/v1") {
        let below = if is_catalogued { "ai-gateway/mlflow/v1" } else { "serving-endpoints" };
        let path = format!("{path}/{below}");
        host.set_path(&path);
    }
    Ok(host)
}

/// A service principal, who is granted tokens of an hour.
#[derive(Clone)]
struct Principal {
    id: String,
    secret: Secret,
}

/// The one of the configuration, or this machine's own, which is told to nobody whom the API names.
fn principal(settings: &Settings, may_be_machines: bool) -> Result<Option<Principal>, String> {
    let id = settings.text("client_id").cloned();
    let secret = settings.secret("client_secret").cloned();
    let (id, secret) = match (id, secret) {
        (None, None)
            if may_be_machines && settings.secret("token").is_none() && settings.secret("api_key").is_none() =>
        {
            (variable("DATABRICKS_CLIENT_ID"), variable("DATABRICKS_CLIENT_SECRET").map(|it| Secret::new(&it)))
        }
        both => both,
    };
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some(Principal { id, secret })),
        (None, None) => Ok(None),
        _ => Err("`client_id` and `client_secret` belong together; give both or neither".to_owned()),
    }
}

/// The token that the workspace grants to a principal.
fn bearer(principal: Principal, base: &Url, must_be_public: bool) -> Result<Bearer, String> {
    let mut address = base.clone();
    address.set_path("/oidc/v1/token");
    let client = client(&address, TIMEOUT, must_be_public)?;
    Ok(Bearer::new(HeaderMap::new(), move || ask(client.clone(), address.clone(), principal.clone()).boxed()))
}

async fn ask(client: Client, address: Url, principal: Principal) -> Result<Grant<Secret>, String> {
    let Principal { id, secret } = principal;
    let basic = Secret::new(&BASE64_STANDARD.encode(format!("{id}:{}", secret.reveal())));
    let request = form(&client, &address, &[("grant_type", "client_credentials"), ("scope", "all-apis")])
        .basic_auth(&id, Some(secret.reveal()));
    let what = format!("a token for the service principal `{id}`");
    let authority = Authority { name: "Databricks", what: &what, secrets: &[basic, secret] };
    bearer_token(&authority, request).await
}
