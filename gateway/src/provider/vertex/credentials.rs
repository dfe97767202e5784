//! Who asks Google: a service account with its key, a user who logged in, an identity of another cloud, or the machine
//! itself; each of them perhaps in the name of a service account.
//!
//! Facts: <https://docs.cloud.google.com/docs/authentication/application-default-credentials>,
//! <https://google.aip.dev/auth/4110> and <https://google.aip.dev/auth/4117>.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, Url};
use ring::signature::RsaKeyPair;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;

use super::external::{External, Written};
use super::variable;
use crate::provider::http_client;
use crate::secrets::Secret;

const TOKEN_ADDRESS: &str = "https://oauth2.googleapis.com/token";
const METADATA_HOST: &str = "metadata.google.internal";
/// Seconds that a token in another's name is asked for: as many as Google grants to all.
const LIFETIME_SECONDS: u32 = 3600;

pub(super) struct Credentials {
    pub(super) source: Source,
    /// The project that the credentials belong to.
    pub(super) project: Option<String>,
    /// The project that pays for a user's calls.
    pub(super) quota_project: Option<String>,
}

pub(super) enum Source {
    ServiceAccount {
        email: String,
        key: Box<RsaKeyPair>,
        key_id: Option<String>,
        server: Server,
    },
    /// Somebody who logged in; `is_federated` where they did so at another identity provider.
    User {
        client_id: String,
        client_secret: Secret,
        refresh_token: Secret,
        is_federated: bool,
        server: Server,
    },
    External(Box<External>),
    /// A service account in whose name another asks.
    Impersonated {
        by: Box<Source>,
        delegates: Vec<String>,
        seconds: u32,
        server: Server,
    },
    Machine {
        server: Server,
    },
}

/// A server of Google's, or one that stands in for it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: Url,
    pub(super) client: Client,
}

/// How far credentials may reach, by whom they came.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    pub(super) connect: Duration,
    /// Whether they come from the operator, and may read files, run commands and ask any server.
    pub(super) is_operators: bool,
    pub(super) must_be_public: bool,
}

impl Reach {
    pub(super) fn server(&self, address: &str, field: &str, place: &str) -> Result<Server, String> {
        let address = Url::parse(address)
            .ok()
            .filter(|it| matches!(it.scheme(), "http" | "https"))
            .ok_or_else(|| format!("{place} has a `{field}` that is no address of an HTTP server"))?;
        let client = http_client(&address, self.connect, self.must_be_public)?;
        Ok(Server { address, client })
    }
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
    token_url: Option<String>,
    service_account_impersonation_url: Option<String>,
    service_account_impersonation: Option<Impersonation>,
    #[serde(default)]
    delegates: Vec<String>,
    source_credentials: Option<Value>,
    #[serde(flatten)]
    written: Written,
}

#[derive(Deserialize)]
struct Impersonation {
    token_lifetime_seconds: Option<u32>,
}

impl Credentials {
    /// Reads a file of Google's; `place` says in complaints where it stands.
    pub(super) fn read(text: &Secret, place: &str, reach: Reach) -> Result<Self, String> {
        // The parser's words may quote the text.
        let document: Document = serde_json::from_str(text.reveal()).map_err(|error| {
            format!(
                "{place} holds no credentials of Google's (line {}, column {}); give the JSON of a service account's \
                 key, or the path of the file with it",
                error.line(),
                error.column()
            )
        })?;
        let (project, quota_project) = (document.project_id.clone(), document.quota_project_id.clone());
        Ok(Self { source: source(document, place, reach)?, project, quota_project })
    }

    /// The application default credentials: a file that a variable names, one that `gcloud` left, or else whoever the
    /// machine is to Google's metadata server.
    pub(super) fn of_machine(reach: Reach) -> Result<Self, String> {
        let reach = Reach { is_operators: true, must_be_public: false, ..reach };
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
            return Self::read(&Secret::new(&text), &place, reach);
        }
        let host = variable("GCE_METADATA_HOST").unwrap_or_else(|| METADATA_HOST.to_owned());
        let address = Url::parse(&format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token"))
            .map_err(|error| format!("GCE_METADATA_HOST is `{host}`, which is no host: {error}"))?;
        let server = Server { address, client: beside(reach.connect)? };
        Ok(Self { source: Source::Machine { server }, project: None, quota_project: None })
    }
}

