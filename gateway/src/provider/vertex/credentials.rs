//! Who asks Google: a service account with its key, a user who logged in, or the machine itself.
//!
//! Facts: <https://docs.cloud.google.com/docs/authentication/application-default-credentials> and
//! <https://google.aip.dev/auth/4110>.

use std::path::PathBuf;

use reqwest::Url;
use ring::signature::RsaKeyPair;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use super::variable;
use crate::secrets::Secret;

const TOKEN_ADDRESS: &str = "https://oauth2.googleapis.com/token";
const METADATA_HOST: &str = "metadata.google.internal";

pub(super) struct Credentials {
    pub(super) source: Source,
    /// The project that the credentials belong to.
    pub(super) project: Option<String>,
    /// The project that pays for a user's calls.
    pub(super) quota_project: Option<String>,
}

pub(super) enum Source {
    ServiceAccount { email: String, key: Box<RsaKeyPair>, key_id: Option<String>, address: Url },
    User { client_id: String, client_secret: Secret, refresh_token: Secret, address: Url },
    Machine { address: Url },
}

/// A file of Google's. What one kind has, another may lack.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    client_email: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
    project_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    quota_project_id: Option<String>,
}

impl Credentials {
    /// Reads a file of Google's; `place` says in complaints where it stands.
    pub(super) fn read(text: &Secret, place: &str) -> Result<Self, String> {
        // The parser's words may quote the text.
        let document: Document = serde_json::from_str(text.reveal()).map_err(|error| {
            format!(
                "{place} holds no credentials of Google's (line {}, column {}); give the JSON of a service account's \
                 key, or the path of the file with it",
                error.line(),
                error.column()
            )
        })?;
        let need = |field: &str, value: Option<String>| {
            let kind = &document.kind;
            value.ok_or_else(|| format!("{place} is of the type `{kind}` and lacks `{field}`; download the key again"))
        };
        let address = document.token_uri.as_deref().unwrap_or(TOKEN_ADDRESS);
        let address = Url::parse(address)
            .ok()
            .filter(|it| matches!(it.scheme(), "http" | "https"))
            .ok_or_else(|| format!("{place} has a `token_uri` that is no address of an HTTP server"))?;
        let source = match document.kind.as_str() {
            "service_account" => Source::ServiceAccount {
                email: need("client_email", document.client_email)?,
                key: Box::new(key(&need("private_key", document.private_key)?, place)?),
                key_id: document.private_key_id,
                address,
            },
            "authorized_user" => Source::User {
                client_id: need("client_id", document.client_id)?,
                client_secret: Secret::new(&need("client_secret", document.client_secret)?),
                refresh_token: Secret::new(&need("refresh_token", document.refresh_token)?),
                address,
            },
            other => {
                return Err(format!(
                    "{place} is of the type `{other}`; known are `service_account` and `authorized_user`"
                ));
            }
        };
        Ok(Self { source, project: document.project_id, quota_project: document.quota_project_id })
    }

    /// The application default credentials: a file that a variable names, one that `gcloud` left, or else whoever the
    /// machine is to Google's metadata server.
    pub(super) fn of_machine() -> Result<Self, String> {
        let named = variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
        let left = || {
            let folder = variable("CLOUDSDK_CONFIG").map(PathBuf::from).or_else(|| {
                let home = std::env::home_dir()?;
                Some(home.join(".config/gcloud"))
            })?;
            Some(folder.join("application_default_credentials.json")).filter(|it| it.is_file())
        };
        if let Some(file) = named.or_else(left) {
            let place = format!("the file {}", file.display());
            let text = std::fs::read_to_string(&file).map_err(|error| format!("{place} cannot be read: {error}"))?;
            return Self::read(&Secret::new(&text), &place);
        }
        let host = variable("GCE_METADATA_HOST").unwrap_or_else(|| METADATA_HOST.to_owned());
        let address = Url::parse(&format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token"))
            .map_err(|error| format!("GCE_METADATA_HOST is `{host}`, which is no host: {error}"))?;
        Ok(Self { source: Source::Machine { address }, project: None, quota_project: None })
    }
}

fn key(pem: &str, place: &str) -> Result<RsaKeyPair, String> {
    let broken = || format!("{place} has a `private_key` that is no RSA key in PEM; download the key again");
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| broken())?;
    match &key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(broken()),
    }
    .map_err(|_| broken())
}
