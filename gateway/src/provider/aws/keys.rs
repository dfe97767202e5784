//! The ways to AWS's keys, and the keys that they lead to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::aws::AwsCredential;
use reqwest::Client;
use serde::Deserialize;

use super::role::Role;
use super::sso::Sso;
use super::{machine, variable};
use crate::provider::grant::{Grant, Granted, run};
use crate::secrets::Secret;

/// A command may ask a server of its own, which botocore waits for without end.
const PROCESS_TIMEOUT: Duration = Duration::from_mins(1);
/// Keys without an end are looked for again after so long: somebody may have changed them.
const ENDLESS: Duration = Duration::from_hours(1);

/// A way to keys.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    Fixed {
        id: String,
        key: Secret,
        token: Option<Secret>,
    },
    /// A command that prints them, in words.
    Process(Vec<String>),
    Sso(Box<Sso>),
    Role(Box<Role>),
    /// The variables of the environment.
    Environment,
    /// The service that a container is told of in variables.
    Container,
    /// The machine's metadata.
    Machine,
    /// Whatever the environment and the machine have, in AWS's order.
    Elsewhere,
}

/// Where the keys of the moment are had.
#[derive(Clone)]
pub(super) enum Source {
    Fixed(Arc<AwsCredential>),
    Granted(Arc<Granted<Arc<AwsCredential>>>),
}

impl Source {
    pub(super) async fn get(&self) -> Result<Arc<AwsCredential>, String> {
        match self {
            Self::Fixed(keys) => Ok(Arc::clone(keys)),
            Self::Granted(granted) => granted.get().await,
        }
    }

    /// The keys of late.
    pub(super) fn known(&self) -> Vec<Arc<AwsCredential>> {
        match self {
            Self::Fixed(keys) => vec![Arc::clone(keys)],
            Self::Granted(granted) => granted.known(),
        }
    }

    pub(super) fn granted(
        ask: impl Fn() -> BoxFuture<'static, Result<Grant<Arc<AwsCredential>>, String>> + Send + Sync + 'static,
    ) -> Self {
        Self::Granted(Arc::new(Granted::new(ask)))
    }
}

impl Keys {
    /// Where this way leads; `region` is the one that calls are signed for.
    pub(super) fn source(&self, region: &str) -> Result<Source, String> {
        Ok(match self {
            Self::Fixed { id, key, token } => Source::Fixed(Arc::new(AwsCredential {
                key_id: id.clone(),
                secret_key: key.reveal().to_owned(),
                token: token.as_ref().map(|it| it.reveal().to_owned()),
            })),
            Self::Process(words) => {
                let words = words.clone();
                Source::granted(move || process(words.clone()).boxed())
            }
            Self::Sso(sso) => sso.source()?,
            Self::Role(role) => role.source(region)?,
            Self::Environment => of_variables()?
                .ok_or("the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")?
                .source(region)?,
            Self::Container => machine::container()?.ok_or(
                "this is no container with a role: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor \
                 AWS_CONTAINER_CREDENTIALS_FULL_URI is set",
            )?,
            Self::Machine => machine::metadata()?,
            Self::Elsewhere => match of_variables()? {
                Some(keys) => keys.source(region)?,
                None => match Role::of_variables() {
                    Some(role) => role.source(region)?,
                    None => machine::container()?.map_or_else(machine::metadata, Ok)?,
                },
            },
        })
    }
}

/// The keys in the environment.
pub(super) fn of_variables() -> Result<Option<Keys>, String> {
    match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (None, None) => Ok(None),
        (Some(id), Some(key)) => Ok(Some(Keys::Fixed {
            id,
            key: Secret::new(&key),
            token: variable("AWS_SESSION_TOKEN").or_else(|| variable("AWS_SECURITY_TOKEN")).map(|it| Secret::new(&it)),
        })),
        _ => Err("one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set; they belong together".to_owned()),
    }
}

/// Keys as commands, containers and machines tell them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    access_key_id: String,
    secret_access_key: String,
    #[serde(alias = "SessionToken")]
    token: Option<String>,
    expiration: Option<String>,
}

/// The keys in a document of theirs; `who` told it.
pub(super) fn told(document: &[u8], who: &str) -> Result<Grant<Arc<AwsCredential>>, String> {
    // The parser's words may quote the keys.
    let document: Document =
        serde_json::from_slice(document).map_err(|_| format!("{who} gave no keys in AWS's form"))?;
    let keys = Arc::new(AwsCredential {
        key_id: document.access_key_id,
        secret_key: document.secret_access_key,
        token: document.token.filter(|it| !it.is_empty()),
    });
    match document.expiration {
        Some(time) => Grant::until_text(keys, &time).map_err(|error| format!("{who} gave keys whose end {error}")),
        None => Ok(Grant::lasting(keys, Instant::now(), ENDLESS)),
    }
}

async fn process(words: Vec<String>) -> Result<Grant<Arc<AwsCredential>>, String> {
    let printed = run(&words, &[], PROCESS_TIMEOUT).await.map_err(|error| format!("`credential_process`: {error}"))?;
    let who = format!("`credential_process` (`{}`)", words[0]);
    let version: Option<u64> =
        serde_json::from_slice::<serde_json::Value>(&printed).ok().and_then(|it| it.get("Version")?.as_u64());
    if version != Some(1) {
        return Err(format!("{who} printed no JSON object with `\"Version\": 1`"));
    }
    told(&printed, &who)
}

/// A client for AWS's own services, which a proxy may be before, or for one that is beside us.
pub(super) fn client(is_beside: bool, connect: Duration) -> Result<Client, String> {
    // Whoever installed a provider before has chosen; TLS works either way.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder().connect_timeout(connect).redirect(reqwest::redirect::Policy::none());
    let builder = if is_beside { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| format!("the HTTP client cannot be built: {error}"))
}
