//! Roles that are taken on with other keys or with a web identity: STS's `AssumeRole` and `AssumeRoleWithWebIdentity`,
//! asked again before what they granted runs out.
//!
//! Facts: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html> and
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use object_store::aws::AwsCredential;
use reqwest::{Client, RequestBuilder, Url};
use sha2::{Digest, Sha256};

use super::keys::{Keys, Source, client};
use super::{ROLE_SECONDS, SESSION_NAME, domain, sign, variable};
use crate::provider::grant::{Authority, Grant, TIMEOUT, ToldBy, element, form};
use crate::secrets::Secret;

/// A role to be taken on.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session_name: String,
    pub(super) external_id: Option<String>,
    pub(super) seconds: u32,
    pub(super) trust: Trust,
    /// Where STS is asked, if not where calls are signed for.
    pub(super) region: Option<String>,
    pub(super) sts: Option<Url>,
}

/// Why the role is granted.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    Keys(Box<Keys>),
    /// The token in a file.
    WebIdentity(PathBuf),
}

/// Who vouches for us, ready to do so.
enum Voucher {
    Keys(Source),
    WebIdentity(PathBuf),
}

struct Asker {
    role: Role,
    voucher: Voucher,
    region: String,
    sts: Url,
    client: Client,
}

impl Role {
    /// The role of a web identity that variables tell of, as EKS sets them.
    pub(super) fn of_variables() -> Option<Self> {
        let (file, arn) = (variable("AWS_WEB_IDENTITY_TOKEN_FILE")?, variable("AWS_ROLE_ARN")?);
        Some(Self {
            arn,
            session_name: variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| SESSION_NAME.to_owned()),
            external_id: None,
            seconds: ROLE_SECONDS,
            trust: Trust::WebIdentity(file.into()),
            region: None,
            sts: None,
        })
    }

    /// The keys of this role.
    pub(super) fn source(&self, region: &str) -> Result<Source, String> {
        let region = self.region.as_deref().unwrap_or(region);
        let sts = match (&self.sts, variable("AWS_ENDPOINT_URL_STS")) {
            (Some(sts), _) => sts.clone(),
            (None, named) => {
                let sts = named.unwrap_or_else(|| format!("https://sts.{region}.{}/", domain(region)));
                Url::parse(&sts).map_err(|error| format!("`{sts}` is no address of STS: {error}"))?
            }
        };
        let voucher = match &self.trust {
            Trust::Keys(keys) => Voucher::Keys(keys.source(region)?),
            Trust::WebIdentity(file) => Voucher::WebIdentity(file.clone()),
        };
        let client = client(false, TIMEOUT)?;
        let asker = Arc::new(Asker { role: self.clone(), voucher, region: region.to_owned(), sts, client });
        Ok(Source::granted(move || {
            let asker = Arc::clone(&asker);
            async move { asker.ask().await }.boxed()
        }))
    }
}

impl Asker {
    async fn ask(&self) -> Result<Grant<Arc<AwsCredential>>, String> {
        let asked = Instant::now();
        let Role { arn, session_name, external_id, seconds, .. } = &self.role;
        let seconds = seconds.to_string();
        let mut pairs = vec![
            ("Version", "2011-06-15"),
            ("RoleArn", arn),
            ("RoleSessionName", session_name),
            ("DurationSeconds", &seconds),
        ];
        let (token, secrets);
        let request = match &self.voucher {
            Voucher::WebIdentity(file) => {
                // The file is read each time: its token is renewed in place.
                let text = tokio::fs::read_to_string(file).await;
                let text = text.map_err(|error| format!("the web identity in {}: {error}", file.display()))?;
                token = Secret::new(&text);
                pairs.insert(0, ("Action", "AssumeRoleWithWebIdentity"));
                pairs.push(("WebIdentityToken", token.reveal()));
                secrets = vec![token.clone()];
                form(&self.client, &self.sts, &pairs)
            }
            Voucher::Keys(source) => {
                let keys = source.get().await?;
                pairs.insert(0, ("Action", "AssumeRole"));
                pairs.extend(external_id.iter().map(|it| ("ExternalId", it.as_str())));
                secrets = secrets_of(&keys);
                self.signed(form(&self.client, &self.sts, &pairs), &keys)?
            }
        };
        let what = format!("the role `{arn}`");
        let authority = Authority { name: "STS", what: &what, secrets: &secrets };
        let answer = authority.ask(request, ToldBy::Xml).await?;
        let answer = String::from_utf8_lossy(&answer);
        let need = |name: &str| element(&answer, name).ok_or_else(|| format!("STS answered without `{name}`"));
        let keys = AwsCredential {
            key_id: need("AccessKeyId")?.to_owned(),
            secret_key: need("SecretAccessKey")?.to_owned(),
            token: Some(need("SessionToken")?.to_owned()),
        };
        let keys = Arc::new(keys);
        match element(&answer, "Expiration") {
            Some(time) => Grant::until_text(keys, time).map_err(|error| format!("STS granted a role until {error}")),
            None => Ok(Grant::lasting(keys, asked, Duration::from_secs(self.role.seconds.into()))),
        }
    }

    fn signed(&self, request: RequestBuilder, keys: &AwsCredential) -> Result<RequestBuilder, String> {
        let mut request = request.build().map_err(|error| format!("a request to STS cannot be built: {error}"))?;
        let digest = Sha256::digest(request.body().and_then(|it| it.as_bytes()).unwrap_or_default());
        sign(self.sts.to_string(), &digest, keys, "sts", &self.region, &mut request)
            .map_err(|error| error.to_string())?;
        Ok(RequestBuilder::from_parts(self.client.clone(), request))
    }
}

/// What of keys must not be seen; their id may.
pub(super) fn secrets_of(keys: &AwsCredential) -> Vec<Secret> {
    keys.token.iter().chain([&keys.secret_key]).map(|it| Secret::new(it)).collect()
}
