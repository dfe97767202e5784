//! Keys for those who logged in with `aws sso login` (IAM Identity Center).
//!
//! Facts: <https://docs.aws.amazon.com/sdkref/latest/guide/understanding-sso.html>,
//! <https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html> and
//! <https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_CreateToken.html>.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use object_store::aws::AwsCredential;
use reqwest::{Client, Url};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::keys::{Source, client};
use super::{domain, home, variable};
use crate::provider::grant::{Authority, Grant, TIMEOUT};
use crate::secrets::Secret;

/// A role in an account, for whoever logged in.
#[derive(Clone, Debug)]
pub(super) struct Sso {
    pub(super) profile: String,
    /// What the login's file in the cache is named after: the session, or the address where one logs in.
    pub(super) cached_as: String,
    pub(super) region: String,
    pub(super) account_id: String,
    pub(super) role_name: String,
}

struct Asker {
    sso: Sso,
    client: Client,
    portal: Url,
    oidc: Url,
    file: PathBuf,
}

/// What `aws sso login` leaves, with what it takes to renew it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    access_token: String,
    expires_at: String,
    refresh_token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Renewed {
    access_token: String,
    expires_in: u64,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    role_credentials: RoleCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// Milliseconds since 1970.
    expiration: i64,
}

impl Sso {
    pub(super) fn source(&self) -> Result<Source, String> {
        let at = |name: &str, default: String| {
            let text = variable(name).unwrap_or(default);
            Url::parse(&text).map_err(|error| format!("`{text}` is no address of AWS's SSO: {error}"))
        };
        let (region, domain) = (&self.region, domain(&self.region));
        let folder = home().ok_or("HOME is not set, below which `aws sso login` leaves its token")?;
        let asker = Arc::new(Asker {
            client: client(false, TIMEOUT)?,
            portal: at("AWS_ENDPOINT_URL_SSO", format!("https://portal.sso.{region}.{domain}"))?,
            oidc: at("AWS_ENDPOINT_URL_SSO_OIDC", format!("https://oidc.{region}.{domain}"))?,
            file: folder.join(".aws/sso/cache").join(file_name(&self.cached_as)),
            sso: self.clone(),
        });
        Ok(Source::granted(move || {
            let asker = Arc::clone(&asker);
            async move { asker.ask().await }.boxed()
        }))
    }
}

impl Asker {
    async fn ask(&self) -> Result<Grant<Arc<AwsCredential>>, String> {
        let token = self.token().await?;
        let mut address = self.portal.clone();
        address.set_path("/federation/credentials");
        address
            .query_pairs_mut()
            .append_pair("role_name", &self.sso.role_name)
            .append_pair("account_id", &self.sso.account_id);
        let request = self.client.get(address).header("x-amz-sso_bearer_token", token.reveal());
        let what = format!("keys for the role `{}` of account {}", self.sso.role_name, self.sso.account_id);
        let authority = Authority { name: "AWS's SSO", what: &what, secrets: &[token] };
        let Answer { role_credentials: it } =
            authority.ask_json(request).await.map_err(|error| format!("{error}; {}", self.advice()))?;
        let keys =
            AwsCredential { key_id: it.access_key_id, secret_key: it.secret_access_key, token: Some(it.session_token) };
        Ok(Grant::until_unix(Arc::new(keys), it.expiration / 1000))
    }

    /// The token of the login, renewed if it ran out.
    async fn token(&self) -> Result<Secret, String> {
        let file = self.file.display();
        let text = tokio::fs::read_to_string(&self.file)
            .await
            .map_err(|error| format!("nobody is logged in ({file}: {error}); {}", self.advice()))?;
        // The parser's words may quote the token.
        let login: Login =
            serde_json::from_str(&text).map_err(|_| format!("{file} holds no login; {}", self.advice()))?;
        let token = Secret::new(&login.access_token);
        let until = Grant::until_text((), &login.expires_at).map_err(|error| format!("{file}: {error}"))?.until;
        if until > Instant::now() {
            return Ok(token);
        }
        let (Some(refresh), Some(id), Some(secret)) = (login.refresh_token, login.client_id, login.client_secret)
        else {
            return Err(format!("the login of the AWS profile `{}` has expired; {}", self.sso.profile, self.advice()));
        };
        let mut address = self.oidc.clone();
        address.set_path("/token");
        let request = self.client.post(address).json(&json!({
            "grantType": "refresh_token", "clientId": id, "clientSecret": secret, "refreshToken": refresh,
        }));
        let secrets = [Secret::new(&refresh), Secret::new(&secret)];
        let authority = Authority { name: "AWS's SSO", what: "a renewed login", secrets: &secrets };
        let renewed: Renewed =
            authority.ask_json(request).await.map_err(|error| format!("{error}; {}", self.advice()))?;
        self.keep(&text, &renewed).await?;
        Ok(Secret::new(&renewed.access_token))
    }

    /// Leaves the renewed login for AWS's other tools: the old one can be renewed once only.
    async fn keep(&self, text: &str, renewed: &Renewed) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("{} cannot be written: {error}", self.file.display());
        let mut login: Map<String, Value> = serde_json::from_str(text).map_err(|error| failed(&error))?;
        let until = OffsetDateTime::now_utc() + Duration::from_secs(renewed.expires_in);
        let until = until.replace_nanosecond(0).map_err(|error| failed(&error))?;
        login.insert("accessToken".to_owned(), renewed.access_token.clone().into());
        login.insert("expiresAt".to_owned(), until.format(&Rfc3339).map_err(|error| failed(&error))?.into());
        if let Some(token) = &renewed.refresh_token {
            login.insert("refreshToken".to_owned(), token.clone().into());
        }
        let json = serde_json::to_vec(&login).map_err(|error| failed(&error))?;
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || replace(&file, &json)).await;
        written.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }

    fn advice(&self) -> String {
        format!("run `aws sso login --profile {}`", self.sso.profile)
    }
}

/// Puts a new file, which its owner alone may read, into the place of another.
fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let beside = file.with_extension(format!("tidegate-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&beside)?.write_all(bytes)?;
    std::fs::rename(&beside, file)
}

fn file_name(cached_as: &str) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, cached_as.as_bytes());
    let mut name = hash.as_ref().iter().fold(String::new(), |mut name, byte| {
        // Writing into a text does not fail.
        let _ = write!(name, "{byte:02x}");
        name
    });
    name.push_str(".json");
    name
}
