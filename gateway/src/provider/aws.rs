//! AWS: where its keys come from, and how requests are signed with them (Signature Version 4).
//!
//! The order is that of AWS's own tools: the configuration, the environment, a profile of the shared files, a web
//! identity, the container's and the machine's own role. The signature itself is `object_store`'s.

mod keys;
mod machine;
mod profile;
mod role;
mod sso;

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use axum::http::Request;
use llm::Error;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequestBody;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use sha2::{Digest, Sha256};

use super::Sign;
use crate::config::{EndpointConfig, Form, Setting, Settings};
use crate::secrets::Secret;
use keys::{Keys, Source, of_variables};
use profile::Profile;
use role::{Role, Trust, secrets_of};

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

/// What a role's session is called where nobody says.
const SESSION_NAME: &str = "tidegate";

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}

fn home() -> Option<PathBuf> {
    variable("HOME").or_else(|| variable("USERPROFILE")).map(PathBuf::from)
}

/// The domain below which a region's services are.
pub(super) fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
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
    source: Source,
    service: &'static str,
    region: String,
}

impl fmt::Debug for AwsSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AwsSigner").field("region", &self.region).finish_non_exhaustive()
    }
}

impl AwsSigner {
    pub(super) fn new(settings: &Settings, service: &'static str, region: String) -> Result<Self, String> {
        Ok(Self { source: way(settings)?.source(&region)?, service, region })
    }
}

#[async_trait]
impl Sign for AwsSigner {
    async fn sign(&self, request: &mut reqwest::Request) -> Result<(), Error> {
        let credential = self.source.get().await.map_err(|error| {
            Error::Unavailable(format!(
                "no AWS keys were found or granted ({error}); set `aws_access_key_id` and `aws_secret_access_key`, \
                 `aws_profile`, or `aws_bearer_token` under `model.config`, or AWS's environment variables"
            ))
        })?;
        let body = request.body().and_then(|it| it.as_bytes()).unwrap_or_default();
        let digest = Sha256::digest(body);
        sign(request.url().as_str().to_owned(), &digest, &credential, self.service, &self.region, request)
    }

    /// AWS likes to quote all that should have been signed, and the session's token is part of it.
    fn secrets(&self) -> Vec<Secret> {
        self.source.known().iter().flat_map(|it| secrets_of(it)).collect()
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
        value.set_sensitive(*name == AUTHORIZATION || name == "x-amz-security-token");
        request.headers_mut().insert(name.clone(), value);
    }
    Ok(())
}

/// The way to keys that the configuration describes.
fn way(settings: &Settings) -> Result<Keys, String> {
    let Some(arn) = text(settings, ["role_arn", "role_name"]) else { return own(settings) };
    let trust = match settings.path("web_identity_token_file") {
        Some(file) => Trust::WebIdentity(file.clone()),
        None => Trust::Keys(Box::new(own(settings)?)),
    };
    Ok(Keys::Role(Box::new(Role {
        arn: arn.to_owned(),
        session_name: settings.text("role_session_name").map_or(SESSION_NAME, String::as_str).to_owned(),
        external_id: settings.text("external_id").cloned(),
        seconds: settings.count("session_length_seconds").unwrap_or(ROLE_SECONDS),
        trust,
        region: None,
        sts: settings.address("sts_endpoint").cloned(),
    })))
}

/// The configuration's keys or profile, or else the environment's.
fn own(settings: &Settings) -> Result<Keys, String> {
    match (settings.secret("access_key_id"), settings.secret("secret_access_key")) {
        (Some(id), Some(key)) => Ok(Keys::Fixed {
            id: id.reveal().to_owned(),
            key: key.clone(),
            token: settings.secret("session_token").cloned(),
        }),
        (None, None) => match settings.text("profile") {
            Some(name) => Profile::find(Some(name))?.map(|it| it.keys).ok_or_else(|| {
                format!("there is no AWS profile `{name}`; look into ~/.aws/credentials and ~/.aws/config")
            }),
            None => of_environment(),
        },
        _ => Err("`aws_access_key_id` and `aws_secret_access_key` belong together; give both or neither".to_owned()),
    }
}

/// The environment's keys, a role of the profile, a web identity, the profile's other ways, or what the machine has.
fn of_environment() -> Result<Keys, String> {
    if let Some(keys) = of_variables()? {
        return Ok(keys);
    }
    let profile = Profile::find(None)?.map(|it| it.keys);
    Ok(match (profile, Role::of_variables()) {
        (Some(keys @ Keys::Role(_)), _) => keys,
        (_, Some(role)) => Keys::Role(Box::new(role)),
        (keys, None) => keys.unwrap_or(Keys::Elsewhere),
    })
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
