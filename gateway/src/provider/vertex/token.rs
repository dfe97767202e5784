//! Access tokens of Google's, asked for again before they run out.
//!
//! Facts: <https://developers.google.com/identity/protocols/oauth2/service-account> and
//! <https://docs.cloud.google.com/compute/docs/access/authenticate-workloads>.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, HeaderValue};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::credentials::{Credentials, Source, account};
use crate::provider::grant::{Authority, Bearer, Grant, bearer_token, fit, form};
use crate::provider::openai::sensitive;
use crate::secrets::Secret;

/// What is asked for: all of the cloud, within what the asker may do there.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Seconds that a signed request for a token is good for: as many as Google allows.
const ASSERTION_SECONDS: i64 = 3600;

/// Puts a token into each request.
pub(super) fn signer(credentials: Credentials) -> Result<Bearer, String> {
    let mut headers = HeaderMap::new();
    if let Some(project) = credentials.quota_project {
        let project = HeaderValue::from_str(&project).map_err(|_| "`quota_project_id` fits no header".to_owned())?;
        headers.insert("x-goog-user-project", project);
    }
    let source = Arc::new(credentials.source);
    Ok(Bearer::new(headers, move || {
        let source = Arc::clone(&source);
        async move { ask(&source).await }.boxed()
    }))
}

/// A token for whoever asks.
fn ask(source: &Source) -> BoxFuture<'_, Result<Grant<Secret>, String>> {
    async move {
        match source {
            Source::External(external) => external.ask().await,
            Source::Impersonated { by, delegates, seconds, server } => {
                let by = ask(by).await?.of;
                let body = json!({"delegates": delegates, "scope": [SCOPE], "lifetime": format!("{seconds}s")});
                let request = server
                    .client
                    .post(server.address.clone())
                    .header("authorization", sensitive(&format!("Bearer {}", by.reveal())))
                    .json(&body);
                let account = account(server.address.path()).unwrap_or_default();
                let what = format!("a token in the name of the service account `{account}`");
                let authority = Authority { name: "Google", what: &what, secrets: &[by] };
                let token: NamedToken = authority.ask_json(request).await?;
                Grant::until_text(fit(&token.access_token, "Google")?, &token.expire_time)
                    .map_err(|error| format!("Google granted {what} until {error}"))
            }
            Source::ServiceAccount { .. } | Source::User { .. } | Source::Machine { .. } => {
                let (request, who, secrets) = question(source)?;
                let what = format!("a token for {who}");
                bearer_token(&Authority { name: "Google", what: &what, secrets: &secrets }, request).await
            }
        }
    }
    .boxed()
}

/// A token in another's name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamedToken {
    access_token: String,
    expire_time: String,
}

/// The request for a token, who makes it, and what of it must not come back in messages.
fn question(source: &Source) -> Result<(RequestBuilder, String, Vec<Secret>), String> {
    match source {
        Source::ServiceAccount { email, key, key_id, server } => {
            let assertion = Secret::new(&assertion(email, key, key_id.as_deref(), server.address.as_str())?);
            let pairs =
                [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.reveal())];
            let request = form(&server.client, &server.address, &pairs);
            Ok((request, format!("the service account `{email}`"), vec![assertion]))
        }
        Source::User { client_id, client_secret, refresh_token, is_federated, server } => {
            let mut pairs = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.reveal())];
            if !is_federated {
                pairs.extend([("client_id", client_id.as_str()), ("client_secret", client_secret.reveal())]);
            }
            let mut request = form(&server.client, &server.address, &pairs);
            if *is_federated {
                request = request.basic_auth(client_id, Some(client_secret.reveal()));
            }
            let who = "the user of `gcloud auth application-default login`".to_owned();
            Ok((request, who, vec![client_secret.clone(), refresh_token.clone()]))
        }
        Source::Machine { server } => {
            let request = server.client.get(server.address.clone()).header("metadata-flavor", "Google");
            let who = "this machine (no `vertex_credentials`, no application default credentials)".to_owned();
            Ok((request, who, Vec::new()))
        }
        Source::External(_) | Source::Impersonated { .. } => {
            Err("these credentials are asked for in two steps".to_owned())
        }
    }
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
    use std::time::Duration;

    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::get;
    use reqwest::header::AUTHORIZATION;

    use super::super::credentials::{Server, beside};
    use super::*;
    use crate::provider::Sign as _;

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
        let server = Server { address, client: beside(Duration::from_secs(10)).unwrap() };
        let source = Source::Machine { server };
        let signer = signer(Credentials { source, project: None, quota_project: None }).unwrap();
        let url: reqwest::Url = "https://aiplatform.googleapis.com/".parse().unwrap();
        let mut request = reqwest::Request::new(reqwest::Method::POST, url);
        signer.sign(&mut request).await.unwrap();
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer ya29.machine");
        assert!(request.headers()[AUTHORIZATION].is_sensitive());
        assert_eq!(signer.secrets(), [Secret::new("ya29.machine")]);
    }
}
