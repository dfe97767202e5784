//! Roles that are taken on with other keys: STS's `AssumeRole`, asked again before what it granted runs out.
//!
//! Facts: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt;
use object_store::CredentialProvider;
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use sha2::{Digest, Sha256};

use super::sign;
use crate::provider::grant::{Grant, Granted};

/// STS answers within a second.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of STS's answer at most; a grant has about two thousand.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A role to be taken on.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session_name: String,
    pub(super) external_id: Option<String>,
    pub(super) seconds: u32,
}

/// The keys that a role grants.
struct RoleKeys {
    role: Role,
    granted: Granted<Arc<AwsCredential>>,
}

struct Asker {
    role: Role,
    keys: AwsCredentialProvider,
    region: String,
    sts: Url,
    client: Client,
}

impl Role {
    /// The keys of this role, granted to the holder of other keys.
    pub(super) fn provider(
        self,
        keys: AwsCredentialProvider,
        region: &str,
        sts: Option<String>,
    ) -> Result<AwsCredentialProvider, String> {
        let sts = sts.unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com/"));
        let sts = Url::parse(&sts).map_err(|error| format!("`{sts}` is no address of STS: {error}"))?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("the HTTP client cannot be built: {error}"))?;
        let asker = Arc::new(Asker { role: self.clone(), keys, region: region.to_owned(), sts, client });
        let granted = Granted::new(move || {
            let asker = Arc::clone(&asker);
            async move { asker.ask().await }.boxed()
        });
        Ok(Arc::new(RoleKeys { role: self, granted }))
    }
}

impl fmt::Debug for RoleKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RoleKeys").field("role", &self.role).finish_non_exhaustive()
    }
}

#[async_trait]
impl CredentialProvider for RoleKeys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.granted
            .get()
            .await
            .map_err(|message| object_store::Error::Generic { store: "STS", source: message.into() })
    }
}

impl Asker {
    async fn ask(&self) -> Result<Grant<Arc<AwsCredential>>, String> {
        let keys = self.keys.get_credential().await.map_err(|error| error.to_string())?;
        let asked = Instant::now();
        let seconds = self.role.seconds.to_string();
        let mut form = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", &self.role.arn),
            ("RoleSessionName", &self.role.session_name),
            ("DurationSeconds", &seconds),
        ];
        if let Some(id) = &self.role.external_id {
            form.push(("ExternalId", id));
        }
        let mut body = Url::parse("http://form").map_err(|error| error.to_string())?;
        body.query_pairs_mut().extend_pairs(form);
        let body = body.query().unwrap_or_default().to_owned();
        let digest = Sha256::digest(&body);
        let mut request = self
            .client
            .post(self.sts.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"))
            .body(body)
            .build()
            .map_err(|error| error.to_string())?;
        sign(self.sts.to_string(), &digest, &keys, "sts", &self.region, &mut request)
            .map_err(|error| error.to_string())?;
        let mut response =
            self.client.execute(request).await.map_err(|error| format!("STS cannot be reached: {error}"))?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(|error| format!("STS broke off: {error}"))? {
            answer.extend_from_slice(&bytes);
            if answer.len() > ANSWER_BYTES_MAX {
                return Err("STS answered with more than a grant".to_owned());
            }
        }
        let answer = String::from_utf8_lossy(&answer);
        if !status.is_success() {
            // STS quotes what should have been signed behind this; its first words say what is wrong.
            let words = element(&answer, "Message").and_then(|it| it.lines().next()).unwrap_or("no words");
            return Err(format!("STS refused the role `{}` (HTTP {}): {words}", self.role.arn, status.as_u16()));
        }
        let need = |name: &str| element(&answer, name).ok_or_else(|| format!("STS answered without `{name}`"));
        let credential = AwsCredential {
            key_id: need("AccessKeyId")?.to_owned(),
            secret_key: need("SecretAccessKey")?.to_owned(),
            token: Some(need("SessionToken")?.to_owned()),
        };
        let until = asked + Duration::from_secs(u64::from(self.role.seconds));
        Ok(Grant { of: Arc::new(credential), until })
    }
}

/// The text of the first element of a name. STS's answers nest no element of one name in another, and keys and tokens
/// hold nothing that XML would escape.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_an_answer() {
        let xml =
            "<R><Credentials><AccessKeyId>ASIA</AccessKeyId>\n<SessionToken> a+/= </SessionToken></Credentials></R>";
        assert_eq!(element(xml, "AccessKeyId"), Some("ASIA"));
        assert_eq!(element(xml, "SessionToken"), Some("a+/="));
        assert_eq!(element(xml, "SecretAccessKey"), None);
    }
}
