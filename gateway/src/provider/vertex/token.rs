//! Access tokens of Google's, asked for again before they run out.
//!
//! Facts: <https://developers.google.com/identity/protocols/oauth2/service-account> and
//! <https://docs.cloud.google.com/compute/docs/access/authenticate-workloads>.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::FutureExt;
use llm::Error;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use url::form_urlencoded;

use super::credentials::{Credentials, Source};
use crate::provider::grant::{Grant, Granted};
use crate::provider::openai::sensitive;
use crate::provider::{Sign, http_client};
use crate::secrets::Secret;

/// What is asked for: all of the cloud, within what the asker may do there.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Seconds that a signed request for a token is good for: as many as Google allows.
const ASSERTION_SECONDS: i64 = 3600;
/// Google answers within a second.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a token's answer at most; one has about two thousand.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// A token lives an hour; no answer is believed that says more than a day.
const TOKEN_SECONDS_MAX: u64 = 86_400;

/// Puts a token into each request.
pub(super) struct Signer {
    granted: Granted<Secret>,
    quota_project: Option<HeaderValue>,
}

impl Signer {
    pub(super) fn new(credentials: Credentials, connect: Duration, must_be_public: bool) -> Result<Self, String> {
        let quota_project = credentials
            .quota_project
            .map(|it| HeaderValue::from_str(&it).map_err(|_| "`quota_project_id` fits no header".to_owned()))
            .transpose()?;
        let client = match &credentials.source {
            Source::ServiceAccount { address, .. } | Source::User { address, .. } => {
                http_client(address, connect, must_be_public)?
            }
            // Nobody chose this address over the API; a proxy has another machine's metadata.
            Source::Machine { .. } => Client::builder()
                .no_proxy()
                .connect_timeout(connect)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(|error| format!("the HTTP client cannot be built: {error}"))?,
        };
        let source = Arc::new(credentials.source);
        let granted = Granted::new(move || ask(client.clone(), Arc::clone(&source)).boxed());
        Ok(Self { granted, quota_project })
    }
}

#[async_trait]
impl Sign for Signer {
    async fn sign(&self, request: &mut reqwest::Request) -> Result<(), Error> {
        let token = self.granted.get().await.map_err(Error::Unavailable)?;
        request.headers_mut().insert(AUTHORIZATION, sensitive(&format!("Bearer {}", token.reveal())));
        if let Some(project) = &self.quota_project {
            request.headers_mut().insert("x-goog-user-project", project.clone());
        }
        Ok(())
    }

    fn scrub(&self, text: String) -> String {
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

async fn ask(client: Client, source: Arc<Source>) -> Result<Grant<Secret>, String> {
    let asked = Instant::now();
    let (request, who, secrets) = question(&client, &source)?;
    let mut response = request
        .timeout(TIMEOUT)
        .send()
        .await
        .map_err(|error| format!("Google cannot be reached for a token for {who}: {}", error.without_url()))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(bytes) =
        response.chunk().await.map_err(|error| format!("Google broke off: {}", error.without_url()))?
    {
        body.extend_from_slice(&bytes);
        if body.len() > ANSWER_BYTES_MAX {
            return Err("Google answered with more than a token".to_owned());
        }
    }
    if !status.is_success() {
        let words: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
        let words = words.get("error_description").or_else(|| words.get("error")).and_then(Value::as_str);
        let words = secrets.iter().fold(words.unwrap_or("no words").to_owned(), |words, it| it.scrub(words));
        return Err(format!("Google granted no token to {who} (HTTP {}): {words}", status.as_u16()));
    }
    // The parser's words may quote the token.
    let token: Token =
        serde_json::from_slice(&body).map_err(|_| format!("Google answered without a token for {who}"))?;
    if HeaderValue::from_str(&token.access_token).is_err() {
        return Err("Google granted a token that fits no header".to_owned());
    }
    let lasts = Duration::from_secs(token.expires_in.min(TOKEN_SECONDS_MAX));
    Ok(Grant { of: Secret::new(&token.access_token), until: asked + lasts })
}

/// The request for a token, who makes it, and what of it must not come back in messages.
fn question(client: &Client, source: &Source) -> Result<(RequestBuilder, String, Vec<Secret>), String> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let (address, who, secrets) = match source {
        Source::Machine { address } => {
            let request = client.get(address.clone()).header("metadata-flavor", "Google");
            let who = "this machine (no `vertex_credentials`, no application default credentials)".to_owned();
            return Ok((request, who, Vec::new()));
        }
        Source::ServiceAccount { email, key, key_id, address } => {
            let assertion = Secret::new(&assertion(email, key, key_id.as_deref(), address.as_str())?);
            form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
            form.append_pair("assertion", assertion.reveal());
            (address, format!("the service account `{email}`"), vec![assertion])
        }
        Source::User { client_id, client_secret, refresh_token, address } => {
            form.append_pair("grant_type", "refresh_token");
            form.append_pair("client_id", client_id);
            form.append_pair("client_secret", client_secret.reveal());
            form.append_pair("refresh_token", refresh_token.reveal());
            let who = "the user of `gcloud auth application-default login`".to_owned();
            (address, who, vec![client_secret.clone(), refresh_token.clone()])
        }
    };
    let request =
        client.post(address.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.finish());
    Ok((request, who, secrets))
}

/// A JSON web token in which a service account asks for an access token.
fn assertion(email: &str, key: &RsaKeyPair, key_id: Option<&str>, audience: &str) -> Result<String, String> {
    let mut head = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = key_id {
        head["kid"] = id.into();
    }
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let claims = json!({
        "iss": email, "scope": SCOPE, "aud": audience, "iat": now, "exp": now + ASSERTION_SECONDS,
    });
    let encoded = |it: &Value| BASE64_URL_SAFE_NO_PAD.encode(it.to_string());
    let signed = format!("{}.{}", encoded(&head), encoded(&claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| format!("the key of the service account `{email}` cannot sign"))?;
    Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::get;

    use super::*;

    const PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

    #[tokio::test]
    async fn a_machine_is_granted_its_own_token() {
        let app = Router::new().route(
            PATH,
            get(|headers: HeaderMap| async move {
                if headers.get("metadata-flavor").is_some_and(|it| it == "Google") {
                    (StatusCode::OK, r#"{"access_token":"ya29.machine","expires_in":3599,"token_type":"Bearer"}"#)
                } else {
                    (StatusCode::FORBIDDEN, "")
                }
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}{PATH}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let source = Source::Machine { address };
        let signer = Signer::new(Credentials { source, project: None, quota_project: None }, TIMEOUT, false).unwrap();
        let url: reqwest::Url = "https://aiplatform.googleapis.com/".parse().unwrap();
        let mut request = reqwest::Request::new(reqwest::Method::POST, url);
        signer.sign(&mut request).await.unwrap();
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer ya29.machine");
        assert!(request.headers()[AUTHORIZATION].is_sensitive());
        assert_eq!(signer.scrub("not ya29.machine".to_owned()), "not [key]");
    }
}
