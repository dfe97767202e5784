//! Identities of Microsoft Entra (Azure AD), who are granted tokens of about an hour: applications with a secret, workloads
//! with a token of their cluster, and machines with an identity of their own.
//!
//! Facts: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>,
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>,
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity> and the order of Azure's own clients.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};

use crate::config::Settings;
use crate::provider::grant::{Authority, Bearer, Grant, TIMEOUT, bearer_token, form};
use crate::provider::http_client;
use crate::secrets::Secret;

const AUTHORITY: &str = "https://login.microsoftonline.com";
/// What a token is for: Azure's AI services.
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
/// Where a machine's metadata is.
const METADATA: &str = "http://169.254.169.254";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Somebody whom Entra grants tokens.
#[derive(Debug)]
pub(super) enum Identity {
    Application {
        tenant: String,
        id: String,
        proof: Proof,
        authority: Url,
    },
    /// This machine, or its identity of a client's id.
    Machine {
        address: Url,
        header: (HeaderName, Secret),
        api_version: &'static str,
        id: Option<String>,
    },
}

#[derive(Debug)]
pub(super) enum Proof {
    Secret(Secret),
    /// The file of a token that somebody else granted, and renews in place.
    File(PathBuf),
}

impl Identity {
    /// The application that the configuration describes.
    pub(super) fn described(settings: &Settings) -> Result<Option<Self>, String> {
        let proof = match (settings.secret("client_secret"), settings.path("federated_token_file")) {
            (None, None) => return Ok(None),
            (Some(secret), None) => Proof::Secret(secret.clone()),
            (None, Some(file)) => Proof::File(file.clone()),
            (Some(_), Some(_)) => {
                return Err(
                    "`client_secret` and `federated_token_file` are two ways to say who asks; keep one".to_owned()
                );
            }
        };
        let need = |key: &str, name: &str| {
            settings.text(key).cloned().or_else(|| variable(name)).ok_or_else(|| {
                format!("an application of Microsoft Entra needs `{key}`; write it under `model.config`, or set {name}")
            })
        };
        let (tenant, id) = (need("tenant_id", "AZURE_TENANT_ID")?, need("client_id", "AZURE_CLIENT_ID")?);
        Ok(Some(Self::Application { tenant, id, proof, authority: authority(settings)? }))
    }

    /// Who this machine is: what variables say of an application, else its own identity. The order is that of Azure's
    /// clients.
    pub(super) fn of_machine(settings: &Settings) -> Result<Self, String> {
        let id = settings.text("client_id").cloned().or_else(|| variable("AZURE_CLIENT_ID"));
        let tenant = settings.text("tenant_id").cloned().or_else(|| variable("AZURE_TENANT_ID"));
        let proof = variable("AZURE_CLIENT_SECRET")
            .map(|it| Proof::Secret(Secret::new(&it)))
            .or_else(|| variable("AZURE_FEDERATED_TOKEN_FILE").map(|it| Proof::File(it.into())));
        if let (Some(tenant), Some(id), Some(proof)) = (tenant, id.clone(), proof) {
            return Ok(Self::Application { tenant, id, proof, authority: authority(settings)? });
        }
        let address = |name: &str, text: &str| {
            Url::parse(text).map_err(|error| format!("{name} is `{text}`, which is no address: {error}"))
        };
        if let (Some(endpoint), Some(secret)) = (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER")) {
            let header = (HeaderName::from_static("x-identity-header"), Secret::new(&secret));
            let address = address("IDENTITY_ENDPOINT", &endpoint)?;
            return Ok(Self::Machine { address, header, api_version: "2019-08-01", id });
        }
        let name = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
        let host = variable(name).unwrap_or_else(|| METADATA.to_owned());
        let mut address = address(name, &host)?;
        address.set_path("/metadata/identity/oauth2/token");
        let header = (HeaderName::from_static("metadata"), Secret::new("true"));
        Ok(Self::Machine { address, header, api_version: "2018-02-01", id })
    }

    /// The tokens that this identity is granted.
    pub(super) fn bearer(self, scope: Option<&str>, connect: Duration) -> Result<Bearer, String> {
        let client = match &self {
            Self::Application { authority, .. } => http_client(authority, connect, false)?,
            // A proxy has another machine's identity.
            Self::Machine { .. } => {
                let _ = rustls::crypto::ring::default_provider().install_default();
                Client::builder()
                    .no_proxy()
                    .connect_timeout(connect.min(TIMEOUT))
                    .redirect(reqwest::redirect::Policy::none())
                    .build()
                    .map_err(|error| format!("the HTTP client cannot be built: {error}"))?
            }
        };
        let (identity, scope) = (Arc::new(self), scope.unwrap_or(SCOPE).to_owned());
        Ok(Bearer::new(HeaderMap::new(), move || {
            let (identity, client, scope) = (Arc::clone(&identity), client.clone(), scope.clone());
            async move { identity.ask(&client, &scope).await }.boxed()
        }))
    }

    async fn ask(&self, client: &Client, scope: &str) -> Result<Grant<Secret>, String> {
        match self {
            Self::Application { tenant, id, proof, authority } => {
                let mut address = authority.clone();
                address
                    .path_segments_mut()
                    .map_err(|()| "the authority of Microsoft Entra cannot have a path below it".to_owned())?
                    .pop_if_empty()
                    .extend([tenant, "oauth2", "v2.0", "token"]);
                let mut pairs = vec![("grant_type", "client_credentials"), ("client_id", id), ("scope", scope)];
                let secret = match proof {
                    Proof::Secret(secret) => secret.clone(),
                    Proof::File(file) => {
                        let text = tokio::fs::read_to_string(file).await;
                        Secret::new(&text.map_err(|error| format!("{} cannot be read: {error}", file.display()))?)
                    }
                };
                if let Proof::Secret(_) = proof {
                    pairs.push(("client_secret", secret.reveal()));
                } else {
                    pairs.extend([("client_assertion_type", ASSERTION_TYPE), ("client_assertion", secret.reveal())]);
                }
                let request = form(client, &address, &pairs);
                let what = format!("a token for the application `{id}`");
                bearer_token(&Authority { name: "Microsoft Entra", what: &what, secrets: &[secret] }, request).await
            }
            Self::Machine { address, header: (name, secret), api_version, id } => {
                let mut address = address.clone();
                // Machines are asked for a resource, whose scope is all of it.
                let resource = scope.strip_suffix("/.default").unwrap_or(scope);
                address.query_pairs_mut().append_pair("api-version", api_version).append_pair("resource", resource);
                if let Some(id) = id {
                    address.query_pairs_mut().append_pair("client_id", id);
                }
                let mut value = HeaderValue::from_str(secret.reveal())
                    .map_err(|_| "IDENTITY_HEADER holds control characters".to_owned())?;
                value.set_sensitive(true);
                let request = client.get(address).header(name, value);
                let secrets = if *api_version == "2019-08-01" { vec![secret.clone()] } else { Vec::new() };
                let authority = Authority {
                    name: "Azure's metadata service",
                    what: "a token for this machine's identity",
                    secrets: &secrets,
                };
                bearer_token(&authority, request).await
            }
        }
    }
}

fn authority(settings: &Settings) -> Result<Url, String> {
    if let Some(address) = settings.address("authority_host") {
        return Ok(address.clone());
    }
    let text = variable("AZURE_AUTHORITY_HOST").unwrap_or_else(|| AUTHORITY.to_owned());
    let text = if text.contains("://") { text } else { format!("https://{text}") };
    Url::parse(&text).map_err(|error| format!("AZURE_AUTHORITY_HOST is `{text}`, which is no address: {error}"))
}

pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}
