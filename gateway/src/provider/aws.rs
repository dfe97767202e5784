//! AWS: where its keys come from, and how requests are signed with them (Signature Version 4).
//!
//! The order is that of AWS's own tools: the configuration, the environment, a profile of the shared files, a web
//! identity, the container's and the machine's own role. The last three, and the signature itself, are `object_store`'s.

mod profile;
mod role;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Request;
use llm::Error;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer, AwsCredential, AwsCredentialProvider};
use object_store::client::HttpRequestBody;
use object_store::{RetryConfig, StaticCredentialProvider};
use reqwest::header::CONTENT_TYPE;
use sha2::{Digest, Sha256};

use super::Sign;
use crate::config::{EndpointConfig, Form, Setting, Settings};
use crate::secrets::Secret;
use profile::Profile;
use role::Role;

/// What may be written for AWS, with `aws_` in front or without.
pub(super) const SETTINGS: [Setting; 14] = [
    Setting::optional("region", Form::Text),
    Setting::optional("region_name", Form::Text),
    Setting::optional("bearer_token", Form::Secret),
    Setting::optional("access_key_id", Form::Secret),
    Setting::optional("secret_access_key", Form::Secret),
    Setting::optional("session_token", Form::Secret),
    Setting::optional("profile", Form::Text),
    Setting::optional("role_arn", Form::Text),
    Setting::optional("role_name", Form::Text),
    Setting::optional("role_session_name", Form::Text),
    Setting::optional("external_id", Form::Text),
    Setting::optional("session_length_seconds", Form::Count),
    Setting::optional("web_identity_token_file", Form::Path),
    Setting::optional("sts_endpoint", Form::Address),
];

/// Where calls are signed for if nobody says, which only an address of one's own allows.
pub(super) const REGION_DEFAULT: &str = "us-east-1";

/// Seconds that a role is taken on for: MLflow's, and the least that AWS grants.
const ROLE_SECONDS: u32 = 900;

/// A machine without a role of its own is found out within this, rather than after `object_store`'s three minutes.
const RETRY: RetryConfig = RetryConfig {
    backoff: object_store::BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(1),
        base: 2.0,
    },
    max_retries: 2,
    retry_timeout: Duration::from_secs(10),
};

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}

fn text<'a>(settings: &'a Settings, names: [&str; 2]) -> Option<&'a str> {
    names.into_iter().find_map(|it| settings.text(it)).map(String::as_str)
}

/// The region: the configuration's, the environment's, or the profile's.
pub(super) fn region(settings: &Settings) -> Option<String> {
    text(settings, ["region", "region_name"])
        .map(str::to_owned)
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .or_else(|| Profile::find(settings.text("profile").map(String::as_str)).ok().flatten()?.region)
}

/// A key of Bedrock's own, which needs no signature: the configuration's, or the environment's where the configuration
/// names no other way.
pub(super) fn bearer(endpoint: &EndpointConfig) -> Result<Option<Secret>, String> {
    let settings = &endpoint.settings;
    if let Some(key) = settings.secret("bearer_token").or_else(|| settings.secret("api_key")) {
        return Ok(Some(key.clone()));
    }
    let names_another = settings.secret("access_key_id").is_some()
        || settings.text("profile").is_some()
        || text(settings, ["role_arn", "role_name"]).is_some();
    match variable("AWS_BEARER_TOKEN_BEDROCK") {
        Some(key) if !names_another && !endpoint.leads_elsewhere() => {
            if reqwest::header::HeaderValue::from_str(&key).is_err() {
                return Err(
                    "the variable AWS_BEARER_TOKEN_BEDROCK holds control characters; give the key alone".to_owned()
                );
            }
            Ok(Some(Secret::new(&key)))
        }
        _ => Ok(None),
    }
}

/// Signs requests with whatever keys are good at the time.
pub(super) struct AwsSigner {
    source: AwsCredentialProvider,
    service: &'static str,
    region: String,
    /// The keys that were used last, so that they can be kept out of messages.
    last: Mutex<Option<Arc<AwsCredential>>>,
}

impl fmt::Debug for AwsSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AwsSigner").field("region", &self.region).finish_non_exhaustive()
    }
}

impl AwsSigner {
    pub(super) fn new(settings: &Settings, service: &'static str, region: String) -> Result<Self, String> {
        Ok(Self { source: source(settings, &region)?, service, region, last: Mutex::new(None) })
    }
}

#[async_trait]
impl Sign for AwsSigner {
    async fn sign(&self, request: &mut reqwest::Request) -> Result<(), Error> {
        let credential = self.source.get_credential().await.map_err(|error| {
            Error::Unavailable(format!(
                "no AWS keys were found or granted ({error}); set `aws_access_key_id` and `aws_secret_access_key`, \
                 `aws_profile`, or `aws_bearer_token` under `model.config`, or AWS's environment variables"
            ))
        })?;
        let body = request.body().and_then(|it| it.as_bytes()).unwrap_or_default();
        sign(
            request.url().as_str().to_owned(),
            &Sha256::digest(body),
            &credential,
            self.service,
            &self.region,
            request,
        )?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(credential);
        Ok(())
    }

    /// AWS likes to quote all that should have been signed, and the session's token is part of it.
    fn scrub(&self, text: String) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(keys) = last else { return text };
        let text = Secret::new(&keys.secret_key).scrub(text);
        match &keys.token {
            Some(token) => Secret::new(token).scrub(text),
            None => text,
        }
    }
}

