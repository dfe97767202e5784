//! Databricks' served models: OpenAI's protocol below a workspace, with a token or one that a service principal is
//! granted (OAuth, machine to machine).
//!
//! Facts: <https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m> and MLflow 3.17.2.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt;
use llm::Error;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::grant::{Grant, Granted};
use super::near::{Near, Rules};
use super::openai::sensitive;
use super::upstream::client;
use super::{Clients, Provider, Remote, Sign};
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

/// A workspace answers within a second.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a token's answer at most; one has about two thousand.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Databricks takes OpenAI's fields, and passes on those that only the model knows.
fn untouched(_body: &mut Map<String, Value>, _kind: Kind, _losses: &mut Losses) {}

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let base = base(settings, &endpoint.model)?;
    let mut headers = HeaderMap::new();
    let token = settings.secret("token").or_else(|| settings.secret("api_key")).cloned();
    let principal = principal(settings)?;
    let token = match (&principal, token) {
        (None, None) if !endpoint.leads_elsewhere() => variable("DATABRICKS_TOKEN").map(|it| Secret::new(&it)),
        (_, token) => token,
    };
    if let Some(token) = &token {
        headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {}", token.reveal())));
    }
    let mut upstream = clients.upstream_at(endpoint, &base, headers)?;
    upstream = match (token, principal) {
        (Some(token), _) => upstream.with_secret(token),
        (None, Some(principal)) => {
            upstream.signed(Arc::new(Signer::new(principal, &base, endpoint.origin.must_be_public())?))
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

fn principal(settings: &Settings) -> Result<Option<Principal>, String> {
    let id = settings.text("client_id").cloned();
    let secret = settings.secret("client_secret").cloned();
    let (id, secret) = match (id, secret) {
        (None, None) if settings.secret("token").is_none() && settings.secret("api_key").is_none() => {
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

struct Signer {
    granted: Granted<Secret>,
    secret: Secret,
}

impl Signer {
    fn new(principal: Principal, base: &Url, must_be_public: bool) -> Result<Self, String> {
        let mut address = base.clone();
        address.set_path("/oidc/v1/token");
        let client = client(&address, TIMEOUT, must_be_public)?;
        let secret = principal.secret.clone();
        let granted = Granted::new(move || ask(client.clone(), address.clone(), principal.clone()).boxed());
        Ok(Self { granted, secret })
    }
}

#[async_trait]
impl Sign for Signer {
    async fn sign(&self, request: &mut reqwest::Request) -> Result<(), Error> {
        let token = self.granted.get().await.map_err(Error::Unavailable)?;
        request.headers_mut().insert(AUTHORIZATION, sensitive(&format!("Bearer {}", token.reveal())));
        Ok(())
    }

    fn scrub(&self, text: String) -> String {
        let text = self.secret.scrub(text);
        match self.granted.last() {
            Some(token) => token.scrub(text),
            None => text,
        }
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: u64,
}

async fn ask(client: Client, address: Url, principal: Principal) -> Result<Grant<Secret>, String> {
    let asked = Instant::now();
    let mut response = client
        .post(address.clone())
        .timeout(TIMEOUT)
        .basic_auth(&principal.id, Some(principal.secret.reveal()))
        .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials&scope=all-apis")
        .send()
        .await
        .map_err(|error| format!("Databricks cannot be reached for a token: {error}"))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| format!("Databricks broke off: {error}"))? {
        body.extend_from_slice(&bytes);
        if body.len() > ANSWER_BYTES_MAX {
            return Err("Databricks answered with more than a token".to_owned());
        }
    }
    if !status.is_success() {
        let words: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
        let words = words.get("error_description").or_else(|| words.get("error")).and_then(Value::as_str);
        return Err(format!(
            "Databricks granted no token to the service principal `{}` (HTTP {}): {}",
            principal.id,
            status.as_u16(),
            principal.secret.scrub(words.unwrap_or("no words").to_owned())
        ));
    }
    let token: Token =
        serde_json::from_slice(&body).map_err(|error| format!("Databricks answered without a token: {error}"))?;
    if reqwest::header::HeaderValue::from_str(&token.access_token).is_err() {
        return Err("Databricks granted a token that fits no header".to_owned());
    }
    Ok(Grant { of: Secret::new(&token.access_token), until: asked + Duration::from_secs(token.expires_in.min(86_400)) })
}