/// A client for this machine's metadata: a proxy has another machine's.
pub(super) fn beside(connect: Duration) -> Result<Client, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .connect_timeout(connect)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| format!("the HTTP client cannot be built: {error}"))
}

fn source(document: Document, place: &str, reach: Reach) -> Result<Source, String> {
    let kind = document.kind.clone();
    let need = |field: &str, value: Option<String>| {
        value.ok_or_else(|| format!("{place} is of the type `{kind}` and lacks `{field}`; download it again"))
    };
    let token_uri = || reach.server(document.token_uri.as_deref().unwrap_or(TOKEN_ADDRESS), "token_uri", place);
    let seconds = document.service_account_impersonation.and_then(|it| it.token_lifetime_seconds);
    let seconds = seconds.unwrap_or(LIFETIME_SECONDS);
    match document.kind.as_str() {
        "service_account" => Ok(Source::ServiceAccount {
            server: token_uri()?,
            email: need("client_email", document.client_email)?,
            key: Box::new(key(&need("private_key", document.private_key)?, place)?),
            key_id: document.private_key_id,
        }),
        "authorized_user" => Ok(Source::User {
            server: token_uri()?,
            client_id: need("client_id", document.client_id)?,
            client_secret: Secret::new(&need("client_secret", document.client_secret)?),
            refresh_token: Secret::new(&need("refresh_token", document.refresh_token)?),
            is_federated: false,
        }),
        "external_account_authorized_user" => Ok(Source::User {
            server: reach.server(&need("token_url", document.token_url)?, "token_url", place)?,
            client_id: need("client_id", document.client_id)?,
            client_secret: Secret::new(&need("client_secret", document.client_secret)?),
            refresh_token: Secret::new(&need("refresh_token", document.refresh_token)?),
            is_federated: true,
        }),
        "external_account" => {
            let server = reach.server(&need("token_url", document.token_url)?, "token_url", place)?;
            let client = document.client_id.zip(document.client_secret.map(|it| Secret::new(&it)));
            let email = document.service_account_impersonation_url.as_deref().map(|it| account(it).unwrap_or_default());
            let external = External::new(document.written, server, client, email, place, reach)?;
            let external = Source::External(Box::new(external));
            let Some(url) = document.service_account_impersonation_url else { return Ok(external) };
            let server = reach.server(&url, "service_account_impersonation_url", place)?;
            Ok(Source::Impersonated { by: Box::new(external), delegates: Vec::new(), seconds, server })
        }
        "impersonated_service_account" => {
            let url = need("service_account_impersonation_url", document.service_account_impersonation_url)?;
            let server = reach.server(&url, "service_account_impersonation_url", place)?;
            let inner = need("source_credentials", document.source_credentials.map(|it| it.to_string()))?;
            let inner: Document = serde_json::from_str(&inner)
                .map_err(|_| format!("{place} has `source_credentials` that are no credentials of Google's"))?;
            if inner.kind == kind {
                return Err(format!("{place} has `source_credentials` of the type `{kind}` too; name the first alone"));
            }
            let by = Box::new(source(inner, &format!("`source_credentials` of {place}"), reach)?);
            Ok(Source::Impersonated { by, delegates: document.delegates, seconds, server })
        }
        other => Err(format!(
            "{place} is of the type `{other}`; known are `service_account`, `authorized_user`, `external_account`, \
             `external_account_authorized_user` and `impersonated_service_account`"
        )),
    }
}

/// The service account in an address like `…/serviceAccounts/EMAIL:generateAccessToken`.
pub(super) fn account(address: &str) -> Option<String> {
    let (_, rest) = address.rsplit_once('/')?;
    rest.strip_suffix(":generateAccessToken").map(str::to_owned)
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