/// Adds the headers of a signature to a POST.
fn sign(
    url: String,
    digest: &[u8],
    credential: &AwsCredential,
    service: &str,
    region: &str,
    request: &mut reqwest::Request,
) -> Result<(), Error> {
    let unsigned = |error: &dyn fmt::Display| Error::Internal(format!("a request could not be signed: {error}"));
    let mut signed = Request::post(url).body(HttpRequestBody::empty()).map_err(|error| unsigned(&error))?;
    if let Some(content_type) = request.headers().get(CONTENT_TYPE) {
        signed.headers_mut().insert(CONTENT_TYPE, content_type.clone());
    }
    AwsAuthorizer::new(credential, service, region)
        .try_authorize(&mut signed, Some(digest))
        .map_err(|error| unsigned(&error))?;
    for (name, value) in signed.headers() {
        let mut value = value.clone();
        value.set_sensitive(true);
        request.headers_mut().insert(name.clone(), value);
    }
    Ok(())
}

/// Where the keys come from.
fn source(settings: &Settings, region: &str) -> Result<AwsCredentialProvider, String> {
    let role = text(settings, ["role_arn", "role_name"]);
    if let (Some(arn), Some(file)) = (role, settings.path("web_identity_token_file")) {
        return web_identity(arn, file, settings, region);
    }
    let keys = match (settings.secret("access_key_id"), settings.secret("secret_access_key")) {
        (Some(id), Some(key)) => fixed(id.reveal(), key.reveal(), settings.secret("session_token").map(Secret::reveal)),
        (None, None) => match settings.text("profile") {
            Some(name) => match Profile::find(Some(name))? {
                Some(profile) => of_profile(&profile, region)?,
                None => {
                    return Err(format!(
                        "there is no AWS profile `{name}`; look into ~/.aws/credentials and ~/.aws/config"
                    ));
                }
            },
            None => of_environment(region)?,
        },
        _ => {
            return Err(
                "`aws_access_key_id` and `aws_secret_access_key` belong together; give both or neither".to_owned()
            );
        }
    };
    let Some(arn) = role else { return Ok(keys) };
    let role = Role {
        arn: arn.to_owned(),
        session_name: settings.text("role_session_name").map_or("tidegate", String::as_str).to_owned(),
        external_id: settings.text("external_id").cloned(),
        seconds: settings.count("session_length_seconds").unwrap_or(ROLE_SECONDS),
    };
    let sts = settings.address("sts_endpoint").map(|it| it.as_str().to_owned());
    role.provider(keys, region, sts)
}

fn fixed(id: &str, key: &str, token: Option<&str>) -> AwsCredentialProvider {
    let credential =
        AwsCredential { key_id: id.to_owned(), secret_key: key.to_owned(), token: token.map(str::to_owned) };
    Arc::new(StaticCredentialProvider::new(credential))
}

/// The environment's keys, then a profile's, then whatever role the machine has.
fn of_environment(region: &str) -> Result<AwsCredentialProvider, String> {
    let is_told = variable("AWS_ACCESS_KEY_ID").is_some() || variable("AWS_WEB_IDENTITY_TOKEN_FILE").is_some();
    if !is_told && let Some(profile) = Profile::find(None)? {
        return of_profile(&profile, region);
    }
    built(AmazonS3Builder::from_env(), region)
}

fn of_profile(profile: &Profile, region: &str) -> Result<AwsCredentialProvider, String> {
    let keys = match (&profile.access_key_id, &profile.secret_access_key) {
        (Some(id), Some(key)) => fixed(id, key.reveal(), profile.session_token.as_ref().map(Secret::reveal)),
        _ => built(AmazonS3Builder::from_env(), region)?,
    };
    match &profile.role_arn {
        None => Ok(keys),
        Some(arn) => Role {
            arn: arn.clone(),
            session_name: "tidegate".to_owned(),
            external_id: profile.external_id.clone(),
            seconds: ROLE_SECONDS,
        }
        .provider(keys, region, None),
    }
}

fn web_identity(arn: &str, file: &Path, settings: &Settings, region: &str) -> Result<AwsCredentialProvider, String> {
    let file = file.to_str().ok_or("`aws_web_identity_token_file` must be a path in UTF-8")?;
    let mut builder = AmazonS3Builder::new()
        .with_config(AmazonS3ConfigKey::RoleArn, arn)
        .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, file);
    if let Some(name) = settings.text("role_session_name") {
        builder = builder.with_config(AmazonS3ConfigKey::RoleSessionName, name);
    }
    if let Some(sts) = settings.address("sts_endpoint") {
        builder = builder.with_config(AmazonS3ConfigKey::StsEndpoint, sts.as_str());
    }
    built(builder, region)
}

/// The keys of a client for a bucket that is never asked for.
fn built(builder: AmazonS3Builder, region: &str) -> Result<AwsCredentialProvider, String> {
    let store = builder
        .with_bucket_name("unused")
        .with_region(region)
        .with_retry(RETRY)
        .build()
        .map_err(|error| format!("AWS's settings make no sense together: {error}"))?;
    Ok(Arc::clone(store.credentials()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature is `object_store`'s, and the Python suite has botocore check it; what is ours is what is signed.
    #[test]
    fn the_body_and_its_type_are_signed_and_the_rest_is_not() {
        let url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/a%3A0/converse";
        let client = reqwest::Client::builder().no_proxy();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut request =
            client.build().unwrap().post(url).header(CONTENT_TYPE, "application/json").body("{}").build().unwrap();
        let keys = AwsCredential { key_id: "AKID".into(), secret_key: "S".into(), token: Some("T".into()) };
        sign(url.to_owned(), &Sha256::digest("{}"), &keys, "bedrock", "us-east-1", &mut request).unwrap();
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        let authorization = header("authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"), "{authorization}");
        assert!(authorization.contains("/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature="), "{authorization}");
        assert_eq!(header("x-amz-security-token"), "T");
        assert_eq!(header("x-amz-content-sha256"), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        assert!(request.headers()["authorization"].is_sensitive());
    }
}
